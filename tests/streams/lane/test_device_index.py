"""The table of slots is a dict from device to number, whatever devices are called."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from bondmate_streams.lane.device_index import DeviceIndex, marks_of, words_of
from hypothesis import given, settings
from hypothesis import strategies as st
from properties import examples

NAMES = st.text(st.characters(codec="utf-8"), max_size=40) | st.sampled_from(["a", "a\0", "a\0\0", "\0", ""])
BATCHES = st.lists(st.tuples(st.lists(NAMES, min_size=1, max_size=30), st.integers(0, 3)), max_size=12)


def array(names: list[str]) -> pa.StringArray:
    return pa.array(names, pa.string())


@settings(max_examples=examples(200), deadline=None)
@given(BATCHES)
def test_it_is_a_dict(batches: list[tuple[list[str], int]]) -> None:
    slots, known = DeviceIndex(), dict[str, int]()
    for names, every in batches:
        words = words_of(array(names))
        assert [known.get(name, -1) for name in names] == slots.find(words).tolist()
        new = [row for row, name in enumerate(names) if name not in known and name not in names[:row]]
        got = slots.add(words[new])
        known |= dict(zip((names[row] for row in new), got.tolist(), strict=True))
        assert list(range(len(known))) == sorted(known.values())
        if every:
            kept = [name for name in known if known[name] % (every + 1)]
            slots.keep(np.array([known[name] for name in kept], np.int64))
            known = {name: slot for slot, name in enumerate(kept)}
    assert len(known) == len(slots)
    assert known == {slots.name(slot): slot for slot in range(len(slots))}


def test_it_holds_a_country() -> None:
    names = [f"device-{number}" for number in range(100_000)]
    slots = DeviceIndex()
    for start in range(0, len(names), 7_001):
        slots.add(words_of(array(names[start : start + 7_001])))
    words = words_of(array([*reversed(names), "device-x", "device-1000000"]))
    assert [*reversed(range(len(names))), -1, -1] == slots.find(words).tolist()


@pytest.mark.parametrize("names", [["ab", "c", "", "déjà"], ["same", "size"], []])
def test_words_of_a_part_of_a_column_are_those_of_its_texts(names: list[str]) -> None:
    whole = array(["before", *names, "behind, and longer than a number"])
    assert words_of(array(names)).tolist() == words_of(whole.slice(1, len(names))).tolist()


def test_a_text_has_the_same_mark_beside_longer_ones() -> None:
    alone = marks_of(words_of(array(["officer-1"])))
    beside = marks_of(words_of(array(["officer-1", "officer-2", "an officer with a long name"])))
    assert alone[0] == beside[0]
    assert 3 == len({*beside.tolist()})


def test_a_null_is_an_empty_text() -> None:
    assert words_of(pa.array(["a", None], pa.string())).tolist() == words_of(array(["a", ""])).tolist()
