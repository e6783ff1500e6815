"""One function a canonical kind: from an event to a CoT document. `write.py` says what stands for what, and why."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from bondmate_schemas.enums import (
    DeliveryReason,
    IncidentAction,
    IncidentCategory,
    MessageDirection,
    StatementNature,
)
from bondmate_schemas.flags import UNDER_DURESS
from bondmate_schemas.labels import Labels, isolated, msgid
from bondmate_schemas.lateness import was_marked_late
from bondmate_schemas.models import Delivery, DeviceLocation, DeviceMessage, IncidentEvent

from bondmate_connectors.formats.alert_words import SAID_UNDER_DURESS, SILENT
from bondmate_connectors.formats.cot import types
from bondmate_connectors.formats.cot.build import Draft, fitted, later
from bondmate_connectors.formats.cot.chat_out import ChatLine
from bondmate_connectors.formats.cot.event import format_time
from bondmate_connectors.formats.cot.geometry import point_of
from bondmate_connectors.formats.cot.options import Contact, Options
from bondmate_connectors.formats.cot.words import LATE, callsign_of, mode_words

_MACHINE: Final = "m-g"
_HUMAN: Final = "h-g-i-g-o"
_ENDED: Final = {IncidentAction.CLOSED: msgid("Closed"), IncidentAction.CANCELLED: msgid("Cancelled")}
_NATURES: Final = {
    StatementNature.UNSPECIFIED: msgid("Unspecified"),
    StatementNature.FACT: msgid("Fact"),
    StatementNature.ASSESSMENT: msgid("Assessment"),
}


def location(event: DeviceLocation, delivery: Delivery, now: datetime, options: Options) -> bytes:
    """Write a position report. Its `time` is that of the fix, so that an older one never overwrites a newer."""
    draft = Draft(
        uid=types.device_uid(event.device_id), type=types.PLI, time=event.position.fixed_at,
        start=event.position.fixed_at, stale=later(now, options.lifetimes.location),
        how=_HUMAN if event.position.method == "manual" else _MACHINE, header=event.header,
        message_id=delivery.id, opex=options.opex(event.header.mode), position=event.position,
    )  # fmt: skip
    # No `endpoint`: the first contact with one gives a TAK connection its name, and this is not the connection's.
    draft.add("contact", callsign=callsign_of(event.header, event.callsign))
    if event.position.speed_mps is not None or event.position.course_deg is not None:
        draft.add("track", speed=_decimal(event.position.speed_mps), course=_decimal(event.position.course_deg))
    if was_marked_late(delivery):
        draft.add("remarks", options.labels(LATE))
    _status(draft, event.battery_percent)
    draft.only_to(options.only)
    return draft.finish(now, device=event.device_id, method=event.position.method)


def message_line(event: DeviceMessage, delivery: Delivery, options: Options) -> ChatLine:
    """Return a message as a line to all: an officer's in the officer's name, one to an officer in the hub's."""
    up = event.direction is MessageDirection.FROM_DEVICE
    speaker = Contact(types.device_uid(event.device_id), callsign_of(event.header, event.callsign))
    return ChatLine(
        speaker=speaker if up else Contact(options.hub.uid, callsign_of(event.header, event.sender)),
        text=f"{options.labels(LATE)}. " * was_marked_late(delivery) + _said(event, options.labels),
        header=event.header,
        message_id=delivery.id,
        own={
            "device": event.device_id,
            "direction": event.direction.value,
            "alert": event.alert_id,
            "priority": event.priority.value,
        },
        qos=options.qos(event.priority),
        sent_at=delivery.sent_at,
    )


def _said(event: DeviceMessage, labels: Labels) -> str:
    text = labels.text(event.text, event.header.language)
    if UNDER_DURESS in event.header.flags:
        return f"{labels(SAID_UNDER_DURESS)}. {labels(SILENT)}. {isolated(text)}"
    up = event.direction is MessageDirection.FROM_DEVICE
    return text if up or not event.callsign else f"{labels('To {who}', who=event.callsign)}: {isolated(text)}"


def incident_line(event: IncidentEvent, delivery: Delivery, options: Options) -> ChatLine:
    """Return an incident as a line to all, in the name of its own uid: all there is of one without any geometry."""
    return ChatLine(
        speaker=Contact(types.incident_chat_uid(event.header.event_id), callsign_of(event.header, None)),
        text=incident_text(delivery, event, options.labels),
        header=event.header,
        message_id=delivery.id,
        own=_own_incident(event),
        qos=options.qos(event.priority),
        sent_at=delivery.sent_at,
    )


def marker(event: IncidentEvent, delivery: Delivery, now: datetime, options: Options) -> tuple[bytes, bool]:
    """Write a marker, or the deletion of one that has ended; the second says whether its text was cut."""

    def write(text: str) -> bytes:
        if is_end(delivery):
            return deletion(event, delivery, now, options, text)
        draft = _marker(event, delivery, now, options)
        # Clients take away what is stale; late is better than never.
        expires = None if was_marked_late(delivery) else event.header.expires_at
        draft.stale = expires or later(now, options.lifetimes.other)
        _describe(draft, event, text)
        return draft.finish(now, **_own_incident(event))

    text = incident_text(delivery, event, options.labels)
    document, kept = fitted(write, text, options.max_bytes)
    return document, kept != text


def is_end(delivery: Delivery) -> bool:
    """Whether the incident is over, for this destination at least."""
    ended = delivery.incident is not None and delivery.incident.action in _ENDED
    return ended or delivery.reason is DeliveryReason.CANCEL


def deletion(event: IncidentEvent, delivery: Delivery, now: datetime, options: Options, text: str = "") -> bytes:
    """Write the deletion of the incident's marker; harmless where there is none.

    Clients find what to delete by the link, and drop a message that is stale when it comes.
    """
    draft = _marker(event, delivery, now, options)
    draft.add("link", uid=draft.uid, type=draft.type, relation="p-p")
    draft.add("__forcedelete")
    draft.uid, draft.type, draft.stale = f"{draft.uid}-delete", types.DELETE, later(now, options.lifetimes.other)
    _describe(draft, event, text)
    return draft.finish(now, **_own_incident(event))


def _marker(event: IncidentEvent, delivery: Delivery, now: datetime, options: Options) -> Draft:
    draft = Draft(
        uid=types.incident_uid(event.header.event_id),
        type=types.SPOT if event.category is IncidentCategory.MARKER else types.MARKER,
        time=now, start=event.header.occurred_at, stale=now, how=_HUMAN, header=event.header,
        message_id=delivery.id, qos=options.qos(event.priority), opex=options.opex(event.header.mode),
        position=point_of(event), drawn=event.position is None,
    )  # fmt: skip
    draft.only_to(options.only)
    return draft


def _describe(draft: Draft, event: IncidentEvent, text: str) -> None:
    draft.add("contact", callsign=callsign_of(event.header, event.title or event.callsign))
    draft.add("remarks", text, time=format_time(event.header.occurred_at))


def _own_incident(event: IncidentEvent) -> dict[str, str | None]:
    return {
        "category": event.category.value,
        "action": event.action.value,
        "priority": event.priority.value,
        "device": event.device_id,
    }


def incident_text(delivery: Delivery, event: IncidentEvent, labels: Labels) -> str:
    """Return what an operator reads about an incident; a personal assessment is called one."""
    parts = [
        mode_words(event.header.mode, labels)
        + (event.title or labels(event.category.value.replace("_", " ").capitalize())),
        labels(LATE) if was_marked_late(delivery) else "",
        labels(_ENDED.get(event.action, event.action.value.capitalize())) if is_end(delivery) else None,
        event.description,
        event.instruction,
        event.note,
        *(f"{labels(_NATURES[said.nature])}: {isolated(said.text)}" for said in event.statements),
        *(area.description for area in event.areas),
    ]
    return "\n".join(part.strip() for part in parts if part and part.strip())


def _status(draft: Draft, battery_percent: int | None) -> None:
    if battery_percent is not None:
        draft.add("status", battery=str(battery_percent))


def _decimal(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f}"
