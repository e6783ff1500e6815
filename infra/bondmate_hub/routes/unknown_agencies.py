"""Agencies that a rule names and nobody has, in words for `hub lint`: by a typing error the rule never holds."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from bondmate_streams.logic.routing import Routes


def not_responsible(routes: Routes, on_map: Collection[str]) -> Iterator[str]:
    """Yield a finding for each agency that a rule asks to be responsible and no area of the map names."""
    for number, rule in enumerate(routes.routes):
        for agency in rule.when.responsible or ():
            if agency not in on_map:
                yield (
                    f"routes.{number}.when.responsible: no area of the map (`streams.districts`) has `{agency}` as its"
                    " `agency`, so that this never holds; correct the name, here or on the map"
                )


def unknown_agencies(routes: Routes, rooms: Mapping[str, str], others: Collection[str]) -> Iterator[str]:
    """Yield a warning for each agency that rules or agreements name and nobody has.

    Args:
        routes: the file of routes.
        rooms: the agency of each connector, by its name; an empty text where it has none.
        others: the agencies of enrolled devices and of areas on the map. Where there are none, nothing is known of
            who may send, and nothing is found.
    """
    if not others:
        return
    known = {*others, *rooms.values(), *(each.agency for each in routes.destinations.values())}
    for number, rule in enumerate(routes.routes):
        for agency in rule.when.agency or ():
            if agency not in known:
                yield f"routes.{number}.when.agency: {_unknown(agency)}"
    for name, destination in routes.destinations.items():
        for agency in destination.may_message.agencies:
            if agency not in known:
                yield f"destinations.{name}.may_message.agencies: {_unknown(agency)}"


def _unknown(agency: str) -> str:
    return (
        f"nobody has the agency `{agency}`: no enrolled device, area of the map, connector or destination;"
        " correct the name, or say it there"
    )
