"""Which of the hub's ids a person means by what a control room, a device or a log has: pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any, Final
from urllib.parse import unquote

from bondmate_connectors.formats.cap.values import parse_our_identifier
from bondmate_connectors.formats.cot.types import parse_uid
from bondmate_schemas.models import Record
from bondmate_schemas.outside_ids import OutsideIds

__all__ = ["IDS", "as_stored", "meanings", "names_in"]

_UUID: Final = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
IDS: Final = frozenset({
    "alert_id", "alert_ids", "delivery_id", "device_id", "event_id", "group_id", "id", "in_reply_to", "incident_id",
    "later_delivery_ids", "link_to", "linked_to", "message_id", "origin_message_id", "platform_id", "references",
    "refers_to", "reopens", "sender_message_id", "statement_ids",
})  # fmt: skip
"""Fields by whose value an event may be looked up; callsigns, units and people's names are none of them."""


def meanings(text: str, outside: OutsideIds | None, destinations: Collection[str]) -> frozenset[str]:
    """Return every id that may be meant: the text itself, and the hub's own ids that were told to a destination in it.

    Understood are ids of the hub, of its destinations, a CAP identifier and a CoT uid that the hub wrote.
    """
    found = {text, unquote(text), *_UUID.findall(text)}
    if cap := parse_our_identifier(text):
        found |= {cap.event_id, cap.delivery_id}
    if cot := parse_uid(text):
        found.add(cot.id)
    if outside is not None:
        for destination in destinations:
            found.update(_opened(text, outside, destination))
    return frozenset(found - {""})


def _opened(text: str, outside: OutsideIds, destination: str) -> list[str]:
    found: list[str] = []

    def opened(inside: str) -> str:
        found.append(inside)
        return inside

    outside.replaced(destination, text, opened)
    return found


def as_stored(name: str) -> bytes:
    """Return how a text stands in an Avro value: its length, zigzag and in sevens of bits, then its bytes.

    Source: Apache Avro 1.12 specification, "Binary Encoding". So a value is sifted without decoding it.
    """
    text = name.encode()
    length, prefix = len(text) << 1, bytearray()
    while length > 0x7F:  # noqa: PLR2004  # seven bits
        prefix.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([*prefix, length]) + text


def names_in(value: Any, fields: Collection[str] = IDS) -> Iterator[str]:
    """Yield the texts that stand in these fields of a record, at any depth."""
    if isinstance(value, Record):
        for name, inner in vars(value).items():
            yield from _texts(inner) if name in fields else names_in(inner, fields)
    elif isinstance(value, dict):
        for inner in value.values():
            yield from names_in(inner, fields)
    elif isinstance(value, tuple):
        for inner in value:
            yield from names_in(inner, fields)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        yield from (each for each in value if isinstance(each, str))
