"""What an event makes of an alert, and how its destinations are told of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import wraps
from typing import Final, ParamSpec

from bondmate_schemas.enums import AlertAction, DeliveryReason, Level
from bondmate_schemas.flags import UNANSWERED, UNTRUSTED
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import AlertState, AlertWhole, DestinationState, DeviceAlert, DeviceMessage, OperationsPage

from bondmate_streams.logic.answers import with_told
from bondmate_streams.logic.deliveries import First, Notification, later_id, new_id
from bondmate_streams.logic.headers import with_flags, with_header
from bondmate_streams.logic.levels import is_answered
from bondmate_streams.logic.life_cycle import CLOSED, AlertPhase
from bondmate_streams.logic.pages import PageReason
from bondmate_streams.logic.routing import Decision

A = ParamSpec("A")
RULES_NOW: Final = 1
"""By which rules a state is written; one of 0 keeps what its device was shown until something new happens to it."""


_TICK: Final = timedelta(milliseconds=1)
"""Of a time on the wire."""


@dataclass(frozen=True, slots=True)
class Step:
    """What an event made of an alert."""

    outcome: str
    state: AlertState | None = None
    """The state after it; None when there is no such alert."""
    notifications: tuple[Notification, ...] = ()
    reopened: DeviceAlert | None = None
    """What was done after the end, as the alert of its own that it now is."""
    risen: tuple[tuple[str, Level], ...] = ()
    """Destination and level, of one that has come further, or says something else now."""
    message: DeviceMessage | None = None
    """What the officer is to read."""
    pages: tuple[OperationsPage, ...] = ()
    """What operations must see now."""
    tells_device: bool = field(default=False)
    """True: the device's memory must hear how the alert stands now."""
    refused: str = ""
    """Under which code a part of what was said does not count, while the rest does."""


def remembering(step: Step) -> Step:
    """Return `step` with a state that remembers the ids of what it tells, and without the pages that no drill makes."""
    if step.state is None:
        return step
    of_drill = bool(step.state.alert.drill)
    pages = tuple(page for page in step.pages if not of_drill or page.reason == PageReason.DRILL_FAILED)
    return replace(step, state=with_told(step.state, step.notifications), pages=pages)


def remembered(make: Callable[A, Step]) -> Callable[A, Step]:
    """Have a function return steps whose states remember the ids of what they tell."""

    @wraps(make)
    def made(*given: A.args, **named: A.kwargs) -> Step:
        return remembering(make(*given, **named))

    return made


def in_order(after: AlertState, before: AlertState | None) -> AlertState:
    """Return a state that says to have changed after the one before it, though a clock went back between workers.

    Whoever hears of both by two ways tells by that which is the newer.
    """
    if before is None or after is before or after.changed_at >= before.changed_at + _TICK or after == before:
        return after
    return after.model_copy(update={"changed_at": before.changed_at + _TICK})


def phase_of(state: AlertState | None) -> AlertPhase:
    """Return where an alert stands, as far as the rules ask."""
    if state is None:
        return AlertPhase.NONE
    return AlertPhase.CLOSED if state.status in CLOSED else AlertPhase.OPEN


def first_told(event_id: str, names: Iterable[str], now: datetime) -> dict[str, DestinationState]:
    """Return the state of destinations that are told of an alert for the first time."""
    return {
        name: DestinationState(changed_at=now, delivery_id=new_id(event_id, name), sent_at=now, later_delivery_ids=())
        for name in names
    }


def first_of(state: AlertState, name: str) -> First:
    """Return the first Delivery of an alert to a destination that was told.

    One that an earlier version of the hub made went out under the time that the alert itself says.
    """
    known = state.destinations[name]
    delivery_id = known.delivery_id or new_id(state.header.event_id, name)
    return First(delivery_id, known.sent_at or state.header.occurred_at)


def tell(
    state: AlertState,
    alert: DeviceAlert,
    reason: DeliveryReason,
    decisions: Sequence[Decision],
    *,
    leave_out: Collection[str] = (),
) -> tuple[Notification, ...]:
    """Return a notification for exactly the destinations that the alert was given to."""
    event_id = state.header.event_id
    alert = alert if reason is DeliveryReason.CANCEL else as_told(state, alert)
    routes = {decision.destination: decision.route for decision in decisions}
    first = reason is DeliveryReason.NEW
    return tuple(
        Notification(
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


def as_update(state: AlertState, now: datetime, *cause: str) -> DeviceAlert:
    """Return an alert as an update that the hub itself makes of it, under an id that follows from what led to it."""
    message_id = derived_id("alert", state.header.event_id, *cause)
    update = with_header(state.alert, message_id=message_id, occurred_at=now)
    return update.model_copy(update={"action": AlertAction.UPDATE})


def as_told(state: AlertState, alert: DeviceAlert) -> DeviceAlert:
    """Return an alert as it is told now: since when, whose it is, louder once escalated, until somebody answers."""
    if alert.header.message_id != state.header.message_id:
        # By its device's clock, unless that cannot be trusted.
        header, whole = state.header, alert.whole or AlertWhole()
        raised_at = header.occurred_at if UNTRUSTED.isdisjoint(header.flags) else header.received_at
        alert = alert.model_copy(update={"whole": whole.model_copy(update={"raised_at": raised_at})})
    if state.owner_agency_id or state.handoff:
        whole = alert.whole or AlertWhole()
        offered_to = state.handoff.agency_id if state.handoff else ""
        update = {"owner_agency_id": state.owner_agency_id, "offered_to": offered_to}
        alert = alert.model_copy(update={"whole": whole.model_copy(update=update)})
    waits = (state.escalated_seconds > 0 or state.round > 0) and not is_answered(state)
    return with_flags(alert, UNANSWERED) if waits else alert
