"""The people of a batch, and which of them a destination has not been told of before; nearly always none.

A device is known by its slot, its officer by a hash of the pseudonym. To look each of them up in a set of a country's
officers would cost about what handing the fix to the producer does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa

from bondmate_streams.lane.batch import NamedPeople
from bondmate_streams.lane.column_ids import Blocks
from bondmate_streams.lane.device_index import Ints, Words, marks_of, words_of

__all__ = ["ColumnPeople"]


@dataclass(frozen=True)
class ColumnPeople:
    """The devices of fixes, and their officers; `slots` are those of the devices, valid in one `generation`."""

    fixes: pa.RecordBatch = field(repr=False)
    slots: Ints
    generation: int

    def __iter__(self) -> Iterator[str]:
        """Yield all of them."""
        yield from self.fixes.column("device_id").to_pylist()
        yield from filter(None, self.fixes.column("officer_ref").to_pylist())

    def new_to(self, known: NamedPeople) -> list[str]:
        """Return the people not named yet, and note them as named."""
        if known.by_slot is None:
            known.by_slot = _Named()
        # By slot alone: a set of a country's names would be asked and kept for those few whose slots change hands.
        return list(dict.fromkeys(known.by_slot.take(self)))

    def of(self, rows: Ints) -> ColumnPeople:
        """Return the people of some of the fixes."""
        if len(rows) == len(self.slots):
            return self
        return ColumnPeople(self.fixes.take(pa.array(rows)), self.slots[rows], self.generation)

    @cached_property
    def blocks(self) -> Blocks:
        """The ids of the fixes, for every destination that gets them."""
        return Blocks(self.fixes.column("header"))

    @cached_property
    def marks(self) -> Words:
        """A number for the officer of each fix: another officer, another number; not zero where there is no officer."""
        return marks_of(words_of(self.fixes.column("officer_ref"))) | np.uint64(1)


class _Named:
    """The officer last named with each device, by slot."""

    def __init__(self) -> None:
        """Start with no one named."""
        self._marks = np.zeros(0, np.uint64)
        self._generation = -1

    def take(self, people: ColumnPeople) -> ColumnPeople:
        """Note people as named; return those that were not, or not together."""
        slots = people.slots
        if people.generation != self._generation:  # the slots have changed hands
            self._generation, self._marks = people.generation, np.zeros(0, np.uint64)
        if (room := int(slots.max(initial=-1)) + 1) > len(self._marks):
            self._marks = np.concatenate([self._marks, np.zeros(2 * room - len(self._marks), np.uint64)])
        new = np.flatnonzero(self._marks[slots] != people.marks)
        self._marks[slots] = people.marks
        return people.of(new)
