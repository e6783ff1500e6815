"""What became of a GeoChat line to an officer, told to the client that wrote it.

| level | CoT |
|---|---|
| DELIVERED: the device has it | `b-t-f-d` |
| ACCEPTED: it was opened | `b-t-f-r` |
| ACKNOWLEDGED, EXPIRED and what never arrived | a GeoChat line to the writer alone: CoT has no receipt that says so |

The line is recognised by what the platform keeps of it: the uid `GeoChat.<writer>.<room>.<message>`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from bondmate_schemas.enums import Level
from bondmate_schemas.models import Delivery, DeliveryReceipt
from bondmate_schemas.refusals import HUB

from bondmate_connectors.formats.cot import types
from bondmate_connectors.formats.cot.build import Draft, element, later
from bondmate_connectors.formats.cot.chat import Line, line_of_uid
from bondmate_connectors.formats.cot.event import format_time
from bondmate_connectors.formats.cot.kinds_out import Lifetimes, callsign_of

_TYPES: Final = {Level.DELIVERED: types.CHAT_DELIVERED, Level.ACCEPTED: types.CHAT_READ}
_MACHINE: Final = "m-g"
_WORDS: Final = {
    Level.ACKNOWLEDGED: "Confirmed by the officer",
    Level.EXPIRED: "Not confirmed in time",
    Level.DEAD_LETTERED: "Not sent",
}
_REFUSED: Final = "Your answer does not count"


def receipt(event: DeliveryReceipt, delivery: Delivery, now: datetime, lifetimes: Lifetimes) -> bytes | None:
    """Write the receipt, or None when the message it is of was not a GeoChat line."""
    line = next((found for ref in event.header.external_refs if (found := line_of_uid(ref.id))), None)
    if line is None:
        return None
    draft = _draft(event, delivery, line, now, lifetimes)
    speaker = types.device_uid(event.device_id) if event.device_id else types.HUB_UID
    name = callsign_of(event.header, None)
    draft.detail.append(
        _receipt(line, speaker, name) if event.level in _TYPES else _chat(line, speaker, name, delivery)
    )
    draft.add("link", uid=speaker, type=types.PLI, relation="p-p")
    if event.level not in _TYPES:
        said_at = format_time(event.header.occurred_at)
        draft.add("remarks", _text(event), source=f"BAO.F.ATAK.{speaker}", to=line.writer, time=said_at)
    return draft.finish(now, device=event.device_id, level=event.level.value, about=line.message)


def _draft(event: DeliveryReceipt, delivery: Delivery, line: Line, now: datetime, lifetimes: Lifetimes) -> Draft:
    message = types.escape_id(delivery.id)
    speaker = types.device_uid(event.device_id) if event.device_id else types.HUB_UID
    kind = _TYPES.get(event.level)
    return Draft(
        uid=message if kind else f"GeoChat.{speaker}.{line.writer}.{message}", type=kind or types.CHAT,
        time=event.header.occurred_at, start=event.header.occurred_at, stale=later(now, lifetimes.other),
        how=_MACHINE, header=event.header, message_id=delivery.id,
    )  # fmt: skip


def _receipt(line: Line, speaker: str, name: str) -> str:
    group = element("chatgrp", uid0=speaker, uid1=line.writer, id=line.writer)
    return element(
        "__chatreceipt", group, parent="RootContactGroup", groupOwner="false", messageId=line.message,
        chatroom=name, id=speaker, senderCallsign=name,
    )  # fmt: skip


def _chat(line: Line, speaker: str, name: str, delivery: Delivery) -> str:
    group = element("chatgrp", uid0=speaker, uid1=line.writer, id=line.writer)
    return element(
        "__chat", group, parent="RootContactGroup", groupOwner="false", messageId=types.escape_id(delivery.id),
        chatroom=line.writer, id=line.writer, senderCallsign=name,
    )  # fmt: skip


def _text(event: DeliveryReceipt) -> str:
    if event.destination == HUB:
        return f"{types.mode_prefix(event.header.mode)}{_REFUSED}: {(event.code or '').replace('_', ' ')}"
    words = _WORDS.get(event.level, event.level.value.replace("_", " ").capitalize())
    whom = f" to {event.platform_id}" if event.platform_id and event.device_id is None else ""
    why = f": {event.code.replace('_', ' ')}" if event.code else ""
    return f"{types.mode_prefix(event.header.mode)}{words}{whom}{why}"
