"""An open emergency follows its device: which rooms are due to hear of a newer fix, and what they hear.

Pure; a time without a date is seconds of the caller's clock. Standards: 3GPP TS 23.280, 10.10 (location in an
emergency), OASIS CAP 1.2, 3.2.1 (an Update stands for what it refers to).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from heapq import heappop, heappush
from typing import Final

from bondmate_schemas.enums import AlertAction, DeliveryReason, PositionOrigin
from bondmate_schemas.flags import NOT_RENEWED, UNTRUSTED
from bondmate_schemas.models import AlertState, DeviceAlert, DeviceLocation, DeviceMark, EventHeader, Position

from bondmate_streams.logic.deliveries import LEAST_SECONDS, Agreements, Notification, position_id
from bondmate_streams.logic.headers import with_flags
from bondmate_streams.logic.life_cycle import CLOSED
from bondmate_streams.logic.locations import AHEAD_MS, BEFORE_GPS_MS, millis
from bondmate_streams.logic.routing import EMERGENCIES, Destination
from bondmate_streams.logic.steps import as_told, first_of

STANDS_SECONDS: Final = 60.0
"""A place that a room would see unchanged is told again after so long, and no sooner."""
_ALERT: Final = "DeviceAlert"
_NEVER: Final = -math.inf
_LATE_SECONDS: Final = 2.0
_LONG_AGO: Final = -1e9


@dataclass(frozen=True, slots=True)
class UpdatePace:
    """How often a room hears where the device of an open emergency is; 0 is no bound."""

    every_seconds: float = 15.0
    """Of one alert at most once in so many seconds."""
    a_second: float = 1.0
    """Of all alerts together at most so many a second."""


def paces_of(
    destinations: Mapping[str, Destination], by_connector: Mapping[str, UpdatePace], agreements: Agreements
) -> dict[str, UpdatePace]:
    """Return the pace of each destination that hears of positions: as its routes say, else as its connector does.

    Where an agreement shows no position of an alert there is none, nor for one that hears of ends only.
    """
    found = {}
    for name, at in destinations.items():
        usual = by_connector.get(name, UpdatePace())
        every = usual.every_seconds if at.alert_position_seconds is None else at.alert_position_seconds
        a_second = usual.a_second if at.alert_positions_a_second is None else at.alert_positions_a_second
        if every > 0 and not at.retired and "position" in agreements.view(name).shown(_ALERT):
            found[name] = UpdatePace(every, a_second)
    return found


class UpdateQueue:
    """The alerts that one room is to hear of, whoever has waited longest first; the first of an alert goes at once."""

    def __init__(self, pace: UpdatePace) -> None:
        """Start with none."""
        self._pace = pace
        self._queue: list[tuple[float, str]] = []
        """A heap, by when an alert is due."""
        self._queued: set[str] = set()
        self._due: dict[str, float] = {}
        self._next = _NEVER

    def want(self, event_id: str, *, is_first: bool = True) -> None:
        """Note that there is a fix of an alert to tell; `is_first`: another worker cannot have told the room before."""
        if event_id not in self._queued:
            self._queued.add(event_id)
            heappush(self._queue, (self._due.get(event_id, _NEVER if is_first else _LONG_AGO), event_id))

    def due(self, now: float, share: float = 1.0) -> Iterator[str]:
        """Yield the alerts whose turn it is; `share` is the part of the room's pace that is ours."""
        while self._queue:
            due_at, event_id = self._queue[0]
            is_first = due_at == _NEVER
            if not is_first and now < max(due_at, self._next):
                return
            heappop(self._queue)
            self._queued.discard(event_id)
            if not is_first and self._pace.a_second:
                # To look a little late does not slow the room's pace.
                since = self._next if now - self._next < _LATE_SECONDS else now
                self._next = since + 1 / (self._pace.a_second * max(share, 1e-3))
            yield event_id

    def told(self, event_id: str, now: float) -> None:
        """Note that the room has heard of an alert.

        What came a little late does not put off the next: a device that tells once a second is told of as it tells.
        """
        every = self._pace.every_seconds
        self._due[event_id] = max(self._due.get(event_id, now) + every, now + every - LEAST_SECONDS)

    def forget(self, event_id: str) -> None:
        """Forget an alert that is over; in the queue it is passed over when its turn comes."""
        self._due.pop(event_id, None)


def is_followed(state: AlertState) -> bool:
    """Whether an alert is an open emergency."""
    lapsed = NOT_RENEWED in state.alert.header.flags
    return state.status not in CLOSED and state.alert.kind in EMERGENCIES and not lapsed


def is_news(fix: DeviceLocation, alert: DeviceAlert) -> bool:
    """Whether a fix says more than an alert: its device had it later.

    Where a clock cannot be trusted it does too when it came after the alert; else that may be one that waited.
    """
    known = alert.position
    if known is None:
        return True
    is_timed = _is_timed(fix.position, fix.header) and _is_timed(known, alert.header)
    if not is_timed and fix.header.received_at > alert.header.received_at:
        return True
    return fix.position.fixed_at > known.fixed_at


def is_officers(fix: DeviceLocation, took: DeviceMark | None, replaced: DeviceMark | None) -> bool:
    """Whether a fix is of the time from which its device was its officer's until another took its place.

    One that waited since before that is of where the spare was kept.
    """
    header = fix.header
    if replaced is not None and header.received_at >= replaced.since:
        return False
    if took is None:
        return True
    return header.received_at >= took.since and (
        fix.position.fixed_at >= took.since or not _is_timed(fix.position, header)
    )


def _is_timed(position: Position, header: EventHeader) -> bool:
    """Whether the time of a position is to be believed; the last fix has no flags of the lane."""
    fixed, received = millis(position.fixed_at), millis(header.received_at)
    return UNTRUSTED.isdisjoint(header.flags) and BEFORE_GPS_MS <= fixed <= received + AHEAD_MS


def with_fix(alert: DeviceAlert, fix: DeviceLocation, now: datetime) -> DeviceAlert:
    """Return an alert with the place that its device told last, as old as it is now."""
    update = {
        "position": fix.position,
        "position_origin": PositionOrigin.JOINED,
        "position_age_seconds": age_seconds(fix, now),
    }
    skewed = ("clock_skew",) if "clock_skew" in fix.header.flags else ()
    return with_flags(alert.model_copy(update=update), *skewed)


def age_seconds(fix: DeviceLocation, now: datetime) -> float:
    """Return how old a fix is: since when the hub has it, and as long as its device had it before.

    How long that was only a clock that can be trusted says.
    """
    here = max(0.0, (now - fix.header.received_at).total_seconds())
    if "clock_skew" in fix.header.flags:
        return here
    return here + max(0.0, (fix.header.received_at - fix.position.fixed_at).total_seconds())


def newest(notification: Notification, fix: DeviceLocation | None, now: datetime) -> Notification:
    """Return what is told of an alert, but for its end, with its position as old as it is now.

    An emergency has the newest fix of its device, else a marker would go back to where the press was.
    """
    alert = notification.event
    if notification.reason is DeliveryReason.CANCEL or not isinstance(alert, DeviceAlert):
        return notification
    if fix is not None and alert.kind in EMERGENCIES and is_news(fix, alert):
        return replace(notification, event=with_fix(alert, fix, now))
    return (
        notification if alert.position is None else replace(notification, event=_aged(alert, alert.position, fix, now))
    )


def _aged(alert: DeviceAlert, position: Position, fix: DeviceLocation | None, now: datetime) -> DeviceAlert:
    """Return an alert whose position has not changed since it was told, with its age."""
    if fix is not None and fix.position.fixed_at == position.fixed_at:
        return alert.model_copy(update={"position_age_seconds": age_seconds(fix, now)})
    header, known = alert.header, alert.position_age_seconds or 0.0
    age = known + max(0.0, (now - header.received_at).total_seconds())
    if UNTRUSTED.isdisjoint(header.flags):
        by_clock = (now - position.fixed_at).total_seconds()
        # A fix of after the alert is where it lapsed: its age was known later than that of the alert.
        age = max(0.0 if position.fixed_at > header.received_at else age, by_clock)
    return alert.model_copy(update={"position_age_seconds": age})


def update_of(state: AlertState, name: str, route: str, fix: DeviceLocation, now: datetime) -> Notification:
    """Return the position update of an open alert for a room that was told of it."""
    alert = with_fix(as_told(state, state.alert), fix, now).model_copy(update={"action": AlertAction.UPDATE})
    number = int((now - state.header.received_at).total_seconds() / LEAST_SECONDS)
    event_id = state.header.event_id
    return Notification(
        name, route, DeliveryReason.UPDATE, position_id(event_id, name, number), alert, first_of(state, name),
        position_only=True,
    )  # fmt: skip


def place_of(position: Position) -> tuple[float, float]:
    """Return where a position is."""
    return position.latitude, position.longitude
