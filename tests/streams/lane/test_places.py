"""How far a lane is in its partitions, and what it owes to whoever goes on."""

from __future__ import annotations

from typing import Any

import pytest
from bondmate_streams.lane.places import Places
from confluent_kafka import TopicPartition

NEW, HANDED_OVER = 0, 1


@pytest.fixture
def places() -> Places:
    """Of the second partition the fixes 4 to 9 were delivered, and their last ones not written down."""
    places = Places("positions")
    starts = places.take([TopicPartition("positions", NEW, -1001), handed_over(10, "bondmate-lane 4 12")])
    assert 4 == starts[HANDED_OVER].offset
    return places


def handed_over(offset: int, metadata: str) -> TopicPartition:
    return TopicPartition("positions", HANDED_OVER, offset, metadata)


def read(places: Places, partition: int, offsets: range) -> Any:
    return places.note_read([Stored(partition, offset) for offset in offsets])  # type: ignore[misc]


class Stored:
    """Where a record lies."""

    def __init__(self, partition: int, offset: int) -> None:
        self._place = partition, offset

    def partition(self) -> int:
        return self._place[0]

    def offset(self) -> int:
        return self._place[1]


def committed(places: Places) -> dict[int | None, tuple[int | None, str | None]]:
    return {each.partition: (each.offset, each.metadata) for each in places.commits()}


def deliver(places: Places) -> None:
    places.begin()
    places.write()
    places.arrive()


def test_a_lane_that_ends_before_it_read_what_was_handed_over_does_not_say_that_it_remembers(places: Places) -> None:
    places.remember()

    assert {HANDED_OVER: (10, "bondmate-lane 4 12")} == committed(places)


def test_nor_does_one_that_has_delivered_a_batch_of_another_partition(places: Places) -> None:
    read(places, NEW, range(3))
    deliver(places)
    places.remember()

    assert {NEW: (3, "bondmate-lane 3 3"), HANDED_OVER: (10, "bondmate-lane 4 12")} == committed(places)


def test_what_was_handed_over_is_read_before_the_next_batch_and_then_remembered(places: Places) -> None:
    before = places.lacks()
    read(places, HANDED_OVER, range(4, 10))
    of_the_delivered = places.lacks()
    read(places, HANDED_OVER, range(10, 12))

    assert (True, True, False) == (before, of_the_delivered, places.lacks())
    deliver(places)
    places.remember()
    assert {HANDED_OVER: (12, "bondmate-lane 12 12")} == committed(places)


def test_what_cannot_be_read_is_not_waited_for_for_ever_nor_taken_for_delivered(places: Places) -> None:
    read(places, HANDED_OVER, range(4, 9))
    places.give_up()
    places.remember()

    assert not places.lacks()
    assert {HANDED_OVER: (10, "bondmate-lane 9 9")} == committed(places)


def test_a_batch_that_is_dropped_leaves_what_was_handed_over_to_be_read(places: Places) -> None:
    read(places, NEW, range(3))
    places.begin()

    assert [(NEW, 0)] == [(each.partition, each.offset) for each in places.back()]


def test_a_batch_that_is_dropped_is_read_again_from_where_it_began(places: Places) -> None:
    read(places, HANDED_OVER, range(4, 12))
    places.begin()

    assert [(HANDED_OVER, 10)] == [(each.partition, each.offset) for each in places.back()]
    assert places.lacks()
