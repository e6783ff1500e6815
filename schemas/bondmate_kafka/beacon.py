"""One small client of a role: whether the broker answers, and a record now and then that waits for nobody."""

from __future__ import annotations

from typing import Any, Final

from confluent_kafka import KafkaException, Producer

from bondmate_kafka.client import Refusals
from bondmate_kafka.config import QUIET, KafkaConfig
from bondmate_kafka.records import Outgoing

__all__ = ["Beacon"]

_ANSWER_SECONDS: Final = 2.0
_STALE_MS: Final = 3_000
"""What could not be written for so long is said anew anyway."""


class Beacon:
    """Asks and writes; its methods block, and may be called from any thread."""

    def __init__(self, kafka: KafkaConfig, client_id: str) -> None:
        self._bootstrap = kafka.bootstrap
        self._refusals = Refusals()
        settings: dict[str, Any] = {
            **kafka.producer(client_id),
            **QUIET,
            # A broker that was away is asked again within a second of its return.
            "reconnect.backoff.max.ms": 1_000,
            "enable.idempotence": False,
            "message.timeout.ms": _STALE_MS,
            "error_cb": self._refusals.note,
        }
        self._producer = Producer(settings)

    def why_absent(self) -> str:
        """Return why no broker answers, with the address that was asked; empty where one does."""
        try:
            self._producer.list_topics(timeout=_ANSWER_SECONDS)
        except KafkaException:
            self._producer.poll(0)
            return self._refusals.why or f"the broker does not answer at {self._bootstrap}"
        self._producer.poll(0)
        return ""

    def send(self, message: Outgoing) -> None:
        """Queue a record; where it cannot be written it is lost, and the next one says more."""
        try:
            self._producer.produce(message.topic, message.value, message.key, headers=list(message.headers))
        except (BufferError, KafkaException):
            return
        self._producer.poll(0)

    def flush(self, seconds: float) -> None:
        """Wait so long for what was queued."""
        self._producer.flush(seconds)
