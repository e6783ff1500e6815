"""Bytes measured against a schema before anything is built of them: one walk, no allocation.

fastavro reads some bytes that are no Avro of the schema as if they were (a negative index of an enum or a union counts
from the end), builds an object of several hundred bytes for an item of one, and ends the process on a schema that
holds itself. Rules: Avro 1.12 specification, "Binary Encoding".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

MOST_ITEMS: Final = 10_000
"""Items of all arrays and maps of one record together; what the hub writes has tens."""
_VARINT_BYTES: Final = 10
_INT_LIMIT: Final = 1 << 31

Walk = Callable[[bytes, int, list[int]], int]
"""From (bytes, offset, items left in a list of one) to the offset behind the value."""


class MalformedError(ValueError):
    """The bytes are not Avro of the schema, or the schema is one the hub never reads; both stay so."""


def walker(parsed: Any) -> Walk:
    """Make the walk of a schema as `fastavro.parse_schema` gives it: names in full, each defined before it is used.

    The walk raises `MalformedError` or `IndexError` at bytes that are not of the schema, and at more than `MOST_ITEMS`.

    Raises:
        MalformedError: the schema holds itself or a type that is not known.
    """
    return _walk_of(parsed, {})


def _walk_of(node: Any, named: dict[str, Walk | None]) -> Walk:
    if isinstance(node, list):
        return _union([_walk_of(branch, named) for branch in node])
    if isinstance(node, str):
        return _PLAIN.get(node) or _defined(node, named)
    if node["type"] in {"record", "error", "enum", "fixed"}:
        return _define(node, named)
    if node["type"] == "array":
        return _blocks(_walk_of(node["items"], named))
    if node["type"] == "map":
        return _blocks(_pair(_walk_of(node["values"], named)))
    return _walk_of(node["type"], named)


def _defined(name: str, named: dict[str, Walk | None]) -> Walk:
    found = named.get(name)
    if found is None:
        raise MalformedError("the schema holds itself" if name in named else "the schema uses an unknown type")
    return found


def _define(node: dict[str, Any], named: dict[str, Walk | None]) -> Walk:
    named[node["name"]] = None
    if node["type"] == "enum":
        walk = _enum(len(node["symbols"]))
    elif node["type"] == "fixed":
        walk = _skip(int(node["size"]))
    else:
        walk = _record([_walk_of(field["type"], named) for field in node["fields"]])
    named[node["name"]] = walk
    return walk


def _long(data: bytes, at: int) -> tuple[int, int]:
    """Read a zig-zag number; gives it and the offset behind it."""
    byte = data[at]
    if byte < 0x80:  # noqa: PLR2004 - the bit that says that more bytes follow
        return (byte >> 1) ^ -(byte & 1), at + 1
    value = shift = 0
    for end in range(at, at + _VARINT_BYTES):
        byte = data[end]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004
            if value >> 64:
                break
            return (value >> 1) ^ -(value & 1), end + 1
        shift += 7
    raise MalformedError("a number of more than 64 bits")


def _walk_long(data: bytes, at: int, _left: list[int]) -> int:
    return _long(data, at)[1]


def _walk_int(data: bytes, at: int, _left: list[int]) -> int:
    value, end = _long(data, at)
    if not -_INT_LIMIT <= value < _INT_LIMIT:
        raise MalformedError("an int of more than 32 bits")
    return end


def _walk_boolean(data: bytes, at: int, _left: list[int]) -> int:
    if data[at] > 1:
        raise MalformedError("a boolean that is neither 0 nor 1")
    return at + 1


def _walk_bytes(data: bytes, at: int, _left: list[int]) -> int:
    byte = data[at]
    # Nearly all numbers here are one byte, positive, thus even: the call is saved.
    length, start = _long(data, at) if byte & 0x81 else (byte >> 1, at + 1)
    if length < 0 or start + length > len(data):
        raise MalformedError("a length beyond the end")
    return start + length


def _walk_null(_data: bytes, at: int, _left: list[int]) -> int:
    return at


def _skip(size: int) -> Walk:
    def walk(data: bytes, at: int, _left: list[int]) -> int:
        if at + size > len(data):
            raise MalformedError("ends too early")
        return at + size

    return walk


def _enum(symbols: int) -> Walk:
    def walk(data: bytes, at: int, _left: list[int]) -> int:
        byte = data[at]
        index, end = _long(data, at) if byte & 0x81 else (byte >> 1, at + 1)
        if not 0 <= index < symbols:
            raise MalformedError("an enum symbol that is not there")
        return end

    return walk


def _union(branches: list[Walk]) -> Walk:
    null_first = branches[0] is _walk_null

    def walk(data: bytes, at: int, left: list[int]) -> int:
        byte = data[at]
        if not byte and null_first:
            return at + 1
        index, start = _long(data, at) if byte & 0x81 else (byte >> 1, at + 1)
        if not 0 <= index < len(branches):
            raise MalformedError("a union branch that is not there")
        return branches[index](data, start, left)

    return walk


def _record(fields: list[Walk]) -> Walk:
    def walk(data: bytes, at: int, left: list[int]) -> int:
        for field in fields:
            at = field(data, at, left)
        return at

    return walk


def _pair(value: Walk) -> Walk:
    def walk(data: bytes, at: int, left: list[int]) -> int:
        return value(data, _walk_bytes(data, at, left), left)

    return walk


def _blocks(item: Walk) -> Walk:
    """Walk the blocks of an array or a map; a negative count is followed by the block's size in bytes."""

    def walk(data: bytes, at: int, left: list[int]) -> int:
        count, at = _long(data, at)
        while count:
            size, at = _long(data, at) if count < 0 else (-1, at)
            start = at
            at = items(data, at, left, abs(count))
            if size >= 0 and at - start != size:
                raise MalformedError("a block of another size than it says")
            count, at = _long(data, at)
        return at

    def items(data: bytes, at: int, left: list[int], count: int) -> int:
        left[0] -= count
        if left[0] < 0:
            raise MalformedError("too many items")
        for _ in range(count):
            at = item(data, at, left)
        return at

    return walk


_PLAIN: Final[dict[str, Walk]] = {
    "null": _walk_null,
    "boolean": _walk_boolean,
    "int": _walk_int,
    "long": _walk_long,
    "float": _skip(4),
    "double": _skip(8),
    "bytes": _walk_bytes,
    "string": _walk_bytes,
}
