"""A round of escalation begins since nobody answers any more: at once, or when its cause may begin one again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from bondmate_schemas.enums import DeliveryReason
from bondmate_schemas.models import AlertState

from bondmate_streams.logic import rounds
from bondmate_streams.logic.deliveries import round_id
from bondmate_streams.logic.levels import stage_of
from bondmate_streams.logic.life_cycle import Cause
from bondmate_streams.logic.pages import PageReason, page_of
from bondmate_streams.logic.routing import Decision
from bondmate_streams.logic.steps import Step, as_update, tell


def asked_again(
    outcome: str,
    state: AlertState,
    cause: Cause,
    now: datetime,
    decisions: Sequence[Decision],
    *,
    leave_out: Collection[str] = (),
) -> Step:
    """Begin a round: those who have the alert and have not closed their part hear of it, operations of a closing."""
    after = rounds.begun(state, cause, now)
    event_id, number = state.header.event_id, after.round
    told = as_update(state, now, "round", str(number))
    closed = {name for name, at in state.destinations.items() if stage_of(at).closes}
    notifications = tuple(
        replace(one, delivery_id=round_id(event_id, one.destination, number, "round"))
        for one in tell(after, told, DeliveryReason.UPDATE, decisions, leave_out={*leave_out, *closed})
    )
    pages = (page_of(state, PageReason.UNANSWERED_AGAIN, now, number=number),) if cause is Cause.PART_CLOSED else ()
    return Step(outcome, after, notifications, pages=pages)
