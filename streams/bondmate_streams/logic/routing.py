"""Which destinations an event goes to, and why, from the routes a person wrote.

The rules are tried in order. A rule matches when each of its conditions holds; a condition holds when the event has
one of the values listed. Every destination of every rule that matches gets the event, once, unless it does not take
the event's mode or the event came from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from bondmate_schemas.enums import (
    AlertAction,
    AlertKind,
    IncidentAction,
    IncidentCategory,
    MessageDirection,
    Mode,
    Priority,
)
from bondmate_schemas.models import DeviceAlert, DeviceLocation, DeviceMessage, IncidentEvent, Payload
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from bondmate_streams.logic.policy import check_fields

Kind = Literal["alert", "incident", "message", "location"]
Receivable = Literal["ACTUAL", "EXERCISE", "TEST", "SYSTEM"]
Name = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9_-]*$")]

RECORD_OF: Mapping[Kind, str] = {
    "alert": "DeviceAlert",
    "incident": "IncidentEvent",
    "message": "DeviceMessage",
    "location": "DeviceLocation",
}
_KIND_OF: Mapping[type[Any], Kind] = {
    DeviceAlert: "alert",
    IncidentEvent: "incident",
    DeviceMessage: "message",
    DeviceLocation: "location",
}


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class When(_Section):
    """The conditions of a rule; one that is left out holds always."""

    record: Annotated[tuple[Kind, ...] | None, BeforeValidator(_listed)] = None
    kind: Annotated[tuple[AlertKind, ...] | None, BeforeValidator(_listed)] = None
    category: Annotated[tuple[IncidentCategory, ...] | None, BeforeValidator(_listed)] = None
    action: Annotated[tuple[AlertAction | IncidentAction, ...] | None, BeforeValidator(_listed)] = None
    priority: Annotated[tuple[Priority, ...] | None, BeforeValidator(_listed)] = None
    direction: Annotated[tuple[MessageDirection, ...] | None, BeforeValidator(_listed)] = None
    mode: Annotated[tuple[Mode, ...] | None, BeforeValidator(_listed)] = None
    agency: Annotated[tuple[str, ...] | None, BeforeValidator(_listed)] = None
    source: Annotated[tuple[str, ...] | None, BeforeValidator(_listed)] = None
    unit: Annotated[tuple[str, ...] | None, BeforeValidator(_listed)] = None

    def failed(self, facts: Mapping[str, str]) -> tuple[str, ...]:
        """Name the conditions that do not hold for an event with these facts."""
        conditions = ((name, getattr(self, name)) for name in type(self).model_fields)
        return tuple(name for name, values in conditions if values is not None and facts.get(name) not in values)


class Route(_Section):
    """One rule."""

    name: Name
    when: When = When()
    to: Annotated[tuple[Name, ...], BeforeValidator(_listed)] = ()
    refresh_seconds: float | None = Field(default=None, ge=1, le=86_400)
    """Tell an open alert again after so many seconds, for platforms where it would grow stale."""
    stop: bool = False
    """True: where this rule matches, the rules after it are not tried."""
    newest_only: bool = False
    """True, for positions only: of a device's fixes at hand together, its destinations get the newest."""

    @field_validator("newest_only")
    @classmethod
    def _for_positions(cls, newest_only: bool, info: ValidationInfo) -> bool:  # noqa: FBT001  # pydantic's form
        when = info.data.get("when")
        # Of other events none may be passed over, least of all an alert.
        if newest_only and when is not None and when.record != ("location",):
            raise PydanticCustomError("newest_only", "for positions only; say `record: location` under `when`")
        return newest_only


class Destination(_Section):
    """What a destination takes and may see."""

    modes: Annotated[tuple[Receivable, ...], BeforeValidator(_listed)] = ("ACTUAL",)
    fields: Mapping[Kind, Mapping[str, str]] = Field(default_factory=dict)
    max_age_seconds: Mapping[Kind, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """After so many seconds since the hub first had it, an event must not be presented as new."""
    tell_own_closing: bool = False
    """True: a cancel is sent also to the destination whose own person closed the alert (a shared map needs it)."""


class Routes(_Section):
    """The whole file: destinations by name, and rules in order."""

    destinations: Mapping[Name, Destination] = Field(default_factory=dict)
    routes: tuple[Route, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """An event goes to `destination` by the rule `route`."""

    destination: str
    route: str
    refresh_seconds: float | None = None
    newest_only: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rule said of an event, for one destination or, where it did not match, for none."""

    route: str
    why: Literal["taken", "no_match", "stopped", "unknown_mode", "mode_not_taken", "came_from_there", "has_it_already",
                 "unknown_destination"]  # fmt: skip
    destination: str | None = None
    failed: tuple[str, ...] = ()
    """Conditions that did not hold, of a rule that did not match."""
    refresh_seconds: float | None = None
    newest_only: bool = False

    def as_json(self) -> dict[str, object]:
        """Give the verdict as plain values."""
        return {
            "route": self.route,
            "destination": self.destination,
            "why": self.why,
            "failed": list(self.failed),
            "newest_only": self.newest_only,
        }

    def __str__(self) -> str:
        where = f" -> {self.destination}" if self.destination else ""
        beside = self.failed or (("newest only",) if self.newest_only else ())
        conditions = f" ({', '.join(beside)})" if beside else ""
        return f"{self.route}{where}: {self.why.replace('_', ' ')}{conditions}"


def kind_of(event: Payload) -> Kind:
    """Name the kind of an event as routes and agreements do."""
    return _KIND_OF[type(event)]


def facts_of(event: Payload) -> dict[str, str]:
    """Give the facts of an event that conditions ask for."""
    header = event.header
    facts = {"record": kind_of(event), "mode": header.mode.value, "agency": header.agency_id, "source": header.source}
    for name in ("kind", "category", "action", "priority", "direction", "unit"):
        value = getattr(event, name, None)
        if value is not None:
            facts[name] = str(value)
    return facts


def route(event: Payload, routes: Routes) -> list[Decision]:
    """Decide where an event goes: each destination once, by the first rule that names it."""
    return decisions(explain(event, routes))


def decisions(verdicts: Iterable[Verdict]) -> list[Decision]:
    """Give the destinations that `verdicts` take."""
    return [
        Decision(v.destination, v.route, v.refresh_seconds, v.newest_only)
        for v in verdicts
        if v.why == "taken" and v.destination
    ]


def explain(event: Payload, routes: Routes) -> list[Verdict]:
    """Tell, rule by rule, why an event goes to a destination or does not."""
    return list(_verdicts(event, routes))


def why_nowhere(verdicts: Iterable[Verdict]) -> str:
    """Name, by a constant code, why an event that goes nowhere goes nowhere."""
    found = {verdict.why for verdict in verdicts}
    for why in ("unknown_mode", "mode_not_taken", "came_from_there", "unknown_destination"):
        if why in found:
            return why
    return "no_route"


def _verdicts(event: Payload, routes: Routes) -> Iterator[Verdict]:
    facts = facts_of(event)
    origins = {event.header.source, *event.header.hops}
    reached: set[str] = set()
    stopped = False
    for rule in routes.routes:
        failed = () if stopped else rule.when.failed(facts)
        if stopped or failed:
            yield Verdict(rule.name, "stopped" if stopped else "no_match", failed=failed)
            continue
        stopped = rule.stop
        for name in rule.to:
            why = _why(routes.destinations.get(name), name, event.header.mode, origins, reached)
            reached.add(name)
            yield Verdict(rule.name, why, name, (), rule.refresh_seconds, rule.newest_only)


def _why(destination: Destination | None, name: str, mode: Mode, origins: set[str], reached: set[str]) -> Any:
    if destination is None:
        return "unknown_destination"
    if mode is Mode.UNKNOWN:
        return "unknown_mode"
    if mode.value not in destination.modes:
        return "mode_not_taken"
    if name in origins:
        return "came_from_there"
    return "has_it_already" if name in reached else "taken"


def lint(routes: Routes, known: Iterable[str] | None = None) -> list[str]:
    """Find what is wrong in routes that can be read: one line a finding, with its place.

    Args:
        routes: what was read.
        known: names of the connectors there are; None when they are not known here.
    """
    return [*_lint_destinations(routes, None if known is None else set(known)), *_lint_rules(routes)]


def _lint_destinations(routes: Routes, known: set[str] | None) -> Iterator[str]:
    named = {name for rule in routes.routes for name in rule.to}
    for name, destination in routes.destinations.items():
        place = f"destinations.{name}"
        if known is not None and name not in known:
            yield f"{place}: no connector of this name is configured"
        if name not in named:
            yield f"{place}: no route leads here"
        for kind, fields in destination.fields.items():
            for path, problem in check_fields(RECORD_OF[kind], fields):
                yield f"{place}.fields.{kind}.{path}: {problem}"


def _lint_rules(routes: Routes) -> Iterator[str]:
    names = [rule.name for rule in routes.routes]
    for number, rule in enumerate(routes.routes):
        place = f"routes.{number}"
        if rule.name in names[:number]:
            yield f"{place}.name: an earlier route has the same name"
        if not rule.to and not rule.stop:
            yield f"{place}.to: it leads nowhere"
        for name in rule.to:
            if name not in routes.destinations:
                yield f"{place}.to: no destination `{name}` is described under `destinations`"
