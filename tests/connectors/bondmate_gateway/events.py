"""Records as the topics carry them to a gateway, and what a device is answered."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from bondmate_schemas.enums import AlertKind, AlertStatus, Level, Mode
from bondmate_schemas.models import (
    AlertState,
    DeliveryReceipt,
    DestinationState,
    DeviceAlert,
    DeviceMessage,
    EventHeader,
    ExternalRef,
)

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)


def header(message_id: str, **more: Any) -> EventHeader:
    given = {
        "event_id": message_id, "agency_id": "police-a", "mode": Mode.ACTUAL, "source": "tak", "hops": ("streams",), **more,
    }  # fmt: skip
    return EventHeader(message_id=message_id, occurred_at=NOW, received_at=NOW, **given)


def message(message_id: str, device_id: str = "dev-smith", **more: Any) -> DeviceMessage:
    given = {"sender": "tak", "text": f"text of {message_id}", **more}
    return DeviceMessage(header=header(message_id, **given.pop("header", {})), device_id=device_id, **given)


def receipt(
    message_id: str, level: Level, device_id: str = "dev-smith", destination: str = "device"
) -> DeliveryReceipt:
    return DeliveryReceipt(
        header=header(f"{message_id}-{level}", event_id=message_id),
        destination=destination,
        level=level,
        device_id=device_id,
        delivery_id=message_id,
    )


def state(
    status: AlertStatus,
    event_id: str,
    device_id: str = "dev-smith",
    *,
    own: tuple[str, ...] = ("a-1",),
    **levels: Level,
) -> AlertState:
    refs = tuple(ExternalRef(system="device", id=alert_id) for alert_id in own)
    about = header("m", event_id=event_id, external_refs=refs, incident_id="inc")
    alert = DeviceAlert(header=about, device_id=device_id, kind=AlertKind.DURESS, silent=True)
    reached = {name: DestinationState(level=level, changed_at=NOW) for name, level in levels.items()}
    return AlertState(
        header=about, device_id=device_id, status=status, alert=alert, destinations=reached, changed_at=NOW
    )


def ids(answer: tuple[int, dict[str, Any]]) -> list[str]:
    assert answer[0] == 200
    return [one["message_id"] for one in answer[1]["messages"]]
