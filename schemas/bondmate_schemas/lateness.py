"""What becomes of a Delivery that has waited beyond its expiry: sent and marked, or not sent.

The destination's routes say which, by a flag on the Delivery; where they say nothing, a position or a drill is dropped
and all else is marked: an SOS never vanishes.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from bondmate_schemas.enums import DeliveryKind, DeliveryReason
from bondmate_schemas.flags import DELIVERED_LATE, DROP_WHEN_LATE, MARK_WHEN_LATE
from bondmate_schemas.models import Delivery

POSITION_HOLDS: Final = timedelta(seconds=60)
"""How long a position update of an alert is worth sending: by then a newer one was made, or the device is silent."""


def is_late(delivery: Delivery, now: datetime) -> bool:
    """Whether `delivery` must not be presented as new any more; a refresh never is."""
    if delivery.position_only:
        return delivery.sent_at is not None and delivery.sent_at + POSITION_HOLDS <= now
    expires = None if delivery.reason is DeliveryReason.REFRESH else delivery.header.expires_at
    return expires is not None and expires <= now


def is_dropped_when_late(delivery: Delivery) -> bool:
    """Whether `delivery` is not to be sent once it is late.

    An alert's own expiry says only that it is no longer new: what ends it is the expiry that its route names, which
    stands in the Delivery and is the earlier one. A drill is nothing any more once it is over; its end is told.
    """
    if delivery.position_only:
        return True
    if delivery.is_drill:
        return delivery.reason is not DeliveryReason.CANCEL
    flags = delivery.header.flags
    if MARK_WHEN_LATE in flags:
        return False
    if delivery.kind is DeliveryKind.ALERT and delivery.header.expires_at == delivery.event.header.expires_at:
        return False
    return DROP_WHEN_LATE in flags or delivery.kind is DeliveryKind.LOCATION


def marked_late(delivery: Delivery) -> Delivery:
    """Return `delivery` flagged `delivered_late`, in its own header and in that of the event it carries."""
    event = delivery.event
    flagged = tuple(dict.fromkeys((*event.header.flags, DELIVERED_LATE)))
    seen = event.model_copy(update={"header": event.header.model_copy(update={"flags": flagged})})
    flags = tuple(dict.fromkeys((*delivery.header.flags, DELIVERED_LATE)))
    header = delivery.header.model_copy(update={"flags": flags})
    return delivery.model_copy(update={"header": header, delivery.kind.value.lower(): seen})


def was_marked_late(delivery: Delivery) -> bool:
    """Whether the runner marked `delivery` late: formats show it so, and never as new."""
    return DELIVERED_LATE in delivery.header.flags
