"""Take records from Kafka: one consumer, one thread, bounded, committed by what has settled.

The thread owns the consumer: it polls, decodes, hands batches to the event loop, pauses a partition that holds too much
and commits. The loop owns the tracker of each partition. What both look at are single numbers with one writer each.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, cast

from bondmate_kafka.client import Consumer, KafkaError, KafkaException, Message, TopicPartition, is_fatal
from bondmate_kafka.consumer import open_consumer
from bondmate_kafka.offsets import OffsetTracker
from bondmate_kafka.records import Headers
from bondmate_kafka.threads import in_thread
from bondmate_schemas.codec import CodecError, SchemaUnavailableError
from bondmate_schemas.models import Delivery

from bondmate_connectors.errors import Misconfigured
from bondmate_connectors.runtime.settings import RunnerSettings

_SCHEMA_AGAIN_SECONDS = 2.0
_DENIED = {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED}


@dataclass(slots=True, eq=False)
class PartitionState:
    """One partition from assignment to revocation; a later assignment of it has another state."""

    topic: str
    number: int
    tracker: OffsetTracker = field(default_factory=OffsetTracker)
    held: dict[int, ConsumedRecord] = field(default_factory=dict)
    """Taken and not settled, by offset, in order; the loop's."""
    revoked: bool = False
    busy: int = 0
    """Being sent or confirmed now; the loop's."""
    started: int = -1
    """Highest offset of which sending has begun; the loop's."""
    first: int | None = None
    """The first offset taken; the thread's."""
    position: int = 0
    """The next offset expected; the thread's."""
    handed: int = 0
    """Records handed to the loop so far; the thread's."""
    released: int = 0
    """Records settled so far; the loop's."""
    committed: int | None = None
    paused: bool = True
    stuck: deque[Message] = field(default_factory=deque)
    """Records whose schema the registry does not give now; the thread's."""

    @property
    def place(self) -> TopicPartition:
        """The partition as the client names it."""
        return TopicPartition(self.topic, self.number)


@dataclass(slots=True, eq=False)
class ConsumedRecord:
    """One record taken from a partition: as it was, and decoded."""

    partition: PartitionState
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    published_at: datetime
    """The record's timestamp: when the hub published it."""
    content: Delivery | CodecError

    @property
    def event_id(self) -> str:
        """The id of its Delivery; empty when it cannot be read."""
        return self.content.id if isinstance(self.content, Delivery) else ""

    @property
    def kind(self) -> str:
        """The kind of its Delivery; empty when it cannot be read."""
        return self.content.kind.value if isinstance(self.content, Delivery) else ""


class Receiver(Protocol):
    """Who works on what is taken; called on the event loop."""

    def receive(self, batch: Sequence[ConsumedRecord]) -> None:
        """Take over a batch, in order of each partition."""
        ...

    async def give_up(self, partitions: Sequence[PartitionState], grace_seconds: float) -> None:
        """Begin nothing more of `partitions`; return when nothing of them is in hand.

        What still is after `grace_seconds` is cancelled.
        """
        ...


class Intake:
    """Feed a `Receiver` from one topic.

    Raises from `ended`: `Misconfigured` when access is denied, `KafkaException` when the consumer cannot go on (fenced
    by another of its name, for one).
    """

    def __init__(
        self,
        topic: str,
        config: Mapping[str, Any],
        decode: Callable[[bytes | None], Delivery],
        receiver: Receiver,
        settings: RunnerSettings,
    ) -> None:
        self._topic = topic
        self._config = config
        self._decode = decode
        self._receiver = receiver
        self._settings = settings
        self._partitions: dict[int, PartitionState] = {}
        self._stopping = threading.Event()
        self._next_commit = 0.0
        self._next_stuck = 0.0
        self._current_at = 0.0

    def start(self) -> None:
        """Start the thread; `ended` is the future of its end."""
        self._loop = asyncio.get_running_loop()
        self._current_at = time.monotonic()
        self.ended = in_thread(f"intake {self._topic}", self._run)

    async def stop(self) -> None:
        """Commit what has settled and close, within a bound; harmless when it has ended."""
        self._stopping.set()
        await asyncio.wait([self.ended], timeout=self._settings.close_seconds)

    def is_current(self) -> bool:
        """Whether the thread has lately gone round: if not, this process was frozen and may have a successor."""
        return self.quiet_seconds() < self._settings.lease_seconds

    def quiet_seconds(self) -> float:
        """Return how long ago the thread last went round."""
        return time.monotonic() - self._current_at

    # All below runs in the thread.

    def _run(self) -> None:
        self._consumer = open_consumer({**self._config, "on_commit": self._on_commit})
        try:
            self._consumer.subscribe([self._topic], on_assign=self._assigned, on_revoke=self._revoked,
                                     on_lost=self._lost)  # fmt: skip
            while not self._stopping.is_set():
                self._take()
                self._unstick()
                self._balance()
                self._commit_when_due()
                self._stay_current()
            self._commit_and_wait(self._partitions.values())
        finally:
            self._stopping.set()
            self._consumer.close()

    def _take(self) -> None:
        first = self._consumer.poll(self._settings.poll_seconds)
        if first is None:
            return
        batch = [first, *self._consumer.consume(self._settings.batch - 1, 0)]
        self._hand_over([record for message in batch if self._is_record(message) for record in self._open(message)])

    def _is_record(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return message.partition() in self._partitions
        if is_fatal(error):
            raise KafkaException(error)
        if error.code() in _DENIED:
            raise Misconfigured(f"the broker denies access to the topic {self._topic} or its group")
        return False

    def _open(self, message: Message) -> list[ConsumedRecord]:
        """Return the record decoded, or nothing while its partition waits for a schema."""
        partition = self._partitions[_partition(message)]
        offset = _offset(message)
        if offset < partition.position:
            partition = self._rewind(partition)
        if partition.first is None:
            partition.first = offset
        partition.position = offset + 1
        return self._decode_in_order(partition, message)

    def _decode_in_order(self, partition: PartitionState, message: Message) -> list[ConsumedRecord]:
        if not partition.stuck:
            try:
                return [self._taken(partition, message)]
            except SchemaUnavailableError:
                self._next_stuck = time.monotonic() + _SCHEMA_AGAIN_SECONDS
        partition.stuck.append(message)
        return []

    def _taken(self, partition: PartitionState, message: Message) -> ConsumedRecord:
        content: Delivery | CodecError
        try:
            content = self._decode(message.value())
        except CodecError as error:
            content = error
        published_at = datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC)
        return ConsumedRecord(
            partition, _offset(message), message.key(), message.value(), _headers(message), published_at, content
        )

    def _rewind(self, old: PartitionState) -> PartitionState:
        """Begin a partition anew whose log went back (its broker lost the end of it): nothing there may be skipped."""
        partition = self._partitions[old.number] = PartitionState(old.topic, old.number)
        self._give_up([old], 0.0)
        return partition

    def _unstick(self) -> None:
        """Try the partitions that wait for a schema again."""
        if time.monotonic() < self._next_stuck:
            return
        for partition in self._partitions.values():
            messages, partition.stuck = partition.stuck, deque()
            self._hand_over([record for message in messages for record in self._decode_in_order(partition, message)])

    def _hand_over(self, batch: list[ConsumedRecord]) -> None:
        if not batch:
            return
        for record in batch:
            record.partition.handed += 1
        self._loop.call_soon_threadsafe(self._receiver.receive, batch)

    def _balance(self) -> None:
        """Pause partitions that hold too much, resume those that are down to half."""
        bound = self._settings.held_per_partition
        for partition in self._partitions.values():
            held = partition.handed - partition.released
            if not partition.paused and (held >= bound or partition.stuck):
                self._consumer.pause([partition.place])
                partition.paused = True
            elif partition.paused and held <= bound // 2 and not partition.stuck:
                self._consumer.resume([partition.place])
                partition.paused = False

    def _stay_current(self) -> None:
        """Note the turn; after a long pause only when a commit shows that the group still counts us in."""
        if self.is_current() or self._belongs():
            self._current_at = time.monotonic()

    def _belongs(self) -> bool:
        places = [
            TopicPartition(partition.topic, partition.number, partition.tracker.committable or partition.first)
            for partition in self._partitions.values()
            if partition.first is not None
        ]
        try:
            return not places or self._consumer.commit(offsets=places, asynchronous=False) is not None
        except KafkaException as error:
            if is_fatal(error.args[0]):
                raise
            return False

    def _commit_when_due(self) -> None:
        now = time.monotonic()
        if now >= self._next_commit and (offsets := self._due(self._partitions.values())):
            self._next_commit = now + self._settings.commit_seconds
            self._consumer.commit(offsets=offsets, asynchronous=True)

    def _due(self, partitions: Sequence[PartitionState] | Any) -> list[TopicPartition]:
        """Return the offsets to commit and note them as committed."""
        due = []
        for partition in partitions:
            offset = partition.tracker.committable
            if offset is not None and offset != partition.committed:
                partition.committed = offset
                due.append(TopicPartition(partition.topic, partition.number, offset))
        return due

    def _commit_and_wait(self, partitions: Sequence[PartitionState] | Any) -> None:
        """Commit now; what cannot be committed is read again later, which its ids make harmless."""
        for partition in partitions:
            partition.committed = None
        if offsets := self._due(partitions):
            try:
                self._consumer.commit(offsets=offsets, asynchronous=False)
            except KafkaException as error:
                if is_fatal(error.args[0]):
                    raise

    def _on_commit(self, error: KafkaError | None, partitions: Sequence[TopicPartition]) -> None:
        """Forget that a failed commit was made, so that the next turn makes it again."""
        for place in partitions:
            if (error or place.error) and (partition := self._partitions.get(place.partition)):
                partition.committed = None

    def _assigned(self, _: Consumer, places: Sequence[TopicPartition]) -> None:
        for place in places:
            self._partitions[place.partition] = PartitionState(place.topic, place.partition)

    def _revoked(self, _: Consumer, places: Sequence[TopicPartition]) -> None:
        """Let the work in hand end, then commit: the next owner must not repeat it."""
        partitions = self._remove(places)
        if not self._stopping.is_set():
            self._give_up(partitions, self._settings.revoke_seconds)
            self._commit_and_wait(partitions)

    def _lost(self, _: Consumer, places: Sequence[TopicPartition]) -> None:
        """Somebody else has them already: stop at once, commit nothing."""
        partitions = self._remove(places)
        if not self._stopping.is_set():
            self._give_up(partitions, 0.0)

    def _remove(self, places: Sequence[TopicPartition]) -> list[PartitionState]:
        return [partition for place in places if (partition := self._partitions.pop(place.partition, None))]

    def _give_up(self, partitions: Sequence[PartitionState], grace_seconds: float) -> None:
        work: Coroutine[Any, Any, None] = self._receiver.give_up(partitions, grace_seconds)
        waiting = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            waiting.result(grace_seconds + 1)
        except TimeoutError:
            waiting.cancel()


# The client's types say that these may be absent; of a message that is no error they are not.


def _offset(message: Message) -> int:
    return int(message.offset() or 0)


def _partition(message: Message) -> int:
    return int(message.partition() or 0)


def _headers(message: Message) -> Headers:
    found = cast("list[tuple[str, bytes | None]]", message.headers() or [])
    return list(found)
