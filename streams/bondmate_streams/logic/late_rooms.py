"""Rooms that come late to an open alert: a new version of the routes names them while it is open.

They are told as what it is, an alert that is open since before (late entry: 3GPP TS 24.379, 12.1.3.4). Who was told
and is named no more hears the end. Only a version that a person applied does that: an edited file alone tells nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from bondmate_schemas.enums import AlertAction, AlertStatus, DeliveryReason
from bondmate_schemas.flags import TOLD_LATE
from bondmate_schemas.models import AlertState, OthersTold

from bondmate_streams.logic.deliveries import Notification, new_id
from bondmate_streams.logic.headers import with_flags
from bondmate_streams.logic.levels import furthest
from bondmate_streams.logic.life_cycle import CLOSED
from bondmate_streams.logic.rooms import Rooms
from bondmate_streams.logic.routing import Decision, Ground, Routes, explain
from bondmate_streams.logic.routing import decisions as decided
from bondmate_streams.logic.steps import Step, as_told, first_of, first_told


def due_at(state: AlertState, rooms: Rooms) -> datetime | None:
    """Return when rooms are to be looked for again: once a version was applied since the alert was raised."""
    applied_at = rooms.routes_applied_at
    looked = state.others.routes_version if state.others else 0
    if applied_at is None or state.status in CLOSED or looked >= rooms.routes_version:
        return None
    return applied_at if state.header.received_at < applied_at else None


def joined(outcome: str, state: AlertState, decisions: Sequence[Decision], now: datetime, rooms: Rooms) -> Step:
    """Have those join an open alert that are named for it now and do not know it."""
    others = (state.others or OthersTold()).model_copy(update={"routes_version": rooms.routes_version})
    return told_late(outcome, state.model_copy(update={"others": others}), decisions, now, TOLD_LATE)


def told_late(outcome: str, state: AlertState, decisions: Sequence[Decision], now: datetime, flag: str) -> Step:
    """Return what tells those of `decisions` of an open alert that do not know it, and why only now."""
    new = [decision for decision in decisions if decision.destination not in state.destinations]
    event_id = state.header.event_id
    further = first_told(event_id, (decision.destination for decision in new), now)
    status = furthest(state.status, AlertStatus.ROUTED)
    told = {"destinations": {**state.destinations, **further}, "status": status, "changed_at": now}
    after = state.model_copy(update=told)
    alert = with_flags(as_told(state, state.alert), flag).model_copy(update={"action": AlertAction.RAISE})
    notifications = tuple(
        Notification(
            one.destination, one.route, DeliveryReason.NEW, new_id(event_id, one.destination), alert,
            first_of(after, one.destination),
        )
        for one in new
    )  # fmt: skip
    return Step(outcome, after if new else state, notifications)


def with_held(step: Step, held: Sequence[str]) -> Step:
    """Return a step whose alert remembers which rules that ask where it is have held."""
    state = step.state
    if state is None or not held:
        return step
    others = state.others or OthersTold()
    others = others.model_copy(update={"held": tuple(dict.fromkeys((*others.held, *held)))})
    return replace(step, state=state.model_copy(update={"others": others}))


def effects(states: Iterable[AlertState], routes: Routes, ground: Ground | None) -> tuple[Counter[str], Counter[str]]:
    """Return of how many open alerts each room would be told late by `routes`, and of how many hear only the end."""
    late, ending = Counter[str](), Counter[str]()
    for state in states:
        if state.status in CLOSED:
            continue
        named = {one.destination for one in decided(explain(state.alert, routes, ground))}
        late.update(named - state.destinations.keys())
        ending.update(state.destinations.keys() - routes.destinations.keys())
    return late, ending
