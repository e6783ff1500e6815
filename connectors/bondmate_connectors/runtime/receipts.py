"""How far a destination has come, as the record that goes to `bondmate.receipts`."""

from __future__ import annotations

from datetime import datetime

from bondmate_schemas.enums import Level
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import Delivery, DeliveryReceipt


def receipt_for(
    delivery: Delivery,
    level: Level,
    *,
    now: datetime,
    attempt: int = 1,
    platform_id: str | None = None,
    code: str | None = None,
) -> DeliveryReceipt:
    """Return the receipt of `delivery`.

    Its id follows from the delivery's and the level, so a repeat is recognised.
    """
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    header = delivery.header.model_copy(
        update={
            "message_id": derived_id("receipt", delivery.id, level.value),
            "origin_message_id": None,
            "content_digest": None,
            "occurred_at": now,
            "received_at": now,
            "published_at": now,
            "source": delivery.destination,
            "hops": (*delivery.header.hops, delivery.destination),
            "expires_at": None,
            "flags": (),
        }
    )
    return DeliveryReceipt(
        header=header,
        destination=delivery.destination,
        level=level,
        device_id=getattr(delivery.event, "device_id", None),
        delivery_id=delivery.id,
        platform_id=platform_id,
        code=code,
        attempt=attempt,
    )
