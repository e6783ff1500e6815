"""Consumers: the one place that builds them, and what is asked of them alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from bondmate_kafka.client import Place

_ASK_SECONDS: Final = 10.0


def open_consumer(settings: Mapping[str, Any]) -> Consumer:
    """Create a consumer with librdkafka `settings`, as `KafkaConfig` gives them; close it."""
    return Consumer(dict(settings))


def partitions(consumer: Consumer, topics: Iterable[str], seconds: float = _ASK_SECONDS) -> list[Place]:
    """Return every partition of `topics`; none of one that is not there.

    Raises:
        KafkaException: the broker does not answer within `seconds`.
    """
    return [
        (topic, number) for topic in topics for number in consumer.list_topics(topic, seconds).topics[topic].partitions
    ]


def bounds(consumer: Consumer, place: Place, seconds: float = _ASK_SECONDS) -> tuple[int, int]:
    """Return the first offset of a partition and the one after its last.

    Raises:
        KafkaException: the broker does not answer within `seconds`.
    """
    low, high = consumer.get_watermark_offsets(TopicPartition(*place), timeout=seconds)
    return low, high


def end_as_known(consumer: Consumer, place: Place) -> int:
    """Return the offset after the last of a partition as the client heard of it with what it fetched; 0: not yet."""
    known = consumer.get_watermark_offsets(TopicPartition(*place), cached=True)
    return max(known[1], 0) if known else 0


def from_the_beginning(places: Collection[Place]) -> list[TopicPartition]:
    """Return where to read partitions from their start."""
    return [TopicPartition(*place, OFFSET_BEGINNING) for place in places]
