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
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any, Final, Literal

from bondmate_schemas import models
from bondmate_schemas.codec import schema
from bondmate_schemas.ids import pseudonym, pseudonyms
from bondmate_schemas.models import Payload, Position

_METRES_A_DEGREE = 111_320.0
_MOST_DECIMALS = 6
_LARGEST_SQUARE_M = 100_000.0
_NAMES_KEPT = 50_000
PLAIN: Final = "plain"
PSEUDONYM: Final = "pseudonym"
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
    if mode == PLAIN:
        return None
    if mode == PSEUDONYM:
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
        self.new_name_of = pseudonyms(secret, destination)
        """`name_of`, for who remembers the names himself."""
        self._fields = fields
        self._projections: dict[str, _Transform] = {}
        self._shown: dict[str, list[tuple[str, list[str]]]] = {}

    def of(self, event: Payload) -> Payload:
        """Give the event as the destination may see it."""
        name = type(event).__name__
        if name not in self._projections:
            self._projections[name] = self._record(name, self.shown(name))
        seen: Payload = self._projections[name](event)
        return seen

    def shown(self, record: str) -> dict[str, Shown]:
        """Give what the destination sees of a record, by field."""
        return shown_of(record, self._fields.get(record, {}))

    def paths(self, record: str) -> list[str]:
        """Name the paths beyond the envelope that the destination may see of a record, where they hold something."""
        return sorted({*self._fields.get(record, {}), "device_id"})

    def disclosed(self, event: Payload) -> tuple[str, ...]:
        """Name the paths beyond the envelope that the destination sees of this event."""
        name = type(event).__name__
        if name not in self._shown:
            self._shown[name] = [(path, path.split(".")) for path in self.paths(name)]
        return tuple(path for path, parts in self._shown[name] if _given(event, parts))

    def name_of(self, device_id: str) -> str:
        """Give the name by which the destination knows a device, where it may not see the true one."""
        return _pseudonym(self._secret, self._destination, device_id)

    def _record(self, record: str, parts: Mapping[str, Shown]) -> _Transform:
        if _are_whole(record, parts):
            return _same
        changes = {name: self._field(part) for name, part in parts.items()}
        # A copy costs a fifth of what it takes to fill in every default anew.
        bare = getattr(models, record).model_construct(**dict.fromkeys(changes))
        kept = [name for name, change in changes.items() if change is _same]
        changed = [(name, change) for name, change in changes.items() if change is not _same]

        def project(value: models.Record) -> models.Record:
            # Only what is named here goes in, so a field added to a schema is withheld until an agreement lists it.
            seen = {name: getattr(value, name) for name in kept}
            for name, change in changed:
                seen[name] = change(getattr(value, name))
            return bare.model_copy(update=seen)  # type: ignore[no-any-return]  # of a class looked up by name

        return project

    def _field(self, shown: Shown) -> _Transform:
        if shown.mode == PSEUDONYM:
            return lambda value: None if value is None else self.name_of(value)
        if shown.record is None:
            return _same
        part = self._record(shown.record, shown.parts)
        if transform := _position_transform(shown.mode):
            return _optional(lambda value: transform(part(value)))
        if part is _same:
            return _same
        if shown.is_list:
            return lambda values: tuple(part(value) for value in values)
        return _optional(part)


@dataclass(frozen=True, slots=True)
class Shown:
    """How a destination sees one field: by which mode, and of a record, alone or in a list, which of its fields."""

    mode: str
    record: str | None = None
    parts: Mapping[str, Shown] = field(default_factory=dict)
    is_list: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether it is shown as it is."""
        return self.mode == PLAIN and (self.record is None or _are_whole(self.record, self.parts))


def _are_whole(record: str, parts: Mapping[str, Shown]) -> bool:
    return len(parts) == len(_fields_of(record)) and all(part.is_whole for part in parts.values())


def shown_of(record: str, listed: Mapping[str, str], prefix: str = "") -> dict[str, Shown]:
    """Give what an agreement that lists these paths shows of a record, by field; all else is the schema's default."""
    return {
        field.name: _shown(field, prefix + field.name, listed)
        for field in _fields_of(record)
        if _passes(field, prefix + field.name, listed)
    }


def _shown(field: _Field, path: str, listed: Mapping[str, str]) -> Shown:
    mode = listed.get(path, PSEUDONYM if field.disclosure == PSEUDONYM else PLAIN)
    if field.record is None or mode == PSEUDONYM:
        return Shown(mode)
    return Shown(mode, field.record, shown_of(field.record, listed, path + "."), field.is_list)


def _passes(field: _Field, path: str, listed: Mapping[str, str]) -> bool:
    # A part without a default belongs to its whole: the whole could not be read without it.
    return field.disclosure in ("always", PSEUDONYM) or path in listed or field.required


def _same(value: Any) -> Any:
    return value


def _optional(change: _Transform) -> _Transform:
    return lambda value: None if value is None else change(value)


def _given(event: Payload, parts: list[str]) -> bool:
    value: Any = event
    for part in parts:
        values = value if isinstance(value, tuple) else (value,)
        value = next((found for item in values if _is_something(found := getattr(item, part, None))), None)
    return value is not None


def _is_something(value: Any) -> bool:
    """Tell whether a field says something: no is an answer, and so is zero."""
    return value is not None and value != ()


def _position_transform(mode: str) -> Callable[[Position], Position] | None:
    found = blurred(mode)
    if found is None:
        return None
    return _rounded(found) if found.name == "round" else _coarse(found)


@dataclass(frozen=True, slots=True)
class Blur:
    """By how much positions are made less exact; columns do the same arithmetic, to the last bit alike."""

    name: Literal["round", "coarse"]
    amount: float
    """To so many decimals of a degree, or to the middle of a square of so many metres."""

    @property
    def scale(self) -> float:
        """Give the multiple of which a rounded degree is a whole number."""
        return float(10.0**self.amount)

    @property
    def step_deg(self) -> float:
        """Give the side of a square in degrees of latitude."""
        return self.amount / _METRES_A_DEGREE

    @property
    def error_m(self) -> float:
        """Give how far off a position is then, at most."""
        side = self.amount if self.name == "coarse" else _METRES_A_DEGREE * 10.0**-self.amount
        return side / 2 * math.sqrt(2)

    def across_deg(self, latitude: float) -> float:
        """Give the side of a square in degrees of longitude, at the latitude of its middle."""
        # A degree of longitude shrinks toward the poles; at the pole itself one square is as good as another.
        return min(self.step_deg / max(math.cos(math.radians(latitude)), 1e-6), 360.0)


def blurred(mode: str) -> Blur | None:
    """Read a mode of an agreement; None where it is none for positions."""
    name, _, text = mode.partition(":")
    if name == "round" and text.isdecimal() and int(text) <= _MOST_DECIMALS:
        return Blur("round", float(text))
    if name == "coarse" and text.isdecimal() and 1 <= int(text) <= _LARGEST_SQUARE_M:
        return Blur("coarse", float(text))
    return None


def _rounded(blur: Blur) -> Callable[[Position], Position]:
    scale, error_m = blur.scale, blur.error_m

    def change(position: Position) -> Position:
        latitude = math.floor(position.latitude * scale + 0.5) / scale
        return _moved(position, latitude, math.floor(position.longitude * scale + 0.5) / scale, error_m)

    return change


def _coarse(blur: Blur) -> Callable[[Position], Position]:
    step_deg, error_m = blur.step_deg, blur.error_m

    def change(position: Position) -> Position:
        latitude = _middle(position.latitude, step_deg, 90.0)
        longitude = _middle(position.longitude, blur.across_deg(latitude), 180.0)
        return _moved(position, latitude, longitude, error_m)

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
    for known in _fields_of(record):
        yield prefix + known.name, known
        if known.record:
            yield from _paths(known.record, prefix + known.name + ".")
