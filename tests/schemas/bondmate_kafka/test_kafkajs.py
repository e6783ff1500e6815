"""A control room that reads its topics with kafkajs, as it comes from npm, reads what the hub writes there."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bondmate_hub.broker.apache import ApacheBroker, ApacheConfig
from bondmate_kafka.admin import admin_client
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.producer import BlockingWriter, Outbox
from bondmate_kafka.provisioning import apply
from bondmate_kafka.records import Outgoing
from bondmate_schemas.catalogue import destination_topic, locations_topic, topics
from bondmate_streams.lane.sender import BatchProducer
from tak_servers.environments import NodeEnvironment, install

pytestmark = [pytest.mark.kafka, pytest.mark.node, pytest.mark.timeout(300)]
COUNT = 50
TYPE = ("ce_type", b"eu.bondmate.Delivery")
NODE = NodeEnvironment("kafkajs", Path(__file__).parent / "kafkajs")


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaConfig]:
    install([NODE])
    with ApacheBroker(ApacheConfig(tmp_path_factory.mktemp("kafka"))) as broker:
        kafka = KafkaConfig(broker.bootstrap, "")
        apply(admin_client(kafka), topics(destinations=["usual", "gzip", "zstd"], partitions=1))
        yield kafka


def records(topic: str) -> list[Outgoing]:
    """Return records that are worth compressing."""
    return [Outgoing(topic, b"%d" % number, b"value of a room " * 20, (TYPE,)) for number in range(COUNT)]


def read(kafka: KafkaConfig, topic: str) -> subprocess.CompletedProcess[str]:
    command = [*NODE.command("read.mjs"), kafka.bootstrap, topic, str(COUNT)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def found(done: subprocess.CompletedProcess[str]) -> list[tuple[bytes, bytes, bytes]]:
    rows = map(json.loads, done.stdout.splitlines())
    return [(row["key"].encode(), base64.b64decode(row["value"]), row["type"].encode()) for row in rows]


def expected(topic: str) -> list[tuple[bytes, bytes, bytes]]:
    return [(each.key or b"", each.value or b"", TYPE[1]) for each in records(topic)]


async def test_kafkajs_reads_alerts_and_positions_as_the_hub_writes_them(kafka: KafkaConfig) -> None:
    alerts, positions = destination_topic("usual"), locations_topic("usual")
    async with Outbox(kafka.producer("test-outbox")) as outbox:
        await outbox.send_all(records(alerts))
    sender = BatchProducer(kafka.producer("test-lane"), threading.Event())
    for record in records(positions):
        sender.begin(record)
    assert sender.finish()

    read_alerts, read_positions = read(kafka, alerts), read(kafka, positions)

    assert expected(alerts) == found(read_alerts), read_alerts.stderr
    assert expected(positions) == found(read_positions), read_positions.stderr


def test_kafkajs_reads_gzip_and_says_what_it_does_not_read(kafka: KafkaConfig) -> None:
    for codec in ("zstd", "gzip"):
        chosen = replace(kafka, destination_compression=codec)
        settings = [None] * COUNT
        assert settings == BlockingWriter(chosen, f"test-{codec}").write(records(destination_topic(codec)))

    refused, taken = read(kafka, destination_topic("zstd")), read(kafka, destination_topic("gzip"))

    assert (1, "ZSTD compression not implemented") == (refused.returncode, refused.stderr.strip())
    assert expected(destination_topic("gzip")) == found(taken), taken.stderr
