"""GeoChat lines: to everybody, or to one contact alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from bondmate_schemas.models import EventHeader

from bondmate_connectors.formats.cot import types
from bondmate_connectors.formats.cot.build import CUT, Draft, element, later
from bondmate_connectors.formats.cot.event import format_time
from bondmate_connectors.formats.cot.options import Contact, Options
from bondmate_connectors.formats.xml import written

_HOW: Final = "h-g-i-g-o"
_MOST_PARTS: Final = 50
_PART_MARGIN_BYTES: Final = 24
"""Room for `(12/34) ` and a longer message id."""


@dataclass(frozen=True, slots=True)
class ChatLine:
    """What is said, by whom, and to whom: None is All Chat Rooms. The same `message_id` makes the same event.

    Clients sort lines by the time in them. That of a device whose clock is wrong would put its SOS years above all
    others, so it is `sent_at`, when the hub had it to say; without that, when it occurred.
    """

    speaker: Contact
    text: str
    header: EventHeader
    message_id: str
    own: Mapping[str, str | None] = field(default_factory=dict)
    qos: str | None = None
    to: Contact | None = None
    sent_at: datetime | None = None

    @property
    def said_at(self) -> datetime:
        """The time that stands in the line, the same at every attempt."""
        return self.sent_at or self.header.occurred_at


def write_line(line: ChatLine, now: datetime, options: Options) -> bytes:
    """Write one line, however long it is."""
    return _write(line, line.text, "", now, options)


def write_lines(line: ChatLine, now: datetime, options: Options) -> tuple[bytes, ...]:
    """Write a line as one event, or as several where it would be larger than `options.max_bytes`, each numbered.

    Where only some may read it, to each of them.
    """
    if line.to is None and options.only:
        lines = (replace(line, to=contact) for contact in options.only)
        return tuple(document for each in lines for document in write_lines(each, now, options))
    whole = write_line(line, now, options)
    if options.max_bytes is None or len(whole) <= options.max_bytes:
        return (whole,)
    room = options.max_bytes - len(_write(line, "", "", now, options)) - _PART_MARGIN_BYTES
    parts = list(_parts(line.text, max(room, 1)))
    if len(parts) > _MOST_PARTS:
        parts = [*parts[: _MOST_PARTS - 1], CUT.strip()]
    return tuple(
        _write(line, f"({number}/{len(parts)}) {part}", f"-{number}" if number > 1 else "", now, options)
        for number, part in enumerate(parts, 1)
    )


def _parts(text: str, max_bytes: int) -> Iterator[str]:
    """Cut `text` where words end, into pieces that take at most `max_bytes` as they are written."""
    while text:
        end = _end_of_part(text, max_bytes)
        yield text[:end].strip()
        text = text[end:].lstrip()


def _end_of_part(text: str, max_bytes: int) -> int:
    used = 0
    for index, character in enumerate(text):
        used += len(written(character).encode())
        if used > max_bytes:
            space = text.rfind(" ", 1, index)
            return space if space > index // 2 else max(index, 1)
    return len(text)


def _write(line: ChatLine, text: str, suffix: str, now: datetime, options: Options) -> bytes:
    said_at, message = line.said_at, types.escape_id(line.message_id) + suffix
    room = line.to or Contact(types.ALL_CHAT, types.ALL_CHAT)
    draft = Draft(
        uid=f"GeoChat.{line.speaker.uid}.{room.uid}.{message}", type=types.CHAT, time=said_at, start=said_at,
        stale=later(now, options.lifetimes.other), how=_HOW, header=line.header, message_id=line.message_id,
        qos=line.qos, opex=options.opex(line.header.mode),
    )  # fmt: skip
    draft.detail.append(
        element(
            "__chat",
            element("chatgrp", uid0=line.speaker.uid, uid1=room.uid, id=room.uid),
            parent="RootContactGroup",
            groupOwner="false",
            messageId=message,
            chatroom=room.callsign or room.uid,
            id=room.uid,
            senderCallsign=line.speaker.callsign,
        )
    )
    draft.add("link", uid=line.speaker.uid, type=types.PLI, relation="p-p")
    draft.add(
        "remarks", text, source=f"BAO.F.ATAK.{line.speaker.uid}", to=room.uid, time=format_time(said_at)
    )  # fmt: skip
    if line.to is not None:
        draft.only_to((line.to,))
    return draft.finish(now, **line.own)
