"""Records of a batch written and acknowledged, all of them, before anything is committed."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any, Final

import structlog
from bondmate_kafka.client import KafkaError, KafkaException, Message
from bondmate_kafka.producer import open_producer
from bondmate_kafka.records import PARTITION_UA, Headers, Outgoing, headers_of
from bondmate_schemas.catalogue import DEVICE_LOCATIONS

_log = structlog.get_logger(__name__)
_POLL_SECONDS: Final = 0.1
_AGAIN_SECONDS: Final = 1.0
OF_BATCHES: Final = {
    # What was taken needs no word: each would be a call into Python.
    "delivery.report.only.error": True,
    # A batch's records gather while they are handed over, and go while the next is worked; `flush` waits for nothing.
    "linger.ms": 25,
}
"""Settings of a producer of batches."""


class BatchProducer:
    """A producer that tries as long as it takes."""

    def __init__(self, settings: dict[str, Any], stop: threading.Event) -> None:
        """Produce with librdkafka `settings`; give up only once `stop` is set and the broker does not take them."""
        # One callback for all: given with each record it would cost half of what the record does.
        self._producer = open_producer({**settings, **OF_BATCHES}, self._reported)
        self._stop = stop
        self._refused: list[Message] = []

    def begin(self, record: Outgoing) -> None:
        """Hand a record to the producer, waiting for room."""
        self._put(record.topic, record.key, record.value, record.headers, partition=record.partition)

    def begin_all(self, topic: str, records: Iterable[tuple[bytes, bytes]]) -> None:
        """Hand over records without headers, key and value of each, waiting for room."""
        produce, left = self._producer.produce, iter(records)
        for key, value in left:
            try:
                produce(topic, value, key)
            except BufferError:
                self._put(topic, key, value)

    def end_shift(self, topic: str, key: bytes, at_ms: int) -> None:
        """Hand over a tombstone whose time is `at_ms`, milliseconds since 1970."""
        self._put(topic, key, None, timestamp=at_ms)

    def _put(  # noqa: PLR0917
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = (), timestamp: int = 0,
        partition: int = PARTITION_UA,
    ) -> None:  # fmt: skip
        while True:
            try:
                self._producer.produce(topic, value, key, partition, headers=list(headers), timestamp=timestamp)
            except BufferError:
                self._producer.poll(_POLL_SECONDS)
            else:
                return

    def finish(self) -> bool:
        """Wait until the broker has every record; False when it was stopped before that."""
        said = False
        while True:
            while self._producer.flush(_AGAIN_SECONDS):
                if self._stop.is_set():
                    return False
            if not self._refused:
                return True
            if self._stop.is_set():
                return False
            if not said:
                _log.warning("lane waits for the broker", refused=len(self._refused))
            said = True
            self._again()

    def _reported(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._refused.append(message)

    def _again(self) -> None:
        refused, self._refused = self._refused, []
        for message in refused:
            time_kind, at_ms = message.timestamp()
            self._put(
                message.topic() or "",
                message.key(),
                message.value(),
                headers_of(message.headers()),
                at_ms if time_kind and message.value() is None else 0,
                _partition_of(message),
            )

    def close(self) -> None:
        """Drop what nobody waits for any more."""
        try:
            self._producer.purge()
        except KafkaException as error:
            _log.warning("lane could not drop its queue", error=error.args[0].name())


def _partition_of(message: Message) -> int:
    """Return the partition that was asked for: only what is written again in its device's own asks for one."""
    partition = message.partition() if message.topic() == DEVICE_LOCATIONS else None
    return PARTITION_UA if partition is None else partition
