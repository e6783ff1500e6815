"""What a room says: each statement has an id and a place in that room's own order, and replaces the one before it.

A repeat, or one that is older than the newest, changes nothing, whatever partition or retry brings it. Pure.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from bondmate_schemas.enums import Level, Response
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import AlertState, DeliveryReceipt, DestinationState

from bondmate_streams.logic.levels import stage_of
from bondmate_streams.logic.life_cycle import HUMAN, LEVEL_OF, Fact
from bondmate_streams.logic.rooms import is_taken_up, others_of

_IDS_KEPT: Final = 16
_NO_HELP: Final = frozenset({Level.DECLINED, Level.CANCELLED, Level.RESOLVED})
_KEPT_OF_ID: Final = 8
"""Characters: 32 bits of a hash."""


def as_said(receipt: DeliveryReceipt) -> DeliveryReceipt:
    """Return a receipt whose level is the one beside which its response stands, whatever its writer put there.

    Who says no, or closes, promises no help.
    """
    response = receipt.response
    if response is Response.UNSTATED:
        return receipt
    if receipt.level in _NO_HELP and response is not Response.WITHDRAWN:
        return receipt.model_copy(update={"response": Response.UNSTATED})
    return receipt.model_copy(update={"level": LEVEL_OF[response]})


def is_statement(receipt: DeliveryReceipt) -> bool:
    """Return whether a person says something of the alert itself, and the transport proves nothing."""
    return receipt.level in HUMAN


def said_before(known: DestinationState, receipt: DeliveryReceipt) -> set[Fact]:
    """Return whether a room has said this already, or something newer."""
    if _kept(receipt) in known.statement_ids:
        return {Fact.REPEATED}
    return {Fact.OLDER} if known.stated_at and _place(receipt) < known.stated_at else set()


def with_statement(state: AlertState, receipt: DeliveryReceipt, now: datetime) -> AlertState:
    """Return the state in which this stands for what the room said before."""
    known = state.destinations[receipt.destination]
    at = _replaced(known, receipt).model_copy(
        update={
            "changed_at": now,
            "platform_id": receipt.platform_id or known.platform_id,
            "code": receipt.code,
            "stated_at": max(_place(receipt), known.stated_at or _place(receipt)),
            "statement_ids": (*known.statement_ids, _kept(receipt))[-_IDS_KEPT:],
            "round": state.round,
        }
    )
    return state.model_copy(update={"destinations": {**state.destinations, receipt.destination: at}})


def remembered(state: AlertState, receipt: DeliveryReceipt) -> AlertState:
    """Return the state that knows a statement which says nothing of the alert itself, of who owns it for example."""
    known = state.destinations[receipt.destination]
    at = known.model_copy(
        update={
            "stated_at": max(_place(receipt), known.stated_at or _place(receipt)),
            "statement_ids": (*known.statement_ids, _kept(receipt))[-_IDS_KEPT:],
        }
    )
    return state.model_copy(update={"destinations": {**state.destinations, receipt.destination: at}})


def lapses(before: AlertState, after: AlertState, name: str) -> bool:
    """Return whether by what this room said now nobody helps any more.

    Who took it back was the last who helped, or the last who had seen it; or the room closed its part, and nobody else
    has taken the alert up.
    """
    was, now = before.destinations[name], after.destinations[name]
    others = list(others_of(after, name))
    if not is_taken_up(was) or is_taken_up(now):
        return False
    if stage_of(was).helps and not stage_of(now).closes:
        return not any(stage_of(at).helps for at in others)
    return not any(is_taken_up(at) for at in others)


def _replaced(known: DestinationState, receipt: DeliveryReceipt) -> DestinationState:
    """Return what a room has by what it says now.

    That an update was seen takes nothing back of help that was promised. A no after a yes takes the yes back, and who
    takes back what nobody has heard says no.
    """
    if receipt.level is Level.ACKNOWLEDGED and receipt.response is Response.UNSTATED and stage_of(known).helps:
        return known
    response = receipt.response
    if receipt.level is Level.DECLINED:
        was_said = is_taken_up(known) or known.response is Response.WITHDRAWN
        response = Response.WITHDRAWN if was_said else Response.UNSTATED
    return known.model_copy(
        update={
            "level": receipt.level,
            "response": response,
            "unit": receipt.unit,
            "eta_at": receipt.eta_at,
            "validity": receipt.validity,
        }
    )


def _place(receipt: DeliveryReceipt) -> datetime:
    """Return the place of a statement in its room's order: a clock that is ahead must not hide what is said later."""
    return min(receipt.header.occurred_at, receipt.header.received_at)


def _kept(receipt: DeliveryReceipt) -> str:
    return derived_id("statement", receipt.header.message_id)[:_KEPT_OF_ID]
