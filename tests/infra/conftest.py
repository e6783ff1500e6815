"""A hub on a broker and a registry of its own, with its command line, for the tests of `hub dlq`."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import command_line
import pytest
from bondmate_hub.broker import Broker
from bondmate_hub.settings import load
from bondmate_hub.wanted import carry_out
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.registry import record_subject
from bondmate_schemas.catalogue import DEVICE_ALERTS, dead_letter_topic
from bondmate_schemas.codec import Codec
from bondmate_schemas.ids import derived_id
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, Producer, TopicPartition

SECONDS = 60


@dataclass
class Ids:
    """Asks a registry without keeping a connection."""

    url: str

    def schema_of(self, schema_id: int) -> str:
        with urllib.request.urlopen(f"{self.url}/schemas/ids/{schema_id}") as answer:
            return json.load(answer)["schema"]

    def id_of(self, record: str) -> int:
        with urllib.request.urlopen(f"{self.url}/subjects/{record_subject(record)}/versions/latest") as answer:
            return json.load(answer)["id"]


@dataclass
class Hub:
    """A broker, a registry and the command line, with what a test needs to look at them from outside."""

    folder: Path
    kafka: KafkaConfig
    _numbers: Iterator[int] = field(default_factory=lambda: iter(range(10**9)))

    @property
    def ids(self) -> Ids:
        return Ids(self.kafka.registry_url)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "bondmate_hub", "dlq", *arguments, "--config", str(self.folder / "hub.yaml")]

    def dlq(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return command_line.hub("dlq", *arguments, "--config", str(self.folder / "hub.yaml"), cwd=self.folder)

    def told(self, *arguments: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.dlq(*arguments, "--json").stdout.splitlines()]

    def bury(self, place: str, *letters: tuple[bytes, bytes, dict[str, str]], code: str = "agent_failed") -> list[str]:
        """Write dead letters: key, value, and facts beyond the usual ones; gives their ids."""
        producer, ids = Producer(self.kafka.producer("test")), []
        for key, value, given in letters:
            number = next(self._numbers)
            fact = {"topic": DEVICE_ALERTS, "partition": "0", "offset": str(number), "stage": place, "code": code,
                    "id": derived_id("letter", str(number)), "at": "2026-11-20T10:00:00+00:00"}  # fmt: skip
            fact |= {name: text for name, text in given.items() if not name.startswith("bondmate.")}
            headers = [("ce_type", b"eu.bondmate.DeviceAlert"), ("traceparent", b"00-ab-cd-01")]
            headers += [(f"bondmate.error.{name}", text.encode()) for name, text in fact.items()]
            headers += [(name, text.encode()) for name, text in given.items() if name.startswith("bondmate.")]
            producer.produce(dead_letter_topic(place), key=key, value=value, headers=headers)
            producer.poll(0)
            ids.append(fact["id"])
        assert producer.flush(SECONDS) == 0
        return ids

    def read(self, topic: str) -> list[Message]:
        consumer = Consumer({**self.kafka.consumer("test-reader", "test-reader"), "enable.partition.eof": True})
        try:
            left = set(consumer.list_topics(topic, timeout=SECONDS).topics[topic].partitions)
            consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in left])
            found, end = [], time.monotonic() + SECONDS
            while left:
                assert time.monotonic() < end, f"{topic} does not end"
                for message in consumer.consume(500, 0.2):
                    if message.error() is None:
                        found.append(message)
                    elif message.error().code() == KafkaError._PARTITION_EOF:
                        left.discard(message.partition())
            return sorted(found, key=lambda message: (message.partition(), message.offset()))
        finally:
            consumer.close()

    def records(self, topic: str, kind: type[Any]) -> list[Any]:
        codec = Codec(self.ids)
        return [codec.decode(message.value(), kind) for message in self.read(topic)]

    @contextmanager
    def running(self, *roles: str) -> Iterator[None]:
        """Run each role in a process of its own."""
        start = [sys.executable, "-m", "bondmate_hub", "run"]
        rest = ["--config", str(self.folder / "hub.yaml")]
        children = []
        try:
            for role in roles:
                with (self.folder / f"{role}.log").open("w") as log:
                    children.append(subprocess.Popen([*start, role, *rest], stdout=log, stderr=log, cwd=self.folder))
            yield
        finally:
            for child in children:
                child.terminate()
            for child in children:
                child.wait(SECONDS)

    def ends(self) -> dict[tuple[str, int], int]:
        consumer = Consumer(self.kafka.consumer("test-ends", "test-ends"))
        try:
            return {
                (name, partition): consumer.get_watermark_offsets(TopicPartition(name, partition), timeout=SECONDS)[1]
                for name, topic in consumer.list_topics(timeout=SECONDS).topics.items()
                for partition in topic.partitions
            }
        finally:
            consumer.close()

    def committed(self, *groups: str) -> dict[tuple[str, str, int], int]:
        found = {}
        for group in groups:
            consumer = Consumer(self.kafka.consumer(group, f"look-{group}"))
            spots = [TopicPartition(topic, partition) for topic, partition in self.ends()]
            for spot in consumer.committed(spots, timeout=SECONDS):
                found[group, spot.topic, spot.partition] = spot.offset
            consumer.close()
        return found


@pytest.fixture
def dlq_hub(new_broker: Broker, tmp_path: Path, registry: str) -> Callable[[str], Hub]:
    """Give what makes the hub, with further settings: `dlq_hub("connectors: …")`."""

    def make(settings: str = "") -> Hub:
        kafka = f"{{bootstrap: '{new_broker.bootstrap}', registry_url: '{registry}'}}"
        (tmp_path / "hub.yaml").write_text(
            f"instance: test\ndata_dir: data\nkafka: {kafka}\n{settings}", encoding="utf-8"
        )
        carry_out(load(tmp_path / "hub.yaml"), new_broker.limits)
        return Hub(tmp_path, KafkaConfig(new_broker.bootstrap, registry, {"log_level": 0}))

    return make
