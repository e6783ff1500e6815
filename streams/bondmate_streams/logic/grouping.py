"""Alerts of one event: they share a number, by rule or by a person's word, and each stays an alert of its own.

An alert keeps the incident that it was raised under, on which its order and its ids hang, and every alarm, level,
escalation and ending of its own. That it is of one event with another stands on the alert that came later: the number
of the event (the incident of the first alert), the alert it was linked to, by whom. So an event has no state that grows
with its alerts, and a link is undone where it was made.

By rule are linked a further alert of an officer, and alerts of one unit within a time and place: of one agency, in one
mode, and never one under duress. Only what came earlier is linked to, by the hub's own time, so that two workers that
meet two alerts in either order make the same of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import cos, hypot, radians
from typing import Final

from bondmate_schemas.enums import AlertAction, AlertKind
from bondmate_schemas.flags import UNDER_DURESS
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import AlertState, AlertWhole, DeliveryReceipt, DeviceAlert, OpenAlert, Position

from bondmate_streams.logic.rooms import owner_of

BY_OFFICER: Final = "rule:officer"
BY_UNIT: Final = "rule:unit"
OPERATIONS: Final = "operations"
"""Destination of a receipt by which operations say something of an alert: of which event it is, or that it is over."""
LINK: Final = "link"
UNLINK: Final = "unlink"
CLOSE: Final = "close"
_METRES_PER_DEGREE: Final = 111_320.0
_DEVICES_KEPT: Final = 64
_RULES: Final = "rule:"


@dataclass(frozen=True, slots=True)
class AlertLink:
    """That an alert is of the event with the number `group_id`, by the alert `linked_to`; the number empty: of none."""

    group_id: str
    linked_to: str
    linked_by: str

    def over(self, whole: AlertWhole | None) -> AlertWhole:
        """Return what is said of an alert as a whole, with this link in the place of an earlier one."""
        update = {"group_id": self.group_id, "linked_to": self.linked_to, "linked_by": self.linked_by}
        return (whole or AlertWhole()).model_copy(update=update)


Find = Callable[[DeviceAlert], AlertLink | None]


def linked(alert: DeviceAlert, link: AlertLink | None) -> DeviceAlert:
    """Return an alert with its link."""
    return alert if link is None else alert.model_copy(update={"whole": link.over(alert.whole)})


def is_under_duress(alert: DeviceAlert) -> bool:
    """Whether nothing but a person may link an alert."""
    return alert.kind is AlertKind.DURESS or alert.silent or UNDER_DURESS in alert.header.flags


def of_officer(alert: DeviceAlert, open_alerts: Iterable[OpenAlert]) -> AlertLink | None:
    """Return the link of a new alert to the oldest open one of its device."""
    if is_under_duress(alert):
        return None
    fitting = (one for one in open_alerts if one.kind is not AlertKind.DURESS and one.mode is alert.header.mode)
    first = next(fitting, None)
    if first is None or first.event_id == alert.header.event_id or first.incident_id is None:
        return None
    return AlertLink(first.group_id or first.incident_id, first.event_id, BY_OFFICER)


def merged(old: AlertWhole | None, alert: DeviceAlert) -> AlertWhole | None:
    """Return what is said of an alert as a whole after a change of it: a link that the change makes, else the old one.

    One that comes under duress leaves what a rule had linked it to.
    """
    new = alert.whole
    if new is not None and new.linked_by and (old is None or not old.linked_by):
        old = AlertLink(new.group_id, new.linked_to, new.linked_by).over(old)
    if old is not None and old.linked_by.startswith(_RULES) and is_under_duress(alert):
        return old.model_copy(update={"group_id": "", "linked_to": "", "linked_by": ""})
    return old


def reopened(old: AlertWhole | None, event_id: str) -> AlertWhole:
    """Return what is said of an alert that goes on from an ended one: it is of the same event."""
    whole = AlertWhole(reopens=event_id)
    return whole if old is None else AlertLink(old.group_id, old.linked_to, old.linked_by).over(whole)


_First = tuple[datetime, str, str, str]
"""The first alert of an event: when, its event id, its device, its incident."""


@dataclass(slots=True)
class _Raised:
    """An alert as it was raised, cut to what the rules ask, and the first of its event as far as is known."""

    at: datetime
    event_id: str
    device_id: str
    position: Position | None
    first: _First

    def is_before(self, other: _Raised) -> bool:
        return (self.at, self.event_id) < (other.at, other.event_id)


class Neighbours:
    """The newest alerts of officers and units, of all workers; bounded by the devices of each."""

    def __init__(self, within_seconds: float, within_metres: float) -> None:
        """AlertLink alerts of one officer or unit that are no further apart; 0 seconds: none."""
        self._within, self._metres = timedelta(seconds=within_seconds), within_metres
        self._raised: dict[tuple[str, ...], dict[str, _Raised]] = {}

    @property
    def is_on(self) -> bool:
        """Whether anything is linked by this."""
        return bool(self._within)

    def note(self, alert: DeviceAlert) -> None:
        """Take an alert as a device sent it."""
        if not self._within or alert.action not in {AlertAction.RAISE, AlertAction.UNKNOWN} or is_under_duress(alert):
            return
        for key, _ in _keys(alert):
            raised, known = _raised(alert), self._raised.setdefault(key, {})
            before = known.get(raised.device_id)
            # A further press is part of the alert before.
            if before is not None and abs(raised.at - before.at) <= self._within:
                continue
            known.pop(raised.device_id, None)
            self._join(raised, list(known.values()))
            known[raised.device_id] = raised
            if len(known) > _DEVICES_KEPT:
                del known[next(iter(known))]

    def _join(self, new: _Raised, known: list[_Raised]) -> None:
        """Find the first of its event; what came earlier than those who are known becomes theirs."""
        near = [one for one in known if self._is_near(one, new)]
        new.first = min((one.first for one in near if one.is_before(new)), default=new.first)
        later = {one.first for one in near if not one.is_before(new) and one.first > new.first}
        for one in known if later else ():
            if one.first in later:
                one.first = new.first

    def of(self, alert: DeviceAlert) -> AlertLink | None:
        """Return the link of a new alert to the first of its event; None where it is the first, or alone."""
        if not self._within or is_under_duress(alert):
            return None
        raised = _raised(alert)
        for key, by in _keys(alert):
            others = (one for one in list(self._raised.get(key, {}).values()) if one.is_before(raised))
            firsts = [one.first for one in others if self._is_near(one, raised)]
            if firsts and (first := min(firsts))[2] != alert.device_id:
                _, event_id, _, incident_id = first
                return AlertLink(incident_id, event_id, by)
        return None

    def forget(self, now: datetime) -> None:
        """Forget what nothing can be linked to any more."""
        for key, known in list(self._raised.items()):
            if all(now - one.at > 2 * self._within for one in list(known.values())):
                self._raised.pop(key, None)

    def _is_near(self, one: _Raised, other: _Raised) -> bool:
        if abs(one.at - other.at) > self._within:
            return False
        if one.position is None or other.position is None:
            return True
        return _metres(one.position, other.position) <= self._metres


def _raised(alert: DeviceAlert) -> _Raised:
    at, event_id = alert.header.received_at, alert.header.event_id
    incident_id = alert.header.incident_id or derived_id("incident", event_id)
    return _Raised(at, event_id, alert.device_id, alert.position, (at, event_id, alert.device_id, incident_id))


def _keys(alert: DeviceAlert) -> Iterator[tuple[tuple[str, ...], str]]:
    agency, mode = alert.header.agency_id, alert.header.mode.value
    if alert.officer_ref:
        yield ("officer", agency, mode, alert.officer_ref), BY_OFFICER
    if alert.unit:
        yield ("unit", agency, mode, alert.unit), BY_UNIT


def _metres(one: Position, other: Position) -> float:
    north = (one.latitude - other.latitude) * _METRES_PER_DEGREE
    degrees = (one.longitude - other.longitude + 180) % 360 - 180
    return hypot(north, degrees * _METRES_PER_DEGREE * cos(radians(one.latitude)))


def may_link(state: AlertState, receipt: DeliveryReceipt, agency: str, other: AlertState | None) -> bool:
    """Whether a room may say that an alert is of one event with `other`, or of no other's: its agency owns both.

    Across agencies only operations may, who can be of both; never across modes. The other was told there, and is not
    of the event of this one already.
    """
    if not agency or agency != owner_of(state):
        return False
    if not receipt.link_to:
        return True
    if other is None or other.alert.drill or receipt.destination not in other.destinations:
        return False
    first = other.alert.whole.linked_to if other.alert.whole else ""
    is_of_this = state.header.event_id in {other.header.event_id, first}
    return state.header.mode is other.header.mode and not is_of_this and agency == owner_of(other)


def link_by(agency: str, other: AlertState | None) -> AlertLink:
    """Return the link that a room makes to another alert, None: that it undoes; people read its agency."""
    if other is None:
        return AlertLink("", "", agency)
    whole, own_id = other.alert.whole or AlertWhole(), other.header.event_id
    return AlertLink(whole.group_id or other.header.incident_id or "", whole.linked_to or own_id, agency)


def is_link(receipt: DeliveryReceipt) -> bool:
    """Whether operations say that an alert is of one event with another, or is not any more."""
    return receipt.destination == OPERATIONS and receipt.code in {LINK, UNLINK}


def link_of(receipt: DeliveryReceipt) -> AlertLink:
    """Return the link that operations make or undo; rooms read it: whose word it was is in the audit trail alone."""
    if receipt.code == UNLINK:
        return AlertLink("", "", OPERATIONS)
    return AlertLink(receipt.platform_id or "", receipt.sender_message_id or "", OPERATIONS)
