"""The positions of a batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import DeviceLocation, EventHeader, Position
from bondmate_schemas.unvalidated import unvalidated

from bondmate_gateway.http.body import digest
from bondmate_gateway.http.records.arrival import Arrival, clock_flags, event_header, is_nowhere
from bondmate_gateway.http.requests import Fix, LocationsRequest


def locations(request: LocationsRequest, raw: Any, arrival: Arrival) -> Iterator[DeviceLocation]:
    """Yield each fix of a batch; `raw` is the body as parsed. A fix sent again in another batch is the same event."""
    shared = event_header(
        arrival, message_id=request.message_id, hub_message_id="-", event_id="-", occurred_at=arrival.received_at
    )
    for fix, sent in zip(request.fixes, raw["fixes"], strict=True):
        yield _location(fix, digest(sent), request, arrival, shared)


def _location(
    fix: Fix, content_digest: str, batch: LocationsRequest, arrival: Arrival, shared: EventHeader
) -> DeviceLocation:
    """Return one fix of a batch; the request was validated to the same bounds, and `shared` is the batch's header."""
    device = arrival.device
    fixed_at = fix.position.fixed_at
    hub_id = derived_id("location", device.device_id, str(fix.sequence), fixed_at.isoformat(), content_digest)
    flags = clock_flags(fixed_at, batch.sent_at, arrival)
    at = fixed_at.replace(microsecond=fixed_at.microsecond // 1000 * 1000)
    header = {
        "message_id": hub_id,
        "event_id": hub_id,
        "content_digest": content_digest,
        "occurred_at": at,
        "flags": (*flags, "position_invalid") if is_nowhere(fix.position) else flags,
    }
    return unvalidated(
        DeviceLocation,
        {
            "header": shared.model_copy(update=header),
            **device.carrier,
            "sequence": fix.sequence,
            "position": unvalidated(Position, {**fix.position.__dict__, "fixed_at": at}),
            "on_duty": fix.on_duty,
            "battery_percent": fix.battery_percent,
            "district": None,
        },
    )
