"""Which destinations an event goes to, and why, from the routes a person wrote.

The rules are tried in order. A rule matches when each of its conditions holds; a condition holds when the event has
one of the values listed. Every destination of every rule that matches gets the event, once, unless it does not take
the event's mode or the event came from there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Final, Literal, Protocol, cast

from bondmate_schemas.enums import (
    AlertAction,
    AlertKind,
    IncidentAction,
    IncidentCategory,
    MessageDirection,
    Mode,
    Priority,
)
from bondmate_schemas.models import DeliveryReceipt, DeviceAlert, DeviceLocation, DeviceMessage, IncidentEvent, Payload
from bondmate_schemas.validation_messages import did_you_mean
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from bondmate_streams.logic.policy import check_fields, is_withheld

Kind = Literal["alert", "incident", "message", "location"]
Seen = Literal["level", "unit", "words", "person"]
Receivable = Literal["ACTUAL", "EXERCISE", "TEST", "SYSTEM"]
Name = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9_-]*$")]

_RECORDS: Mapping[Kind, type[Payload]] = {
    "alert": DeviceAlert,
    "incident": IncidentEvent,
    "message": DeviceMessage,
    "location": DeviceLocation,
}
RECORD_OF: Mapping[Kind, str] = {kind: record.__name__ for kind, record in _RECORDS.items()}
_KIND_OF: Mapping[type[Payload], Kind | Literal["receipt"]] = {
    **{record: kind for kind, record in _RECORDS.items()},
    DeliveryReceipt: "receipt",
}

Facts = Mapping[str, str | frozenset[str]]
"""What conditions ask for, by name: a value, or several of which one is enough."""
OF_PLACE: Final = ("district", "responsible")
"""Conditions on where an event is."""
WITHIN: Final = "within_metres"


DRILL: Final = "drill"
"""Stands in the place of a rule's name where a drill goes to its destination."""
Held = tuple[str, ...]
"""Rules whose question where an event is was answered before, and is not asked again; all others do not hold."""


class Ground(Protocol):
    """The hub's map, asked by what the rules need to know; `ground.MapGround` is the one there is."""

    def facts(self, event: DeviceAlert | IncidentEvent) -> Mapping[str, frozenset[str]]:
        """Return the facts of where an event is; none where it has no place."""
        ...


EMERGENCIES = frozenset({AlertKind.SOS, AlertKind.DURESS, AlertKind.OFFICER_DOWN, AlertKind.ASSISTANCE})
"""Alerts by which an officer asks for help."""


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
    district: Annotated[tuple[str, ...] | None, BeforeValidator(_listed)] = None
    """Districts of the hub's own map (`streams.districts`): where a position lies, an alert or an incident is."""
    responsible: Annotated[tuple[str, ...] | None, BeforeValidator(_listed)] = None
    """For alerts and incidents: agencies that the map holds responsible (`properties.agency`) for where they are."""
    within_metres: float | None = Field(default=None, gt=0, le=100_000)
    """For alerts and incidents: also so near to such a district, in a neighbouring one for example."""

    def failed(self, facts: Facts) -> tuple[str, ...]:
        """Return the conditions that do not hold for an event with these facts."""
        conditions = ((name, getattr(self, name)) for name in type(self).model_fields if name != WITHIN)
        return tuple(
            name
            for name, values in conditions
            if values is not None and not _holds(values, facts.get(self.asked(name)))
        )

    def asked(self, name: str) -> str:
        """Return the fact that a condition asks for."""
        return fact_within(name, self.within_metres) if name in OF_PLACE else name

    @property
    def asks_place(self) -> bool:
        """Whether it asks where an event is."""
        return any(getattr(self, name) is not None for name in OF_PLACE)


def fact_within(name: str, metres: float | None) -> str:
    """Return the name of a fact of what lies so near to an event."""
    return f"{name} within {metres:g} m" if metres else name


def _holds(values: tuple[Any, ...], found: str | frozenset[str] | None) -> bool:
    return not found.isdisjoint(values) if isinstance(found, frozenset) else found in values


class EscalationStep(_Section):
    """What happens with an alert that nobody has taken up so long after the hub had it."""

    after_seconds: float = Field(ge=1, le=86_400)
    to: Annotated[tuple[Name, ...], BeforeValidator(_listed)] = ()
    """Told then: as new where it is, again and louder where it was told before."""
    page: bool = False
    """True: operations are paged."""


class Route(_Section):
    """One rule."""

    name: Name
    when: When = When()
    to: Annotated[tuple[Name, ...], BeforeValidator(_listed)] = ()
    refresh_seconds: float | None = Field(default=None, ge=1, le=86_400)
    """Tell an open alert again after so many seconds, for platforms where it would grow stale."""
    escalate: tuple[EscalationStep, ...] = ()
    """For alerts: what happens, step by step, until a person takes one up."""
    stop: bool = False
    """True: where this rule matches, the rules after it are not tried."""
    newest_only: bool = False
    """True, for positions only: of a device's fixes at hand together, its destinations get the newest."""
    every_seconds: float | None = Field(default=None, ge=1, le=86_400)
    """For positions only: of a device's fixes its destinations get the first of each so many seconds, by the times of
    the fixes, and none that comes late."""

    @field_validator("newest_only", "every_seconds")
    @classmethod
    def _for_positions(cls, value: Any, info: ValidationInfo) -> Any:
        when = info.data.get("when")
        # Of other events none may be passed over, least of all an alert.
        if value and when is not None and when.record != ("location",):
            name = str(info.field_name)
            raise PydanticCustomError(name, "for positions only; say `record: location` under `when`")
        return value

    @field_validator("escalate")
    @classmethod
    def _for_alerts(cls, steps: tuple[EscalationStep, ...], info: ValidationInfo) -> tuple[EscalationStep, ...]:
        when = info.data.get("when")
        if steps and when is not None and when.record != ("alert",):
            raise PydanticCustomError("escalate", "for alerts only; say `record: alert` under `when`")
        times = [step.after_seconds for step in steps]
        if times != sorted(set(times)):
            raise PydanticCustomError("escalate", "`after_seconds` must rise from step to step")
        if any(not step.to and not step.page for step in steps):
            raise PydanticCustomError("escalate", "a step names destinations under `to`, or says `page: true`")
        return steps


class MayMessage(_Section):
    """Which officers a destination may write to; left out, only devices by the name it was given for them."""

    known: bool = True
    """False: nobody, but for `agencies`."""
    agencies: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    """Agencies whose officers it may write to by unit and callsign too, and all at once: who is on shift."""
    areas: bool = False
    """True: also to all of `agencies` in an area."""
    most_devices: int = Field(default=100, ge=1, le=10_000)
    """A message for more devices reaches none, and is answered with `address_too_many`."""
    position_max_age_seconds: float = Field(default=900.0, ge=1, le=86_400)
    """Who has not told a position for longer is in no area."""


class Destination(_Section):
    """What a destination takes and may see."""

    modes: Annotated[tuple[Receivable, ...], BeforeValidator(_listed)] = ("ACTUAL",)
    fields: Mapping[Kind, Mapping[str, str]] = Field(default_factory=dict)
    max_age_seconds: Mapping[Kind, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """After so many seconds since the hub first had it, an event must not be presented as new."""
    late: Mapping[Kind, Literal["mark", "drop"]] = Field(default_factory=dict)
    """What becomes of what could not be delivered in that time: sent and marked late, or not sent. Default: positions
    are dropped, all else is marked."""
    tell_own_closing: bool = False
    """True: a cancel is sent also to the destination whose own person closed the alert (a shared map needs it)."""
    may_message: MayMessage = MayMessage()
    agency: str = ""
    """The agency whose control room it is, where its connector's settings do not say so. A room of the agency that owns
    an alert ends it for all."""
    ends_alerts: bool = False
    """True: of the several destinations of its agency this one ends alerts, and none without it."""
    alert_position_seconds: Literal[0] | Annotated[float, Field(ge=1, le=86_400)] | None = None
    """How often at most the position of an open emergency is told again, in seconds; 0: never. Left out, as its
    connector says: TAK 1, all others 15."""
    alert_positions_a_second: float | None = Field(default=None, ge=0, le=10_000)
    """Of all open emergencies together so many a second; 0: however many. Left out, as its connector says: TAK 0, all
    others 1. The first of an emergency is told at once."""
    others: Annotated[tuple[Seen, ...] | None, BeforeValidator(_listed)] = None
    """What it may know of what people at the other rooms of an alert say: `level` (with the agency), and beside it
    `unit`, `words`, `person`. Left out: nothing, and a room of the agency that owns the alert all."""
    unlisted: bool = False
    """True: no other room and no device learns of it, nor of what is said there."""
    retired: bool = False
    """True: it hears the end of what it was told, and nothing else any more."""
    drill: bool = False
    """True: `hub drill` may send it drills, of mode TEST whatever `modes` says; it gets nothing else of that mode by
    this."""
    says_assigned: bool = False
    """True: people there can say that a unit is assigned; where they have seen an alert and do not, it escalates."""


class Routes(_Section):
    """The whole file: destinations by name, and rules in order."""

    destinations: Mapping[Name, Destination] = Field(default_factory=dict)
    routes: tuple[Route, ...] = ()
    page_after_seconds: float = Field(default=300, ge=1, le=86_400)
    """When operations are paged for an emergency that nobody has taken up, where its routes say nothing of it."""
    assign_after_seconds: float = Field(default=180, ge=1, le=86_400)
    """When operations are paged for an alert that a person has seen and nobody has assigned a unit to; where one of its
    destinations `says_assigned`, the next ones of its escalation are told too."""
    offer_seconds: float = Field(default=120, ge=1, le=86_400)
    """How long an offer to own an alert waits to be taken."""
    renew_seconds: float = Field(default=1_800, ge=10, le=86_400)
    """How long an emergency that a room started is followed before a person of the owner must renew or confirm it."""
    link_within_seconds: float = Field(default=600, ge=0, le=86_400)
    """Alerts of one officer or one unit are of one event where they are no further apart than this; 0: none is linked
    by that."""
    link_within_metres: float = Field(default=1_000, gt=0, le=100_000)
    """… and no further than this, where both have a position."""
    device_silent_after_seconds: float | None = Field(default=None, ge=5, le=86_400)
    """When the hub raises an alert (kind OTHER, `source: streams`) for a device on duty that it hears nothing of; None:
    never."""


@dataclass(frozen=True, slots=True)
class Decision:
    """An event goes to `destination` by the rule `route`."""

    destination: str
    route: str
    refresh_seconds: float | None = None
    newest_only: bool = False
    every_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Escalation:
    """One step of all the rules that an alert matches, `after_seconds` after the hub had it."""

    after_seconds: float
    to: tuple[tuple[str, str], ...] = ()
    """Destination and rule."""
    page: bool = False


@dataclass(frozen=True, slots=True)
class RouteVerdict:
    """What one rule said of an event, for one destination or, where it did not match, for none."""

    route: str
    why: Literal["taken", "no_match", "no_place", "no_map", "stopped", "unknown_mode", "mode_not_taken",
                 "came_from_there", "has_it_already", "unknown_destination", "withheld", "retired",
                 "connector_takes_none", "no_drills"]  # fmt: skip
    destination: str | None = None
    failed: tuple[str, ...] = ()
    """Conditions that did not hold, of a rule that did not match."""
    refresh_seconds: float | None = None
    newest_only: bool = False
    every_seconds: float | None = None

    def as_json(self) -> dict[str, object]:
        """Return the verdict as plain values."""
        return {
            "route": self.route,
            "destination": self.destination,
            "why": self.why,
            "failed": list(self.failed),
            "newest_only": self.newest_only,
            "every_seconds": self.every_seconds,
        }

    def __str__(self) -> str:
        where = f" -> {self.destination}" if self.destination else ""
        every = f"every {self.every_seconds:g} s" if self.every_seconds else ""
        beside = self.failed or [*filter(None, ("newest only" if self.newest_only else "", every))]
        conditions = f" ({', '.join(beside)})" if beside else ""
        return f"{self.route}{where}: {self.why.replace('_', ' ')}{conditions}"


def kind_of(event: Payload) -> Kind | Literal["receipt"]:
    """Name the kind of an event as routes and agreements do; receipts go to whom they concern, by no route."""
    return _KIND_OF[type(event)]


def facts_of(event: Payload, ground: Ground | None = None) -> dict[str, str | frozenset[str]]:
    """Return the facts of an event that conditions ask for."""
    header = event.header
    facts: dict[str, str | frozenset[str]] = {
        "record": kind_of(event), "mode": header.mode.value, "agency": header.agency_id, "source": header.source,
    }  # fmt: skip
    for name in _asked_of(type(event)):
        value = getattr(event, name)
        if value is not None:
            facts[name] = str(value)
    if ground is not None and isinstance(event, DeviceAlert | IncidentEvent):
        facts.update(ground.facts(event))
    return facts


@cache
def _asked_of(kind: type[Payload]) -> tuple[str, ...]:
    """Name the facts beside those of the header that events of a kind can have."""
    asked = ("kind", "category", "action", "priority", "direction", "unit", "district")
    return tuple(name for name in asked if name in kind.model_fields)


def told_apart(routes: Routes, name: Literal["unit", "district"]) -> frozenset[str]:
    """Return the values of a fact that some rule asks for; to all rules the others are alike."""
    return frozenset(value for rule in routes.routes for value in getattr(rule.when, name) or ())


def distances(routes: Routes) -> frozenset[float]:
    """Return within how many metres rules ask where alerts and incidents are; none where no rule asks for it."""
    asking = (rule.when for rule in routes.routes if rule.when.asks_place)
    kinds = {"alert", "incident"}
    return frozenset(when.within_metres or 0.0 for when in asking if kinds & set(when.record or kinds))


def held(event: Payload, routes: Routes, ground: Ground | None) -> tuple[str, ...]:
    """Return the rules that ask where an event is and match."""
    if drill_of(event):
        return ()
    return tuple(rule.name for rule in _matching(event, routes, ground) if rule.when.asks_place)


def told_by_place(routes: Routes) -> frozenset[str]:
    """Return the destinations of rules that ask where an event is."""
    return frozenset(name for rule in routes.routes if rule.when.asks_place for name in rule.to)


def route(event: Payload, routes: Routes, ground: Ground | None = None) -> list[Decision]:
    """Decide where an event goes: each destination once, by the first rule that names it."""
    return decisions(explain(event, routes, ground))


def decisions(verdicts: Iterable[RouteVerdict]) -> list[Decision]:
    """Return the destinations that `verdicts` take."""
    return [
        Decision(v.destination, v.route, v.refresh_seconds, v.newest_only, v.every_seconds)
        for v in verdicts
        if v.why == "taken" and v.destination
    ]


def explain(event: Payload, routes: Routes, ground: Ground | Held | None = None) -> list[RouteVerdict]:
    """Return, rule by rule, why an event goes to a destination or does not; a drill goes where it is of, by no rule."""
    if drilled := drill_of(event):
        return [_of_drill(event, drilled, routes.destinations.get(drilled))]
    facts = facts_of(event, None if isinstance(ground, tuple) else ground)
    origins = {event.header.source, *event.header.hops}
    found: list[RouteVerdict] = []
    reached: set[str] = set()
    stopped = False
    for rule in routes.routes:
        if stopped:
            found.append(RouteVerdict(rule.name, "stopped"))
        elif failed := _failed(rule, facts, ground):
            found.append(RouteVerdict(rule.name, _why_no_match(event, rule, failed, facts, ground), failed=failed))
        else:
            stopped = rule.stop
            for name in rule.to:
                why = _why(routes.destinations.get(name), name, event, origins, reached)
                reached.add(name)
                paces = rule.refresh_seconds, rule.newest_only, rule.every_seconds
                found.append(RouteVerdict(rule.name, why, name, (), *paces))
    return found


def drill_of(event: Payload) -> str:
    """Return the destination that an event is a drill of; empty where it is none."""
    return event.drill if isinstance(event, DeviceAlert) else ""


def _of_drill(event: Payload, name: str, destination: Destination | None) -> RouteVerdict:
    """Return why a drill goes to its destination or does not: of mode TEST, and where drills are taken."""
    if destination is None:
        return RouteVerdict(DRILL, "unknown_destination", name)
    reasons = {
        "mode_not_taken": event.header.mode is not Mode.TEST,
        "retired": destination.retired,
        "no_drills": not destination.drill,
    }
    return RouteVerdict(DRILL, cast("Any", next((why for why, holds in reasons.items() if holds), "taken")), name)


def escalation(event: Payload, routes: Routes, ground: Ground | Held | None = None) -> list[Escalation]:
    """Return what happens with an alert that nobody takes up, step by step; nothing for other events.

    Of an emergency a person hears at last, whatever its routes say: there is always a person at the end.
    """
    if not isinstance(event, DeviceAlert) or event.drill:
        return []
    found: dict[float, Escalation] = {}
    for rule in _matching(event, routes, ground):
        for step in rule.escalate:
            to = tuple((name, rule.name) for name in step.to if _takes(routes.destinations.get(name), event))
            known = found.get(step.after_seconds, Escalation(step.after_seconds))
            found[step.after_seconds] = Escalation(step.after_seconds, (*known.to, *to), known.page or step.page)
    if event.kind in EMERGENCIES and not any(step.page for step in found.values()):
        known = found.get(routes.page_after_seconds, Escalation(routes.page_after_seconds))
        found[routes.page_after_seconds] = Escalation(routes.page_after_seconds, known.to, page=True)
    return sorted(found.values(), key=lambda step: step.after_seconds)


def _matching(event: Payload, routes: Routes, ground: Ground | Held | None) -> Iterator[Route]:
    facts = facts_of(event, None if isinstance(ground, tuple) else ground)
    for rule in routes.routes:
        if not _failed(rule, facts, ground):
            yield rule
            if rule.stop:
                return


def _takes(destination: Destination | None, event: Payload) -> bool:
    return destination is not None and not destination.retired and event.header.mode.value in destination.modes


def why_nowhere(verdicts: Iterable[RouteVerdict]) -> str:
    """Name, by a constant code, why an event that goes nowhere goes nowhere."""
    found = {verdict.why for verdict in verdicts}
    telling = (
        "unknown_mode", "no_drills", "withheld", "mode_not_taken", "came_from_there", "unknown_destination", "no_place",
    )  # fmt: skip
    for why in telling:
        if why in found:
            return why
    return "no_route"


def _failed(rule: Route, facts: Facts, ground: Ground | Held | None) -> tuple[str, ...]:
    """Return the conditions of a rule that do not hold."""
    failed = rule.when.failed(facts)
    if isinstance(ground, tuple) and rule.name in ground:
        return tuple(name for name in failed if name not in OF_PLACE)
    return failed


def _why_no_match(
    event: Payload, rule: Route, failed: tuple[str, ...], facts: Facts, ground: Ground | Held | None
) -> Literal["no_match", "no_place", "no_map"]:
    """Return why a rule does not match: of an event without a place no rule holds that asks for one."""
    if not isinstance(event, DeviceAlert | IncidentEvent) or not set(failed) <= set(OF_PLACE):
        return "no_match"
    if ground is None:
        return "no_map"
    return "no_match" if rule.when.asked(failed[0]) in facts else "no_place"


def _why(destination: Destination | None, name: str, event: Payload, origins: set[str], reached: set[str]) -> Any:
    mode = event.header.mode
    if destination is None:
        return "unknown_destination"
    reasons = {
        "unknown_mode": mode is Mode.UNKNOWN,
        "retired": destination.retired,
        "mode_not_taken": mode.value not in destination.modes,
        "came_from_there": name in origins,
        "has_it_already": name in reached,
    }
    if found := next((why for why, holds in reasons.items() if holds), None):
        return found
    # Receipts go to whom they concern, by no agreement.
    kind = kind_of(event)
    is_hidden = kind != "receipt" and is_withheld(RECORD_OF[kind], destination.fields.get(kind, {}))
    return "withheld" if is_hidden else "taken"


def withheld_from(verdicts: Iterable[RouteVerdict]) -> tuple[str, ...]:
    """Return the destinations that would get the event if their agreements showed them anything of it."""
    return tuple(v.destination for v in verdicts if v.why == "withheld" and v.destination)


def lint(routes: Routes, districts: Iterable[str] | None = None) -> list[str]:
    """Find what is wrong in routes that can be read: one line a finding, with its place.

    Args:
        routes: what was read.
        districts: those of the hub's map; None when it is not known here.
    """
    found = [*_lint_destinations(routes), *_lint_rules(routes)]
    return found if districts is None else [*found, *_lint_districts(routes, set(districts))]


def placeless(routes: Routes) -> Iterator[str]:
    """Yield a warning for each kind of emergency that without a place, as without GPS, goes nowhere."""
    for kind in sorted(EMERGENCIES):
        alike = [rule for rule in routes.routes if kind in (rule.when.kind or (kind,))]
        rules = [rule for rule in alike if rule.to and "alert" in (rule.when.record or ("alert",))]
        if rules and all(rule.when.asks_place for rule in rules):
            number = routes.routes.index(rules[-1])
            yield (
                f"routes.{number}.when: {kind.value} without a place goes nowhere,"
                " since each rule for it asks where it is; add one that does not"
            )


def _lint_districts(routes: Routes, districts: set[str]) -> Iterator[str]:
    for number, rule in enumerate(routes.routes):
        for name in rule.when.district or ():
            if name not in districts:
                likely = did_you_mean(name, districts)
                yield f"routes.{number}.when.district: no district `{name}` on the map (`streams.districts`){likely}"
        if rule.when.responsible and not districts:
            yield f"routes.{number}.when.responsible: there is no map (`streams.districts`)"


def unconnected(routes: Routes, known: Collection[str]) -> Iterator[str]:
    """Yield a warning for each destination that no connector has: a CAD may read its topics itself.

    Where its `agency` is said, it is meant so.
    """
    for name, destination in routes.destinations.items():
        if name not in known and not destination.agency and not destination.retired:
            yield (
                f"destinations.{name}: no connector has this name, so that it must read its topics from Kafka itself;"
                " say whose it is (`agency`) where that is meant"
            )


def _lint_destinations(routes: Routes) -> Iterator[str]:
    named = {name for rule in routes.routes for to in (rule.to, *(step.to for step in rule.escalate)) for name in to}
    for name, destination in routes.destinations.items():
        place = f"destinations.{name}"
        if name not in named and not destination.may_message.agencies and not destination.retired:
            yield f"{place}: no route leads here"
        for kind, fields in destination.fields.items():
            for path, problem in check_fields(RECORD_OF[kind], fields):
                yield f"{place}.fields.{kind}.{path}: {problem}"
        if destination.others and "level" not in destination.others:
            yield f"{place}.others: shows nothing without `level`, who said what"
        if destination.may_message.areas and not destination.may_message.agencies:
            yield f"{place}.may_message.areas: of nobody; name the `agencies` whose officers it may write to"


def _lint_rules(routes: Routes) -> Iterator[str]:
    names = [rule.name for rule in routes.routes]
    for number, rule in enumerate(routes.routes):
        place = f"routes.{number}"
        if rule.name in names[:number]:
            yield f"{place}.name: an earlier route has the same name"
        if not rule.to and not rule.stop:
            yield f"{place}.to: it leads nowhere"
        if rule.when.within_metres and not rule.when.asks_place:
            yield f"{place}.when.within_metres: of what? name a `district`, or who is `responsible`"
        places = [("to", rule.to), *((f"escalate.{n}.to", step.to) for n, step in enumerate(rule.escalate))]
        for where, names_there in places:
            for name in names_there:
                if name not in routes.destinations:
                    likely = did_you_mean(name, routes.destinations)
                    yield f"{place}.{where}: no destination `{name}` is described under `destinations`{likely}"
