"""Chains of messages: what refers to an Update alone is of the event that the Update continued.

Formats are pure and see one message. Here are remembered those of one call of `hub translate`, in their order; what the
hub itself remembers is the streams' (`bondmate_streams.logic.links`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby

from bondmate_schemas.models import Delivery, IncidentEvent, Record


class Chains:
    """Which events the messages read so far belong to."""

    def __init__(self) -> None:
        self._events: dict[str, tuple[str, ...]] = {}
        self._incidents: dict[str, str | None] = {}
        self._written: dict[str, tuple[str, datetime]] = {}

    def written(self, delivery: Delivery) -> None:
        """Remember what the first message about an event was written from."""
        self._written.setdefault(delivery.header.event_id, (delivery.id, delivery.header.occurred_at))

    def going_on(self, delivery: Delivery) -> Delivery:
        """Return `delivery`, with what the first message about its event was written from."""
        first_id, sent_at = self._written.get(delivery.header.event_id, (None, None))
        return delivery.model_copy(update={"first_id": first_id, "first_sent_at": sent_at})

    def join(self, events: Iterable[Record]) -> tuple[list[Record], bool]:
        """Return the events of a document, each of what it goes on from, and whether all that is known."""
        joined: list[Record] = []
        whole = True
        for _, message in groupby(events, _message):
            found = list(self._join(list(message)))
            joined += [event for event, _ in found]
            whole = whole and all(known for _, known in found)
        return joined, whole

    def _join(self, message: Sequence[Record]) -> Iterator[tuple[Record, bool]]:
        """Return what one message says of each event, and whether that event is known.

        What refers to several of one event says it once; others that share an id are each told, unless they are alike.
        """
        said: dict[str, list[IncidentEvent]] = {}
        for event in message:
            if not isinstance(event, IncidentEvent):
                yield event, True
                continue
            known = self._known(event)
            for event_id in known or (event.header.event_id,):
                before = said.setdefault(event_id, [])
                if not before or not (event.refers_to or event in before):
                    before.append(event)
                    yield self._of(event, event_id), bool(known) or not event.refers_to
        for event in message:
            if isinstance(event, IncidentEvent):
                self._events[event.header.message_id] = tuple(said)

    def _known(self, event: IncidentEvent) -> tuple[str, ...]:
        found = (one for reference in event.refers_to for one in self._events.get(reference, ()))
        return tuple(dict.fromkeys(found))

    def _of(self, event: IncidentEvent, event_id: str) -> IncidentEvent:
        if event_id == event.header.event_id:
            self._incidents.setdefault(event_id, event.header.incident_id)
            return event
        update = {"event_id": event_id, "incident_id": self._incidents.get(event_id, event_id)}
        return event.model_copy(update={"header": event.header.model_copy(update=update)})


def _message(event: Record) -> object:
    """Return what the events of one message share."""
    if isinstance(event, IncidentEvent):
        return event.header.agency_id, event.header.origin_message_id, event.header.occurred_at, event.action
    return None
