"""One function a canonical kind: from a parsed CoT event to a reading. `read.py` says which is for which."""

from __future__ import annotations

from datetime import datetime

from bondmate_schemas import enums
from bondmate_schemas.flags import NAMED_BESIDE
from bondmate_schemas.models import Address, Record
from lxml import etree

from bondmate_connectors.contract import Ignored, Refusal, Remark
from bondmate_connectors.formats.cot import types
from bondmate_connectors.formats.cot.chat import chat_of
from bondmate_connectors.formats.cot.drawings import DRAWING, Drawing, drawing_of
from bondmate_connectors.formats.cot.event import CotEvent, number
from bondmate_connectors.formats.cot.header import ALERT_SYSTEM, SYSTEM, header, named, position
from bondmate_connectors.formats.cot.medevac import attributes_of, described
from bondmate_connectors.formats.cot.records import (
    new_alert,
    new_code,
    new_incident,
    new_location,
    new_message,
    new_receipt,
    new_ref,
)
from bondmate_connectors.formats.cot.types import Ours

TIME_UNREADABLE = Remark("time_unreadable", "event/@time", "the time of receipt stands for it")
_CONTRADICTED = Remark("value_unknown", "event/detail/emergency/@cancel", "a cancel and none: taken as none")
_TRUE = frozenset({"true", "1"})
_FALSE = frozenset({"false", "0"})
_ENDS = frozenset({types.CANCEL, types.DELETE})
_NO_DRAWING = Drawing(())
_NO_POSITION = Remark("position_unreadable", "event/point")
_SAID_BY_KIND = frozenset({*types.KIND_OF_TEXT, "custom", "cancel"})
"""Texts of an `emergency` that say no more than its kind."""
ReadEvent = tuple[Record, tuple[Remark, ...]]
"""What an event became, and what was let pass."""


def alert(event: CotEvent, received_at: datetime) -> ReadEvent:
    """Read an emergency or its cancel; whatever is wrong with the rest of it becomes a warning."""
    own, where, links = event.own, position(event, received_at), _links(event)
    cancelled, is_contradicted = _is_cancelled(event)
    ended = (_cancelled_uid(links) if cancelled else None) or event.uid
    refs = (new_ref(system=ALERT_SYSTEM, id=ended),) if ended != event.uid else ()
    record = new_alert(
        header=header(event, received_at, (ended, event.moments[1 if event.start else 0]), refs=refs),
        device_id=own.get("device") or _alert_device(event, links),
        callsign=_callsign(event, types.CALLSIGN_SUFFIX),
        action=enums.AlertAction.CANCEL if cancelled else enums.AlertAction.RAISE,
        kind=named(enums.AlertKind, own.get("kind")) or _alert_kind(event, links),
        priority=_priority(event, enums.Priority.IMMEDIATE),
        position=where,
        position_origin=enums.PositionOrigin.OWN if where else enums.PositionOrigin.NONE,
        text=_alert_text(event),
        battery_percent=_battery(event),
    )
    return record, (*_alert_warnings(event), *((_CONTRADICTED,) if is_contradicted else ()))


def _is_cancelled(event: CotEvent) -> tuple[bool, bool]:
    """Return whether it is a cancel, and whether it says that and the contrary: then it is none."""
    first, is_end = event.children.get("emergency"), event.type in _ENDS
    if first is None:
        return is_end, False
    # Mostly there is one: all that stands in the detail is looked through only where a second one may contradict it.
    is_alone = len(event.elements) == len(event.children)
    found = (first,) if is_alone else [one for one in event.elements if one.tag == "emergency"]
    words = [(one.get("cancel") or "").strip().lower() for one in found]
    if is_end:
        is_contradicted = not _FALSE.isdisjoint(words)
        return not is_contradicted, is_contradicted
    said = {word in _TRUE for word in words}
    return said == {True}, len(said) > 1


def _alert_text(event: CotEvent) -> str | None:
    """Return the words of the alert: its remarks, and those of its `emergency` that its kind or callsign do not say."""
    remarks = event.text("remarks")
    said = () if types.EXTENSION in event.children else (event.attribute("emergency", "type"), event.text("emergency"))
    words = [text for text in said if text and text.lower() not in _SAID_BY_KIND]
    if not words:
        return remarks
    callsign = (event.attribute("contact", "callsign") or "").removesuffix(types.CALLSIGN_SUFFIX)
    found = [remarks, *[text for text in words if text != callsign]]
    return "\n".join(dict.fromkeys([text for text in found if text])) or None


def _alert_warnings(event: CotEvent) -> tuple[Remark, ...]:
    found = []
    if event.time is None:
        found.append(TIME_UNREADABLE)
    if event.point is None:
        found.append(Remark("position_unreadable", "event/point", "the alert is without a position"))
    elif event.point.is_nowhere and event.point.accuracy_m == 0:
        found.append(Remark("position_zero", "event/point", "0,0 without an error is no place"))
    return tuple(found)


def _links(event: CotEvent) -> list[etree._Element]:
    return [child for child in event.elements if child.tag == "link"] if "link" in event.children else []


def _cancelled_uid(links: list[etree._Element]) -> str | None:
    """Return the uid of what a cancel ends: what it links to as an alert; None when it links to none."""
    for link in links:
        if (link.get("type") or "").startswith("b-a") and link.get("uid"):
            return str(link.get("uid"))
    return None


def _alert_device(event: CotEvent, links: list[etree._Element]) -> str:
    for link in links:
        if link.get("uid") and not (link.get("type") or "").startswith("b-"):
            return _device_of(str(link.get("uid")))
    return _device_of(event.uid.removesuffix(types.ALERT_SUFFIX))


def _device_of(uid: str) -> str:
    ours = types.parse_uid(uid)
    return ours.id if ours is not None else uid


def _alert_kind(event: CotEvent, links: list[etree._Element]) -> enums.AlertKind:
    if event.type in types.KIND_OF_TYPE:
        return types.KIND_OF_TYPE[event.type]
    for kind in [link.get("type") for link in links]:
        if kind in types.KIND_OF_TYPE:
            return types.KIND_OF_TYPE[kind]
    said = (event.attribute("emergency", "type") or event.text("emergency") or "").lower()
    # An atom that ends in 9-1-1 is a mayday of the platform it stands for.
    fallback = enums.AlertKind.SOS if event.type.endswith("-9-1-1") else enums.AlertKind.OTHER
    return types.KIND_OF_TEXT.get(said, fallback)


def location(event: CotEvent, received_at: datetime) -> ReadEvent | Ignored | Refusal:
    """Read a position report; one that says it has no fix is ignored under `no_position`."""
    if event.point is None:
        return Refusal("position_invalid", "event/point")
    where = position(event, received_at)
    if where is None:
        return Ignored("no_position")
    record = new_location(
        header=header(event, received_at, (event.uid, event.moments[0]), expires_at=event.stale),
        device_id=event.own.get("device") or _device_of(event.uid),
        callsign=_callsign(event),
        position=where,
        battery_percent=_battery(event),
    )
    return record, ()


def incident(event: CotEvent, received_at: datetime) -> ReadEvent:
    """Read a point marker, a drawing, a route or a casualty evacuation request; its uid is its life cycle."""
    own = event.own
    drawing = drawing_of(event) if DRAWING.fullmatch(event.type) else _NO_DRAWING
    evacuation = not event.type.startswith(("a-", "b-m-", "t-", "u-"))
    creator = types.parse_uid(event.attribute("link", "uid"))
    category = enums.IncidentCategory.INCIDENT if evacuation else enums.IncidentCategory.MARKER
    record = new_incident(
        header=header(event, received_at, (event.uid,), expires_at=event.stale),
        action=named(enums.IncidentAction, own.get("action")) or enums.IncidentAction.OPENED,
        category=named(enums.IncidentCategory, own.get("category")) or category,
        incident_type=new_code(system=SYSTEM, value=event.type),
        priority=_priority(event, enums.Priority.URGENT if evacuation else enums.Priority.UNKNOWN),
        title=_callsign(event) or event.attribute("_medevac_", "title"),
        description=_description(event),
        position=None if drawing.areas else position(event, received_at),
        areas=drawing.areas,
        attributes=attributes_of(event),
        device_id=creator.id if creator is not None and creator.what is Ours.DEVICE else None,
    )
    return record, drawing.remarks if event.point is not None else (*drawing.remarks, _NO_POSITION)


def deletion(event: CotEvent, received_at: datetime) -> ReadEvent | Ignored:
    """Read that somebody takes a marker off the map: its end, where it is known; else of nothing that anybody hears.

    Clients write it for whatever was on the map, for a client that has left too. That of a marker of the hub is
    ignored: it is gone from one map, and what it stands for goes on.
    """
    named = {uid for link in _links(event) if (uid := (link.get("uid") or "").strip())}
    if len(named) != 1 or types.parse_uid(target := named.pop()) is not None:
        return Ignored("type_ignored")
    head = header(event, received_at, (target,))
    record = new_incident(
        header=head.model_copy(update={"flags": (NAMED_BESIDE,)}),
        action=enums.IncidentAction.CANCELLED,
        category=enums.IncidentCategory.MARKER,
        incident_type=new_code(system=SYSTEM, value=event.type),
        priority=_priority(event, enums.Priority.UNKNOWN),
        title=_callsign(event),
        description=event.text("remarks"),
        position=position(event, received_at),
        refers_to=(head.event_id,),
    )
    return record, ()


def message(event: CotEvent, received_at: datetime) -> ReadEvent | Ignored:
    """Read a chat line: to devices of the hub it goes down, any other comes up from its sender's device."""
    chat = chat_of(event)
    if not chat.text:
        return Ignored("chat_empty")
    own, devices, about = event.own, chat.all_addressed(Ours.DEVICE), chat.addressed(Ours.ALERT)
    down = bool(devices) and "device" not in own
    several = down and len(devices) > 1
    one = own.get("device") or (devices[0].id if devices else "") or _device_of(chat.sender_uid) or event.uid
    record = new_message(
        header=header(event, received_at, ("chat", chat.room or event.uid)),
        device_id="" if several else one,
        direction=named(enums.MessageDirection, own.get("direction"))
        or (enums.MessageDirection.TO_DEVICE if down else enums.MessageDirection.FROM_DEVICE),
        sender=SYSTEM,
        sender_ref=chat.sender_uid or None,
        text=chat.text,
        priority=_priority(event, enums.Priority.ROUTINE),
        alert_id=own.get("alert") or (about.id if about else None),
        callsign=chat.sender_callsign,
        to=Address(names=tuple(device.id for device in devices)) if several else None,
    )
    return record, () if event.time else (TIME_UNREADABLE,)


def receipt(event: CotEvent, received_at: datetime) -> ReadEvent:
    """Read a chat receipt: delivered to a client, or shown by it."""
    chat = chat_of(event)
    about = chat.addressed(Ours.ALERT)
    level = enums.Level.DELIVERED if event.type == types.CHAT_DELIVERED else enums.Level.ACCEPTED
    head = header(event, received_at, ("chat", chat.room or event.uid))
    record = new_receipt(
        header=head.model_copy(update={"event_id": about.id}) if about else head,
        destination=SYSTEM,
        level=level,
        delivery_id=chat.message_id or event.uid,
        platform_id=event.uid,
        by_ref=chat.sender_uid or None,
    )
    return record, ()


def _callsign(event: CotEvent, suffix: str = "") -> str | None:
    callsign = (event.attribute("contact", "callsign") or "").removesuffix(suffix)
    if (ours := event.extension) is None:
        return callsign or None
    callsign = callsign.removeprefix(types.mode_prefix(named(enums.Mode, ours.get("mode")) or enums.Mode.UNKNOWN))
    return None if callsign == types.NEUTRAL_CALLSIGN else callsign or None


def _description(event: CotEvent) -> str | None:
    remarks, request = event.text("remarks"), described(event)
    return f"{remarks}\n{request}" if remarks and request else remarks or request


def _priority(event: CotEvent, fallback: enums.Priority) -> enums.Priority:
    own = named(enums.Priority, event.own.get("priority")) if event.own else None
    if own is not None or not event.qos:
        return own or fallback
    said = types.priority_of(event.qos)
    return fallback if said is enums.Priority.UNKNOWN else said


def _battery(event: CotEvent) -> int | None:
    if "status" not in event.children:
        return None
    value = number(event.attribute("status", "battery"), 0, 100)
    return None if value is None else round(value)
