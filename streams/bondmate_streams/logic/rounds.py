"""Rounds of escalation: each has a number that stands in all its ids, and counts from its own beginning.

Round 0 begins when the hub has the alert, and has the ids of before there were rounds.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from bondmate_schemas.enums import AlertKind
from bondmate_schemas.models import AlertState

from bondmate_streams.logic.levels import is_answered, stage_of
from bondmate_streams.logic.life_cycle import GRAVITY, Cause
from bondmate_streams.logic.routing import Escalation

PAUSE: Final = timedelta(seconds=30)
"""Between two rounds of one cause: a room that flaps is told on, and not escalated on."""


_GRAVER_WAITS: Final = "graver, put off"
"""Among the causes: since when a graver kind waits for the round that it could not begin yet."""


def may_begin(state: AlertState, cause: Cause, now: datetime) -> bool:
    """Whether a round may begin for this cause."""
    last = state.round_causes.get(cause)
    return last is None or now - last >= PAUSE


def put_off_until(state: AlertState, escalation: Iterable[Escalation]) -> tuple[Cause, datetime] | None:
    """Return for which cause and when a round begins that could not begin when nobody answered any more.

    None: there is no such round, or the steps of the one that runs come anyway.
    """
    if _is_graver_than_answered(state) and (is_answered(state) or is_used_up(state, escalation)):
        return Cause.GRAVER, state.round_causes[Cause.GRAVER] + PAUSE
    if not (has_lapsed(state) and is_used_up(state, escalation)):
        return None
    last = [(at, cause) for cause in (Cause.WITHDRAWN, Cause.PART_CLOSED) if (at := state.round_causes.get(cause))]
    return (max(last)[1], max(last)[0] + PAUSE) if last else None


def put_off(state: AlertState, now: datetime, escalation: Iterable[Escalation]) -> AlertState:
    """Return an alert that became graver and may not begin a round yet: who answered answered the lesser kind."""
    if not is_answered(state) and not is_used_up(state, escalation):
        return state
    return state.model_copy(update={"round_causes": {**state.round_causes, _GRAVER_WAITS: now}})


def _is_graver_than_answered(state: AlertState) -> bool:
    """Whether a graver kind waits for its round, and nobody has answered since."""
    since = state.round_causes.get(_GRAVER_WAITS)
    rooms = state.destinations.values()
    return since is not None and not any(
        at.round == state.round and stage_of(at).answers and at.changed_at > since for at in rooms
    )


def causes(state: AlertState) -> dict[str, datetime]:
    """Return why rounds began, and when each cause last began one."""
    return {cause: at for cause, at in state.round_causes.items() if cause != _GRAVER_WAITS}


def begun(state: AlertState, cause: Cause, now: datetime, *, since: datetime | None = None) -> AlertState:
    """Return the alert at the beginning of its next round, whose times count from `since` where that is earlier."""
    update = {
        "round": state.round + 1,
        "round_began_at": since or now,
        "round_causes": {**causes(state), cause.value: now},
        "escalated_seconds": 0.0,
        "seen_at": None,
    }
    return state.model_copy(update=update)


def since(state: AlertState) -> datetime:
    """Return from when the round's times count."""
    return state.round_began_at or state.header.received_at


def further(state: AlertState, escalation: Iterable[Escalation]) -> list[Escalation]:
    """Return the steps that this round has not taken."""
    return [step for step in escalation if step.after_seconds > state.escalated_seconds]


def is_used_up(state: AlertState, escalation: Iterable[Escalation]) -> bool:
    """Whether this round has taken all its steps."""
    return state.escalated_seconds > 0 and not further(state, escalation)


def graver(old: AlertKind, new: AlertKind) -> AlertKind:
    """Return the graver of two kinds."""
    return max(old, new, key=GRAVITY.index)


def has_lapsed(state: AlertState) -> bool:
    """Whether an alert was answered in this round and is not any more, and no round began of that."""
    return state.answered_rounds > state.round and not is_answered(state)
