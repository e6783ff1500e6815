"""How far a lane is in its partitions, and what it owes to whoever goes on."""

from __future__ import annotations

from typing import Any

import pytest
from bondmate_streams.lane.checkpoints import Checkpoints
from confluent_kafka import TopicPartition

NEW, HANDED_OVER = 0, 1


@pytest.fixture
def checkpoints() -> Checkpoints:
    """Of the second partition the fixes 4 to 9 were delivered, and their last ones not written down."""
    checkpoints = Checkpoints("positions")
    starts = checkpoints.assign([TopicPartition("positions", NEW, -1001), handed_over(10, "bondmate-lane 4 12")])
    assert 4 == starts[HANDED_OVER].offset
    return checkpoints


def handed_over(offset: int, metadata: str) -> TopicPartition:
    return TopicPartition("positions", HANDED_OVER, offset, metadata)


def read(checkpoints: Checkpoints, partition: int, offsets: range) -> Any:
    return checkpoints.note_read([Stored(partition, offset) for offset in offsets])  # type: ignore[misc]


class Stored:
    """Where a record lies."""

    def __init__(self, partition: int, offset: int) -> None:
        self._position = partition, offset

    def partition(self) -> int:
        return self._position[0]

    def offset(self) -> int:
        return self._position[1]


def committed(checkpoints: Checkpoints) -> dict[int | None, tuple[int | None, str | None]]:
    return {each.partition: (each.offset, each.metadata) for each in checkpoints.to_commit()}


def deliver(checkpoints: Checkpoints) -> None:
    checkpoints.begin_batch()
    checkpoints.note_writing()
    checkpoints.note_delivered()


def test_a_lane_that_ends_before_it_read_what_was_handed_over_does_not_say_that_it_remembers(
    checkpoints: Checkpoints,
) -> None:
    checkpoints.note_snapshot()

    assert {HANDED_OVER: (10, "bondmate-lane 4 12")} == committed(checkpoints)


def test_nor_does_one_that_has_delivered_a_batch_of_another_partition(checkpoints: Checkpoints) -> None:
    read(checkpoints, NEW, range(3))
    deliver(checkpoints)
    checkpoints.note_snapshot()

    assert {NEW: (3, "bondmate-lane 3 3"), HANDED_OVER: (10, "bondmate-lane 4 12")} == committed(checkpoints)


def test_what_was_handed_over_is_read_before_the_next_batch_and_then_remembered(checkpoints: Checkpoints) -> None:
    before = checkpoints.is_behind()
    read(checkpoints, HANDED_OVER, range(4, 10))
    of_the_delivered = checkpoints.is_behind()
    read(checkpoints, HANDED_OVER, range(10, 12))

    assert (True, True, False) == (before, of_the_delivered, checkpoints.is_behind())
    deliver(checkpoints)
    checkpoints.note_snapshot()
    assert {HANDED_OVER: (12, "bondmate-lane 12 12")} == committed(checkpoints)


def test_what_cannot_be_read_is_not_waited_for_for_ever_nor_taken_for_delivered(checkpoints: Checkpoints) -> None:
    read(checkpoints, HANDED_OVER, range(4, 9))
    checkpoints.accept_what_was_read()
    checkpoints.note_snapshot()

    assert not checkpoints.is_behind()
    assert {HANDED_OVER: (10, "bondmate-lane 9 9")} == committed(checkpoints)


def test_a_batch_that_is_dropped_leaves_what_was_handed_over_to_be_read(checkpoints: Checkpoints) -> None:
    read(checkpoints, NEW, range(3))
    checkpoints.begin_batch()

    assert [(NEW, 0)] == [(each.partition, each.offset) for each in checkpoints.drop_batch()]


def test_a_batch_that_is_dropped_is_read_again_from_where_it_began(checkpoints: Checkpoints) -> None:
    read(checkpoints, HANDED_OVER, range(4, 12))
    checkpoints.begin_batch()

    assert [(HANDED_OVER, 10)] == [(each.partition, each.offset) for each in checkpoints.drop_batch()]
    assert checkpoints.is_behind()
