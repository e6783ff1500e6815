"""What a device says of itself."""

from __future__ import annotations

from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import DeviceStatus

from bondmate_gateway.http.records.arrival import Arrival, clock_flags, event_header
from bondmate_gateway.http.requests import StatusRequest


def status(request: StatusRequest, arrival: Arrival) -> DeviceStatus:
    """Return what the device says of itself."""
    device = arrival.device
    return DeviceStatus(
        header=event_header(
            arrival,
            message_id=request.message_id,
            event_id=derived_id("status", device.device_id),
            occurred_at=request.occurred_at,
            flags=clock_flags(request.occurred_at, request.sent_at, arrival),
        ),
        device_id=device.device_id,
        battery_percent=request.battery_percent,
        on_shift=request.on_shift,
        app_version=request.app_version,
        firmware_version=request.firmware_version,
        connectivity=request.connectivity,
    )
