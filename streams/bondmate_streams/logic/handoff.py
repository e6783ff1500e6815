"""Who owns an alert, and how it is handed over: offered, taken or refused, or the offer is over.

Until it is taken the giver owns it, so that there is always one who may end the whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from bondmate_schemas.enums import DeliveryReason, Ownership
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import AlertState, AlertWhole, DeliveryReceipt, DeviceAlert, Handoff

from bondmate_streams.logic.deliveries import Notification
from bondmate_streams.logic.life_cycle import Fact
from bondmate_streams.logic.rooms import Rooms, owner_of
from bondmate_streams.logic.routing import Decision
from bondmate_streams.logic.steps import Step, as_update, tell

_WORDS_KEPT: Final = 500
"""Characters of what is written with an offer."""
TOLD: Final = "owner"
"""Stands in the ids of what tells the rooms who owns an alert, and to whom it is offered."""
_FACTS: Final = {Ownership.TAKEN: Fact.TAKES, Ownership.REFUSED: Fact.REFUSES}


def facts_of(state: AlertState, receipt: DeliveryReceipt, rooms: Rooms, now: datetime) -> set[Fact]:
    """Whether the owner offers an alert to who was told of it, or who it is offered to takes or refuses it."""
    room = receipt.destination
    agency = rooms.agencies.get(room)
    if receipt.ownership is Ownership.OFFERED:
        to = receipt.offered_to or ""
        can_take = any(_may_take(rooms, each, state) for each in rooms.of_agency(state, to))
        return {Fact.OFFERS} if agency == owner_of(state) and to != agency and can_take else set()
    offer = state.handoff if _may_take(rooms, room, state) else None
    is_meant = offer is not None and agency == offer.agency_id and now < offer.expires_at
    return {_FACTS[receipt.ownership]} if is_meant else set()


def owns_already(state: AlertState, receipt: DeliveryReceipt, rooms: Rooms) -> bool:
    """Whether a room takes what its agency owns: it says so again, or another room of it does."""
    agency = rooms.agencies.get(receipt.destination)
    return receipt.ownership is Ownership.TAKEN and state.handoff is None and agency == owner_of(state)


def _may_take(rooms: Rooms, name: str, state: AlertState) -> bool:
    """Whether an alert may be handed over to a room.

    All are told whom it is offered to, and nobody may know of an unlisted one; who is only in the exercise would own
    what is real.
    """
    return name not in rooms.unlisted and rooms.takes(name, state.header.mode)


def changed(state: AlertState, receipt: DeliveryReceipt, outcome: str, rooms: Rooms, now: datetime) -> AlertState:
    """Return the alert after it was offered, handed over, or refused; a second offer replaces the first."""
    if outcome == "offered":
        offer = Handoff(
            agency_id=receipt.offered_to or "",
            offered_by=receipt.destination,
            message_id=receipt.header.message_id,
            expires_at=now + timedelta(seconds=rooms.offer_seconds),
            words="" if receipt.destination in rooms.unlisted else (receipt.note or "")[:_WORDS_KEPT],
        )
        return state.model_copy(update={"handoff": offer})
    owner = state.handoff.agency_id if state.handoff and outcome == "handed_over" else state.owner_agency_id
    return state.model_copy(update={"handoff": None, "owner_agency_id": owner})


def is_over(state: AlertState, now: datetime) -> bool:
    """Whether an offer was not taken in its time."""
    return state.handoff is not None and state.handoff.expires_at <= now


def with_words(
    notifications: Sequence[Notification], state: AlertState, agencies: Mapping[str, str]
) -> Sequence[Notification]:
    """Return what is told of an alert, to rooms of the agency that it is offered to with what was written to them."""
    offer = state.handoff
    if offer is None or not offer.words:
        return notifications
    return [
        _worded(one, offer.words) if agencies.get(one.destination) == offer.agency_id else one for one in notifications
    ]


def _worded(notification: Notification, words: str) -> Notification:
    alert = notification.event
    if not isinstance(alert, DeviceAlert):
        return notification
    whole = (alert.whole or AlertWhole()).model_copy(update={"offered_words": words})
    return replace(notification, event=alert.model_copy(update={"whole": whole}))


def given_back(outcome: str, state: AlertState, decisions: Sequence[Decision], now: datetime, _: Rooms) -> Step:
    """Leave an alert to its owner, since an offer of it was not taken in its time, and tell every room."""
    assert state.handoff is not None
    after = state.model_copy(update={"handoff": None, "changed_at": now})
    told = as_update(after, now, derived_id(state.handoff.message_id, "over"), TOLD)
    return Step(outcome, after, tell(after, told, DeliveryReason.UPDATE, decisions))
