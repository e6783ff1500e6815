"""The floor: consume, read into columns, write from columns, produce, commit; nothing else, once a destination."""

from __future__ import annotations

from bondmate_schemas.catalogue import DEVICE_LOCATIONS, locations_topic
from bondmate_schemas.codec import Codec
from bondmate_schemas.columns import Columns
from bondmate_schemas.kafka import KafkaConfig
from bondmate_streams.lane.sender import OF_BATCHES
from confluent_kafka import Consumer, Producer

GROUP = "bench-floor"
_BATCH = 10_000


def run(kafka: KafkaConfig, codec: Codec, destinations: int) -> None:
    """Take positions to so many destinations, as they are, until killed; a batch flies while the next is read."""
    columns = Columns("DeviceLocation", codec.prefix_of("DeviceLocation"))
    consumer = Consumer(kafka.consumer(GROUP, GROUP, gather_ms=20))
    producer = Producer({**kafka.producer(GROUP), **OF_BATCHES})
    consumer.subscribe([DEVICE_LOCATIONS])
    topics = [locations_topic(f"room-{number}") for number in range(destinations)]
    while True:
        done = consumer.position(consumer.assignment())
        messages = [message for message in consumer.consume(_BATCH, 0.1) if message.error() is None]
        read = columns.read([message.value() for message in messages])
        keys = [message.key() for message in messages]
        written = [columns.write(read.columns) for _ in topics]
        producer.flush()
        if messages and any(place.offset >= 0 for place in done):
            consumer.commit(offsets=[place for place in done if place.offset >= 0], asynchronous=False)
        for topic, values in zip(topics, written, strict=True):
            for key, value in zip(keys, values, strict=True):
                put(producer, topic, value, key)


def put(producer: Producer, topic: str, value: bytes, key: bytes | None) -> None:
    """Hand over a record, waiting for room."""
    while True:
        try:
            producer.produce(topic, value, key)
        except BufferError:
            producer.poll(0.1)
        else:
            return
