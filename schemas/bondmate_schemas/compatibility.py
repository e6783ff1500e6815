"""The one rule book of schema change: what may follow what. Compatibility check and registry both ask here.

Whether a reader can read what a writer wrote is decided by the `avro` package (Avro 1.12 specification, "Schema
Resolution"); this module adds the levels, and the name of the field that is at fault.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

import fastavro
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.errors import AvroException
from avro.schema import ArraySchema, MapSchema, RecordSchema, Schema, UnionSchema, make_avsc_object
from fastavro.schema import SchemaParseException, UnknownType


class Compatibility(StrEnum):
    """Which readers must be able to read which writers, as Confluent's schema registry names it."""

    NONE = "NONE"
    BACKWARD = "BACKWARD"
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FORWARD = "FORWARD"
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL = "FULL"
    FULL_TRANSITIVE = "FULL_TRANSITIVE"

    @property
    def transitive(self) -> bool:
        """Whether all earlier versions count, not only the last."""
        return self.value.endswith("_TRANSITIVE")

    @property
    def backward(self) -> bool:
        """Whether the new schema must read what the old one wrote."""
        return self.value.startswith(("BACKWARD", "FULL"))

    @property
    def forward(self) -> bool:
        """Whether the old schema must read what the new one writes."""
        return self.value.startswith(("FORWARD", "FULL"))


class InvalidSchemaError(ValueError):
    """The text is not an Avro schema: mend the text; the same text will always be refused."""


_ROOT: Final = "(root)"
# Beside their own classes both parsers let through what their checks trip over.
_PARSE_ERRORS: Final = (
    AvroException,
    SchemaParseException,
    UnknownType,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    IndexError,
)
_REASONS: Final = {
    "name_mismatch": "has another name",
    "fixed_size_mismatch": "has another size",
    "missing_enum_symbols": "the reader lacks enum symbols and has no default for them",
    "reader_field_missing_default_value": "is in the reader only, without a default",
    "type_mismatch": "has a type the reader cannot read",
    "missing_union_branch": "the reader's union lacks a branch of the writer",
}


def validate(text: str) -> None:
    """Check that `text` is an Avro schema.

    Raises:
        InvalidSchemaError: it is not; the message says where, never what a default holds.
    """
    _parse(text)


def incompatibilities(new: str, old: Sequence[str], level: Compatibility | str) -> list[str]:
    """Return what forbids `new` to follow `old` at `level`; nothing when it may.

    Args:
        new: text of the new schema.
        old: texts of the earlier versions, oldest first; a level that is not transitive looks at the last only.
        level: the rule to apply.

    Returns:
        One line for each fault: which of the earlier versions (1 is the oldest given), direction, field path, reason.

    Raises:
        InvalidSchemaError: a text is not an Avro schema.
        ValueError: no such level.
    """
    rule = Compatibility(level)
    candidate = _parse(new)
    first = 0 if rule.transitive else max(len(old) - 1, 0)
    found: list[str] = []
    for number, text in enumerate(old[first:], start=first + 1):
        earlier = _parse(text)
        if rule.backward:
            found += [f"version {number}, backward: {fault}" for fault in _faults(candidate, earlier)]
        if rule.forward:
            found += [f"version {number}, forward: {fault}" for fault in _faults(earlier, candidate)]
    return found


def _faults(reader: Schema, writer: Schema) -> list[str]:
    if _verdict(reader, writer) is None:
        return []
    return list(dict.fromkeys(_locate(reader, writer, "", frozenset())))


def _verdict(reader: Schema, writer: Schema) -> str | None:
    """Ask the `avro` package; the first reason it gives, or None where it sees no fault."""
    checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]
    result = checker.get_compatibility(reader, writer)
    if result.compatibility is SchemaCompatibilityType.compatible:
        return None
    return _REASONS.get(result.incompatibilities[0].value if result.incompatibilities else "", "is incompatible")


def _locate(reader: Schema, writer: Schema, path: str, above: frozenset[tuple[str, str]]) -> Iterator[str]:
    """Walk down to the fields at fault; the package's own locations are lost inside unions."""
    here = (str(getattr(reader, "fullname", "")), str(getattr(writer, "fullname", "")))
    below = list(_parts(reader, writer)) if here not in above else []
    found = False
    for name, inner_reader, inner_writer in below:
        inner_path = f"{path}.{name}".strip(".") if name else path
        if inner_writer is None:
            found = True
            yield f"{inner_path}: {_REASONS['reader_field_missing_default_value']}"
        elif _verdict(inner_reader, inner_writer) is not None:
            found = True
            yield from _locate(inner_reader, inner_writer, inner_path, above | ({here} if here[0] else frozenset()))
    if not found:
        yield f"{path or _ROOT}: {_verdict(reader, writer)}"


def _parts(reader: Schema, writer: Schema) -> Iterator[tuple[str, Schema, Schema | None]]:
    """Yield (name, reader, writer) of what both hold; the writer is None where a field without default is missing."""
    if isinstance(reader, UnionSchema) and isinstance(writer, UnionSchema):
        yield from _branches(reader, writer)
    elif isinstance(reader, RecordSchema) and isinstance(writer, RecordSchema):
        yield from _fields(reader, writer)
    elif isinstance(reader, ArraySchema) and isinstance(writer, ArraySchema):
        yield "[]", reader.items, writer.items
    elif isinstance(reader, MapSchema) and isinstance(writer, MapSchema):
        yield "{}", reader.values, writer.values


def _branches(reader: UnionSchema, writer: UnionSchema) -> Iterator[tuple[str, Schema, Schema]]:
    """Pair the branches that mean the same; one without a partner is a fault of the union itself."""
    partners = {_kind(branch): branch for branch in reader.schemas}
    if all(_kind(branch) in partners for branch in writer.schemas):
        for branch in writer.schemas:
            yield "", partners[_kind(branch)], branch


def _kind(branch: Schema) -> str:
    return str(getattr(branch, "name", None) or branch.type)


def _fields(reader: RecordSchema, writer: RecordSchema) -> Iterator[tuple[str, Schema, Schema | None]]:
    for field in reader.fields:
        names = [field.name, *(field.props.get("aliases") or ())]
        found = next((writer.fields_dict[name] for name in names if name in writer.fields_dict), None)
        if found is not None:
            yield field.name, field.type, found.type
        elif not field.has_default:
            yield field.name, field.type, None


@lru_cache(maxsize=512)
def _parse(text: str) -> Schema:
    try:
        parsed: Any = json.loads(text)
        # fastavro checks the defaults against their types, which the `avro` package does not.
        fastavro.parse_schema(parsed)
        schema: Schema = make_avsc_object(_without_logical_types(parsed))
    except RecursionError:
        raise InvalidSchemaError("the schema is nested too deep") from None
    except _PARSE_ERRORS as error:
        # A parser's own text may quote a default, so only its kind is kept.
        raise InvalidSchemaError(f"not an Avro schema ({type(error).__name__})") from None
    return schema


def _without_logical_types(node: Any) -> Any:
    """Drop what does not take part in schema resolution, and of which the package warns when it does not know it."""
    if isinstance(node, dict):
        return {key: _without_logical_types(value) for key, value in node.items() if key != "logicalType"}
    return [_without_logical_types(item) for item in node] if isinstance(node, list) else node
