"""Today's schemas compiled to closures: three to four times as fast as the general codec, on the hub's hottest path.

fastavro validates every branch of a union to choose it and builds what it reads item by item; our unions are all
`null | X`, so the choice is a comparison. What is written is equal byte for byte and what is read is equal value for
value to fastavro's, which the tests use as oracle and the codec for every schema but today's. Rules: Avro 1.12
specification, "Binary Encoding".
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bondmate_schemas import enums
from bondmate_schemas.strict import MOST_ITEMS, MalformedError

__all__ = ["Reader", "Writer", "reader", "writer"]

Writer = Callable[[bytearray, Any], None]
"""Append the Avro bytes of a value: a model for a record, else as pydantic holds it."""
Reader = Callable[[bytes, int, list[int]], tuple[Any, int]]
"""From (bytes, offset, items left in a list of one) to the value and the offset behind it."""

_DOUBLE: Final = struct.Struct("<d")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_VARINT_BYTES: Final = 10
_SHORT: Final = 64
"""Numbers below it are one byte."""
_INT_LIMIT: Final = 1 << 31
_LONG_LIMIT: Final = 1 << 63


def writer(schema: Mapping[str, Any]) -> Writer:
    """Compile the writer of a record's schema, every named type written out inside it."""
    return _writer(schema, {})


def reader(schema: Mapping[str, Any]) -> Reader:
    """Compile the reader of a record's schema.

    It raises `MalformedError`, `IndexError` or `UnicodeDecodeError` at bytes that are not of the schema, and
    `MalformedError` at more than `MOST_ITEMS` items; it gives what the model validates.
    """
    return _reader(schema, {})


# Writing


def _writer(node: Any, named: dict[str, Writer]) -> Writer:  # noqa: PLR0911  # one line a kind of type
    if isinstance(node, list):
        return _write_optional(_writer(_other(node), named))
    if isinstance(node, str):
        return _WRITERS.get(node) or named[node]
    kind = node["type"]
    if kind == "record":
        made = _write_record([(field["name"], _writer(field["type"], named)) for field in node["fields"]])
        return named.setdefault(node["name"], made)
    if kind == "enum":
        return named.setdefault(node["name"], _write_enum(node["symbols"]))
    if kind == "array":
        return _write_array(_writer(node["items"], named))
    if kind == "map":
        return _write_map(_writer(node["values"], named))
    return _write_time if node.get("logicalType") == "timestamp-millis" else _writer(kind, named)


def _other(union: list[Any]) -> Any:
    null, other = union
    if null != "null":
        raise TypeError("every union of ours is null or one other type, null first")
    return other


def _write_long(out: bytearray, value: int) -> None:
    value = (value << 1) ^ (value >> 63)
    while value > 0x7F:  # noqa: PLR2004
        out.append((value & 0x7F) | 0x80)
        value >>= 7
    out.append(value)


def _write_string(out: bytearray, value: str) -> None:
    data = value.encode()
    if len(data) < _SHORT:
        out.append(len(data) << 1)
    else:
        _write_long(out, len(data))
    out += data


def _write_time(out: bytearray, value: datetime) -> None:
    _write_long(out, (value - _EPOCH) // _MILLISECOND)


def _write_double(out: bytearray, value: float) -> None:
    out += _DOUBLE.pack(value)


def _write_boolean(out: bytearray, value: bool) -> None:  # noqa: FBT001  # a writer like the others
    out.append(value)


_WRITERS: Final[dict[str, Writer]] = {
    "string": _write_string,
    "long": _write_long,
    "int": _write_long,
    "double": _write_double,
    "boolean": _write_boolean,
}


def _write_optional(inner: Writer) -> Writer:
    def write(out: bytearray, value: Any) -> None:
        if value is None:
            out.append(0)
        else:
            out.append(2)
            inner(out, value)

    return write


def _write_enum(symbols: list[str]) -> Writer:
    codes = {symbol: number << 1 for number, symbol in enumerate(symbols)}
    if len(symbols) > _SHORT:
        raise TypeError("an enum of ours has fewer symbols, so that each is one byte")

    def write(out: bytearray, value: Any) -> None:
        # `_value_`: `value` is a property that costs more than the rest of this line.
        out.append(codes[value._value_])

    return write


def _write_array(item: Writer) -> Writer:
    def write(out: bytearray, values: tuple[Any, ...]) -> None:
        if values:
            _write_long(out, len(values))
            for value in values:
                item(out, value)
        out.append(0)

    return write


def _write_map(item: Writer) -> Writer:
    def write(out: bytearray, values: Mapping[str, Any]) -> None:
        if values:
            _write_long(out, len(values))
            for key, value in values.items():
                _write_string(out, key)
                item(out, value)
        out.append(0)

    return write


def _write_record(fields: list[tuple[str, Writer]]) -> Writer:
    def write(out: bytearray, record: Any) -> None:
        values = record.__dict__
        for name, field in fields:
            field(out, values[name])

    return write


# Reading


def _reader(node: Any, named: dict[str, Reader]) -> Reader:  # noqa: PLR0911  # one line a kind of type
    if isinstance(node, list):
        return _read_optional(_reader(_other(node), named))
    if isinstance(node, str):
        return _READERS.get(node) or named[node]
    kind = node["type"]
    if kind == "record":
        made = _read_record([(field["name"], _reader(field["type"], named)) for field in node["fields"]])
        return named.setdefault(node["name"], made)
    if kind == "enum":
        return named.setdefault(node["name"], _read_enum(node["name"], node["symbols"]))
    if kind == "array":
        return _read_array(_reader(node["items"], named))
    if kind == "map":
        return _read_map(_reader(node["values"], named))
    return _read_time if node.get("logicalType") == "timestamp-millis" else _reader(kind, named)


def _read_long(data: bytes, at: int, left: list[int]) -> tuple[int, int]:  # noqa: ARG001  # a reader like the others
    byte = data[at]
    if byte < 0x80:  # noqa: PLR2004  # nearly all are one byte
        return (byte >> 1) ^ -(byte & 1), at + 1
    value, shift, end = byte & 0x7F, 7, at + _VARINT_BYTES
    while byte & 0x80:
        at += 1
        if at == end:
            raise MalformedError("a number of more than ten bytes")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        shift += 7
    value = (value >> 1) ^ -(value & 1)
    if not -_LONG_LIMIT <= value < _LONG_LIMIT:
        raise MalformedError("a number of more than 64 bits")
    return value, at + 1


def _read_int(data: bytes, at: int, left: list[int]) -> tuple[int, int]:
    value, at = _read_long(data, at, left)
    if not -_INT_LIMIT <= value < _INT_LIMIT:
        raise MalformedError("an int of more than 32 bits")
    return value, at


def _read_string(data: bytes, at: int, left: list[int]) -> tuple[str, int]:
    byte = data[at]
    if byte < 0x80:  # noqa: PLR2004  # nearly all strings are short
        length, at = (byte >> 1) ^ -(byte & 1), at + 1
    else:
        length, at = _read_long(data, at, left)
    end = at + length
    if length < 0 or end > len(data):
        raise MalformedError("a length beyond the bytes")
    return data[at:end].decode(), end


def _read_time(data: bytes, at: int, left: list[int]) -> tuple[datetime, int]:
    value, at = _read_long(data, at, left)
    try:
        return _EPOCH + timedelta(milliseconds=value), at
    except OverflowError as error:
        raise MalformedError("a time beyond the calendar") from error


def _read_double(data: bytes, at: int, left: list[int]) -> tuple[float, int]:  # noqa: ARG001
    if at + 8 > len(data):
        raise MalformedError("a double beyond the bytes")
    return _DOUBLE.unpack_from(data, at)[0], at + 8


def _read_boolean(data: bytes, at: int, left: list[int]) -> tuple[bool, int]:  # noqa: ARG001
    if data[at] > 1:
        raise MalformedError("a boolean that is neither 0 nor 1")
    return data[at] == 1, at + 1


_READERS: Final[dict[str, Reader]] = {
    "string": _read_string,
    "long": _read_long,
    "int": _read_int,
    "double": _read_double,
    "boolean": _read_boolean,
}


def _read_optional(inner: Reader) -> Reader:
    def read(data: bytes, at: int, left: list[int]) -> tuple[Any, int]:
        byte = data[at]
        if byte == 0:
            return None, at + 1
        if byte == 2:  # noqa: PLR2004  # 1, in zigzag
            return inner(data, at + 1, left)
        # The same numbers may be written longer than they need be.
        branch, at = _read_long(data, at, left)
        if branch == 0:
            return None, at
        if branch != 1:
            raise MalformedError("a branch that the union has not")
        return inner(data, at, left)

    return read


def _read_enum(name: str, symbols: list[str]) -> Reader:
    members = [getattr(enums, name.rpartition(".")[2])(symbol) for symbol in symbols]

    def read(data: bytes, at: int, left: list[int]) -> tuple[Any, int]:
        number, at = _read_long(data, at, left)
        if not 0 <= number < len(members):
            raise MalformedError("a symbol that the enum has not")
        return members[number], at

    return read


def _read_blocks(data: bytes, at: int, left: list[int], one: Callable[[bytes, int], int]) -> int:
    """Read the blocks of an array or map, calling `one` for each item."""
    while True:
        count, at = _read_long(data, at, left)
        if count == 0:
            return at
        if count < 0:  # then the block's size in bytes stands before its items
            count = -count
            _, at = _read_long(data, at, left)
        left[0] -= count
        if left[0] < 0:
            raise MalformedError(f"more than {MOST_ITEMS} items")
        for _ in range(count):
            at = one(data, at)


def _read_array(item: Reader) -> Reader:
    def read(data: bytes, at: int, left: list[int]) -> tuple[tuple[Any, ...], int]:
        if data[at] == 0:
            return (), at + 1
        values: list[Any] = []

        def one(data: bytes, at: int) -> int:
            value, at = item(data, at, left)
            values.append(value)
            return at

        at = _read_blocks(data, at, left, one)
        return tuple(values), at

    return read


def _read_map(item: Reader) -> Reader:
    def read(data: bytes, at: int, left: list[int]) -> tuple[dict[str, Any], int]:
        values: dict[str, Any] = {}

        def one(data: bytes, at: int) -> int:
            key, at = _read_string(data, at, left)
            values[key], at = item(data, at, left)
            return at

        return values, _read_blocks(data, at, left, one)

    return read


def _read_record(fields: list[tuple[str, Reader]]) -> Reader:
    def read(data: bytes, at: int, left: list[int]) -> tuple[dict[str, Any], int]:
        values = {}
        for name, field in fields:
            values[name], at = field(data, at, left)
        return values, at

    return read
