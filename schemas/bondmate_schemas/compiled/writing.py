"""The text of writers: one expression a field, the pieces of bytes of all of them joined."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

from bondmate_schemas.compiled.source import SourceText, members, short, unsupported
from bondmate_schemas.compiled.varints import as_read, time_bytes, varint

_NUMBERS_READY: Final = 1024
_PARTS: Final = {
    "string": ["NUMBER[len(raw := {}.encode())]", "raw"],
    "int": ["NUMBER[{}]"],
    "long": ["NUMBER[{}]"],
    "double": ["double({})"],
    "boolean": [r"(b'\1' if {} else b'\0')"],
    "time": ["(read[1] if (read := as_read(id(time := {}))) else time_bytes(time))"],
}


class Writers(SourceText):
    """Functions that give the bytes of a value."""

    parameters = "value"

    def __init__(self) -> None:
        super().__init__(_NAMES)

    def function(self, node: Any) -> str:
        """Return the name of the function that writes a value of the type."""
        kind, node = self.resolved(node)
        if kind != "record":
            body = f"return {' + '.join(self.parts(node, 'value'))}"
            return self.define(f"write_{len(self.text)}", body)
        name = f"write_{short(node['name'])}"
        if node["name"] not in self.known:
            parts = [
                part for field in node["fields"] for part in self.parts(field["type"], f"fields[{field['name']!r}]")
            ]
            pieces = ",\n    ".join(parts)
            self.define(name, f"fields = value.__dict__\nreturn b''.join((\n    {pieces},\n))")
            self.known[node["name"]] = node
        return name

    def parts(self, node: Any, value: str) -> list[str]:
        """Return the expressions of the bytes that `value`, an expression to be used once, is written as."""
        kind, node = self.resolved(node)
        if kind in _PARTS:
            return [part.format(value) for part in _PARTS[kind]]
        if kind == "union":
            return [rf"(b'\0' if (some := {value}) is None else {self._some(node[1])})"]
        if kind == "enum":
            return [f"{self._codes(node)}[{value}]"]
        if kind in {"array", "map"}:
            return [f"({self._items(kind, node)} if (some := {value}) else b'\\0')"]
        if kind == "record":
            return [f"{self.function(node)}({value})"]
        raise unsupported(node)

    def _some(self, node: Any) -> str:
        if node == "string":
            return "SOME_TEXT[len(raw := some.encode())] + raw"
        return " + ".join([r"b'\2'", *self.parts(node, "some")])

    def _items(self, kind: str, node: Any) -> str:
        if kind == "map":
            return f"mapping(some, {self.function(node['values'])})"
        if node["items"] == "string":
            return "texts(some)"
        return f"array(some, {self.function(node['items'])})"

    def _codes(self, enum: Mapping[str, Any]) -> str:
        name = f"codes_{short(enum['name'])}"
        self.names[name] = {member: bytes([number << 1]) for number, member in enumerate(members(enum))}
        self.known[enum["name"]] = enum
        return name


class _Numbers(dict[int, bytes]):
    """The bytes of numbers behind a prefix: small ones ready, others made each time."""

    def __init__(self, prefix: bytes) -> None:
        super().__init__({number: prefix + varint(number) for number in range(_NUMBERS_READY)})
        self.prefix = prefix

    def __missing__(self, number: int) -> bytes:
        return self.prefix + varint(number)


def _array_bytes(values: tuple[Any, ...], item: Callable[[Any], bytes]) -> bytes:
    return b"".join([_NUMBER[len(values)], *map(item, values), b"\0"])


def _texts_bytes(values: tuple[str, ...]) -> bytes:
    out = _NUMBER[len(values)]
    for value in values:
        raw = value.encode()
        out += _NUMBER[len(raw)] + raw
    return out + b"\0"


def _map_bytes(values: Mapping[str, Any], item: Callable[[Any], bytes]) -> bytes:
    keys = [key.encode() for key in values]
    pairs = [_NUMBER[len(key)] + key + item(value) for key, value in zip(keys, values.values(), strict=True)]
    return b"".join([_NUMBER[len(values)], *pairs, b"\0"])


_NUMBER: Final = _Numbers(b"")
_NAMES: Final = {
    "NUMBER": _NUMBER,
    "SOME_TEXT": _Numbers(b"\2"),
    "double": struct.Struct("<d").pack,
    "as_read": as_read.get,
    "time_bytes": time_bytes,
    "array": _array_bytes,
    "texts": _texts_bytes,
    "mapping": _map_bytes,
}
