"""Records of a batch written and acknowledged, all of them, before anything is committed."""

from __future__ import annotations

import threading
from typing import Any, Final

import structlog
from bondmate_schemas.outbox import Outgoing
from confluent_kafka import KafkaException, Producer

_log = structlog.get_logger(__name__)
_POLL_SECONDS: Final = 0.1
_AGAIN_SECONDS: Final = 1.0
_OF_BATCHES: Final = {
    # What was taken needs no word: each would be a call into Python.
    "delivery.report.only.error": True,
    # `flush`, which ends a batch, waits for nothing; until then its records gather.
    "linger.ms": 100,
}


class Sender:
    """A producer that tries as long as it takes."""

    def __init__(self, settings: dict[str, Any], stop: threading.Event) -> None:
        """Produce with librdkafka `settings`; give up only once `stop` is set and the broker does not take them."""
        self._producer = Producer({**settings, **_OF_BATCHES})
        self._stop = stop
        self._refused: list[Outgoing] = []

    def begin(self, record: Outgoing) -> None:
        """Hand a record to the producer, waiting for room."""
        while True:
            try:
                self._producer.produce(
                    record.topic,
                    key=record.key,
                    value=record.value,
                    headers=list(record.headers),
                    on_delivery=lambda error, _: self._refused.append(record) if error else None,
                )
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

    def _again(self) -> None:
        refused, self._refused = self._refused, []
        for record in refused:
            self.begin(record)

    def close(self) -> None:
        """Drop what nobody waits for any more."""
        try:
            self._producer.purge()
        except KafkaException as error:
            _log.warning("lane could not drop its queue", error=error.args[0].name())
