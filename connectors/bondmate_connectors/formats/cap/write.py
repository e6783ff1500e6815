"""Canonical events to CAP 1.2, strict: valid against the schema, never Public for what an officer's device says.

The head of the document is made here, each `info` block in `infos.py`, and `document.py` makes XML of both. `write`
also names what is lost; a platform that only sends calls `compose`, or `compose_leanest` for the shortest form.

How an answer finds its way back without any memory here:

- `sender` is `bondmate:<agency>`, `identifier` is `<event_id>_<delivery id>` (percent-encoded where CAP forbids a
  character), so a reference to us says which event and which Delivery it answers.
- An Update or Cancel refers to the first message of the event, by `first_id` and `first_sent_at` of the Delivery.
- `sent` is when the hub made the Delivery, as it says itself: never the clock, so the same Delivery is always the same
  message, and never the origin's time, so a device whose clock is wrong sends nothing that is years old. The origin's
  time is the parameter `bondmate:occurred_at`.
- A Delivery of an earlier version of the hub says none of the three. Its `sent` is the event's `occurred_at`, as that
  version wrote it; its first message has a derived id (`first_delivery_id`) and is referred to by `raised_at` where the
  caller remembers it, else by the event's `occurred_at`.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Final

from bondmate_schemas.enums import (
    Classification,
    DeliveryReason,
    IncidentAction,
    IncidentCategory,
    Mode,
)
from bondmate_schemas.labels import ENGLISH, Labels
from bondmate_schemas.lateness import was_marked_late
from bondmate_schemas.models import (
    Delivery,
    DeliveryReceipt,
    DeviceAlert,
    DeviceLocation,
    DeviceMessage,
    EventHeader,
    IncidentEvent,
)

from bondmate_connectors.contract import Lost, Refusal, Writing
from bondmate_connectors.formats.cap import codes, geometry
from bondmate_connectors.formats.cap.carried import LEAN_PARAMETERS, PARAMETERS, lost_of, parameters_of
from bondmate_connectors.formats.cap.document import is_url, pair, serialised
from bondmate_connectors.formats.cap.given import given_of
from bondmate_connectors.formats.cap.infos import alert_info, incident_info, leanest, message_info
from bondmate_connectors.formats.cap.messages import write_receipt
from bondmate_connectors.formats.cap.others import parameters_of_others
from bondmate_connectors.formats.cap.references import Reference, read_references
from bondmate_connectors.formats.cap.values import (
    first_delivery_id,
    our_identifier,
    our_sender,
    word,
    write_time,
)

_MSG_TYPES: Final = {
    DeliveryReason.NEW: "Alert",
    DeliveryReason.UPDATE: "Update",
    DeliveryReason.REFRESH: "Update",
    DeliveryReason.CANCEL: "Cancel",
}
_LANGUAGE: Final = re.compile(r"[a-zA-Z]{1,8}(-[a-zA-Z0-9]{1,8})*")
Body = Mapping[str, object]
Event = DeviceAlert | IncidentEvent | DeviceMessage


def write(
    delivery: Delivery, addresses: tuple[str, ...] = (), raised_at: datetime | None = None, labels: Labels = ENGLISH
) -> Writing | Refusal:
    """Translate as `compose` does, and name every field that is set and does not arrive."""
    message = compose(delivery, addresses, raised_at, labels)
    return message if isinstance(message, Refusal) else Writing(message, _lost(delivery))


def compose(
    delivery: Delivery, addresses: tuple[str, ...] = (), raised_at: datetime | None = None, labels: Labels = ENGLISH
) -> bytes | Refusal:
    """Translate a Delivery; never raises. With `addresses` the message is Private to them, else Restricted.

    An alert or incident becomes an Alert, Update or Cancel; a message to or from an officer an Alert of its own; what
    became of a message of theirs to an officer an Ack or Error. A position is refused: CAP warns, it does not track.
    `raised_at` is the `occurred_at` of the event's first Delivery, for one that does not say when that was sent.
    """
    first = delivery.first_sent_at or raised_at or delivery.event.header.occurred_at
    written = partial(_written, delivery, addresses=addresses, raised_at=first, labels=labels)
    if delivery.alert is not None:
        return written(delivery.alert, alert_info(delivery, delivery.alert, labels))
    if delivery.incident is not None:
        return written(delivery.incident, incident_info(delivery, delivery.incident, labels))
    if delivery.message is not None:
        return written(delivery.message, message_info(delivery, delivery.message, labels))
    if delivery.receipt is not None:
        return write_receipt(delivery.receipt, delivery, labels)
    return Refusal(codes.LOCATION)


def compose_leanest(
    delivery: Delivery, addresses: tuple[str, ...], raised_at: datetime | None, labels: Labels = ENGLISH
) -> bytes | Refusal:
    """Translate an alert with the least that still calls for help, under the same identifier; anything else as it is.

    No words of people but a plain callsign, no files, no parameters that a room can do without.
    """
    if delivery.alert is None:
        return compose(delivery, addresses, raised_at, labels)
    alert = leanest(delivery.alert)
    first = delivery.first_sent_at or raised_at or alert.header.occurred_at
    values = _head(delivery, alert, addresses, first, labels)
    said = {"language": _language(delivery, labels), **alert_info(delivery, alert, labels)}
    parameters = list(_parameters(delivery, alert, labels, only=LEAN_PARAMETERS))
    return serialised({**values, "info": {**said, "parameter": parameters}})


def msg_type_of(delivery: Delivery) -> str:
    """Return the msgType: it follows from the reason, and from the event itself where that ends the incident."""
    if delivery.message is not None:
        return "Alert"
    if delivery.incident is not None and delivery.incident.action is IncidentAction.CANCELLED:
        return "Cancel"
    return _MSG_TYPES[delivery.reason]


def reference_to(delivery: Delivery) -> Reference:
    """Return the reference by which others name the message that `delivery` becomes."""
    return Reference(
        our_sender(delivery.event.header.agency_id),
        our_identifier(delivery.header.event_id, delivery.id),
        write_time(sent_of(delivery)),
    )


def sent_of(delivery: Delivery) -> datetime:
    """Return the time that the message says it was sent at."""
    return delivery.sent_at or delivery.event.header.occurred_at


# The alert


def _written(
    delivery: Delivery,
    event: Event,
    info: Body,
    *,
    addresses: tuple[str, ...],
    raised_at: datetime,
    labels: Labels,
) -> bytes:
    header = event.header
    values = {
        **_head(delivery, event, addresses, raised_at, labels),
        "source": header.source,
        "note": event.note if isinstance(event, IncidentEvent) else None,
        "incidents": " ".join(map(word, _incidents(event))) or None,
        "info": {**_common(delivery, labels), **info, "parameter": list(_parameters(delivery, event, labels))},
    }
    return serialised(values)


def _incidents(event: Event) -> Iterator[str]:
    """Return the numbers of its incident: its own, then that which it shares with others of one event."""
    if event.header.incident_id:
        yield event.header.incident_id
    if isinstance(event, DeviceAlert) and event.whole and event.whole.group_id:
        yield event.whole.group_id


def _head(delivery: Delivery, event: Event, addresses: tuple[str, ...], raised_at: datetime, labels: Labels) -> Body:
    """Return what no message can do without."""
    msg_type, own = msg_type_of(delivery), reference_to(delivery)
    references = _references(delivery, raised_at) if msg_type != "Alert" else ()
    return {
        "identifier": own.identifier,
        "sender": own.sender,
        "sent": own.sent,
        "status": codes.STATUS_OF[delivery.header.mode],
        "msgType": msg_type,
        **_scope(event.header, event, addresses, labels),
        "references": " ".join(map(str, references)) or None,
    }


def _scope(header: EventHeader, event: Event, addresses: tuple[str, ...], labels: Labels) -> Body:
    """Return scope, restriction and addresses.

    Public is only what its authority published, and nothing that a device said.
    """
    marking = header.handling.classification
    published = isinstance(event, IncidentEvent) and event.category is IncidentCategory.PUBLIC_WARNING
    of_a_device = isinstance(event, IncidentEvent) and (event.device_id or event.alert_id)
    if published and marking is Classification.UNMARKED and not of_a_device:
        return {"scope": "Public"}
    # CAP 1.2, 3.2.1: the text is the rule; it begins with the marking so that a machine can read it.
    restriction = f"{marking.value}: {labels('law enforcement only, as agreed with the sending agency')}"
    if addresses:
        return {"scope": "Private", "restriction": restriction, "addresses": " ".join(map(word, addresses))}
    return {"scope": "Restricted", "restriction": restriction}


def _references(delivery: Delivery, raised_at: datetime) -> Iterator[Reference]:
    """Yield the first message we wrote of the event, then those its sender names."""
    event, event_id = delivery.event, delivery.header.event_id
    first_id = delivery.first_id or first_delivery_id(event_id, delivery.destination)
    yield Reference(our_sender(event.header.agency_id), our_identifier(event_id, first_id), write_time(raised_at))
    if isinstance(event, IncidentEvent):
        yield from _theirs(event)


def _theirs(event: IncidentEvent) -> Iterator[Reference]:
    for reference in read_references(" ".join(event.references)):
        sound = not re.search("[<&,]", reference.sender + reference.identifier) and reference.sender
        if sound and reference.identifier and reference.time:
            yield Reference(reference.sender, reference.identifier, write_time(reference.time))


def _common(delivery: Delivery, labels: Labels) -> Body:
    header = delivery.event.header
    # A receiver throws away what has expired; late is better than never.
    expires = None if was_marked_late(delivery) else header.expires_at
    return {
        "language": _language(delivery, labels),
        "expires": write_time(expires) if expires else None,
        "senderName": header.agency_id,
    }


def _language(delivery: Delivery, labels: Labels) -> str:
    """Return what the block is written in: the labels' language, unless it is an incident, or its own words are so too.

    It is always stated, since what is not stated reads as en-US (CAP 1.2, 3.2.2). An incident is in its author's words;
    where nobody has said in which language, RFC 3066, 2.3, has `und` for an element that must say one.
    """
    own = delivery.event.header.language
    own = own if own and _LANGUAGE.fullmatch(own) else None
    if delivery.incident is not None:
        return own or codes.UNDETERMINED
    return own if own and labels.reads(own) else labels.language


def _parameters(delivery: Delivery, event: Event, labels: Labels, only: Container[str] = PARAMETERS) -> Iterator[Body]:
    language = event.header.language
    if language and only is PARAMETERS and language != _language(delivery, labels):
        yield pair(f"{codes.PARAMETER}language", language)
    if sent_of(delivery).replace(microsecond=0) != event.header.occurred_at:
        yield pair(f"{codes.PARAMETER}occurred_at", event.header.occurred_at.isoformat(timespec="milliseconds"))
    if delivery.position_only:
        yield pair(f"{codes.PARAMETER}position_only", "true")
    for name, value in parameters_of(event, only):
        yield pair(codes.PARAMETER + name, value)
    if only is PARAMETERS:
        for name, value in parameters_of_others(delivery):
            yield pair(codes.PARAMETER + name, value)
    if isinstance(event, IncidentEvent):
        for statement in event.statements:
            yield pair(f"{codes.PARAMETER}statement.{statement.nature.value.lower()}", statement.text)
        yield from given_of(event).pairs.get("parameter", ())


# What is lost


def _lost(delivery: Delivery) -> tuple[Lost, ...]:
    event = delivery.event
    assert not isinstance(event, DeviceLocation)
    if isinstance(event, DeliveryReceipt):
        kept = write_time(sent_of(delivery)) == write_time(event.header.occurred_at)
        return lost_of(event, *(() if kept else ("header.occurred_at",)))
    return lost_of(event, *dict.fromkeys(_not_today(delivery, event)))


def _not_today(delivery: Delivery, event: Event) -> Iterator[str]:
    """Name the fields that have a place in CAP but whose value does not fit it."""
    header = event.header
    if delivery.header.mode is Mode.UNKNOWN:
        yield "header.mode"
    if header.language and not _LANGUAGE.fullmatch(header.language):
        yield "header.language"
    if '"' in (header.incident_id or ""):  # quotes set the members of its list apart
        yield "header.incident_id"
    if header.expires_at and was_marked_late(delivery):
        yield "header.expires_at"
    if not all(is_url(attachment.url) for attachment in event.attachments):
        yield "attachments[].url"
    if not isinstance(event, DeviceMessage) and event.position and event.position.altitude_hae_m is not None:
        yield "position.altitude_hae_m"
    if isinstance(event, IncidentEvent):
        carried = len(list(_theirs(event))) if msg_type_of(delivery) != "Alert" else 0
        yield from _not_of_incident(event, carried)
        if event.action in {IncidentAction.CLOSED, IncidentAction.CANCELLED} and given_of(event).of_list(
            "responseType"
        ):
            yield "attributes[cap.responseType]"


def _not_of_incident(event: IncidentEvent, carried: int) -> Iterator[str]:
    yield from given_of(event).lost
    if len(event.references) > carried:
        yield "references"
    for name in ("effective_at", "onset_at"):
        time = getattr(event, name)
        if time and time.microsecond:
            yield name
    for name, values in (
        ("urgency", codes.URGENCIES),
        ("severity", codes.SEVERITIES),
        ("certainty", codes.CERTAINTIES),
    ):
        value = getattr(event, name)
        if value and value not in values:
            yield name
    if not all(geometry.read_ring(ring) for area in event.areas for ring in area.polygons):
        yield "areas[].polygons"
    if not all(geometry.read_circle(circle) for area in event.areas for circle in area.circles):
        yield "areas[].circles"
