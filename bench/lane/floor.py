"""The floor: consume, read into columns, write from columns, produce, commit; nothing else, once a destination.

What it writes are Deliveries, as the lane does, of the whole fix as it came.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from bondmate_kafka.config import KafkaConfig
from bondmate_schemas.catalogue import DEVICE_LOCATIONS, locations_topic
from bondmate_schemas.codec import Codec
from bondmate_schemas.columns import Columns
from bondmate_streams.lane.column_views import constant, parts_of, struct_of
from bondmate_streams.lane.sender import OF_BATCHES
from confluent_kafka import Consumer, Producer

GROUP = "bench-floor"
_BATCH = 10_000


def run(kafka: KafkaConfig, codec: Codec, destinations: int) -> None:
    """Take positions to so many destinations, as they are, until killed; a batch flies while the next is read."""
    came, told = (Columns(record, codec.prefix_of(record)) for record in ("DeviceLocation", "Delivery"))
    consumer = Consumer(kafka.consumer(GROUP, GROUP, gather_ms=20))
    producer = Producer({**kafka.producer(GROUP), **OF_BATCHES})
    consumer.subscribe([DEVICE_LOCATIONS])
    rooms = [f"room-{number}" for number in range(destinations)]
    while True:
        done = consumer.position(consumer.assignment())
        messages = [message for message in consumer.consume(_BATCH, 0.1) if message.error() is None]
        read = came.read([message.value() for message in messages])
        keys = [message.key() for message in messages]
        written = [told.write(_deliveries(read.columns, room, told.schema)) for room in rooms]
        producer.flush()
        if messages and any(place.offset >= 0 for place in done):
            consumer.commit(offsets=[place for place in done if place.offset >= 0], asynchronous=False)
        for room, values in zip(rooms, written, strict=True):
            topic = locations_topic(room)
            for key, value in zip(keys, values, strict=True):
                put(producer, topic, value, key)


def _deliveries(fixes: pa.RecordBatch, room: str, schema: pa.Schema) -> pa.RecordBatch:
    """Give the columns of what a room would get, were all of a fix shown to it."""
    rows = fixes.num_rows
    columns: dict[str, Any] = {
        name: constant(value, pa.string(), rows)
        for name, value in {"destination": room, "kind": "LOCATION", "reason": "NEW", "route": "positions"}.items()
    }
    columns["header"] = struct_of(schema.field("header").type, parts_of(fixes.column("header")))
    location = dict(zip(fixes.schema.names, fixes.columns, strict=True))
    columns["location"] = struct_of(schema.field("location").type, location)
    arrays = [columns[f.name] if f.name in columns else pa.nulls(rows, f.type) for f in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def put(producer: Producer, topic: str, value: bytes, key: bytes | None) -> None:
    """Hand over a record, waiting for room."""
    while True:
        try:
            producer.produce(topic, value, key)
        except BufferError:
            producer.poll(0.1)
        else:
            return
