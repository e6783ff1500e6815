"""One truth of two: what an earlier version of the hub remembered of one key in two partitions.

`merge(kept, stray)` is what both say together. It is `kept` where that says all of it already, so that whoever has it
may forget the stray.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, TypeVar

from bondmate_schemas.models import AlertState, DestinationState, Record

from bondmate_streams.logic.levels import furthest, rises, stage_of, status_of
from bondmate_streams.logic.life_cycle import CLOSED
from bondmate_streams.logic.steps import in_order

_OF_ROUND: Final = (
    "round", "round_began_at", "round_causes", "escalated_seconds", "seen_at", "answered_rounds", "unassigned_rounds",
)  # fmt: skip
R = TypeVar("R", bound=Record)


def kept_alone(kept: R, _: R) -> R:
    """Return what is kept: what was remembered astray only made repeats be known again."""
    return kept


def one_alert(kept: AlertState, stray: AlertState) -> AlertState:
    """Return one state of an alert: closed where one is closed, else each destination at the higher of its levels."""
    if kept.status in CLOSED or stray.status in CLOSED:
        return kept if kept.status in CLOSED else stray
    destinations = _higher(kept.destinations, stray.destinations)
    # What an older hub showed a device stays until something new happens; now what stands is shown.
    rules, was_shown = max(kept.rules, stray.rules), furthest(kept.status, stray.status)
    update = {
        "destinations": destinations,
        "status": status_of(destinations.values()) if rules else furthest(was_shown, status_of(destinations.values())),
        "rules": rules,
        "cancel_requested": kept.cancel_requested or stray.cancel_requested,
        **_round(kept, stray),
    }
    merged = kept.model_copy(update=update)
    if merged == kept:
        return kept
    newest = max((kept, stray), key=lambda state: state.changed_at)
    return in_order(merged.model_copy(update={"changed_at": newest.changed_at}), newest)


def _round(kept: AlertState, stray: AlertState) -> dict[str, object]:
    """Return what the later of two rounds of escalation says; of the same, how far either has come."""
    later = stray if stray.round > kept.round else kept
    found = {name: getattr(later, name) for name in _OF_ROUND}
    if kept.round == stray.round:
        found["escalated_seconds"] = max(kept.escalated_seconds, stray.escalated_seconds)
    return found


def _higher(
    kept: Mapping[str, DestinationState], stray: Mapping[str, DestinationState]
) -> dict[str, DestinationState]:  # fmt: skip
    found = dict(kept)
    for name, at in stray.items():
        if name not in found or _is_newer(found[name], at):
            found[name] = at
    return found


def _is_newer(kept: DestinationState, stray: DestinationState) -> bool:
    """Whether the stray says more: the later of what people said, the higher of what the transport proves."""
    if stage_of(kept).said and stage_of(stray).said:
        return stray.changed_at > kept.changed_at
    return rises(kept.level, stray.level)


def is_worth_keeping(stray: AlertState, now: datetime, keep_closed: timedelta) -> bool:
    """Whether the only state of an alert is brought home: one so old was forgotten there, and must not come back."""
    return now - stray.changed_at < keep_closed
