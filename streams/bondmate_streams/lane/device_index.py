"""A number for each device, its slot: the row under which arrays hold what is known of it.

The index is asked for a whole batch at once. A dict is asked one device after the other, and each waits for memory;
here the ids of a batch are columns of numbers. They are compared whole, so that no device ever has another's slot.
"""

from __future__ import annotations

import secrets
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["DeviceIndex", "Ints", "Words", "doubled", "marks_of", "words_of"]

Ints = NDArray[np.int64]
Words = NDArray[np.uint64]
"""Texts, one a row: the length in bytes, then the bytes, eight to a number, zeros behind."""
_WORD_BYTES: Final = 8
_FIRST_ROOM: Final = 1_024
_CELLS_A_SLOT: Final = 2
_NONE: Final = -1
# Nobody outside this process knows them, so that nobody can choose ids that all meet in one cell.
_FACTORS: Final = np.array([secrets.randbits(64) | 1 for _ in range(64)], np.uint64)


def words_of(texts: pa.StringArray) -> Words:
    """Return texts as numbers: equal rows for equal texts, but for zeros at their ends; a null is an empty text."""
    texts = texts.fill_null("") if texts.null_count else texts
    rows, (_, offsets, data) = len(texts), texts.buffers()
    ends = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + rows + 1].astype(np.int64)
    lengths = np.diff(ends)
    longest = int(lengths.max(initial=0))
    words = np.zeros((rows, 1 + -(-longest // _WORD_BYTES)), np.uint64)
    words[:, 0] = lengths
    if longest:
        _fill(words[:, 1:], np.frombuffer(data, np.uint8), ends, lengths, longest)
    return words


def _fill(words: Words, data: NDArray[np.uint8], ends: Ints, lengths: Ints, longest: int) -> None:
    """Put the bytes of texts into the rows of `words`."""
    block = np.zeros((len(words), words.shape[1] * _WORD_BYTES), np.uint8)
    if int(lengths.min()) == longest:
        block[:, :longest] = data[ends[0] : ends[-1]].reshape(-1, longest)
    else:
        which = np.arange(longest)
        is_text = which < lengths[:, None]
        block[:, :longest][is_text] = data[(ends[:-1, None] + which)[is_text]]
    words[:] = block.view(np.uint64)


def marks_of(words: Words) -> Words:
    """Return a number for each text: the same for equal ones, and hardly ever for others."""
    marks = np.zeros(len(words), np.uint64)
    for number, column in enumerate(words.T):
        marks += column * _FACTORS[number % len(_FACTORS)]
    marks ^= marks >> np.uint64(32)
    marks *= _FACTORS[0]
    return marks ^ (marks >> np.uint64(32))


def doubled(kept: NDArray[Any]) -> NDArray[Any]:
    """Return a copy with twice the rows; the new half costs no memory until it is used."""
    room = np.zeros((2 * len(kept), *kept.shape[1:]), kept.dtype)
    room[: len(kept)] = kept
    return room


class DeviceIndex:
    """Devices and their slots, numbered from 0 in the order in which they came: a hash table of open addresses."""

    def __init__(self) -> None:
        """Create an empty index."""
        self._words: Words = np.zeros((_FIRST_ROOM, 1), np.uint64)
        self._count = 0
        self._table: NDArray[np.int32] = np.full(_FIRST_ROOM * _CELLS_A_SLOT, _NONE, np.int32)

    def __len__(self) -> int:
        return self._count

    def find(self, words: Words) -> Ints:
        """Return the slot of each device, -1 for one that has none."""
        found = np.full(len(words), _NONE, np.int64)
        left, cells = np.arange(len(words)), self._first_cells(words)
        while len(left):
            slots = self._table[cells]
            same = (slots >= 0) & self._are(slots, words if len(left) == len(words) else words[left])
            found[left[same]] = slots[same]
            on = np.flatnonzero((slots >= 0) & ~same)
            left, cells = left[on], (cells[on] + 1) & (len(self._table) - 1)
        return found

    def _are(self, slots: NDArray[np.int32], words: Words) -> Any:
        """Which of these slots are those of these devices."""
        known = self._words[slots]
        same = known[:, 0] == words[:, 0]  # of one length: behind the shorter row there would be zeros only
        for column in range(1, min(known.shape[1], words.shape[1])):
            same &= known[:, column] == words[:, column]
        return same

    def add(self, words: Words) -> Ints:
        """Assign slots to devices that have none, each named once."""
        first, self._count = self._count, self._count + len(words)
        self._widen(words.shape[1])
        while self._count > len(self._words):
            self._words = doubled(self._words)
        self._words[first : self._count] = 0
        self._words[first : self._count, : words.shape[1]] = words
        slots = np.arange(first, self._count)
        if self._count * _CELLS_A_SLOT > len(self._table):
            self._build()
        else:
            self._enter(slots)
        return slots

    def keep(self, slots: Ints) -> None:
        """Forget all others; those that stay are numbered anew, in the order given."""
        self._words[: len(slots)] = self._words[slots]
        self._count = len(slots)
        self._build()

    def name(self, slot: int) -> str:
        """Return the id of the device that has a slot."""
        length, *words = self._words[slot].tolist()
        return np.array(words, np.uint64).tobytes()[:length].decode()

    def _widen(self, width: int) -> None:
        more = width - self._words.shape[1]
        if more > 0:
            self._words = np.hstack([self._words, np.zeros((len(self._words), more), np.uint64)])

    def _build(self) -> None:
        """Enter all into a table that has room for as many again."""
        size = len(self._table)
        while size < 2 * _CELLS_A_SLOT * self._count:
            size *= 2
        self._table = np.full(size, _NONE, np.int32)
        self._enter(np.arange(self._count))

    def _enter(self, slots: Ints) -> None:
        cells = self._first_cells(self._words[slots])
        while len(slots):
            free = self._table[cells] < 0
            self._table[cells[free]] = slots[free]  # of several that want one cell the last has it
            out = np.flatnonzero(self._table[cells] != slots)
            slots, cells = slots[out], (cells[out] + 1) & (len(self._table) - 1)

    def _first_cells(self, words: Words) -> Ints:
        return (marks_of(words) & np.uint64(len(self._table) - 1)).astype(np.int64)
