"""GeoChat: who says what to whom, whichever of its many places a client used for it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from lxml import etree

from bondmate_connectors.formats.cot.event import CotEvent
from bondmate_connectors.formats.cot.types import UID_PREFIX, Ours, OurUid, parse_uid
from bondmate_connectors.formats.xml import values_of

_SOURCE = re.compile(r"BAO\.F\.[^.]+\.", re.IGNORECASE)
"""What clients put before the writer's uid: the kind of client."""
_GROUP_PARENTS = frozenset({"TeamGroups", "UserGroups", "DataSyncMissionsList"})


class Chat(NamedTuple):
    """One GeoChat line.

    `room` and `room_name` name the conversation; `to` holds every uid it is addressed to, the surest first.
    """

    sender_uid: str
    sender_callsign: str | None
    room: str
    room_name: str
    to: tuple[str, ...]
    ours: tuple[OurUid, ...]
    """What of them the hub gave."""
    to_callsigns: tuple[str, ...]
    """Whom a server is asked to pass it on to, by callsign."""
    is_to_all: bool
    """Whether no server is asked to pass it on to somebody in particular."""
    parent: str
    has_hierarchy: bool
    group_id: str
    members: tuple[str, ...]
    message_id: str | None
    text: str

    @property
    def is_group(self) -> bool:
        """Whether it is said in a group that people made, or a team, rather than to one contact.

        ATAK names the parent of a group or team; WinTAK writes a hierarchy instead, or lists more than two members. The
        name of the rooms of a role, of all teams and of all groups is no member's.
        """
        if self.parent in _GROUP_PARENTS or self.has_hierarchy or len(self.members) > 2:  # noqa: PLR2004
            return True
        return self.group_id != "" and self.group_id not in {*self.members, *self.to_callsigns}

    def is_to(self, uid: str, callsign: str) -> bool:
        """Whether it is a conversation with that contact alone, by whichever of its names the client knew it.

        ATAK and node-cot name the contact's uid as the conversation and its callsign as the room's name; older clients
        have the callsign alone.
        """
        named = {self.room, self.room_name} - {""} or {*self.to, *self.to_callsigns}
        return bool(named & {uid, callsign}) and self.room != (self.sender_uid or None)

    def all_addressed(self, what: Ours) -> tuple[OurUid, ...]:
        """Return every alert, incident or device of the hub it is addressed to, the surest first."""
        return tuple([ours for ours in self.ours if ours.what is what]) if self.ours else ()

    def addressed(self, what: Ours) -> OurUid | None:
        """Return the alert, incident or device of the hub it is addressed to, None when there is none."""
        found = self.all_addressed(what)
        return found[0] if found else None


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
    chat = event.children.get("__chat", event.child("__chatreceipt"))
    inside = {child.tag: child for child in reversed(chat)} if chat is not None else {}
    values, group = _values(chat), _values(inside.get("chatgrp", event.child("chatgrp")))
    remarks = _values(event.child("remarks"))
    members = [group[key] for key in sorted(group) if key.startswith("uid")]
    writer, conversation = _named(event.uid)
    sender = _sender(event, group, remarks) or writer
    # Whom a server is asked to pass it on to.
    dests = event.detail.findall("marti/dest") if "marti" in event.children else []
    # TAKPacket-SDK writes `chatRoom`, ATAK `chatroom`.
    name = values.get("chatroom") or values.get("chatRoom") or ""
    room = values.get("id") or name
    to_callsigns = tuple([callsign for dest in dests if (callsign := dest.get("callsign"))]) if dests else ()
    asked = [dest.get("uid") for dest in dests]
    addresses = [room, name, *members, remarks.get("to", "").strip(), *asked, conversation]
    to = tuple(dict.fromkeys([uid for uid in addresses if uid and uid != sender]))
    return Chat(
        sender_uid=sender,
        sender_callsign=values.get("senderCallsign") or None,
        room=room,
        room_name=name,
        to=to,
        ours=_ours(to),
        to_callsigns=to_callsigns,
        is_to_all=not dests,
        parent=values.get("parent", ""),
        has_hierarchy="hierarchy" in inside,
        group_id=group.get("id", ""),
        members=tuple(members),
        message_id=values.get("messageId") or None,
        text=event.text("remarks") or "",
    )


def _values(element: etree._Element | None) -> dict[str, str]:
    return {} if element is None else values_of(element)


def _ours(uids: tuple[str, ...]) -> tuple[OurUid, ...]:
    given = [uid for uid in uids if uid.startswith(UID_PREFIX)]
    return tuple(dict.fromkeys([ours for uid in given if (ours := parse_uid(uid))])) if given else ()


def _sender(event: CotEvent, group: dict[str, str], remarks: dict[str, str]) -> str:
    """Return who wrote it: WinTAK says so in `sourceID`, others in the link, the group or the source."""
    named = remarks.get("sourceID", "").strip() or event.attribute("link", "uid") or group.get("uid0")
    return named or _source(remarks.get("source", "").strip())


def _source(source: str) -> str:
    prefix = _SOURCE.match(source)
    return source[prefix.end() :] if prefix else source


def _named(uid: str) -> tuple[str, str]:
    """Return sender and room as the uid of the event names them: `GeoChat.<sender>.<room>.<message>`."""
    parts = uid.split(".")
    if parts[0] != "GeoChat" or len(parts) < 4:  # noqa: PLR2004  # the four parts above
        return "", ""
    return parts[1], ".".join(parts[2:-1])
