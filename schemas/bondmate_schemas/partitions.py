"""Where Kafka keeps a key: the one partitioner of the hub's writers, of faust's tables and of Java's client."""

from __future__ import annotations

from typing import Final

from confluent_kafka import murmur2

__all__ = ["PARTITIONER", "partition_of"]

PARTITIONER: Final = "murmur2_random"
"""librdkafka's name for what Java's client does by default; its own default, by CRC32, has other places for keys."""


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of `key` in a topic that has so many."""
    return int(murmur2(key, partitions))
