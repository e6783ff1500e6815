"""What a document of the control room says: an answer to us, or news of its own."""

from __future__ import annotations

from collections.abc import Iterator

from bondmate_schemas.enums import IncidentAction, Level
from bondmate_schemas.flags import REPEATS_OURS
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import DeliveryReceipt, DeviceMessage, ExternalRef, IncidentEvent, Record
from bondmate_schemas.sayings import said_by

from bondmate_connectors.formats.cap.codes import OUR_SENDER
from bondmate_connectors.formats.cap.messages import REFERENCE
from bondmate_connectors.formats.cap.references import Reference, read_references
from bondmate_connectors.formats.cap.values import write_time
from bondmate_connectors.platforms.cap_webhook.config import RepliesConfig


def records_of(event: Record, replies: RepliesConfig, name: str) -> Iterator[Record]:
    """Give what the hub is to hear: receipts under the name of this destination, a message or incident of theirs.

    Nothing for a message of our own that came back.
    """
    if isinstance(event, DeliveryReceipt):
        header = event.header.model_copy(update={"source": name})
        yield event.model_copy(update={"header": header, "destination": name})
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
        yield _receipt(event, reference, level, name)
        return
    # What it goes on from may itself be an answer to an alert of ours: then it is one too.
    reply_level = level if event.refers_to else Level.UNKNOWN
    is_reply = bool(event.refers_to)
    # It may be refused, and then the answer names it.
    said = ExternalRef(system=REFERENCE, id=str(_said(event)))
    refs = (*event.header.external_refs, said)
    header = event.header.model_copy(update={"source": name, "external_refs": refs})
    yield event.model_copy(update={"header": header, "reply_level": reply_level, "is_reply": is_reply})


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
    said = _said(event)
    header = event.header.model_copy(
        update={
            "message_id": derived_id("cap-reply", said.alert_id, ours.event_id),
            "event_id": ours.event_id,
            "incident_id": None,
            "external_refs": (*event.header.external_refs, ExternalRef(system=REFERENCE, id=str(said))),
            "source": name,
            "expires_at": None,
        }
    )
    return DeliveryReceipt(
        header=header,
        destination=name,
        level=level,
        delivery_id=ours.delivery_id,
        note=None if REPEATS_OURS in event.header.flags else event.note or event.description or event.title,
        code="declined" if level is Level.DECLINED else None,
        referred_agency_id=reference.our_agency,
        said_in=said.alert_id,
        **said_by(event.attributes),
    )
