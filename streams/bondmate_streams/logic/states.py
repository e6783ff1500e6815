"""The life of an alert: raised, told to destinations, answered by them, asked to be cancelled, closed.

Every step can be made again with what it was made from, and then tells the same under the same ids: a crash between a
step and its end repeats, it does not lose.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from bondmate_schemas.enums import (
    AlertAction,
    AlertKind,
    AlertStatus,
    DeliveryReason,
    Level,
    MessageDirection,
    PositionOrigin,
)
from bondmate_schemas.flags import UNANSWERED
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import (
    AlertState,
    DeliveryReceipt,
    DestinationState,
    DeviceAlert,
    DeviceMessage,
    ExternalRef,
    OperationsPage,
)
from bondmate_schemas.own_alerts import alert_event_id, own_ids

from bondmate_streams.logic.alerts import with_flags, with_header
from bondmate_streams.logic.answers import is_foreign, is_other_mode, with_told
from bondmate_streams.logic.deliveries import First, Telling, later_id, new_id
from bondmate_streams.logic.levels import is_answered, rises, status_of
from bondmate_streams.logic.life_cycle import CLOSED, REQUESTS_ONLY, Event, Fact, Rule, Standing, rule_for
from bondmate_streams.logic.pages import PageReason, page_of
from bondmate_streams.logic.routing import Decision

SOURCE = "streams"
"""The hub itself as the origin of what it says."""
_REFS_KEPT = 16
_ANSWERS = frozenset({Level.ACKNOWLEDGED, Level.RESPONDING, Level.RESOLVED, Level.DECLINED})


@dataclass(frozen=True, slots=True)
class Step:
    """What an event made of an alert."""

    outcome: str
    state: AlertState | None = None
    """The state after it; None when there is no such alert."""
    tellings: tuple[Telling, ...] = ()
    reopened: DeviceAlert | None = None
    """The press of a closed alert, as the alert of its own that it now is."""
    risen: tuple[tuple[str, Level], ...] = ()
    """Destination and level, of a level that rose."""
    message: DeviceMessage | None = None
    """A person's answer, for the officer."""
    pages: tuple[OperationsPage, ...] = ()
    """What operations must see now."""
    standing: bool = field(default=False)
    """True: the device's memory must hear how the alert stands now."""


def change(state: AlertState | None, alert: DeviceAlert, decisions: Sequence[Decision], now: datetime) -> Step:
    """Take a change of an alert.

    Args:
        state: the alert so far; None when it is new.
        alert: the change, correlated and joined.
        decisions: where an alert like this goes, for one that is new.
        now: the time of the change of state.
    """
    return remembering(_change(state, alert, decisions, now))


def remembering(step: Step) -> Step:
    """Return `step` with a state that remembers the ids of what it tells."""
    return step if step.state is None else replace(step, state=with_told(step.state, step.tellings))


def _change(state: AlertState | None, alert: DeviceAlert, decisions: Sequence[Decision], now: datetime) -> Step:
    event = Event.CANCEL if alert.action is AlertAction.CANCEL else Event.PRESS
    rule = rule_for(standing_of(state), event, _facts(state, alert, decisions))
    if state is None:
        return _begin(rule, alert, decisions, now)
    if state.status in CLOSED:
        return _after_closing(rule, state, alert, decisions)
    if rule.outcome == "repeat":
        return Step(
            rule.outcome,
            state,
            tell(state, alert, DeliveryReason.NEW, decisions),
            # Paged again under the same id: a worker may have died before it paged.
            pages=_pages_for_nowhere(state, now),
        )
    return _changed(rule, state, alert, decisions, now)


def standing_of(state: AlertState | None) -> Standing:
    """Tell where an alert stands, as far as the rules ask."""
    if state is None:
        return Standing.NONE
    return Standing.CLOSED if state.status in CLOSED else Standing.OPEN


def _facts(state: AlertState | None, alert: DeviceAlert, decisions: Sequence[Decision]) -> set[Fact]:
    found = set()
    if alert.kind in REQUESTS_ONLY or (state is not None and state.alert.kind in REQUESTS_ONLY):
        found.add(Fact.REQUEST_ONLY)
    if state is None:
        return found if decisions else found | {Fact.NOWHERE}
    if _is_repeat(state, alert):
        found.add(Fact.REPEAT)
    if _is_new_press(state, alert):
        found.add(Fact.NEW_PRESS)
    return found


def _is_repeat(state: AlertState, alert: DeviceAlert) -> bool:
    if state.status in CLOSED:
        return alert.header.message_id == state.alert.header.message_id and state.alert.action is AlertAction.CANCEL
    return alert.header.message_id == state.header.message_id


def _is_new_press(state: AlertState, alert: DeviceAlert) -> bool:
    header, known = alert.header, state.alert
    repeated = header.message_id == state.header.message_id or header.received_at <= known.header.received_at
    worse = alert.action is AlertAction.UPDATE and alert.kind in REQUESTS_ONLY and alert.kind is not known.kind
    return not repeated and (alert.action in {AlertAction.RAISE, AlertAction.UNKNOWN} or worse)


def _begin(rule: Rule, alert: DeviceAlert, decisions: Sequence[Decision], now: datetime) -> Step:
    if rule.becomes is None:
        return Step(rule.outcome)
    asked = alert.action is AlertAction.CANCEL
    if asked:
        # Somebody asks to call off an emergency nobody was told of: they must be told of both.
        alert = with_flags(alert, "cancel_requested")
    alert = alert.model_copy(update={"action": AlertAction.RAISE})
    state = AlertState(
        header=alert.header,
        device_id=alert.device_id,
        status=rule.becomes if decisions else AlertStatus.RAISED,
        alert=alert,
        destinations=first_told(alert.header.event_id, (d.destination for d in decisions), now),
        cancel_requested=asked,
        changed_at=now,
    )
    return Step(
        rule.outcome,
        state,
        tell(state, alert, DeliveryReason.NEW, decisions),
        pages=_pages_for_nowhere(state, now),
        standing="reopened" in alert.header.flags,
    )


def _pages_for_nowhere(state: AlertState, now: datetime) -> tuple[OperationsPage, ...]:
    return () if state.destinations else (page_of(state, PageReason.UNROUTED, now),)


def first_told(event_id: str, names: Iterable[str], now: datetime) -> dict[str, DestinationState]:
    """Give the state of destinations that are told of an alert for the first time."""
    return {
        name: DestinationState(changed_at=now, delivery_id=new_id(event_id, name), sent_at=now, later_delivery_ids=())
        for name in names
    }


def first_of(state: AlertState, name: str) -> First:
    """Give the first Delivery of an alert to a destination that was told.

    One that an earlier version of the hub made went out under the time that the alert itself says.
    """
    known = state.destinations[name]
    delivery_id = known.delivery_id or new_id(state.header.event_id, name)
    return First(delivery_id, known.sent_at or state.header.occurred_at)


def _after_closing(rule: Rule, state: AlertState, alert: DeviceAlert, decisions: Sequence[Decision]) -> Step:
    if rule.tells is not None:
        return Step(rule.outcome, state, tell(state, state.alert, rule.tells, decisions), standing=True)
    if rule.outcome != "reopened":
        return Step(rule.outcome, state, standing=True)
    event_id = _own_event_id(state, alert)
    anew = with_header(with_flags(alert, "reopened"), event_id=event_id, incident_id=derived_id("incident", event_id))
    fresh = anew.model_copy(update={"action": AlertAction.RAISE, "press_count": 1})
    return Step(rule.outcome, state, reopened=fresh, standing=True)


def _own_event_id(closed: AlertState, press: DeviceAlert) -> str:
    """Give the event id its device was told of the press; one of its own where that was the closed alert's."""
    told = [alert_event_id(press.device_id, own_id) for own_id in own_ids(press)]
    if told and told[-1] != closed.header.event_id:
        return told[-1]
    return derived_id("alert", press.header.message_id)


def _changed(
    rule: Rule, state: AlertState, alert: DeviceAlert, decisions: Sequence[Decision], now: datetime
) -> Step:  # fmt: skip
    """Take an update or a cancel of an open alert, and tell exactly those who were told."""
    assert rule.tells is not None
    ends, asked = rule.becomes is not None, rule.outcome == "cancel_requested"
    # A request goes as an update: whoever reads `action` must not take it for the end.
    action = AlertAction.CANCEL if ends else AlertAction.UPDATE
    merged = _merged(state, alert).model_copy(update={"action": action})
    merged = with_flags(merged, "cancel_requested") if asked else merged
    tellings = tell(state, merged, rule.tells, decisions)
    if not ends and not asked and alert.header.received_at < state.alert.header.received_at:
        return Step(rule.outcome, state, tellings)
    update = {
        "alert": merged,
        "status": rule.becomes or state.status,
        "cancel_requested": asked or state.cancel_requested,
        "changed_at": now,
    }
    return Step(rule.outcome, state.model_copy(update=update), tellings, standing=ends)


def _merged(state: AlertState, alert: DeviceAlert) -> DeviceAlert:
    """Put a change over the alert as last told: what it does not say stays, its mode never changes."""
    old = state.alert
    update: dict[str, object] = {
        "kind": _worse(old.kind, alert.kind),
        "text": alert.text or old.text,
        "press_count": max(old.press_count, alert.press_count),
        "silent": old.silent or alert.silent,
        "attachments": tuple(dict.fromkeys((*old.attachments, *alert.attachments))),
        "battery_percent": old.battery_percent if alert.battery_percent is None else alert.battery_percent,
    }
    if _keeps_position(old, alert):
        for name in ("position", "position_origin", "position_age_seconds"):
            update[name] = getattr(old, name)
    flags = ("cancel_requested",) if state.cancel_requested else ()
    header, refs = state.header, _refs(old, alert)
    # References hang on the agency, so it stays that of the first message.
    known = with_header(
        alert, mode=header.mode, agency_id=header.agency_id, incident_id=header.incident_id, external_refs=refs
    )
    return with_flags(known.model_copy(update=update), *flags)


def _refs(old: DeviceAlert, new: DeviceAlert) -> tuple[ExternalRef, ...]:
    """Give all the numbers by which others ask for the alert, the newest last: each press has one of its device."""
    latest = new.header.external_refs
    return (*(ref for ref in old.header.external_refs if ref not in latest), *latest)[-_REFS_KEPT:]


def _worse(old: AlertKind, new: AlertKind) -> AlertKind:
    return old if old in REQUESTS_ONLY and new not in REQUESTS_ONLY else new


def _keeps_position(old: DeviceAlert, new: DeviceAlert) -> bool:
    if new.position is None or old.position is None:
        return new.position is None
    return new.position_origin is PositionOrigin.JOINED and new.position.fixed_at < old.position.fixed_at


def tell(
    state: AlertState,
    alert: DeviceAlert,
    reason: DeliveryReason,
    decisions: Sequence[Decision],
    *,
    leave_out: Collection[str] = (),
) -> tuple[Telling, ...]:
    """Tell exactly the destinations that the alert was given to."""
    event_id = state.header.event_id
    alert = alert if reason is DeliveryReason.CANCEL else as_told(state, alert)
    routes = {decision.destination: decision.route for decision in decisions}
    first = reason is DeliveryReason.NEW
    return tuple(
        Telling(
            name,
            routes.get(name, ""),
            reason,
            new_id(event_id, name) if first else later_id(event_id, name, alert.header.message_id),
            alert,
            first_of(state, name),
        )
        for name in state.destinations
        if name not in leave_out
    )


def as_told(state: AlertState, alert: DeviceAlert) -> DeviceAlert:
    """Give an alert as it is told now: louder once it has been escalated, until somebody answers."""
    waits = state.escalated_seconds > 0 and not is_answered(at.level for at in state.destinations.values())
    return with_flags(alert, UNANSWERED) if waits else alert


def receive(
    state: AlertState | None, receipt: DeliveryReceipt, confirm_to: Collection[str], decisions: Sequence[Decision],
    now: datetime,
) -> Step:  # fmt: skip
    """Take a receipt of a destination.

    Args:
        state: the alert; None when the receipt is of something else.
        receipt: what the destination reports.
        confirm_to: destinations that are told even when they closed the alert themselves.
        decisions: where an alert like this goes, for the names of the rules.
        now: the time of the change of state.
    """
    facts = _facts_of_receipt(state, receipt, now)
    rule = rule_for(standing_of(state), Event.RECEIPT, facts)
    if state is None or facts & {Fact.NOT_TOLD, Fact.FOREIGN, Fact.OTHER_MODE}:
        return Step(rule.outcome, state)
    message = answer(receipt, state.device_id, now, silent=state.alert.silent)
    pages = _pages_for_dead_letter(state, receipt, now)
    if Fact.RISES not in facts:
        return Step(rule.outcome, state, message=message, pages=pages)
    after = _risen(state, receipt, state.destinations[receipt.destination], now)
    step = Step(rule.outcome, after, risen=((receipt.destination, receipt.level),), message=message, pages=pages)
    return remembering(_closed(step, after, receipt, confirm_to, decisions)) if rule.tells else step


def _pages_for_dead_letter(state: AlertState, receipt: DeliveryReceipt, now: datetime) -> tuple[OperationsPage, ...]:
    if receipt.level is not Level.DEAD_LETTERED:
        return ()
    return (page_of(state, PageReason.DEAD_LETTERED, now, destination=receipt.destination),)


def _facts_of_receipt(state: AlertState | None, receipt: DeliveryReceipt, now: datetime) -> set[Fact]:
    if state is None:
        return set()
    if is_foreign(state, receipt, now):
        return {Fact.FOREIGN}
    if is_other_mode(state.header, receipt):
        return {Fact.OTHER_MODE}
    known = state.destinations.get(receipt.destination)
    if known is None:
        return {Fact.NOT_TOLD}
    if not rises(known.level, receipt.level):
        return set()
    others = [at.level for name, at in state.destinations.items() if name != receipt.destination]
    closes = status_of([*others, receipt.level], state.status) in CLOSED
    return {Fact.RISES, Fact.CLOSES} if closes else {Fact.RISES}


def _risen(state: AlertState, receipt: DeliveryReceipt, known: DestinationState, now: datetime) -> AlertState:
    at = known.model_copy(
        update={
            "level": receipt.level,
            "changed_at": now,
            "platform_id": receipt.platform_id or known.platform_id,
            "code": receipt.code,
        }
    )
    destinations = {**state.destinations, receipt.destination: at}
    status = state.status
    if status not in CLOSED:
        status = status_of((d.level for d in destinations.values()), status)
    return state.model_copy(update={"destinations": destinations, "status": status, "changed_at": now})


def _closed(
    step: Step,
    state: AlertState,
    receipt: DeliveryReceipt,
    confirm_to: Collection[str],
    decisions: Sequence[Decision],
) -> Step:
    cause = receipt.header.message_id
    ended = with_header(
        state.alert,
        message_id=derived_id("alert", state.header.event_id, cause, "cancel"),
        occurred_at=receipt.header.occurred_at,
    ).model_copy(update={"action": AlertAction.CANCEL})
    # Who closed it knows; only a map that many look at must be told that the marker goes.
    leave_out = () if receipt.destination in confirm_to else (receipt.destination,)
    tellings = tell(state, ended, DeliveryReason.CANCEL, decisions, leave_out=leave_out)
    after = state.model_copy(update={"alert": ended})
    return replace(step, state=after, tellings=tellings, standing=True)


def answer(receipt: DeliveryReceipt, device_id: str, now: datetime, *, silent: bool = False) -> DeviceMessage | None:
    """Give a person's answer as a message to the officer; None when the receipt carries no words of a person.

    `silent` marks it so that the device of somebody under duress does not sound.
    """
    if not receipt.note or receipt.level not in _ANSWERS:
        return None
    header = receipt.header
    return DeviceMessage(
        header=header.model_copy(
            update={
                "message_id": derived_id("message", header.event_id, header.message_id),
                "source": SOURCE,
                "hops": (*header.hops, receipt.destination),
                "published_at": now,
                "flags": ("silent",) if silent else (),
            }
        ),
        device_id=device_id,
        direction=MessageDirection.TO_DEVICE,
        sender=receipt.destination,
        sender_ref=receipt.by_ref,
        text=receipt.note,
        in_reply_to=header.event_id,
        alert_id=header.event_id,
    )
