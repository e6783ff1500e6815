"""How far a destination has come with an event, and what an alert is as a whole of that.

What the transport proves only rises. What people say replaces what they said before, so the whole is computed from
what stands now, not raised.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bondmate_schemas.enums import AlertStatus, Level, Response
from bondmate_schemas.models import AlertState, DestinationState

from bondmate_streams.logic.life_cycle import LEVELS, STAGES, STATUSES, UNANIMOUS, Stage

_RANK: Mapping[Level, int] = {level: rank for rank, level in enumerate(LEVELS)}
_STAGES: Mapping[tuple[Level, Response], Stage] = {(stage.level, stage.response): stage for stage in STAGES}


def rises(old: Level, new: Level) -> bool:
    """Whether `new` is above `old`."""
    return _RANK[new] > _RANK[old]


def stage_of(at: DestinationState) -> Stage:
    """Return what a destination has of an alert."""
    level = at.level_said
    return _STAGES.get((level, at.response)) or _STAGES[level, Response.UNSTATED]


def is_delivered(level: Level) -> bool:
    """Whether a destination at `level` has the event."""
    return _STAGES[level, Response.UNSTATED].delivered


def status_of(rooms: Iterable[DestinationState]) -> AlertStatus:
    """Return what an open alert is as a whole, of what its destinations have.

    It is the furthest that any of them has come now; when every one says the same, what `UNANIMOUS` makes of that.
    """
    found = list(rooms)
    if not found:
        return AlertStatus.RAISED
    said = {at.level_said for at in found}
    if len(said) == 1 and (same := UNANIMOUS.get(found[0].level_said)):
        return same
    return max((stage_of(at).status or AlertStatus.ROUTED for at in found), key=STATUSES.index)


def furthest(one: AlertStatus, other: AlertStatus) -> AlertStatus:
    """Return the status that is further."""
    return max(one, other, key=STATUSES.index)


def is_answered(state: AlertState) -> bool:
    """Whether a person has taken an alert up in the round of escalation that it is in."""
    return any(at.round == state.round and stage_of(at).answers for at in state.destinations.values())


def is_helped(state: AlertState) -> bool:
    """Whether help was promised in the round of escalation that an alert is in."""
    return any(at.round == state.round and stage_of(at).helps for at in state.destinations.values())


def is_help_shown(state: AlertState) -> bool:
    """Whether help was promised in whatever round and not taken back: a device shows it."""
    return any(stage_of(at).helps for at in state.destinations.values())


def nobody_is_left(state: AlertState) -> bool:
    """Whether every destination has said no, or closed its part: nothing is to be waited for."""
    return bool(state.destinations) and all(
        (stage := stage_of(at)).said and not stage.answers for at in state.destinations.values()
    )
