"""Alerts at a steady pace, when each came out at every destination, and the receipts of those that came."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

from bondmate_connectors.runtime.receipts import receipt_for
from bondmate_kafka.config import KafkaConfig
from bondmate_schemas import catalogue
from bondmate_schemas.codec import Codec
from bondmate_schemas.enums import AlertAction, AlertKind, Level, Mode
from bondmate_schemas.models import Delivery, DeviceAlert, EventHeader
from confluent_kafka import OFFSET_END, Consumer, Producer, TopicPartition

_EVERY: Final = 5
"""One alert in so many is taken back by its device."""
_TAKEN_BACK_SECONDS: Final = 1.0
_TOGETHER: Final = 1_000
_FLUSH_SECONDS: Final = 30.0


class Load:
    """Raises alerts of devices of their own, so many a second, and takes some of them back."""

    def __init__(self, kafka: KafkaConfig, codec: Codec, a_second: int) -> None:
        self._producer = Producer(kafka.producer("bench-roll"))
        self._codec = codec
        self._gap = 1 / a_second
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load")
        self.sent: dict[str, float] = {}
        """When each record was published, by its mark."""

    def at_once(self, count: int) -> None:
        """Send so many alerts that nobody takes back, as fast as the broker takes them; before the steady load."""
        for number in range(count):
            self._send(f"open{number}", AlertAction.RAISE)
            if not number % _TOGETHER:
                self._producer.flush(_FLUSH_SECONDS)
        self._producer.flush(_FLUSH_SECONDS)

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """Send while the block runs."""
        self._thread.start()
        try:
            yield
        finally:
            self.stop()

    def stop(self) -> None:
        """Send nothing more; what was sent is with the broker."""
        self._stop.set()
        self._thread.join()
        self._producer.flush(_FLUSH_SECONDS)

    def _run(self) -> None:
        number, begun, to_end = 0, time.monotonic(), deque[tuple[float, int]]()
        while not self._stop.wait(max(0.0, begun + number * self._gap - time.monotonic())):
            self._send(str(number), AlertAction.RAISE)
            if not number % _EVERY:
                to_end.append((time.monotonic() + _TAKEN_BACK_SECONDS, number))
            while to_end and to_end[0][0] <= time.monotonic():
                self._send(str(to_end.popleft()[1]), AlertAction.CANCEL)
            number += 1

    def _send(self, number: str, action: AlertAction) -> None:
        mark, now = f"{action.value}-{number}", datetime.now(UTC)
        header = EventHeader(
            message_id=mark, event_id=f"event-{number}", agency_id="agency-1", mode=Mode.EXERCISE,
            occurred_at=now, received_at=now, source="device_http",
        )  # fmt: skip
        alert = DeviceAlert(
            header=header, device_id=f"device-{number}", action=action, kind=AlertKind.SOS, text=mark
        )  # fmt: skip
        self.sent[mark] = time.monotonic()
        self._producer.produce(catalogue.DEVICE_ALERTS, self._codec.encode(alert), alert.device_id.encode())
        self._producer.poll(0)


class Ends:
    """What comes out at the destinations, read as it comes."""

    def __init__(self, kafka: KafkaConfig, codec: Codec, destinations: Sequence[str]) -> None:
        self._consumer = Consumer(kafka.consumer("bench-roll", "bench-roll"))
        self._destinations = {catalogue.destination_topic(name): name for name in destinations}
        places = [TopicPartition(t, n, OFFSET_END) for t in self._destinations for n in range(catalogue.PARTITIONS)]
        self._consumer.assign(places)
        self._codec = codec
        self._producer = Producer(kafka.producer("bench-roll-ends"))
        self._stop = threading.Event()
        self.came: dict[tuple[str, str], float] = {}
        """When the first Delivery of each record came, by destination and mark."""
        self.order: dict[tuple[str, str], list[str]] = defaultdict(list)
        """The marks of each alert in the order in which they first came, by destination and number."""
        self.ids: dict[tuple[str, str], set[str]] = defaultdict(set)
        """The ids under which each record was delivered: a repeat has the id it had."""

    @contextmanager
    def read(self) -> Iterator[None]:
        """Read while the block runs."""
        self._consumer.consume(1, 5.0)
        thread = threading.Thread(target=self._run, name="ends")
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()
            self._producer.flush(_FLUSH_SECONDS)
            self._consumer.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            for message in self._consumer.consume(500, 0.05):
                if message.error() is None:
                    self._take(self._destinations[str(message.topic())], message.value())

    def _take(self, destination: str, value: bytes | None) -> None:
        delivery = self._codec.decode(value, Delivery)
        mark = (delivery.alert and delivery.alert.text) or ""
        self.ids[destination, mark].add(delivery.id)
        if (destination, mark) not in self.came:
            self.came[destination, mark] = time.monotonic()
            self.order[destination, mark.partition("-")[2]].append(mark)
            receipt = receipt_for(delivery, Level.DELIVERED, now=datetime.now(UTC))
            key = catalogue.key_of(catalogue.RECEIPTS, receipt).encode()
            self._producer.produce(catalogue.RECEIPTS, self._codec.encode(receipt), key)
            self._producer.poll(0)
