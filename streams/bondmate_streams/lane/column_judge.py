"""Judging many fixes at once: what `logic.locations.Track.judge` says of each, and what is remembered after it.

What is usual is done by columns, and so are devices that only repeat themselves. A device of which something else is
not usual (a repeat among new fixes, an end of shift, no position) is judged fix by fix, by the reference itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

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
    """What became of each fix; `rank` orders all of them by `logic.locations.At`."""

    outcome: Ints
    found: Ints
    at_ms: Ints
    previous_ms: Ints
    """Of the newest fix before it in its shift; the least number there is where there is none."""
    rank: Ints
    keep: list[Callable[[], None]] = field(default_factory=list)
    """To be called, each once and in order, when the batch is worked: they remember what was found."""


def judge(fixes: Fixes, tracks: Tracks, records: Callable[[Ints], Iterable[DeviceLocation]]) -> Judgement:
    """Judge a batch; `records` gives the fixes of some rows as records, for those that are not usual."""
    sure, at_ms = times_of(fixes)
    judgement = Judgement(
        np.zeros_like(at_ms), np.where(sure, 0, DOUBTFUL), at_ms, np.full_like(at_ms, NEVER[0]),
        _ranks(at_ms, fixes.numbers),
    )  # fmt: skip
    seen = tracks.has_seen(fixes.slots, fixes.fixed_ms, fixes.numbers)
    # Of a device that sent nothing else: had it, a fix might by now have left the few that are remembered.
    repeated = seen & ~np.isin(fixes.slots, fixes.slots[~seen])
    judgement.outcome[repeated] = _REPEAT
    unusual = _unusual(fixes, seen) & ~repeated
    strange: dict[int, Track] = {}
    places = np.flatnonzero(unusual)
    for place, record in zip(places.tolist(), records(places), strict=True):
        slot = int(fixes.slots[place])
        if slot not in strange:
            strange[slot] = tracks.track(slot)
            judgement.keep.append(partial(tracks.put, slot, strange[slot]))
        _judge_one(place, record, strange[slot], judgement)
    usual = np.flatnonzero(~unusual & ~repeated)
    if len(usual):
        _judge_usual(usual[np.argsort(fixes.slots[usual], kind="stable")], fixes, sure, tracks, judgement)
    return judgement


def times_of(fixes: Fixes) -> tuple[Bools, Ints]:
    """Tell whose clock can be believed, and give the time each fix is ordered by."""
    sure: Bools = (fixes.fixed_ms >= BEFORE_GPS_MS) & (fixes.fixed_ms <= fixes.received_ms + AHEAD_MS)
    return sure, np.where(sure, fixes.fixed_ms, fixes.received_ms)


def _ranks(at_ms: Ints, numbers: Ints) -> Ints:
    """Give whole numbers that order fixes as their times and numbers do; equal for equal ones."""
    order = np.lexsort((numbers, at_ms))
    steps = (np.diff(at_ms[order]) != 0) | (np.diff(numbers[order]) != 0)
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.concatenate(([0], np.cumsum(steps))) if len(order) else []
    return ranks


def _unusual(fixes: Fixes, seen: Bools) -> Bools:
    """Tell which fixes are of devices of which one fix is not usual."""
    strange = seen | fixes.off_duty | ((fixes.latitude == 0.0) & (fixes.longitude == 0.0))
    order = np.lexsort((fixes.numbers, fixes.fixed_ms, fixes.slots))
    same = np.ones(max(len(order) - 1, 0), np.bool_)
    for column in (fixes.numbers, fixes.fixed_ms, fixes.slots):
        same &= np.diff(column[order]) == 0
    strange[order[1:][same]] = True
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


def _judge_usual(order: Ints, fixes: Fixes, sure: Bools, tracks: Tracks, judgement: Judgement) -> None:
    """Judge fixes, given in order of device and arrival, whose devices have sent nothing else."""
    line = _Line(order, fixes, sure, tracks, judgement.at_ms)
    newest = line.newest_before()
    late = line.is_older(newest)
    line.turn_to_accepted(~late)
    before = line.accepted_before()
    judgement.outcome[order] = np.where(late, LATE, ACCEPTED)
    judgement.previous_ms[order] = np.where(line.has_place[before], line.at_ms[before], NEVER[0])
    jumped = ~late & line.jumped(before)
    judgement.found[order] |= IS_LATE * late.astype(np.int64) | JUMPED * jumped.astype(np.int64)
    judgement.keep.extend([
        partial(line.remember, tracks),
        partial(tracks.see, fixes.slots[order], line.turns(), fixes.fixed_ms[order], fixes.numbers[order]),
    ])  # fmt: skip


class _Line:
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
        self.at_ms: Any = self._column(known["at_ms"], at_ms[order])
        self.number: Any = self._column(known["at_number"], fixes.numbers[order])
        self.latitude: Any = self._column(known["latitude"], fixes.latitude[order])
        self.longitude: Any = self._column(known["longitude"], fixes.longitude[order])
        self.accuracy_m: Any = self._column(known["accuracy_m"], fixes.accuracy_m[order])
        self.sure: Any = self._column(known["sure"], sure[order])
        self.has_place: Any = self._column(known["has_place"], np.ones(len(order), np.bool_))
        self._rank = _ranks(self.at_ms, self.number)
        self._accepted: Any = None

    def _column(self, known: Any, here: Any) -> Any:
        column = np.empty(len(self.heads) + len(self.tails), here.dtype)
        column[self.heads], column[self.tails] = known, here
        return column

    def _devices(self) -> Ints:
        """Give the device of each place."""
        return self._column(np.arange(len(self.heads)), self.device)  # type: ignore[no-any-return]

    def newest_before(self) -> Ints:
        """Give, for each fix, the rank of the newest of its device before it."""
        span = len(self._rank) + 1
        running = np.maximum.accumulate(self._devices() * span + self._rank) % span
        return running[self.tails - 1]  # type: ignore[no-any-return]

    def is_older(self, newest: Ints) -> Bools:
        """Tell which fixes are older than these ranks."""
        return self._rank[self.tails] < newest  # type: ignore[no-any-return]

    def turn_to_accepted(self, accepted: Bools) -> None:
        """Note which fixes became the newest of their device."""
        places = self._column(self.heads, np.where(accepted, self.tails, 0))
        self._accepted = np.maximum.accumulate(places)

    def accepted_before(self) -> Ints:
        """Give, for each fix, the place of the newest of its device before it."""
        return self._accepted[self.tails - 1]  # type: ignore[no-any-return]

    def jumped(self, before: Ints) -> Bools:
        """Tell which fixes lie farther from those before them than a device can have travelled."""
        here = self.tails
        latitude, longitude = self.latitude[before], self.longitude[before]
        north = (self.latitude[here] - latitude) * METRES_A_DEGREE
        across = np.abs(self.longitude[here] - longitude)
        across = np.where(across > 180.0, 360.0 - across, across)  # noqa: PLR2004  # degrees
        middle = (latitude + self.latitude[here]) / 2
        square = middle * middle
        east = across * METRES_A_DEGREE * ((32_400.0 - 4.0 * square) / (32_400.0 + square))
        metres = np.sqrt(north * north + east * east)
        error_m = self.accuracy_m[before] + self.accuracy_m[here]
        known = self.has_place[before] & self.sure[before] & self.sure[here]
        # Where nothing is known the times are the least there are, and must not be subtracted.
        passed_ms = np.maximum(self.at_ms[here] - np.where(known, self.at_ms[before], self.at_ms[here]), 1000)
        return known & (metres - error_m > FASTEST_MPS * (passed_ms / 1000))  # type: ignore[no-any-return]

    def remember(self, tracks: Tracks) -> None:
        """Write down the newest of each device."""
        ends = np.concatenate((self.heads[1:] - 1, [len(self._rank) - 1]))
        newest = self._accepted[ends]
        for name in ("at_ms", "latitude", "longitude", "accuracy_m", "sure", "has_place"):
            tracks.rows[name][self.slots] = getattr(self, name)[newest]
        tracks.rows["at_number"][self.slots] = self.number[newest]

    def turns(self) -> Ints:
        """Give, for each fix, how many of its device came before it."""
        turns: Ints = self.tails - self.heads[self.device] - 1
        return turns
