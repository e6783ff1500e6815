"""An officer's text, and how far a message has come on the device."""

from __future__ import annotations

from bondmate_schemas.catalogue import DEVICE
from bondmate_schemas.duress import SAID_UNDER_DURESS
from bondmate_schemas.enums import Level, MessageDirection
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import DeliveryReceipt, DeviceMessage

from bondmate_gateway.http.records.alerts import incident_of_alert
from bondmate_gateway.http.records.arrival import Arrival, attachments_of, clock_flags, event_header
from bondmate_gateway.http.requests import MessageRequest, ReceiptLevel, ReceiptRequest
from bondmate_gateway.mailbox.mail import Mail

_RECEIPT_LEVELS = {
    # The device has it; it was opened on the device; its officer confirmed it.
    ReceiptLevel.DELIVERED: Level.DELIVERED,
    ReceiptLevel.READ: Level.ACCEPTED,
    ReceiptLevel.ACKNOWLEDGED: Level.ACKNOWLEDGED,
}


def message(request: MessageRequest, arrival: Arrival, alert_event: str | None, answered: Mail | None) -> DeviceMessage:
    """Return the officer's text; an answer belongs to the conversation of what it answers."""
    device = arrival.device
    own = derived_id("message", device.device_id, request.message_id)
    return DeviceMessage(
        header=event_header(
            arrival,
            message_id=request.message_id,
            event_id=answered.event_id if answered else own,
            incident_id=_incident_of(answered, alert_event),
            language=request.language,
            occurred_at=request.occurred_at,
            flags=(*arrival.remarks, *clock_flags(request.occurred_at, request.sent_at, arrival)),
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
        attachments=attachments_of(request.attachments),
    )


def receipt(request: ReceiptRequest, arrival: Arrival, mail: Mail) -> DeliveryReceipt:
    """Return the receipt for a message to the device.

    Its `event_id` is the message's own id, also where the message is about an alert: what an officer confirms about a
    text must never raise the level of the alert (ADR 0018). `delivery_id` names the message as well.
    """
    device = arrival.device
    level = _RECEIPT_LEVELS[request.level]
    return DeliveryReceipt(
        header=event_header(
            arrival,
            hub_message_id=derived_id("receipt", device.device_id, mail.message_id, level),
            event_id=mail.message_id,
            incident_id=mail.incident_id,
            occurred_at=request.occurred_at,
            flags=clock_flags(request.occurred_at, request.sent_at, arrival),
            external_refs=mail.refs_of_sender,
        ),
        destination=DEVICE,
        level=level,
        device_id=device.device_id,
        delivery_id=mail.message_id,
        by_ref=device.officer_ref,
        code=SAID_UNDER_DURESS if arrival.under_duress and level is Level.ACKNOWLEDGED else None,
        **mail.told_to,
    )


def _incident_of(answered: Mail | None, alert_event: str | None) -> str | None:
    if answered is not None and answered.incident_id is not None:
        return answered.incident_id
    return incident_of_alert(alert_event) if alert_event else None
