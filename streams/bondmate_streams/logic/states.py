"""The life of an alert as its device makes it: raised, pressed again, asked to be cancelled, reopened.

Every step can be made again with what it was made from, and then tells the same under the same ids: a crash between a
step and its end repeats, it does not lose. Standards: 3GPP TS 24.379, 12 (emergency alert and its cancellation), TS
23.280, 10.10 (whose state it is, who may end another's).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from bondmate_schemas.device_alert_ids import is_hidden
from bondmate_schemas.enums import AlertAction, AlertKind, AlertStatus, DeliveryReason, Level, PositionOrigin, Priority
from bondmate_schemas.flags import (
    CONFIRMED,
    DEVICE_HEARD,
    DEVICE_REVOKED,
    DEVICE_SILENT,
    FROM_EXERCISE,
    FROM_REPLACED,
    NEEDS_HELP_AGAIN,
    NOT_RENEWED,
    OUT_OF_EXERCISE,
    SILENCE_OVER,
    STARTED_BY_ROOM,
    UNDER_DURESS,
)
from bondmate_schemas.models import (
    AlertState,
    AlertWhole,
    Attachment,
    DeviceAlert,
    DeviceMessage,
    ExternalRef,
    OperationsPage,
)

from bondmate_streams.logic import drills, grouping, officer, reopening, rounds, starting
from bondmate_streams.logic.duress import is_said_under
from bondmate_streams.logic.headers import is_pressed_there, with_flags, with_header
from bondmate_streams.logic.levels import is_answered, is_helped, status_of
from bondmate_streams.logic.life_cycle import CLOSED, REQUESTS_ONLY, Cause, Fact, LifeCycleEvent, Rule, rule_for
from bondmate_streams.logic.pages import PageReason, page_of
from bondmate_streams.logic.rooms import is_taken_up
from bondmate_streams.logic.routing import Decision, Escalation
from bondmate_streams.logic.steps import RULES_NOW, Step, first_told, phase_of, remembered, tell

_REFS_KEPT = 16
_ATTACHMENTS_KEPT: Final = 32
"""The newest: a device can send updates for as long as its alert is open."""
_STAYS: Final = OUT_OF_EXERCISE | {
    UNDER_DURESS, DEVICE_REVOKED, FROM_REPLACED, STARTED_BY_ROOM, CONFIRMED, NOT_RENEWED, SILENCE_OVER,
}  # fmt: skip
"""Flags that hold of an alert whatever comes later."""
_PRIORITIES: Final = (Priority.IMMEDIATE, Priority.URGENT, Priority.ROUTINE, Priority.UNKNOWN)
_ROUNDS: Final = {"graver": Cause.GRAVER, "pressed_anew": Cause.PRESS}


@remembered
def change(
    state: AlertState | None,
    alert: DeviceAlert,
    decisions: Sequence[Decision],
    now: datetime,
    *,
    further: Sequence[Decision] = (),
    escalation: Sequence[Escalation] = (),
) -> Step:
    """Take a change of an alert.

    Args:
        state: the alert so far; None when it is new.
        alert: the change, correlated and joined.
        decisions: where an alert like this goes, for one that is new.
        now: the time of the change of state.
        further: where it goes as what it becomes by this, where `asks_routes_again`.
        escalation: the steps of the alert so far.
    """
    event = LifeCycleEvent.CANCEL if alert.action is AlertAction.CANCEL else LifeCycleEvent.PRESS
    rule = rule_for(phase_of(state), event, _facts(state, alert, decisions, now, escalation))
    if state is None:
        return _begin(rule, alert, decisions, now)
    if state.status in CLOSED:
        return _after_closing(rule, state, alert, decisions, now)
    if rule.outcome in {"overtaken", "drill_goes_on"}:
        return Step(rule.outcome, state, tells_device=True)
    if rule.outcome == "repeat":
        # Paged again under the same id: a worker may have died before it paged.
        pages, message = _pages_at_first(state, now), _to_officer(state, now)
        told = tell(state, alert, DeliveryReason.NEW, decisions)
        return Step(rule.outcome, state, told, pages=pages, message=message)
    return _changed(rule, state, alert, decisions, now, further=further, escalation=escalation)


def _facts(
    state: AlertState | None,
    alert: DeviceAlert,
    decisions: Sequence[Decision],
    now: datetime,
    escalation: Sequence[Escalation],
) -> set[Fact]:
    found = drills.of(state.alert if state else alert)
    if _is_request(state, alert):
        found.add(Fact.REQUEST_ONLY)
    if state is None:
        return found if decisions else found | {Fact.NOWHERE}
    if _is_repeat(state, alert):
        found.add(Fact.REPEAT)
    if alert.action is AlertAction.CANCEL and reopening.is_before_press(state, alert):
        # A press after it takes it back whichever comes first.
        found.add(Fact.OLDER)
    if state.status in CLOSED:
        return found | _facts_after_the_end(state, alert)
    if is_graver(state, alert) and rounds.may_begin(state, Cause.GRAVER, now):
        found.add(Fact.GRAVER)
    waits_in_vain = rounds.has_lapsed(state) or (not is_answered(state) and rounds.is_used_up(state, escalation))
    if _is_pressed(alert, state.alert) and waits_in_vain and rounds.may_begin(state, Cause.PRESS, now):
        found.add(Fact.LAPSED)
    return found


def _is_request(state: AlertState | None, alert: DeviceAlert) -> bool:
    """Whether a cancel of this alert only asks for its end."""
    if state is None:
        return alert.kind in REQUESTS_ONLY or is_said_under(alert)
    if _is_older(state, alert) or is_said_under(alert):
        return True
    kind = rounds.graver(state.alert.kind, alert.kind)
    taken_up = kind is AlertKind.ASSISTANCE and any(is_taken_up(at) for at in state.destinations.values())
    return kind in REQUESTS_ONLY or taken_up


def is_graver(state: AlertState | None, alert: DeviceAlert) -> bool:
    """Whether a change makes an open alert graver than it was."""
    if state is None or state.status in CLOSED or alert.action is AlertAction.CANCEL:
        return False
    return rounds.graver(state.alert.kind, alert.kind) is not state.alert.kind


def asks_routes_again(state: AlertState, alert: DeviceAlert) -> bool:
    """Whether a change may be told to more than know of the alert.

    It is graver, or silent no more, or nobody knows of it.
    """
    if state.status in CLOSED:
        return False
    return is_graver(state, alert) or _is_made_loud(state, alert) or not state.destinations


def _is_by_person(alert: DeviceAlert, known: DeviceAlert) -> bool:
    """Whether somebody did it at the device: a press, words, a graver kind."""
    return _is_pressed(alert, known) or _says_more(alert, known)


def _says_more(alert: DeviceAlert, known: DeviceAlert) -> bool:
    """Whether a change has words, presses or a kind that are not known yet."""
    words = alert.text is not None and alert.text != known.text
    is_graver = rounds.graver(known.kind, alert.kind) is not known.kind
    return words or alert.press_count > known.press_count or is_graver


def _is_pressed(alert: DeviceAlert, known: DeviceAlert) -> bool:
    """Whether somebody pressed: no fix, no battery."""
    return alert.action in {AlertAction.RAISE, AlertAction.UNKNOWN} or alert.press_count > known.press_count


def _is_by_officer(alert: DeviceAlert, known: DeviceAlert) -> bool:
    """Whether an officer presses."""
    pressed = _is_pressed(alert, known) and alert.action is not AlertAction.CANCEL
    return pressed and is_pressed_there(alert)


def _is_made_loud(state: AlertState, alert: DeviceAlert) -> bool:
    """Whether an officer presses aloud of whom a room had started a silent emergency."""
    return _is_by_officer(alert, state.alert) and starting.is_made_loud(state, alert)


def _is_repeat(state: AlertState, alert: DeviceAlert) -> bool:
    if state.status in CLOSED:
        return alert.header.message_id == state.alert.header.message_id and state.alert.action is AlertAction.CANCEL
    return alert.header.message_id == state.header.message_id


def _facts_after_the_end(state: AlertState, alert: DeviceAlert) -> set[Fact]:
    header, known = alert.header, state.alert
    if header.message_id == state.header.message_id:
        return set()
    # What came before the last change was taken before, or else it says more than is known.
    is_older = header.received_at <= known.header.received_at
    if not (_says_more if is_older else _is_by_person)(alert, known):
        return set()
    # A state of before there was a time of its end says no more than what was the last change.
    ended_at = state.ended_at or (known.header.received_at if is_older else None)
    is_made_before = ended_at is not None and reopening.made_at(header) <= ended_at
    return {Fact.BY_PERSON, Fact.MADE_BEFORE} if is_made_before else {Fact.BY_PERSON}


def _begin(rule: Rule, alert: DeviceAlert, decisions: Sequence[Decision], now: datetime) -> Step:
    if rule.becomes is None:
        return Step(rule.outcome)
    asked = alert.action is AlertAction.CANCEL
    if asked:
        # Somebody asks to call off an emergency nobody was told of: they must be told of both.
        alert = with_flags(alert, "cancel_requested")
    alert = alert.model_copy(update={"action": AlertAction.RAISE})
    is_over = rule.becomes in CLOSED
    if is_over:
        whole = (alert.whole or AlertWhole()).model_copy(update={"ended_by": "hub", "ended_why": rule.outcome})
        alert = alert.model_copy(update={"whole": whole})
    is_press = not asked and is_pressed_there(alert)
    state = AlertState(
        header=alert.header,
        device_id=alert.device_id,
        status=rule.becomes if decisions or is_over else AlertStatus.RAISED,
        alert=alert,
        destinations=first_told(alert.header.event_id, (d.destination for d in decisions), now),
        cancel_requested=asked,
        changed_at=now,
        rules=RULES_NOW,
        ended_at=now if is_over else None,
        pressed_at=reopening.made_at(alert.header) if is_press else None,
        pressed_by_device_clock_at=reopening.by_device_clock(alert) if is_press else None,
    )
    return Step(
        rule.outcome,
        state,
        tell(state, alert, DeliveryReason.NEW, decisions),
        pages=_pages_at_first(state, now),
        message=_to_officer(state, now),
        tells_device=is_over or "reopened" in alert.header.flags,
    )


def _to_officer(state: AlertState, now: datetime) -> DeviceMessage | None:
    """Return what tells an officer that a room has started an emergency, unless it is a silent one."""
    return officer.started(state, now) if starting.is_started(state.alert) and not state.alert.silent else None


def _pages_at_first(state: AlertState, now: datetime) -> tuple[OperationsPage, ...]:
    reasons = () if state.destinations else (PageReason.UNROUTED,)
    if FROM_EXERCISE in state.header.flags:
        reasons = (*reasons, PageReason.FROM_EXERCISE)
    if STARTED_BY_ROOM in state.header.flags:
        reasons = (*reasons, PageReason.STARTED)
    return tuple(page_of(state, reason, now) for reason in reasons)


def _after_closing(
    rule: Rule, state: AlertState, alert: DeviceAlert, decisions: Sequence[Decision], now: datetime
) -> Step:
    if rule.tells is not None:
        return Step(rule.outcome, state, tell(state, state.alert, rule.tells, decisions), tells_device=True)
    if rule.outcome == "late":
        page = page_of(state, PageReason.LATE, now, destination=alert.header.message_id)
        message = officer.came_late(state, alert, now) if officer.is_told(state) else None
        return Step(rule.outcome, state, message=message, pages=(page,), tells_device=True)
    if rule.outcome != "reopened":
        return Step(rule.outcome, state, tells_device=True)
    return Step(rule.outcome, state, reopened=reopening.by_press(state, alert), tells_device=True)


def _changed(
    rule: Rule,
    state: AlertState,
    alert: DeviceAlert,
    decisions: Sequence[Decision],
    now: datetime,
    *,
    further: Sequence[Decision],
    escalation: Sequence[Escalation],
) -> Step:
    """Take an update or a cancel of an open alert, and tell exactly those who were told; of a graver kind, more."""
    assert rule.tells is not None
    ends, asked = rule.becomes is not None, rule.outcome == "cancel_requested"
    merged, kept = _merged_and_kept(state, alert, ends=ends, asked=asked)
    first = _told_first_by(state, alert)
    state = _in_its_round(rule, state, alert, now, escalation)
    notifications = tell(state, merged, rule.tells, decisions, leave_out=first)
    # Of an alert of before the upgrade a fix or a battery changes nothing that its device was shown.
    is_news = state.rules >= RULES_NOW or asked or _is_by_person(alert, state.alert)
    new = [] if ends else [decision for decision in further if decision.destination not in state.destinations]
    names = [decision.destination for decision in new]
    destinations = {**state.destinations, **first_told(state.header.event_id, names, now)}
    after = state.model_copy(
        update={
            "alert": kept,
            "destinations": destinations,
            "status": rule.becomes or (status_of(destinations.values()) if is_news else state.status),
            "cancel_requested": asked or (state.cancel_requested and not _takes_request_back(state, alert)),
            "changed_at": now,
            **_pressed(state, alert),
            "rules": RULES_NOW if is_news else state.rules,
            # Of one that was answered before the upgrade it is now that the time for a unit begins.
            "seen_at": state.seen_at or (now if is_news and is_answered(state) and not is_helped(state) else None),
            **({"ended_at": min(now, alert.header.received_at), "handoff": None} if ends else {}),
        }
    )
    if new or first:
        told = tell(
            after, merged.model_copy(update={"action": AlertAction.RAISE}), DeliveryReason.NEW, [*decisions, *further]
        )
        notifications += tuple(notification for notification in told if notification.destination in {*names, *first})
    # A request too: the device's memory may have taken it for the end.
    return Step(rule.outcome, after, notifications, tells_device=ends or asked)


def _merged_and_kept(
    state: AlertState, alert: DeviceAlert, *, ends: bool, asked: bool
) -> tuple[DeviceAlert, DeviceAlert]:
    """Return an open alert with what its device says now, as rooms are told and as it is remembered."""
    # A request goes as an update: whoever reads `action` must not take it for the end.
    action = AlertAction.CANCEL if ends else AlertAction.UPDATE
    flags = ("cancel_requested",) if asked else ()
    merged = with_flags(merged_with(state, alert).model_copy(update={"action": action}), *flags)
    if ends:
        whole = (merged.whole or AlertWhole()).model_copy(update={"ended_by": "device", "ended_why": "cancelled"})
        merged = merged.model_copy(update={"text": alert.text, "whole": whole})
    # Told as it says itself, whenever it comes: one that comes again after a crash is older than what came since.
    kept = with_flags(_with_older(state, alert), *flags) if _is_older(state, alert) else merged
    if starting.is_unconfirmed(state.alert) and _is_by_officer(alert, state.alert):
        return starting.confirmed(merged), starting.confirmed(kept)
    return merged, kept


def _in_its_round(
    rule: Rule, state: AlertState, alert: DeviceAlert, now: datetime, escalation: Sequence[Escalation]
) -> AlertState:
    """Return an alert in the round of escalation that a change begins, if it does."""
    if cause := _ROUNDS.get(rule.outcome):
        # What is due already is not put off: nobody has answered, and a graver kind must not be asked for later.
        is_due = not is_answered(state) and not rounds.is_used_up(state, escalation)
        since = rounds.since(state) if cause is Cause.GRAVER and is_due else now
        return rounds.begun(state, cause, now, since=since)
    return rounds.put_off(state, now, escalation) if is_graver(state, alert) else state


def _pressed(state: AlertState, alert: DeviceAlert) -> dict[str, datetime | None]:
    """Return when somebody last did something at the device, by which it is told from an end or a cancel before it."""
    is_cancel = alert.action is AlertAction.CANCEL
    if is_cancel or not is_pressed_there(alert) or not _is_by_person(alert, state.alert):
        return {}
    made_at = reopening.made_at(alert.header)
    return {
        "pressed_at": max(state.pressed_at or made_at, made_at),
        "pressed_by_device_clock_at": reopening.last_by_device_clock(state, alert),
    }


def _takes_request_back(state: AlertState, alert: DeviceAlert) -> bool:
    """Whether somebody asks for help anew who had asked to cancel: a press, words, a graver kind after it."""
    is_cancel = alert.action is AlertAction.CANCEL
    return not is_cancel and not _is_older(state, alert) and _is_by_person(alert, state.alert)


def _told_first_by(state: AlertState, alert: DeviceAlert) -> set[str]:
    """Return who is told of an alert first by a change that comes again: a worker may have died before it told."""
    if alert.header.message_id != state.alert.header.message_id:
        return set()
    told = state.destinations.items()
    return {name for name, at in told if at.level is Level.UNKNOWN and at.later_delivery_ids == ()}


def merged_with(state: AlertState, alert: DeviceAlert) -> DeviceAlert:
    """Put a change over the alert as last told: what it does not say stays, its mode never changes."""
    old = state.alert
    # In mid-emergency a spare, which may be enrolled under other names, does not rename the officer.
    who, else_who = (alert, old) if alert.device_id == state.device_id else (old, alert)
    update: dict[str, object] = {
        "kind": rounds.graver(old.kind, alert.kind),
        "whole": grouping.merged(old.whole, alert),
        "text": alert.text or old.text,
        "press_count": max(old.press_count, alert.press_count),
        "silent": old.silent or alert.silent,
        "priority": min(old.priority, alert.priority, key=_PRIORITIES.index),
        "officer_ref": who.officer_ref or else_who.officer_ref,
        "unit": who.unit or else_who.unit,
        "callsign": who.callsign or else_who.callsign,
        "attachments": _attachments(old, alert),
        "battery_percent": old.battery_percent if alert.battery_percent is None else alert.battery_percent,
    }
    if _keeps_position(old, alert):
        for name in ("position", "position_origin", "position_age_seconds"):
            update[name] = getattr(old, name)
    comes_again = alert.header.message_id == old.header.message_id
    stays = _STAYS | {NEEDS_HELP_AGAIN} if comes_again else _STAYS
    if not is_pressed_there(alert) and DEVICE_HEARD not in alert.header.flags:
        stays |= {DEVICE_SILENT}
    flags = tuple(flag for flag in old.header.flags if flag in stays)
    if state.cancel_requested:
        flags = (NEEDS_HELP_AGAIN if _takes_request_back(state, alert) else "cancel_requested", *flags)
    # Each press has a number of its device by which others ask for the alert; the newest are last.
    header, latest = state.header, _refs_said(state, alert)
    refs = (*(ref for ref in old.header.external_refs if ref not in latest), *latest)[-_REFS_KEPT:]
    # References hang on the agency, so it stays that of the first message.
    known = with_header(
        alert, mode=header.mode, agency_id=header.agency_id, incident_id=header.incident_id, external_refs=refs,
        language=_language_of_words(alert, old),
    )  # fmt: skip
    merged = with_flags(known.model_copy(update=update), *flags)
    return starting.made_loud(merged) if _is_made_loud(state, alert) else merged


def _is_older(state: AlertState, alert: DeviceAlert) -> bool:
    """Whether the hub had a change before the last one that it took."""
    return alert.header.received_at < state.alert.header.received_at


def _with_older(state: AlertState, alert: DeviceAlert) -> DeviceAlert:
    """Return the alert with what an older change adds to it, which comes only now: it replaces nothing."""
    old, header = state.alert, state.alert.header
    update: dict[str, object] = {
        "kind": rounds.graver(old.kind, alert.kind),
        "text": old.text or alert.text,
        "press_count": max(old.press_count, alert.press_count),
        "silent": old.silent or alert.silent,
        "attachments": _attachments(alert, old),
    }
    refs = tuple(dict.fromkeys((*_refs_said(state, alert), *header.external_refs)))[-_REFS_KEPT:]
    language = _language_of_words(old, alert)
    kept = with_header(old, external_refs=refs, language=language).model_copy(update=update)
    kept = with_flags(kept, *(flag for flag in alert.header.flags if flag in _STAYS))
    return starting.made_loud(kept) if _is_made_loud(state, alert) else kept


def _language_of_words(alert: DeviceAlert, other: DeviceAlert) -> str | None:
    """Return the language of the words that count: of the alert's, else the other's."""
    said, else_said = alert.header.language, other.header.language
    return said if alert.text else else_said or said


def _attachments(first: DeviceAlert, then: DeviceAlert) -> tuple[Attachment, ...]:
    return tuple(dict.fromkeys((*first.attachments, *then.attachments)))[-_ATTACHMENTS_KEPT:]


def _refs_said(state: AlertState, alert: DeviceAlert) -> tuple[ExternalRef, ...]:
    """Return the numbers that a change brings; an alert that is hidden from its device is shown by those of a press."""
    is_shown = not is_hidden(state.alert) or _is_by_officer(alert, state.alert)
    return alert.header.external_refs if is_shown else ()


def _keeps_position(old: DeviceAlert, new: DeviceAlert) -> bool:
    if new.position is None or old.position is None:
        return new.position is None
    return new.position_origin is PositionOrigin.JOINED and new.position.fixed_at < old.position.fixed_at
