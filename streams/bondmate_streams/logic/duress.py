"""What a device under duress says and is told: it stays silent, and nothing that it says closes or lowers anything."""

from __future__ import annotations

from datetime import datetime

from bondmate_schemas.duress import SHOWN_SILENTLY
from bondmate_schemas.enums import Level
from bondmate_schemas.flags import UNDER_DURESS
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import DeliveryReceipt, DeviceAlert, DeviceMessage

from bondmate_streams.logic.headers import SOURCE, with_flags
from bondmate_streams.logic.officer import told_sender


def said_under(alert: DeviceAlert) -> DeviceAlert:
    """Return an alert of a device whose officer is under duress; what the hub raises of it is silent too."""
    said = alert if alert.header.source == SOURCE else with_flags(alert, UNDER_DURESS)
    return said.model_copy(update={"silent": True})


def is_said_under(alert: DeviceAlert) -> bool:
    """Whether it was said by a device whose officer is under duress."""
    return UNDER_DURESS in alert.header.flags


def shown_silently(message: DeviceMessage, device_id: str, now: datetime) -> DeliveryReceipt:
    """Return what tells the sender of a message that the device shows it without a sound or a question."""
    message_id = derived_id("silent", message.header.message_id, device_id)
    return told_sender(message, message_id, now, level=Level.UNKNOWN, device_id=device_id, code=SHOWN_SILENTLY)
