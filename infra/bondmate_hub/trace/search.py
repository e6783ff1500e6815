"""Finds what the hub keeps of an event, a device or a number that a control room quotes, among all that it keeps.

First it is found out which events are meant: by key where the id is one of the hub's own, else by content, sifted
before anything is decoded. Then everything under the keys of those events is read, from when they began.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from bondmate_kafka.client import Place
from bondmate_kafka.topic_search import FoundRecord, Gone, TopicSearch, Wanted
from bondmate_schemas import catalogue
from bondmate_schemas.codec import Codec, CodecError
from bondmate_schemas.device_alert_ids import alert_event_id, own_ids
from bondmate_schemas.models import (
    AlertState,
    Delivery,
    DeliveryReceipt,
    DeviceAlert,
    DeviceLocation,
    DeviceMessage,
    IncidentEvent,
    OperationsPage,
    Record,
)
from bondmate_schemas.outside_ids import SHARED, ForeignIdError, OutsideIds

from bondmate_hub.operations.alert_list import raised_at
from bondmate_hub.trace.hops import TraceHop, hop_of, hop_of_dead_letter
from bondmate_hub.trace.quoted import IDS, as_stored, names_in

__all__ = ["Query", "Trace", "Tracer", "destinations"]

_BEFORE: Final = timedelta(minutes=1)
"""The clocks of brokers and gateways differ."""
_EVENTS: Final = (catalogue.DEVICE_ALERTS, catalogue.INCIDENTS, catalogue.RECEIPTS, catalogue.MESSAGES)
_KINDS: Final[dict[str, type[Record]]] = {
    catalogue.STATE_ALERTS: AlertState,
    catalogue.DEVICE_ALERTS: DeviceAlert,
    catalogue.ALERT_CHANGES: DeviceAlert,
    catalogue.DEVICE_LOCATIONS: DeviceLocation,
    catalogue.INCIDENTS: IncidentEvent,
    catalogue.MESSAGES: DeviceMessage,
    catalogue.RECEIPTS: DeliveryReceipt,
    catalogue.PAGES: OperationsPage,
}
_CALLSIGN: Final = frozenset({"callsign"})


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for: ids that may be meant, or a callsign, since a time; `positions` shows where it was."""

    names: frozenset[str]
    callsign: str = ""
    since: datetime | None = None
    positions: bool = False


@dataclass(slots=True)
class Trace:
    """What was found: the events with their devices, where each alert stands, the hops, and what is gone."""

    events: set[str] = field(default_factory=set)
    devices: set[str] = field(default_factory=set)
    incidents: set[str] = field(default_factory=set)
    states: dict[str, AlertState] = field(default_factory=dict)
    hops: list[TraceHop] = field(default_factory=list)
    gone: list[Gone] = field(default_factory=list)

    def began(self) -> datetime | None:
        """Return when the first of the events began; None where that is not known of each."""
        if not self.events or not self.events <= self.states.keys():
            return None
        return min(raised_at(self.states[event]) for event in self.events)


class Tracer:
    """Looks for one thing."""

    def __init__(self, search: TopicSearch, codec: Codec, outside: OutsideIds | None, query: Query) -> None:
        """Read with `search` and `codec`; `outside` reads the ids that destinations have."""
        self._search = search
        self._codec = codec
        self._outside = outside
        self._query = query
        self._found = Trace()
        self._presses: dict[str, str] = {}
        """The alert that a press is part of, by the id that the press alone would have had."""

    def trace(self) -> Trace:
        """Return the trace.

        Raises:
            BrokerError: the broker does not answer.
            SchemaUnavailableError: the registry does not answer.
        """
        self._resolve()
        if self._found.events or (self._found.devices and self._query.positions):
            self._gather()
        self._found.hops.sort(key=lambda hop: hop.at)
        self._found.gone = [gone for topic, gone in self._search.gone.items() if topic != catalogue.STATE_ALERTS]
        return self._found

    # Which events are meant.

    def _resolve(self) -> None:
        if self._query.callsign:
            self._resolve_by_content(self._whole([catalogue.STATE_ALERTS]))
            self._resolve_by_content(self._whole([catalogue.DEVICE_ALERTS]), self._query.since)
        else:
            self._resolve_by_key()
        if not self._found.events:
            self._resolve_by_content(self._whole([catalogue.STATE_ALERTS]))
        if not self._found.events:
            self._resolve_by_content(self._whole(_EVENTS), self._query.since)
        self._complete()

    def _resolve_by_key(self) -> None:
        names = self._query.names
        keys = {name.encode() for name in names}
        self._learn(self._search.find(self._search.of_keys(catalogue.STATE_ALERTS, names), _under(keys)))
        places = [place for topic in _EVENTS for place in self._search.of_keys(topic, names)]
        self._learn(self._search.find(places, _under(keys), self._query.since))

    def _resolve_by_content(self, places: Collection[Place], since: datetime | None = None) -> None:
        asked = frozenset({self._query.callsign}) if self._query.callsign else self._query.names
        fields = _CALLSIGN if self._query.callsign else IDS
        self._learn(self._search.find(places, _holding(asked), since), asked, fields)

    def _complete(self) -> None:
        """Find the states of events of which another record was found: a press may have become part of an alert."""
        missing = self._found.events - self._found.states.keys()
        if not missing:
            return
        keys = {event.encode() for event in missing}
        self._learn(self._search.find(self._search.of_keys(catalogue.STATE_ALERTS, missing), _under(keys)))
        missing -= self._found.states.keys()
        if missing and not self._found.devices:
            # Its state is forgotten: only the alert itself names its device.
            pressed = self._search.find(self._whole([catalogue.DEVICE_ALERTS]), _holding(missing), self._query.since)
            self._learn(pressed, frozenset(missing))
        if not missing or not self._found.devices:
            return
        names = frozenset(self._found.devices)
        for found in self._search.find(self._whole([catalogue.STATE_ALERTS]), _holding(names)):
            record = self._decoded(found)
            if isinstance(record, AlertState) and missing & {record.header.event_id, *_presses(record)}:
                self._note(record)

    def _whole(self, topics: Iterable[str]) -> list[Place]:
        return [place for topic in topics for place in self._search.whole(topic)]

    def _learn(
        self, found: Iterator[FoundRecord], names: frozenset[str] = frozenset(), fields: frozenset[str] = IDS
    ) -> None:
        """Note what records are of; of those found by content only where a field is one of `names`."""
        for each in found:
            record = self._decoded(each)
            if record is not None and (not names or not names.isdisjoint(names_in(record, fields))):
                self._note(record)

    def _note(self, record: Record) -> None:
        if isinstance(record, AlertState):
            self._found.states[record.header.event_id] = record
            self._presses.update(dict.fromkeys(_presses(record), record.header.event_id))
        if isinstance(record, AlertState | DeviceAlert):
            self._found.devices.add(record.device_id)
        if isinstance(record, DeviceMessage) and record.alert_id:
            self._found.devices.add(record.device_id)
            self._found.events.add(self._back(record.header.source, record.alert_id))
        elif isinstance(record, AlertState | DeviceAlert | IncidentEvent | DeliveryReceipt | DeviceMessage):
            who = record.destination if isinstance(record, DeliveryReceipt) else record.header.source
            self._found.events.add(self._back(who, record.header.event_id))
            if record.header.incident_id:
                self._found.incidents.add(self._back(who, record.header.incident_id))

    # What is kept of them.

    def _gather(self) -> None:
        for press in self._presses.keys() & self._found.events:
            self._found.events.remove(press)
            self._found.events.add(self._presses[press])
        keys = {topic: self._keys(topic) for topic in self._topics()}
        began = self._found.began()
        since = max(filter(None, (self._query.since, began and began - _BEFORE)), default=None)
        places = [place for topic, names in keys.items() for place in self._search.of_keys(topic, names)]
        wanted = _under({key.encode() for names in keys.values() for key in names})
        hops = dict(self._hops(self._search.find(places, wanted, since)))
        messages = {hop.facts["message_id"] for hop in hops.values() if "message_id" in hop.facts}
        if messages:
            told = self._search.of_keys(catalogue.RECEIPTS, messages)
            wanted = _under({message.encode() for message in messages})
            hops |= dict(self._hops(self._search.find(told, wanted, since), messages))
        self._found.hops = list(hops.values())

    def _topics(self) -> Iterator[str]:
        yield from (catalogue.DEVICE_ALERTS, catalogue.ALERT_CHANGES, catalogue.RECEIPTS, catalogue.INCIDENTS)
        yield from (catalogue.MESSAGES, catalogue.PAGES)
        if self._query.positions:
            yield catalogue.DEVICE_LOCATIONS
        for topic in self._search.topics():
            if catalogue.is_dead_letters(topic) or _is_of_destination(topic):
                yield topic

    def _keys(self, topic: str) -> set[str]:
        """Return every key under which something of the events may stand on a topic: a destination has its own ids."""
        found = self._found
        inside = found.events | found.devices | found.incidents
        for prefix in (catalogue.destination_topic(""), catalogue.dead_letter_topic("")):
            if topic.startswith(prefix):
                return inside | set(self._outside_forms(topic.removeprefix(prefix), inside))
        return inside

    def _outside_forms(self, destination: str, ids: Collection[str]) -> Iterator[str]:
        for key in self._outside.secrets if self._outside else ():
            assert self._outside is not None
            for scope in (destination, SHARED):
                form = self._outside.of_destination(scope, key)
                yield from (form(each) for each in ids)

    def _hops(
        self, found: Iterator[FoundRecord], messages: Collection[str] = ()
    ) -> Iterator[tuple[tuple[str, str], TraceHop]]:
        """Yield hops by what makes a repeat of each the same."""
        for each in found:
            name = (each.topic, each.headers.get("ce_id", b"").decode(errors="replace") or each.where)
            if catalogue.is_dead_letters(each.topic):
                if event := self._event_in(each):
                    yield name, hop_of_dead_letter(each, event)
                continue
            record = self._decoded(each)
            event = self._event_of(record, messages) if record is not None else None
            if record is not None and event is not None:
                yield name, hop_of(each, record, event, positions=self._query.positions)

    def _event_of(self, record: Record, messages: Collection[str]) -> str | None:
        """Return which of the events a record is of; None where it is of none."""
        if isinstance(record, DeviceLocation):
            return ""
        if isinstance(record, OperationsPage):
            return record.subject if record.subject in self._found.events else None
        if isinstance(record, Delivery) and record.position_only and not self._query.positions:
            return None
        if isinstance(record, Delivery | DeliveryReceipt):
            event = self._back(record.destination, record.header.event_id)
        elif isinstance(record, DeviceMessage):
            event = self._back(record.header.source, record.alert_id or record.header.event_id)
        else:
            event = self._back(record.header.source, record.header.event_id)  # type: ignore[attr-defined]  # events have it
        event = self._presses.get(event, event)
        return event if event in self._found.events or event in messages else None

    def _event_in(self, letter: FoundRecord) -> str | None:
        """Return which of the events a dead letter is of, by its bytes: it may be one that nobody can read."""
        destination = letter.topic.removeprefix(catalogue.dead_letter_topic(""))
        for event in self._found.events:
            names = (event, *self._outside_forms(destination, [event]))
            if any(as_stored(name) in (letter.value or b"") for name in names):
                return event
        return None

    def _back(self, who: str, text: str) -> str:
        try:
            return self._outside.back(who, text) if self._outside else text
        except ForeignIdError:
            return text

    def _decoded(self, found: FoundRecord) -> Record | None:
        kind = Delivery if _is_of_destination(found.topic) else _KINDS[found.topic]
        try:
            return self._codec.decode(found.value, kind)
        except CodecError:
            return None  # of another version of the hub, a tombstone, or none of ours


def destinations(topics: Collection[str]) -> set[str]:
    """Return the destinations that have a topic."""
    return {topic.removeprefix(catalogue.destination_topic("")) for topic in topics if _is_of_destination(topic)}


def _is_of_destination(topic: str) -> bool:
    return catalogue.is_for_destination(topic) and not topic.endswith(".locations")


def _presses(state: AlertState) -> list[str]:
    """Return the ids that each press of an alert would have had as an alert of its own."""
    return [alert_event_id(state.device_id, own) for own in own_ids(state.alert)]


def _under(keys: Collection[bytes]) -> Wanted:
    return lambda key, _: key in keys


def _holding(names: Collection[str]) -> Wanted:
    needles = [as_stored(name) for name in names]
    return lambda _, value: any(needle in value for needle in needles)
