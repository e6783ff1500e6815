"""Incidents: what devices and control rooms say of one, its state, and who is told what."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bondmate_schemas.enums import DeliveryReason, IncidentAction, Level, Mode, Priority
from bondmate_schemas.error_codes import MODE_DIFFERS, NOT_ITS_OWN
from bondmate_schemas.models import (
    DeliveryReceipt,
    DestinationState,
    EndedEvent,
    EventHeader,
    FirstSent,
    IncidentEvent,
    IncidentMemory,
    IncidentState,
)

from bondmate_streams.logic.answers import is_of_other_agency, is_other_mode
from bondmate_streams.logic.deliveries import First, Notification, later_id, new_id
from bondmate_streams.logic.levels import rises
from bondmate_streams.logic.life_cycle import HUMAN
from bondmate_streams.logic.ownership import (
    ENDINGS,
    EVENTS_KEPT,
    MESSAGES_KEPT,
    ends_whole,
    has_begun,
    may_end,
    with_owner,
)
from bondmate_streams.logic.routing import Decision

_STATEMENTS_KEPT = 64


@dataclass(frozen=True, slots=True)
class IncidentOutcome:
    """What became of an incident event or receipt; without a memory there is nothing new to remember."""

    outcome: str
    memory: IncidentMemory | None = None
    notifications: tuple[Notification, ...] = ()
    risen: tuple[tuple[str, Level], ...] = ()


def take(
    memory: IncidentMemory | None, event: IncidentEvent, decisions: Sequence[Decision], now: datetime
) -> IncidentOutcome:
    """Take an event of an incident.

    An event id that a destination has not been told of is NEW to it, whatever the sender calls it; one it knows is an
    UPDATE; the end of one is a CANCEL, also where only the end is known. Whoever was told before hears the end too.
    """
    if memory and event.header.message_id in memory.seen and not _becomes_real(memory, event):
        return IncidentOutcome("repeat")
    if memory and _is_over(memory, event):
        return IncidentOutcome("came_late", _seen(memory, event))
    if memory and _is_of_other_mode(memory, event):
        return IncidentOutcome(MODE_DIFFERS)
    if memory and event.action in ENDINGS and not may_end(memory, event):
        return IncidentOutcome(NOT_ITS_OWN)
    notifications = tuple(_tellings(memory, event, decisions, now))
    outcome = event.action.value.lower() if notifications else "unrouted"
    return IncidentOutcome(outcome, _remembered(memory, event, notifications, now), notifications)


def placed(event: IncidentEvent, memory: IncidentMemory | None) -> IncidentEvent:
    """Return an event that is where its incident was said to be last, where it does not say that itself."""
    if memory is None or event.position is not None or event.areas:
        return event
    known = memory.state.event
    return event.model_copy(update={"position": known.position, "areas": known.areas})


def staying(
    event: IncidentEvent, memory: IncidentMemory | None, decisions: Sequence[Decision], by_place: Collection[str]
) -> list[Decision]:
    """Return who was told of an event for the place where it was then, and is told on now that it is elsewhere."""
    told = memory.told.get(event.header.event_id, ()) if memory else ()
    others = {event.header.source, *event.header.hops, *(decision.destination for decision in decisions)}
    return [Decision(name, "") for name in told if name in by_place and name not in others]


def _becomes_real(memory: IncidentMemory | None, event: IncidentEvent) -> bool:
    """Whether this is the first that is real: what was heard before, be it the same message, was played."""
    return memory is not None and memory.state.header.mode is not Mode.ACTUAL and event.header.mode is Mode.ACTUAL


def _is_of_other_mode(memory: IncidentMemory, event: IncidentEvent) -> bool:
    """Whether an event is in a mode that cannot speak of what was begun: an exercise never moves what is real.

    News in a mode that nobody knows is no exercise's: it is told as what it is, but ends nothing.
    """
    counts = {memory.state.header.mode, Mode.ACTUAL}
    if event.action not in ENDINGS:
        counts.add(Mode.UNKNOWN)
    return has_begun(memory) and event.header.mode not in counts


def _is_over(memory: IncidentMemory, event: IncidentEvent) -> bool:
    """Whether its own sender ended the event after it said this, or has said this end: by another of its references.

    A feed may give the end before what it ends. What begins an event came before the end that names it, whatever the
    clocks say; of what was said in the second of the end, the end counts.
    """
    header = event.header
    ends = [one.ended_at for one in memory.ended if (one.event_id, one.source) == (header.event_id, header.source)]
    if memory.state.header.mode not in {header.mode, Mode.ACTUAL}:
        # An end in a mode that cannot speak of this.
        return False
    if event.action in ENDINGS:
        return bool(event.refers_to) and header.occurred_at in ends
    begins = event.action is IncidentAction.OPENED and header.event_id == header.message_id
    return any(begins or header.occurred_at <= end for end in ends)


def _seen(memory: IncidentMemory, event: IncidentEvent) -> IncidentMemory:
    return memory.model_copy(update={"seen": (*memory.seen, event.header.message_id)[-MESSAGES_KEPT:]})


def _tellings(
    memory: IncidentMemory | None, event: IncidentEvent, decisions: Sequence[Decision], now: datetime
) -> list[Notification]:
    event_id = event.header.event_id
    told = set(memory.told.get(event_id, ())) if memory else set()
    routes = {decision.destination: decision.route for decision in decisions}
    ending = event.action in ENDINGS
    names = [*routes, *sorted(told - {*routes, event.header.source, *event.header.hops})] if ending else list(routes)
    notifications = []
    for name in names:
        reason = DeliveryReason.CANCEL if ending else DeliveryReason.UPDATE if name in told else DeliveryReason.NEW
        first = reason is DeliveryReason.NEW
        key = new_id(event_id, name) if first else later_id(event_id, name, event.header.message_id)
        known = _first_of(memory, event, name) if memory and name in told else First(key, now)
        notifications.append(Notification(name, routes.get(name, ""), reason, key, event, known))
    return notifications


def _first_of(memory: IncidentMemory, event: IncidentEvent, destination: str) -> First:
    """Return the first Delivery of an event to a destination that was told of it.

    One that an earlier version of the hub made went out under the time that the event itself said.
    """
    event_id, began = event.header.event_id, memory.state.header
    kept = (
        first.sent_at for first in memory.first_sent if (first.event_id, first.destination) == (event_id, destination)
    )
    said = began.occurred_at if began.event_id == event_id else event.header.occurred_at
    return First(new_id(event_id, destination), next(kept, said))


def _remembered(
    memory: IncidentMemory | None, event: IncidentEvent, notifications: tuple[Notification, ...], now: datetime
) -> IncidentMemory:
    event_id = event.header.event_id
    told = dict(memory.told) if memory else {}
    before = told.pop(event_id, ())
    told[event_id] = tuple(dict.fromkeys((*before, *(notification.destination for notification in notifications))))
    # Who played it before neither owns nor ends what is real.
    before_it = None if _becomes_real(memory, event) else memory
    seen = (*(before_it.seen if before_it else ()), event.header.message_id)
    told = dict(list(told.items())[-EVENTS_KEPT:])
    ended = tuple(_ended(before_it, event))
    state = _state(memory, event, notifications, now)
    owned = {*told, state.header.event_id}
    return IncidentMemory(
        ended=ended[-EVENTS_KEPT:],
        state=state,
        seen=seen[-MESSAGES_KEPT:],
        told=told,
        first_sent=tuple(first for first in _first_sent(memory, event_id, notifications) if first.event_id in told),
        owners=tuple(owner for owner in with_owner(before_it, event) if owner.event_id in owned),
    )


def _ended(memory: IncidentMemory | None, event: IncidentEvent) -> Iterator[EndedEvent]:
    yield from memory.ended if memory else ()
    if event.action in ENDINGS and event.refers_to:
        header = event.header
        yield EndedEvent(event_id=header.event_id, ended_at=header.occurred_at, source=header.source)


def _first_sent(
    memory: IncidentMemory | None, event_id: str, notifications: tuple[Notification, ...]
) -> Iterator[FirstSent]:
    yield from memory.first_sent if memory else ()
    for notification in notifications:
        if notification.first and notification.first.delivery_id == notification.delivery_id:
            yield FirstSent(event_id=event_id, destination=notification.destination, sent_at=notification.first.sent_at)


def _state(
    memory: IncidentMemory | None, event: IncidentEvent, notifications: tuple[Notification, ...], now: datetime
) -> IncidentState:
    state = memory.state if memory else None
    ends = event.action in ENDINGS and (memory is None or ends_whole(memory, event))
    reopens = event.action is IncidentAction.OPENED or _becomes_real(memory, event)
    destinations = dict(state.destinations) if state else {}
    for notification in notifications:
        destinations.setdefault(
            notification.destination, DestinationState(changed_at=now, delivery_id=notification.delivery_id)
        )
    alerts = state.alert_ids if state else ()
    return IncidentState(
        header=_header(memory, event),
        event=merged(state.event, event) if state else event,
        alert_ids=tuple(dict.fromkeys((*alerts, event.alert_id))) if event.alert_id else alerts,
        destinations=destinations,
        closed=ends or bool(state and state.closed and not reopens),
        event_count=state.event_count + 1 if state else 1,
        changed_at=now,
    )


def _header(memory: IncidentMemory | None, event: IncidentEvent) -> EventHeader:
    """Return the header of an incident: that by which it began, and once something in it is real, the whole is."""
    if memory is None or not has_begun(memory):
        return event.header
    header = memory.state.header
    return header.model_copy(update={"mode": Mode.ACTUAL}) if _becomes_real(memory, event) else header


def merged(old: IncidentEvent, new: IncidentEvent) -> IncidentEvent:
    """Put what is told last over what was told before: what it does not say stays.

    An event that happened before the last one told fills gaps only.
    """
    late = new.header.occurred_at < old.header.occurred_at
    base, over = (new, old) if late else (old, new)
    update: dict[str, Any] = {name: value for name in type(new).model_fields if _said(value := getattr(over, name))}
    update["statements"] = tuple(dict.fromkeys((*old.statements, *new.statements)))[-_STATEMENTS_KEPT:]
    update["units"] = tuple({unit.unit: unit for unit in (*base.units, *over.units)}.values())
    update["attachments"] = tuple(dict.fromkeys((*old.attachments, *new.attachments)))[-_STATEMENTS_KEPT:]
    return base.model_copy(update=update)


def _said(value: object) -> bool:
    return value not in (None, (), Priority.UNKNOWN)


def _is_its_own(memory: IncidentMemory, receipt: DeliveryReceipt) -> bool:
    """Whether a person's answer refers to what its destination was told of the incident."""
    header, name = receipt.header, receipt.destination
    if all(is_of_other_agency(told, receipt) for told in (memory.state.header, memory.state.event.header)):
        return False
    if header.event_id not in memory.told:
        # What the hub has forgotten it cannot judge.
        return name in memory.state.destinations and len(memory.told) >= EVENTS_KEPT
    return name in memory.told[header.event_id] and _is_told_under(memory, receipt)


def _is_told_under(memory: IncidentMemory, receipt: DeliveryReceipt) -> bool:
    event_id, name, delivery_id = receipt.header.event_id, receipt.destination, receipt.delivery_id
    if delivery_id in {None, new_id(event_id, name)} or len(memory.seen) >= MESSAGES_KEPT:
        return True
    return delivery_id in {later_id(event_id, name, message_id) for message_id in memory.seen}


def receive(memory: IncidentMemory | None, receipt: DeliveryReceipt, now: datetime) -> IncidentOutcome:
    """Take a receipt of a destination for an event of an incident."""
    if memory is None:
        return IncidentOutcome("unknown_incident")
    if is_other_mode(memory.state.header, receipt):
        return IncidentOutcome(MODE_DIFFERS)
    if receipt.level in HUMAN and not _is_its_own(memory, receipt):
        return IncidentOutcome(NOT_ITS_OWN)
    known = memory.state.destinations.get(receipt.destination)
    if known is None or not rises(known.level, receipt.level):
        return IncidentOutcome("no_rise")
    update: Mapping[str, object] = {
        "level": receipt.level,
        "changed_at": now,
        "platform_id": receipt.platform_id or known.platform_id,
        "code": receipt.code,
    }
    destinations = {**memory.state.destinations, receipt.destination: known.model_copy(update=update)}
    state = memory.state.model_copy(update={"destinations": destinations, "changed_at": now})
    risen = ((receipt.destination, receipt.level),)
    return IncidentOutcome("risen", memory.model_copy(update={"state": state}), risen=risen)
