"""What every canonical event read from CoT has in common: the header and the position."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar

from bondmate_schemas.enums import Mode
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import EventHeader, ExternalRef, Position

from bondmate_connectors.formats.cot.event import CotEvent, number, parse_time, to_millis
from bondmate_connectors.formats.cot.records import new_header, new_position, new_ref
from bondmate_connectors.formats.cot.types import mode_of

SYSTEM = "cot"
"""Name of this format in `source` and `external_refs`."""
ALERT_SYSTEM = "cot:alert"
"""System of the reference by which a cancel names the alert it ends."""


E = TypeVar("E", bound=StrEnum)

_HUMAN = "manual"
_METHODS = {"m-g": "gps", "m-g-n": "gps", "m-g-d": "gps", "m-r": "radio", "m-s": "simulated"}


def named(kind: type[E], name: str | None) -> E | None:
    """Return the member of an enumeration by its name, None when there is none of that name."""
    return kind.__members__.get(name) if name else None


def header(
    event: CotEvent,
    received_at: datetime,
    life: tuple[str, ...],
    *,
    refs: tuple[ExternalRef, ...] = (),
    expires_at: datetime | None = None,
) -> EventHeader:
    """Build the header. `life` is what makes the thing with a life cycle the same thing from message to message."""
    time, message_id = event.time, derived_id(SYSTEM, event.uid, event.type, *event.moments)
    external_refs = (new_ref(system=SYSTEM, id=event.uid), *refs)
    hops = ("bondmate",) if event.passed_a_hub else ()
    if own := event.own:  # what it says has been checked by nobody
        return EventHeader(
            message_id=own.get("message") or message_id,
            event_id=own.get("event") or derived_id(SYSTEM, *life),
            incident_id=own.get("incident"),
            external_refs=external_refs,
            agency_id="",
            mode=named(Mode, own.get("mode")) or mode_of(event.opex),
            occurred_at=parse_time(own.get("occurred")) or time or received_at,
            received_at=received_at,
            source=SYSTEM,
            expires_at=expires_at,
            hops=hops,
        )
    return new_header(
        message_id=message_id,
        event_id=derived_id(SYSTEM, *life),
        external_refs=external_refs,
        agency_id="",
        mode=mode_of(event.opex),
        occurred_at=time or _millis(received_at),
        received_at=_millis(received_at),
        source=SYSTEM,
        expires_at=expires_at,
        hops=hops,
    )


def _millis(time: datetime) -> datetime:
    return to_millis(time if time.tzinfo is UTC else time.astimezone(UTC))


def position(event: CotEvent, received_at: datetime) -> Position | None:
    """Return the position, None when there is none, or the hub only drew an area there."""
    point, own = event.point, event.own
    told = "fixed" in own if own else point is not None and not point.is_nowhere
    if point is None or not told:
        return None
    track = event.child("track")
    speed = course = None
    if track is not None:  # a client that stands still or does not know writes -1
        speed, course = number(track.get("speed"), 0), number(track.get("course"), 0, 360)
    return new_position(
        latitude=point.latitude,
        longitude=point.longitude,
        altitude_hae_m=point.altitude_hae_m,
        accuracy_m=point.accuracy_m,
        vertical_accuracy_m=point.vertical_accuracy_m,
        speed_mps=speed,
        course_deg=course,
        fixed_at=(parse_time(own.get("fixed")) if own else None) or event.time or _millis(received_at),
        method=own.get("method") or (_HUMAN if event.how.startswith("h") else _METHODS.get(event.how)),
    )
