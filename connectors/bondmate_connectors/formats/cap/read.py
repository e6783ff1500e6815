"""CAP to canonical events, lenient: CAP 1.0, 1.1 and 1.2, bare or in a feed, an EDXL envelope or any other wrapper."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Final

from bondmate_schemas.enums import Classification, IncidentAction, Level
from bondmate_schemas.flags import NAMED_BESIDE, REPEATS_OURS
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import EventHeader, ExternalRef, Handling, IncidentEvent, Record, to_utc
from bondmate_schemas.unvalidated import unvalidated, unvalidated_all
from lxml import etree

from bondmate_connectors.contract import Ignored, Lost, Reading, Refusal
from bondmate_connectors.formats.cap import codes, structure
from bondmate_connectors.formats.cap.content import Content
from bondmate_connectors.formats.cap.elements import alert_texts
from bondmate_connectors.formats.cap.flat import sound_texts
from bondmate_connectors.formats.cap.head import Head, head_of
from bondmate_connectors.formats.cap.incident import incident_event, note_what_is_lost
from bondmate_connectors.formats.cap.messages import EMERGENCY, message_to_officers, note_what_a_message_lacks
from bondmate_connectors.formats.cap.notes import Notes
from bondmate_connectors.formats.cap.receipts import receipts_of
from bondmate_connectors.formats.cap.references import Target
from bondmate_connectors.formats.cap.soundness import has_many_elements, is_sound
from bondmate_connectors.formats.xml import XmlRefused, local_name, parse_xml

_ALERTS: Final = tuple(f"{{{namespace}}}alert" for namespace in sorted(codes.NAMESPACES))
_MOST_BYTES: Final = 700_000
"""Largest event: it must fit into a record of Kafka, whose bound is a megabyte, with its envelope."""
_ANSWERS: Final = {"Ack": Level.ACKNOWLEDGED, "Error": Level.DECLINED}
_HANDLINGS: Final = {marking: Handling(classification=marking) for marking in Classification}
_NO_HEADER: Final = {name: field.default for name, field in EventHeader.model_fields.items()}
_ADDRESSED: Final = frozenset({f"{codes.ATTRIBUTE}addresses", f"{codes.ATTRIBUTE}scope"})
"""What of a message to officers says for whom it is."""
_ACTIONS: Final = {
    "Alert": IncidentAction.OPENED,
    "Update": IncidentAction.UPDATED,
    "Cancel": IncidentAction.CANCELLED,
}


def read(message: bytes, received_at: datetime, *, to_officers: bool = False) -> Reading | Ignored | Refusal:
    """Translate every alert in `message`; never raises.

    An Alert becomes an IncidentEvent (one that refers to an alert of ours an Update of that), an Update or Cancel one
    for each life cycle it names (`references.targets_of`), an Ack or Error a DeliveryReceipt for each message of ours
    that it refers to. The receipt's `destination` is `cap`: the platform that knows who answered puts its own name.

    With `to_officers` an Alert that is Private and names `addresses` is a message to officers (`messages`).

    A breach of the schema is a remark. Refused is what cannot be acted on: without identifier, sender, time, status,
    type or scope, a Cancel, Ack or Error that names nothing or contradicts itself, and an answer to us of which we
    cannot tell to what: its sender must hear that it does not count. Where some alerts of a message are refused the
    others are taken, and a remark says so.
    """
    try:
        root = parse_xml(message)
    except XmlRefused as refused:
        return Refusal(refused.code)
    alerts = list(_alerts(root))
    if not alerts:
        return _without_alerts(root)
    beside = () if alerts[0] is root else (Lost(f"/{local_name(root)}", "of what is around alerts nothing is taken"),)
    size = len(message)
    read_one = partial(
        _read_alert,
        size=size,
        is_vast=has_many_elements(root, size),
        received_at=to_utc(received_at),
        to_officers=to_officers,
    )
    return _joined([read_one(alert, path) for path, alert in _named(alerts)], beside)


def _alerts(root: etree._Element) -> Iterator[etree._Element]:
    if root.tag in _ALERTS:
        yield root
        return
    for alert in root.iter(*_ALERTS):
        if not any(ancestor.tag in _ALERTS for ancestor in alert.iterancestors()):
            yield alert


def _named(alerts: list[etree._Element]) -> Iterator[tuple[str, etree._Element]]:
    if len(alerts) == 1:
        return iter([("alert", alerts[0])])
    return ((f"alert[{number}]", alert) for number, alert in enumerate(alerts, 1))


def _without_alerts(root: etree._Element) -> Ignored | Refusal:
    name = local_name(root)
    if name == "alert":
        return Refusal(codes.NAMESPACE, "alert")
    return Ignored(codes.NO_ALERT) if name in codes.WRAPPERS else Refusal(codes.NOT_CAP)


def _joined(readings: list[Reading | Ignored | Refusal], beside: tuple[Lost, ...]) -> Reading | Ignored | Refusal:
    """Join what each alert gave: refused only when nothing could be taken."""
    if len(readings) == 1 and not beside:
        return readings[0]
    taken = [reading for reading in readings if isinstance(reading, Reading)]
    refused = [reading for reading in readings if isinstance(reading, Refusal)]
    if not taken:
        return refused[0] if refused else readings[0]
    notes = Notes()
    for refusal in refused:
        notes.remark(codes.LEFT_OUT, refusal.path, f"this alert was refused: {refusal.code}")
    for remark in (remark for reading in taken for remark in reading.warnings):
        notes.add(remark)
    for lost in (*beside, *_left(readings), *(lost for reading in taken for lost in reading.lost)):
        notes.lose(lost.path, lost.why)
    return Reading(tuple(event for reading in taken for event in reading.events), notes.all_remarks(), notes.all_lost())


def _left(readings: list[Reading | Ignored | Refusal]) -> Iterator[Lost]:
    for number, reading in enumerate(readings, 1):
        if not isinstance(reading, Reading):
            yield Lost(f"alert[{number}]/", f"this alert was not taken: {reading.code}")


def _read_alert(
    alert: etree._Element, path: str, *, size: int, is_vast: bool, received_at: datetime, to_officers: bool
) -> Reading | Ignored | Refusal:
    notes = Notes()
    sound = not (is_vast and has_many_elements(alert, size)) and is_sound(alert)
    texts = (sound_texts if sound else alert_texts)(alert, path, notes)
    head = head_of(texts, notes)
    if isinstance(head, Refusal):
        return head
    if not sound:
        for remark in structure.breaches(alert, path):
            notes.add(remark)
            if remark.detail in structure.NOT_TAKEN:
                notes.lose(f"{remark.path}/{structure.NOT_TAKEN[remark.detail]}", remark.detail)
    if head.msg_type in _ANSWERS:
        receipts = receipts_of(head, texts.infos, _ANSWERS[head.msg_type], received_at, notes)
        return _reading(receipts, notes) if receipts else _of_nothing(head)
    targets = tuple(head.targets())
    if not targets:
        return Refusal(codes.REFERENCES, f"{path}/references")
    content = Content.of(texts.infos, head.sent, notes, is_ours=head.is_ours)
    starts = head.msg_type == "Alert" and bool(content.own(EMERGENCY))
    if starts and not to_officers:
        # Taken for an incident it would look as if an emergency had been started.
        return Refusal(codes.EMERGENCY, path)
    is_message = to_officers and head.msg_type == "Alert" and (starts or bool(head.addresses))
    events = (
        _message(head, content, received_at, notes)
        if is_message
        else _events(head, targets, content, received_at, notes)
    )
    if size > _MOST_BYTES and len(events[0].model_dump_json()) > _MOST_BYTES:
        return Refusal(codes.TOO_LARGE, path)
    return _reading(events, notes)


def _of_nothing(head: Head) -> Ignored | Refusal:
    """Return what an answer is that no message of ours is found by: somebody else's, or one that means us in vain."""
    is_others = bool(head.references) and not any(reference.names_us for reference in head.references)
    return Ignored(codes.ANSWER_TO_UNKNOWN) if is_others else Refusal(codes.REFERENCES, f"{head.path}/references")


def _reading(events: tuple[Record, ...], notes: Notes) -> Reading:
    return Reading(events, notes.all_remarks(), notes.all_lost())


def _message(head: Head, content: Content, received_at: datetime, notes: Notes) -> tuple[Record, ...]:
    header = _header(head, head.id, head.own_target, content, received_at)
    beside = [path for name, _, path in head.attributes if name not in _ADDRESSED]
    beside += [head.place("note")] if head.note else []
    beside += head.referring if head.references else []
    note_what_a_message_lacks(content, beside, head.addresses, notes)
    return (message_to_officers(header, content, head.addresses, head.own_reference),)


def _events(
    head: Head, targets: tuple[Target, ...], content: Content, received_at: datetime, notes: Notes
) -> tuple[Record, ...]:
    # A CAD that says our alert again under a number of its own is no second emergency: it is a note on ours.
    action = IncidentAction.UPDATED if head.repeated else _ACTIONS[head.msg_type]
    # One of a thousand that a Cancel names carries its own reference: all of them in each would be a million.
    references, named = tuple(map(str, head.references)), _named_of(head) if head.msg_type == "Cancel" else {}
    more = tuple((name, text) for name, text, _ in head.attributes)
    # The message's own id, by which it is referred to, is for the life cycle that is theirs.
    own = next((target for target in targets if not target.ours), targets[0])
    first, *others = (
        incident_event(
            _header(
                head,
                head.id if target is own else derived_id("cap", head.id, target.event_id),
                target,
                content,
                received_at,
            ),
            action,
            content,
            more=more,
            references=references if target is targets[0] else named.get(target.event_id, references),
            refers_to=target.refers_to,
            note=head.note,
        )
        for target in targets
    )
    note_what_is_lost(content, first, notes)
    return (first, *map(_beside, others))


def _named_of(head: Head) -> dict[str, tuple[str, ...]]:
    """Return by which references each event is named."""
    named: dict[str, tuple[str, ...]] = {}
    for one in head.references:
        key = one.ours.event_id if one.ours else one.alert_id
        named[key] = (*named.get(key, ()), str(one))
    return named


def _flags(head: Head) -> Iterator[str]:
    if head.signed:
        yield "cap_signature_unverified"
    if head.repeated:
        yield REPEATS_OURS


def _beside(event: IncidentEvent) -> IncidentEvent:
    flags = (*event.header.flags, NAMED_BESIDE)
    return event.model_copy(update={"header": event.header.model_copy(update={"flags": flags})})


def _header(head: Head, message_id: str, target: Target, content: Content, received_at: datetime) -> EventHeader:
    refs = [(f"cap:{head.sender}", head.identifier), *(("cap:incidents", incident) for incident in head.incidents)]
    return unvalidated(
        EventHeader,
        {
            **_NO_HEADER,
            "message_id": message_id,
            "event_id": target.event_id,
            "incident_id": target.incident_id,
            "external_refs": unvalidated_all(ExternalRef, [{"system": system, "id": one} for system, one in refs]),
            "origin_message_id": head.identifier,
            "agency_id": head.sender,
            "mode": head.mode,
            "language": content.own("language") or content.language,
            "occurred_at": content.occurred_at(head.sent),
            "received_at": received_at,
            "source": "cap",
            "expires_at": content.time("expires"),
            "handling": _HANDLINGS[head.classification],
            "flags": tuple(_flags(head)),
        },
    )
