"""GeoChat: who says what to whom, whichever of its many places a client used for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bondmate_connectors.formats.cot.event import CotEvent
from bondmate_connectors.formats.cot.types import Ours, OurUid, parse_uid

_SOURCE_PREFIX = "BAO.F.ATAK."


@dataclass(frozen=True, slots=True)
class Chat:
    """One GeoChat line. `room` names the conversation; `to` holds every uid it is addressed to, the surest first."""

    sender_uid: str
    sender_callsign: str | None
    room: str
    to: tuple[str, ...]
    message_id: str | None
    text: str

    def all_addressed(self, what: Ours) -> tuple[OurUid, ...]:
        """Give every alert, incident or device of the hub it is addressed to, the surest first."""
        found = (parse_uid(uid) for uid in self.to)
        return tuple(dict.fromkeys(ours for ours in found if ours is not None and ours.what is what))

    def addressed(self, what: Ours) -> OurUid | None:
        """Give the alert, incident or device of the hub it is addressed to, None when there is none."""
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
    sender = event.attribute("link", "uid") or _group(event).get("uid0") or _source(event) or _named(event)[0]
    # TAKPacket-SDK writes `chatRoom`, ATAK `chatroom`.
    name = values.get("chatroom") or values.get("chatRoom") or ""
    room = values.get("id") or name
    return Chat(
        sender_uid=sender,
        sender_callsign=values.get("senderCallsign") or None,
        room=room,
        to=tuple(dict.fromkeys(uid for uid in _addresses(event, room, name) if uid and uid != sender)),
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


def _source(event: CotEvent) -> str:
    return (event.attribute("remarks", "source") or "").removeprefix(_SOURCE_PREFIX)


def _named(event: CotEvent) -> tuple[str, str]:
    """Give sender and room as the uid of the event names them: `GeoChat.<sender>.<room>.<message>`."""
    parts = event.uid.split(".")
    if parts[0] != "GeoChat" or len(parts) < 4:  # noqa: PLR2004  # the four parts above
        return "", ""
    return parts[1], ".".join(parts[2:-1])
