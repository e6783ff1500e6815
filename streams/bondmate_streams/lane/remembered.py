"""The last fixes of devices as they were written down, read when a partition becomes ours."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final

from bondmate_kafka.client import Message, TopicPartition
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.consumer import bounds, open_consumer
from bondmate_schemas.catalogue import LAST_LOCATION

from bondmate_streams.lane.batch import Last

_STEP: Final = 10_000
_STEP_SECONDS: Final = 0.1


class LastFixes:
    """Reads the topic of last fixes; it has as many partitions as that of the positions, and the same keys."""

    def __init__(self, kafka: KafkaConfig, instance: str) -> None:
        """Read as a client of this lane."""
        self._settings = kafka.consumer(f"bondmate-lane-last-{instance}", f"bondmate-lane-last-{instance}")

    def of(self, partition: int) -> Iterator[Last]:
        """Yield what a partition holds when this is called, oldest first; blocks.

        Raises:
            KafkaException: the broker does not answer.
        """
        with contextlib.closing(open_consumer(self._settings)) as consumer:
            place = TopicPartition(LAST_LOCATION, partition)
            low, high = bounds(consumer, (LAST_LOCATION, partition))
            if low >= high:
                return
            place.offset = low
            consumer.assign([place])
            # By position, not by record: what was compacted away at the end never arrives.
            while (at := max(low, consumer.position([place])[0].offset)) < high:
                for message in consumer.consume(min(_STEP, high - at), _STEP_SECONDS):
                    if message.error() is None:
                        yield _last(message)


def _last(message: Message) -> Last:
    device, value = (message.key() or b"").decode("utf-8", "replace"), message.value()
    return Last(device, value, message.timestamp()[1] if value is None else 0)
