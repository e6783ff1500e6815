"""Alerts of one event, by operations: which they are, and linking and unlinking them (ADR 26)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import uuid4

from bondmate_schemas.catalogue import STATE_ALERTS
from bondmate_schemas.codec import Codec, CodecError
from bondmate_schemas.kafka import KafkaConfig
from bondmate_schemas.models import AlertState, DeliveryReceipt, EventHeader
from bondmate_streams.logic.grouping import LINK, OPERATIONS, UNLINK
from confluent_kafka import KafkaException

from bondmate_hub.broker import BrokerError
from bondmate_hub.stored import TopicMissingError, stored

__all__ = ["LinkError", "Order", "links_to", "states", "unlinks"]

SOURCE: Final = "operations"


class LinkError(ValueError):
    """Two alerts cannot be of one event, or there is no such alert; the message says what to do."""


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
    found: dict[str, AlertState] = {}
    try:
        for message in stored({"bootstrap.servers": kafka.bootstrap, **kafka.extra}, [STATE_ALERTS]):
            _take(found, (message.key() or b"").decode(errors="replace"), message.value(), codec)
    except (KafkaException, TimeoutError) as error:
        raise BrokerError("the broker does not answer: is it running, and is `kafka.bootstrap` its address?") from error
    except TopicMissingError as error:
        raise BrokerError(f"topic {error} is not there: run `hub topics apply`") from error
    return found


def _take(found: dict[str, AlertState], key: str, value: bytes | None, codec: Codec) -> None:
    if value is None:
        found.pop(key, None)
        return
    try:
        state = codec.decode(value, AlertState)
    except CodecError:
        return  # of another version of the hub, or none of ours
    found[state.header.event_id] = state


def links_to(
    known: Mapping[str, AlertState], alert: str, to: str, order: Order, *, of_both: bool = False
) -> list[DeliveryReceipt]:
    """Return what links an alert, with those that were linked to it, to the event of another.

    Raises:
        LinkError: they cannot be of one event.
    """
    one, other = _named(known.values(), alert), _named(known.values(), to)
    number, first = _number(other), _first(other)
    if one.header.event_id in {other.header.event_id, first}:
        raise LinkError("it is the first of that event already: link the other one to it")
    if one.header.mode is not other.header.mode:
        raise LinkError(f"one is {one.header.mode}, the other {other.header.mode}: they are never of one event")
    if one.header.agency_id != other.header.agency_id and not of_both:
        raise LinkError(
            f"they are of {one.header.agency_id} and {other.header.agency_id}: only who is of both links them; "
            "say so with --of-both-agencies"
        )
    told = (one, *_linked_to(one, known.values()))
    return [_said(state, order, LINK, platform_id=number, sender_message_id=first) for state in told]


def unlinks(known: Mapping[str, AlertState], alert: str, order: Order) -> list[DeliveryReceipt]:
    """Return what takes an alert out of its event.

    Raises:
        LinkError: it is linked to none.
    """
    state = _named(known.values(), alert)
    if not _group(state):
        raise LinkError("it is linked to no other; where others are linked to it, unlink those")
    return [_said(state, order, UNLINK)]


def _named(known: Iterable[AlertState], name: str) -> AlertState:
    found = [state for state in known if name in {state.header.event_id, state.header.incident_id}]
    if len(found) != 1:
        raise LinkError(f"{name}: {'several alerts have' if found else 'no alert that the hub remembers has'} this id")
    return found[0]


def _group(state: AlertState) -> str:
    return state.alert.whole.group_id if state.alert.whole else ""


def _number(state: AlertState) -> str:
    return _group(state) or state.header.incident_id or ""


def _first(state: AlertState) -> str:
    return state.alert.whole.linked_to if state.alert.whole and _group(state) else state.header.event_id


def _linked_to(one: AlertState, known: Iterable[AlertState]) -> Iterator[AlertState]:
    return (state for state in known if _group(state) and _group(state) == one.header.incident_id)


def _said(state: AlertState, order: Order, code: str, **given: str) -> DeliveryReceipt:
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
