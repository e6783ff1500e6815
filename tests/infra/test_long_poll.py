"""The relay before the embedded broker: it reads requests rightly, and idle consumers ask rarely instead of for ever."""

from __future__ import annotations

import json
import struct
import time

import pytest
from bondmate_hub.broker.long_poll import Frames, produced_topic, wait_of
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic


def frame(key: int, version: int, body: bytes) -> bytes:
    head = struct.pack(">hhi", key, version, 7) + struct.pack(">h", 6) + b"client"
    return struct.pack(">i", len(head) + len(body)) + head + body


@pytest.mark.parametrize("chunk", [1, 3, 1000])
def test_frames_are_whole_however_the_bytes_come(chunk: int):
    sent = [frame(0, 7, b"a"), frame(1, 4, b""), frame(3, 1, b"x" * 300)]
    stream, frames = b"".join(sent), Frames()

    got = [found for at in range(0, len(stream), chunk) for found in frames.feed(stream[at : at + chunk])]

    assert sent == got


def test_the_topic_of_a_produce_is_read_in_the_old_and_the_flexible_form():
    old = frame(0, 7, struct.pack(">h", -1) + struct.pack(">hi", -1, 5000) + struct.pack(">i", 1)
                + struct.pack(">h", 5) + b"topic" + b"rest")  # fmt: skip
    flexible = frame(0, 9, b"\0" + b"\0" + struct.pack(">hi", -1, 5000) + b"\2" + b"\6topic" + b"rest")

    assert b"topic" == produced_topic(old)
    assert b"topic" == produced_topic(flexible)
    assert produced_topic(frame(0, 13, b"\0" * 30)) is None


@pytest.mark.parametrize(
    ("version", "before"), [(4, struct.pack(">i", -1)), (12, b"\0" + struct.pack(">i", -1)), (16, b"\0")]
)
def test_the_wait_a_fetch_asks_for_is_read(version: int, before: bytes):
    assert (0.25, 7) == wait_of(frame(1, version, before + struct.pack(">ii", 250, 7) + b"rest"))


def test_an_idle_consumer_asks_ten_times_a_second_and_gets_what_comes(embedded_broker):
    topic = f"long-poll-{time.monotonic_ns()}"
    # Held until its answer is there: an admin client that is collected takes its futures with it.
    admin = AdminClient({"bootstrap.servers": embedded_broker.bootstrap})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(10)
    asked: list[int] = []
    consumer = Consumer({
        "bootstrap.servers": embedded_broker.bootstrap, "group.id": topic, "group.instance.id": topic,
        "auto.offset.reset": "earliest", "fetch.wait.max.ms": 100, "statistics.interval.ms": 500,
        "stats_cb": lambda text: asked.append(fetches(text)),
    })  # fmt: skip
    try:
        consumer.subscribe([topic])
        deadline = time.monotonic() + 30
        while len(asked) < 8 and time.monotonic() < deadline:
            consumer.poll(0.1)
        idle = asked[-1] - asked[3]
        producer = Producer({"bootstrap.servers": embedded_broker.bootstrap})
        producer.produce(topic, b"now")
        producer.flush(10)
        message = consumer.poll(10)
    finally:
        consumer.close()

    # Two seconds or more of idling, ten a second asked for; the broker alone would have answered tens of thousands.
    assert 0 < idle < 200
    assert message is not None
    assert b"now" == message.value()


def fetches(text: str) -> int:
    return sum(broker["req"].get("Fetch", 0) for broker in json.loads(text)["brokers"].values())


def test_a_patient_consumer_asks_rarely_though_records_come_all_the_time_and_gets_them_all(embedded_broker):
    topic = f"patient-{time.monotonic_ns()}"
    admin = AdminClient({"bootstrap.servers": embedded_broker.bootstrap})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(10)
    asked: list[int] = []
    consumer = Consumer({
        "bootstrap.servers": embedded_broker.bootstrap, "group.id": topic, "group.instance.id": topic,
        "auto.offset.reset": "earliest", "fetch.wait.max.ms": 200, "fetch.min.bytes": 1 << 20,
        "statistics.interval.ms": 500, "stats_cb": lambda text: asked.append(fetches(text)),
    })  # fmt: skip
    producer = Producer({"bootstrap.servers": embedded_broker.bootstrap})
    got, sent = 0, 0
    try:
        consumer.subscribe([topic])
        deadline = time.monotonic() + 30
        while len(asked) < 8 and time.monotonic() < deadline:
            producer.produce(topic, b"now")
            sent += 1
            producer.poll(0)
            got += len([m for m in consumer.consume(100, 0.01) if m.error() is None])
        producer.flush(10)
        while got < sent and time.monotonic() < deadline:
            got += len([m for m in consumer.consume(100, 0.1) if m.error() is None])
    finally:
        consumer.close()

    assert got == sent
    # Two seconds with a record each ten milliseconds or so: five fetches a second, not one a record.
    assert sent > 100
    assert 0 < asked[-1] - asked[3] < 30
