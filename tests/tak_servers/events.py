"""What the hub delivers in the TAK tests: real alerts, fixes, markers and texts, each call with ids of its own."""

from __future__ import annotations

import itertools
import uuid
from datetime import UTC, datetime
from typing import Final

from bondmate_connectors.testing import sos
from bondmate_schemas.enums import (
    AlertAction,
    DeliveryKind,
    DeliveryReason,
    IncidentAction,
    Level,
    MessageDirection,
    Mode,
)
from bondmate_schemas.models import (
    Delivery,
    DeliveryReceipt,
    DeviceLocation,
    DeviceMessage,
    EventHeader,
    IncidentEvent,
    Position,
)

LATITUDE: Final = 52.51872
LONGITUDE: Final = 13.37651
_RUN: Final = uuid.uuid4().hex[:8]
_NUMBERS: Final = itertools.count(1)


def _header(mode: Mode = Mode.ACTUAL) -> EventHeader:
    now = datetime.now(UTC)
    number = next(_NUMBERS)
    return EventHeader(
        message_id=f"m-{_RUN}-{number}", event_id=f"e-{_RUN}-{number}", incident_id=f"i-{_RUN}-{number}", agency_id="agency-1",
        mode=mode, occurred_at=now, received_at=now, source="device_http",
    )  # fmt: skip


def _place() -> Position:
    return Position(latitude=LATITUDE, longitude=LONGITUDE, accuracy_m=8, fixed_at=datetime.now(UTC))


def alert(text: str = "need help", mode: Mode = Mode.ACTUAL) -> Delivery:
    """Return the Delivery of an SOS."""
    header = _header(mode)
    sample = sos("tak").alert
    assert sample is not None
    changed = sample.model_copy(
        update={"header": header, "device_id": f"d-{header.event_id}", "text": text, "position": _place()}
    )
    return Delivery(
        header=header,
        destination="tak",
        kind=DeliveryKind.ALERT,
        reason=DeliveryReason.NEW,
        route="alerts",
        alert=changed,
    )


def cancel_of(event: Delivery) -> Delivery:
    """Return the Delivery of the end of an alert."""
    assert event.alert is not None
    header = event.header.model_copy(update={"message_id": f"{event.header.message_id}-cancel"})
    ended = event.alert.model_copy(update={"action": AlertAction.CANCEL, "header": header})
    return event.model_copy(update={"header": header, "alert": ended, "reason": DeliveryReason.CANCEL})


def fix() -> Delivery:
    """Return the Delivery of a position."""
    header = _header()
    told = DeviceLocation(header=header, device_id=f"d-{header.event_id}", position=_place(), callsign="Sierra 7")
    return Delivery(header=header, destination="tak", kind=DeliveryKind.LOCATION, route="positions", location=told)


def marker() -> Delivery:
    """Return the Delivery of an incident with a place."""
    header = _header()
    opened = IncidentEvent(header=header, action=IncidentAction.OPENED, title="Fire at the mill", position=_place())
    return Delivery(header=header, destination="tak", kind=DeliveryKind.INCIDENT, route="incidents", incident=opened)


def end_of(event: Delivery) -> Delivery:
    """Return the Delivery of the end of an incident."""
    assert event.incident is not None
    header = event.header.model_copy(update={"message_id": f"{event.header.message_id}-end"})
    ended = event.incident.model_copy(update={"action": IncidentAction.CLOSED, "header": header})
    return event.model_copy(update={"header": header, "incident": ended, "reason": DeliveryReason.UPDATE})


def text(words: str) -> Delivery:
    """Return the Delivery of what an officer wrote."""
    header = _header()
    written = DeviceMessage(
        header=header, device_id=f"d-{header.event_id}", direction=MessageDirection.FROM_DEVICE, sender="device_http",
        text=words,
    )  # fmt: skip
    return Delivery(header=header, destination="tak", kind=DeliveryKind.MESSAGE, route="texts", message=written)


def receipt_of(said: DeviceMessage, level: Level) -> Delivery:
    """Return the Delivery that tells who wrote a line what became of it."""
    header = said.header.model_copy(update={"message_id": f"{said.header.message_id}-{level}"})
    told = DeliveryReceipt(header=header, destination="device", level=level, device_id="d-1")
    return Delivery(header=header, destination="tak", kind=DeliveryKind.RECEIPT, receipt=told)
