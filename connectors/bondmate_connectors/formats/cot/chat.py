"""GeoChat: who says what to whom, whichever of its many places a client used for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree

from bondmate_connectors.formats.cot.event import CotEvent
from bondmate_connectors.formats.cot.types import Ours, OurUid, parse_uid

_SOURCE_PREFIXES = ("BAO.F.ATAK.", "BAO.F.WinTAK.")
_GROUP_PARENTS = frozenset({"TeamGroups", "UserGroups", "DataSyncMissionsList"})


@dataclass(frozen=True, slots=True)
class Chat:
    """One GeoChat line.

    `room` and `room_name` name the conversation; `to` holds every uid it is addressed to, the surest first.
    """

    sender_uid: str
    sender_callsign: str | None
    room: str
    room_name: str
    to: tuple[str, ...]
    to_callsigns: tuple[str, ...]
    """Whom a server is asked to pass it on to, by callsign."""
    is_to_all: bool
    """Whether no server is asked to pass it on to somebody in particular."""
    is_group: bool
    """Whether it is said in a group that people made, or a team, rather than to one contact."""
    message_id: str | None
    text: str

    def is_to(self, uid: str, callsign: str) -> bool:
        """Whether it is a conversation with that contact alone, by whichever of its names the client knew it.

        ATAK and node-cot name the contact's uid as the conversation and its callsign as the room's name; older clients
        have the callsign alone.
        """
        named = {self.room, self.room_name} - {""} or {*self.to, *self.to_callsigns}
        return bool(named & {uid, callsign}) and self.room != (self.sender_uid or None)

    def all_addressed(self, what: Ours) -> tuple[OurUid, ...]:
        """Return every alert, incident or device of the hub it is addressed to, the surest first."""
        found = (parse_uid(uid) for uid in self.to)
        return tuple(dict.fromkeys(ours for ours in found if ours is not None and ours.what is what))

    def addressed(self, what: Ours) -> OurUid | None:
        """Return the alert, incident or device of the hub it is addressed to, None when there is none."""
        return next(iter(self.all_addressed(what)), None)


@dataclass(frozen=True, slots=True)
class Line:
    """A GeoChat line as the uid of its event names it."""

    writer: str
    message: str


def line_of_uid(uid: str) -> Line | None:
    """Take apart the uid of a chat line: `GeoChat.<writer>.<room>.<message>`; None when it is none."""
    parts = uid.split(".")
    if parts[0] != "GeoChat" or len(parts) < 4 or not (parts[1] and parts[-1]):  # noqa: PLR2004  # the four parts
        return None
    return Line(parts[1], parts[-1])


def chat_of(event: CotEvent) -> Chat:
    """Take the chat line out of a `b-t-f` (or, for its addresses, of a receipt)."""
    chat = event.child("__chat")
    if chat is None:
        chat = event.child("__chatreceipt")
    values, group = _values(chat), _group(event, chat)
    sender = _sender(event, group)
    # TAKPacket-SDK writes `chatRoom`, ATAK `chatroom`.
    name = values.get("chatroom") or values.get("chatRoom") or ""
    room = values.get("id") or name
    return Chat(
        sender_uid=sender,
        sender_callsign=values.get("senderCallsign") or None,
        room=room,
        room_name=name,
        to=tuple(dict.fromkeys(uid for uid in _addresses(event, room, name, group) if uid and uid != sender)),
        to_callsigns=tuple(filter(None, (dest.get("callsign") for dest in event.detail.iterfind("marti/dest")))),
        is_to_all=event.detail.find("marti/dest") is None,
        is_group=_is_group(chat, values, group),
        message_id=values.get("messageId") or None,
        text=event.text("remarks") or "",
    )


def _values(element: etree._Element | None) -> dict[str, str]:
    return {} if element is None else {str(key): str(value) for key, value in element.items()}


def _addresses(event: CotEvent, room: str, name: str, group: dict[str, str]) -> Iterator[str]:
    yield room
    yield name
    yield from (value for key, value in sorted(group.items()) if key.startswith("uid"))
    yield event.attribute("remarks", "to") or ""
    marti = event.child("marti")
    yield from () if marti is None else (dest.get("uid") or "" for dest in marti if dest.tag == "dest")
    yield _named(event)[1]


def _group(event: CotEvent, chat: etree._Element | None) -> dict[str, str]:
    """Return the members of the conversation, inside the chat or, by other clients, beside it."""
    inside = () if chat is None else (child for child in chat if child.tag == "chatgrp")
    return _values(next(iter(inside), event.child("chatgrp")))


def _is_group(chat: etree._Element | None, values: dict[str, str], group: dict[str, str]) -> bool:
    """ATAK names the parent of a group or team; WinTAK writes a hierarchy instead, or lists more than two members."""
    members = [key for key in group if key.startswith("uid")]
    has_hierarchy = chat is not None and any(child.tag == "hierarchy" for child in chat)
    return values.get("parent", "") in _GROUP_PARENTS or has_hierarchy or len(members) > 2  # noqa: PLR2004


def _sender(event: CotEvent, group: dict[str, str]) -> str:
    """Return who wrote it: WinTAK says so in `sourceID`, others in the link, the group, the source or the uid."""
    named = event.attribute("remarks", "sourceID") or event.attribute("link", "uid") or group.get("uid0")
    return named or _source(event) or _named(event)[0]


def _source(event: CotEvent) -> str:
    source = event.attribute("remarks", "source") or ""
    return next((source.removeprefix(prefix) for prefix in _SOURCE_PREFIXES if source.startswith(prefix)), source)


def _named(event: CotEvent) -> tuple[str, str]:
    """Give sender and room as the uid of the event names them: `GeoChat.<sender>.<room>.<message>`."""
    parts = event.uid.split(".")
    if parts[0] != "GeoChat" or len(parts) < 4:  # noqa: PLR2004  # the four parts above
        return "", ""
    return parts[1], ".".join(parts[2:-1])
