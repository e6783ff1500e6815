"""What operations say of alerts: which are of one event (ADR 26), and that one is over that nobody else can close."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.topic_reader import kept
from bondmate_schemas.catalogue import STATE_ALERTS
from bondmate_schemas.codec import Codec, CodecError
from bondmate_schemas.enums import Level, Validity
from bondmate_schemas.models import AlertState, DeliveryReceipt, EventHeader
from bondmate_streams.logic.grouping import CLOSE, LINK, OPERATIONS, UNLINK
from bondmate_streams.logic.life_cycle import CLOSED

__all__ = ["Order", "OrderError", "closings", "links_to", "states", "unlinks"]

SOURCE: Final = "operations"


class OrderError(ValueError):
    """It cannot be said of these alerts, or there is no such alert; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Order:
    """Who does it, why, when."""

    operator: str
    reason: str
    at: datetime


def states(kafka: KafkaConfig, codec: Codec) -> dict[str, AlertState]:
    """Return the alerts that the hub remembers, by event id.

    Raises:
        BrokerError: the broker does not answer, or has no such topic: its message says what to do.
        SchemaUnavailableError: the registry does not answer.
    """
    newest = {message.key(): message.value() for message in kept(kafka, STATE_ALERTS)}
    found: dict[str, AlertState] = {}
    for value in newest.values():
        with contextlib.suppress(CodecError):  # it is gone, or of another version of the hub: nobody here knows it
            state = codec.decode(value, AlertState)
            found[state.header.event_id] = state
    return found


def links_to(
    known: Mapping[str, AlertState], alert: str, to: str, order: Order, *, of_both: bool = False
) -> list[DeliveryReceipt]:
    """Return what links an alert, with those that were linked to it, to the event of another.

    Raises:
        OrderError: they cannot be of one event.
    """
    one, other = _named(known.values(), alert), _named(known.values(), to)
    number, first = _number(other), _first(other)
    if one.header.event_id in {other.header.event_id, first}:
        raise OrderError("it is the first of that event already: link the other one to it")
    if one.header.mode is not other.header.mode:
        raise OrderError(f"one is {one.header.mode}, the other {other.header.mode}: they are never of one event")
    if one.header.agency_id != other.header.agency_id and not of_both:
        raise OrderError(
            f"they are of {one.header.agency_id} and {other.header.agency_id}: only who is of both links them; "
            "say so with --of-both-agencies"
        )
    told = (one, *(state for state in known.values() if _group(state) and _group(state) == one.header.incident_id))
    return [_said(state, order, LINK, platform_id=number, sender_message_id=first) for state in told]


def unlinks(known: Mapping[str, AlertState], alert: str, order: Order) -> list[DeliveryReceipt]:
    """Return what takes an alert out of its event.

    Raises:
        OrderError: it is linked to none.
    """
    state = _named(known.values(), alert)
    if not _group(state):
        raise OrderError("it is linked to no other; where others are linked to it, unlink those")
    return [_said(state, order, UNLINK)]


def closings(
    known: Mapping[str, AlertState], alert: str, order: Order, *, false_alarm: bool = False
) -> list[DeliveryReceipt]:  # fmt: skip
    """Return what ends an alert as a whole, whoever owns it.

    Raises:
        OrderError: it is over already, or there is none.
    """
    # Who pressed after the end has an alert of its own under the same incident.
    open_ones = [state for state in known.values() if state.status not in CLOSED]
    try:
        state = _named(open_ones, alert)
    except OrderError:
        if _named(known.values(), alert).status in CLOSED:
            raise OrderError(f"{alert}: it has ended already") from None
        raise
    validity = Validity.FALSE if false_alarm else Validity.UNSTATED
    # Said of what is known here, so after all of it, however slow the clock of this host: it would let that go on.
    seen = (state.pressed_at or order.at, state.alert.header.received_at)
    said = replace(order, at=max(order.at, *seen))
    return [_said(state, said, CLOSE, level=Level.RESOLVED, validity=validity)]


def _named(known: Iterable[AlertState], name: str) -> AlertState:
    found = [state for state in known if name in {state.header.event_id, state.header.incident_id}]
    if len(found) != 1:
        raise OrderError(f"{name}: {'several alerts have' if found else 'no alert that the hub remembers has'} this id")
    return found[0]


def _group(state: AlertState) -> str:
    return state.alert.whole.group_id if state.alert.whole else ""


def _number(state: AlertState) -> str:
    return _group(state) or state.header.incident_id or ""


def _first(state: AlertState) -> str:
    return state.alert.whole.linked_to if state.alert.whole and _group(state) else state.header.event_id


def _said(state: AlertState, order: Order, code: str, **given: Any) -> DeliveryReceipt:
    header = state.header
    return DeliveryReceipt(
        header=EventHeader(
            message_id=str(uuid4()),
            event_id=header.event_id,
            agency_id=header.agency_id,
            mode=header.mode,
            occurred_at=order.at,
            received_at=order.at,
            source=SOURCE,
        ),
        destination=OPERATIONS,
        code=code,
        by_ref=order.operator,
        note=order.reason,
        **given,
    )
