"""Whose an incident is: who began an event of one ends that event, and who began the incident closes the whole. Pure.

The owner is the connector by which the beginning came; by a gateway come devices of several agencies, so there the
agency counts too. Another connector of the agency of the owner may end it as well, if its sender has proved who it is.
Others may tell more of an incident, and never end it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bondmate_schemas.enums import IncidentAction
from bondmate_schemas.flags import UNPROVEN
from bondmate_schemas.models import EventHeader, EventOwner, IncidentEvent, IncidentMemory

from bondmate_streams.logic.deliveries import new_id

EVENTS_KEPT: Final = 64
MESSAGES_KEPT: Final = 256
ENDINGS = frozenset({IncidentAction.CLOSED, IncidentAction.CANCELLED})


def may_end(memory: IncidentMemory, event: IncidentEvent) -> bool:
    """Whether an ending counts: its sender began what it ends; or nobody is known to have, and the incident is its."""
    event_id = event.header.event_id
    if (owner := _owner(memory, event_id)) is not None:
        return _is_of(owner, event)
    # Told by a hub that kept no owners; or it may have been, and whose it was is forgotten, which cannot be judged.
    cannot_judge = event_id in memory.told or len(memory.told) >= EVENTS_KEPT
    return cannot_judge or ends_whole(memory, event)


def ends_whole(memory: IncidentMemory, event: IncidentEvent) -> bool:
    """Whether the sender of an ending may close the incident with it."""
    if not has_begun(memory):
        return True
    return _is_of(_owner(memory, memory.state.header.event_id) or memory.state.header, event)


def has_begun(memory: IncidentMemory) -> bool:
    """Whether more than ends was heard of an incident: those make nobody its owner."""
    return bool(memory.owners) or not memory.state.closed or _is_told_of(memory)


def _is_told_of(memory: IncidentMemory) -> bool:
    """Whether somebody was told of the beginning: what there is to go by where a hub kept no owners.

    What was played before it became real is counted, and is not among what was seen.
    """
    state = memory.state
    first = (at.delivery_id == new_id(state.header.event_id, name) for name, at in state.destinations.items())
    return len(memory.seen) >= min(state.event_count, MESSAGES_KEPT) and any(first)


def with_owner(memory: IncidentMemory | None, event: IncidentEvent) -> Iterator[EventOwner]:
    """Return the owners of the events of an incident, with that of `event` where nobody with a better claim is known.

    To begin an event is the best claim. What only refers to one is a claim as long as its beginning was not seen.
    """
    header, owners = event.header, tuple(_owners(memory)) if memory else ()
    begun = not event.refers_to
    known = next((owner for owner in owners if owner.event_id == header.event_id), None)
    # One that kept neither owners nor when an event was told first.
    is_of_older_hub = (
        memory is not None
        and header.event_id in memory.told
        and all(first.event_id != header.event_id for first in memory.first_sent)
    )
    is_better = begun or not is_of_older_hub
    if event.action in ENDINGS or (known and (known.begun or not begun)) or not is_better:
        yield from owners
        return
    yield from (owner for owner in owners if owner is not known)
    yield EventOwner(event_id=header.event_id, source=header.source, agency_id=header.agency_id, begun=begun)


def _owners(memory: IncidentMemory) -> Iterator[EventOwner]:
    """Yield the owners that are known; of what a hub remembered that kept none, who began the incident."""
    yield from memory.owners
    if not memory.owners and has_begun(memory):
        header = memory.state.header
        yield EventOwner(event_id=header.event_id, source=header.source, agency_id=header.agency_id, begun=True)


def _owner(memory: IncidentMemory, event_id: str) -> EventOwner | None:
    return next((owner for owner in _owners(memory) if owner.event_id == event_id), None)


def _is_of(owner: EventOwner | EventHeader, event: IncidentEvent) -> bool:
    header = event.header
    if owner.agency_id == header.agency_id:
        return owner.source == header.source or (header.agency_id != "" and UNPROVEN not in header.flags)
    # A connector speaks for one room, whatever agency its settings name by now.
    return owner.source == header.source and event.device_id is None
