"""Judging many fixes at once: what `logic.locations.Track.judge` says of each, and what is remembered after it.

What is usual is done by columns, and so are devices that only repeat themselves. A device of which something else is
not usual (a repeat among new fixes, an end of shift, no position) is judged fix by fix, by the reference itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
from bondmate_schemas.models import DeviceLocation
from numpy.typing import NDArray

from bondmate_streams.lane.tracks import Ints, Tracks
from bondmate_streams.logic.locations import AHEAD_MS, BEFORE_GPS_MS, FASTEST_MPS, METRES_A_DEGREE, NEVER, Track

__all__ = ["ACCEPTED", "LATE", "OTHERS", "Fixes", "Judgement", "judge", "times_of"]

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
ACCEPTED: Final = 0
LATE: Final = 1
OTHERS: Final = ("repeat", "no_fix", "off_duty", "off_duty_late")
"""Outcomes of fixes that go no further: from 2 on, in this order."""
_REPEAT: Final = 2 + OTHERS.index("repeat")
DOUBTFUL, IS_LATE, JUMPED = 1, 2, 4
"""Bits of what was found of a fix."""


@dataclass(frozen=True, slots=True)
class Fixes:
    """What judging needs of each fix; times in milliseconds since 1970."""

    slots: Ints
    fixed_ms: Ints
    received_ms: Ints
    numbers: Ints
    latitude: Floats
    longitude: Floats
    accuracy_m: Floats
    off_duty: Bools


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of each fix."""

    outcome: Ints
    found: Ints
    at_ms: Ints
    numbers: Ints
    previous_ms: Ints
    """Of the newest fix before it in its shift; the least number there is where there is none."""
    several: Bools
    """Whether its device has sent more than this one in the batch."""
    keep: list[Callable[[], None]] = field(default_factory=list)
    """To be called, each once and in order, when the batch is worked: they remember what was found."""

    def ranks(self) -> Ints:
        """Return whole numbers that order all fixes by `logic.locations.At`; equal for equal ones."""
        return _ranks(self.at_ms, self.numbers)


def judge(fixes: Fixes, tracks: Tracks, records: Callable[[Ints], Iterable[DeviceLocation]]) -> Judgement:
    """Judge a batch; `records` yields the fixes of some rows as records, for those that are not usual."""
    sure, at_ms = times_of(fixes)
    judgement = Judgement(
        np.zeros_like(at_ms), np.where(sure, 0, DOUBTFUL), at_ms, fixes.numbers, np.full_like(at_ms, NEVER[0]),
        _are_several(fixes.slots),
    )  # fmt: skip
    seen = tracks.has_seen(fixes.slots, fixes.fixed_ms, fixes.numbers)
    # Of a device that sent nothing else: had it, a fix might by now have left the few that are remembered.
    repeated = seen & ~np.isin(fixes.slots, fixes.slots[~seen]) if seen.any() else seen
    judgement.outcome[repeated] = _REPEAT
    unusual = _unusual(fixes, seen, judgement.several) & ~repeated
    strange: dict[int, Track] = {}
    places = np.flatnonzero(unusual)
    for place, record in zip(places.tolist(), records(places), strict=True):
        slot = int(fixes.slots[place])
        if slot not in strange:
            strange[slot] = tracks.track(slot)
            judgement.keep.append(partial(tracks.put, slot, strange[slot]))
        _judge_one(place, record, strange[slot], judgement)
    usual = ~unusual & ~repeated
    if len(alone := np.flatnonzero(usual & ~judgement.several)):
        _judge_alone(alone, fixes, sure, tracks, judgement)
    if len(lines := np.flatnonzero(usual & judgement.several)):
        _judge_lines(lines[np.argsort(fixes.slots[lines], kind="stable")], fixes, sure, tracks, judgement)
    return judgement


def times_of(fixes: Fixes) -> tuple[Bools, Ints]:
    """Return which fixes have a clock to believe, and the time each fix is ordered by."""
    sure: Bools = (fixes.fixed_ms >= BEFORE_GPS_MS) & (fixes.fixed_ms <= fixes.received_ms + AHEAD_MS)
    return sure, np.where(sure, fixes.fixed_ms, fixes.received_ms)


def _ranks(at_ms: Ints, numbers: Ints) -> Ints:
    """Return whole numbers that order fixes as their times and numbers do; equal for equal ones."""
    order = np.lexsort((numbers, at_ms))
    steps = (np.diff(at_ms[order]) != 0) | (np.diff(numbers[order]) != 0)
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.concatenate(([0], np.cumsum(steps))) if len(order) else []
    return ranks


def _are_several(slots: Ints) -> Bools:
    """Return which fixes are of a device that sent more than one of them."""
    order = np.argsort(slots)
    same = np.flatnonzero(np.diff(slots[order]) == 0)
    found = np.zeros(len(slots), np.bool_)
    found[order[same]] = found[order[same + 1]] = True
    return found


def _unusual(fixes: Fixes, seen: Bools, several: Bools) -> Bools:
    """Return which fixes are of devices of which one fix is not usual."""
    strange = seen | fixes.off_duty | ((fixes.latitude == 0.0) & (fixes.longitude == 0.0))
    rows = np.flatnonzero(several)
    if len(rows):
        keys = [column[rows] for column in (fixes.numbers, fixes.fixed_ms, fixes.slots)]
        order = np.lexsort(keys)
        same = np.logical_and.reduce([np.diff(key[order]) == 0 for key in keys])
        strange[rows[order[1:][same]]] = True
    found: Bools = np.isin(fixes.slots, fixes.slots[strange]) if strange.any() else np.zeros(len(strange), np.bool_)
    return found


def _judge_one(place: int, fix: DeviceLocation, track: Track, judgement: Judgement) -> None:
    judged = track.judge(fix)
    outcomes = ("accepted", "late", *OTHERS)
    judgement.outcome[place] = outcomes.index(judged.outcome)
    if judged.previous is not None:
        judgement.previous_ms[place] = judged.previous[0]
    flags = set(judged.fix.header.flags) - set(fix.header.flags)
    judgement.found[place] |= IS_LATE * (judged.outcome == "late") | JUMPED * ("implausible_jump" in flags)


class _Points(NamedTuple):
    """Columns from which to compute how far and how fast a device went from one fix to the next."""

    at_ms: Any
    latitude: Any
    longitude: Any
    accuracy_m: Any
    sure: Any
    has_place: Any

    def of(self, places: Ints) -> _Points:
        """Return the points in some rows."""
        return _Points(*(column[places] for column in self))

    def jumped_from(self, before: _Points) -> Bools:
        """Return which points lie farther from those before them than a device can have travelled."""
        north = (self.latitude - before.latitude) * METRES_A_DEGREE
        across = np.abs(self.longitude - before.longitude)
        across = np.where(across > 180.0, 360.0 - across, across)  # noqa: PLR2004  # degrees
        middle = (before.latitude + self.latitude) / 2
        square = middle * middle
        east = across * METRES_A_DEGREE * ((32_400.0 - 4.0 * square) / (32_400.0 + square))
        metres = np.sqrt(north * north + east * east)
        error_m = before.accuracy_m + self.accuracy_m
        known = before.has_place & before.sure & self.sure
        # Where nothing is known the times are the least there are, and must not be subtracted.
        passed_ms = np.maximum(self.at_ms - np.where(known, before.at_ms, self.at_ms), 1000)
        return known & (metres - error_m > FASTEST_MPS * (passed_ms / 1000))  # type: ignore[no-any-return]


def _points(rows: Ints, fixes: Fixes, sure: Bools, at_ms: Ints) -> _Points:
    """Return the points of some of the fixes."""
    return _Points(
        at_ms[rows], fixes.latitude[rows], fixes.longitude[rows], fixes.accuracy_m[rows], sure[rows],
        np.ones(len(rows), np.bool_),
    )  # fmt: skip


def _judge_alone(rows: Ints, fixes: Fixes, sure: Bools, tracks: Tracks, judgement: Judgement) -> None:
    """Judge fixes whose devices have sent nothing else: what is remembered of a device is all that was before."""
    slots, numbers = fixes.slots[rows], fixes.numbers[rows]
    here = _points(rows, fixes, sure, judgement.at_ms)
    known = tracks.rows[slots]
    before = _Points(*(known[name] for name in _Points._fields))
    late = (here.at_ms < before.at_ms) | ((here.at_ms == before.at_ms) & (numbers < known["at_number"]))
    _say(rows, judgement, late, here.jumped_from(before), np.where(before.has_place, before.at_ms, NEVER[0]))
    new = np.flatnonzero(~late)
    judgement.keep.extend([
        partial(tracks.note, slots[new], {**here.of(new)._asdict(), "at_number": numbers[new]}),
        partial(tracks.see, slots, np.zeros_like(slots), fixes.fixed_ms[rows], numbers),
    ])  # fmt: skip


def _say(rows: Ints, judgement: Judgement, late: Bools, jumped: Bools, previous_ms: Ints) -> None:
    """Write down what was found of these fixes; who is late has not jumped."""
    judgement.outcome[rows] = np.where(late, LATE, ACCEPTED)
    judgement.previous_ms[rows] = previous_ms
    judgement.found[rows] |= IS_LATE * late.astype(np.int64) | JUMPED * (~late & jumped).astype(np.int64)


def _judge_lines(order: Ints, fixes: Fixes, sure: Bools, tracks: Tracks, judgement: Judgement) -> None:
    """Judge fixes, given in order of device and arrival, whose devices have sent nothing else."""
    line = _DeviceRows(order, fixes, sure, tracks, judgement.at_ms)
    late = line.late()
    line.turn_to_accepted(~late)
    before = line.accepted_before()
    known = line.points.of(before)
    jumped = line.points.of(line.tails).jumped_from(known)
    _say(order, judgement, late, jumped, np.where(known.has_place, known.at_ms, NEVER[0]))
    judgement.keep.extend([
        partial(line.remember, tracks),
        partial(tracks.see, fixes.slots[order], line.turns(), fixes.fixed_ms[order], fixes.numbers[order]),
    ])  # fmt: skip


class _DeviceRows:
    """The fixes of each device behind what is remembered of it: one line of places, device after device.

    `heads` are the places of what is remembered, `tails` those of the fixes, in the order given.
    """

    def __init__(self, order: Ints, fixes: Fixes, sure: Bools, tracks: Tracks, at_ms: Ints) -> None:
        slots = fixes.slots[order]
        first = np.concatenate(([True], np.diff(slots) != 0))
        self.device = np.cumsum(first) - 1
        self.slots = slots[first]
        self.tails = np.arange(len(order)) + self.device + 1
        self.heads = np.flatnonzero(first) + np.arange(len(self.slots))
        known = tracks.rows[self.slots]
        here = _points(order, fixes, sure, at_ms)._asdict()
        self.points = _Points(*(self._column(known[name], column) for name, column in here.items()))
        self._number: Any = self._column(known["at_number"], fixes.numbers[order])
        self._rank = _ranks(self.points.at_ms, self._number)
        self._accepted: Any = None

    def _column(self, known: Any, here: Any) -> Any:
        column = np.empty(len(self.heads) + len(self.tails), here.dtype)
        column[self.heads], column[self.tails] = known, here
        return column

    def late(self) -> Bools:
        """Return which fixes are older than the newest of their device before them."""
        devices, span = self._column(np.arange(len(self.heads)), self.device), len(self._rank) + 1
        newest = np.maximum.accumulate(devices * span + self._rank) % span
        return self._rank[self.tails] < newest[self.tails - 1]  # type: ignore[no-any-return]

    def turn_to_accepted(self, accepted: Bools) -> None:
        """Note which fixes became the newest of their device."""
        places = self._column(self.heads, np.where(accepted, self.tails, 0))
        self._accepted = np.maximum.accumulate(places)

    def accepted_before(self) -> Ints:
        """Return, for each fix, the row of the newest of its device before it."""
        return self._accepted[self.tails - 1]  # type: ignore[no-any-return]

    def remember(self, tracks: Tracks) -> None:
        """Write down the newest of each device."""
        ends = np.concatenate((self.heads[1:] - 1, [len(self._rank) - 1]))
        newest = self._accepted[ends]
        tracks.note(self.slots, {**self.points.of(newest)._asdict(), "at_number": self._number[newest]})

    def turns(self) -> Ints:
        """Return, for each fix, how many of its device came before it."""
        turns: Ints = self.tails - self.heads[self.device] - 1
        return turns
