"""What routes say and settings do not bear out, in words for `hub lint`: of agencies, owners and open rooms."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from bondmate_connectors.runtime.instance import Instance
from bondmate_schemas.enums import AlertKind
from bondmate_schemas.validation_messages import did_you_mean
from bondmate_streams.logic.routing import Route, Routes

from bondmate_hub.routes.never_met import is_of_devices

_SO: Final = (
    "so no room owns an alert, an alert ends when all that took it up have, none can be handed"
    " over, and what its owner alone may hear goes to nobody. Mend: `agency` at the connector of each room, or at"
    " the destination where it has none"
)


def ownerless(routes: Routes, agencies: Mapping[str, str]) -> list[str]:
    """Word that nobody says whose room any of those is that are told of alerts.

    Then whoever took an alert up must close its part before it ends. `agencies` are those of connectors, by name.
    """
    told = {name for rule in routes.routes for name in _told_of_alerts(rule) if name in routes.destinations}
    if not told or any(routes.destinations[name].agency or agencies.get(name) for name in told):
        return []
    names = ", ".join(sorted(told))
    return [f"destinations: none that is told of alerts ({names}) has an `agency`: {_SO}"]


def open_rooms(routes: Routes, instances: Iterable[Instance]) -> list[str]:
    """Word which destinations get alerts of duress by the routes and have nobody named who alone may read them."""
    rules = (rule for rule in routes.routes if AlertKind.DURESS in (rule.when.kind or (AlertKind.DURESS,)))
    told = {name for rule in rules for name in _told_of_alerts(rule)}
    return [
        f"connectors.{each.name}.settings.duress_contacts: nobody is named, so that an alert of duress is dead-lettered"
        " there (`open_room`) and a person paged. Mend: name who alone gets it, or let the route leave DURESS out"
        for each in instances
        if each.name in told and getattr(each.config, "duress_contacts", None) == {}
    ]


def undrillable(routes: Routes, instances: Iterable[Instance]) -> list[str]:
    """Word which destinations would get drills whose connector has no way to mark a test."""
    return [
        f"destinations.{each.name}.drill: its connector `{each.spec.name}` has no way to mark a test, so that people"
        " there would take a drill for real: none is ever sent; take this away"
        for each in instances
        if each.name in routes.destinations and routes.destinations[each.name].drill and not each.spec.marks_test
    ]


def _told_of_alerts(rule: Route) -> Iterator[str]:
    """Yield the destinations that a rule tells of alerts, at once or while nobody answers."""
    if "alert" in (rule.when.record or ("alert",)):
        yield from rule.to
        yield from (name for step in rule.escalate for name in step.to)


def not_responsible(routes: Routes, on_map: Collection[str]) -> Iterator[str]:
    """Yield a finding for each agency that a rule asks to be responsible and no area of the map names."""
    for number, rule in enumerate(routes.routes):
        for agency in rule.when.responsible or ():
            if agency not in on_map:
                yield (
                    f"routes.{number}.when.responsible: no area of the map (`streams.districts`) has `{agency}` as its"
                    " `agency`, so that this never holds; correct the name, here or on the"
                    f" map{did_you_mean(agency, on_map)}"
                )


def unknown_agencies(
    routes: Routes, rooms: Mapping[str, str], others: Collection[str], devices: Collection[str] = ()
) -> Iterator[str]:
    """Yield a warning for each agency that rules or agreements name and nobody has, as by a typing error.

    Of a rule for what only devices give, an agency must be one of `devices`, where there are any.

    Args:
        routes: the file of routes.
        rooms: the agency of each connector, by its name; an empty text where it has none.
        others: the agencies of enrolled devices and of areas on the map. Where there are none, nothing is known of
            who may send, and nothing is found.
        devices: the agencies of enrolled devices.
    """
    if not others:
        return
    known = {*others, *rooms.values(), *(each.agency for each in routes.destinations.values())}
    for number, rule in enumerate(routes.routes):
        for agency in rule.when.agency or ():
            if agency not in known:
                yield f"routes.{number}.when.agency: {_unknown(agency, known)}"
            elif devices and is_of_devices(rule) and agency not in devices:
                yield (
                    f"routes.{number}.when.agency: never matches: no enrolled device has the agency"
                    f" `{agency}`{did_you_mean(agency, devices)}"
                )
    for name, destination in routes.destinations.items():
        for agency in destination.may_message.agencies:
            if agency not in known:
                yield f"destinations.{name}.may_message.agencies: {_unknown(agency, known)}"


def _unknown(agency: str, known: Collection[str]) -> str:
    return (
        f"nobody has the agency `{agency}`: no enrolled device, area of the map, connector or destination;"
        f" correct the name, or say it there{did_you_mean(agency, known)}"
    )
