"""The floor: consume, read into columns, write from columns, produce, commit; nothing else, once a destination."""

from __future__ import annotations

from bondmate_schemas.catalogue import DEVICE_LOCATIONS, locations_topic
from bondmate_schemas.codec import Codec
from bondmate_schemas.columns import Columns
from bondmate_schemas.kafka import KafkaConfig
from confluent_kafka import Consumer, Producer

GROUP = "bench-floor"
_BATCH = 10_000


def run(kafka: KafkaConfig, codec: Codec, destinations: int, count: int) -> None:
    """Take so many positions to so many destinations, as they are."""
    columns = Columns("DeviceLocation", codec.prefix_of("DeviceLocation"))
    consumer = Consumer(kafka.consumer(GROUP, GROUP, gather_ms=20))
    producer = Producer({**kafka.producer(GROUP), "delivery.report.only.error": True, "linger.ms": 100})
    consumer.subscribe([DEVICE_LOCATIONS])
    topics = [locations_topic(f"room-{number}") for number in range(destinations)]
    done = 0
    while done < count:
        messages = [m for m in consumer.consume(_BATCH, 0.1) if m.error() is None]
        if not messages:
            continue
        read = columns.read([message.value() for message in messages])
        keys = [message.key() for message in messages]
        for topic in topics:
            for key, value in zip(keys, columns.write(read.columns), strict=True):
                _put(producer, topic, value, key)
        producer.flush()
        consumer.commit(offsets=consumer.position(consumer.assignment()), asynchronous=False)
        done += len(messages)
    consumer.close()


def _put(producer: Producer, topic: str, value: bytes, key: bytes | None) -> None:
    while True:
        try:
            producer.produce(topic, value, key)
        except BufferError:
            producer.poll(0.1)
        else:
            return
