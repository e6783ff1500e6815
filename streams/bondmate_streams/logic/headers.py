"""The headers of records: what they say of who did it, with other values, and that of what the hub says itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, TypeVar

from bondmate_schemas.flags import CHECK_IN_MISSED, DEVICE_REVOKED
from bondmate_schemas.models import (
    DeliveryReceipt,
    DeviceAlert,
    DeviceLocation,
    DeviceMessage,
    EventHeader,
    IncidentEvent,
)

SOURCE: Final = "streams"
"""The hub itself as the origin of what it says."""
_THE_HUBS: Final = frozenset({CHECK_IN_MISSED, DEVICE_REVOKED})
P = TypeVar("P", DeviceAlert, DeviceLocation, DeviceMessage, IncidentEvent, DeliveryReceipt)


def with_header(record: P, **update: Any) -> P:
    """Return a record with other values in its header."""
    return record.model_copy(update={"header": record.header.model_copy(update=update)})


def with_flags(record: P, *flags: str) -> P:
    """Return a record with further remarks of the hub on it, each once."""
    return with_header(record, flags=tuple(dict.fromkeys((*record.header.flags, *flags))))


def own_header(header: EventHeader, now: datetime, **update: Any) -> EventHeader:
    """Return the header of what the hub says itself, of what `header` is of: without anybody else's numbers."""
    own = {
        "source": SOURCE, "hops": (), "external_refs": (), "origin_message_id": None, "content_digest": None,
        "occurred_at": now, "received_at": now, "published_at": now, "expires_at": None, "flags": (), "language": "en",
    }  # fmt: skip
    return header.model_copy(update=own | update)


def is_pressed_there(alert: DeviceAlert) -> bool:
    """Whether somebody did it at the device, and not the hub, or a gateway, on behalf of its officer."""
    return alert.header.source != SOURCE and _THE_HUBS.isdisjoint(alert.header.flags)
