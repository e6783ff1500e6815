"""One function a canonical kind: from an event to a CoT document. `write.py` says what stands for what, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bondmate_schemas.enums import (
    AlertAction,
    AlertKind,
    DeliveryReason,
    IncidentAction,
    IncidentCategory,
    MessageDirection,
    PositionOrigin,
)
from bondmate_schemas.flags import POSITION_WITHHELD, UNANSWERED
from bondmate_schemas.lateness import was_marked_late
from bondmate_schemas.models import Delivery, DeviceAlert, DeviceLocation, DeviceMessage, EventHeader, IncidentEvent

from bondmate_connectors.formats.cot import types
from bondmate_connectors.formats.cot.build import Draft, element, later
from bondmate_connectors.formats.cot.event import format_time
from bondmate_connectors.formats.cot.geometry import point_of

_MACHINE: Final = "m-g"
_HUMAN: Final = "h-g-i-g-o"
_LATE: Final = "LATE: no longer new when it was delivered"
_ENDED: Final = frozenset({IncidentAction.CLOSED, IncidentAction.CANCELLED})


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """After how many seconds a client may take away what it shows, by kind."""

    alert: float = 30.0
    location: float = 120.0
    other: float = 86400.0


DEFAULT_LIFETIMES: Final = Lifetimes()


def alert(event: DeviceAlert, delivery: Delivery, now: datetime, lifetimes: Lifetimes) -> bytes:
    """Write an emergency, or its cancel under the same uid."""
    cancelled = is_cancel(delivery)
    kind, text = types.EMERGENCY_TYPES[event.kind]
    draft = Draft(
        uid=types.alert_uid(event.header.event_id), type=types.CANCEL if cancelled else kind, time=now,
        start=event.header.occurred_at, stale=later(now, lifetimes.alert), how=_HUMAN, header=event.header,
        message_id=delivery.id, qos=types.QOS.get(event.priority), position=event.position,
    )  # fmt: skip
    callsign = callsign_of(event.header, event.callsign)
    draft.add("contact", callsign=callsign + types.CALLSIGN_SUFFIX)
    draft.add("link", uid=types.device_uid(event.device_id), type=types.PLI, relation="p-p")
    if cancelled:
        draft.add("emergency", callsign, cancel="true")
    else:
        draft.add("emergency", callsign, type=text)
    draft.add("remarks", alert_text(event, delivery), time=format_time(event.header.occurred_at))
    _status(draft, event.battery_percent)
    return draft.finish(now, kind=event.kind.value, priority=event.priority.value, device=event.device_id)


def is_cancel(delivery: Delivery) -> bool:
    """Whether the alert is over. A cancel delivered as UPDATE or REFRESH is a device's request, not the end."""
    asked = delivery.alert is not None and delivery.alert.action is AlertAction.CANCEL
    return delivery.reason is DeliveryReason.CANCEL or (asked and delivery.reason is DeliveryReason.NEW)


def alert_text(event: DeviceAlert, delivery: Delivery) -> str:
    """Give what an operator reads about an alert."""
    return ". ".join(part for part in _alert_parts(event, delivery) if part)


def _alert_parts(event: DeviceAlert, delivery: Delivery) -> Iterator[str]:
    yield types.mode_prefix(event.header.mode) + _headline(event.kind) + (" CANCELLED" if is_cancel(delivery) else "")
    if event.action is AlertAction.CANCEL and not is_cancel(delivery):
        yield "The device asks to cancel"
    yield _late(delivery)
    if UNANSWERED in event.header.flags:
        yield "UNANSWERED: nobody has taken it up yet"
    yield event.callsign or ""
    yield event.unit or ""
    yield (event.text or "").strip()
    if event.position is None:
        yield "Position withheld by agreement" if POSITION_WITHHELD in event.header.flags else "Position unknown"
    elif event.position_origin is PositionOrigin.JOINED:
        age = event.position_age_seconds
        yield "Last known position" + ("" if age is None else f", {age:.0f} s old")
    if event.press_count > 1:
        yield f"Pressed {event.press_count} times"
    if event.silent:
        yield "Silent: do not call the device"


def _late(delivery: Delivery) -> str:
    return _LATE if was_marked_late(delivery) else ""


def _headline(kind: AlertKind) -> str:
    return "SOS" if kind is AlertKind.SOS else kind.value.replace("_", " ").capitalize()


def location(event: DeviceLocation, delivery: Delivery, now: datetime, lifetimes: Lifetimes) -> bytes:
    """Write a position report. Its `time` is that of the fix, so that an older one never overwrites a newer."""
    draft = Draft(
        uid=types.device_uid(event.device_id), type=types.PLI, time=event.position.fixed_at,
        start=event.position.fixed_at, stale=later(now, lifetimes.location),
        how=_HUMAN if event.position.method == "manual" else _MACHINE, header=event.header,
        message_id=delivery.id, position=event.position,
    )  # fmt: skip
    # No `endpoint`: the first contact with one gives a TAK connection its name, and this is not the connection's.
    draft.add("contact", callsign=callsign_of(event.header, event.callsign))
    if event.position.speed_mps is not None or event.position.course_deg is not None:
        draft.add("track", speed=_decimal(event.position.speed_mps), course=_decimal(event.position.course_deg))
    if was_marked_late(delivery):
        draft.add("remarks", _LATE)
    _status(draft, event.battery_percent)
    return draft.finish(now, device=event.device_id, method=event.position.method)


def message(event: DeviceMessage, delivery: Delivery, now: datetime, lifetimes: Lifetimes) -> bytes:
    """Write a GeoChat line to all: an officer's in the officer's name, one to an officer in its sender's."""
    up = event.direction is MessageDirection.FROM_DEVICE
    return chat(
        _Line(
            sender_uid=types.device_uid(event.device_id) if up else types.HUB_UID,
            sender=event.callsign if up else event.sender,
            text=_prefixed(delivery, event.text if up or not event.callsign else f"To {event.callsign}: {event.text}"),
            header=event.header,
            own={
                "device": event.device_id,
                "direction": event.direction.value,
                "alert": event.alert_id,
                "priority": event.priority.value,
            },
            qos=types.QOS.get(event.priority),
        ),
        delivery.id, now, lifetimes,
    )  # fmt: skip


def _prefixed(delivery: Delivery, text: str) -> str:
    return f"{_LATE}. {text}" if was_marked_late(delivery) else text


def alert_chat(event: DeviceAlert, delivery: Delivery, now: datetime, lifetimes: Lifetimes) -> bytes:
    """Write the GeoChat line that goes with an alert, in the name of its uid, so that an answer leads back to it."""
    line = _Line(
        sender_uid=types.alert_uid(event.header.event_id),
        sender=event.callsign,
        text=alert_text(event, delivery),
        header=event.header,
        own={"alert": event.header.event_id, "device": event.device_id},
        qos=types.QOS.get(event.priority),
    )
    return chat(line, delivery.id, now, lifetimes)


@dataclass(frozen=True, slots=True)
class _Line:
    sender_uid: str
    sender: str | None
    text: str
    header: EventHeader
    own: dict[str, str | None]
    qos: str | None = None


def chat(line: _Line, message_id: str, now: datetime, lifetimes: Lifetimes) -> bytes:
    """Write a GeoChat line to all chat rooms; the same `message_id` makes the same event."""
    occurred = line.header.occurred_at
    callsign = callsign_of(line.header, line.sender)
    message = types.escape_id(message_id)
    draft = Draft(
        uid=f"GeoChat.{line.sender_uid}.{types.ALL_CHAT}.{message}", type=types.CHAT, time=occurred,
        start=occurred, stale=later(now, lifetimes.other), how=_HUMAN, header=line.header, message_id=message_id,
        qos=line.qos,
    )  # fmt: skip
    group = element("chatgrp", uid0=line.sender_uid, uid1=types.ALL_CHAT, id=types.ALL_CHAT)
    room = element(
        "__chat", group, parent="RootContactGroup", groupOwner="false", messageId=message, chatroom=types.ALL_CHAT,
        id=types.ALL_CHAT, senderCallsign=callsign,
    )  # fmt: skip
    draft.detail.append(room)
    draft.add("link", uid=line.sender_uid, type=types.PLI, relation="p-p")
    draft.add(
        "remarks", line.text, source=f"BAO.F.ATAK.{line.sender_uid}", to=types.ALL_CHAT, time=format_time(occurred)
    )
    return draft.finish(now, **line.own)


def incident(event: IncidentEvent, delivery: Delivery, now: datetime, lifetimes: Lifetimes) -> bytes:
    """Write a marker, the deletion of one, or (without any geometry) a GeoChat line."""
    if point_of(event) is None:
        line = _Line(
            sender_uid=types.incident_chat_uid(event.header.event_id), sender=None,
            text=incident_text(delivery, event, ended=is_end(delivery)), header=event.header, own=_own_incident(event),
            qos=types.QOS.get(event.priority),
        )  # fmt: skip
        return chat(line, delivery.id, now, lifetimes)
    if is_end(delivery):
        return deletion(event, delivery, now, lifetimes)
    draft = _marker(event, delivery, now)
    # Clients take away what is stale; late is better than never.
    expires = None if was_marked_late(delivery) else event.header.expires_at
    draft.stale = expires or later(now, lifetimes.other)
    _describe(draft, delivery, event, ended=False)
    return draft.finish(now, **_own_incident(event))


def is_end(delivery: Delivery) -> bool:
    """Whether the incident is over, for this destination at least."""
    ended = delivery.incident is not None and delivery.incident.action in _ENDED
    return ended or delivery.reason is DeliveryReason.CANCEL


def deletion(event: IncidentEvent, delivery: Delivery, now: datetime, lifetimes: Lifetimes) -> bytes:
    """Write the deletion of the incident's marker; harmless where there is none.

    Clients find what to delete by the link, and drop a message that is stale when it comes.
    """
    draft = _marker(event, delivery, now)
    draft.add("link", uid=draft.uid, type=draft.type, relation="p-p")
    draft.add("__forcedelete")
    draft.uid, draft.type, draft.stale = f"{draft.uid}-delete", types.DELETE, later(now, lifetimes.other)
    _describe(draft, delivery, event, ended=True)
    return draft.finish(now, **_own_incident(event))


def _marker(event: IncidentEvent, delivery: Delivery, now: datetime) -> Draft:
    return Draft(
        uid=types.incident_uid(event.header.event_id),
        type=types.SPOT if event.category is IncidentCategory.MARKER else types.MARKER,
        time=now, start=event.header.occurred_at, stale=now, how=_HUMAN, header=event.header,
        message_id=delivery.id, qos=types.QOS.get(event.priority), position=point_of(event),
        drawn=event.position is None,
    )  # fmt: skip


def _describe(draft: Draft, delivery: Delivery, event: IncidentEvent, *, ended: bool) -> None:
    draft.add("contact", callsign=callsign_of(event.header, event.title or event.callsign))
    draft.add("remarks", incident_text(delivery, event, ended=ended), time=format_time(event.header.occurred_at))


def _own_incident(event: IncidentEvent) -> dict[str, str | None]:
    return {
        "category": event.category.value,
        "action": event.action.value,
        "priority": event.priority.value,
        "device": event.device_id,
    }


def incident_text(delivery: Delivery, event: IncidentEvent, *, ended: bool) -> str:
    """Give what an operator reads about an incident; a personal assessment is called one."""
    parts = [
        types.mode_prefix(event.header.mode) + (event.title or event.category.value.replace("_", " ").capitalize()),
        _late(delivery),
        event.action.value.capitalize() if ended else None,
        event.description,
        event.instruction,
        event.note,
        *(f"{statement.nature.value.capitalize()}: {statement.text}" for statement in event.statements),
        *(area.description for area in event.areas),
    ]
    return "\n".join(part.strip() for part in parts if part and part.strip())


def callsign_of(header: EventHeader, callsign: str | None) -> str:
    """Give the name that clients show: the callsign when it is disclosed, else a neutral one; the mode before it."""
    return types.mode_prefix(header.mode) + ((callsign or "").strip() or types.NEUTRAL_CALLSIGN)


def _status(draft: Draft, battery_percent: int | None) -> None:
    if battery_percent is not None:
        draft.add("status", battery=str(battery_percent))


def _decimal(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f}"
