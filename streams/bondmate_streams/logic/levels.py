"""How far a destination, and an alert as a whole, has come: levels only rise and are never mixed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bondmate_schemas.enums import AlertStatus, Level

_RANK: Mapping[Level, int] = {
    level: rank
    for rank, level in enumerate(
        (
            # An ending without delivery stands below it: a replayed dead letter may still be delivered.
            Level.UNKNOWN,
            Level.WITHHELD,
            Level.SUPERSEDED,
            Level.DEAD_LETTERED,
            Level.EXPIRED,
            Level.DELIVERED,
            Level.ACCEPTED,
            # A person said no; a person may still say yes.
            Level.DECLINED,
            Level.ACKNOWLEDGED,
            Level.RESPONDING,
            Level.CANCELLED,
            Level.RESOLVED,
        )
    )
}
_PROGRESS: Mapping[Level, AlertStatus] = {
    Level.DELIVERED: AlertStatus.DELIVERED,
    Level.ACCEPTED: AlertStatus.ACCEPTED,
    Level.ACKNOWLEDGED: AlertStatus.ACKNOWLEDGED,
    Level.RESPONDING: AlertStatus.RESPONDING,
    Level.RESOLVED: AlertStatus.RESOLVED,
}
_STATUS_ORDER = (
    AlertStatus.UNKNOWN,
    AlertStatus.RAISED,
    AlertStatus.ROUTED,
    AlertStatus.EXPIRED,
    AlertStatus.DELIVERED,
    AlertStatus.ACCEPTED,
    AlertStatus.DECLINED,
    AlertStatus.ACKNOWLEDGED,
    AlertStatus.RESPONDING,
    AlertStatus.CANCELLED,
    AlertStatus.RESOLVED,
)
_NOT_DELIVERED = frozenset({Level.UNKNOWN, Level.WITHHELD, Level.SUPERSEDED, Level.DEAD_LETTERED, Level.EXPIRED})


def rises(old: Level, new: Level) -> bool:
    """Tell whether `new` is above `old`."""
    return _RANK[new] > _RANK[old]


def is_delivered(level: Level) -> bool:
    """Tell whether a destination at `level` has the event."""
    return level not in _NOT_DELIVERED


def status_of(levels: Iterable[Level], before: AlertStatus) -> AlertStatus:
    """Give the status of a whole alert from its destinations' levels.

    It is the furthest that any destination has come. When every destination declined it is DECLINED, when for every one
    it expired EXPIRED. It never goes back: `before` stands when it is further.
    """
    found = list(levels)
    if not found:
        return before
    progress = [_PROGRESS[level] for level in found if level in _PROGRESS]
    now = max(progress, key=_STATUS_ORDER.index, default=AlertStatus.ROUTED)
    for level, status in ((Level.DECLINED, AlertStatus.DECLINED), (Level.EXPIRED, AlertStatus.EXPIRED)):
        if all(one is level for one in found):
            now = status
    return max(now, before, key=_STATUS_ORDER.index)
