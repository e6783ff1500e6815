"""Committed is what is contiguous: an offset never passes a record that is still open, whatever the order of settling."""

from __future__ import annotations

import pytest
from bondmate_kafka.offsets import OffsetTracker
from hypothesis import given
from hypothesis import strategies as st

gaps = st.lists(st.integers(1, 5), min_size=1, max_size=30)


def offsets_of(steps):
    total = -1
    return [total := total + step for step in steps]


@given(gaps, st.randoms(use_true_random=False))
def test_commits_up_to_the_first_open_record_and_no_further(steps, chance):
    offsets = offsets_of(steps)
    tracker = OffsetTracker()
    for offset in offsets:
        tracker.take(offset)
    still_open, last = set(offsets), None
    for offset in chance.sample(offsets, len(offsets)):
        moved = tracker.settle(offset)
        still_open.discard(offset)
        settled_before_all_open = [o for o in offsets if all(o < other for other in still_open)]
        expected = settled_before_all_open[-1] + 1 if settled_before_all_open else None

        assert expected == tracker.committable
        assert moved == (expected != last)
        last = expected

    assert offsets[-1] + 1 == tracker.committable


@given(gaps, st.data())
def test_taking_and_settling_may_alternate(steps, data):
    tracker, still_open = OffsetTracker(), []
    for offset in offsets_of(steps):
        tracker.take(offset)
        still_open.append(offset)
        if data.draw(st.booleans()):
            tracker.settle(still_open.pop(data.draw(st.integers(0, len(still_open) - 1))))

        assert tracker.committable is None or all(tracker.committable <= o for o in still_open)


@given(gaps)
def test_a_record_settles_once(steps):
    tracker = OffsetTracker()
    for offset in offsets_of(steps):
        tracker.take(offset)
        tracker.settle(offset)
        with pytest.raises(ValueError, match="not open"):
            tracker.settle(offset)


def test_what_was_not_taken_cannot_settle_and_order_of_taking_is_kept():
    tracker = OffsetTracker()
    tracker.take(5)
    with pytest.raises(ValueError, match="not open"):
        tracker.settle(4)
    with pytest.raises(ValueError, match="not open"):
        tracker.settle(6)
    with pytest.raises(ValueError, match="after"):
        tracker.take(5)
