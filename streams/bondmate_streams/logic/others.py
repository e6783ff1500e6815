"""What the rooms of an alert see of each other: what people there say, as the agreement of each lets it.

What is said is told to the others as news: at once, and then at most once in `EVERY`, with all that was said meanwhile;
never to who said it, where nobody else did. Each Delivery of an alert carries what stands, so that nothing depends on
the news.

Rooms that acknowledge everything come to rest: an answer to such news that says no more than *seen* is a machine's, and
no statement; what changes nothing is no news; and what answers news that answers news is told on `MOST_HOPS` times.
Under duress nothing goes to maps that many look at.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from bondmate_schemas.enums import AlertKind, DeliveryReason
from bondmate_schemas.models import AlertState, DeliveryReceipt, DestinationState, OtherRoom, Others, OthersTold

from bondmate_streams.logic.answers import others_id, others_ids
from bondmate_streams.logic.deliveries import Notification
from bondmate_streams.logic.levels import stage_of
from bondmate_streams.logic.life_cycle import CLOSED
from bondmate_streams.logic.rooms import Rooms, owner_of
from bondmate_streams.logic.routing import Decision
from bondmate_streams.logic.statements import is_statement
from bondmate_streams.logic.steps import Step, as_update, tell

EVERY: Final = timedelta(seconds=5)
MOST_HOPS: Final = 4
_ALL: Final = frozenset({"level", "unit", "words", "person"})
_NOTHING: Final[frozenset[str]] = frozenset()
_WORDS_KEPT: Final = 500
"""Characters of what a room said last in words."""
_HOPS_KEPT: Final = 256


def listing(name: str, state: AlertState, rooms: Rooms) -> frozenset[str]:
    """Return what a destination may know of what people at the others say."""
    if name in rooms.shared and (state.alert.silent or state.alert.kind is AlertKind.DURESS):
        return _NOTHING
    is_owners = rooms.agencies.get(name) == owner_of(state)
    listed = rooms.see.get(name, _ALL if is_owners else _NOTHING)
    return listed if "level" in listed else _NOTHING


def seen_by(name: str, state: AlertState, rooms: Rooms) -> tuple[OtherRoom, ...]:
    """Return what a destination may know of what people at the others said last."""
    listed = listing(name, state, rooms)
    told = state.others or OthersTold()
    return tuple(
        OtherRoom(
            agency=rooms.name_of(other),
            level=at.level_said,
            response=at.response,
            validity=at.validity,
            said_at=at.heard_at or at.changed_at,
            unit=at.unit if "unit" in listed else None,
            eta_at=at.eta_at if "unit" in listed else None,
            words=told.words.get(other, "") if "words" in listed else "",
            by_ref=told.by_refs.get(other) if "person" in listed else None,
        )
        for other, at in (state.destinations.items() if listed else ())
        if other not in {name, *rooms.unlisted} and stage_of(at).said
    )


def beside(notifications: Sequence[Notification], state: AlertState, rooms: Rooms) -> Sequence[Notification]:
    """Return what is told of an alert with what its destinations may know of each other beside it."""
    if not any(at.statement_ids for at in state.destinations.values()):
        return notifications
    found = []
    for one in notifications:
        seen = seen_by(one.destination, state, rooms)
        is_told = not seen or one.others is not None or one.reason is DeliveryReason.CANCEL
        found.append(one if is_told else replace(one, others=Others(rooms=seen)))
    return found


def with_unlisted(state: AlertState, rooms: Rooms) -> AlertState:
    """Return the state that says which of its rooms nobody may know of."""
    names = tuple(name for name in state.destinations if name in rooms.unlisted)
    if names == (state.others.unlisted if state.others else ()):
        return state
    told = (state.others or OthersTold()).model_copy(update={"unlisted": names})
    return state.model_copy(update={"others": told})


def noted(before: AlertState, step: Step, receipt: DeliveryReceipt, rooms: Rooms, now: datetime) -> Step:
    """Return the step of what a room said, with a state that knows what the others are to be told of a statement."""
    after, name = step.state, receipt.destination
    if after is None or after is before or after.status in CLOSED or not is_statement(receipt):
        return step
    if name in rooms.unlisted or not any(listing(other, after, rooms) for other in after.destinations if other != name):
        return step
    was, at = before.destinations[name], after.destinations[name]
    if at.statement_ids == was.statement_ids or not stage_of(at).said:
        return step
    told = _with_words(before, after, receipt)
    is_news = _shown(was) != _shown(at) or told.words != (before.others.words if before.others else {})
    hops = _hops_of(before, receipt)
    # Who is told of it by this step anyway need not hear it twice.
    if is_news and not step.notifications and hops <= MOST_HOPS:
        told = _to_be_told(told, name, receipt.header.message_id, hops, now)
    return replace(step, state=after.model_copy(update={"others": told})) if told != OthersTold() else step


def _shown(at: DestinationState) -> tuple[object, ...]:
    return stage_of(at), at.unit, at.eta_at, at.validity


def _with_words(before: AlertState, after: AlertState, receipt: DeliveryReceipt) -> OthersTold:
    """Return what is known, with the words of the newest statement; what is said without words takes them away."""
    told, name = after.others or OthersTold(), receipt.destination
    replaced = after.destinations[name].stated_at != before.destinations[name].stated_at
    if not receipt.note and not receipt.by_ref and not replaced:
        return told
    words = {key: text for key, text in told.words.items() if key != name}
    by_refs = {key: person for key, person in told.by_refs.items() if key != name}
    if receipt.note:
        words[name] = receipt.note[:_WORDS_KEPT]
    if receipt.by_ref:
        by_refs[name] = receipt.by_ref
    return told.model_copy(update={"words": words, "by_refs": by_refs})


def _hops_of(state: AlertState, receipt: DeliveryReceipt) -> int:
    """Return how many answers to news led to this one: 0 where it answers the alert itself, or names nothing."""
    told = state.others
    if told is None or receipt.delivery_id is None:
        return 0
    ids = [*others_ids(state, receipt.destination)]
    if receipt.delivery_id not in ids:
        return 0
    since = len(ids) - ids.index(receipt.delivery_id)
    return int(told.hops[-since]) + 1 if since <= len(told.hops) else MOST_HOPS + 1


def _to_be_told(told: OthersTold, name: str, cause: str, hops: int, now: datetime) -> OthersTold:
    # A number of its own each time, so that what is told again after a crash is never other news under an old id.
    hops = min(hops, int(told.hops[-1])) if told.pending else hops
    update = {
        "pending": tuple(dict.fromkeys((*told.pending, name))),
        "due_at": told.due_at or max(now, told.told_at + EVERY if told.told_at else now),
        "cause": cause,
        "number": told.number + 1,
        "hops": f"{told.hops}{hops}"[-_HOPS_KEPT:],
    }
    return told.model_copy(update=update)


def due_at(state: AlertState) -> datetime | None:
    """Return when the rooms are to hear of each other; None: there is nothing new."""
    return state.others.due_at if state.others and state.status not in CLOSED else None


def news(outcome: str, state: AlertState, decisions: Sequence[Decision], now: datetime, rooms: Rooms) -> Step:
    """Return what tells the rooms of what was said at the others since they heard of it last."""
    told = state.others
    assert told is not None
    event_id, number = state.header.event_id, told.number
    alert = as_update(state, now, "others", str(number))
    hear = {name: seen_by(name, state, rooms) for name in _to_hear(state, told.pending, rooms)}
    silent = set(state.destinations) - {name for name, seen in hear.items() if seen}
    notifications = tuple(
        replace(
            notification,
            delivery_id=others_id(event_id, notification.destination, number),
            others=Others(
                rooms=hear[notification.destination], only_news=True, cause=told.cause or None, hops=int(told.hops[-1])
            ),
        )
        for notification in tell(state, alert, DeliveryReason.UPDATE, decisions, leave_out=silent)
    )
    after = told.model_copy(update={"pending": (), "due_at": None, "told_at": now})
    return Step(outcome, state.model_copy(update={"others": after}), notifications)


def _to_hear(state: AlertState, pending: Collection[str], rooms: Rooms) -> Iterator[str]:
    """Yield who may know of what was said, and neither said it alone nor has closed its part."""
    said = set(pending) - rooms.unlisted
    for name, at in state.destinations.items():
        if said - {name} and not stage_of(at).closes and listing(name, state, rooms):
            yield name
