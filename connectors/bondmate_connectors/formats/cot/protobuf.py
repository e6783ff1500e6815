"""TAK protocol version 1: a CoT event as one `TakMessage` of Google protocol buffers, and back to XML.

Our own few lines instead of a library: `takproto` loses what its definition has no field for (a contact's phone, a
sixth attribute of `takv`), wants the runtime of protobuf, and is generated from definitions under GPL; the wire
format is public and small. Field numbers are those that ATAK and TAK Server speak.

An element of the detail goes to its typed message only when that holds all its attributes, else it stays text in
`xmlDetail`, never both; where both come, `xmlDetail` is believed. What is not known reads 999999.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from lxml import etree

from bondmate_connectors.contract import Refusal
from bondmate_connectors.formats.cot.build import element
from bondmate_connectors.formats.cot.event import MAX_BYTES, format_time, number, parse_time
from bondmate_connectors.formats.cot.wire import (
    BYTES,
    FIXED64,
    VARINT,
    Malformed,
    fields,
    put_bytes,
    put_double,
    put_varint,
)
from bondmate_connectors.formats.xml import parse_xml

MALFORMED: Final = "protobuf_malformed"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNKNOWN: Final = 999999.0

# TakMessage
_COT_EVENT: Final = 2
# CotEvent
_TEXTS: Final[Mapping[str, int]] = {
    "type": 1, "access": 2, "qos": 3, "opex": 4, "uid": 5, "how": 9, "caveat": 16, "releaseableTo": 17,
}  # fmt: skip
_KNOWN_TEXTS: Final = frozenset(_TEXTS.values())
"""What a later version adds may be no text at all."""
_TIMES: Final[Mapping[str, int]] = {"time": 6, "start": 7, "stale": 8}
_POINT: Final[Mapping[str, int]] = {"lat": 10, "lon": 11, "hae": 12, "ce": 13, "le": 14}
_METRES: Final = frozenset({"hae", "ce", "le"})
_DETAIL: Final = 15
# Detail
_XML_DETAIL: Final = 1
_TYPED: Final[Mapping[str, tuple[int, Mapping[str, int]]]] = {
    "contact": (2, {"endpoint": 1, "callsign": 2}),
    "__group": (3, {"name": 1, "role": 2}),
    "precisionlocation": (4, {"geopointsrc": 1, "altsrc": 2}),
    "status": (5, {"battery": 1}),
    "takv": (6, {"device": 1, "platform": 2, "os": 3, "version": 4}),
    "track": (7, {"speed": 1, "course": 2}),
}
_MAY_LACK: Final = {"contact": frozenset({"endpoint"})}
_MOST_BATTERY: Final = 2**32


def to_protobuf(document: bytes) -> bytes:
    """Write a CoT document, which must be one of our own, as a `TakMessage`."""
    root = parse_xml(document, max_bytes=MAX_BYTES)
    event = bytearray()
    for name, tag in _TEXTS.items():
        put_bytes(event, tag, (root.get(name) or "").encode())
    for name, tag in _TIMES.items():
        put_varint(event, tag, _milliseconds(root.get(name)))
    point = root.find("point")
    for name, tag in _POINT.items():
        put_double(event, tag, _of_point(name, point.get(name) if point is not None else None))
    put_bytes(event, _DETAIL, _detail(root.find("detail")), even_empty=True)
    message = bytearray()
    put_bytes(message, _COT_EVENT, bytes(event))
    return bytes(message)


def _milliseconds(text: str | None) -> int:
    time = parse_time(text)
    return 0 if time is None else max(0, (time - _EPOCH) // timedelta(milliseconds=1))


def _of_point(name: str, text: str | None) -> float:
    value = number(text)
    if name not in _METRES:
        return value or 0.0
    return _UNKNOWN if value is None else min(value, _UNKNOWN)


def _detail(detail: etree._Element | None) -> bytes:
    typed, rest, seen = bytearray(), [], set()
    for child in () if detail is None else detail:
        message = _typed(child) if child.tag not in seen else None
        if message is None:
            rest.append(etree.tostring(child, encoding="unicode", with_tail=False))
        else:
            put_bytes(typed, _TYPED[str(child.tag)][0], message, even_empty=True)
        seen.add(child.tag)
    found = bytearray()
    put_bytes(found, _XML_DETAIL, "".join(rest).encode())
    return bytes(found + typed)


def _typed(child: etree._Element) -> bytes | None:
    """Write an element as its typed message; None when that cannot hold all of it."""
    name = str(child.tag)
    if name not in _TYPED or len(child) or (child.text or "").strip():
        return None
    tags, values = _TYPED[name][1], {str(key): str(value) for key, value in child.attrib.items()}
    lacks = tags.keys() - values.keys() - _MAY_LACK.get(name, frozenset())
    if lacks or not values.keys() <= tags.keys():
        return None
    found = bytearray()
    for key, value in values.items():
        if not _put(found, name, tags[key], value):
            return None
    return bytes(found)


def _put(found: bytearray, name: str, tag: int, text: str) -> bool:
    if name == "status":
        if not (text.isascii() and text.isdigit() and int(text) < _MOST_BATTERY):
            return False
        put_varint(found, tag, int(text))
    elif name == "track":
        value = number(text)
        if value is None:
            return False
        put_double(found, tag, value)
    else:
        put_bytes(found, tag, text.encode())
    return True


def to_xml(message: bytes) -> bytes | Refusal:
    """Write a `TakMessage` as a CoT document; never raises. One without an event in it is refused as `no_event`."""
    try:
        found = dict(_of_type(message, BYTES))
        if _COT_EVENT not in found:
            return Refusal("no_event")
        return _document(found[_COT_EVENT]).encode()
    except (Malformed, UnicodeDecodeError, struct.error):
        return Refusal(MALFORMED)


def _document(event: bytes) -> str:
    texts = {tag: content.decode() for tag, content in _of_type(event, BYTES) if tag in _KNOWN_TEXTS}
    details = [content for tag, content in _of_type(event, BYTES) if tag == _DETAIL]
    numbers = {tag: content for tag, kind, content in fields(event) if kind == VARINT}
    doubles = {tag: struct.unpack("<d", content)[0] for tag, content in _of_type(event, FIXED64)}
    values = {name: texts[tag] for name, tag in _TEXTS.items() if texts.get(tag)}
    values |= {name: text for name, tag in _TIMES.items() if (text := _time(numbers.get(tag, 0)))}
    point = {name: _coordinate(name, doubles.get(tag, 0.0)) for name, tag in _POINT.items()}
    detail = _children(b"".join(details))
    return element("event", element("point", **point) + f"<detail>{detail}</detail>", version="2.0", **values)


def _coordinate(name: str, value: float) -> str:
    if name in _METRES and (not math.isfinite(value) or value >= _UNKNOWN):
        return "9999999.0"
    return repr(value)


def _time(milliseconds: object) -> str | None:
    assert isinstance(milliseconds, int)
    try:
        return format_time(_EPOCH + timedelta(milliseconds=milliseconds)) if milliseconds else None
    except OverflowError:
        return None


def _children(detail: bytes) -> str:
    found = dict(_of_type(detail, BYTES))
    rest = found.get(_XML_DETAIL, b"").decode()
    typed = [
        element(name, **dict(_attributes(tags, found[tag])))
        for name, (tag, tags) in _TYPED.items()
        if tag in found and not re.search(rf"<{name}[\s/>]", rest)
    ]
    return "".join(typed) + rest


def _attributes(tags: Mapping[str, int], message: bytes) -> Iterator[tuple[str, str]]:
    names = {tag: name for name, tag in tags.items()}
    for tag, kind, content in fields(message):
        if tag not in names:
            continue
        if kind == FIXED64:
            assert isinstance(content, bytes)
            yield names[tag], repr(struct.unpack("<d", content)[0])
        elif kind == VARINT:
            yield names[tag], str(content)
        elif isinstance(content, bytes):
            yield names[tag], content.decode()


def _of_type(message: bytes, wanted: int) -> Iterator[tuple[int, bytes]]:
    for tag, kind, content in fields(message):
        if kind == wanted and isinstance(content, bytes):
            yield tag, content
