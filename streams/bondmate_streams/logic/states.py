"""The life of an alert: raised, told to destinations, answered by them, asked to be cancelled, closed.

Every step can be made again with what it was made from, and then tells the same under the same ids: a crash between a
step and its end repeats, it does not lose.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bondmate_schemas.enums import (
    AlertAction,
    AlertKind,
    AlertStatus,
    DeliveryReason,
    Level,
    MessageDirection,
    PositionOrigin,
)
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import AlertState, DeliveryReceipt, DestinationState, DeviceAlert, DeviceMessage

from bondmate_streams.logic.alerts import CLOSED, REQUESTS_ONLY, with_flags, with_header
from bondmate_streams.logic.deliveries import Telling, later_id, new_id, refresh_id
from bondmate_streams.logic.levels import is_delivered, rises, status_of
from bondmate_streams.logic.routing import Decision

SOURCE = "streams"
"""The hub itself as the origin of what it says."""
_ANSWERS = frozenset({Level.ACKNOWLEDGED, Level.RESPONDING, Level.RESOLVED, Level.DECLINED})


@dataclass(frozen=True, slots=True)
class Step:
    """What a change or a receipt made of an alert."""

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
    if state is None:
        return _begin(alert, decisions, now)
    if state.status in CLOSED:
        return _after_closing(state, alert, decisions)
    if alert.header.message_id == state.header.message_id:
        return Step("repeat", state, _tell(state, alert, DeliveryReason.NEW, decisions))
    if alert.action is AlertAction.CANCEL:
        return _cancel(state, alert, decisions, now)
    return _update(state, alert, decisions, now)


def _begin(alert: DeviceAlert, decisions: Sequence[Decision], now: datetime) -> Step:
    asked = alert.action is AlertAction.CANCEL
    if asked and alert.kind not in REQUESTS_ONLY:
        return Step("cancel_of_unknown")
    if asked:
        # Somebody asks to call off an emergency nobody was told of: they must be told of both.
        alert = with_flags(alert, "cancel_requested")
    alert = alert.model_copy(update={"action": AlertAction.RAISE})
    event_id = alert.header.event_id
    destinations = {
        decision.destination: DestinationState(changed_at=now, delivery_id=new_id(event_id, decision.destination))
        for decision in decisions
    }
    state = AlertState(
        header=alert.header,
        device_id=alert.device_id,
        status=AlertStatus.ROUTED if decisions else AlertStatus.RAISED,
        alert=alert,
        destinations=destinations,
        cancel_requested=asked,
        changed_at=now,
    )
    outcome = "raised" if decisions else "unrouted"
    return Step(
        outcome,
        state,
        _tell(state, alert, DeliveryReason.NEW, decisions),
        standing="reopened" in alert.header.flags,
    )


def _after_closing(state: AlertState, alert: DeviceAlert, decisions: Sequence[Decision]) -> Step:
    header, known = alert.header, state.alert
    if header.message_id == known.header.message_id and known.action is AlertAction.CANCEL:
        return Step("repeat", state, _tell(state, known, DeliveryReason.CANCEL, decisions), standing=True)
    repeated = header.message_id == state.header.message_id or header.received_at <= known.header.received_at
    worse = alert.action is AlertAction.UPDATE and alert.kind in REQUESTS_ONLY and alert.kind is not known.kind
    if repeated or not (alert.action in (AlertAction.RAISE, AlertAction.UNKNOWN) or worse):
        return Step("closed_already", state, standing=True)
    event_id = derived_id("alert", header.message_id)
    anew = with_header(with_flags(alert, "reopened"), event_id=event_id, incident_id=derived_id("incident", event_id))
    fresh = anew.model_copy(update={"action": AlertAction.RAISE, "press_count": 1})
    return Step("reopened", state, reopened=fresh, standing=True)


def _cancel(state: AlertState, alert: DeviceAlert, decisions: Sequence[Decision], now: datetime) -> Step:
    merged = _merged(state, alert)
    if state.alert.kind in REQUESTS_ONLY or alert.kind in REQUESTS_ONLY:
        # As an update: whoever reads `action` must not take it for the end.
        asked = with_flags(merged.model_copy(update={"action": AlertAction.UPDATE}), "cancel_requested")
        after = state.model_copy(update={"alert": asked, "cancel_requested": True, "changed_at": now})
        return Step("cancel_requested", after, _tell(state, asked, DeliveryReason.UPDATE, decisions))
    ended = merged.model_copy(update={"action": AlertAction.CANCEL})
    after = state.model_copy(update={"alert": ended, "status": AlertStatus.CANCELLED, "changed_at": now})
    return Step("cancelled", after, _tell(state, ended, DeliveryReason.CANCEL, decisions), standing=True)


def _update(state: AlertState, alert: DeviceAlert, decisions: Sequence[Decision], now: datetime) -> Step:
    merged = _merged(state, alert).model_copy(update={"action": AlertAction.UPDATE})
    newer = alert.header.received_at >= state.alert.header.received_at
    after = state.model_copy(update={"alert": merged, "changed_at": now}) if newer else state
    return Step("updated", after, _tell(state, merged, DeliveryReason.UPDATE, decisions))


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
    known = with_header(alert, mode=state.header.mode, incident_id=state.header.incident_id)
    return with_flags(known.model_copy(update=update), *flags)


def _worse(old: AlertKind, new: AlertKind) -> AlertKind:
    return old if old in REQUESTS_ONLY and new not in REQUESTS_ONLY else new


def _keeps_position(old: DeviceAlert, new: DeviceAlert) -> bool:
    if new.position is None or old.position is None:
        return new.position is None
    return new.position_origin is PositionOrigin.JOINED and new.position.fixed_at < old.position.fixed_at


def _tell(
    state: AlertState,
    alert: DeviceAlert,
    reason: DeliveryReason,
    decisions: Sequence[Decision],
    *,
    leave_out: Collection[str] = (),
) -> tuple[Telling, ...]:
    """Tell exactly the destinations that the alert was given to."""
    event_id = state.header.event_id
    routes = {decision.destination: decision.route for decision in decisions}
    first = reason is DeliveryReason.NEW
    return tuple(
        Telling(
            name,
            routes.get(name, ""),
            reason,
            new_id(event_id, name) if first else later_id(event_id, name, alert.header.message_id),
            alert,
        )
        for name in state.destinations
        if name not in leave_out
    )


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
    if state is None:
        return Step("not_an_alert")
    if receipt.destination not in state.destinations:
        return Step("not_told", state)
    message = answer(receipt, state.device_id, now, silent=state.alert.silent)
    known = state.destinations[receipt.destination]
    if not rises(known.level, receipt.level):
        return Step("no_rise", state, message=message)
    after = _risen(state, receipt, known, now)
    risen = ((receipt.destination, receipt.level),)
    step = Step("risen", after, risen=risen, message=message)
    if after.status in CLOSED and state.status not in CLOSED:
        return _closed(step, after, receipt, confirm_to, decisions)
    return step


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
    tellings = _tell(state, ended, DeliveryReason.CANCEL, decisions, leave_out=leave_out)
    after = state.model_copy(update={"alert": ended})
    return replace(step, outcome="closed", state=after, tellings=tellings, standing=True)


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
            name, route, DeliveryReason.REFRESH, refresh_id(state.header.event_id, name, number), state.alert
        )
