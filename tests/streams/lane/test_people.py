"""Who is new to a destination, told by slots: nobody is left out, and nobody named with each fix."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from bondmate_streams.lane.batch import NamedPeople, Names
from bondmate_streams.lane.people import ColumnPeople
from hypothesis import given, settings
from hypothesis import strategies as st

OFFICERS = st.sampled_from(["officer-0", "officer-1", "officer-2", None])
BATCHES = st.lists(st.lists(st.tuples(st.integers(0, 5), OFFICERS), max_size=6), max_size=6)


def people(rows: list[tuple[int, str | None]], generation: int = 0, shift: int = 0) -> Any:
    columns = {
        "device_id": pa.array([f"device-{device}" for device, _ in rows], pa.string()),
        "officer_ref": pa.array([officer for _, officer in rows], pa.string()),
    }
    slots = np.array([device + shift for device, _ in rows], np.int64)
    return ColumnPeople(pa.RecordBatch.from_pydict(columns), slots, generation)


@settings(deadline=None)
@given(batches=BATCHES, forgotten_after=st.integers(0, 6))
def test_each_is_named_whatever_slot_its_device_has(batches: Any, forgotten_after: int) -> None:
    known, named = NamedPeople(), set[str]()
    for number, rows in enumerate(batches):
        moved = number >= forgotten_after
        those = people(rows, generation=int(moved), shift=3 * moved)
        new = those.new_to(known)
        named |= {*new}

        assert len(new) == len({*new})
        assert {*new} <= {*those} <= named
        if len({device for device, _ in rows}) == len(rows):
            assert [] == those.new_to(known)


def test_a_device_and_its_officer_are_named_once_until_they_part() -> None:
    known = NamedPeople()
    assert ["device-1", "officer-1"] == people([(1, "officer-1")]).new_to(known)
    assert ["device-2", "officer-2"] == people([(1, "officer-1"), (2, "officer-2")]).new_to(known)
    assert ["device-1", "officer-2"] == people([(1, "officer-2"), (2, "officer-2")]).new_to(known)


def test_rows_name_each_once() -> None:
    known = NamedPeople()
    assert ["device-1", "officer-1"] == Names(["device-1", "officer-1"]).new_to(known)
    assert ["device-2"] == Names(["device-1", "device-2"]).new_to(known)


def test_what_is_shown_of_them_names_nobody() -> None:
    assert "device-1" not in repr(people([(1, "officer-1")]))
