"""What a device under duress says and is told: it stays silent, and nothing that it says closes or lowers anything."""

from __future__ import annotations

from datetime import datetime

from bondmate_schemas.catalogue import DEVICE
from bondmate_schemas.duress import SHOWN_SILENTLY
from bondmate_schemas.enums import Level
from bondmate_schemas.flags import UNDER_DURESS
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import DeliveryReceipt, DeviceAlert, DeviceMessage

from bondmate_streams.logic.officer import SOURCE


def said_under(alert: DeviceAlert) -> DeviceAlert:
    """Return an alert of a device whose officer is under duress; what the hub raises of it is silent too."""
    header = alert.header
    if header.source != SOURCE:
        flags = tuple(dict.fromkeys((*header.flags, UNDER_DURESS)))
        header = header.model_copy(update={"flags": flags})
    return alert.model_copy(update={"header": header, "silent": True})


def is_said_under(alert: DeviceAlert) -> bool:
    """Whether it was said by a device whose officer is under duress."""
    return UNDER_DURESS in alert.header.flags


def shown_silently(message: DeviceMessage, device_id: str, now: datetime) -> DeliveryReceipt:
    """Return what tells the sender of a message that the device shows it without a sound or a question."""
    header = message.header
    return DeliveryReceipt(
        header=header.model_copy(
            update={
                "message_id": derived_id("silent", header.message_id, device_id),
                "event_id": header.message_id,
                "occurred_at": now,
                "published_at": now,
                "source": SOURCE,
                "hops": (*header.hops, SOURCE),
                "expires_at": None,
                "flags": (),
            }
        ),
        destination=DEVICE,
        level=Level.UNKNOWN,
        device_id=device_id,
        code=SHOWN_SILENTLY,
        sender=header.source,
        sender_message_id=header.message_id,
    )
