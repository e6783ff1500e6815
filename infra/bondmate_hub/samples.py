"""Sample events: what a device says, and what the hub makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from bondmate_schemas.enums import AlertAction, AlertKind, IncidentAction, IncidentCategory, Mode, PositionOrigin
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import DeviceAlert, DeviceLocation, EventHeader, IncidentEvent, Position, Record

_LATITUDE, _LONGITUDE, _ACCURACY_M = 52.379189, 4.899431, 6.0
_UNIT, _CALLSIGN = "unit-7", "K-12"
_SOS_TEXT, _REPORT_TITLE = "two men, one armed", "Street light out of order"
MODES: Final = tuple(mode.value for mode in Mode if mode is not Mode.UNKNOWN)


def event(kind: str, now: datetime, *, agency: str, device: str, mode: str) -> dict[str, Any]:
    """Return the hub's event of this kind, as plain values; each call makes another one."""
    number = str(uuid4())
    header = EventHeader(
        message_id=derived_id("sample", number),
        event_id=derived_id("sample event", number),
        incident_id=derived_id("sample incident", number),
        origin_message_id=number,
        agency_id=agency,
        mode=Mode(mode),
        occurred_at=now,
        received_at=now,
        source="devices",
    )
    return _EVENTS[kind](header, device).model_dump(mode="json")


def request_body(kind: str, now: datetime) -> dict[str, Any]:
    """Return what a device posts to `/v1/alerts`, `/v1/locations` or `/v1/reports`, as plain values."""
    number, at = str(uuid4()), now.isoformat(timespec="milliseconds")
    place = {"latitude": _LATITUDE, "longitude": _LONGITUDE, "accuracy_m": _ACCURACY_M, "fixed_at": at}
    bodies: Mapping[str, dict[str, Any]] = {
        "sos": {
            "message_id": number,
            "alert_id": f"a-{number}",
            "action": "raise",
            "kind": "SOS",
            "occurred_at": at,
            "position": place,
            "text": _SOS_TEXT,
        },
        "fix": {"message_id": number, "fixes": [{"sequence": 1, "position": place}]},
        "report": {
            "message_id": number,
            "report_id": f"r-{number}",
            "occurred_at": at,
            "category": "community_concern",
            "title": _REPORT_TITLE,
            "position": place,
        },
    }
    return bodies[kind]


def _position(header: EventHeader) -> Position:
    return Position(latitude=_LATITUDE, longitude=_LONGITUDE, accuracy_m=_ACCURACY_M, fixed_at=header.occurred_at)


def _sos(header: EventHeader, device: str) -> Record:
    return DeviceAlert(
        header=header,
        device_id=device,
        unit=_UNIT,
        callsign=_CALLSIGN,
        action=AlertAction.RAISE,
        kind=AlertKind.SOS,
        position=_position(header),
        position_origin=PositionOrigin.OWN,
        position_age_seconds=0.0,
        text=_SOS_TEXT,
    )


def _fix(header: EventHeader, device: str) -> Record:
    return DeviceLocation(
        header=header, device_id=device, unit=_UNIT, callsign=_CALLSIGN, position=_position(header), on_duty=True
    )


def _report(header: EventHeader, device: str) -> Record:
    return IncidentEvent(
        header=header,
        device_id=device,
        unit=_UNIT,
        callsign=_CALLSIGN,
        action=IncidentAction.OPENED,
        category=IncidentCategory.COMMUNITY_CONCERN,
        title=_REPORT_TITLE,
        position=_position(header),
    )


_EVENTS: Final[Mapping[str, Callable[[EventHeader, str], Record]]] = {"sos": _sos, "fix": _fix, "report": _report}
KINDS: Final = tuple(_EVENTS)
