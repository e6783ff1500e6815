"""What time does to an alert: told again before it grows stale, escalated while nobody answers, expired.

Every time is reckoned from when its round of escalation began (the first, when the hub had it), by the hub's own clock,
and what was done is in the alert's state: nothing is lost or comes early when a worker is started anew or partitions
move.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bondmate_schemas.enums import AlertAction, AlertStatus, DeliveryReason
from bondmate_schemas.flags import UNANSWERED, UNASSIGNED
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import AlertState, AlertWhole

from bondmate_streams.logic import drills, handoff, late_rooms, others, real, reopening, rounds, starting
from bondmate_streams.logic.asking import asked_again
from bondmate_streams.logic.deliveries import First, Notification, escalation_id, new_id, refresh_id, round_id
from bondmate_streams.logic.headers import with_flags, with_header
from bondmate_streams.logic.levels import furthest, is_answered, is_delivered, is_helped, nobody_is_left, stage_of
from bondmate_streams.logic.life_cycle import CLOSED, REQUESTS_ONLY, Fact, LifeCycleEvent, Rule, rule_for
from bondmate_streams.logic.pages import PageReason, page_of
from bondmate_streams.logic.rooms import ANY_ROOMS, Rooms
from bondmate_streams.logic.routing import EMERGENCIES, Decision, Escalation
from bondmate_streams.logic.steps import RULES_NOW, Step, as_told, first_of, first_told, phase_of, remembered, tell

_TOLD_BY_ROOMS = {
    "offer_over": handoff.given_back,
    "others_told": others.news,
    "joined": late_rooms.joined,
    "not_renewed": starting.not_renewed,
}
_FOR_EVER = 2**31
"""Rounds: more than there ever are."""


@remembered
def due(
    state: AlertState,
    decisions: Sequence[Decision],
    escalation: Sequence[Escalation],
    after: datetime,
    now: datetime,
    *,
    rooms: Rooms = ANY_ROOMS,
) -> Step:
    """Take the times that have come later than `after` and not later than `now`.

    An escalation is remembered in the state, so it comes once, whatever `after` is; a refresh is not. Of several things
    the first is done, and the others are due at once.
    """
    steps = _steps_due(state, escalation, now)
    rule = rule_for(
        phase_of(state),
        LifeCycleEvent.TIMER,
        _facts(
            state, rooms, now, escalation, is_escalated=bool(steps), is_wider=real.is_to_be_widened(state, decisions)
        ),
    )
    if rule.becomes is not None:
        end = drills.ended if state.alert.drill else _expired
        return end(rule, state, decisions, now)
    if rule.outcome == "escalated":
        return _escalated(state, steps, now)
    if rule.outcome == "asked_again":
        put_off = rounds.put_off_until(state, escalation)
        assert put_off is not None
        return asked_again(rule.outcome, state, put_off[0], now, decisions)
    if rule.outcome == "unassigned":
        return _unassigned(state, decisions, escalation, now, rooms)
    if told := _TOLD_BY_ROOMS.get(rule.outcome):
        return told(rule.outcome, state, decisions, now, rooms)
    return Step("refreshed", None, Refresh.of(decisions).notifications(state, after, now))


def _facts(
    state: AlertState,
    rooms: Rooms,
    now: datetime,
    escalation: Sequence[Escalation],
    *,
    is_escalated: bool,
    is_wider: bool,
) -> set[Fact]:
    if state.alert.drill:
        return drills.facts_of(state, now)
    found = {Fact.UNANSWERED} if is_open_and_unanswered(state) else set[Fact]()
    if (at := _expires_at(state)) and at <= now:
        found.add(Fact.EXPIRED)
    elif not is_escalated:
        found.discard(Fact.UNANSWERED)
    if handoff.is_over(state, now):
        found.add(Fact.OFFER_OVER)
    if (at := starting.renew_by(state)) and at <= now:
        found.add(Fact.NOT_RENEWED)
    if (put_off := rounds.put_off_until(state, escalation)) and put_off[1] <= now:
        found.add(Fact.LAPSED)
    if (at := _unassigned_at(state, rooms)) and at <= now:
        found.add(Fact.UNASSIGNED)
    if is_wider or late_rooms.due_at(state, rooms):
        found.add(Fact.NEW_ROUTES)
    if (at := others.due_at(state)) and at <= now:
        found.add(Fact.OTHERS_SAID)
    return found


def _expires_at(state: AlertState) -> datetime | None:
    # What was answered once is an emergency that somebody believed in: no time ends it.
    return None if state.alert.kind in REQUESTS_ONLY or state.answered_rounds else state.header.expires_at


def is_open_and_unanswered(state: AlertState) -> bool:
    """Whether an alert still waits for a person."""
    return state.status not in CLOSED and not is_answered(state)


def next_due(
    state: AlertState,
    decisions: Sequence[Decision],
    escalation: Sequence[Escalation],
    after: datetime,
    *,
    rooms: Rooms = ANY_ROOMS,
) -> datetime | None:
    """Return the first time later than `after` at which anything is to be done about an alert; None: never again.

    What an escalation did not do when it was due, since nobody was running, is due at once.
    """
    if state.status in CLOSED:
        return None
    if state.alert.drill:
        return drills.ends_at(state)
    put_off = rounds.put_off_until(state, escalation)
    times = [
        Refresh.of(decisions).next_due(state, after), _unassigned_at(state, rooms), others.due_at(state),
        starting.renew_by(state), put_off[1] if put_off else None, late_rooms.due_at(state, rooms),
        state.handoff.expires_at if state.handoff else None,
        after if real.is_to_be_widened(state, decisions) else None,
    ]  # fmt: skip
    if is_open_and_unanswered(state):
        further = rounds.further(state, escalation)
        since = rounds.since(state)
        times += [since + timedelta(seconds=step.after_seconds) for step in further]
        times += [state.changed_at] if further and _is_hopeless(state) else []
        times.append(_expires_at(state))
    return min((time for time in times if time is not None), default=None)


def _is_hopeless(state: AlertState) -> bool:
    """Whether nobody is left who could answer; of an alert that an older hub told, nothing is begun."""
    return state.rules >= RULES_NOW and nobody_is_left(state)


def _steps_due(state: AlertState, escalation: Sequence[Escalation], now: datetime) -> list[Escalation]:
    """Return the steps whose time has come; where nobody is left to wait for, the next one is."""
    if not is_open_and_unanswered(state):
        return []
    further = rounds.further(state, escalation)
    waited = (now - rounds.since(state)).total_seconds()
    found = [step for step in further if step.after_seconds <= waited]
    return found or (further[:1] if _is_hopeless(state) else [])


def _unassigned_at(state: AlertState, rooms: Rooms) -> datetime | None:
    """Return when it is too long that a person has seen an alert and nobody has assigned a unit; None: never.

    Where no room of it can say *assigned*, operations hear of it once, and not in each round.
    """
    told_of = state.unassigned_rounds if rooms.some_can_assign(state) else min(state.unassigned_rounds, 1) * _FOR_EVER
    asks_for_help = state.alert.kind in EMERGENCIES and state.status not in CLOSED
    if state.seen_at is None or state.round < told_of or not asks_for_help:
        return None
    if is_helped(state) or not is_answered(state):
        return None
    return state.seen_at + timedelta(seconds=rooms.assign_after_seconds)


def _unassigned(
    state: AlertState, decisions: Sequence[Decision], escalation: Sequence[Escalation], now: datetime, rooms: Rooms
) -> Step:
    """Page a person; where it can be said that a unit is assigned, tell the next destinations and those who know."""
    after = state.model_copy(update={"unassigned_rounds": state.round + 1, "changed_at": now})
    pages = (page_of(state, PageReason.UNASSIGNED, now, number=state.round),)
    if not rooms.some_can_assign(state):
        return Step("unassigned", after, pages=pages)
    event_id, number = state.header.event_id, state.round
    told = with_flags(state.alert, UNASSIGNED).model_copy(update={"action": AlertAction.UPDATE})
    notifications = [
        replace(notification, delivery_id=round_id(event_id, notification.destination, number, UNASSIGNED))
        for notification in tell(state, told, DeliveryReason.UPDATE, decisions)
    ]
    step = next((step for step in rounds.further(state, escalation) if step.to), None)
    if step is not None:
        known = {state.header.source, *state.header.hops, *state.destinations}
        new = [(name, route) for name, route in step.to if name not in known]
        raised = told.model_copy(update={"action": AlertAction.RAISE})
        further = first_told(event_id, (name for name, _ in new), now)
        after = after.model_copy(
            update={
                "destinations": {**state.destinations, **further},
                "escalated_seconds": step.after_seconds,
            }
        )
        notifications += [
            Notification(name, route, DeliveryReason.NEW, new_id(event_id, name), raised, first_of(after, name))
            for name, route in new
        ]
    return Step("unassigned", after, tuple(notifications), pages=pages)


def _expired(rule: Rule, state: AlertState, decisions: Sequence[Decision], now: datetime) -> Step:
    cause = derived_id("alert", state.header.event_id, "expired")
    ended = with_header(with_flags(state.alert, "expired"), message_id=cause, occurred_at=now)
    whole = (state.alert.whole or AlertWhole()).model_copy(update={"ended_by": "time", "ended_why": "expired"})
    ended = ended.model_copy(update={"action": AlertAction.CANCEL, "text": None, "whole": whole})
    after = state.model_copy(
        update={
            "alert": ended.model_copy(update={"text": state.alert.text}),
            "status": rule.becomes,
            "changed_at": now,
            "ended_at": min(now, _expires_at(state) or now),
            "handoff": None,
        }
    )
    notifications = tell(state, ended, rule.tells or DeliveryReason.CANCEL, decisions)
    pages = (page_of(state, PageReason.EXPIRED, now),)
    return Step(rule.outcome, after, notifications, reopening.by_end(after), pages=pages, tells_device=True)


def _escalated(state: AlertState, steps: Sequence[Escalation], now: datetime) -> Step:
    """Take the steps that are due: tell further destinations, tell those who know again and louder, page a person."""
    event_id = state.header.event_id
    louder = with_flags(as_told(state, state.alert), UNANSWERED)
    origins = {state.header.source, *state.header.hops}
    notifications: dict[str, Notification] = {}
    for step in steps:
        for name, route in step.to:
            if name in origins or name in notifications:
                continue
            known = name in state.destinations
            notifications[name] = Notification(
                name,
                route,
                DeliveryReason.UPDATE if known else DeliveryReason.NEW,
                escalation_id(event_id, name, step.after_seconds, state.round) if known else new_id(event_id, name),
                louder.model_copy(update={"action": AlertAction.UPDATE if known else AlertAction.RAISE}),
                first_of(state, name) if known else First(new_id(event_id, name), now),
            )
    further = first_told(event_id, (name for name in notifications if name not in state.destinations), now)
    after = state.model_copy(
        update={
            "destinations": {**state.destinations, **further},
            "status": furthest(state.status, AlertStatus.ROUTED) if further else state.status,
            "escalated_seconds": steps[-1].after_seconds,
            "changed_at": now,
        }
    )
    paged = any(step.page for step in steps)
    pages = (page_of(state, PageReason.UNANSWERED, now, number=state.round),) if paged else ()
    return Step("escalated", after, tuple(notifications.values()), pages=pages)


@dataclass(frozen=True, slots=True)
class Refresh:
    """When which destinations are to be told of an open alert again."""

    every: Mapping[str, tuple[str, float]]
    """Route and seconds, by destination."""

    @classmethod
    def of(cls, decisions: Iterable[Decision]) -> Refresh:
        """Read what the rules that decided say of it."""
        return cls({d.destination: (d.route, d.refresh_seconds) for d in decisions if d.refresh_seconds})

    def next_due(self, state: AlertState, after: datetime) -> datetime | None:
        """Return the first time later than `after` at which anybody is to be told again."""
        since = state.header.received_at
        periods = [seconds for _, seconds in self.every.values()]
        numbers = ((max(1, int((after - since).total_seconds() // seconds) + 1), seconds) for seconds in periods)
        return min((since + timedelta(seconds=number * seconds) for number, seconds in numbers), default=None)

    def notifications(self, state: AlertState, after: datetime, now: datetime) -> tuple[Notification, ...]:
        """Return what fell due later than `after` and not later than `now`: at most one a destination.

        Who has not got the alert yet, is not told again: it waits for them.
        """
        if state.status in CLOSED or (state.header.expires_at and state.header.expires_at <= now):
            return ()
        due = (self._due(state, name, after, now) for name in self.every if name in state.destinations)
        return tuple(notification for notification in due if notification is not None)

    def _due(self, state: AlertState, name: str, after: datetime, now: datetime) -> Notification | None:
        route, seconds = self.every[name]
        since = state.header.received_at
        number = int((now - since).total_seconds() // seconds)
        if number <= (after - since).total_seconds() // seconds or number < 1:
            return None
        # Who has closed its part does not want to see it again and again.
        if not is_delivered(state.destinations[name].level) or stage_of(state.destinations[name]).closes:
            return None
        delivery_id, told = refresh_id(state.header.event_id, name, number), as_told(state, state.alert)
        return Notification(name, route, DeliveryReason.REFRESH, delivery_id, told, first_of(state, name))
