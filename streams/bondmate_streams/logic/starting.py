"""An emergency that a control room starts, of an officer who has not pressed.

A room of the owner may, in the mode of the device and its own, for a device on shift, with a reason and the name of who
says so. The officer is told. A silent one tells the device nothing, so a second person must ask for the same.

Nobody has pressed, so it may be wrong: rooms beyond the owner's get no positions of it before somebody confirms (the
officer by a press, or a person of the owner), and until then the owner must renew it, else its device is not followed
any more.
It ends by a person's word alone, as any emergency does: that nobody renewed it says nothing of how the officer is.

Standards: 3GPP TS 23.280, 10.10.1 (an authorised user sets another's emergency state, who is told of it).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from bondmate_schemas.device_alert_ids import is_hidden
from bondmate_schemas.duress import mark_id
from bondmate_schemas.enums import AlertAction, AlertKind, AuditAction, DeliveryReason, EmergencyWord, PositionOrigin
from bondmate_schemas.flags import (
    CONFIRMED,
    NOT_RENEWED,
    POSITION_UNTIL_CONFIRMED,
    SILENCE_OVER,
    STARTED_BY_ROOM,
    UNDER_DURESS,
)
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import (
    AlertState,
    AlertWhole,
    DeliveryReceipt,
    DeviceAlert,
    DeviceMark,
    DeviceMessage,
    EmergencyStart,
)

from bondmate_streams.logic.addressing import Officer
from bondmate_streams.logic.audit import AuditEntry, audit_name
from bondmate_streams.logic.deliveries import Notification
from bondmate_streams.logic.headers import own_header, with_flags, with_header
from bondmate_streams.logic.life_cycle import CLOSED, Fact
from bondmate_streams.logic.pages import PageReason, page_of
from bondmate_streams.logic.rooms import Rooms, owner_of
from bondmate_streams.logic.routing import Decision, Destination
from bondmate_streams.logic.steps import Step, as_update, tell

KINDS: Final = frozenset({AlertKind.SOS, AlertKind.OFFICER_DOWN, AlertKind.ASSISTANCE})
SECOND_WITHIN: Final = timedelta(minutes=10)
"""How long one person's word for a silent one counts."""
ASKED: Final = "start_asked"
ONE_DEVICE: Final = "emergency_one_device"
OPEN: Final = "emergency_open"
TOLD: Final = "started"
"""Stands in the ids of what tells the rooms how such an emergency stands."""


def problem_of(
    order: DeviceMessage, start: EmergencyStart, room: Destination, agency: str | None, officer: Officer
) -> str:
    """Return the code of why a room may not start this; empty where it may."""
    mode = order.header.mode
    if not agency or agency != officer.agency_id:
        return "emergency_not_owner"
    if mode is not officer.mode or mode.value not in room.modes or room.retired:
        return "emergency_mode"
    if officer.seen_at is None:
        return "emergency_off_shift"
    if start.kind not in KINDS:
        return "emergency_kind"
    return "" if order.text.strip() and order.sender_ref else "emergency_reason"


def asked(order: DeviceMessage, officer: Officer, now: datetime) -> DeviceMark:
    """Return the mark that one person leaves who asks for a silent one."""
    return DeviceMark(
        mark_id=mark_id(ASKED, officer.device_id),
        device_id=officer.device_id,
        mark=ASKED,
        since=now,
        event_id=order.header.message_id,
        agency_id=officer.agency_id or "",
        operator=order.sender_ref or "",
        justification=order.text,
    )


def used(order: DeviceMessage, officer: Officer, now: datetime) -> DeviceMark:
    """Return the mark by which what the first person asked for is done: it counts for no other."""
    return asked(order, officer, now).model_copy(update={"operator": "", "justification": ""})


def needs_second(order: DeviceMessage, start: EmergencyStart, mark: DeviceMark | None, now: datetime) -> bool:
    """Whether a silent one waits for a second person's word; `mark` is what was asked last of the device."""
    if not start.silent or (mark and not mark.operator and mark.event_id == order.header.message_id):
        return False
    first = mark.operator.casefold() if mark and now - mark.since <= SECOND_WITHIN else ""
    return not first or first == (order.sender_ref or "").casefold()


def event_id_of(order: DeviceMessage) -> str:
    """Return the id of the alert that a room's order becomes."""
    return derived_id("alert", "started", order.header.message_id)


def alert_of(order: DeviceMessage, start: EmergencyStart, officer: Officer, now: datetime, rooms: Rooms) -> DeviceAlert:
    """Return the alert that a room starts, the same whenever it is made again of the same message."""
    event_id = event_id_of(order)
    flags = (STARTED_BY_ROOM, UNDER_DURESS) if start.silent else (STARTED_BY_ROOM,)
    # The hub's own time: the clock of a room raises nothing late.
    header = own_header(
        order.header, order.header.received_at, message_id=derived_id("message", event_id, "raise"), event_id=event_id,
        incident_id=None, agency_id=officer.agency_id, published_at=now, flags=flags, language=order.header.language,
    )  # fmt: skip
    return DeviceAlert(
        header=header,
        device_id=officer.device_id,
        officer_ref=officer.officer_ref,
        unit=officer.unit,
        callsign=officer.callsign,
        action=AlertAction.RAISE,
        kind=start.kind,
        silent=start.silent,
        text=order.text,
        whole=AlertWhole(renew_by=_renewed(order.header.received_at, rooms)),
    )


def logged(order: DeviceMessage, event_id: str | None, device_id: str, what: str, secret: bytes) -> AuditEntry:
    """Return what is logged of who starts an emergency of whom, and why."""
    return AuditEntry(
        AuditAction.OTHER,
        order.sender_ref,
        event_id,
        (audit_name(secret, device_id),),
        fields=(what, f"room:{order.header.source}"),
        purpose=order.text,
    )


def is_started(alert: DeviceAlert) -> bool:
    """Whether a room has started it."""
    return STARTED_BY_ROOM in alert.header.flags


def is_unconfirmed(alert: DeviceAlert) -> bool:
    """Whether a room has started it, and nobody has confirmed it."""
    return is_started(alert) and CONFIRMED not in alert.header.flags


def is_made_loud(state: AlertState, press: DeviceAlert) -> bool:
    """Whether an officer presses aloud of whom a room had started a silent emergency: nothing of it hides that.

    `press` is one that somebody made at the device. Who has pressed silently stays silent, whatever is pressed then.
    """
    return is_hidden(state.alert) and not press.silent and UNDER_DURESS not in press.header.flags


def made_loud(alert: DeviceAlert) -> DeviceAlert:
    """Return an alert that is silent no more, with the remark by which all who read that it was hear so."""
    flags = tuple(flag for flag in alert.header.flags if flag not in {UNDER_DURESS, SILENCE_OVER})
    return with_header(alert, flags=(*flags, SILENCE_OVER)).model_copy(update={"silent": False})


def confirmed(alert: DeviceAlert) -> DeviceAlert:
    """Return an alert that somebody confirms: it is one as any other from now on."""
    flags = tuple(flag for flag in alert.header.flags if flag not in {NOT_RENEWED, CONFIRMED})
    alert = with_header(alert, flags=(*flags, CONFIRMED))
    whole = alert.whole and alert.whole.model_copy(update={"renew_by": None})
    return alert.model_copy(update={"whole": whole})


def is_held_back(state: AlertState, destination: str, agencies: Mapping[str, str]) -> bool:
    """Whether a destination gets no position of an alert, since nobody has confirmed it."""
    return is_unconfirmed(state.alert) and agencies.get(destination) != owner_of(state)


def without_places(
    notifications: Sequence[Notification], state: AlertState, agencies: Mapping[str, str]
) -> Sequence[Notification]:
    """Return what is told of an alert, without its place where a destination gets none."""
    if not is_unconfirmed(state.alert):
        return notifications
    return [_placeless(one) if is_held_back(state, one.destination, agencies) else one for one in notifications]


def _placeless(notification: Notification) -> Notification:
    alert = notification.event
    if not isinstance(alert, DeviceAlert):
        return notification
    update = {"position": None, "position_origin": PositionOrigin.NONE, "position_age_seconds": None}
    return replace(notification, event=with_flags(alert.model_copy(update=update), POSITION_UNTIL_CONFIRMED))


# Renewed and confirmed


def renew_by(state: AlertState) -> datetime | None:
    """Return when an alert lapses unless a person of its owner renews it; None: it does not."""
    alert = state.alert
    if state.status in CLOSED or alert.whole is None or NOT_RENEWED in alert.header.flags:
        return None
    return alert.whole.renew_by if is_unconfirmed(alert) else None


def facts_of(state: AlertState, receipt: DeliveryReceipt, rooms: Rooms) -> set[Fact]:
    """Whether a room of the owner renews or confirms what a room has started."""
    is_owners = rooms.agencies.get(receipt.destination) == owner_of(state)
    if not is_owners or not is_unconfirmed(state.alert):
        return set()
    return {Fact.CONFIRMS if receipt.emergency is EmergencyWord.CONFIRMED else Fact.RENEWS}


def changed(state: AlertState, receipt: DeliveryReceipt, outcome: str, rooms: Rooms) -> AlertState:
    """Return the alert after it was renewed or confirmed."""
    if outcome == "confirmed":
        return state.model_copy(update={"alert": confirmed(state.alert)})
    flags = tuple(flag for flag in state.alert.header.flags if flag != NOT_RENEWED)
    # One that comes late shortens nothing that was renewed since.
    until = max(_renewed(receipt.header.received_at, rooms), renew_by(state) or receipt.header.received_at)
    whole = (state.alert.whole or AlertWhole()).model_copy(update={"renew_by": until})
    alert = with_header(state.alert, flags=flags).model_copy(update={"whole": whole})
    return state.model_copy(update={"alert": alert})


def not_renewed(outcome: str, state: AlertState, decisions: Sequence[Decision], now: datetime, _: Rooms) -> Step:
    """Follow its device no more, tell everybody, and page a person."""
    until = renew_by(state)
    assert until is not None
    alert = with_flags(state.alert, NOT_RENEWED)
    after = state.model_copy(update={"alert": alert, "changed_at": now})
    page = page_of(after, PageReason.NOT_RENEWED, now, destination=until.isoformat())
    told = as_update(after, now, until.isoformat(), TOLD)
    return Step(outcome, after, tell(after, told, DeliveryReason.UPDATE, decisions), pages=(page,))


def _renewed(since: datetime, rooms: Rooms) -> datetime:
    return since + timedelta(seconds=rooms.renew_seconds)
