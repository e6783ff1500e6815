"""Where a partition begins and ends, asked while its leadership moves."""

from __future__ import annotations

from typing import cast

import pytest
from bondmate_kafka.consumer import bounds
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition


class Moving:
    """A consumer whose broker refuses with `code`, `times` times, before it answers."""

    def __init__(self, code: int, times: int) -> None:
        self._code, self.left = code, times

    def get_watermark_offsets(self, place: TopicPartition, timeout: float) -> tuple[int, int]:
        if self.left:
            self.left -= 1
            raise KafkaException(KafkaError(self._code))
        return 3, 9


def asked(broker: Moving, seconds: float) -> tuple[int, int]:
    return bounds(cast("Consumer", broker), ("bondmate.device.alerts", 0), seconds)


@pytest.mark.parametrize("code", [KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE])
def test_a_partition_that_nobody_leads_yet_is_asked_again(code: int) -> None:
    assert (3, 9) == asked(Moving(code, 2), 5.0)


def test_a_partition_that_nobody_leads_in_time_is_an_error() -> None:
    with pytest.raises(KafkaException):
        asked(Moving(KafkaError.NOT_LEADER_FOR_PARTITION, 1_000_000), 0.3)


def test_another_refusal_is_told_at_once() -> None:
    broker = Moving(KafkaError.TOPIC_AUTHORIZATION_FAILED, 1_000_000)
    with pytest.raises(KafkaException):
        asked(broker, 5.0)
    assert 1_000_000 - 1 == broker.left
