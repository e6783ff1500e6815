"""What is heard of an alert from its destinations: what their transport proves, and what their people say.

What people say may end the alert as a whole, begin a round of escalation anew, or hand the alert over. A step made
again tells the same under the same ids. Standards: 3GPP TS 24.379, 12.1.3.2 (a cancellation by who has no right to it
is refused), TS 23.280, 10.10.1.1A.3 (who has it may end another's alert, and says whose).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from bondmate_schemas.enums import AlertAction, DeliveryReason, EmergencyWord, Level, Ownership, Validity
from bondmate_schemas.error_codes import NOT_ITS_OWN
from bondmate_schemas.flags import UNLINKED
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import AlertState, AlertWhole, DeliveryReceipt, DeviceAlert

from bondmate_streams.logic import drills, grouping, handoff, officer, others, reopening, rounds, starting
from bondmate_streams.logic.answers import is_foreign, is_other_mode, says_only_link
from bondmate_streams.logic.asking import asked_again
from bondmate_streams.logic.deliveries import Notification
from bondmate_streams.logic.headers import with_flags, with_header
from bondmate_streams.logic.levels import furthest, is_answered, is_helped, rises, stage_of, status_of
from bondmate_streams.logic.life_cycle import CLOSED, ENDED_AS, ENDS, AlertPhase, Cause, Fact, LifeCycleEvent, rule_for
from bondmate_streams.logic.pages import PageReason, page_of
from bondmate_streams.logic.rooms import ANY_ROOMS, Rooms
from bondmate_streams.logic.routing import Decision, Escalation
from bondmate_streams.logic.statements import (
    as_ended,
    as_heard,
    as_said,
    is_statement,
    lapses,
    owned_before,
    said_before,
    said_beside,
    with_beside,
    with_owned,
    with_statement,
)
from bondmate_streams.logic.steps import RULES_NOW, Step, as_update, phase_of, remembered, tell

_ASKED_AGAIN: Final = "unanswered_again"
_SAID: Final = frozenset({"said_before", "overtaken", "repeated_end"})
"""Outcomes of what was said before, or is overtaken: what it says beside that was, too."""


@dataclass(frozen=True, slots=True)
class _Around:
    """What stands around a receipt: as `receive` is given it."""

    confirm_to: Collection[str]
    decisions: Sequence[Decision]
    now: datetime
    rooms: Rooms
    escalation: Sequence[Escalation]
    other: AlertState | None = None

    def to_be_told(self) -> Iterator[str]:
        """Yield the destinations that an alert like this goes to, at once or while nobody answers."""
        yield from (decision.destination for decision in self.decisions)
        yield from (name for step in self.escalation for name, _ in step.to)


@remembered
def receive(
    state: AlertState | None, receipt: DeliveryReceipt, confirm_to: Collection[str], decisions: Sequence[Decision],
    now: datetime, *, rooms: Rooms = ANY_ROOMS, escalation: Sequence[Escalation] = (),
    other: AlertState | None = None,
) -> Step:  # fmt: skip
    """Take a receipt of a destination: what its transport proves, or what a person there says.

    Args:
        state: the alert; None when the receipt is of something else.
        receipt: what the destination reports.
        confirm_to: destinations that are told even when they ended the alert themselves.
        decisions: where an alert like this goes, for the names of the rules.
        now: the time of the change of state.
        rooms: who the destinations are.
        escalation: the steps of an alert like this.
        other: the alert that it links to, where it does.
    """
    around = _Around(confirm_to, decisions, now, rooms, escalation, other)
    if grouping.is_link(receipt):
        return _linked(state, receipt, grouping.link_of(receipt), around)
    if receipt.destination == grouping.OPERATIONS and receipt.code == grouping.CLOSE:
        return _by_operations(state, receipt, around)
    receipt = as_said(receipt)
    refused = _why_not(state, receipt, around)
    if state is None or refused:
        return Step(rule_for(phase_of(state), LifeCycleEvent.RECEIPT, refused).outcome, state)
    receipt = as_heard(state, receipt, escalation)
    step = _statement(state, receipt, around) if is_statement(receipt) else _transport(state, receipt, now)
    step = _beside(step, state, receipt, around)
    if not officer.is_told(state):
        step = replace(step, message=None)
    elif receipt.destination in rooms.unlisted and step.message is not None:
        step = replace(step, message=officer.unnamed(step.message))
    return others.noted(state, step, receipt, rooms, now)


def _beside(step: Step, before: AlertState, receipt: DeliveryReceipt, around: _Around) -> Step:
    """Take what a receipt says beside what it says of help: each by its rule, and of a repeat none of it."""
    if step.outcome in _SAID or said_beside(before.destinations[receipt.destination], receipt):
        return step
    for is_said, take in _BESIDE:
        if step.state is not None and is_said(receipt):
            step = take(step, step.state, receipt, around)
    return step


def _named(step: Step, receipt: DeliveryReceipt, outcome: str, *, tells: bool) -> str:
    """Return the outcome of what says several things: that it ends the alert, else what it says beside, where told."""
    return step.outcome if step.outcome in ENDS or not (tells or not is_statement(receipt)) else outcome


def _linked_by_room(step: Step, state: AlertState, receipt: DeliveryReceipt, around: _Around) -> Step:
    """Take that a room says that an alert is of one event with another."""
    if not _may_link(state, receipt, around):
        return replace(step, refused=step.refused or NOT_ITS_OWN)
    link = grouping.link_by(around.rooms.name_of(receipt.destination), around.other)
    linked = _linked(with_beside(state, receipt), receipt, link, around)
    outcome = _named(step, receipt, linked.outcome, tells=True)
    return replace(
        step, outcome=outcome, state=linked.state, notifications=(*step.notifications, *linked.notifications)
    )


def _may_link(state: AlertState, receipt: DeliveryReceipt, around: _Around) -> bool:
    agency = around.rooms.agencies.get(receipt.destination, "")
    return grouping.may_link(state, receipt, agency, around.other)


def _linked(state: AlertState | None, receipt: DeliveryReceipt, link: grouping.AlertLink, around: _Around) -> Step:
    """Take that an alert is linked to another, or that this is undone: nothing else of it changes."""
    rule = rule_for(phase_of(state), LifeCycleEvent.LINK, drills.of(state.alert) if state else ())
    if state is None or rule.outcome == "drill_stands_alone":
        return Step(rule.outcome, state)
    whole = link.over(state.alert.whole)
    if whole == state.alert.whole:
        return Step("no_change", state)
    alert = state.alert.model_copy(update={"whole": whole})
    after = state.model_copy(update={"alert": alert, "changed_at": around.now})
    news = with_header(alert, message_id=derived_id("link", state.header.event_id, receipt.header.message_id))
    told = news.model_copy(update={"action": AlertAction.UPDATE})
    told = with_flags(told, UNLINKED) if not whole.group_id else told
    return Step(rule.outcome, after, tell(after, told, rule.tells, around.decisions) if rule.tells else ())


def _by_operations(state: AlertState | None, receipt: DeliveryReceipt, around: _Around) -> Step:
    """Take that operations end an alert; whose word it was is in the audit trail alone."""
    ends_it = state is not None and _is_its_end(state, receipt)
    rule = rule_for(phase_of(state), LifeCycleEvent.CLOSING, {Fact.REPEAT} if ends_it else set())
    if state is None or rule.tells is None:
        return Step(rule.outcome, state)
    said = receipt.model_copy(update={"by_ref": None})
    message = officer.of_ending(said, state, around.now) if officer.is_told(state) else None
    step = Step(rule.outcome, state, message=message)
    if ends_it:
        told = _end_told(state, state.alert, receipt, around)
        return replace(step, notifications=told, reopened=reopening.by_end(state), tells_device=True)
    return _closed(step, state.model_copy(update={"changed_at": around.now}), receipt, around)


def _why_not(state: AlertState | None, receipt: DeliveryReceipt, around: _Around) -> set[Fact]:
    """Return why a receipt counts for nothing."""
    if state is None:
        return set()
    if is_foreign(state, receipt, around.now, around.decisions):
        return {Fact.FOREIGN}
    if says_only_link(receipt) and not _may_link(state, receipt, around):
        return {Fact.FOREIGN}
    if is_other_mode(state.header, receipt):
        return {Fact.OTHER_MODE}
    return set() if receipt.destination in state.destinations else {Fact.NOT_TOLD}


def _transport(state: AlertState, receipt: DeliveryReceipt, now: datetime) -> Step:
    """Take what the transport proves: it rises until a person there has spoken, and then says nothing any more."""
    known = state.destinations[receipt.destination]
    is_dead = receipt.level is Level.DEAD_LETTERED
    pages = (page_of(state, PageReason.DEAD_LETTERED, now, destination=receipt.destination),) if is_dead else ()
    # Words that say nothing of the alert itself.
    message = officer.answer(receipt, state.device_id, now, silent=state.alert.silent)
    rise = not stage_of(known).said and rises(known.level, receipt.level)
    rule = rule_for(phase_of(state), LifeCycleEvent.RECEIPT, {Fact.RISES} if rise else set())
    if not rise:
        return Step(rule.outcome, state, message=message, pages=pages)
    update = {
        "level": receipt.level,
        "changed_at": now,
        "platform_id": receipt.platform_id or known.platform_id,
        "code": receipt.code,
        "clock_behind_ms": max(known.clock_behind_ms, reopening.behind_ms(known, receipt)),
    }
    destinations = {**state.destinations, receipt.destination: known.model_copy(update=update)}
    status = state.status
    if status not in CLOSED:
        status = furthest(status, status_of(destinations.values()))
    after = state.model_copy(update={"destinations": destinations, "status": status, "changed_at": now})
    return Step(rule.outcome, after, risen=((receipt.destination, receipt.level),), message=message, pages=pages)


def _statement(state: AlertState, receipt: DeliveryReceipt, around: _Around) -> Step:
    """Take what a person says."""
    name, phase, now = receipt.destination, phase_of(state), around.now
    facts = {Fact.STATES, *said_before(state.destinations[name], receipt), *drills.of(state.alert)}
    if _is_its_end(state, receipt):
        rule = rule_for(phase, LifeCycleEvent.RECEIPT, {*facts, Fact.REPEAT})
        told = _end_told(state, state.alert, receipt, around)
        message = officer.of_ending(receipt, state, now)
        return Step(rule.outcome, state, told, reopening.by_end(state), message=message, tells_device=True)
    if facts & {Fact.REPEATED, Fact.OLDER}:
        return Step(rule_for(phase, LifeCycleEvent.RECEIPT, facts).outcome, state)
    after = _stated(state, receipt, now)
    closes = stage_of(after.destinations[name]).closes
    cause = Cause.PART_CLOSED if closes else Cause.WITHDRAWN
    falls_away = phase is AlertPhase.OPEN and lapses(state, after, name)
    # That a room takes back what it said ends nothing, though all others have closed their part.
    if closes and phase is AlertPhase.OPEN and around.rooms.is_ended_by(name, after, around.to_be_told()):
        facts.add(Fact.ENDS)
    elif falls_away and rounds.may_begin(after, cause, now):
        facts.add(Fact.LAPSES)
    rule = rule_for(phase, LifeCycleEvent.RECEIPT, facts)
    message = (
        officer.of_ending(receipt, state, now)
        if Fact.ENDS in facts
        else officer.of_statement(receipt, state, after, now, lapses=falls_away, asks=rule.outcome == _ASKED_AGAIN)
    )
    is_new = stage_of(state.destinations[name]) is not stage_of(after.destinations[name])
    step = Step(rule.outcome, after, risen=((name, receipt.level),) if is_new else (), message=message)
    if Fact.ENDS in facts:
        return _closed(step, after, receipt, around)
    if rule.outcome != _ASKED_AGAIN:
        return step
    # Those who have it hear that nobody answers any more, but for who said so.
    again = asked_again(step.outcome, after, cause, now, around.decisions, leave_out={name})
    return replace(again, risen=step.risen, message=step.message)


def _stated(state: AlertState, receipt: DeliveryReceipt, now: datetime) -> AlertState:
    after = with_statement(state, receipt, now)
    if state.status in CLOSED:
        return after.model_copy(update={"changed_at": now})
    # From seen to assigned time counts once in a round, from the first who has seen it.
    seen_at = state.seen_at or (now if is_answered(after) and not is_helped(after) else None)
    update = {
        "status": status_of(after.destinations.values()),
        "changed_at": now,
        "seen_at": seen_at,
        "answered_rounds": state.round + 1 if is_answered(state) or is_answered(after) else state.answered_rounds,
        "rules": RULES_NOW,
    }
    return after.model_copy(update=update)


def _closed(step: Step, state: AlertState, receipt: DeliveryReceipt, around: _Around) -> Step:
    """End the whole; the officer's own words are not told again as those of who ended it."""
    whole = (state.alert.whole or AlertWhole()).model_copy(
        update={
            "ended_by": around.rooms.name_of(receipt.destination),
            "ended_why": "false_alarm" if receipt.validity is Validity.FALSE else receipt.level.lower(),
            "ended_words": "" if receipt.destination in around.rooms.unlisted else receipt.note or "",
        }
    )
    ended = with_header(
        state.alert,
        message_id=_end_id(state, receipt),
        occurred_at=receipt.header.occurred_at,
    ).model_copy(update={"action": AlertAction.CANCEL, "whole": whole})
    notifications = _end_told(state, ended, receipt, around)
    destinations = as_ended(state.destinations)
    update = {
        # The officer's own words are kept: to say them again, beside a battery for example, is nothing new.
        "alert": ended,
        "destinations": destinations,
        "status": ENDED_AS[receipt.level],
        "ended_at": _ended_at(state, receipt, around.now),
        "handoff": None,
    }
    after = state.model_copy(update=update)
    return replace(step, state=after, notifications=notifications, reopened=reopening.by_end(after), tells_device=True)


def _ended_at(state: AlertState, receipt: DeliveryReceipt, now: datetime) -> datetime:
    """Return when the hub had an ending, and not when its streams came to it: what was pressed in between goes on.

    One from ahead of the clock here ended nothing later than now, but all that was pressed before it by its own time:
    the clock here may be the slow one. And one whose connector's clock is slow ended what it certainly came after.
    """
    received_at = receipt.header.received_at
    ended_at = max(min(now, received_at), min(received_at, state.pressed_at or now))
    if state.pressed_at is None or not reopening.is_after_press(state, receipt):
        return ended_at
    return max(ended_at, state.pressed_at)


def _end_id(state: AlertState, receipt: DeliveryReceipt) -> str:
    return derived_id("alert", state.header.event_id, receipt.header.message_id, "cancel")


def _is_its_end(state: AlertState, receipt: DeliveryReceipt) -> bool:
    """Whether this receipt is what ended the alert, and comes again."""
    return state.status in CLOSED and state.alert.header.message_id == _end_id(state, receipt)


def _end_told(
    state: AlertState, ended: DeviceAlert, receipt: DeliveryReceipt, around: _Around
) -> tuple[Notification, ...]:  # fmt: skip
    # Who ended it knows; only a map that many look at must be told that the marker goes.
    leave_out = () if receipt.destination in around.confirm_to else (receipt.destination,)
    told = ended.model_copy(update={"text": None})
    return tell(state, told, DeliveryReason.CANCEL, around.decisions, leave_out=leave_out)


def _of_started(step: Step, state: AlertState, receipt: DeliveryReceipt, around: _Around) -> Step:
    """Take that a room renews or confirms an emergency that a room started."""
    state = with_beside(state, receipt)
    rule = rule_for(phase_of(state), LifeCycleEvent.STARTED, starting.facts_of(state, receipt, around.rooms))
    outcome = _named(step, receipt, rule.outcome, tells=rule.tells is not None)
    if rule.tells is None:
        return replace(step, state=state, outcome=outcome)
    after = starting.changed(state, receipt, rule.outcome, around.rooms).model_copy(update={"changed_at": around.now})
    update = as_update(after, around.now, receipt.header.message_id, starting.TOLD)
    told = tell(after, update, DeliveryReason.UPDATE, around.decisions)
    return replace(step, outcome=outcome, state=after, notifications=(*step.notifications, *told))


def _owned(step: Step, state: AlertState, receipt: DeliveryReceipt, around: _Around) -> Step:
    """Take what a room says of who owns the alert."""
    if owned_before(state.destinations[receipt.destination], receipt):
        return step
    state = with_owned(state, receipt)
    if handoff.owns_already(state, receipt, around.rooms):
        return replace(step, state=state)
    facts = handoff.facts_of(state, receipt, around.rooms, around.now) | drills.of(state.alert)
    rule = rule_for(phase_of(state), LifeCycleEvent.OWNERSHIP, facts)
    outcome = _named(step, receipt, rule.outcome, tells=rule.tells is not None)
    if rule.tells is None:
        return replace(step, state=state, outcome=outcome, refused=rule.outcome)
    after = handoff.changed(state, receipt, rule.outcome, around.rooms, around.now)
    after = after.model_copy(update={"changed_at": around.now})
    update = as_update(after, around.now, receipt.header.message_id, handoff.TOLD)
    notifications = tell(after, update, DeliveryReason.UPDATE, around.decisions)
    return replace(step, outcome=outcome, state=after, notifications=(*step.notifications, *notifications))


_Take = Callable[[Step, AlertState, DeliveryReceipt, _Around], Step]
_BESIDE: Final[tuple[tuple[Callable[[DeliveryReceipt], bool], _Take], ...]] = (
    (lambda receipt: receipt.ownership is not Ownership.UNSTATED, _owned),
    (lambda receipt: receipt.emergency is not EmergencyWord.UNSTATED, _of_started),
    (lambda receipt: receipt.link_to is not None, _linked_by_room),
)
"""What a receipt can say beside what it says of help, and what takes it, in this order."""
