"""A map that reads Kafka itself: every position that its topic gets, as it comes, in the order of its partitions."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from bondmate_kafka.registry import RegistrySchemaIds
from bondmate_schemas.catalogue import locations_topic
from bondmate_schemas.codec import Codec
from bondmate_schemas.models import Delivery
from confluent_kafka import Consumer, TopicPartition

from bench.chaos.book import Book

_POLL_SECONDS = 0.2
_ASK_SECONDS = 10.0


class Map:
    """Reads in a thread of its own, from the first record on; a context manager."""

    def __init__(self, bootstrap: str, registry_url: str, destination: str, book: Book) -> None:
        self._topic = locations_topic(destination)
        self._codec = Codec(RegistrySchemaIds(registry_url))
        self._book = book
        self._stop = threading.Event()
        self._consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "chaos-map", "log_level": 0,
                                   "enable.auto.commit": False, "auto.offset.reset": "earliest"})  # fmt: skip
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        places = self._consumer.list_topics(self._topic, _ASK_SECONDS).topics[self._topic].partitions
        self._consumer.assign([TopicPartition(self._topic, partition, 0) for partition in places])
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._consumer.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            for message in self._consumer.consume(500, _POLL_SECONDS):
                if message.error() is None:
                    delivery = self._codec.decode(message.value(), Delivery)
                    assert delivery.location is not None
                    self._book.mapped[delivery.location.device_id].append(delivery.location.sequence)
