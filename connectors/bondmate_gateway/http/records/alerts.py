"""What a device says of an alert, or of a check-in, as the hub's record; whatever is odd about it is flagged."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from bondmate_schemas.device_alert_ids import alert_event_id, real_event_id
from bondmate_schemas.enums import AlertAction, AlertKind, Mode, PositionOrigin, Priority
from bondmate_schemas.flags import CHECK_IN_MISSED, FROM_EXERCISE, REAL_NOT_ALLOWED
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import CheckIn, DeviceAlert, EventHeader, Position

from bondmate_gateway.enrolment.directory import EnrolledDevice
from bondmate_gateway.http.records.arrival import (
    SENT_SKEW,
    TOLERATED_SKEW,
    Arrival,
    attachments_of,
    clock_ahead_ms,
    clock_flags,
    event_header,
    is_nowhere,
    own_reference,
    position_of,
)
from bondmate_gateway.http.requests import AlertRequest, AlertVerb, CheckInRequest, CheckInVerb, PositionRequest

_PRESS_SKEW = timedelta(seconds=10)
"""Of an alert less: by a slow clock a press would count as made before an end that it came after."""
DRILL_LASTS = timedelta(seconds=60)
"""After so long the hub ends a drill."""
_LESS_THAN_IMMEDIATE = {
    AlertKind.GEOFENCE: Priority.URGENT,
    AlertKind.TAMPER: Priority.URGENT,
    AlertKind.LOW_BATTERY: Priority.ROUTINE,
}


def incident_of_alert(event_id: str) -> str:
    """Return the incident that an alert begins."""
    return derived_id("incident", event_id)


def alert(request: AlertRequest, arrival: Arrival, flags: Iterable[str]) -> DeviceAlert:
    """Return the alert; whatever is odd about it is flagged, nothing is held against it."""
    device = arrival.device
    occurred_at = request.occurred_at or arrival.received_at
    own_id = request.alert_id or request.message_id
    event_id = alert_event_id(device.device_id, own_id)
    position, position_flags = _alert_position(request.position, occurred_at)
    header = event_header(
        arrival,
        message_id=request.message_id,
        event_id=event_id,
        incident_id=incident_of_alert(event_id),
        language=request.language,
        occurred_at=occurred_at,
        flags=(*flags, *position_flags, *_alert_clock(request, arrival)),
        external_refs=own_reference(own_id),
    )
    found = DeviceAlert(
        header=_as_real(header, request, device),
        **device.carrier,
        action=AlertAction[request.action.name],
        kind=request.kind,
        priority=_LESS_THAN_IMMEDIATE.get(request.kind, Priority.IMMEDIATE),
        silent=bool(request.silent) or (request.kind is AlertKind.DURESS and device.profile.duress_silent),
        position=position,
        position_origin=PositionOrigin.OWN if position else PositionOrigin.NONE,
        position_age_seconds=_age(position, occurred_at),
        text=request.text,
        press_count=request.press_count,
        battery_percent=request.battery_percent,
        attachments=attachments_of(request.attachments),
        clock_ahead_ms=clock_ahead_ms(request.sent_at, arrival),
    )
    return _as_drill(found, device.drill, arrival.received_at) if device.drill else found


def _as_drill(alert: DeviceAlert, destination: str, received_at: datetime) -> DeviceAlert:
    """Return what a device for drills says: no emergency and nothing silent, whatever it says itself."""
    header = alert.header.model_copy(update={"expires_at": received_at + DRILL_LASTS})
    update = {"header": header, "kind": AlertKind.OTHER, "silent": False, "drill": destination}
    return alert.model_copy(update=update)


def check_in(request: CheckInRequest, arrival: Arrival, known: CheckIn | None = None) -> CheckIn:
    """Return a check-in that is due or has come, with the alert that it becomes where it is missed.

    What is said of one that is `known` stays under its id, also where a spare says it.
    """
    # Every field was checked as one of the request, to the same bounds.
    asked = AlertRequest.model_construct(
        message_id=request.message_id,
        alert_id=request.check_in_id,
        kind=request.kind,
        occurred_at=request.occurred_at,
        position=request.position,
        text=request.text,
        language=request.language,
    )
    missed = alert(asked, arrival, (CHECK_IN_MISSED,))
    if known is not None:
        ids = {"event_id": known.header.event_id, "incident_id": known.header.incident_id}
        missed = missed.model_copy(update={"header": missed.header.model_copy(update=ids)})
    flags = (*arrival.remarks, *clock_flags(request.occurred_at, request.sent_at, arrival))
    return CheckIn(
        header=missed.header.model_copy(update={"flags": flags}),
        device_id=arrival.device.device_id,
        due_at=arrival.received_at + timedelta(seconds=request.due_in_seconds),
        done=request.action is CheckInVerb.DONE,
        alert=missed,
    )


def _as_real(header: EventHeader, request: AlertRequest, device: EnrolledDevice) -> EventHeader:
    """Return the header, of what an exercise device says to be real so; nothing real becomes an exercise.

    Under ids of its own: the device may say it of an alert that is open as an exercise, and even by the same message.
    """
    if not request.real or request.action is AlertVerb.CANCEL or device.mode is Mode.ACTUAL:
        return header
    if device.mode is not Mode.EXERCISE or not device.profile.real_from_exercise:
        return header.model_copy(update={"flags": (*header.flags, REAL_NOT_ALLOWED)})
    event_id = real_event_id(header.event_id)
    ids = {
        "message_id": derived_id("real", header.message_id),
        "event_id": event_id,
        "incident_id": incident_of_alert(event_id),
    }
    return header.model_copy(update={"mode": Mode.ACTUAL, "flags": (*header.flags, FROM_EXERCISE), **ids})


def _alert_position(position: PositionRequest | None, occurred_at: datetime) -> tuple[Position | None, tuple[str, ...]]:
    if position is None:
        return None, ()
    if is_nowhere(position):
        return None, ("position_invalid",)
    return position_of(position, occurred_at), ()


def _age(position: Position | None, occurred_at: datetime) -> float | None:
    """Return the age of a fix, or None where the times contradict each other."""
    if position is None or (age := (occurred_at - position.fixed_at).total_seconds()) < 0:
        return None
    return age


def _alert_clock(request: AlertRequest, arrival: Arrival) -> tuple[str, ...]:
    if request.occurred_at is None:
        return ("occurred_at_missing",)
    if request.sent_at is None and arrival.sent_at is None:
        # It may have waited for the network or its clock may be wrong: nobody can tell, so both are said.
        off = arrival.received_at - request.occurred_at
        return ("clock_skew",) * (abs(off) > SENT_SKEW) + ("late",) * (off > TOLERATED_SKEW)
    return clock_flags(request.occurred_at, request.sent_at, arrival, _PRESS_SKEW)
