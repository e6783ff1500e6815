"""What the broker holds for each consumer and nobody has settled: the true backlog, whatever the consumers do."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # the client exports it

_ANSWER_SECONDS = 2.0
_AGES_SECONDS = 0.5
"""How long ages are read off records between two counts: a count is never kept waiting for longer."""
_SELDOM = 30
"""Looks between two at which partitions there are."""
_EARLIEST: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]  # so is the client
_LATEST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
_Place = tuple[str, int]
Reads = tuple[str, str]
"""A consumer group, and a topic that it reads."""


@dataclass(frozen=True, slots=True)
class ConsumerLag:
    """Events not settled, and since when the oldest of them has been there (seconds since the epoch, None: nobody)."""

    events: int
    oldest_at: float | None = None


class LagWatch:
    """Ask the broker; blocking, for one thread.

    `groups` gives the topics of each consumer group. The age of the oldest record is read off the record itself, once,
    when its offset stays where it was from one look to the next: of what moves the consumers know the age themselves.
    """

    def __init__(self, config: Mapping[str, Any], groups: Mapping[str, Collection[str]]) -> None:
        # A broker that was away for long is counted again a second after it is back, not ten.
        self._config = {"reconnect.backoff.max.ms": 1_000, **config}
        self.groups = groups
        self._of_topics: AdminClient | None = None
        self._reader: Consumer | None = None
        self._askers: dict[str, Consumer] = {}
        self._firsts: dict[_Place, int] = {}
        self._look_anew = 0
        self._stood: dict[_Place, int] = {}
        self._ages: dict[_Place, tuple[int, float]] = {}
        self._ageless: dict[_Place, int] = {}

    def look(self) -> dict[Reads, ConsumerLag]:
        """Return what is unread of each group, by topic, where the topic exists and the broker answers."""
        try:
            return self._look()
        except (KafkaException, TimeoutError):
            self._begin_anew()
            return {}

    def learn_ages(self) -> None:
        """Read the age off the records that the last looks found standing; the next look tells it."""
        end = time.monotonic() + _AGES_SECONDS
        while self._ageless and (left := end - time.monotonic()) > 0:
            place, offset = self._ageless.popitem()
            if at := self._published_at(place, offset, left):
                self._ages[place] = (offset, at)

    def close(self) -> None:
        """Close the reader and those that ask."""
        for consumer in (*self._askers.values(), *([self._reader] if self._reader else [])):
            consumer.close()

    def _begin_anew(self) -> None:
        """Ask with new clients.

        A client that a broker about to end told of no brokers at all forgets those it was configured with, and never
        asks again (librdkafka 2.16, its issue 5301); asked this often, one of five meets that in three restarts.
        """
        self.close()
        self._askers, self._reader, self._of_topics = {}, None, None

    def _look(self) -> dict[Reads, ConsumerLag]:
        # Partitions, and where they begin, change seldom.
        if self._look_anew <= 0:
            self._firsts = self._offsets(self._places(), _EARLIEST)
            self._look_anew = _SELDOM if self._firsts else 0
        self._look_anew -= 1
        if not self._firsts:
            return {}
        ends = self._offsets(self._firsts, _LATEST)
        found: dict[Reads, ConsumerLag] = {}
        enough = time.monotonic() + 2 * _ANSWER_SECONDS
        for group, topics in self.groups.items():
            mine = [place for place in self._firsts if place[0] in topics]
            if mine and time.monotonic() < enough and (committed := self._committed(group, mine)) is not None:
                for topic in {name for name, _ in mine}:
                    found[group, topic] = self._unread({p: at for p, at in committed.items() if p[0] == topic}, ends)
        return found

    @property
    def _admin(self) -> AdminClient:
        # Not before it is asked: a client is some MiB, and a process without sinks looks at nothing.
        if self._of_topics is None:
            self._of_topics = AdminClient(self._config)
        return self._of_topics

    def _places(self) -> list[_Place]:
        topics = self._admin.list_topics(timeout=_ANSWER_SECONDS).topics
        wanted = sorted({name for names in self.groups.values() for name in names} & set(topics))
        return [(topic, partition) for topic in wanted for partition in topics[topic].partitions]

    def _offsets(self, places: Collection[_Place], spec: OffsetSpec) -> dict[_Place, int]:
        if not places:
            return {}
        asked = self._admin.list_offsets(
            {TopicPartition(*place): spec for place in places}, request_timeout=_ANSWER_SECONDS
        )
        return {(at.topic, at.partition): answer.result(2 * _ANSWER_SECONDS).offset for at, answer in asked.items()}

    def _committed(self, group: str, places: Iterable[_Place]) -> dict[_Place, int] | None:
        # A consumer of the group that never joins it: librdkafka's admin client, asked the same, ends the process when
        # the group's coordinator moves or its broker goes (2.16; it looks for the group it has none of).
        if group not in self._askers:
            self._askers[group] = Consumer({**self._config, "group.id": group, "enable.auto.commit": False})
        try:
            found = self._askers[group].committed([TopicPartition(*place) for place in places], _ANSWER_SECONDS)
        except KafkaException:
            # One group whose coordinator is on its way to another broker does not hide the others.
            self._askers.pop(group).close()
            return None
        return {(at.topic, at.partition): at.offset for at in found if at.error is None}

    def _unread(self, committed: Mapping[_Place, int], ends: Mapping[_Place, int]) -> ConsumerLag:
        at = {place: max(offset, self._firsts[place]) for place, offset in committed.items()}
        behind = {place: offset for place, offset in at.items() if offset < ends[place]}
        ages = [age for place, offset in behind.items() if (age := self._age(place, offset)) is not None]
        return ConsumerLag(sum(ends[place] - offset for place, offset in behind.items()), min(ages, default=None))

    def _age(self, place: _Place, offset: int) -> float | None:
        stood = self._stood.get(place) == offset
        self._stood[place] = offset
        known, at_seconds = self._ages.get(place, (-1, 0.0))
        if known == offset:
            return at_seconds
        if stood:
            self._ageless[place] = offset
        return None

    def _published_at(self, place: _Place, offset: int, seconds: float) -> float | None:
        if self._reader is None:
            self._reader = Consumer({**self._config, "group.id": "bondmate-unread", "enable.auto.commit": False})
        self._reader.assign([TopicPartition(*place, offset)])
        message = self._reader.poll(seconds)
        self._reader.unassign()
        return None if message is None or message.error() else message.timestamp()[1] / 1000


class LagThread:
    """Look again and again in a thread; what was seen last is read from anywhere."""

    def __init__(self, watch: LagWatch, every_seconds: float) -> None:
        self._watch = watch
        self._every_seconds = every_seconds
        self._stopping = threading.Event()
        self._seen: Mapping[Reads, ConsumerLag] = {}

    def run(self) -> None:
        """Look until `stop`; not at all where there is nothing to look at."""
        try:
            while self._watch.groups and not self._stopping.is_set():
                due = time.monotonic() + self._every_seconds
                self._seen = self._watch.look()
                self._watch.learn_ages()
                self._stopping.wait(max(0.0, due - time.monotonic()))
        finally:
            self._watch.close()

    def stop(self) -> None:
        """Have `run` end soon."""
        self._stopping.set()

    def events(self, reads: Iterable[Reads]) -> int | None:
        """Return how many events of these together are not settled; None when one of them is not known."""
        seen = [self._seen.get(each) for each in reads]
        return None if None in seen else sum(unread.events for unread in seen if unread)

    def oldest_seconds(self, reads: Iterable[Reads], now: datetime) -> float:
        """Return the age of the oldest of them as far as it is known, else 0."""
        seen = [unread.oldest_at for each in reads if (unread := self._seen.get(each)) and unread.oldest_at]
        return max(now.timestamp() - min(seen), 0.0) if seen else 0.0
