"""What tells a sender that its answer, or its ending, does not count: a receipt of the hub's, for it alone."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from bondmate_schemas.enums import DeliveryKind, Level
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import Delivery, DeliveryReceipt, IncidentEvent

HUB: Final = "hub"
"""The destination of a receipt about an answer: it did not get further than the hub."""


def refusal_of(answer: DeliveryReceipt, code: str, now: datetime) -> DeliveryReceipt:
    """Return the receipt that says under which code `answer` does not count.

    It keeps the answer's own references, by which its sender's system knows it. The same answer refused twice for the
    same reason has one receipt: its id follows from both.

    Args:
        answer: what the destination said.
        code: one of `NOT_AUTHENTICATED`, `MODE_DIFFERS`, `NOT_ITS_OWN`.
        now: the time of the refusal.
    """
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    header = answer.header.model_copy(
        update={
            "message_id": derived_id("refused", answer.header.message_id, code),
            "occurred_at": now,
            "published_at": now,
            "source": HUB,
            "hops": (*answer.header.hops, HUB),
            "expires_at": None,
            "flags": (),
        }
    )
    return DeliveryReceipt(
        header=header,
        destination=HUB,
        level=Level.DEAD_LETTERED,
        delivery_id=answer.delivery_id,
        code=code,
        sender=answer.destination,
        sender_message_id=answer.header.origin_message_id,
    )


def said_by(event: IncidentEvent) -> DeliveryReceipt:
    """Return an event of an incident as what its source said, to be refused."""
    return DeliveryReceipt(header=event.header, destination=event.header.source)


def refusal_delivery(answer: DeliveryReceipt, code: str, now: datetime) -> Delivery:
    """Return that receipt as the Delivery to who answered, for a connector that tells it by itself."""
    receipt = refusal_of(answer, code, now)
    return Delivery(
        header=receipt.header, destination=answer.destination, kind=DeliveryKind.RECEIPT, receipt=receipt
    )  # fmt: skip
