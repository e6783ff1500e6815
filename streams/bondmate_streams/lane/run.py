"""The location lane: batches of fixes judged, routed, cut to agreements, written, and only then committed."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import methodcaller
from typing import Any, Final, TypeVar

import structlog
from bondmate_kafka.client import Consumer, KafkaError, KafkaException, Message, TopicPartition, is_fatal
from bondmate_kafka.consumer import open_consumer
from bondmate_kafka.records import utc_now
from bondmate_monitoring.metrics import LANE_BATCH_SECONDS
from bondmate_schemas.catalogue import DEVICE_LOCATIONS
from bondmate_schemas.catalogue import LANE_GROUP as GROUP
from bondmate_schemas.codec import RECORDS, Codec, SchemaUnavailableError

from bondmate_streams.audit_tail import chain_so_far
from bondmate_streams.lane.batch import BatchResult
from bondmate_streams.lane.checkpoints import Checkpoints, ReadRecords
from bondmate_streams.lane.config import LaneConfig
from bondmate_streams.lane.disclosures import Disclosures
from bondmate_streams.lane.growing import GrowingEngine
from bondmate_streams.lane.homes import Homes
from bondmate_streams.lane.lane import LocationLane
from bondmate_streams.lane.regroup import regroup
from bondmate_streams.lane.remembered import LastFixes
from bondmate_streams.lane.sender import BatchProducer
from bondmate_streams.logic.audit import Chain

_log = structlog.get_logger(__name__)
T = TypeVar("T")
_GATHER_MS: Final = 20
"""How long positions may wait at the broker for others to be worked off with."""
_HEARTBEAT_MS: Final = 300
_IDLE_SECONDS: Final = 0.1
_ASK_SECONDS: Final = 10.0
_AGAIN_SECONDS: Final = 1.0
_MOST_READS: Final = 30
"""A broker may have lost what the batch of a killed lane reached, so that it is not waited for long."""
_MANY: Final = 1_000
"""A batch of so many is on its way while the next is worked."""
_SHUT_OUT: Final = frozenset({
    KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID, KafkaError.REBALANCE_IN_PROGRESS,
})  # fmt: skip
"""Errors of a commit that say: these partitions are another's, or about to be."""


def run_lane(config: LaneConfig, stop: threading.Event, on_ready: Callable[[], object] = lambda: None) -> None:
    """Run until `stop` is set, then finish the batch in hand, commit, and return. Blocks; one lane a data folder.

    `on_ready` is called when partitions were assigned.
    Broker, registry or topics that are not there are waited for. Killing it loses nothing: what was not committed comes
    again, under the ids it had.
    """
    codec = Codec(config.ids())
    chain = answered(stop, "lane waits", lambda: _ready(config, codec))
    if chain is None:
        return
    sender = BatchProducer(config.kafka.producer(f"{GROUP}-{config.instance}"), stop)
    disclosures = Disclosures(config.data_dir / "lane-disclosures.jsonl", config.secret)
    rules = config.rules()
    engine = GrowingEngine(rules, codec, may_grow=config.by_columns)
    lane = LocationLane(engine, codec, chain, sender, disclosures, config.audit_seconds, config.untaken)
    loop = Loop(lane, config, open_consumer(_consumer(config)), stop, on_ready, homes=rules.homes)
    _log.info("lane started", instance=config.instance)
    try:
        loop.run()
    finally:
        loop.close()


def _consumer(config: LaneConfig) -> dict[str, Any]:
    settings = config.kafka.consumer(GROUP, f"{GROUP}-{config.instance}", gather_ms=_GATHER_MS)
    # Of each partition the next batch is at hand, not the client's 100,000 fixes, and the client looks soon for more.
    settings |= {"queued.min.messages": config.batch, "fetch.queue.backoff.ms": _GATHER_MS}
    # While a group shares its partitions anew nothing can be committed, and members learn of it with a heartbeat.
    settings |= {"heartbeat.interval.ms": _HEARTBEAT_MS}
    return settings | ({"partition.assignment.strategy": "cooperative-sticky"} if config.cooperative else {})


def _ready(config: LaneConfig, codec: Codec) -> Chain:
    for record in RECORDS:
        codec.learn(record)
    return chain_so_far(config.kafka, codec, f"lane-{config.instance}")


def answered(stop: threading.Event, event: str, ask: Callable[[], T]) -> T | None:
    """Return what `ask` returns, asked again while broker or registry do not answer; None when stopped before that."""
    logged = False
    while not stop.is_set():
        try:
            return ask()
        except (KafkaException, SchemaUnavailableError, KeyError) as error:
            if not logged:
                _log.warning(event, error=type(error).__name__)
            logged = True
        stop.wait(_AGAIN_SECONDS)
    return None


class _ShutOutError(RuntimeError):
    """The group counts us out, or is about to share its partitions anew: what is in hand is not ours to write."""


@dataclass(eq=False)
class Loop:
    """The consumer of a lane, and how far it is in each partition."""

    lane: LocationLane
    config: LaneConfig
    consumer: Consumer
    stop: threading.Event
    on_ready: Callable[[], object] = lambda: None
    last: LastFixes | None = None
    homes: Homes | None = None

    def __post_init__(self) -> None:
        """Join the group; partitions come while it runs."""
        self._joined = False
        self._checkpoints = Checkpoints(DEVICE_LOCATIONS)
        self._begun_at: float | None = None
        """When it was begun to write a batch that has not arrived yet, as far as is known."""
        self._last = self.last or LastFixes(self.config.kafka, self.config.instance)
        self.consumer.subscribe(
            [DEVICE_LOCATIONS], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
        )

    def run(self) -> None:
        """Take batches until stopped; then settle what was begun."""
        while not self.stop.is_set():
            self.turn()
        if self._settled():
            self._commit_if_ours()
            if self.lane.audit(utc_now(), last=True):
                _log.info("lane stopped", instance=self.config.instance)

    def turn(self) -> None:
        """Take one batch from the topic and write what comes of it.

        A large one is on its way while the next is worked; how far it came is committed with the next.
        """
        old, new = self._checkpoints.split(self._read())
        if not old and not new:
            self._rest()
            return
        worked = answered(self.stop, "lane waits", lambda: self._judged(old, new))
        if worked is None or not self._until_done(self._arrived):
            return
        self._checkpoints.begin_batch()
        if self._announced():
            self._begun_at = time.monotonic()
            self._checkpoints.note_writing()
            self.lane.write(worked)
            if len(new) < _MANY:
                self._until_done(self._arrived)
            self._until_done(lambda: self.lane.audit(utc_now()))

    def _judged(self, old: list[Message], new: list[Message]) -> BatchResult:
        if old:
            self.lane.recall(old)
        return self.lane.work(new)

    def _arrived(self) -> bool:
        """Wait for what is being written; False when not now."""
        if not self.lane.settle():
            return False
        self._checkpoints.note_delivered()
        if self._begun_at is not None:
            LANE_BATCH_SECONDS.observe(time.monotonic() - self._begun_at)
            self._begun_at = None
        return True

    def _settled(self) -> bool:
        """Wait for what is being written, and for the last fixes of all of it; False when not now."""
        if not self._arrived() or not self.lane.settle(everything=True):
            return False
        self._checkpoints.note_snapshot()
        return True

    def _read(self) -> list[ReadRecords]:
        found = self._some()
        for _ in range(_MOST_READS):
            if not self._checkpoints.is_behind():
                return found
            found += self._some()
        self._checkpoints.accept_what_was_read()
        return found

    def _some(self) -> list[ReadRecords]:
        is_behind = self._checkpoints.is_behind()
        # What a killed lane had in hand is taken together, however many: it may have worked by columns.
        most = self.config.batch if is_behind else min(self.config.batch, self.lane.engine.most)
        first = self._consumed(1, _IDLE_SECONDS if is_behind or self._begun_at is None else 0)
        return [first, self._consumed(most - 1, 0)] if first.messages else [first]

    def _consumed(self, count: int, seconds: float) -> ReadRecords:
        messages = self.consumer.consume(count, seconds)
        errors = [*filter(None.__ne__, map(methodcaller("error"), messages))]
        for error in errors:
            if is_fatal(error):
                raise KafkaException(error)  # the role ends, and its supervisor starts another
        return self._checkpoints.note_read([m for m in messages if m.error() is None] if errors else messages)

    def _rest(self) -> None:
        """Nothing comes: write down what is still in hand, and commit it."""
        if not self._until_done(self._settled):
            return
        self._commit_if_ours()
        self._until_done(lambda: self.lane.audit(utc_now()))

    def _commit_if_ours(self) -> None:
        """Commit if it can be; if not, a restart would judge again what was delivered, or deliver it under its ids."""
        with contextlib.suppress(_ShutOutError):
            self._commit()

    def _announced(self) -> bool:
        """Commit how far we are and where this batch ends; False when it is not to be worked, but read again."""
        try:
            return self._until_done(self._commit)
        except _ShutOutError:
            for start in self._checkpoints.drop_batch():
                with contextlib.suppress(KafkaException):  # it may be another's by now
                    self.consumer.seek(start)
            return False

    def _commit(self) -> bool:
        """Commit how far we are; False when not now."""
        offsets = self._checkpoints.to_commit()
        try:
            if offsets:
                self.consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            if is_fatal(error.args[0]):
                raise
            _log.warning("lane could not commit", error=error.args[0].name())
            if error.args[0].code() in _SHUT_OUT:
                raise _ShutOutError from error
            return False
        self._checkpoints.note_committed()
        return True

    def _until_done(self, work: Callable[[], bool]) -> bool:
        """Try until it is done; False when stopped before that."""
        while not work():
            if self.stop.wait(_AGAIN_SECONDS):
                return False
        return True

    # What the group gives and takes; these run in `consume`, between two batches.

    def _assigned(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        taken = answered(self.stop, "lane waits", lambda: self._taken(consumer, partitions))
        if taken is not None:
            # Cooperative, the group names what is new here; else all that is ours.
            (consumer.incremental_assign if self.config.cooperative else consumer.assign)(taken)
            self.on_ready()
            if self.config.cooperative and not self._joined:
                threading.Thread(target=regroup, args=(_consumer(self.config), self.stop), daemon=True).start()
            self._joined = True

    def _taken(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> list[TopicPartition]:
        again = self._checkpoints.owned if self.homes and self.homes.learn(consumer, _ASK_SECONDS) else ()
        for partition in (*again, *(each.partition for each in partitions)):
            self.lane.engine.forget(partition)
            self.lane.engine.restore(partition, self._last.of(partition))
        committed = consumer.committed(list(partitions), _ASK_SECONDS)
        for each in committed:
            if each.error is not None:
                raise KafkaException(each.error)
        return self._checkpoints.assign(committed)

    def _revoked(self, _: Consumer, partitions: Sequence[TopicPartition]) -> None:
        if self._settled():
            self._commit_if_ours()
        self._lost(_, partitions)

    def _lost(self, _: Consumer, partitions: Sequence[TopicPartition]) -> None:
        self.lane.forget_last()
        self._checkpoints.revoke(each.partition for each in partitions)
        for each in partitions:
            self.lane.engine.forget(each.partition)

    def close(self) -> None:
        """Leave the group and release what is held."""
        self.consumer.close()
        self.lane.close()
