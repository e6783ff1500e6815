"""Parts that several records have: positions, attachments, the device's own reference."""

from __future__ import annotations

from datetime import datetime

from bondmate_schemas.device_alert_ids import DEVICE_ALERT_SYSTEM
from bondmate_schemas.models import Attachment, ExternalRef, Position

from bondmate_gateway.http.requests import AttachmentRequest, PositionRequest


def position_of(position: PositionRequest, occurred_at: datetime) -> Position:
    """Return a position as the hub keeps it; without a time of its own it was taken when the event occurred."""
    return Position(
        latitude=position.latitude,
        longitude=position.longitude,
        altitude_hae_m=position.altitude_hae_m,
        accuracy_m=position.accuracy_m,
        vertical_accuracy_m=position.vertical_accuracy_m,
        speed_mps=position.speed_mps,
        course_deg=position.course_deg,
        fixed_at=position.fixed_at or occurred_at,
        method=position.method,
    )


def is_nowhere(position: PositionRequest) -> bool:
    """Whether it is 0,0, which receivers without a fix report."""
    return position.latitude == 0 and position.longitude == 0


def attachments_of(given: tuple[AttachmentRequest, ...]) -> tuple[Attachment, ...]:
    """Return the attachments as the hub keeps them."""
    return tuple(
        Attachment(
            sha256=one.sha256.lower(),
            size_bytes=one.size_bytes,
            media_type=one.media_type,
            url=one.url,
            description=one.description,
        )
        for one in given
    )


def own_reference(own_id: str | None) -> tuple[ExternalRef, ...]:
    """Return the reference by which a device knows its own alert or report; none where it gave no id."""
    return (ExternalRef(system=DEVICE_ALERT_SYSTEM, id=own_id),) if own_id else ()
