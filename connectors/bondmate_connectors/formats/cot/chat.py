"""GeoChat: who says what to whom, whichever of its many places a client used for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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
    is_group: bool
    """Whether it is said in a group that people made, or a team, rather than to one contact."""
    message_id: str | None
    text: str

    def is_to(self, uid: str, callsign: str) -> bool:
        """Whether it is a conversation with that contact alone, by whichever of its names the client knew it.

        ATAK and node-cot name the contact's uid as the conversation and its callsign as the room's name; older clients
        have the callsign alone.
        """
        return bool({self.room, self.room_name} & {uid, callsign}) and self.room not in {"", self.sender_uid}

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
    values = {str(key): str(value) for key, value in chat.attrib.items()} if chat is not None else {}
    sender = _sender(event)
    # TAKPacket-SDK writes `chatRoom`, ATAK `chatroom`.
    name = values.get("chatroom") or values.get("chatRoom") or ""
    room = values.get("id") or name
    return Chat(
        sender_uid=sender,
        sender_callsign=values.get("senderCallsign") or None,
        room=room,
        room_name=name,
        to=tuple(dict.fromkeys(uid for uid in _addresses(event, room, name) if uid and uid != sender)),
        is_group=_is_group(event, values),
        message_id=values.get("messageId") or None,
        text=event.text("remarks") or "",
    )


def _addresses(event: CotEvent, room: str, name: str) -> Iterator[str]:
    yield room
    yield name
    group = _group(event)
    yield from (value for key, value in sorted(group.items()) if key.startswith("uid"))
    yield event.attribute("remarks", "to") or ""
    for destination in event.detail.iterfind("marti/dest"):
        yield destination.get("uid") or ""
    yield _named(event)[1]


def _group(event: CotEvent) -> dict[str, str]:
    for place in ("__chat/chatgrp", "__chatreceipt/chatgrp", "chatgrp"):
        group = event.detail.find(place)
        if group is not None:
            return {str(key): str(value) for key, value in group.attrib.items()}
    return {}


def _is_group(event: CotEvent, values: dict[str, str]) -> bool:
    """ATAK names the parent of a group or team; WinTAK writes a hierarchy instead, or lists more than two members."""
    parent = values.get("parent", "")
    members = [key for key in _group(event) if key.startswith("uid")]
    return parent in _GROUP_PARENTS or event.detail.find("__chat/hierarchy") is not None or len(members) > 2  # noqa: PLR2004


def _sender(event: CotEvent) -> str:
    """Return who wrote it: WinTAK says so in `sourceID`, others in the link, the group, the source or the uid."""
    named = event.attribute("remarks", "sourceID") or event.attribute("link", "uid") or _group(event).get("uid0")
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
