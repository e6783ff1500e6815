"""Views of topics: every partition from its start, or from a time on, in memory, no group, nothing committed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from bondmate_monitoring.logs import raised_at
from confluent_kafka import Consumer, KafkaException, TopicPartition

from bondmate_kafka.client import Refusals
from bondmate_kafka.config import QUIET, KafkaConfig
from bondmate_kafka.consumer import bounds, from_the_beginning, open_consumer, partitions

_log = structlog.get_logger(__name__)
_BATCH: Final = 500
_GATHER_MS: Final = 100
_POLL_SECONDS: Final = 0.2
_ASK_SECONDS: Final = 10.0
_AGAIN_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Seen:
    """One record of a view; `value` None is a tombstone, `timestamp_ms` the time of publishing."""

    topic: str
    key: str
    value: bytes | None
    timestamp_ms: int


See = Callable[[Seen], None]
"""Runs in the view's thread, so it must be one step of a dict."""


class TopicView:
    """Reads topics in a thread of its own, since a client library that blocks must not hold the agents up."""

    def __init__(
        self, kafka: KafkaConfig, name: str, topics: Sequence[str], see: See, *, since_ms: int | None = None,
        may_come: bool = False,
    ) -> None:  # fmt: skip
        """Read `topics` once started; `name` is the client's.

        `since_ms`: only what was published then or later. `may_come`: a topic that is not there is looked for again,
        and until it is, everything there was has been seen.
        """
        self._since_ms = since_ms
        self._may_come = may_come
        self._refusals = Refusals()
        usual = kafka.consumer(name, name, gather_ms=_GATHER_MS)
        self._settings = {**usual, **QUIET, "error_cb": self._refusals.note}
        self._topics = topics
        self._see = see
        self._missing = False
        self._stop = threading.Event()
        self._caught_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Stop and wait for the thread to end."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def wait_caught_up(self, seconds: float) -> bool:
        """Wait until everything there was at the start has been seen; False after `seconds`."""
        return self._caught_up.wait(seconds)

    @property
    def caught_up(self) -> bool:
        """Whether everything there was at the start has been seen."""
        return self._caught_up.is_set()

    def _run(self) -> None:
        consumer = open_consumer(self._settings)
        try:
            while not self._stop.is_set() and not self._began(consumer):
                self._stop.wait(_AGAIN_SECONDS)
            while not self._stop.is_set():
                self._read(consumer)
        finally:
            consumer.close()

    def _began(self, consumer: Consumer) -> bool:
        try:
            self._ends = self._ends_of(consumer)
        except KafkaException as error:
            consumer.poll(0)  # has the errors told that came meanwhile
            _log.warning(
                "view waits for its topics", topics=self._topics, error=error.args[0].name(), why=self._refusals.why
            )
            return False
        if self._missing and self._may_come:
            self._caught_up.set()
            return False
        consumer.assign(self._starts(consumer))
        self._note_progress()
        return True

    def _starts(self, consumer: Consumer) -> list[TopicPartition]:
        if self._since_ms is None:
            return from_the_beginning(self._ends)
        wanted = [TopicPartition(topic, partition, self._since_ms) for topic, partition in self._ends]
        return consumer.offsets_for_times(wanted, _ASK_SECONDS)

    def _ends_of(self, consumer: Consumer) -> dict[tuple[str, int], int]:
        found: dict[tuple[str, int], int] = {}
        self._missing = False
        for topic in self._topics:
            places = partitions(consumer, [topic])
            self._missing |= not places
            for place in places:
                low, high = bounds(consumer, place)
                found[place] = high if high > low else 0
        return found

    def _read(self, consumer: Consumer) -> None:
        messages = consumer.consume(_BATCH, _POLL_SECONDS)
        for message in messages:
            if message.error() is None:
                key = (message.key() or b"").decode("utf-8", "replace")
                self._show(Seen(message.topic() or "", key, message.value(), message.timestamp()[1]))
        if not self._caught_up.is_set():
            self._positions(consumer)

    def _show(self, seen: Seen) -> None:
        try:
            self._see(seen)
        except Exception as error:  # noqa: BLE001  # a mistake over one record must not end the view
            _log.error(
                "record of a view passed over", topic=seen.topic, error=type(error).__name__, at=raised_at(error)
            )

    def _positions(self, consumer: Consumer) -> None:
        # By position, not by record: what was compacted away at the end never arrives.
        for found in consumer.position([TopicPartition(topic, partition) for topic, partition in self._ends]):
            if found.offset >= self._ends.get((found.topic, found.partition), 0):
                self._ends.pop((found.topic, found.partition), None)
        self._note_progress()

    def _note_progress(self) -> None:
        self._ends = {place: end for place, end in self._ends.items() if end}
        if not self._ends:
            self._caught_up.set()
