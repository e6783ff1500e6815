"""What became of a GeoChat line to an officer, told to the client that wrote it, and to nobody else.

| level | CoT |
|---|---|
| DELIVERED: the device has it | `b-t-f-d` |
| ACCEPTED: it was opened | `b-t-f-r` |
| ACKNOWLEDGED, EXPIRED and what never arrived | a GeoChat line to the writer alone: CoT has no receipt that says so |

The line is recognised by what the platform keeps of it: the uid `GeoChat.<writer>.<room>.<message>`, and references
of its own for what a uid does not hold surely: message id, writer (a uid with dots in it), callsign. Clients look a
receipt up by its own uid: it is the message id, and that with `.d` behind it when delivered. Who placed a marker that
does not count is told by a line too, where the marker says who that is.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from bondmate_schemas.duress import SHOWN_SILENTLY
from bondmate_schemas.enums import Level
from bondmate_schemas.labels import Labels, msgid
from bondmate_schemas.models import Delivery, DeliveryReceipt
from bondmate_schemas.refusals import HUB

from bondmate_connectors.formats.cot import types
from bondmate_connectors.formats.cot.build import Draft, element, later
from bondmate_connectors.formats.cot.chat import Line, line_of_uid
from bondmate_connectors.formats.cot.chat_out import ChatLine, write_line
from bondmate_connectors.formats.cot.options import Contact, Options
from bondmate_connectors.formats.cot.words import callsign_of, mode_words
from bondmate_connectors.formats.message_words import receipt_words

_TYPES: Final = {Level.DELIVERED: types.CHAT_DELIVERED, Level.ACCEPTED: types.CHAT_READ}
_SUFFIXES: Final = {Level.DELIVERED: ".d"}
_HOW: Final = "h-g-i-g-o"
_SILENTLY: Final = msgid("Shown silently: the officer is under duress, do not call")
_REFUSED: Final = msgid("Your answer does not count")
_MARKER_REFUSED: Final = msgid("What you placed does not count")


def receipt(event: DeliveryReceipt, delivery: Delivery, now: datetime, options: Options) -> bytes | None:
    """Write the receipt, or None when the message it is of was not a GeoChat line."""
    line = _line_of(event)
    if line is None:
        return None
    own = {"device": event.device_id, "level": event.level.value, "about": line.message}
    said = ChatLine(
        _speaker(event, options), _text(event, options.labels), event.header, delivery.id, own,
        to=Contact(line.writer, _ref(event, types.CALLSIGN_SYSTEM) or ""),
        sent_at=delivery.sent_at,
    )  # fmt: skip
    if event.level in _TYPES:
        return _receipt(said, event.level, line, now, options)
    return write_line(said, now, options)


def is_for_nobody(event: DeliveryReceipt) -> bool:
    """Whether it says that something does not count of which nobody is known to have said it."""
    return event.destination == HUB and _line_of(event) is None


def writer_of(event: DeliveryReceipt) -> str | None:
    """Return the uid of the client that wrote the line, None where it was no GeoChat line."""
    line = _line_of(event)
    return line.writer if line else None


def _speaker(event: DeliveryReceipt, options: Options) -> Contact:
    if not event.device_id:
        return options.hub
    return Contact(types.device_uid(event.device_id), callsign_of(event.header, None))


def _line_of(event: DeliveryReceipt) -> Line | None:
    message, writer = (
        _ref(event, types.MESSAGE_SYSTEM),
        _ref(event, types.WRITER_SYSTEM) or _ref(event, types.CREATOR_SYSTEM),
    )
    ids = [ref.id for ref in event.header.external_refs]
    line = next((found for each in ids if (found := line_of_uid(each))), None)
    if line is None:
        # Some clients give a line a uid of their own making.
        return Line(writer, message or ids[0]) if writer else None
    return replace(line, message=message or line.message, writer=writer or line.writer)


def _ref(event: DeliveryReceipt, system: str) -> str | None:
    return next((ref.id for ref in event.header.external_refs if ref.system == system), None)


def _receipt(said: ChatLine, level: Level, line: Line, now: datetime, options: Options) -> bytes:
    speaker, writer, said_at = said.speaker, said.to, said.said_at
    assert writer is not None
    draft = Draft(
        uid=line.message + _SUFFIXES.get(level, ""), type=_TYPES[level], time=said_at, start=said_at,
        stale=later(now, options.lifetimes.other), how=_HOW, header=said.header, message_id=said.message_id,
        opex=options.opex(said.header.mode),
    )  # fmt: skip
    group = element("chatgrp", uid0=speaker.uid, uid1=writer.uid, id=writer.uid)
    room = element(
        "__chatreceipt", group, parent="RootContactGroup", groupOwner="false", messageId=line.message,
        chatroom=writer.callsign or writer.uid, id=writer.uid, senderCallsign=speaker.callsign,
    )  # fmt: skip
    draft.detail.append(room)
    draft.add("link", uid=speaker.uid, type=types.PLI, relation="p-p")
    draft.only_to((writer,))
    return draft.finish(now, **said.own)


def _text(event: DeliveryReceipt, labels: Labels) -> str:
    prefix = mode_words(event.header.mode, labels)
    if event.destination == HUB:
        code = (event.code or "").replace("_", " ")
        refused = _MARKER_REFUSED if _ref(event, types.CREATOR_SYSTEM) else _REFUSED
        return f"{prefix}{labels(refused)}: {code}"
    if event.code == SHOWN_SILENTLY:
        return f"{prefix}{labels(_SILENTLY)}"
    return f"{prefix}{receipt_words(event, labels)}"
