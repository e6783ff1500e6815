"""Count the alerts that come for a destination while it is paused: somebody must hear that an officer's alert waits."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bondmate_kafka.client import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition
from bondmate_kafka.consumer import open_consumer, partitions
from bondmate_monitoring import metrics
from bondmate_schemas.codec import CodecError, SchemaUnavailableError
from bondmate_schemas.enums import DeliveryKind, Mode
from bondmate_schemas.models import Delivery

_ANSWER_SECONDS = 5.0
_AGAIN_SECONDS = 1.0
_POLL_SECONDS = 0.2
_BATCH = 500


class Behind:
    """Reads on from what a group has committed, joins no group and commits nothing; `run` is for a thread of its own.

    What cannot be decoded counts as an alert of unknown mode: it may be one.
    """

    def __init__(
        self, name: str, topic: str, config: Mapping[str, Any], decode: Callable[[bytes | None], Delivery]
    ) -> None:
        self._name = name
        self._topic = topic
        self._config = {key: value for key, value in config.items() if key != "group.instance.id"}
        self._decode = decode
        self._stopping = threading.Event()
        self._alerts: Counter[Mode] = Counter()

    @property
    def alerts(self) -> Mapping[Mode, int]:
        """How many alerts wait, by mode."""
        return dict(self._alerts)

    def stop(self) -> None:
        """Have `run` end."""
        self._stopping.set()

    def run(self) -> None:
        """Count until `stop`; a broker that is away is waited for."""
        try:
            while not self._stopping.is_set():
                try:
                    self._read()
                except (KafkaException, SchemaUnavailableError):
                    self._stopping.wait(_AGAIN_SECONDS)
        finally:
            self._show(Counter())

    def _read(self) -> None:
        consumer = open_consumer(self._config)
        try:
            consumer.assign(self._starts(consumer))
            self._show(Counter())
            while not self._stopping.is_set():
                if messages := consumer.consume(_BATCH, _POLL_SECONDS):
                    self._count([message for message in messages if message.error() is None])
        finally:
            consumer.close()

    def _starts(self, consumer: Consumer) -> list[TopicPartition]:
        places = [TopicPartition(*place) for place in partitions(consumer, [self._topic], _ANSWER_SECONDS)]
        committed = consumer.committed(places, timeout=_ANSWER_SECONDS)
        return [
            TopicPartition(self._topic, each.partition, each.offset if each.offset >= 0 else OFFSET_BEGINNING)
            for each in committed
        ]

    def _count(self, messages: Sequence[Message]) -> None:
        alerts = self._alerts.copy()
        for message in messages:
            try:
                delivery = self._decode(message.value())
            except CodecError:
                alerts[Mode.UNKNOWN] += 1
            else:
                if delivery.kind is DeliveryKind.ALERT and not delivery.is_drill:
                    alerts[delivery.header.mode] += 1
        self._show(alerts)

    def _show(self, alerts: Counter[Mode]) -> None:
        self._alerts = alerts
        show_behind(self._name, alerts)


def show_behind(name: str, alerts: Counter[Mode]) -> None:
    """Show how many alerts wait behind a pause, by mode; none of any from the start, so that a panel has a line."""
    for mode in Mode:
        metrics.CONNECTOR_PAUSED_ALERTS.labels(name, mode.value).set(alerts[mode])
