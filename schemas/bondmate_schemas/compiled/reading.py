"""The text of readers: some statements a field, which set the field's variable and move `at`."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from textwrap import indent
from typing import Any, Final

from pydantic import BaseModel

from bondmate_schemas import enums, models
from bondmate_schemas.compiled import constraints
from bondmate_schemas.compiled.source import SourceText, members, short, unsupported
from bondmate_schemas.compiled.varints import UnusualError, number, time, times

Reader = Callable[[bytes, int, list[int]], tuple[Any, int]]
"""From (bytes, offset, items left in a list of one) to the model and the offset behind it.

The bytes were of the schema only if that offset is their end: a text beyond the end is noticed there.
"""

_TEXT = """\
byte = data[at]
if byte & 129:
    {to}, at = text(data, at)
else:
    start = at + 1
    at = start + (byte >> 1)
    {to} = data[start:at].decode()"""
_NUMERAL = """\
byte = data[at]
if byte & 129:
    {to}, at = number(data, at)
else:
    {to} = byte >> 1
    at += 1"""
_LINES: Final = {
    "string": _TEXT,
    "int": _NUMERAL,
    "long": _NUMERAL,
    "double": "({to},) = double(data, at)\nat += 8",
    "boolean": "{to} = BOOLEAN[data[at]]\nat += 1",
    "time": """\
{to} = known_time(data[at:at + 6])
if {to} is None:
    {to}, at = time(data, at)
else:
    at += 6""",
    "union": """\
byte = data[at]
at += 1
if byte == 0:
    {to} = None
elif byte == 2:
{some}
else:
    raise UnusualError""",
    "enum": "{to} = {symbols}[data[at]]\nat += 1",
    "array": """\
if data[at]:
    {to}, at = {array}
else:
    {to} = ()
    at += 1""",
    "map": """\
if data[at]:
    {to}, at = mapping(data, at, left, {item})
else:
    {to} = {{}}
    at += 1""",
    "record": "{to}, at = {function}(data, at, left)",
}
_RECORD = """\
{lines}
record = new({model})
set_fields(record, {{{fields}}})
set_extra(record, None)
set_private(record, None)
set_names(record, names_{model})
{checks}return record, at"""


class Readers(SourceText):
    """Functions that give a value and the offset behind it."""

    parameters = "data, at, left"

    def __init__(self) -> None:
        super().__init__(_NAMES)

    def function(self, node: Any, hint: Any) -> str:
        """Return the name of the function that reads a value of the type, which a model declares as `hint`."""
        kind, node = self.resolved(node)
        if kind != "record":
            body = f"{self.lines(node, hint, 'value')}\nreturn value, at"
            return self.define(f"read_{len(self.text)}", body)
        name = short(node["name"])
        constraints.same(hint, getattr(models, name))
        if node["name"] not in self.known:
            self.define(f"read_{name}", self._record(node, hint))
            self.known[node["name"]] = node
        return f"read_{name}"

    def _record(self, node: Mapping[str, Any], model: type[models.Record]) -> str:
        name = model.__name__
        hints = constraints.fields_of(model)
        fields = [field["name"] for field in node["fields"]]
        constraints.same(fields, list(hints))
        # A set for all records of a model: pydantic changes it in copies alone, since a record is frozen.
        self.names |= {name: model, f"names_{name}": set(fields)}
        checks = {f"check_{name}_{number}": check for number, check in enumerate(constraints.checks(model))}
        self.names |= checks
        return _RECORD.format(
            model=name,
            lines="\n".join(
                self.lines(field["type"], hints[field["name"]], f"f_{field['name']}") for field in node["fields"]
            ),
            fields=", ".join(f"{field!r}: f_{field}" for field in fields),
            checks="".join(f"{check}(record)\n" for check in checks),
        )

    def lines(self, node: Any, hint: Any, to: str) -> str:
        """Return the statements that read a value of the type into the variable `to`."""
        kind, node = self.resolved(node)
        if kind not in _LINES:
            raise unsupported(node)
        text = _LINES[kind].format(to=to, **self._parts(kind, node, hint, to))
        condition = constraints.condition(kind, hint, to) if kind in constraints.PLAIN else ""
        return f"{text}\nif not {condition}:\n    raise UnusualError" if condition else text

    def _parts(self, kind: str, node: Any, hint: Any, to: str) -> dict[str, str]:
        match kind:
            case "union":
                return {"some": indent(self.lines(node[1], constraints.other(hint), to), "    ")}
            case "array":
                return {"array": self._array(node["items"], constraints.item(hint, tuple))}
            case "map":
                return {"item": self.function(node["values"], constraints.item(hint, Mapping))}
            case "record":
                return {"function": self.function(node, hint)}
            case "enum":
                return {"symbols": self._symbols(node, hint)}
        return {}

    def _array(self, node: Any, hint: Any) -> str:
        if (node, hint) == ("string", str):
            return "texts(data, at, left)"
        return f"array(data, at, left, {self.function(node, hint)})"

    def _symbols(self, enum: Mapping[str, Any], hint: Any) -> str:
        name = f"symbols_{short(enum['name'])}"
        constraints.same(hint, getattr(enums, short(enum["name"])))
        self.names[name] = {number << 1: member for number, member in enumerate(members(enum))}
        self.known[enum["name"]] = enum
        return name


def _text(data: bytes, at: int) -> tuple[str, int]:
    length, start = number(data, at)
    if length < 0:
        raise UnusualError
    end = start + length
    return data[start:end].decode(), end


def _count(data: bytes, at: int, left: list[int]) -> tuple[int, int]:
    byte = data[at]
    count, at = number(data, at) if byte & 129 else (byte >> 1, at + 1)
    left[0] -= count
    if count < 0 or left[0] < 0:  # a block that says its size, or too many items
        raise UnusualError
    return count, at


def _end(data: bytes, at: int) -> int:
    if data[at]:  # a second block
        raise UnusualError
    return at + 1


def _array(data: bytes, at: int, left: list[int], item: Reader) -> tuple[tuple[Any, ...], int]:
    count, at = _count(data, at, left)
    values = []
    for _ in range(count):
        value, at = item(data, at, left)
        values.append(value)
    return tuple(values), _end(data, at)


def _texts(data: bytes, at: int, left: list[int]) -> tuple[tuple[str, ...], int]:
    count, at = _count(data, at, left)
    values = []
    for _ in range(count):
        byte = data[at]
        if byte & 129:
            value, at = _text(data, at)
        else:
            start = at + 1
            at = start + (byte >> 1)
            value = data[start:at].decode()
        values.append(value)
    return tuple(values), _end(data, at)


def _mapping(data: bytes, at: int, left: list[int], item: Reader) -> tuple[dict[str, Any], int]:
    count, at = _count(data, at, left)
    values = {}
    for _ in range(count):
        key, at = _text(data, at)
        values[key], at = item(data, at, left)
    return values, _end(data, at)


def _slot(name: str) -> Callable[[Any, Any], None]:
    setter: Callable[[Any, Any], None] = vars(BaseModel)[name].__set__
    return setter


_NAMES: Final = {
    "UnusualError": UnusualError,
    "BOOLEAN": {0: False, 1: True},
    "number": number,
    "text": _text,
    "double": struct.Struct("<d").unpack_from,
    "known_time": times.get,
    "time": time,
    "array": _array,
    "texts": _texts,
    "mapping": _mapping,
    "new": object.__new__,
    # What `BaseModel.model_construct` sets, past the `__setattr__` that keeps a record frozen.
    "set_fields": _slot("__dict__"),
    "set_extra": _slot("__pydantic_extra__"),
    "set_private": _slot("__pydantic_private__"),
    "set_names": _slot("__pydantic_fields_set__"),
}
