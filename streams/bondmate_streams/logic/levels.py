"""How far a destination, and an alert as a whole, has come: levels only rise and are never mixed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bondmate_schemas.enums import AlertStatus, Level

from bondmate_streams.logic.life_cycle import ANSWERED, STAGES, STATUSES, UNANIMOUS

_RANK: Mapping[Level, int] = {stage.level: rank for rank, stage in enumerate(STAGES)}
_PROGRESS: Mapping[Level, AlertStatus] = {stage.level: stage.status for stage in STAGES if stage.status}
_DELIVERED = frozenset(stage.level for stage in STAGES if stage.delivered)


def rises(old: Level, new: Level) -> bool:
    """Tell whether `new` is above `old`."""
    return _RANK[new] > _RANK[old]


def is_delivered(level: Level) -> bool:
    """Tell whether a destination at `level` has the event."""
    return level in _DELIVERED


def status_of(levels: Iterable[Level], before: AlertStatus) -> AlertStatus:
    """Give the status of a whole alert from its destinations' levels.

    It is the furthest that any destination has come; when every destination says the same of it, what `UNANIMOUS`
    makes of that. It never goes back: `before` stands when it is further.
    """
    found = set(levels)
    if not found:
        return before
    progress = [_PROGRESS[level] for level in found if level in _PROGRESS]
    now = max(progress, key=STATUSES.index, default=AlertStatus.ROUTED)
    now = next((status for level, status in UNANIMOUS.items() if found == {level}), now)
    return max(now, before, key=STATUSES.index)


def is_answered(levels: Iterable[Level]) -> bool:
    """Tell whether a person has taken an alert up at any of the destinations that have come so far."""
    return not ANSWERED.isdisjoint(levels)
