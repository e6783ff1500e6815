"""What its owner alone hears of: a press at a replaced device, a real emergency out of an exercise until help goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeGuard

from bondmate_schemas.enums import AuditAction, Mode
from bondmate_schemas.flags import FROM_EXERCISE, FROM_REPLACED, TAKEN_AS_REAL
from bondmate_schemas.models import AlertState, DeviceAlert, Payload

from bondmate_streams.logic.audit import AuditEntry, audit_name
from bondmate_streams.logic.headers import with_flags
from bondmate_streams.logic.levels import stage_of
from bondmate_streams.logic.rooms import Rooms, owner_of
from bondmate_streams.logic.routing import Decision, Destination, Escalation

_ROUTE = "real emergency out of an exercise"


def is_for_owner_alone(event: Payload) -> TypeGuard[DeviceAlert]:
    """Whether no route applies to an event beyond the rooms of its owner."""
    flags = event.header.flags
    is_held = FROM_REPLACED in flags or (FROM_EXERCISE in flags and TAKEN_AS_REAL not in flags)
    return isinstance(event, DeviceAlert) and is_held


def of_owner(
    found: tuple[Sequence[Decision], Sequence[Escalation]],
    owner: str,
    destinations: Mapping[str, Destination],
    agencies: Mapping[str, str],
) -> tuple[list[Decision], list[Escalation]]:
    """Return what of the routes stays with the owner; where that is nobody, all its rooms for what is real."""
    decided, escalation = found
    theirs = {name for name in destinations if owner and agencies.get(name) == owner}
    kept = [decision for decision in decided if decision.destination in theirs]
    real = (name for name in sorted(theirs) if Mode.ACTUAL.value in destinations[name].modes)
    steps = [replace(step, to=tuple((name, by) for name, by in step.to if name in theirs)) for step in escalation]
    return kept or [Decision(name, _ROUTE) for name in real], steps


def is_to_be_widened(state: AlertState, decisions: Sequence[Decision]) -> bool:
    """Whether its routes name rooms that were not told, now that a person has taken it as real."""
    taken = TAKEN_AS_REAL in state.alert.header.flags
    return taken and any(decision.destination not in state.destinations for decision in decisions)


def taken_as_real(state: AlertState | None, rooms: Rooms) -> AlertState | None:
    """Return the alert, with that where a room of its owner says that a unit is assigned or on its way."""
    if state is None or FROM_EXERCISE not in state.alert.header.flags or not is_for_owner_alone(state.alert):
        return state
    owners = (state.destinations[name] for name in rooms.of_agency(state, owner_of(state)))
    if not any(stage_of(at).helps for at in owners):
        return state
    return state.model_copy(update={"alert": with_flags(state.alert, TAKEN_AS_REAL)})


def logged(alert: DeviceAlert, secret: bytes) -> AuditEntry:
    """Return what is logged of an alert that its owner alone hears of: why it is one."""
    is_replaced = FROM_REPLACED in alert.header.flags
    return AuditEntry(
        AuditAction.OTHER,
        event_id=alert.header.event_id,
        subjects=(audit_name(secret, alert.device_id),),
        fields=("alert_from_replaced_device" if is_replaced else "real_emergency_from_exercise_device",),
    )
