"""Finds the few records under some keys among very many: only the partitions of the keys, only from a time on.

No group is joined and nothing is committed. A record that its writer put into the partition of another key is not found
there: the hub writes such a record again where it belongs, as soon as its streams read it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final, cast

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from bondmate_kafka.client import Place, Refusals, is_end_of_partition
from bondmate_kafka.config import QUIET, KafkaConfig
from bondmate_kafka.consumer import open_consumer
from bondmate_kafka.errors import NO_ANSWER, BrokerError
from bondmate_kafka.partitions import partition_of
from bondmate_kafka.records import headers_of

__all__ = ["FoundRecord", "Gone", "TopicSearch", "Wanted"]

_ASK_SECONDS: Final = 10.0
_SILENCE_SECONDS: Final = 30.0
_BATCH: Final = 10_000
_POLL_SECONDS: Final = 0.05
_ALONE: Final[Mapping[str, Any]] = {
    "group.id": "bondmate-search",
    "auto.offset.reset": "earliest",
    "enable.auto.commit": False,
    "enable.partition.eof": True,
    # What is read last is mostly the end of a partition: nobody waits for more to come.
    "fetch.wait.max.ms": 20,
    "fetch.message.max.bytes": 4 << 20,
    "queued.max.messages.kbytes": 65_536,
    **QUIET,
}
Wanted = Callable[[bytes, bytes], bool]
"""Whether the record of this key and value is wanted; it is asked of every record, before anything is decoded."""


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """A record that was found; `value` None is a tombstone, `at` the time of publishing."""

    topic: str
    partition: int
    offset: int
    at: datetime
    key: bytes
    value: bytes | None
    headers: Mapping[str, bytes]

    @property
    def where(self) -> str:
        """Where it stands."""
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True)
class Gone:
    """What stood at the beginning of a topic is gone; `kept_since` is the oldest that is left, None: nothing is."""

    topic: str
    kept_since: datetime | None


class TopicSearch:
    """Searches topics with one client."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._partitions: dict[str, list[int]] = {}
        self.gone: dict[str, Gone] = {}
        """By topic, where what was asked for goes further back than what is kept."""

    @classmethod
    @contextmanager
    def at(cls, kafka: KafkaConfig) -> Iterator[TopicSearch]:
        """Open a search.

        Raises:
            BrokerError: the broker does not answer or refuses; its message says what to do.
        """
        refusals = Refusals()
        consumer = open_consumer({**kafka.client(), **_ALONE, "error_cb": refusals.note})
        try:
            yield cls(consumer)
        except KafkaException as error:
            consumer.poll(0)  # has the errors told that came meanwhile
            raise BrokerError(refusals.why or NO_ANSWER) from error
        finally:
            consumer.close()

    def topics(self) -> Collection[str]:
        """Return the topics that there are."""
        if not self._partitions:
            about = self._consumer.list_topics(timeout=_ASK_SECONDS).topics
            self._partitions = {name: sorted(topic.partitions) for name, topic in about.items()}
        return self._partitions

    def of_keys(self, topic: str, keys: Collection[str]) -> list[Place]:
        """Return the partitions in which records of these keys lie; none of a topic that is not there."""
        self.topics()
        count = len(self._partitions.get(topic, ()))
        numbers = {partition_of(key.encode(), count) for key in keys} if count else set()
        return [(topic, number) for number in sorted(numbers)]

    def whole(self, topic: str) -> list[Place]:
        """Return every partition of a topic; none of one that is not there."""
        self.topics()
        return [(topic, number) for number in self._partitions.get(topic, ())]

    def find(self, places: Collection[Place], wanted: Wanted, since: datetime | None = None) -> Iterator[FoundRecord]:
        """Yield what is wanted and stood in these partitions when this began, each partition in order.

        Args:
            places: topics and partitions.
            wanted: asked of key and value.
            since: only what was published then or later.

        Raises:
            BrokerError: the broker fell silent.
            KafkaException: it does not answer.
        """
        ends = self._assigned(places, since)
        heard = monotonic()
        while ends:
            messages = self._consumer.consume(_BATCH, _POLL_SECONDS)
            for message in messages:
                yield from self._taken(message, ends, wanted)
            heard = monotonic() if messages else heard
            if monotonic() - heard > _SILENCE_SECONDS:
                raise BrokerError(NO_ANSWER)

    def _assigned(self, places: Collection[Place], since: datetime | None) -> dict[Place, int]:
        """Begin at the offsets of `since`, and return where each partition ends that holds anything from there on."""
        starts, ends = self._starts(places, since), {}
        for place, start in starts.items():
            low, high = self._consumer.get_watermark_offsets(TopicPartition(*place), timeout=_ASK_SECONDS)
            if low > 0 and start <= low:
                self.gone.setdefault(place[0], Gone(place[0], None))
            if max(start, low) < high:
                ends[place] = high
        self._consumer.assign([TopicPartition(*place, max(starts[place], 0)) for place in ends])
        return ends

    def _starts(self, places: Collection[Place], since: datetime | None) -> dict[Place, int]:
        if since is None:
            return dict.fromkeys(places, 0)
        if not places:
            return {}
        asked = [TopicPartition(*place, int(since.timestamp() * 1000)) for place in places]
        told = self._consumer.offsets_for_times(asked, _ASK_SECONDS)
        return {(each.topic, each.partition): each.offset for each in told if each.offset >= 0}

    def _taken(self, message: Message, ends: dict[Place, int], wanted: Wanted) -> Iterator[FoundRecord]:
        place, offset = (message.topic() or "", message.partition() or 0), message.offset() or 0
        end = ends.get(place)
        if end is None:
            return
        if message.error() is None and offset < end:
            self._note(place[0], message)
            key, value = _bytes(message.key()) or b"", _bytes(message.value())
            if wanted(key, value or b""):
                yield FoundRecord(*place, offset, _published(message), key, value, _headers(message))
        if is_end_of_partition(message) or offset + 1 >= end:
            del ends[place]

    def _note(self, topic: str, message: Message) -> None:
        """Note from when on a topic is kept of which something is gone."""
        gone = self.gone.get(topic)
        if gone is not None and gone.kept_since is None:
            self.gone[topic] = Gone(topic, _published(message))


def _published(message: Message) -> datetime:
    return datetime.fromtimestamp(max(message.timestamp()[1], 0) / 1000, UTC)


def _headers(message: Message) -> dict[str, bytes]:
    pairs = cast("list[tuple[str, str | bytes | None]]", message.headers() or [])
    return {name: value for name, value in headers_of(pairs) if value is not None}


def _bytes(content: str | bytes | None) -> bytes | None:
    return content.encode() if isinstance(content, str) else content
