"""What a destination may see of an event: the envelope, and the fields its agreement lists; by default nothing more.

The schemas say which fields are envelope (`bondmate:disclosure` is `always`) and which are replaced by a keyed
pseudonym (`pseudonym`). Every other field is the schema's default for a destination unless its path is listed, with
one of these modes:

- `plain`: as it is. Of a record or list, its envelope parts; the others are listed by their own paths.
- `pseudonym`: keyed, other for every destination; texts only.
- `round:N`: positions, to N decimals of a degree (0 to 6).
- `coarse:M`: positions, to the middle of a square with sides of M metres.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from bondmate_schemas import models
from bondmate_schemas.codec import schema
from bondmate_schemas.ids import pseudonym
from bondmate_schemas.models import Payload, Position

_METRES_A_DEGREE = 111_320.0
_MOST_DECIMALS = 6
_LARGEST_SQUARE_M = 100_000.0
_NAMES_KEPT = 50_000
_Transform = Callable[[Any], Any]
_pseudonym = lru_cache(_NAMES_KEPT)(pseudonym)


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of a schema as disclosure sees it."""

    name: str
    disclosure: str | None
    required: bool
    record: str | None
    """Name of the record it holds, alone or in a list."""
    is_list: bool
    is_text: bool


def check_fields(record: str, fields: Mapping[str, str]) -> list[tuple[str, str]]:
    """Find what is wrong in an agreement on `record`: pairs of path and problem."""
    known = dict(_paths(record, ""))
    return [(path, problem) for path, mode in fields.items() if (problem := _problem(path, mode, known))]


def _problem(path: str, mode: str, known: Mapping[str, _Field]) -> str | None:
    field = known.get(path)
    if field is None:
        return f"no such field: {path}"
    parent = path.rpartition(".")[0]
    if mode == "plain":
        return None
    if mode == "pseudonym":
        return None if field.is_text else "pseudonym: for texts only"
    if _position_transform(mode) is None:
        return "plain, pseudonym, round:0 to round:6, or coarse:1 to coarse:100000 (metres)"
    return None if field.record == "Position" and not parent else "round and coarse: for positions only"


class View:
    """What one destination may see; made once, used for every event."""

    def __init__(self, destination: str, fields: Mapping[str, Mapping[str, str]], secret: bytes) -> None:
        """Prepare the agreement.

        Args:
            destination: its name, the scope of its pseudonyms.
            fields: by record name (`DeviceAlert`, …), the listed paths and their modes.
            secret: key of the pseudonyms.

        Raises:
            ValueError: a path or mode that does not exist; `check_fields` names it.
        """
        for record, listed in fields.items():
            if problems := check_fields(record, listed):
                raise ValueError("; ".join(f"{record}.{path}: {problem}" for path, problem in problems))
        self._destination = destination
        self._secret = secret
        self._fields = fields
        self._projections: dict[str, _Transform] = {}
        self._shown: dict[str, list[tuple[str, list[str]]]] = {}

    def of(self, event: Payload) -> Payload:
        """Give the event as the destination may see it."""
        name = type(event).__name__
        if name not in self._projections:
            self._projections[name] = self._record(name, "", self._fields.get(name, {}))
        seen: Payload = self._projections[name](event)
        return seen

    def disclosed(self, event: Payload) -> tuple[str, ...]:
        """Name the paths beyond the envelope that the destination sees of this event."""
        name = type(event).__name__
        if name not in self._shown:
            paths = sorted({*self._fields.get(name, {}), "device_id"})
            self._shown[name] = [(path, path.split(".")) for path in paths]
        return tuple(path for path, parts in self._shown[name] if _given(event, parts))

    def name_of(self, device_id: str) -> str:
        """Give the name by which the destination knows a device, where it may not see the true one."""
        return _pseudonym(self._secret, self._destination, device_id)

    def _record(self, record: str, prefix: str, listed: Mapping[str, str]) -> _Transform:
        model: type[models.Record] = getattr(models, record)
        passing = [(field.name, self._field(field, prefix + field.name, listed)) for field in _fields_of(record)
                   if _passes(field, prefix + field.name, listed)]  # fmt: skip
        if len(passing) == len(_fields_of(record)) and all(change is _same for _, change in passing):
            return _same
        # A copy costs a fifth of what it takes to fill in every default anew.
        bare = model.model_construct(**dict.fromkeys(name for name, _ in passing))
        kept = [name for name, change in passing if change is _same]
        changed = [(name, change) for name, change in passing if change is not _same]

        def project(value: models.Record) -> models.Record:
            # Only what is named here goes in, so a field added to a schema is withheld until an agreement lists it.
            seen = {name: getattr(value, name) for name in kept}
            for name, change in changed:
                seen[name] = change(getattr(value, name))
            return bare.model_copy(update=seen)

        return project

    def _field(self, field: _Field, path: str, listed: Mapping[str, str]) -> _Transform:
        mode = listed.get(path, "pseudonym" if field.disclosure == "pseudonym" else "plain")
        if mode == "pseudonym":
            return lambda value: None if value is None else self.name_of(value)
        if field.record is None:
            return _same
        part = self._record(field.record, path + ".", listed)
        if transform := _position_transform(mode):
            return _optional(lambda value: transform(part(value)))
        if part is _same:
            return _same
        if field.is_list:
            return lambda values: tuple(part(value) for value in values)
        return _optional(part)


def _passes(field: _Field, path: str, listed: Mapping[str, str]) -> bool:
    # A part without a default belongs to its whole: the whole could not be read without it.
    return field.disclosure in ("always", "pseudonym") or path in listed or field.required


def _same(value: Any) -> Any:
    return value


def _optional(change: _Transform) -> _Transform:
    return lambda value: None if value is None else change(value)


def _given(event: Payload, parts: list[str]) -> bool:
    value: Any = event
    for part in parts:
        values = value if isinstance(value, tuple) else (value,)
        value = next((found for item in values if (found := getattr(item, part, None))), None)
    return value is not None


def _position_transform(mode: str) -> Callable[[Position], Position] | None:
    name, _, text = mode.partition(":")
    if name == "round" and text.isdecimal() and int(text) <= _MOST_DECIMALS:
        return _rounded(int(text))
    if name == "coarse" and text.isdecimal() and 1 <= int(text) <= _LARGEST_SQUARE_M:
        return _coarse(float(text))
    return None


def _rounded(decimals: int) -> Callable[[Position], Position]:
    def change(position: Position) -> Position:
        error = _METRES_A_DEGREE * 10.0**-decimals / 2 * math.sqrt(2)
        return _moved(position, round(position.latitude, decimals), round(position.longitude, decimals), error)

    return change


def _coarse(metres: float) -> Callable[[Position], Position]:
    step = metres / _METRES_A_DEGREE

    def change(position: Position) -> Position:
        latitude = _middle(position.latitude, step, 90.0)
        # A degree of longitude shrinks toward the poles; at the pole itself one square is as good as another.
        across = min(step / max(math.cos(math.radians(latitude)), 1e-6), 360.0)
        return _moved(position, latitude, _middle(position.longitude, across, 180.0), metres / 2 * math.sqrt(2))

    return change


def _middle(value: float, step: float, limit: float) -> float:
    return max(-limit, min(limit, (math.floor(value / step) + 0.5) * step))


def _moved(position: Position, latitude: float, longitude: float, error_m: float) -> Position:
    accuracy = (position.accuracy_m or 0.0) + error_m
    return position.model_copy(update={"latitude": latitude, "longitude": longitude, "accuracy_m": accuracy})


@cache
def _fields_of(record: str) -> tuple[_Field, ...]:
    return tuple(_field_of(field) for field in _named_types()[record]["fields"])


@cache
def _named_types() -> Mapping[str, Any]:
    """Collect every record of the payloads by name: in a schema only its first mention is written out."""
    found: dict[str, Any] = {}
    for record in ("DeviceAlert", "DeviceLocation", "IncidentEvent", "DeviceMessage", "DeliveryReceipt"):
        _collect(schema(record), found)
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


def _field_of(field: Mapping[str, Any]) -> _Field:
    branches = field["type"] if isinstance(field["type"], list) else [field["type"]]
    kind = next(branch for branch in branches if branch != "null")
    is_list = isinstance(kind, dict) and kind.get("type") == "array"
    inner = kind["items"] if is_list else kind
    name = inner.get("name", "") if isinstance(inner, dict) else inner
    record = name.rpartition(".")[2]
    return _Field(
        field["name"],
        field.get("bondmate:disclosure"),
        "default" not in field,
        record if record in _named_types() else None,
        is_list,
        kind == "string",
    )


def _paths(record: str, prefix: str) -> Iterator[tuple[str, _Field]]:
    for field in _fields_of(record):
        yield prefix + field.name, field
        if field.record:
            yield from _paths(field.record, prefix + field.name + ".")
