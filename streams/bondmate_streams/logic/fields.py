"""The fields of the records that destinations get, as disclosure sees them; read from the schemas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from bondmate_schemas.codec import schema

__all__ = ["Field", "fields_of", "paths_of", "records_in"]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a schema as disclosure sees it."""

    name: str
    disclosure: str | None
    required: bool
    record: str | None
    """Name of the record it holds, alone or in a list."""
    is_list: bool
    is_text: bool


@cache
def fields_of(record: str) -> tuple[Field, ...]:
    """Return the fields of a record."""
    return tuple(_field_of(field) for field in _named_types()[record]["fields"])


@cache
def _named_types() -> Mapping[str, Any]:
    """Collect every record of the payloads by name: in a schema only its first mention is written out."""
    found: dict[str, Any] = {}
    for record in ("DeviceAlert", "DeviceLocation", "IncidentEvent", "DeviceMessage", "DeliveryReceipt"):
        found |= records_in(schema(record))
    return found


def records_in(node: Any) -> dict[str, Any]:
    """Return every record that a schema writes out, by name."""
    found: dict[str, Any] = {}
    _collect(node, found)
    return found


def _collect(node: Any, found: dict[str, Any]) -> None:
    if isinstance(node, list):
        for branch in node:
            _collect(branch, found)
    elif isinstance(node, dict):
        if node.get("type") == "record":
            found[node["name"].rpartition(".")[2]] = node
        for inner in (*(field["type"] for field in node.get("fields", ())), node.get("items"), node.get("values")):
            _collect(inner, found)


def _field_of(field: Mapping[str, Any]) -> Field:
    branches = field["type"] if isinstance(field["type"], list) else [field["type"]]
    kind = next(branch for branch in branches if branch != "null")
    is_list = isinstance(kind, dict) and kind.get("type") == "array"
    inner = kind["items"] if is_list else kind
    name = inner.get("name", "") if isinstance(inner, dict) else inner
    record = name.rpartition(".")[2]
    return Field(
        field["name"],
        field.get("bondmate:disclosure"),
        "default" not in field,
        record if record in _named_types() else None,
        is_list,
        kind == "string",
    )


def paths_of(record: str, prefix: str = "") -> Iterator[tuple[str, Field]]:
    """Return the fields of a record and of the records in it, each with its path."""
    for known in fields_of(record):
        yield prefix + known.name, known
        if known.record:
            yield from paths_of(known.record, prefix + known.name + ".")
