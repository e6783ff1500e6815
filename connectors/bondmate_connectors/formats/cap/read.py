"""CAP to canonical events, lenient: CAP 1.0, 1.1 and 1.2, bare or in a feed, an EDXL envelope or any other wrapper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final

from bondmate_schemas.enums import Classification, IncidentAction, Level, Mode
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import DeliveryReceipt, EventHeader, ExternalRef, Handling, Record
from lxml import etree

from bondmate_connectors.contract import Ignored, Reading, Refusal, Remark
from bondmate_connectors.formats.cap import codes, structure
from bondmate_connectors.formats.cap.content import Content, incident_event
from bondmate_connectors.formats.cap.messages import REFERENCE, message_to_officers
from bondmate_connectors.formats.cap.values import (
    Reference,
    alert_id,
    first_of,
    parse_our_identifier,
    read_references,
    read_time,
    words,
)
from bondmate_connectors.formats.xml import XmlRefused, local_name, name_of, namespace_of, parse_xml, text_of

_ALERTS: Final = tuple(f"{{{namespace}}}alert" for namespace in sorted(codes.NAMESPACES))
_SIGNATURES: Final = f"{{{codes.XMLDSIG}}}*"
_MOST_BYTES: Final = 700_000
"""Largest event: it must fit into a record of Kafka, whose bound is a megabyte, with its envelope."""
_ANSWERS: Final = {"Ack": Level.ACKNOWLEDGED, "Error": Level.DECLINED}
_ACTIONS: Final = {
    "Alert": IncidentAction.OPENED,
    "Update": IncidentAction.UPDATED,
    "Cancel": IncidentAction.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class Head:
    """What stands in `alert` beside `info`."""

    identifier: str
    sender: str
    sent: datetime
    mode: Mode
    msg_type: str
    classification: Classification
    references: tuple[Reference, ...]
    incidents: tuple[str, ...]
    note: str
    source: str
    signed: bool
    own_reference: Reference
    addresses: tuple[str, ...]
    """Whom a Private message is for."""

    @property
    def id(self) -> str:
        """Our id of the message."""
        return alert_id(self.sender, self.identifier, self.sent)

    @property
    def event_id(self) -> str:
        """Our id of the life cycle: ours when we began it, else that of the first message referred to, else its own."""
        if self.sender.startswith(codes.OUR_SENDER) and (ours := parse_our_identifier(self.identifier)):
            return ours.event_id
        first = first_of(self.references) if self.msg_type != "Alert" else None
        if first is None:
            return self.id
        return first.ours.event_id if first.ours else first.alert_id


def read(message: bytes, received_at: datetime, *, to_officers: bool = False) -> Reading | Ignored | Refusal:
    """Translate every alert in `message`; never raises.

    An Alert, Update or Cancel becomes an IncidentEvent; an Ack or Error a DeliveryReceipt for each message of ours it
    refers to. The receipt's `destination` is `cap`: the platform that knows who answered puts its own name.

    With `to_officers` an Alert that is Private and names `addresses` is a message to officers (`messages`).

    A breach of the schema is a remark. Refused is what cannot be acted on: without identifier, sender, time, status,
    type or scope. Where some alerts of a message are refused the others are taken, and a remark says so.
    """
    try:
        root = parse_xml(message)
    except XmlRefused as refused:
        return Refusal(refused.code)
    alerts = list(_alerts(root))
    if not alerts:
        return _without_alerts(root)
    return _joined(
        [_read_alert(alert, path, len(message), received_at, to_officers=to_officers) for path, alert in _named(alerts)]
    )


def _alerts(root: etree._Element) -> Iterator[etree._Element]:
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


def _joined(readings: list[Reading | Ignored | Refusal]) -> Reading | Ignored | Refusal:
    """Join what each alert gave: refused only when nothing could be taken."""
    taken = [reading for reading in readings if isinstance(reading, Reading)]
    refused = [reading for reading in readings if isinstance(reading, Refusal)]
    if not taken:
        return refused[0] if refused else readings[0]
    left_out = [Remark(codes.LEFT_OUT, refusal.path, f"this alert was refused: {refusal.code}") for refusal in refused]
    remarks = [*left_out, *(remark for reading in taken for remark in reading.warnings)]
    if len(remarks) > structure.MAX_REMARKS:
        more = len(remarks) - structure.MAX_REMARKS
        remarks = [*remarks[: structure.MAX_REMARKS], Remark(codes.TOO_MANY, "", f"{more} more")]
    return Reading(tuple(event for reading in taken for event in reading.events), tuple(remarks))


def _read_alert(
    alert: etree._Element, path: str, size: int, received_at: datetime, *, to_officers: bool
) -> Reading | Ignored | Refusal:
    remarks: list[Remark] = []
    head = _head(alert, path, remarks)
    if isinstance(head, Refusal):
        return head
    # Bounded while it is read: ten megabytes of breaches are three million.
    remarks += islice(structure.breaches(alert, path), structure.MAX_REMARKS + 1)
    if head.msg_type in _ANSWERS:
        receipts = tuple(_receipts(head, received_at))
        return Reading(receipts, tuple(remarks)) if receipts else Ignored(codes.ANSWER_TO_UNKNOWN)
    is_message = to_officers and head.msg_type == "Alert" and bool(head.addresses)
    event = (_message if is_message else _event)(head, alert, path, received_at, remarks)
    if size > _MOST_BYTES and len(event.model_dump_json()) > _MOST_BYTES:
        return Refusal(codes.TOO_LARGE, path)
    return Reading((event,), tuple(remarks))


def _head(alert: etree._Element, path: str, remarks: list[Remark]) -> Head | Refusal:
    texts = _texts(alert)
    needed = ("identifier", "sender", "sent", "status", "msgType", "scope")
    for name in needed[:-1] if namespace_of(alert) == codes.CAP_10 else needed:
        if not texts.get(name):
            return Refusal(codes.MISSING, f"{path}/{name}")
    sent, msg_type = read_time(texts["sent"]), listed(texts["msgType"], codes.MSG_TYPES)
    if sent is None:
        return Refusal(codes.SENT, f"{path}/sent")
    if msg_type is None:
        return Refusal(codes.MSG_TYPE, f"{path}/msgType")
    if not sent[1]:
        remarks.append(Remark(codes.OFFSET, f"{path}/sent", "taken as UTC"))
    return Head(
        identifier=texts["identifier"],
        sender=texts["sender"],
        sent=sent[0],
        mode=codes.MODE_OF.get(listed(texts["status"], codes.STATUSES) or "", Mode.UNKNOWN),
        msg_type=msg_type,
        classification=_classification(texts),
        references=read_references(texts.get("references", "")),
        incidents=words(texts.get("incidents", "")),
        note=texts.get("note", ""),
        source=texts.get("source", ""),
        signed=next(alert.iterchildren(_SIGNATURES), None) is not None,
        own_reference=Reference(texts["sender"], texts["identifier"], texts["sent"]),
        addresses=words(texts.get("addresses", ""))
        if listed(texts.get("scope", ""), codes.SCOPES) == "Private"
        else (),
    )


def _texts(alert: etree._Element) -> Mapping[str, str]:
    """Give the text of each child in the alert's namespace; the first of a name counts."""
    own, texts = namespace_of(alert), dict[str, str]()
    for child in alert:
        namespace, name = name_of(child)
        if namespace == own:
            texts.setdefault(name, text_of(child))
    return texts


def listed(text: str, values: tuple[str, ...]) -> str | None:
    """Give the value of the list that `text` means, whatever its case; None when it is none of them."""
    if text in values:
        return text
    return next((value for value in values if value.casefold() == text.casefold()), None)


def _classification(texts: Mapping[str, str]) -> Classification:
    """Give the marking: Public is unmarked; a restriction may begin with one; all else is restricted."""
    if listed(texts.get("scope", ""), codes.SCOPES) == "Public":
        return Classification.UNMARKED
    marking = texts.get("restriction", "").partition(":")[0].strip().upper()
    return Classification(marking) if marking in Classification.__members__ else Classification.RESTRICTED


def _event(head: Head, alert: etree._Element, path: str, received_at: datetime, remarks: list[Remark]) -> Record:
    content = Content.of(alert, path, head.sent, remarks)
    return incident_event(
        _header(head, content, received_at),
        _ACTIONS[head.msg_type],
        content,
        references=tuple(map(str, head.references)),
        note=head.note or None,
    )


def _message(head: Head, alert: etree._Element, path: str, received_at: datetime, remarks: list[Remark]) -> Record:
    content = Content.of(alert, path, head.sent, remarks)
    return message_to_officers(_header(head, content, received_at), content, head.addresses, head.own_reference)


def _header(head: Head, content: Content, received_at: datetime) -> EventHeader:
    refs = [ExternalRef(system=f"cap:{head.sender}", id=head.identifier)]
    refs += [ExternalRef(system="cap:incidents", id=incident) for incident in head.incidents]
    return EventHeader(
        message_id=head.id,
        event_id=head.event_id,
        incident_id=_incident_id(head),
        external_refs=tuple(refs),
        origin_message_id=head.identifier,
        agency_id=head.sender,
        mode=head.mode,
        language=content.language,
        occurred_at=content.occurred_at(head.sent),
        received_at=received_at,
        source="cap",
        expires_at=content.expires,
        handling=Handling(classification=head.classification),
        flags=("cap_signature_unverified",) if head.signed else (),
    )


def _incident_id(head: Head) -> str | None:
    """Give the shared incident: of what we wrote, what it says; of theirs, the life cycle itself."""
    first = first_of(head.references)
    if head.sender.startswith(codes.OUR_SENDER):
        return head.incidents[0] if head.incidents else None
    return None if first and first.ours else head.event_id


def _receipts(head: Head, received_at: datetime) -> Iterator[DeliveryReceipt]:
    for reference in head.references:
        if (ours := reference.ours) is None:
            continue
        header = EventHeader(
            message_id=derived_id("cap", head.id, str(reference)),
            event_id=ours.event_id,
            external_refs=(
                ExternalRef(system=f"cap:{head.sender}", id=head.identifier),
                ExternalRef(system=REFERENCE, id=str(head.own_reference)),
            ),
            origin_message_id=head.identifier,
            agency_id=head.sender,
            mode=head.mode,
            occurred_at=head.sent,
            received_at=received_at,
            source="cap",
            handling=Handling(classification=head.classification),
        )
        level = _ANSWERS[head.msg_type]
        yield DeliveryReceipt(
            header=header,
            destination="cap",
            level=level,
            delivery_id=ours.delivery_id,
            platform_id=head.incidents[0] if head.incidents else None,
            code="declined" if level is Level.DECLINED else None,
            note=head.note or None,
            referred_agency_id=reference.our_agency,
        )
