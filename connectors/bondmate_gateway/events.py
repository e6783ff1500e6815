"""Turns what a device sent into the hub's records: pure, no clock, no I/O.

Whose it is comes from the enrolment, never from the request: device, officer, unit, agency, mode, handling. Every id is
derived from what was sent, so that a repeat is the same event in every gateway, and a device reaches only its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bondmate_schemas.catalogue import DEVICE, STREAMS_SOURCE
from bondmate_schemas.device_alert_ids import DEVICE_ALERT_SYSTEM, alert_event_id, real_event_id
from bondmate_schemas.duress import SAID_UNDER_DURESS
from bondmate_schemas.enums import (
    AlertAction,
    AlertKind,
    IncidentAction,
    IncidentCategory,
    Level,
    MessageDirection,
    Mode,
    PositionOrigin,
    Priority,
)
from bondmate_schemas.flags import CHECK_IN_MISSED, DEVICE_REVOKED, FROM_EXERCISE, REAL_NOT_ALLOWED, UNDER_DURESS
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import (
    Attachment,
    CheckIn,
    Code,
    DeliveryReceipt,
    DeviceAlert,
    DeviceLocation,
    DeviceMessage,
    DeviceStatus,
    EventHeader,
    ExternalRef,
    Handling,
    IncidentEvent,
    Position,
    Statement,
)
from bondmate_schemas.unvalidated import unvalidated

from bondmate_gateway.api import (
    AlertRequest,
    AlertVerb,
    AttachmentRequest,
    CheckInRequest,
    CheckInVerb,
    Fix,
    LocationsRequest,
    MessageRequest,
    PositionRequest,
    ReceiptLevel,
    ReceiptRequest,
    ReportRequest,
    ReportVerb,
    StatusRequest,
)
from bondmate_gateway.body import digest
from bondmate_gateway.directory import Device
from bondmate_gateway.mailbox import Ending, Mail, Standing

TOLERATED_SKEW = timedelta(minutes=5)
_SENT_SKEW = timedelta(minutes=1)
"""Between sending and our receiving there is only the network: what takes longer is a clock that is wrong."""
_PRESS_SKEW = timedelta(seconds=10)
"""Of an alert less: by a slow clock a press would count as made before an end that it came after."""
_REPORT_ACTIONS = {
    ReportVerb.OPEN: IncidentAction.OPENED,
    ReportVerb.UPDATE: IncidentAction.UPDATED,
    ReportVerb.NOTE: IncidentAction.NOTE,
    ReportVerb.CANCEL: IncidentAction.CANCELLED,
}
_LESS_THAN_IMMEDIATE = {
    AlertKind.GEOFENCE: Priority.URGENT,
    AlertKind.TAMPER: Priority.URGENT,
    AlertKind.LOW_BATTERY: Priority.ROUTINE,
}
_RECEIPT_LEVELS = {
    # The device has it; it was opened on the device; its officer confirmed it.
    ReceiptLevel.DELIVERED: Level.DELIVERED,
    ReceiptLevel.READ: Level.ACCEPTED,
    ReceiptLevel.ACKNOWLEDGED: Level.ACKNOWLEDGED,
}


@dataclass(frozen=True, slots=True)
class Arrival:
    """By whom, when, through what and with which content a request came."""

    device: Device
    received_at: datetime
    source: str
    digest: str
    under_duress: bool = False
    sent_at: datetime | None = None
    """When its sender says that the request was sent (`Date`, RFC 9110, 6.6.1); a body that says it too counts more."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the hub remarks on the words of a device: that they are said under duress."""
        return (UNDER_DURESS,) if self.under_duress else ()


def incident_of_alert(event_id: str) -> str:
    """Give the incident an alert begins."""
    return derived_id("incident", event_id)


def alert(request: AlertRequest, arrival: Arrival, flags: Iterable[str]) -> DeviceAlert:
    """Give the alert; whatever is odd about it is flagged, nothing is held against it."""
    device = arrival.device
    occurred_at = request.occurred_at or arrival.received_at
    own_id = request.alert_id or request.message_id
    event_id = alert_event_id(device.device_id, own_id)
    position, position_flags = _alert_position(request.position, occurred_at)
    header = _header(
        arrival,
        message_id=request.message_id,
        event_id=event_id,
        incident_id=incident_of_alert(event_id),
        language=request.language,
        occurred_at=occurred_at,
        flags=(*flags, *position_flags, *_alert_clock(request, arrival)),
        external_refs=_own_reference(own_id),
    )
    return DeviceAlert(
        header=_as_real(header, request, device),
        device_id=device.device_id,
        officer_ref=device.officer_ref,
        unit=device.unit,
        callsign=device.callsign,
        action=AlertAction[request.action.name],
        kind=request.kind,
        priority=_LESS_THAN_IMMEDIATE.get(request.kind, Priority.IMMEDIATE),
        silent=_silent(request, device),
        position=position,
        position_origin=PositionOrigin.OWN if position else PositionOrigin.NONE,
        position_age_seconds=_age(position, occurred_at),
        text=request.text,
        press_count=request.press_count,
        battery_percent=request.battery_percent,
        attachments=_attachments(request.attachments),
    )


def check_in(request: CheckInRequest, arrival: Arrival, known: CheckIn | None = None) -> CheckIn:
    """Return a check-in that is due or has come, with the alert that it becomes where it is missed.

    What is said of one that is `known` stays under its id, also where a spare says it.
    """
    # Every field was checked as one of the request, to the same bounds.
    asked = AlertRequest.model_construct(
        message_id=request.message_id,
        alert_id=request.check_in_id,
        kind=request.kind,
        occurred_at=request.occurred_at,
        position=request.position,
        text=request.text,
        language=request.language,
    )
    missed = alert(asked, arrival, (CHECK_IN_MISSED,))
    if known is not None:
        ids = {"event_id": known.header.event_id, "incident_id": known.header.incident_id}
        missed = missed.model_copy(update={"header": missed.header.model_copy(update=ids)})
    flags = (*arrival.remarks, *_clock(request.occurred_at, request.sent_at, arrival))
    return CheckIn(
        header=missed.header.model_copy(update={"flags": flags}),
        device_id=arrival.device.device_id,
        due_at=arrival.received_at + timedelta(seconds=request.due_in_seconds),
        done=request.action is CheckInVerb.DONE,
        alert=missed,
    )


def _as_real(header: EventHeader, request: AlertRequest, device: Device) -> EventHeader:
    """Return the header, of what an exercise device says to be real so; nothing real becomes an exercise.

    Under ids of its own: the device may say it of an alert that is open as an exercise, and even by the same message.
    """
    if not request.real or request.action is AlertVerb.CANCEL or device.mode is Mode.ACTUAL:
        return header
    if device.mode is not Mode.EXERCISE or not device.profile.real_from_exercise:
        return header.model_copy(update={"flags": (*header.flags, REAL_NOT_ALLOWED)})
    event_id = real_event_id(header.event_id)
    ids = {
        "message_id": derived_id("real", header.message_id),
        "event_id": event_id,
        "incident_id": incident_of_alert(event_id),
    }
    return header.model_copy(update={"mode": Mode.ACTUAL, "flags": (*header.flags, FROM_EXERCISE), **ids})


def revocation(device: Device, standing: Standing, source: str, now: datetime) -> DeviceAlert:
    """Return the update of an open alert that says that its device was revoked; every gateway makes the same."""
    return DeviceAlert(
        header=EventHeader(
            message_id=derived_id("device", device.device_id, "revoked", standing.event_id),
            event_id=standing.event_id,
            incident_id=standing.incident_id,
            agency_id=device.agency,
            mode=device.mode,
            occurred_at=now,
            received_at=now,
            source=source,
            handling=device.profile.handling,
            flags=(DEVICE_REVOKED,),
        ),
        device_id=device.device_id,
        officer_ref=device.officer_ref,
        unit=device.unit,
        callsign=device.callsign,
        action=AlertAction.UPDATE,
        kind=standing.kind,
    )


def locations(request: LocationsRequest, raw: Any, arrival: Arrival) -> Iterator[DeviceLocation]:
    """Give each fix of a batch; `raw` is the body as parsed. A fix sent again in another batch is the same event."""
    shared = _header(
        arrival, message_id=request.message_id, hub_message_id="-", event_id="-", occurred_at=arrival.received_at
    )
    for fix, sent in zip(request.fixes, raw["fixes"], strict=True):
        yield _location(fix, digest(sent), request, arrival, shared)


def report(request: ReportRequest, arrival: Arrival, alert_event: str | None) -> IncidentEvent:
    """Give the report as an event of its incident: the one it names, its alert's, or its own."""
    device = arrival.device
    event_id = derived_id("report", device.device_id, request.report_id or request.message_id)
    incident_id = request.incident_id or incident_of_alert(alert_event or event_id)
    return IncidentEvent(
        header=_header(
            arrival,
            message_id=request.message_id,
            event_id=event_id,
            incident_id=incident_id,
            language=request.language,
            occurred_at=request.occurred_at,
            flags=(*arrival.remarks, *_clock(request.occurred_at, request.sent_at, arrival)),
            external_refs=_own_reference(request.report_id),
        ),
        action=_REPORT_ACTIONS[request.action],
        category=IncidentCategory[request.category.name],
        incident_type=_code(request),
        priority=request.priority,
        title=request.title,
        description=request.description,
        note=request.note,
        statements=tuple(_statements(request, device)),
        position=request.position and _position(request.position, request.occurred_at),
        device_id=device.device_id,
        officer_ref=device.officer_ref,
        unit=device.unit,
        callsign=device.callsign,
        alert_id=alert_event,
        attachments=_attachments(request.attachments),
    )


def message(request: MessageRequest, arrival: Arrival, alert_event: str | None, answered: Mail | None) -> DeviceMessage:
    """Give the officer's text; an answer belongs to the conversation of what it answers."""
    device = arrival.device
    own = derived_id("message", device.device_id, request.message_id)
    return DeviceMessage(
        header=_header(
            arrival,
            message_id=request.message_id,
            event_id=answered.event_id if answered else own,
            incident_id=_incident_of(answered, alert_event),
            language=request.language,
            occurred_at=request.occurred_at,
            flags=(*arrival.remarks, *_clock(request.occurred_at, request.sent_at, arrival)),
        ),
        device_id=device.device_id,
        direction=MessageDirection.FROM_DEVICE,
        sender=arrival.source,
        sender_ref=device.officer_ref,
        text=request.text,
        priority=request.priority,
        in_reply_to=request.in_reply_to,
        alert_id=alert_event or (answered.alert_id if answered else None),
        callsign=device.callsign,
        attachments=_attachments(request.attachments),
    )


def status(request: StatusRequest, arrival: Arrival) -> DeviceStatus:
    """Give what the device says of itself."""
    device = arrival.device
    return DeviceStatus(
        header=_header(
            arrival,
            message_id=request.message_id,
            event_id=derived_id("status", device.device_id),
            occurred_at=request.occurred_at,
            flags=_clock(request.occurred_at, request.sent_at, arrival),
        ),
        device_id=device.device_id,
        battery_percent=request.battery_percent,
        on_shift=request.on_shift,
        app_version=request.app_version,
        firmware_version=request.firmware_version,
        connectivity=request.connectivity,
    )


def receipt(request: ReceiptRequest, arrival: Arrival, mail: Mail) -> DeliveryReceipt:
    """Give the receipt for a message to the device.

    Its `event_id` is the message's own id, also where the message is about an alert: what an officer confirms about a
    text must never raise the level of the alert (DESIGN, promise 4). `delivery_id` names the message as well.
    """
    device = arrival.device
    level = _RECEIPT_LEVELS[request.level]
    return DeliveryReceipt(
        header=_header(
            arrival,
            hub_message_id=derived_id("receipt", device.device_id, mail.message_id, level),
            event_id=mail.message_id,
            incident_id=mail.incident_id,
            occurred_at=request.occurred_at,
            flags=_clock(request.occurred_at, request.sent_at, arrival),
            external_refs=_their_refs(mail),
        ),
        destination=DEVICE,
        level=level,
        device_id=device.device_id,
        delivery_id=mail.message_id,
        by_ref=device.officer_ref,
        code=SAID_UNDER_DURESS if arrival.under_duress and level is Level.ACKNOWLEDGED else None,
        **_whose(mail),
    )


def ending(ended: Ending, device: Device | None, source: str, now: datetime) -> DeliveryReceipt:
    """Give the receipt of a message that ended before its device said all it was asked to say.

    Every gateway makes it, under one id. `device` is None for one that is not enrolled any more.
    """
    mail = ended.mail
    expired = mail.expires_at if ended.level is Level.EXPIRED else None
    return DeliveryReceipt(
        header=EventHeader(
            message_id=derived_id("receipt", ended.device_id, mail.message_id, ended.level),
            event_id=mail.message_id,
            incident_id=mail.incident_id,
            external_refs=_their_refs(mail),
            agency_id=device.agency if device else "",
            mode=mail.mode,
            occurred_at=expired or now,
            received_at=now,
            source=source,
            handling=device.profile.handling if device else Handling(),
        ),
        destination=DEVICE,
        level=ended.level,
        device_id=ended.device_id,
        delivery_id=mail.message_id,
        code=ended.code,
        **_whose(mail),
    )


def _their_refs(mail: Mail) -> tuple[ExternalRef, ...]:
    return tuple(ref for ref in mail.refs if ref.system != STREAMS_SOURCE)


def _whose(mail: Mail) -> dict[str, str]:
    """Name the sender, who is told, and its message; nobody for an answer that the streams made from a receipt.

    A receipt of a person's Ack would be an Ack of an Ack.
    """
    theirs = next((ref.id for ref in mail.refs if ref.system == STREAMS_SOURCE), None)
    return {} if theirs is None else {"sender": mail.sender, "sender_message_id": theirs}


def _header(
    arrival: Arrival,
    *,
    event_id: str,
    occurred_at: datetime,
    message_id: str | None = None,
    hub_message_id: str | None = None,
    content_digest: str | None = None,
    incident_id: str | None = None,
    language: str | None = None,
    flags: tuple[str, ...] = (),
    external_refs: tuple[ExternalRef, ...] = (),
) -> EventHeader:
    device = arrival.device
    content_digest = content_digest or arrival.digest
    return EventHeader(
        message_id=hub_message_id or derived_id("device", device.device_id, message_id or "", content_digest),
        event_id=event_id,
        incident_id=incident_id,
        external_refs=external_refs,
        origin_message_id=message_id,
        content_digest=content_digest,
        agency_id=device.agency,
        mode=device.mode,
        language=language or device.profile.language,
        occurred_at=occurred_at,
        received_at=arrival.received_at,
        source=arrival.source,
        handling=device.profile.handling,
        flags=flags,
    )


def _location(
    fix: Fix, content_digest: str, batch: LocationsRequest, arrival: Arrival, shared: EventHeader
) -> DeviceLocation:
    """Give one fix of a batch; the request was validated to the same bounds, and `shared` is the batch's header."""
    device = arrival.device
    fixed_at = fix.position.fixed_at
    hub_id = derived_id("location", device.device_id, str(fix.sequence), fixed_at.isoformat(), content_digest)
    flags = _clock(fixed_at, batch.sent_at, arrival)
    at = fixed_at.replace(microsecond=fixed_at.microsecond // 1000 * 1000)
    header = {
        "message_id": hub_id,
        "event_id": hub_id,
        "content_digest": content_digest,
        "occurred_at": at,
        "flags": (*flags, "position_invalid") if _is_nowhere(fix.position) else flags,
    }
    return unvalidated(
        DeviceLocation,
        {
            "header": shared.model_copy(update=header),
            "device_id": device.device_id,
            "officer_ref": device.officer_ref,
            "unit": device.unit,
            "callsign": device.callsign,
            "sequence": fix.sequence,
            "position": unvalidated(Position, {**fix.position.__dict__, "fixed_at": at}),
            "on_duty": fix.on_duty,
            "battery_percent": fix.battery_percent,
            "district": None,
        },
    )


def _silent(request: AlertRequest, device: Device) -> bool:
    return bool(request.silent) or (request.kind is AlertKind.DURESS and device.profile.duress_silent)


def _alert_position(position: PositionRequest | None, occurred_at: datetime) -> tuple[Position | None, tuple[str, ...]]:
    if position is None:
        return None, ()
    if _is_nowhere(position):
        return None, ("position_invalid",)
    return _position(position, occurred_at), ()


def _is_nowhere(position: PositionRequest) -> bool:
    """Tell 0,0, which receivers without a fix report, from a place."""
    return position.latitude == 0 and position.longitude == 0


def _position(position: PositionRequest, occurred_at: datetime) -> Position:
    return Position(
        latitude=position.latitude,
        longitude=position.longitude,
        altitude_hae_m=position.altitude_hae_m,
        accuracy_m=position.accuracy_m,
        vertical_accuracy_m=position.vertical_accuracy_m,
        speed_mps=position.speed_mps,
        course_deg=position.course_deg,
        fixed_at=position.fixed_at or occurred_at,
        method=position.method,
    )


def _age(position: Position | None, occurred_at: datetime) -> float | None:
    """Give the age of a fix, or None where the times contradict each other."""
    if position is None or (age := (occurred_at - position.fixed_at).total_seconds()) < 0:
        return None
    return age


def _alert_clock(request: AlertRequest, arrival: Arrival) -> tuple[str, ...]:
    if request.occurred_at is None:
        return ("occurred_at_missing",)
    if request.sent_at is None and arrival.sent_at is None:
        # It may have waited for the network or its clock may be wrong: nobody can tell, so both are said.
        off = arrival.received_at - request.occurred_at
        return ("clock_skew",) * (abs(off) > _SENT_SKEW) + ("late",) * (off > TOLERATED_SKEW)
    return _clock(request.occurred_at, request.sent_at, arrival, _PRESS_SKEW)


def _clock(
    occurred_at: datetime, sent_at: datetime | None, arrival: Arrival, tolerated: timedelta = _SENT_SKEW
) -> tuple[str, ...]:
    """Flag a clock that is off (seen at sending, or an event from the future) and an event that waited."""
    sent_at, received_at = sent_at or arrival.sent_at, arrival.received_at
    wrong = occurred_at - received_at > TOLERATED_SKEW
    wrong = wrong or (sent_at is not None and abs(received_at - sent_at) > tolerated)
    late = received_at - occurred_at > TOLERATED_SKEW
    return ("clock_skew",) * wrong + ("late",) * late


def _own_reference(own_id: str | None) -> tuple[ExternalRef, ...]:
    return (ExternalRef(system=DEVICE_ALERT_SYSTEM, id=own_id),) if own_id else ()


def _incident_of(answered: Mail | None, alert_event: str | None) -> str | None:
    if answered is not None and answered.incident_id is not None:
        return answered.incident_id
    return incident_of_alert(alert_event) if alert_event else None


def _code(request: ReportRequest) -> Code | None:
    given = request.incident_type
    return Code(system=given.system, value=given.value) if given else None


def _statements(request: ReportRequest, device: Device) -> Iterator[Statement]:
    for given in request.statements:
        yield Statement(nature=given.nature, text=given.text, author_ref=device.officer_ref, stated_at=given.stated_at)


def _attachments(given: tuple[AttachmentRequest, ...]) -> tuple[Attachment, ...]:
    return tuple(
        Attachment(
            sha256=one.sha256.lower(),
            size_bytes=one.size_bytes,
            media_type=one.media_type,
            url=one.url,
            description=one.description,
        )
        for one in given
    )
