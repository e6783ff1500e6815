"""What a frame from a TAK server is to the hub: an answer to an alert, a text to a device, what was asked for, nothing.

Pure but for what `TakOpenAlerts` knows. What the hub itself wrote comes back from some servers and from federations;
it is known by its flow tag, its own element and its uids, and is passed over.

A chat line answers an alert when it quotes the alert's reference, in a room or directly to us, or is addressed to the
alert's uid. Without either, a line directly to us is about the only open alert, and where that is not sure its writer
is asked which. Whatever else is written raises nothing, and nor does what nobody is named as the writer of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from bondmate_schemas.enums import Level, MessageDirection, Mode, Response
from bondmate_schemas.ids import derived_id
from bondmate_schemas.labels import ENGLISH, Labels, isolated, msgid
from bondmate_schemas.models import (
    Address,
    DeliveryReceipt,
    DeviceMessage,
    EventHeader,
    ExternalRef,
    IncidentEvent,
    Record,
)

from bondmate_connectors.contract import Reading, Refusal, Remark, Unreadable
from bondmate_connectors.formats.cot import types
from bondmate_connectors.formats.cot.alert_code import codes_in
from bondmate_connectors.formats.cot.chat import Chat, chat_of
from bondmate_connectors.formats.cot.event import CotEvent, parse_event
from bondmate_connectors.formats.cot.options import HUB, Contact
from bondmate_connectors.formats.cot.read import read_event
from bondmate_connectors.formats.cot.stream import Frame
from bondmate_connectors.formats.cot.types import CHAT, Ours, OurUid, parse_uid
from bondmate_connectors.platforms.tak.open_alerts import TakOpenAlert, TakOpenAlerts
from bondmate_connectors.platforms.tak.wording import LineMeaning, Words

_CHAT_BYTES: Final = b"b-t-f"
_SILENT: Final = "silent"
_MOST_NAMED: Final = 8
_RESPONSES: Final = {
    LineMeaning.ASSIGNED: Response.ASSIGNED,
    LineMeaning.EN_ROUTE: Response.EN_ROUTE,
    LineMeaning.ON_SCENE: Response.ON_SCENE,
    LineMeaning.WITHDRAWN: Response.WITHDRAWN,
}
_OF_ALL: Final = frozenset({LineMeaning.ACKNOWLEDGED, LineMeaning.ASSIGNED, LineMeaning.EN_ROUTE, LineMeaning.ON_SCENE})
"""What may be said of several alerts by one reference."""
_LEVELS: Final = {
    LineMeaning.ACKNOWLEDGED: Level.ACKNOWLEDGED,
    LineMeaning.ASSIGNED: Level.ACKNOWLEDGED,
    LineMeaning.EN_ROUTE: Level.RESPONDING,
    LineMeaning.ON_SCENE: Level.RESPONDING,
    LineMeaning.DECLINED: Level.DECLINED,
    LineMeaning.WITHDRAWN: Level.DECLINED,
    LineMeaning.RESOLVED: Level.RESOLVED,
    LineMeaning.CALLED_OFF: Level.CANCELLED,
}
_NAMED_WRONGLY: Final = {
    True: msgid("Not linked: name two alerts, that to be linked first"),
    False: msgid("Not taken out: name one alert"),
}
_MACHINES: Final = frozenset({"SERVER-UID"})
"""Senders that are no person: FreeTAKServer welcomes each connection with a line to it under this uid."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Who we are to the hub and what we are to take: the connector's name and part of its settings."""

    name: str
    mode: Mode
    agency_id: str
    words: Words
    emit: frozenset[str]
    rooms: Mapping[str, str] = field(default_factory=dict)
    """Agencies by the chat room that their officers hear."""
    contact: Contact = HUB
    confidants: frozenset[str] = frozenset()
    """Clients that alone may know who is under duress, by uid."""
    labels: Labels = ENGLISH


@dataclass(frozen=True, slots=True)
class Reply:
    """What the hub answers one person, and nobody else."""

    to: Contact
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class FrameContents:
    """What a frame is to the hub: records in order, an answer to its writer, and what was let pass in reading it."""

    records: tuple[Record | Unreadable, ...] = ()
    reply: Reply | None = None
    warnings: tuple[Remark, ...] = ()


NOTHING: Final = FrameContents()


def understand(frame: Frame, terms: Terms, alerts: TakOpenAlerts, received_at: datetime) -> FrameContents:
    """Return what a frame is to the hub."""
    if frame.code is not None:
        return FrameContents((Unreadable(frame.code, frame.message),))
    if _CHAT_BYTES not in frame.message and not terms.emit:
        # Hundreds of positions a second are not worth parsing to know that nobody asked for them.
        return NOTHING
    document = frame.xml()
    event = document if isinstance(document, Refusal) else parse_event(document)
    if isinstance(event, Refusal):
        return FrameContents((Unreadable(event.code, frame.message),))
    if event.passed_a_hub or parse_uid(event.uid) is not None:
        return NOTHING
    if event.type == CHAT:
        return _line(event, terms, alerts, received_at)
    return _asked_for(event, terms, received_at) if "IncidentEvent" in terms.emit else NOTHING


def _line(event: CotEvent, terms: Terms, alerts: TakOpenAlerts, received_at: datetime) -> FrameContents:
    chat = chat_of(event)
    if chat.sender_uid not in terms.confidants:
        return _ChatLine(event, chat, terms, alerts.without_secret(), received_at).heard()
    bare = terms.words.without_aloud(chat.text)
    heard = _ChatLine(event, chat if bare is None else chat._replace(text=bare), terms, alerts, received_at).heard()
    if bare is None:
        return heard
    # As texts to one officer that sound: who is named for duress knows what that may do.
    return replace(heard, records=tuple(_sounding(record, bare) for record in heard.records))


@dataclass(frozen=True, slots=True)
class _ChatLine:
    """A chat line, and all that it takes to say what it is."""

    event: CotEvent
    chat: Chat
    terms: Terms
    alerts: TakOpenAlerts
    received_at: datetime

    def heard(self) -> FrameContents:
        """Return what the line is to the hub."""
        sender = self.chat.sender_uid
        if not self.chat.text or parse_uid(sender) is not None or sender in {self.terms.contact.uid, *_MACHINES}:
            return NOTHING
        called = self._called()
        if any(len(alike) > 1 for alike in called):
            text = self._labels(
                "Not passed on: more than one is called so here. Quote a reference, or choose from the map"
            )
            return FrameContents(reply=self._reply(text), warnings=self._warnings)
        ours = self.chat.ours or tuple(dict.fromkeys(one for alike in called for one in alike))
        if addressed := [one for one in ours if one.what is Ours.ALERT]:
            return self._answers([(one.id, self.alerts.by_id(one.id)) for one in addressed])
        codes = codes_in(self.chat.text) if self._is_direct or self._is_in_room else ()
        named = [found for code in codes if (found := self.alerts.by_reference(code)) is not None]
        if named:
            meant = tuple(dict.fromkeys(named))
            return self._links(meant) or self._together(meant)
        if self._is_direct:
            return self._direct(has_code=bool(codes))
        return self._to_agency() or self._to_called(ours) or _asked_for(self.event, self.terms, self.received_at)

    def _called(self) -> list[tuple[OurUid, ...]]:
        """Return whom of ours it is to where it says so by callsign alone, as iTAK and older clients do.

        Where the conversation is named by another's uid, a callsign is that other's, though one of ours has it too.
        """
        chat = self.chat
        if chat.ours or self._is_direct:
            return []
        names = chat.to_callsigns if chat.is_group else (*chat.to, *chat.to_callsigns)
        if not chat.is_group and chat.room not in {"", chat.sender_uid}:
            names = (chat.room,)
        return [self.alerts.contacts.called(name) for name in dict.fromkeys(names)]

    @property
    def _is_direct(self) -> bool:
        return self.chat.is_to(self.terms.contact.uid, self.terms.contact.callsign)

    @property
    def _is_in_room(self) -> bool:
        """Whether many hear it; what one person writes to another is nothing to us, though some servers show it."""
        in_room = self.chat.room in {types.ALL_CHAT, *self.terms.rooms}
        return in_room or self.chat.is_group or self.chat.is_to_all

    # An answer.

    def _links(self, named: tuple[TakOpenAlert, ...]) -> FrameContents | None:
        """Return that two alerts are of one event, or one is of no other's; None where the line says neither."""
        links = self.terms.words.links(self.chat.text) if self.chat.sender_uid else None
        if links is None:
            return None
        if len(named) != (2 if links else 1):
            return FrameContents(reply=self._reply(self._labels(_NAMED_WRONGLY[links])), warnings=self._warnings)
        event_id = named[0].event_id
        header = self._header("tak link", event_id, event_id).model_copy(update={"occurred_at": self.received_at})
        receipt = DeliveryReceipt(
            header=header, destination=self.terms.name, platform_id=self.event.uid, by_ref=self.chat.sender_uid,
            link_to=named[1].event_id if links else "",
        )  # fmt: skip
        return FrameContents((receipt,), warnings=self._warnings)

    def _together(self, named: tuple[TakOpenAlert, ...]) -> FrameContents:
        """Answer what is named; what helps, said of both, of all that are open of its event: who closes names each."""
        bare = self.terms.words.without_together(self.chat.text) if len(named) == 1 else None
        meaning = None if bare is None else self.terms.words.meaning_of(bare)
        if meaning not in _OF_ALL:
            return self._answers([(alert.event_id, alert) for alert in named])
        alerts = dict.fromkeys((*named, *self.alerts.of_event(named[0])))
        return self._answers([(alert.event_id, alert) for alert in alerts], meaning)

    def _answers(
        self, about: list[tuple[str, TakOpenAlert | None]], meaning: LineMeaning | None = None
    ) -> FrameContents:
        meaning = (meaning or self.terms.words.meaning_of(self.chat.text)) if self.chat.sender_uid else LineMeaning.NOTE
        records = [self._answer(event_id, alert, meaning) for event_id, alert in about]
        references = " ".join(alert.reference for _, alert in about if alert is not None)
        is_note = meaning is LineMeaning.NOTE and references
        text = self._labels(
            "Passed on. Nobody has acknowledged: write {word} {reference}", word=self._word, reference=references
        )
        return FrameContents(tuple(filter(None, records)), self._reply(text) if is_note else None, self._warnings)

    def _answer(self, event_id: str, alert: TakOpenAlert | None, meaning: LineMeaning) -> Record:
        if meaning is LineMeaning.NOTE and alert is not None and alert.device_id:
            return self._note(alert)
        declined = meaning is LineMeaning.DECLINED
        # In the order in which they come: the clocks of a room's clients differ, and its later word must count.
        header = self._header("tak answer", event_id, event_id).model_copy(update={"occurred_at": self.received_at})
        return DeliveryReceipt(
            header=header,
            destination=self.terms.name,
            # UNKNOWN is below all others: it keeps the words, and raises nothing.
            level=_LEVELS.get(meaning, Level.UNKNOWN),
            response=_RESPONSES.get(meaning, Response.UNSTATED),
            platform_id=self.event.uid,
            code="declined_by_operator" if declined else None,
            note=self.chat.text,
            by_ref=self.chat.sender_uid or None,
        )

    def _note(self, alert: TakOpenAlert) -> DeviceMessage:
        """A text about an alert that answers nothing: it goes to the officer, without a sound where that may betray."""
        header = self._header("tak note", alert.event_id, derived_id("tak notes", self.terms.name, alert.event_id))
        if alert.is_silent:
            header = header.model_copy(update={"flags": (_SILENT,)})
        return DeviceMessage(
            header=header,
            device_id=alert.device_id,
            direction=MessageDirection.TO_DEVICE,
            sender=self.terms.name,
            sender_ref=self.chat.sender_uid or None,
            text=self.chat.text,
            in_reply_to=alert.event_id,
            alert_id=alert.event_id,
        )

    def _header(self, kind: str, about: str, event_id: str) -> EventHeader:
        return EventHeader(
            message_id=derived_id(kind, self.terms.name, self.event.uid, about),
            event_id=event_id,
            external_refs=(ExternalRef(system=self.terms.name, id=self.event.uid), *_refs_of(self.chat)),
            agency_id=self.terms.agency_id,
            mode=self.terms.mode,
            occurred_at=self.event.time or self.received_at,
            received_at=self.received_at,
            source=self.terms.name,
        )

    # A line to us without a reference that we know.

    def _direct(self, *, has_code: bool) -> FrameContents:
        bare = None if has_code else self.terms.words.without_together(self.chat.text)
        if bare is not None and (found := self.alerts.only_event()):
            return self._together(found[:1])
        only = None if has_code else self.alerts.only_open()
        if only is not None:
            return self._answers([(only.event_id, only)])
        if not self.alerts.open() and self.terms.words.meaning_of(self.chat.text) is LineMeaning.NOTE:
            # A greeting, or small talk: nobody meant an alert.
            return NOTHING
        return FrameContents(reply=self._reply(self._which()), warnings=self._warnings)

    def _which(self) -> str:
        found = self.alerts.open()
        if not found:
            return self._labels("No open alert is known here. Quote the reference of the one you mean.")
        named = ", ".join(f"{alert.reference} ({isolated(alert.name)})" for alert in found[-_MOST_NAMED:])
        asked = self._labels(
            "Which alert? Write for example: {word} {reference}", word=self._word, reference=found[-1].reference
        )
        return f"{asked}. {self._labels('Open')}: {named}"

    def _reply(self, text: str) -> Reply | None:
        uid = self.chat.sender_uid
        return Reply(Contact(uid, self.chat.sender_callsign or ""), text) if uid else None

    @property
    def _labels(self) -> Labels:
        return self.terms.labels

    @property
    def _word(self) -> str:
        return next(iter(self.terms.words.acknowledge), "")

    # A line to a device, a room, or none of ours.

    def _to_agency(self) -> FrameContents | None:
        """Return what was written in a room that the officers of an agency hear; None for any other line."""
        agency = self.terms.rooms.get(self.chat.room)
        if agency is None or self.chat.addressed(Ours.DEVICE) is not None:
            return None
        return self._down(device_id="", to=Address(agencies=(agency,)))

    def _to_called(self, ours: tuple[OurUid, ...]) -> FrameContents | None:
        """Return what was written to devices by their callsigns; None for any other line, also one to their uids."""
        if self.chat.ours or not ours:
            return None
        if len(ours) == 1:
            return self._down(device_id=ours[0].id)
        return self._down(device_id="", to=Address(names=tuple(one.id for one in ours)))

    def _down(self, **to: object) -> FrameContents | None:
        reading = read_event(self.event, self.received_at)
        if not isinstance(reading, Reading):
            return None
        said = reading.events[0]
        assert isinstance(said, DeviceMessage)
        said = said.model_copy(update={"direction": MessageDirection.TO_DEVICE, **to})
        return FrameContents((_from_here(said, self.event, self.terms),), warnings=reading.warnings)

    @property
    def _warnings(self) -> tuple[Remark, ...]:
        return () if self.event.time else (Remark("time_unreadable", "event/@time"),)


def _sounding(record: Record | Unreadable, text: str) -> Record | Unreadable:
    if not isinstance(record, DeviceMessage) or record.to is not None:
        return record
    flags = tuple(flag for flag in record.header.flags if flag != _SILENT)
    header = record.header.model_copy(update={"flags": flags})
    return record.model_copy(update={"header": header, "text": text, "aloud": True})


def _asked_for(event: CotEvent, terms: Terms, received_at: datetime) -> FrameContents:
    reading = read_event(event, received_at)
    if not isinstance(reading, Reading):
        # A position that cannot be read is not ours to complain of.
        return NOTHING
    wanted = (_from_here(record, event, terms) for record in reading.events if _is_wanted(record, terms))
    found = tuple(wanted)
    return FrameContents(found, warnings=reading.warnings if found else ())


def _is_wanted(record: Record, terms: Terms) -> bool:
    if isinstance(record, DeviceMessage):
        return record.direction is MessageDirection.TO_DEVICE or "DeviceMessage" in terms.emit
    return isinstance(record, IncidentEvent) and "IncidentEvent" in terms.emit


def _from_here(record: Record, event: CotEvent, terms: Terms) -> Record:
    """Return the record as come by this connector, in the connection's mode, whatever the message claims."""
    assert isinstance(record, DeviceMessage | IncidentEvent)
    refs = record.header.external_refs
    refs = (*refs, *(_refs_of(chat_of(event)) if isinstance(record, DeviceMessage) else _creator_of(event)))
    header = record.header.model_copy(
        update={
            "mode": terms.mode,
            "source": terms.name,
            "agency_id": terms.agency_id,
            "hops": (),
            "external_refs": refs,
        }
    )
    update: dict[str, object] = {"header": header}
    if isinstance(record, DeviceMessage):
        update["sender"] = terms.name
    return record.model_copy(update=update)


def _creator_of(event: CotEvent) -> Iterator[ExternalRef]:
    """Return what it takes to tell who placed a marker that it does not count; nothing where it names nobody."""
    links = (each for each in event.detail if each.tag == "link" and each.get("relation") == "p-p")
    for each, callsign in ((event.child("creator"), "callsign"), (next(links, None), "parent_callsign")):
        uid = each.get("uid") if each is not None else None
        if each is None or not uid or parse_uid(uid) is not None or uid in _MACHINES:
            continue
        yield ExternalRef(system=types.CREATOR_SYSTEM, id=uid)
        if named := each.get(callsign):
            yield ExternalRef(system=types.CALLSIGN_SYSTEM, id=named)
        return


def _refs_of(chat: Chat) -> Iterator[ExternalRef]:
    """Return what a receipt of the line needs to reach its writer and to be found by it."""
    named = (
        (types.MESSAGE_SYSTEM, chat.message_id),
        (types.WRITER_SYSTEM, chat.sender_uid),
        (types.CALLSIGN_SYSTEM, chat.sender_callsign),
    )
    return (ExternalRef(system=system, id=id_) for system, id_ in named if id_)
