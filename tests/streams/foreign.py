"""Strangers that write the hub's topics with clients and settings of their own."""

from __future__ import annotations

import base64
import random
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, Protocol

from bondmate_hub.broker.apache import JARS
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.partitions import partition_of
from bondmate_schemas import catalogue
from confluent_kafka import Producer

SECONDS: Final = 30
_SOURCE: Final = Path(__file__).with_name("java") / "Stranger.java"
WAYS: Final = ("librdkafka", "murmur2", "random_partition", "null_key", "empty_key", "wrong_key")
"""How strangers choose key and partition; `librdkafka` is the default of its clients, CRC32."""


class Writes(Protocol):
    def write(self, topic: str, records: Iterable[tuple[str, bytes]]) -> None: ...


class Stranger:
    """A client that knows the key of a record and, of its partition, what its library does."""

    def __init__(self, kafka: KafkaConfig, way: str, partitions: int = catalogue.PARTITIONS, seed: int = 13) -> None:
        partitioner = {"partitioner": "murmur2_random"} if way == "murmur2" else {}
        self._producer = Producer({"bootstrap.servers": kafka.bootstrap, "log_level": 0, **partitioner})
        self._way = way
        self._partitions = partitions
        self._random = random.Random(seed)
        self._chosen: dict[bytes, int] = {}

    def write(self, topic: str, records: Iterable[tuple[str, bytes]], headers: Any = None) -> None:
        """Write records, each with the key it should have; those of one key go to one partition, in this order."""
        for key, value in records:
            self._producer.produce(topic, value, headers=headers, **self._where(key.encode()))
        assert self._producer.flush(SECONDS) == 0

    def _where(self, key: bytes) -> dict[str, Any]:
        if self._way in {"librdkafka", "murmur2"}:
            return {"key": key}
        partition = self._chosen.setdefault(key, self._random.randrange(self._partitions))
        wrong: dict[str, bytes | None] = {"null_key": None, "empty_key": b"", "wrong_key": b"a room's name"}
        return {"key": wrong.get(self._way, key), "partition": partition}


class JavaStranger:
    """Kafka's own client, in a process of its own."""

    def __init__(self, kafka: KafkaConfig, way: str) -> None:
        command = ["java", "-Xmx128m", "-cp", f"{JARS}/*", str(_SOURCE), kafka.bootstrap, way]
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def write(self, topic: str, records: Iterable[tuple[str, bytes]]) -> None:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        encode = base64.b64encode
        lines = (b"%s %s %s\n" % (topic.encode(), encode(key.encode()), encode(value)) for key, value in records)
        self._child.stdin.write(b"".join(lines) + b"\n")
        self._child.stdin.flush()
        assert b"\n" == self._child.stdout.readline(), "Java's client ended"

    def close(self) -> None:
        self._child.communicate(timeout=SECONDS)


def misplaced(found: Iterable[Any], partitions: int = catalogue.PARTITIONS) -> list[Any]:
    """Return those of records on a topic that do not lie in the partition of their key."""
    return [one for one in found if one.partition != partition_of(one.key or b"", partitions)]


def by_key(found: Iterable[Any], read: Callable[[Any], Any]) -> dict[bytes, list[Any]]:
    """Return what `read` makes of records, by their key, in the order of their topic."""
    kept: dict[bytes, list[Any]] = {}
    for one in found:
        kept.setdefault(one.key, []).append(read(one))
    return kept
