"""The wire format of protocol buffers, as much of it as `TakMessage` needs."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
FIXED32: Final = 5
_LONGEST_VARINT: Final = 10
_MORE: Final = 0x80
_SEVEN_BITS: Final = 0x7F


class Malformed(ValueError):  # the name is the outcome
    """The bytes are no message of protocol buffers."""


def varint(value: int) -> bytes:
    """Write an unsigned number, seven bits at a time, the lowest first."""
    found = bytearray()
    while value > _SEVEN_BITS:
        found.append(value & _SEVEN_BITS | _MORE)
        value >>= 7
    found.append(value)
    return bytes(found)


def read_varint(data: bytes | bytearray, at: int) -> tuple[int, int] | None:
    """Read a number at `at`: the number and where it ends; None when more bytes are needed.

    Raises:
        Malformed: it is longer than 64 bits.
    """
    value = 0
    for index in range(_LONGEST_VARINT):
        if at + index >= len(data):
            return None
        byte = data[at + index]
        value |= (byte & _SEVEN_BITS) << (7 * index)
        if not byte & _MORE:
            return value, at + index + 1
    raise Malformed


def put_varint(message: bytearray, tag: int, value: int) -> None:
    """Add a number; 0 is what a missing one means."""
    if value:
        message += varint(tag << 3 | VARINT) + varint(value)


def put_double(message: bytearray, tag: int, value: float) -> None:
    """Add a floating-point number; 0 is what a missing one means."""
    if value:
        message += varint(tag << 3 | FIXED64) + struct.pack("<d", value)


def put_bytes(message: bytearray, tag: int, content: bytes, *, even_empty: bool = False) -> None:
    """Add a text or a message inside; an empty text is what a missing one means, an empty message is not."""
    if content or even_empty:
        message += varint(tag << 3 | BYTES) + varint(len(content)) + content


def fields(message: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """Return each field of a message: its number, its wire type, and what it holds.

    Raises:
        Malformed: it ends in the middle of a field, or has a wire type that is none.
    """
    at = 0
    while at < len(message):
        key, at = _needed(read_varint(message, at))
        tag, kind = key >> 3, key & 7
        if kind == VARINT:
            value, at = _needed(read_varint(message, at))
            yield tag, kind, value
            continue
        length = {FIXED64: 8, FIXED32: 4}.get(kind)
        if kind == BYTES:
            length, at = _needed(read_varint(message, at))
        if length is None or at + length > len(message):
            raise Malformed
        yield tag, kind, message[at : at + length]
        at += length


def _needed(found: tuple[int, int] | None) -> tuple[int, int]:
    if found is None:
        raise Malformed
    return found
