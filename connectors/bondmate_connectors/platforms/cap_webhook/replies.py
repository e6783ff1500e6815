"""What a document of the control room says: an answer to us, or news of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from bondmate_schemas.enums import IncidentAction, Level
from bondmate_schemas.flags import REPEATS_OURS
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import Code, DeliveryReceipt, DeviceMessage, ExternalRef, IncidentEvent, Record
from bondmate_schemas.sayings import RESPONSE, VALIDITY, as_attributes, said, said_by

from bondmate_connectors.formats.cap.codes import OUR_SENDER
from bondmate_connectors.formats.cap.messages import REFERENCE
from bondmate_connectors.formats.cap.references import Reference, read_references
from bondmate_connectors.formats.cap.values import write_time
from bondmate_connectors.formats.spoken import begun, meant_by
from bondmate_connectors.platforms.cap_webhook.config import RepliesConfig

_VALIDITIES: Final[Mapping[str, str]] = {"valid": "valid", "false_alarm": "false"}


def records_of(event: Record, replies: RepliesConfig, name: str) -> Iterator[Record]:
    """Yield the records of a reply: receipts under the name of this destination, a message or an incident of theirs.

    Nothing for a message of our own that came back.
    """
    if isinstance(event, DeliveryReceipt):
        header = event.header.model_copy(update={"source": name})
        receipt = event.model_copy(update={"header": header, "destination": name})
        yield receipt.model_copy(update=dict(_unsaid(receipt, replies)))
    elif isinstance(event, DeviceMessage):
        if not event.header.agency_id.startswith(OUR_SENDER):
            yield event.model_copy(update={"header": event.header.model_copy(update={"source": name}), "sender": name})
    elif isinstance(event, IncidentEvent):
        yield from _of_incident(event, replies, name)


def _of_incident(event: IncidentEvent, replies: RepliesConfig, name: str) -> Iterator[Record]:
    if event.header.agency_id.startswith(OUR_SENDER):
        return
    level = replies.cancel if event.action is IncidentAction.CANCELLED else replies.update
    if reference := _referred(event):
        receipt = _receipt(event, reference, level, name)
        yield receipt.model_copy(update=dict(_unsaid(receipt, replies)))
        return
    # What it goes on from may itself be an answer to an alert of ours: then it is one too.
    reply_level = level if event.refers_to else Level.UNKNOWN
    is_reply = bool(event.refers_to)
    # It may be refused, and then the answer names it.
    own = ExternalRef(system=REFERENCE, id=str(_said(event)))
    refs = (*event.header.external_refs, own)
    header = event.header.model_copy(update={"source": name, "external_refs": refs})
    update = {"header": header, "reply_level": reply_level, "is_reply": is_reply}
    yield event.model_copy(update={**update, "attributes": (*event.attributes, *_in_words(event, replies))})


def _unsaid(receipt: DeliveryReceipt, replies: RepliesConfig) -> Iterator[tuple[str, Any]]:
    """Yield what the words of an answer say that none of our parameters says."""
    for field, value in said(_spoken(receipt.note, replies)).items():
        if getattr(receipt, field) == DeliveryReceipt.model_fields[field].default:
            yield field, value


def _in_words(event: IncidentEvent, replies: RepliesConfig) -> Iterator[Code]:
    """Yield what the words of an answer to an earlier answer say, as the parameters would."""
    known = {one.system for one in event.attributes}
    spoken = _spoken(_words_of(event), replies) if event.refers_to else {}
    yield from (Code(**each) for each in as_attributes(spoken) if each["system"] not in known)


def _spoken(text: str | None, replies: RepliesConfig) -> Mapping[str, str]:
    """Return what a text says by the words of the settings: names and values as of our parameters."""
    found = meant_by(begun(text), replies.words) if text and replies.words else None
    if found is None:
        return {}
    return {VALIDITY: _VALIDITIES[found]} if found in _VALIDITIES else {RESPONSE: found}


def _words_of(event: IncidentEvent) -> str | None:
    """Return what the people there say to the officer; what only repeats ours is none of theirs.

    Nor is `event`, which CAP requires, nor a headline beside our parameters: they are labels.
    """
    if REPEATS_OURS in event.header.flags:
        return None
    label = event.incident_type.value if event.incident_type else None
    is_label = event.title == label or said_by(event.attributes)
    return event.note or event.description or (None if is_label else event.title)


def _referred(event: IncidentEvent) -> Reference | None:
    """Return the message of ours by which an Update or Cancel names the event: the last, which they know of."""
    if event.action not in {IncidentAction.UPDATED, IncidentAction.CANCELLED}:
        return None
    found = read_references(" ".join(event.references))
    ours = [reference for reference in found if reference.ours and reference.ours.event_id == event.header.event_id]
    return ours[-1] if ours else None


def _said(event: IncidentEvent) -> Reference:
    """Return how the room's own message is referred to."""
    header = event.header
    return Reference(header.agency_id, header.origin_message_id or "", write_time(header.occurred_at))


def _receipt(event: IncidentEvent, reference: Reference, level: Level, name: str) -> DeliveryReceipt:
    ours = reference.ours
    assert ours is not None
    own = _said(event)
    header = event.header.model_copy(
        update={
            "message_id": derived_id("cap-reply", own.alert_id, ours.event_id),
            "event_id": ours.event_id,
            "incident_id": None,
            "external_refs": (*event.header.external_refs, ExternalRef(system=REFERENCE, id=str(own))),
            "source": name,
            "expires_at": None,
        }
    )
    return DeliveryReceipt(
        header=header,
        destination=name,
        level=level,
        delivery_id=ours.delivery_id,
        note=_words_of(event),
        code="declined" if level is Level.DECLINED else None,
        referred_agency_id=reference.our_agency,
        said_in=own.alert_id,
        **said_by(event.attributes),
    )
