"""A room's program that reads its topic from Kafka and acknowledges there, with librdkafka's own partitioner."""

from __future__ import annotations

import threading
import time
import uuid
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from bondmate_kafka.partitions import partition_of
from bondmate_schemas.catalogue import RECEIPTS, destination_topic
from bondmate_schemas.codec import Codec
from bondmate_schemas.enums import DeliveryKind, DeliveryReason, Level
from bondmate_schemas.models import Delivery, DeliveryReceipt
from bondmate_schemas.outside_ids import OutsideIds
from confluent_kafka import Consumer, KafkaError, Message, Producer

from bench.chaos.book import Arrival, Book

_POLL_SECONDS = 0.2
_FLUSH_SECONDS = 30


class Cad:
    """Acknowledges each new alert of a destination, in a thread of its own; a context manager."""

    def __init__(self, bootstrap: str, codec: Codec, destination: str, book: Book, outside: OutsideIds) -> None:
        self._codec, self._destination, self._book, self._outside = codec, destination, book, outside
        self._stop = threading.Event()
        self._consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "chaos-cad", "log_level": 0,
                                   "auto.offset.reset": "earliest"})  # fmt: skip
        # What a program gets that sets no partitioner: keys by CRC32.
        self._producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0, "on_delivery": self._written})
        self._partitions = len(self._producer.list_topics(RECEIPTS, _FLUSH_SECONDS).topics[RECEIPTS].partitions)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.acknowledged: set[str] = set()
        """Alerts, by the ids inside; it knows them, and writes them, by those it was told."""
        self.astray = 0
        """How many receipts the broker put in the partition of another key."""

    def __enter__(self) -> Self:
        self._consumer.subscribe([destination_topic(self._destination)])
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._consumer.close()
        self._producer.flush(_FLUSH_SECONDS)

    def _written(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.astray += message.partition() != partition_of(message.key() or b"", self._partitions)

    def _run(self) -> None:
        while not self._stop.is_set():
            for message in self._consumer.consume(500, _POLL_SECONDS):
                if message.error() is None:
                    self._take(self._codec.decode(message.value(), Delivery))
            self._producer.poll(0)

    def _take(self, delivery: Delivery) -> None:
        if (delivery.kind, delivery.reason) != (DeliveryKind.ALERT, DeliveryReason.NEW):
            return
        told_as, room = delivery.header.event_id, self._destination
        event_id = self._outside.back(room, told_as)
        if event_id in self.acknowledged:
            return
        self._book.arrivals[room].append(Arrival(event_id, 0, delivery.id, time.time()))
        self._book.acknowledged[room][event_id] = time.time()
        self.acknowledged.add(event_id)
        self._producer.produce(RECEIPTS, self._codec.encode(_receipt(delivery, room)), told_as)


def _receipt(delivery: Delivery, room: str) -> DeliveryReceipt:
    now = datetime.now(UTC)
    header = delivery.header.model_copy(
        update={"message_id": str(uuid.uuid4()), "source": room, "occurred_at": now, "received_at": now}
    )
    return DeliveryReceipt(
        header=header, destination=room, level=Level.ACKNOWLEDGED, delivery_id=delivery.id
    )  # fmt: skip
