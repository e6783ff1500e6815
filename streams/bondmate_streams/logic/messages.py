"""Texts: up from an officer to the destinations the routes name, down from a platform to the officer it means."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from bondmate_schemas.enums import DeliveryReason, Level
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import Address, DeliveryReceipt, DeviceMessage, ExternalRef

from bondmate_streams.logic.addressing import Missing
from bondmate_streams.logic.deliveries import Notification, later_id
from bondmate_streams.logic.headers import SOURCE, with_header
from bondmate_streams.logic.officer import SILENT, told_sender
from bondmate_streams.logic.routing import Decision

ADDRESSED_AS: Final = "streams:addressed"
"""System of the external reference that keeps how the sender of a message is told of its device."""


def tell(message: DeviceMessage, decisions: Sequence[Decision]) -> tuple[Notification, ...]:
    """Return a notification of a message from a device for each destination.

    An event id is a whole conversation here, so each Delivery is named after its message too.
    """
    header = message.header
    ids = ((one, later_id(header.event_id, one.destination, header.message_id)) for one in decisions)
    return tuple(Notification(one.destination, one.route, DeliveryReason.NEW, each, message) for one, each in ids)


def is_addressed(message: DeviceMessage) -> bool:
    """Whether the hub itself has written the true device on a message to one."""
    return message.header.source == SOURCE or SOURCE in message.header.hops


def address_of(message: DeviceMessage) -> Address:
    """Return whom a platform's message is for: the one device it names, or the address on it."""
    return message.to or Address(names=(message.device_id,) if message.device_id else ())


def addressed(
    message: DeviceMessage, device_id: str, now: datetime, name: str | None = None, *, silent: bool = False
) -> DeviceMessage:
    """Return a platform's message with one true device on it, which shows a `silent` one without a sound.

    Its id is derived from the platform's and, where the message is for several, the device: a repeat makes the same.
    A reference of the hub's own keeps the platform's id, by which its receipts find back; one more the `name` by which
    the platform is told of the device.
    """
    header = message.header
    several = () if message.to is None else (device_id,)
    named = (ExternalRef(system=ADDRESSED_AS, id=name),) if name else ()
    update = {
        "message_id": derived_id("message", header.message_id, "addressed", *several),
        "hops": (*header.hops, SOURCE),
        "external_refs": (*header.external_refs, ExternalRef(system=SOURCE, id=header.message_id), *named),
        "published_at": now,
        "flags": (*header.flags, SILENT) if silent else header.flags,
    }
    return message.model_copy(update={"header": header.model_copy(update=update), "device_id": device_id, "to": None})


def unreached(message: DeviceMessage, missing: Missing, now: datetime) -> DeliveryReceipt:
    """Return the receipt that tells the sender of a message what of its address reaches nobody.

    The name stands in `platform_id` as the sender wrote it: the hub has no device for it.
    """
    message_id = derived_id("unreached", message.header.message_id, missing.name, missing.code)
    name = missing.name or None
    return told_sender(message, message_id, now, level=Level.DEAD_LETTERED, platform_id=name, code=missing.code)


def tell_sender(receipt: DeliveryReceipt) -> Notification:
    """Return what tells the sender of a message how far it has come; a repeat of the receipt tells the same.

    Whom it wrote to stands in `platform_id`, by the name it knows.
    """
    sender, refs = receipt.sender, receipt.header.external_refs
    assert sender is not None
    delivery_id = derived_id("message-receipt", sender, receipt.header.message_id)
    if name := next((ref.id for ref in refs if ref.system == ADDRESSED_AS), None):
        kept = tuple(ref for ref in refs if ref.system != ADDRESSED_AS)
        receipt = with_header(receipt, external_refs=kept).model_copy(update={"platform_id": name})
    return Notification(sender, "", DeliveryReason.NEW, delivery_id, receipt)
