"""Positions: what is wrong with a fix, whether it is new, who wants it, and what is remembered of its device.

This is the reference: one fix after another. The columns of `lane` give the same, many at once; so what is decided here
is decided by whole numbers and by the four arithmetic operations and the root, which columns do to the last bit alike.
Times are milliseconds since 1970, UTC.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from bondmate_schemas.enums import DeliveryReason
from bondmate_schemas.models import DeviceLocation

from bondmate_streams.logic.addressing import Officer
from bondmate_streams.logic.alerts import is_fix
from bondmate_streams.logic.deliveries import Notification
from bondmate_streams.logic.headers import with_flags
from bondmate_streams.logic.routing import Decision

AHEAD_MS: Final = 300_000
"""How far a device's clock may be ahead of the hub's."""
BEFORE_GPS_MS: Final = 946_684_800_000
"""No receiver gave a time before the year 2000."""
SEEN_KEPT: Final = 16
"""Fixes of a device by which a repeat is known; an older one comes as late, under the ids it had."""
FASTEST_MPS: Final = 150.0
"""Beyond it a device has not moved but its receiver erred: twice a helicopter."""
METRES_A_DEGREE: Final = 111_320.0
NEVER: Final = (-(2**63), 0)
END_OF_SHIFT: Final = 2**63 - 1
"""Stands for the number of the fix that ended a shift: others of its time are before it."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
At = tuple[int, int]
"""What the fixes of a device are ordered by: the time of the fix, then its number."""


def millis(time: datetime) -> int:
    """Return a time as the wire has it."""
    return (time - _EPOCH) // _MS


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a fix.

    `outcome` is `accepted`, or `late` (older than one seen before: kept and marked), or one of those that go no
    further: `repeat`, `no_fix`, `off_duty`, and `off_duty_late`, where another shift has begun since.
    """

    outcome: str
    fix: DeviceLocation
    at: At = NEVER
    previous: At | None = None
    """Of the newest fix before it in this shift."""

    @property
    def goes_on(self) -> bool:
        """Whether destinations hear of it."""
        return self.outcome in {"accepted", "late"}


@dataclass(slots=True)
class Track:
    """What is remembered of one device; `restored` gives it from the last fix that was written down.

    Of the newest fix: `at`, and, unless it ended the shift, where it was and whether its clock could be believed.
    """

    at: At | None = None
    place: tuple[float, float] | None = None
    accuracy_m: float = 0.0
    sure: bool = False
    seen: deque[At] = field(default_factory=lambda: deque(maxlen=SEEN_KEPT))

    def copy(self) -> Track:
        """Return another that remembers the same."""
        return Track(self.at, self.place, self.accuracy_m, self.sure, self.seen.copy())

    def judge(self, fix: DeviceLocation) -> Judged:
        """Judge a fix of this device and remember it."""
        fixed, received = millis(fix.position.fixed_at), millis(fix.header.received_at)
        key = (fixed, fix.sequence)
        if key in self.seen:
            return Judged("repeat", fix)
        if fix.on_duty is not False and not is_fix(fix.position):
            return Judged("no_fix", fix)
        self.seen.append(key)
        sure = BEFORE_GPS_MS <= fixed <= received + AHEAD_MS
        # A clock that is wrong must not make every later fix look old.
        at = (fixed if sure else received, fix.sequence)
        late = self.at is not None and at < self.at
        if fix.on_duty is False:
            if not late:
                self.end_shift(at)
            return Judged("off_duty_late" if late else "off_duty", fix, at)
        previous = self.at if self.place else None
        jumped = not late and sure and self._jumped(fix, at)
        if not late:
            self.remember(fix, at, sure=sure)
        flags = flags_of(doubtful=not sure, late=late, jumped=jumped)
        return Judged("late" if late else "accepted", flagged(fix, flags), at, previous)

    def remember(self, fix: DeviceLocation, at: At, *, sure: bool) -> None:
        """Take a fix as the newest."""
        self.at, self.sure = at, sure
        self.place = fix.position.latitude, fix.position.longitude
        self.accuracy_m = fix.position.accuracy_m or 0.0

    def end_shift(self, at: At) -> None:
        """Take a fix as the last of a shift: where it was is forgotten."""
        self.at, self.place, self.accuracy_m, self.sure = (at[0], END_OF_SHIFT), None, 0.0, False

    def _jumped(self, fix: DeviceLocation, at: At) -> bool:
        if self.place is None or self.at is None or not self.sure:
            return False
        here = fix.position
        metres = metres_between(*self.place, here.latitude, here.longitude)
        reach = FASTEST_MPS * (max(at[0] - self.at[0], 1000) / 1000)
        return metres - (self.accuracy_m + (here.accuracy_m or 0.0)) > reach


def restored(fix: DeviceLocation) -> Track:
    """Return what was remembered of a device when `fix` was written down as its last."""
    fixed, received = millis(fix.position.fixed_at), millis(fix.header.received_at)
    sure = BEFORE_GPS_MS <= fixed <= received + AHEAD_MS
    track = Track()
    track.seen.append((fixed, fix.sequence))
    track.remember(fix, (fixed if sure else received, fix.sequence), sure=sure)
    return track


def metres_between(latitude: float, longitude: float, to_latitude: float, to_longitude: float) -> float:
    """Return the distance of two places near each other, to 0.2 %: on a plane, with Bhaskara's cosine."""
    north = (to_latitude - latitude) * METRES_A_DEGREE
    across = abs(to_longitude - longitude)
    across = 360.0 - across if across > 180.0 else across  # noqa: PLR2004  # degrees
    middle = (latitude + to_latitude) / 2
    square = middle * middle
    east = across * METRES_A_DEGREE * ((32_400.0 - 4.0 * square) / (32_400.0 + square))
    return math.sqrt(north * north + east * east)


def flags_of(*, doubtful: bool, late: bool, jumped: bool) -> tuple[str, ...]:
    """Name what was found of a fix."""
    found = (("clock_skew", doubtful), ("late", late), ("implausible_jump", jumped))
    return tuple(name for name, is_so in found if is_so)


def flagged(fix: DeviceLocation, flags: tuple[str, ...]) -> DeviceLocation:
    """Return a fix with flags beside those it has."""
    return with_flags(fix, *flags) if flags else fix


def with_added(flags: Iterable[str], added: Iterable[str]) -> tuple[str, ...]:
    """Return flags and those added, each once."""
    return tuple(dict.fromkeys((*flags, *added)))


UNKNOWN_DEVICE: Final = ("device_unknown",)
JOINED: Final = ("unit", "callsign")
"""What a fix that does not say it gets from the register of devices."""


def joined(fix: DeviceLocation, register: Mapping[str, Officer] | None) -> DeviceLocation:
    """Return a fix with what the register of devices knows and it does not say; without a register as it is."""
    if register is None:
        return fix
    known = register.get(fix.device_id)
    if known is None:
        return flagged(fix, UNKNOWN_DEVICE)
    missing = {name: value for name in JOINED
               if getattr(fix, name) is None and (value := getattr(known, name)) is not None}  # fmt: skip
    return fix.model_copy(update=missing) if missing else fix


def tell(fix: DeviceLocation, decisions: list[Decision]) -> list[Notification]:
    """Return a notification of a fix for each destination; its own id becomes that of each Delivery."""
    message_id = fix.header.message_id
    return [Notification(one.destination, one.route, DeliveryReason.NEW, message_id, fix) for one in decisions]


def is_due(judged: Judged, decision: Decision) -> bool:
    """Whether a destination that wants a fix in so many seconds is to get this one."""
    if decision.every_seconds is None:
        return True
    if judged.outcome == "late":
        return False
    slot_ms = int(decision.every_seconds * 1000)
    return judged.previous is None or judged.previous[0] // slot_ms != judged.at[0] // slot_ms


class Newest:
    """Of fixes judged together, the newest of each device at each destination that is to get no other."""

    def __init__(self) -> None:
        """Start with none."""
        self._newest: dict[tuple[str, str], Judged] = {}

    def see(self, judged: Judged, decisions: Iterable[Decision]) -> None:
        """Take a fix that goes where `decisions` say."""
        for decision in decisions:
            if decision.newest_only and is_due(judged, decision):
                place = (decision.destination, judged.fix.device_id)
                known = self._newest.get(place)
                if known is None or judged.at >= known.at:
                    self._newest[place] = judged

    def passes(self, judged: Judged, decision: Decision) -> bool:
        """Whether the destination is to get this fix, and no newer one instead."""
        if not is_due(judged, decision):
            return False
        return not decision.newest_only or self._newest[decision.destination, judged.fix.device_id] is judged
