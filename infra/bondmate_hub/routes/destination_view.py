"""What one destination would see of an event, as its agreement lets it: for `hub route explain`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from bondmate_schemas.models import DeviceAlert, Payload
from bondmate_streams.logic.fields import paths_of
from bondmate_streams.logic.policy import BY_FLAG, CODE, PLAIN, PSEUDONYM, WITHHELD, DisclosurePolicy, shown_at
from bondmate_streams.logic.routes_yaml import mark_of
from bondmate_streams.logic.routing import Destination, Routes, RouteVerdict, kind_of

_ENVELOPE = frozenset({"always", PSEUDONYM, BY_FLAG, CODE})
"""What shows without being listed, so that an agreement cannot withhold it."""
_DEVICE = "device_id"


@dataclass(frozen=True, slots=True)
class FieldView:
    """One field of an event that holds something, as a destination would see it."""

    path: str
    sees: str | None
    """The value there, as JSON; None where it is withheld."""
    mode: str
    clause: str
    """What decides: a place in the file of routes with its line and column, or the schema."""

    def as_json(self) -> dict[str, object]:
        """Return it as plain values."""
        return {"path": self.path, "sees": self.sees, "mode": self.mode, "clause": self.clause}

    def __str__(self) -> str:
        seen = "withheld" if self.sees is None else f"{self.sees} ({self.mode})"
        return f"    {self.path}: {seen}, by {self.clause}"


@dataclass(frozen=True, slots=True)
class DestinationView:
    """The view of one destination; paths beyond the envelope, which every destination sees."""

    destination: str
    fields: Mapping[str, str]
    """The paths of this event that it sees, each with its mode (`plain`, `pseudonym`, `coarse:500`, …)."""
    withheld: tuple[str, ...]
    """The paths that hold something in this event and are not listed in the agreement."""
    others: tuple[str, ...] | None
    """What it hears of people at the other rooms of an alert; None: everything if its agency owns it, else nothing."""
    receipts: bool
    """Whether receipts come back to it: of the messages that it may send to officers."""
    each: tuple[FieldView, ...] = ()
    """Each field beyond what always shows, in the order of the schema."""

    def as_json(self) -> dict[str, object]:
        """Return the view as plain values."""
        return {
            "destination": self.destination,
            "fields": dict(self.fields),
            "withheld": list(self.withheld),
            "others": None if self.others is None else list(self.others),
            "receipts": self.receipts,
            "each": [field.as_json() for field in self.each],
        }

    def __str__(self) -> str:
        fields = ", ".join(f"{path} ({mode})" for path, mode in self.fields.items())
        others = "all if its agency owns the alert" if self.others is None else ", ".join(self.others) or "nothing"
        whole = (
            f"  {self.destination} sees beside the envelope: {fields or 'nothing'};"
            f" withheld: {', '.join(self.withheld) or 'nothing'}; of other rooms: {others};"
            f" receipts: {'of messages it sends to officers' if self.receipts else 'none'}"
        )
        return "\n".join([whole, *map(str, self.each)])


def views_of(
    event: Payload,
    routes: Routes,
    verdicts: Iterable[RouteVerdict],
    file: str = "routes",
    places: Mapping[str, tuple[int, int]] | None = None,
) -> Iterator[DestinationView]:
    """Yield the view of each destination that the event goes to, each once, in the order of the verdicts.

    Args:
        event: what goes there.
        routes: the file of routes.
        verdicts: what they say of the event.
        file: the name of that file.
        places: line and column of each place in it, as far as they are known.
    """
    for name in dict.fromkeys(verdict.destination or "" for verdict in verdicts if verdict.why == "taken"):
        if name in routes.destinations:
            yield _view_of(event, name, routes.destinations[name], _Clauses(name, file, places or {}))


@dataclass(frozen=True, slots=True)
class _Clauses:
    """Words the clause of an agreement that decides on a field."""

    destination: str
    file: str
    places: Mapping[str, tuple[int, int]]

    def of(self, kind: str, path: str, listed: Mapping[str, str], disclosure: str | None) -> str:
        """Return the clause: what lists the path, or a record it is part of; else the schema, else that none does."""
        agreement = f"destinations.{self.destination}.fields.{kind}"
        clause = path
        while clause and clause not in listed:
            clause = clause.rpartition(".")[0]
        if clause:
            return self._placed(f"{agreement}.{clause}")
        return "the schema" if disclosure in _ENVELOPE else f"{self._placed(agreement)}, which does not list it"

    def _placed(self, place: str) -> str:
        line, column = mark_of(place, self.places)
        return f"{place} ({self.file}:{line}:{column})" if line else place


def _view_of(event: Payload, name: str, destination: Destination, clauses: _Clauses) -> DestinationView:
    record, kind = type(event).__name__, kind_of(event)
    listed = {} if kind == "receipt" else destination.fields.get(kind, {})
    # The secret makes pseudonyms only, and none is shown here.
    view = DisclosurePolicy(name, {record: listed}, b"")
    shown = view.shown(record)
    modes = {path: found.mode for path in view.disclosed(event) if (found := shown_at(shown, path))}
    hidden = [path for path in _held_by(event, record) if not shown_at(shown, path)]
    messages = destination.may_message
    return DestinationView(
        name,
        modes,
        tuple(path for path in hidden if path.rpartition(".")[0] not in hidden),
        destination.others if isinstance(event, DeviceAlert) else (),
        receipts=messages.known or bool(messages.agencies),
        each=tuple(_fields(event, view, clauses, listed)),
    )


def _fields(
    event: Payload, view: DisclosurePolicy, clauses: _Clauses, listed: Mapping[str, str]
) -> Iterator[FieldView]:
    """Yield each field that holds something, as it is seen there."""
    record, kind = type(event).__name__, kind_of(event)
    seen, shown, held = view.of(event), view.shown(record), set(_held_by(event, record))
    for path, field in paths_of(record):
        if path not in held and path != _DEVICE:
            continue
        found = shown_at(shown, path)
        mode = found.mode if found else WITHHELD
        value = None if found is None or seen is None else _words_of(seen, path, mode)
        yield FieldView(path, value, mode, clauses.of(kind, path, listed, field.disclosure))


def _words_of(seen: Payload, path: str, mode: str) -> str:
    """Return the value at a path as JSON; of a pseudonym, which is another at each destination, that it is one."""
    if mode == PSEUDONYM:
        return "a name of its own"
    value: object = seen.model_dump(mode="json", exclude_none=True)
    for part in path.split("."):
        values = value if isinstance(value, list) else [value]
        found = [each.get(part) for each in values if isinstance(each, dict)]
        value = found if isinstance(value, list) else next(iter(found), None)
    return json.dumps(value, ensure_ascii=False)


def _held_by(event: Payload, record: str) -> tuple[str, ...]:
    """Return the paths that hold something in this event, of those that an agreement can list."""
    everything = {path: PLAIN for path, field in paths_of(record) if field.disclosure not in _ENVELOPE}
    return DisclosurePolicy("", {record: everything}, b"").disclosed(event)
