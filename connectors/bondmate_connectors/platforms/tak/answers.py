"""What a frame from a TAK server is to the hub: an answer to an alert, a text to a device, what was asked for, nothing.

Pure. What the hub itself wrote comes back from some servers and from federations; it is known by its flow tag, its own
element and its uids, and is passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from bondmate_schemas.enums import Level, MessageDirection, Mode
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import (
    Address,
    DeliveryReceipt,
    DeviceMessage,
    EventHeader,
    ExternalRef,
    IncidentEvent,
    Record,
)

from bondmate_connectors.contract import Reading, Refusal, Unreadable
from bondmate_connectors.formats.cot.chat import Chat, chat_of
from bondmate_connectors.formats.cot.event import CotEvent, parse_event
from bondmate_connectors.formats.cot.read import read_event
from bondmate_connectors.formats.cot.stream import Frame
from bondmate_connectors.formats.cot.types import CHAT, Ours, parse_uid

_CHAT_BYTES: Final = b"b-t-f"


@dataclass(frozen=True, slots=True)
class Terms:
    """Who we are to the hub and what we are to take: the connector's name and part of its settings."""

    name: str
    mode: Mode
    agency_id: str
    decline_words: tuple[str, ...]
    emit: frozenset[str]
    rooms: Mapping[str, str] = field(default_factory=dict)
    """Agencies by the chat room that their officers hear."""


def understand(frame: Frame, terms: Terms, received_at: datetime) -> Record | Unreadable | None:
    """Give what a frame is to the hub; None when it is nothing."""
    if frame.code is not None:
        return Unreadable(frame.code, frame.message)
    if _CHAT_BYTES not in frame.message and not terms.emit:
        # Hundreds of positions a second are not worth parsing to know that nobody asked for them.
        return None
    event = parse_event(frame.message)
    if isinstance(event, Refusal):
        return Unreadable(event.code, frame.message)
    if event.passed_a_hub or parse_uid(event.uid) is not None:
        return None
    if event.type == CHAT:
        return _chat(event, terms, received_at)
    return _asked_for(event, terms, received_at) if "IncidentEvent" in terms.emit else None


def _chat(event: CotEvent, terms: Terms, received_at: datetime) -> Record | Unreadable | None:
    chat = chat_of(event)
    if not chat.text or parse_uid(chat.sender_uid) is not None:
        return None
    alert = chat.addressed(Ours.ALERT)
    if alert is not None:
        return _answer(event, chat, alert.id, terms, received_at)
    return _to_agency(event, chat, terms, received_at) or _asked_for(event, terms, received_at)


def _to_agency(event: CotEvent, chat: Chat, terms: Terms, received_at: datetime) -> Record | None:
    """Give what was written in a room that the officers of an agency hear; None for any other line."""
    agency = terms.rooms.get(chat.room)
    reading = read_event(event, received_at) if agency and chat.addressed(Ours.DEVICE) is None else None
    if agency is None or not isinstance(reading, Reading):
        return None
    said = reading.events[0]
    assert isinstance(said, DeviceMessage)
    update = {"device_id": "", "direction": MessageDirection.TO_DEVICE, "to": Address(agencies=(agency,))}
    return _from_here(said.model_copy(update=update), terms)


def _answer(event: CotEvent, chat: Chat, event_id: str, terms: Terms, received_at: datetime) -> DeliveryReceipt:
    """A person wrote into the thread of an alert: that is a human's acknowledgement, or refusal."""
    declined = chat.text.casefold().startswith(tuple(word.casefold() for word in terms.decline_words if word))
    return DeliveryReceipt(
        header=EventHeader(
            message_id=derived_id("tak answer", terms.name, event.uid, event_id),
            event_id=event_id,
            external_refs=(ExternalRef(system=terms.name, id=event.uid),),
            agency_id=terms.agency_id,
            mode=terms.mode,
            occurred_at=event.time or received_at,
            received_at=received_at,
            source=terms.name,
        ),
        destination=terms.name,
        level=Level.DECLINED if declined else Level.ACKNOWLEDGED,
        platform_id=event.uid,
        code="declined_by_operator" if declined else None,
        note=chat.text,
        by_ref=chat.sender_uid or None,
    )


def _asked_for(event: CotEvent, terms: Terms, received_at: datetime) -> Record | Unreadable | None:
    reading = read_event(event, received_at)
    if not isinstance(reading, Reading):
        # A position that cannot be read is not ours to complain of; a text to one of our devices is.
        return None
    for record in reading.events:
        if _is_wanted(record, terms):
            return _from_here(record, terms)
    return None


def _is_wanted(record: Record, terms: Terms) -> bool:
    if isinstance(record, DeviceMessage):
        return record.direction is MessageDirection.TO_DEVICE or "DeviceMessage" in terms.emit
    return isinstance(record, IncidentEvent) and "IncidentEvent" in terms.emit


def _from_here(record: Record, terms: Terms) -> Record:
    """Say that it came by this connector; the mode is the connection's, whatever the message claims."""
    assert isinstance(record, DeviceMessage | IncidentEvent)
    header = record.header.model_copy(
        update={"mode": terms.mode, "source": terms.name, "agency_id": terms.agency_id, "hops": ()}
    )
    update: dict[str, object] = {"header": header}
    if isinstance(record, DeviceMessage):
        update["sender"] = terms.name
    return record.model_copy(update=update)
