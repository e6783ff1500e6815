"""Routes that can deliver nothing, or less than they say: what no event can meet, and what nobody there would take."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final, get_args

from bondmate_schemas.codec import RECORDS
from bondmate_schemas.enums import Mode
from bondmate_schemas.models import Payload

from bondmate_streams.logic.policy import is_withheld
from bondmate_streams.logic.routing import (
    OF_PLACE,
    RECORD_OF,
    WITHIN,
    Destination,
    Kind,
    Route,
    Routes,
    RouteVerdict,
    When,
    kind_of,
)

Takes = Mapping[str, Collection[str]]
"""Delivery kinds (ALERT, LOCATION …) that the connector of a destination takes, by destination; one without a connector
is not in it, since its topics are read by a consumer of Kafka that nobody here knows."""

_WORD: Final[Mapping[Kind, str]] = {
    "alert": "alerts",
    "incident": "incidents",
    "message": "messages",
    "location": "positions",
}
_PLACED: Final = frozenset({"alert", "incident"})
"""Kinds that are asked for where they are; of a position the lane writes down the one district."""
_OF_ALL: Final = frozenset({"record", "mode", "agency", "source"})
"""Conditions that every event can meet."""


@dataclass(frozen=True, slots=True)
class Vain:
    """One finding: where, what, and whether nothing at all can be delivered or only a part of what is said."""

    place: str
    problem: str
    is_whole: bool

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}"


def vain(routes: Routes, takes: Takes) -> list[Vain]:
    """Find routes that can deliver nothing, and parts of routes, in order of their places."""
    return [finding for number in range(len(routes.routes)) for finding in _of_rule(routes, number, takes)]


def by_connectors(verdicts: Iterable[RouteVerdict], event: Payload, takes: Takes) -> list[RouteVerdict]:
    """Return the verdicts on an event, where no connector takes it with that said instead of `taken`."""
    kind = kind_of(event).upper()
    return [
        replace(verdict, why="connector_takes_none")
        if verdict.why == "taken" and kind not in takes.get(verdict.destination or "", (kind,))
        else verdict
        for verdict in verdicts
    ]


def _of_rule(routes: Routes, number: int, takes: Takes) -> Iterator[Vain]:
    rule, place = routes.routes[number], f"routes.{number}"
    before = next((each for each in routes.routes[:number] if each.stop and _covers(each.when, rule.when)), None)
    if before is not None:
        yield Vain(place, f"never tried: `{before.name}` before it stops all that it would match", is_whole=True)
        return
    impossible = {kind: why for kind in _kinds(rule.when) if (why := _impossible(rule.when, kind))}
    possible = tuple(kind for kind in _kinds(rule.when) if kind not in impossible)
    if rule.when.record:
        for kind, why in impossible.items():
            yield Vain(f"{place}.when.{why}", f"no {_WORD[kind]} can meet this", is_whole=not possible)
    elif not possible:
        yield Vain(f"{place}.when", "no event of any kind can meet all of this", is_whole=True)
    if possible:
        yield from _of_destinations(routes, rule, place, possible, takes)


def _of_destinations(routes: Routes, rule: Route, place: str, kinds: tuple[Kind, ...], takes: Takes) -> Iterator[Vain]:
    for name in rule.to:
        if name in routes.destinations:
            yield from _to(name, routes.destinations[name], rule, f"{place}.to", kinds, takes)
    for number, step in enumerate(rule.escalate):
        for name in step.to:
            if name in routes.destinations:
                where = f"{place}.escalate.{number}.to"
                yield from _to(name, routes.destinations[name], rule, where, ("alert",), takes)


def _to(  # noqa: PLR0917  # a rule and one of its destinations
    name: str, destination: Destination, rule: Route, place: str, kinds: tuple[Kind, ...], takes: Takes
) -> Iterator[Vain]:
    modes = rule.when.mode or tuple(Mode)
    if not {mode.value for mode in modes} & set(destination.modes):
        wanted, taken = ", ".join(mode.value for mode in modes), ", ".join(destination.modes)
        yield Vain(place, f"`{name}` takes {taken} and nothing of {wanted}", is_whole=True)
    elif rule.when.source and set(rule.when.source) <= {name}:
        yield Vain(place, f"what comes from `{name}` never goes back to it", is_whole=True)
    else:
        yield from _by_kind(name, destination, place, kinds, takes.get(name))


def _by_kind(
    name: str, destination: Destination, place: str, kinds: tuple[Kind, ...], takes: Collection[str] | None
) -> Iterator[Vain]:
    taken = tuple(kind for kind in kinds if takes is None or kind.upper() in takes)
    rest = tuple(kind for kind in kinds if kind not in taken)
    if not taken:
        yield Vain(place, f"the connector of `{name}` takes no {_words(kinds)}", is_whole=True)
    elif all(is_withheld(RECORD_OF[kind], destination.fields.get(kind, {})) for kind in taken):
        also = f", and its connector takes no {_words(rest)}" if rest else ""
        yield Vain(place, f"the agreement of `{name}` shows nothing of {_words(taken)}{also}", is_whole=True)
    elif rest:
        yield Vain(place, _left(name, rest), is_whole=False)


def _left(name: str, kinds: tuple[Kind, ...]) -> str:
    """Word what becomes of kinds that a route leads to a connector which does not take them."""
    becomes = [f"its {_WORD[kind]} would be dead-lettered" for kind in kinds if kind != "location"]
    if "location" in kinds:
        becomes.append(f"its positions would be written to `bondmate.to.{name}.locations`, which nobody reads")
    return f"the connector of `{name}` takes no {_words(kinds)}: {', and '.join(becomes)}; name `record` under `when`"


def _words(kinds: tuple[Kind, ...]) -> str:
    return " or ".join(_WORD[kind] for kind in kinds)


def _kinds(when: When) -> tuple[Kind, ...]:
    return when.record or tuple(RECORD_OF)


def _impossible(when: When, kind: Kind) -> str:
    """Name a condition that no event of this kind can meet; empty where all can be met."""
    for name in When.model_fields:
        wanted = getattr(when, name)
        if wanted is None or name in _OF_ALL or (kind in _PLACED and name in {*OF_PLACE, WITHIN}):
            continue
        field = RECORDS[RECORD_OF[kind]].model_fields.get(name)
        if field is None:
            return name
        possible = _values(field.annotation)
        if possible and not {str(value) for value in wanted} & possible:
            return name
    return ""


def _values(annotation: Any) -> set[str]:
    """Return the values of an enumeration, also of an optional one; none where any text may stand."""
    kinds = (annotation, *get_args(annotation))
    return {str(member.value) for kind in kinds if isinstance(kind, type) and issubclass(kind, Enum) for member in kind}


def _covers(first: When, second: When) -> bool:
    """Whether whatever meets `second` meets `first` too."""
    if first.asks_place and (first.within_metres or 0) < (second.within_metres or 0):
        return False
    for name in When.model_fields:
        wide, narrow = getattr(first, name), getattr(second, name)
        if name == WITHIN:
            continue
        if wide is not None and (narrow is None or not set(narrow) <= set(wide)):
            return False
    return True
