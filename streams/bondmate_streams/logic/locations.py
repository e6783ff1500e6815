"""Positions: what is wrong with a fix, whether it is new, who wants it, and when a device's last is written down."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bondmate_schemas.enums import DeliveryReason
from bondmate_schemas.models import DeviceLocation

from bondmate_streams.logic.alerts import is_fix
from bondmate_streams.logic.deliveries import Telling, later_id
from bondmate_streams.logic.routing import Decision

_AHEAD = timedelta(minutes=5)
_BEFORE_GPS = datetime(2000, 1, 1, tzinfo=UTC)
_IDS_KEPT = 32


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a fix.

    `outcome` is `accepted`, or `late` (older than one seen before: kept and marked), or one of those that go no
    further: `repeat`, `no_fix`, `off_duty`.
    """

    outcome: str
    fix: DeviceLocation
    at: tuple[datetime, int] = (_BEFORE_GPS, 0)
    """What the fixes of a device are ordered by: the time of the fix, then its number."""

    @property
    def goes_on(self) -> bool:
        """Whether destinations hear of it."""
        return self.outcome in ("accepted", "late")


@dataclass(slots=True)
class Track:
    """What is remembered of one device: in memory only, since a repeat after a restart has the ids it had."""

    seen: dict[str, None] = field(default_factory=dict)
    newest: tuple[datetime, int] | None = None

    def judge(self, fix: DeviceLocation) -> Judged:
        """Judge a fix of this device and remember it."""
        if not self._is_first(fix.header.message_id):
            return Judged("repeat", fix)
        if fix.on_duty is False:
            return Judged("off_duty", fix)
        if not is_fix(fix.position):
            return Judged("no_fix", fix)
        doubtful = not _BEFORE_GPS <= fix.position.fixed_at <= fix.header.received_at + _AHEAD
        # A clock that is wrong must not make every later fix look old.
        at = (fix.header.received_at if doubtful else fix.position.fixed_at, fix.sequence)
        late = self.newest is not None and at < self.newest
        if not late:
            self.newest = at
        flags = (*(("clock_skew",) if doubtful else ()), *(("late",) if late else ()))
        return Judged("late" if late else "accepted", _flagged(fix, flags), at)

    def _is_first(self, message_id: str) -> bool:
        if message_id in self.seen:
            return False
        self.seen[message_id] = None
        if len(self.seen) > _IDS_KEPT:
            del self.seen[next(iter(self.seen))]
        return True


def _flagged(fix: DeviceLocation, flags: tuple[str, ...]) -> DeviceLocation:
    if not flags:
        return fix
    header = fix.header.model_copy(update={"flags": tuple(dict.fromkeys((*fix.header.flags, *flags)))})
    return fix.model_copy(update={"header": header})


def tell(fix: DeviceLocation, decisions: list[Decision]) -> list[Telling]:
    """Tell the destinations of a fix."""
    header = fix.header
    return [
        Telling(
            decision.destination,
            decision.route,
            DeliveryReason.NEW,
            later_id(header.event_id, decision.destination, header.message_id),
            fix,
        )
        for decision in decisions
    ]


class Newest:
    """Of fixes judged together, the newest of each device at each destination that is to get no other."""

    def __init__(self) -> None:
        """Start with none."""
        self._newest: dict[tuple[str, str], Judged] = {}

    def see(self, judged: Judged, decisions: Iterable[Decision]) -> None:
        """Take a fix that goes where `decisions` say."""
        for decision in decisions:
            if decision.newest_only:
                place = (decision.destination, judged.fix.device_id)
                known = self._newest.get(place)
                if known is None or judged.at >= known.at:
                    self._newest[place] = judged

    def passes(self, judged: Judged, decision: Decision) -> bool:
        """Tell whether the destination is to get this fix and no newer one instead."""
        return not decision.newest_only or self._newest[decision.destination, judged.fix.device_id] is judged


class LastFixes:
    """The last fix of each device, to be written at most once a device and period; nothing at end of shift."""

    def __init__(self, period: timedelta = timedelta(seconds=1)) -> None:
        """Start with nothing written; `period` is the least time between two writes of one device."""
        self._period = period
        self._written: dict[str, datetime] = {}
        self._waiting: dict[str, DeviceLocation | None] = {}

    def see(self, judged: Judged) -> None:
        """Take a fix that was judged."""
        if judged.outcome == "accepted":
            self._waiting[judged.fix.device_id] = judged.fix
        elif judged.outcome == "off_duty":
            self._waiting[judged.fix.device_id] = None
            self._written.pop(judged.fix.device_id, None)

    def due(self, now: datetime) -> dict[str, DeviceLocation | None]:
        """Give, by device, what is to be written now; None for a tombstone. It counts as written."""
        due = {device: fix for device, fix in self._waiting.items()
               if fix is None or now - self._written.get(device, _BEFORE_GPS) >= self._period}  # fmt: skip
        for device, fix in due.items():
            del self._waiting[device]
            if fix is not None:
                self._written[device] = now
        return due

    def forget(self, before: datetime) -> None:
        """Drop what was written before a time, so that devices that are gone take no room."""
        self._written = {device: at for device, at in self._written.items() if at >= before}
