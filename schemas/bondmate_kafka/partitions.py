"""In which partition Kafka keeps a key, by the hub's one partitioner."""

from __future__ import annotations

from confluent_kafka import murmur2


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of `key` in a topic that has so many."""
    return int(murmur2(key, partitions))
