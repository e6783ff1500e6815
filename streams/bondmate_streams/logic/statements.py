"""What a room says: each statement has an id and a place in that room's own order, and replaces the one before it.

A repeat, or one that is older than the newest, changes nothing, whatever partition or retry brings it. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from bondmate_schemas.enums import Level, Ownership, Response
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import AlertState, DeliveryReceipt, DestinationState

from bondmate_streams.logic import rounds
from bondmate_streams.logic.answers import is_of_no_news
from bondmate_streams.logic.deliveries import escalation_id, round_id
from bondmate_streams.logic.levels import is_answered, is_help_shown, is_helped, stage_of
from bondmate_streams.logic.life_cycle import CLOSED, ENDED_AS, HUMAN, LEVEL_OF, Cause, Fact
from bondmate_streams.logic.rooms import is_taken_up
from bondmate_streams.logic.routing import Escalation

_IDS_KEPT: Final = 16
_NO_HELP: Final = frozenset({Level.DECLINED, Level.CANCELLED, Level.RESOLVED})
_VISIBLY: Final = timedelta(minutes=5)
"""By how much less a clock is ahead of ours when it was set: a statement that comes late by less is only older."""
_KEPT_OF_ID: Final = 8
"""Characters: 32 bits of a hash."""


def as_said(receipt: DeliveryReceipt) -> DeliveryReceipt:
    """Return a receipt whose level is the one beside which its response stands, whatever its writer put there.

    Who says no, or closes, promises no help.
    """
    response = receipt.response
    if receipt.ownership is Ownership.REFUSED and receipt.level is Level.DECLINED:
        # It says no to owning the alert, and takes back nothing that it does for it.
        return receipt.model_copy(update={"level": Level.UNKNOWN})
    if response is Response.UNSTATED:
        return receipt
    if receipt.level in _NO_HELP and response is not Response.WITHDRAWN:
        return receipt.model_copy(update={"response": Response.UNSTATED})
    return receipt.model_copy(update={"level": LEVEL_OF[response]})


def as_heard(state: AlertState, receipt: DeliveryReceipt, escalation: Iterable[Escalation]) -> DeliveryReceipt:
    """Return a receipt whose *seen* is no statement where no person need have seen anything; its words stay.

    A refresh is answered by machines, and proves at most that it was delivered. And who said no, took help back or
    closed its part takes nothing up by the courtesy of acknowledging what comes after, but by an answer to the alert
    itself or to a new round.
    """
    known = state.destinations[receipt.destination]
    if receipt.level is Level.ACCEPTED and is_of_no_news(known, receipt):
        return receipt.model_copy(update={"level": Level.DELIVERED})
    if not _is_seen(receipt) or receipt.delivery_id in {None, known.delivery_id}:
        return receipt
    is_gone = stage_of(known).said and not is_taken_up(known)
    if not is_of_no_news(known, receipt) and not (is_gone and not _is_of_round(state, receipt, escalation)):
        return receipt
    return receipt.model_copy(update={"level": Level.UNKNOWN if receipt.note else Level.DELIVERED})


def _is_of_round(state: AlertState, receipt: DeliveryReceipt, escalation: Iterable[Escalation]) -> bool:
    """Whether what is answered told of a round that is not the first; who pressed began it with that itself."""
    if not state.round:
        return False
    event_id, name, number = state.header.event_id, receipt.destination, state.round
    causes = rounds.causes(state)
    if max(causes, key=lambda cause: causes[cause], default=None) in {Cause.PRESS, Cause.GRAVER}:
        return True
    steps = (escalation_id(event_id, name, step.after_seconds, number) for step in escalation)
    return receipt.delivery_id in {round_id(event_id, name, number, "round"), *steps}


def is_statement(receipt: DeliveryReceipt) -> bool:
    """Whether a person says something of the alert itself, and the transport proves nothing."""
    return receipt.level in HUMAN


def said_before(known: DestinationState, receipt: DeliveryReceipt) -> set[Fact]:
    """Whether a room has said this already, or something newer."""
    if _kept(receipt) in known.statement_ids:
        return {Fact.REPEATED}
    return {Fact.OLDER} if _is_older(known, receipt) else set()


def with_statement(state: AlertState, receipt: DeliveryReceipt, now: datetime) -> AlertState:
    """Return the state in which this stands for what the room said before."""
    known, header = state.destinations[receipt.destination], receipt.header
    at = _replaced(known, receipt).model_copy(
        update={
            "changed_at": now,
            "platform_id": receipt.platform_id or known.platform_id,
            "code": receipt.code,
            "statement_ids": (*known.statement_ids, _kept(receipt))[-_IDS_KEPT:],
            "round": state.round,
            # Its place in the room's order, by the room's own clock, and when the hub had it.
            **({} if _is_seen(receipt) else {"stated_at": header.occurred_at, "heard_at": header.received_at}),
        }
    )
    destinations = {**state.destinations, receipt.destination: at}
    return state.model_copy(update={"destinations": as_ended(destinations) if state.status in CLOSED else destinations})


def owned_before(known: DestinationState, receipt: DeliveryReceipt) -> bool:
    """Whether a room has said this already of who owns the alert, or something newer."""
    older = known.owned_at is not None and receipt.header.occurred_at < known.owned_at
    return older or said_beside(known, receipt)


def said_beside(known: DestinationState, receipt: DeliveryReceipt) -> bool:
    """Whether a room has said this already that says nothing of help."""
    return not is_statement(receipt) and _kept(receipt) in known.statement_ids


def with_beside(state: AlertState, receipt: DeliveryReceipt) -> AlertState:
    """Return the state that knows that a room said this, beside what it says of help."""
    known = state.destinations[receipt.destination]
    ids = tuple(dict.fromkeys((*known.statement_ids, _kept(receipt))))[-_IDS_KEPT:]
    at = known.model_copy(update={"statement_ids": ids})
    return state.model_copy(update={"destinations": {**state.destinations, receipt.destination: at}})


def with_owned(state: AlertState, receipt: DeliveryReceipt) -> AlertState:
    """Return the state that knows what was said of who owns the alert: an order of its own."""
    state = with_beside(state, receipt)
    at = state.destinations[receipt.destination].model_copy(update={"owned_at": receipt.header.occurred_at})
    return state.model_copy(update={"destinations": {**state.destinations, receipt.destination: at}})


def lapses(before: AlertState, after: AlertState, name: str) -> bool:
    """Whether by what this room said now nobody answers any more in this round of escalation, or nobody helps.

    Help of an earlier round is shown too, until it is taken back; and who closes its part may be the last who had taken
    the alert up, in whatever round.
    """
    if is_answered(before) and not is_answered(after):
        return True
    if stage_of(after.destinations[name]).closes:
        return _any_taken_up(before) and not _any_taken_up(after)
    ends_in_round = is_helped(before) and not is_helped(after)
    return ends_in_round or (is_help_shown(before) and not is_help_shown(after))


def _any_taken_up(state: AlertState) -> bool:
    return any(map(is_taken_up, state.destinations.values()))


def as_ended(destinations: Mapping[str, DestinationState]) -> dict[str, DestinationState]:
    """Return what destinations have of an alert that has ended: there a part that was closed is written as that."""
    return {name: at.model_copy(update={"level": at.level_said}) for name, at in destinations.items()}


def _replaced(known: DestinationState, receipt: DeliveryReceipt) -> DestinationState:
    """Return what a room has by what it says now.

    That an update was seen takes nothing back of help that was promised. A no after a yes takes the yes back, and who
    takes back what nobody has heard says no.
    """
    if _is_seen(receipt) and stage_of(known).helps:
        return known
    response = receipt.response
    if receipt.level is Level.DECLINED:
        was_said = is_taken_up(known) or known.response is Response.WITHDRAWN
        response = Response.WITHDRAWN if was_said else Response.UNSTATED
    closes = receipt.level in ENDED_AS
    # Which unit and when stays until another is said, or help is taken back.
    helps = stage_of(known).helps and receipt.level not in _NO_HELP
    return known.model_copy(
        update={
            "had_taken_up": closes and (known.had_taken_up or is_taken_up(known)),
            # An older worker ends the whole where it reads that a room has closed its part.
            "level": Level.DECLINED if closes else receipt.level,
            "closed_as": receipt.level if closes else Level.UNKNOWN,
            "response": response,
            "unit": receipt.unit or (known.unit if helps else None),
            "eta_at": receipt.eta_at or (known.eta_at if helps else None),
            "validity": receipt.validity,
        }
    )


def _is_seen(receipt: DeliveryReceipt) -> bool:
    """Whether it says no more than that it was seen: this takes nothing's place, whatever comes after it."""
    return receipt.level is Level.ACKNOWLEDGED and receipt.response is Response.UNSTATED


def _is_older(known: DestinationState, receipt: DeliveryReceipt) -> bool:
    """Whether a statement is older than what the room said last.

    In one second of the room's clock a no comes after a yes; by the hub's own time they come in order. A clock that was
    set back hides no no and no closing; and one that was ahead, and was put right, hides nothing.
    """
    at, last = receipt.header.occurred_at, known.stated_at
    if last is None or at > last:
        return False
    if at == last:
        by_the_room = at != receipt.header.received_at
        return by_the_room and stage_of(known).said and not is_taken_up(known) and receipt.level not in _NO_HELP
    ahead, was_ahead = at - receipt.header.received_at, last - (known.heard_at or last)
    if was_ahead - ahead < _VISIBLY:
        return True
    return receipt.level not in _NO_HELP and not (was_ahead >= _VISIBLY > ahead)


def _kept(receipt: DeliveryReceipt) -> str:
    return derived_id("statement", receipt.header.message_id)[:_KEPT_OF_ID]
