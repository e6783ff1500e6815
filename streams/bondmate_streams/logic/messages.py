"""Texts: up from an officer to the destinations the routes name, down from a platform to the officer it means."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bondmate_schemas.enums import DeliveryReason
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import DeviceMessage

from bondmate_streams.logic.deliveries import Telling, later_id
from bondmate_streams.logic.routing import Decision
from bondmate_streams.logic.states import SOURCE


def tell(message: DeviceMessage, decisions: Sequence[Decision]) -> tuple[Telling, ...]:
    """Tell the destinations of a message from a device.

    An event id is a whole conversation here, so each Delivery is named after its message too.
    """
    header = message.header
    return tuple(
        Telling(
            decision.destination,
            decision.route,
            DeliveryReason.NEW,
            later_id(header.event_id, decision.destination, header.message_id),
            message,
        )
        for decision in decisions
    )


def is_addressed(message: DeviceMessage) -> bool:
    """Tell whether the hub itself has written the true device on a message to one."""
    return message.header.source == SOURCE or SOURCE in message.header.hops


def addressed(message: DeviceMessage, device_id: str, now: datetime) -> DeviceMessage:
    """Give a platform's message with the true device on it, under an id derived from the platform's."""
    header = message.header
    update = {
        "message_id": derived_id("message", header.message_id, "addressed"),
        "hops": (*header.hops, SOURCE),
        "published_at": now,
    }
    return message.model_copy(update={"header": header.model_copy(update=update), "device_id": device_id})
