"""What a destination may see of an event: the envelope, and the fields its agreement lists; by default nothing more.

The schemas say which fields are envelope (`bondmate:disclosure` is `always`) and which are replaced by a keyed
pseudonym (`pseudonym`). Of the hub's remarks (`by_flag`) those pass that tell nothing of a field withheld; a code of
CAP (`code`) passes where it is one, and not the free words that somebody put in its place. Every other field is the
schema's default for a destination unless its path is listed, with one of these modes:

- `plain`: as it is. Of a record or list, its envelope parts; the others are listed by their own paths.
- `pseudonym`: keyed, other for every destination; texts only.
- `round:N`: positions, to N decimals of a degree (0 to 6).
- `coarse:M`: positions, to the middle of a square with sides of M metres.
- `withheld`: as if it were not listed; it says that somebody meant it so.

An event whose schema demands a field that is withheld is withheld whole: a position without its place says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from bondmate_schemas import models
from bondmate_schemas.flags import POSITION_WITHHELD, told_by
from bondmate_schemas.ids import pseudonym, pseudonyms
from bondmate_schemas.models import Payload
from bondmate_schemas.validation_messages import did_you_mean

from bondmate_streams.logic.blur import position_change
from bondmate_streams.logic.fields import Field, fields_of, paths_of

_NAMES_KEPT = 50_000
PLAIN: Final = "plain"
PSEUDONYM: Final = "pseudonym"
WITHHELD: Final = "withheld"
BY_FLAG: Final = "by_flag"
CODE: Final = "code"
_CODES: Final = frozenset({
    "Immediate", "Expected", "Future", "Past", "Unknown", "Extreme", "Severe", "Moderate", "Minor", "Observed",
    "Likely", "Possible", "Unlikely",
})  # fmt: skip
"""What CAP 1.2, 3.2.2 allows as `urgency`, `severity` and `certainty`."""
INCIDENT_ID: Final = "header.incident_id"
"""Always there; listed it is shared with the others that list it, withheld it is the destination's own."""
_ALERT: Final = "DeviceAlert"
_FLAGS_KEPT: Final = 1_000
_Transform = Callable[[Any], Any]
_pseudonym = lru_cache(_NAMES_KEPT)(pseudonym)


def check_fields(record: str, fields: Mapping[str, str]) -> list[tuple[str, str]]:
    """Find what is wrong in an agreement on `record`: pairs of path and problem."""
    known = dict(paths_of(record, ""))
    return [(path, problem) for path, mode in fields.items() if (problem := _problem(path, mode, known))]


def _problem(path: str, mode: str, known: Mapping[str, Field]) -> str | None:
    field = known.get(path)
    if field is None:
        return f"no such field: {path}{did_you_mean(path, known)}"
    parent = path.rpartition(".")[0]
    if mode == WITHHELD and field.disclosure == "always" and path != INCIDENT_ID:
        return "part of the envelope: it always shows"
    if mode in (PLAIN, WITHHELD):
        return None
    if mode == PSEUDONYM:
        return None if field.is_text else "pseudonym: for texts only"
    if position_change(mode) is None:
        return "plain, withheld, pseudonym, round:0 to round:6, or coarse:1 to coarse:100000 (metres)"
    return None if field.record == "Position" and not parent else "round and coarse: for positions only"


class DisclosurePolicy:
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
        self._fields = {record: shown_paths(listed) for record, listed in fields.items()}
        self._projections: dict[str, _Transform] = {}
        self._shown: dict[str, list[tuple[str, list[str]]]] = {}

    def of(self, event: Payload) -> Payload | None:
        """Return the event as the destination may see it; None where it may see nothing of it."""
        name = type(event).__name__
        if name not in self._projections:
            self._projections[name] = self._projection(name)
        seen: Payload | None = self._projections[name](event)
        return seen

    def _projection(self, record: str) -> _Transform:
        if is_withheld(record, self._fields.get(record, {})):
            return lambda _: None
        shown = self.shown(record)
        project, shows = self._record(record, shown), self.flags_of(record)
        always = (POSITION_WITHHELD,) if record == _ALERT and "position" not in shown else ()
        return lambda event: _with_flags(project(event), shows, always)

    def flags_of(self, record: str) -> Callable[[str], bool]:
        """Return what says whether the destination may see a flag of a record of this kind."""
        return _FlagsShown(record, self.shown(record)).shows

    def shown(self, record: str) -> dict[str, Shown]:
        """Return what the destination sees of a record, by field."""
        return shown_of(record, self._fields.get(record, {}))

    def paths(self, record: str) -> list[str]:
        """Name the paths beyond the envelope that the destination may see of a record, where they hold something."""
        shown = self.shown(record)
        return sorted(path for path in {*self._fields.get(record, {}), "device_id"} if shown_at(shown, path))

    def disclosed(self, event: Payload) -> tuple[str, ...]:
        """Name the paths beyond the envelope that the destination sees of this event."""
        name = type(event).__name__
        if name not in self._shown:
            self._shown[name] = [(path, path.split(".")) for path in self.paths(name)]
        return tuple(path for path, parts in self._shown[name] if _given(event, parts))

    def name_of(self, device_id: str) -> str:
        """Return the name by which the destination knows a device, where it may not see the true one."""
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
            return (lambda value: value if value in _CODES else None) if shown.mode == CODE else _same
        part = self._record(shown.record, shown.parts)
        if transform := position_change(shown.mode):
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


class _FlagsShown:
    """Which of the hub's remarks on a record a destination may see: none that tells of a field withheld."""

    def __init__(self, record: str, shown: Mapping[str, Shown]) -> None:
        self._all = shown_at(shown, "header.flags") == Shown(PLAIN)
        self._shown = shown
        self._names = {field.name: f"header.{field.name}" for field in fields_of("EventHeader")}
        self._names |= {field.name: field.name for field in fields_of(record)}
        self._known: dict[str, bool] = {}

    def shows(self, flag: str) -> bool:
        if flag not in self._known:
            if len(self._known) >= _FLAGS_KEPT:
                self._known.clear()
            self._known[flag] = self._all or self._may_show(flag)
        return self._known[flag]

    def _may_show(self, flag: str) -> bool:
        path = told_by(flag, self._names)
        if not path:
            return path == ""
        found = shown_at(self._shown, path)
        # Of a position that is made less exact, a remark would tell what the exact one was.
        return found is not None and found.mode == PLAIN


def _with_flags(event: Any, shows: Callable[[str], bool], always: tuple[str, ...]) -> Any:
    flags = (*(flag for flag in event.header.flags if shows(flag)), *always)
    if flags == event.header.flags:
        return event
    return event.model_copy(update={"header": event.header.model_copy(update={"flags": flags})})


def _are_whole(record: str, parts: Mapping[str, Shown]) -> bool:
    return len(parts) == len(fields_of(record)) and all(part.is_whole for part in parts.values())


def shown_paths(listed: Mapping[str, str]) -> dict[str, str]:
    """Return what an agreement lists, without what it lists as withheld."""
    return {path: mode for path, mode in listed.items() if mode != WITHHELD}


def shown_at(shown: Mapping[str, Shown], path: str) -> Shown | None:
    """Return how the field at `path` is shown; None where it, or a record that it is part of, is withheld."""
    found = None
    for name in path.split("."):
        found = shown.get(name)
        if found is None:
            return None
        shown = found.parts
    return found


def is_withheld(record: str, listed: Mapping[str, str]) -> bool:
    """Whether an agreement that lists these paths shows nothing of a record, whose schema demands more."""
    listed = shown_paths(listed)
    return any(field.required and not _is_open(field, field.name, listed) for field in fields_of(record))


def shown_of(record: str, listed: Mapping[str, str], prefix: str = "") -> dict[str, Shown]:
    """Return what an agreement that lists these paths shows of a record, by field; all else is the schema's default."""
    return {
        field.name: _shown(field, prefix + field.name, listed)
        for field in fields_of(record)
        # A part without a default belongs to its whole: the whole could not be read without it.
        if _is_open(field, prefix + field.name, listed) or (field.required and prefix)
    }


def _shown(field: Field, path: str, listed: Mapping[str, str]) -> Shown:
    mode = listed.get(path, PLAIN if field.disclosure in (None, "always") else field.disclosure)
    if field.record is None or mode == PSEUDONYM:
        return Shown(mode)
    return Shown(mode, field.record, shown_of(field.record, listed, path + "."), field.is_list)


def _is_open(field: Field, path: str, listed: Mapping[str, str]) -> bool:
    return field.disclosure in ("always", PSEUDONYM, BY_FLAG, CODE) or path in listed


def _same(value: Any) -> Any:
    return value


def _optional(change: _Transform) -> _Transform:
    return lambda value: None if value is None else change(value)


def _given(event: Payload, parts: list[str]) -> bool:
    value: Any = event
    for part in parts:
        values = value if isinstance(value, tuple) else (value,)
        # No is an answer, and so is zero.
        found = (getattr(item, part, None) for item in values)
        value = next((each for each in found if each is not None and each != ()), None)
    return value is not None
