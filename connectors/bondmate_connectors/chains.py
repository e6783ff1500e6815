"""Chains of messages: what refers to an Update alone is of the event that the Update continued.

Formats are pure and see one message. Here are remembered those of one call of `hub translate`, in their order; what the
hub itself remembers is the streams' (`bondmate_streams.logic.links`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Final

from bondmate_schemas.enums import AlertAction
from bondmate_schemas.models import Delivery, DeviceAlert, IncidentEvent, Record

from bondmate_connectors.formats.cot.header import ALERT_SYSTEM, SYSTEM

_ALERT_UIDS: Final = frozenset({SYSTEM, ALERT_SYSTEM})
"""Systems of the references that name an alert's uid, the surer one last."""


class Chains:
    """Which events the messages read so far belong to."""

    def __init__(self) -> None:
        self._events: dict[str, tuple[str, ...]] = {}
        self._incidents: dict[str, str | None] = {}
        self._alerts: dict[str, tuple[str, str | None]] = {}
        """Event and incident of the newest alert of a uid."""
        self._written: dict[str, tuple[str, datetime]] = {}

    def written(self, delivery: Delivery) -> None:
        """Remember what the first message about an event was written from."""
        self._written.setdefault(
            delivery.header.event_id, (delivery.id, delivery.sent_at or delivery.header.occurred_at)
        )

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
            if isinstance(event, DeviceAlert):
                yield self._alert(event)
                continue
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

    def _alert(self, event: DeviceAlert) -> tuple[DeviceAlert, bool]:
        """Return an alert and True; a cancel as of the newest alert of the uid that it names, and whether there is one.

        In CoT it says whose alert ends, not which (`formats.cot.read`).
        """
        header, uids = event.header, [ref.id for ref in event.header.external_refs if ref.system in _ALERT_UIDS]
        if event.action is not AlertAction.CANCEL:
            self._alerts |= dict.fromkeys(uids, (header.event_id, header.incident_id))
            return event, True
        found = next((self._alerts[uid] for uid in reversed(uids) if uid in self._alerts), None)
        if found is None:
            return event, not uids
        update = dict(zip(("event_id", "incident_id"), found, strict=True))
        return event.model_copy(update={"header": header.model_copy(update=update)}), True

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
