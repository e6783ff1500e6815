"""What time does to an alert: told again before it grows stale, escalated while nobody answers, expired.

Every time is reckoned from when the hub had the alert, by the hub's own clock, and what was done is in the alert's
state: nothing is lost or comes early when a worker is started anew or partitions move.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bondmate_schemas.enums import AlertAction, AlertStatus, DeliveryReason
from bondmate_schemas.flags import UNANSWERED
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import AlertState

from bondmate_streams.logic.alerts import with_flags, with_header
from bondmate_streams.logic.deliveries import First, Telling, escalation_id, new_id, refresh_id
from bondmate_streams.logic.levels import is_answered, is_delivered
from bondmate_streams.logic.life_cycle import CLOSED, REQUESTS_ONLY, STATUSES, Event, Fact, Rule, rule_for
from bondmate_streams.logic.pages import PageReason, page_of
from bondmate_streams.logic.routing import Decision, Escalation
from bondmate_streams.logic.states import Step, as_told, first_of, first_told, remembering, standing_of, tell


def due(
    state: AlertState,
    decisions: Sequence[Decision],
    escalation: Sequence[Escalation],
    after: datetime,
    now: datetime,
) -> Step:
    """Take the times that have come later than `after` and not later than `now`.

    An escalation is remembered in the state, so it comes once, whatever `after` is; a refresh is not.
    """
    facts = {Fact.UNANSWERED} if is_open_and_unanswered(state) else set[Fact]()
    if state.alert.kind not in REQUESTS_ONLY and state.header.expires_at and state.header.expires_at <= now:
        facts.add(Fact.EXPIRED)
    rule = rule_for(standing_of(state), Event.TIMER, facts)
    if rule.becomes is not None:
        return remembering(_expired(rule, state, decisions, now))
    steps = [step for step in escalation if state.escalated_seconds < step.after_seconds <= _waited(state, now)]
    if rule.tells is None or not steps:
        return Step("refreshed", None, Refresh.of(decisions).tellings(state, after, now))
    return remembering(_escalated(rule, state, steps, now))


def is_open_and_unanswered(state: AlertState) -> bool:
    """Tell whether an alert still waits for a person."""
    return state.status not in CLOSED and not is_answered(at.level for at in state.destinations.values())


def next_due(
    state: AlertState, decisions: Sequence[Decision], escalation: Sequence[Escalation], after: datetime
) -> datetime | None:
    """Give the first time later than `after` at which anything is to be done about an alert; None: never again.

    What an escalation did not do when it was due, since nobody was running, is due at once.
    """
    if state.status in CLOSED:
        return None
    times = [Refresh.of(decisions).next_due(state, after)]
    if is_open_and_unanswered(state):
        since = state.header.received_at
        times += [
            since + timedelta(seconds=step.after_seconds)
            for step in escalation
            if step.after_seconds > state.escalated_seconds
        ]
        if state.alert.kind not in REQUESTS_ONLY:
            times.append(state.header.expires_at)
    return min((time for time in times if time is not None), default=None)


def _waited(state: AlertState, now: datetime) -> float:
    return (now - state.header.received_at).total_seconds()


def _expired(rule: Rule, state: AlertState, decisions: Sequence[Decision], now: datetime) -> Step:
    cause = derived_id("alert", state.header.event_id, "expired")
    ended = with_header(with_flags(state.alert, "expired"), message_id=cause, occurred_at=now)
    ended = ended.model_copy(update={"action": AlertAction.CANCEL})
    after = state.model_copy(update={"alert": ended, "status": rule.becomes, "changed_at": now})
    tellings = tell(state, ended, rule.tells or DeliveryReason.CANCEL, decisions)
    return Step(
        rule.outcome, after, tellings, pages=(page_of(state, PageReason.EXPIRED, now),), standing=True
    )  # fmt: skip


def _escalated(rule: Rule, state: AlertState, steps: Sequence[Escalation], now: datetime) -> Step:
    """Take the steps that are due: tell further destinations, tell those who know again and louder, page a person."""
    event_id = state.header.event_id
    louder = with_flags(state.alert, UNANSWERED)
    origins = {state.header.source, *state.header.hops}
    tellings: dict[str, Telling] = {}
    for step in steps:
        for name, route in step.to:
            if name in origins or name in tellings:
                continue
            known = name in state.destinations
            tellings[name] = Telling(
                name,
                route,
                DeliveryReason.UPDATE if known else DeliveryReason.NEW,
                escalation_id(event_id, name, step.after_seconds) if known else new_id(event_id, name),
                louder.model_copy(update={"action": AlertAction.UPDATE if known else AlertAction.RAISE}),
                first_of(state, name) if known else First(new_id(event_id, name), now),
            )
    further = first_told(event_id, (name for name in tellings if name not in state.destinations), now)
    after = state.model_copy(
        update={
            "destinations": {**state.destinations, **further},
            "status": max(state.status, AlertStatus.ROUTED, key=STATUSES.index) if further else state.status,
            "escalated_seconds": steps[-1].after_seconds,
            "changed_at": now,
        }
    )
    paged = any(step.page for step in steps)
    pages = (page_of(state, PageReason.UNANSWERED, now),) if paged else ()
    return Step(rule.outcome, after, tuple(tellings.values()), pages=pages)


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
        """Give the first time later than `after` at which anybody is to be told again."""
        since = state.header.received_at
        periods = [seconds for _, seconds in self.every.values()]
        numbers = ((max(1, int((after - since).total_seconds() // seconds) + 1), seconds) for seconds in periods)
        return min((since + timedelta(seconds=number * seconds) for number, seconds in numbers), default=None)

    def tellings(self, state: AlertState, after: datetime, now: datetime) -> tuple[Telling, ...]:
        """Give what fell due later than `after` and not later than `now`: at most one a destination.

        Who has not got the alert yet, is not told again: it waits for them.
        """
        if state.status in CLOSED or (state.header.expires_at and state.header.expires_at <= now):
            return ()
        due = (self._due(state, name, after, now) for name in self.every if name in state.destinations)
        return tuple(telling for telling in due if telling is not None)

    def _due(self, state: AlertState, name: str, after: datetime, now: datetime) -> Telling | None:
        route, seconds = self.every[name]
        since = state.header.received_at
        number = int((now - since).total_seconds() // seconds)
        if number <= (after - since).total_seconds() // seconds or number < 1:
            return None
        if not is_delivered(state.destinations[name].level):
            return None
        return Telling(
            name,
            route,
            DeliveryReason.REFRESH,
            refresh_id(state.header.event_id, name, number),
            as_told(state, state.alert),
            first_of(state, name),
        )
