"""Deliveries derived from one a connector's test gives, and the context its connector is built with."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog
from bondmate_schemas.enums import (
    AlertAction,
    AlertKind,
    DeliveryKind,
    DeliveryReason,
    IncidentAction,
    Mode,
)
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import Delivery, DeviceAlert, EventHeader, Payload, Position

from bondmate_connectors.contract import Context, Status

WHEN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
_FIELDS = ("alert", "incident", "message", "location")


@dataclass(slots=True)
class Reported:
    """What a connector reported of its status, in order."""

    statuses: list[tuple[Status, str]] = field(default_factory=list)

    def __call__(self, status: Status, reason: str) -> None:
        """Note one report."""
        self.statuses.append((status, reason))


def context(name: str = "there", report: Reported | None = None) -> Context:
    """Return a context to build a connector with in a test: real clock, real logger."""
    logger = structlog.get_logger().bind(connector=name)
    return Context(name, logger, report or Reported(), lambda: datetime.now(UTC))


def sos(destination: str = "there", number: int = 1) -> Delivery:
    """Return the Delivery of an SOS in EXERCISE, with a position; another `number`, another alert."""
    event_id = derived_id("contract", destination, str(number))
    header = EventHeader(
        message_id=derived_id(event_id, "raise"),
        event_id=event_id,
        incident_id=derived_id(event_id, "incident"),
        agency_id="agency-1",
        mode=Mode.EXERCISE,
        occurred_at=WHEN,
        received_at=WHEN + timedelta(seconds=1),
        source="device_http",
    )
    alert = DeviceAlert(
        header=header,
        device_id=f"device-{number}",
        unit="unit-7",
        callsign="Sierra 7",
        action=AlertAction.RAISE,
        kind=AlertKind.SOS,
        position=Position(latitude=52.5, longitude=13.4, accuracy_m=8, fixed_at=WHEN),
        text="need help",
    )
    return Delivery(
        header=header.model_copy(update={"message_id": derived_id(header.message_id, destination)}),
        destination=destination,
        kind=DeliveryKind.ALERT,
        reason=DeliveryReason.NEW,
        route="all alerts",
        alert=alert,
    )


def another(event: Delivery, number: int) -> Delivery:
    """Return an event like `event` with other ids and another key."""
    changes = {name: derived_id("another", getattr(event.header, name) or "", str(number))
               for name in ("message_id", "event_id", "incident_id")}  # fmt: skip
    changed = _changed(event, changes, {})
    if changed.location is None:
        return changed
    device = {"device_id": derived_id("another", changed.location.device_id, str(number))}
    return changed.model_copy(update={"location": changed.location.model_copy(update=device)})


def update_of(event: Delivery, number: int) -> Delivery:
    """Return a later event of the same key: the `number`-th update of it."""
    changes: dict[str, object] = {
        "message_id": derived_id("update", event.id, str(number)),
        "occurred_at": event.header.occurred_at + timedelta(seconds=number),
    }
    payload: dict[str, object] = {}
    if event.alert is not None:
        payload = {"action": AlertAction.UPDATE, "text": f"update {number}"}
    elif event.incident is not None:
        payload = {"action": IncidentAction.UPDATED, "note": f"update {number}"}
    elif event.message is not None:
        payload = {"text": f"text {number}"}
    elif event.location is not None:
        fixed_at = event.location.position.fixed_at + timedelta(seconds=number)
        payload = {"position": event.location.position.model_copy(update={"fixed_at": fixed_at})}
    return _changed(event, changes, payload).model_copy(update={"reason": DeliveryReason.UPDATE})


def _changed(event: Delivery, header: dict[str, object] | dict[str, str], payload: dict[str, object]) -> Delivery:
    """Change the header of the Delivery and of its payload alike, and fields of the payload."""
    name = next(name for name in _FIELDS if getattr(event, name) is not None)
    inside: Payload = event.event
    changed = inside.model_copy(update={"header": inside.header.model_copy(update=header), **payload})
    return event.model_copy(update={"header": event.header.model_copy(update=header), name: changed})
