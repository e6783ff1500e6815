"""A drill: an alert of a device of the hub's own, which shows whether a control room is reached and answers.

It goes to the one destination that its device is enrolled for, and to nobody else. Nobody waits for an answer: nothing
escalates and nothing begins anew. The hub ends it, and pages where its destination has not got it by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from bondmate_schemas.enums import AlertAction, DeliveryReason
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import AlertState, AlertWhole, DeviceAlert, OperationsPage

from bondmate_streams.logic.headers import with_header
from bondmate_streams.logic.levels import is_delivered
from bondmate_streams.logic.life_cycle import CLOSED, Fact, Rule
from bondmate_streams.logic.pages import PageReason, page_of
from bondmate_streams.logic.routing import Decision
from bondmate_streams.logic.steps import Step, tell

_LASTS: Final = timedelta(seconds=60)
"""Of one whose gateway does not say when it ends."""


def of(alert: DeviceAlert) -> set[Fact]:
    """Return the fact that an alert is a drill, where it is one."""
    return {Fact.DRILL} if alert.drill else set()


def ends_at(state: AlertState) -> datetime:
    """Return when the hub ends a drill."""
    return state.header.expires_at or state.header.received_at + _LASTS


def facts_of(state: AlertState, now: datetime) -> set[Fact]:
    """Return what the rules ask of a drill when its time may be over."""
    found = of(state.alert)
    if state.status not in CLOSED and ends_at(state) <= now:
        found.add(Fact.DRILL_OVER)
    if any(is_delivered(at.level) for at in state.destinations.values()):
        found.add(Fact.ARRIVED)
    return found


def ended(rule: Rule, state: AlertState, decisions: Sequence[Decision], now: datetime) -> Step:
    """End a drill, tell its room, and page where that has not got it."""
    cause = derived_id("alert", state.header.event_id, "drill", "over")
    whole = (state.alert.whole or AlertWhole()).model_copy(update={"ended_by": "hub", "ended_why": rule.outcome})
    # A room that was away is told of the end whenever it comes back: nothing of that expires.
    alert = with_header(state.alert, message_id=cause, occurred_at=now, expires_at=None)
    alert = alert.model_copy(update={"action": AlertAction.CANCEL, "whole": whole})
    after = state.model_copy(
        update={"alert": alert, "status": rule.becomes, "changed_at": now, "ended_at": min(now, ends_at(state))}
    )
    failed = rule.outcome == "drill_failed"
    pages = [_page(state, name, now) for name in state.destinations]
    told = tell(state, alert, rule.tells or DeliveryReason.CANCEL, decisions)
    return Step(rule.outcome, after, told, pages=tuple(pages) if failed else (), tells_device=True)


def _page(state: AlertState, destination: str, now: datetime) -> OperationsPage:
    """Page for a destination: who acts looks at that, and finds the drill by its incident."""
    page = page_of(state, PageReason.DRILL_FAILED, now, destination=destination)
    return page.model_copy(update={"subject": destination})
