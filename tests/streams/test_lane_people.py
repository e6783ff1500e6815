"""Who is new to a destination, told by slots, is who would be told by names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from bondmate_streams.lane.batch import Known, Names
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
def test_each_is_named_once_whatever_slot_its_device_has(batches: Any, forgotten_after: int) -> None:
    known = Known()
    for number, rows in enumerate(batches):
        moved = number >= forgotten_after
        new = people(rows, generation=int(moved), shift=3 * moved).new_to(known)

        assert sorted(new) == sorted(set(people(rows)) - named_in(batches[:number]))


def named_in(batches: Any) -> set[str]:
    return {person for rows in batches for person in people(rows)}


def test_columns_go_on_with_those_that_rows_named() -> None:
    known = Known()
    by_rows = Names(["device-1", "officer-1"]).new_to(known)

    assert ["device-1", "officer-1"] == by_rows
    assert ["device-2"] == people([(1, "officer-1"), (2, None)]).new_to(known)


def test_what_is_shown_of_them_names_nobody() -> None:
    assert "device-1" not in repr(people([(1, "officer-1")]))
