"""Whose an incident is: who began an event of one ends that event, and who began the incident closes the whole. Pure.

The owner is the connector by which the beginning came; by a gateway come devices of several agencies, so there the
agency counts too. Another connector of the agency of the owner may end it as well, if its sender has proved who it is.
Others may tell more of an incident, and never end it.
"""

from __future__ import annotations

from collections.abc import Iterator

from bondmate_schemas.enums import IncidentAction
from bondmate_schemas.flags import UNPROVEN
from bondmate_schemas.models import EventHeader, EventOwner, IncidentEvent, IncidentMemory

ENDINGS = frozenset({IncidentAction.CLOSED, IncidentAction.CANCELLED})


def may_end(memory: IncidentMemory, event: IncidentEvent) -> bool:
    """Whether an ending counts: its sender began what it ends; or nobody is known to have, and the incident is its."""
    owner = _owner(memory, event.header.event_id)
    return ends_whole(memory, event) if owner is None else _is_of(owner, event)


def ends_whole(memory: IncidentMemory, event: IncidentEvent) -> bool:
    """Whether the sender of an ending may close the incident with it."""
    if not has_begun(memory):
        return True
    # Without an owner: remembered by a hub that kept none.
    return _is_of(_owner(memory, memory.state.header.event_id) or memory.state.header, event)


def has_begun(memory: IncidentMemory) -> bool:
    """Whether more than ends was heard of an incident: those make nobody its owner."""
    return bool(memory.owners) or not memory.state.closed


def with_owner(memory: IncidentMemory | None, event: IncidentEvent) -> Iterator[EventOwner]:
    """Return the owners of the events of an incident, with that of `event` where nobody with a better claim is known.

    To begin an event is the best claim. What only refers to one is a claim as long as its beginning was not seen.
    """
    header, owners = event.header, memory.owners if memory else ()
    begun = not event.refers_to
    known = _owner(memory, header.event_id) if memory else None
    if event.action in ENDINGS or (known and (known.begun or not begun)):
        yield from owners
        return
    yield from (owner for owner in owners if owner is not known)
    yield EventOwner(event_id=header.event_id, source=header.source, agency_id=header.agency_id, begun=begun)


def _owner(memory: IncidentMemory, event_id: str) -> EventOwner | None:
    return next((owner for owner in memory.owners if owner.event_id == event_id), None)


def _is_of(owner: EventOwner | EventHeader, event: IncidentEvent) -> bool:
    header = event.header
    if owner.agency_id == header.agency_id:
        return owner.source == header.source or (header.agency_id != "" and UNPROVEN not in header.flags)
    # A connector speaks for one room, whatever agency its settings name by now.
    return owner.source == header.source and event.device_id is None
