"""Whether an answer counts: it must be about what that destination was told, and meant as the alert is meant.

Who answers, and for whom, is decided before, where the answer comes in (`bondmate_connectors.runtime.authority`).
Here the alert is known. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

from bondmate_schemas.catalogue import DEVICE
from bondmate_schemas.enums import DeliveryReason, EmergencyWord, Level, Mode, Ownership
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import AlertState, DeliveryReceipt, DestinationState, EventHeader

from bondmate_streams.logic.deliveries import LEAST_SECONDS, Notification, refresh_and_position_of
from bondmate_streams.logic.life_cycle import HUMAN
from bondmate_streams.logic.routing import Decision

_LATER_IDS_KEPT: Final = 256
_KEPT_OF_ID: Final = 8
"""Characters: 32 bits of a hash, so that in an alert's lifetime no two ids look alike."""
_OTHERS_KNOWN: Final = 256
_OLDER_KNOWN: Final = 256


def is_of_person(receipt: DeliveryReceipt) -> bool:
    """Whether a person speaks: a statement, words alone, or something beside what helps."""
    words = receipt.level is Level.UNKNOWN and bool(receipt.note)
    return words or receipt.level in HUMAN or _says_beside(receipt)


def _says_beside(receipt: DeliveryReceipt) -> bool:
    """Whether it says who owns an alert, that one a room started goes on, or what it is of one event with."""
    owns, started = receipt.ownership is not Ownership.UNSTATED, receipt.emergency is not EmergencyWord.UNSTATED
    return owns or started or receipt.link_to is not None


def says_only_link(receipt: DeliveryReceipt) -> bool:
    """Whether it says what an alert is of one event with, and nothing else that could count."""
    if receipt.link_to is None or receipt.level in HUMAN or receipt.note:
        return False
    return receipt.ownership is Ownership.UNSTATED and receipt.emergency is EmergencyWord.UNSTATED


def is_other_mode(header: EventHeader, receipt: DeliveryReceipt) -> bool:
    """Whether a person's answer to the event of `header` is in a mode that cannot speak of it.

    An answer counts in the event's own mode or in ACTUAL: an exercise never moves what is real.
    """
    return is_of_person(receipt) and receipt.header.mode not in {header.mode, Mode.ACTUAL}


def is_of_incident(receipt: DeliveryReceipt) -> bool:
    """Whether a receipt of what is no alert is, or may be, of an event of an incident.

    A person's answer in a dialect whose references name the event alone does not say so: there it is looked up.
    """
    may_be = receipt.level in HUMAN and receipt.delivery_id is not None and receipt.destination != DEVICE
    return receipt.header.incident_id is not None or may_be


def is_of_other_agency(header: EventHeader, receipt: DeliveryReceipt) -> bool:
    """Whether an answer names another agency as the owner of what it answers than the event of `header` has."""
    return receipt.referred_agency_id not in {None, header.agency_id}


def is_foreign(
    state: AlertState, receipt: DeliveryReceipt, now: datetime, decisions: Sequence[Decision] = ()
) -> bool:  # fmt: skip
    """Whether a person's answer refers to what its destination was never told of this alert.

    A dialect without references (no `delivery_id`) names the alert alone: then to be told of it is enough.
    """
    if not is_of_person(receipt):
        return False
    known = state.destinations.get(receipt.destination)
    if known is None:
        return True
    # An update told it under its own agency until states kept the first.
    other = all(is_of_other_agency(told, receipt) for told in (state.header, state.alert.header))
    return other or not _was_told(state, known, receipt, now, decisions)


def _was_told(
    state: AlertState, known: DestinationState, receipt: DeliveryReceipt, now: datetime, decisions: Sequence[Decision]
) -> bool:
    if not is_of_no_news(known, receipt) or _is_refresh_or_position(state, receipt, now):
        return True
    return receipt.delivery_id in {
        *others_ids(state, receipt.destination), *_older_refreshes(state, receipt.destination, now, decisions)
    }  # fmt: skip


def is_of_no_news(known: DestinationState, receipt: DeliveryReceipt) -> bool:
    """Whether an answer refers to neither the first Delivery of an alert nor a later one with news.

    Then it is to a refresh or a position update.
    """
    delivery_id, later_ids = receipt.delivery_id, known.later_delivery_ids
    # What the hub has forgotten it cannot judge: an SOS must not stay open because it was told often.
    if delivery_id is None or later_ids is None or len(later_ids) >= _LATER_IDS_KEPT:
        return False
    # Some hubs kept them whole.
    later = (kept[:_KEPT_OF_ID] for kept in later_ids)
    return delivery_id != known.delivery_id and delivery_id[:_KEPT_OF_ID] not in later


def others_id(event_id: str, destination: str, number: int) -> str:
    """Return the id of the Delivery by which a destination hears what people at the other rooms said."""
    return derived_id("delivery", event_id, destination, "others", str(number))


def others_ids(state: AlertState, destination: str) -> Iterator[str]:
    """Yield the ids under which a destination can have heard of the others, the newest last: they are kept nowhere."""
    number = state.others.number if state.others else 0
    event_id = state.header.event_id
    yield from (others_id(event_id, destination, each) for each in range(max(1, number - _OTHERS_KNOWN), number + 1))


def _is_refresh_or_position(state: AlertState, receipt: DeliveryReceipt, now: datetime) -> bool:
    """Whether an answer is to a refresh or position update that can have been sent by now: their ids say which.

    A route may have said another period, or none, when they were: of the shortest, a second, all count.
    """
    seconds = (now - state.header.received_at).total_seconds()
    refresh, position = refresh_and_position_of(
        receipt.delivery_id or "", state.header.event_id, receipt.destination
    )  # fmt: skip
    was_sent = position is not None and position <= int((seconds + 1) / LEAST_SECONDS)
    return was_sent or (refresh is not None and 0 < refresh <= int(seconds))


def _older_refreshes(
    state: AlertState, destination: str, now: datetime, decisions: Sequence[Decision]
) -> Iterator[str]:
    """Yield the ids of the refreshes that a worker of before can have told, which did not number them."""
    periods = (one.refresh_seconds for one in decisions if one.destination == destination and one.refresh_seconds)
    last = int((now - state.header.received_at).total_seconds() / next(periods, float("inf")))
    about = "delivery", state.header.event_id, destination, "refresh"
    yield from (derived_id(*about, str(number)) for number in range(max(1, last - _OLDER_KNOWN + 1), last + 1))


def with_told(state: AlertState, notifications: Iterable[Notification]) -> AlertState:
    """Return the state that remembers under which ids its destinations are told, so that their answers are known.

    The newest of each destination are kept. Of one that an older hub told, nothing is known, and all counts.
    """
    destinations = dict(state.destinations)
    for notification in notifications:
        at = destinations.get(notification.destination)
        is_of_others = notification.others is not None and notification.others.only_news
        if (
            at is not None
            and notification.reason not in {DeliveryReason.NEW, DeliveryReason.REFRESH}
            and not is_of_others
        ):
            destinations[notification.destination] = _with_id(at, notification.delivery_id)
    return state if destinations == state.destinations else state.model_copy(update={"destinations": destinations})


def _with_id(at: DestinationState, delivery_id: str) -> DestinationState:
    kept = delivery_id[:_KEPT_OF_ID]
    if at.later_delivery_ids is None or kept in at.later_delivery_ids:
        return at
    later = (*at.later_delivery_ids, kept)[-_LATER_IDS_KEPT:]
    return at.model_copy(update={"later_delivery_ids": later})
