"""Consumers: the one place that builds them, and what is asked of them alone."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from bondmate_kafka.client import Place

_ASK_SECONDS: Final = 10.0
_PAUSE_SECONDS: Final = 0.1
# A broker that has just made a topic, or takes over from another, answers so until it knows that it leads.
_NO_LEADER_YET: Final = frozenset({KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE})


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
    """Return the first offset of a partition and the one after its last; waits while its leadership moves.

    Raises:
        KafkaException: the broker does not answer within `seconds`, or nobody leads the partition then.
    """
    until = time.monotonic() + seconds
    while True:
        left = until - time.monotonic()
        try:
            low, high = consumer.get_watermark_offsets(TopicPartition(*place), timeout=left)
        except KafkaException as error:
            if error.args[0].code() not in _NO_LEADER_YET or left < 2 * _PAUSE_SECONDS:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return low, high


def end_as_known(consumer: Consumer, place: Place) -> int:
    """Return the offset after the last of a partition as the client heard of it with what it fetched; 0: not yet."""
    known = consumer.get_watermark_offsets(TopicPartition(*place), cached=True)
    return max(known[1], 0) if known else 0


def from_the_beginning(places: Collection[Place]) -> list[TopicPartition]:
    """Return where to read partitions from their start."""
    return [TopicPartition(*place, OFFSET_BEGINNING) for place in places]
