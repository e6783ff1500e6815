"""Rules of routes and agreements, held against the connectors, devices and map of the settings."""

from __future__ import annotations

from collections.abc import Iterator

from bondmate_streams.logic.routing import Routes, placeless, unconnected
from bondmate_streams.logic.routing import lint as meaningless
from bondmate_streams.logic.shrunk import shrunk
from bondmate_streams.logic.vain import vain

from bondmate_hub.lint.finding import LintFinding
from bondmate_hub.lint.read import Hub, Table, entries_of, without
from bondmate_hub.routes.bare_agreements import bare_agreements
from bondmate_hub.routes.findings import not_responsible, open_rooms, ownerless, undrillable, unknown_agencies
from bondmate_hub.routes.never_met import unknown_sources, unknown_units, unsent_kinds


def found(table: Table, hub: Hub | None) -> Iterator[LintFinding]:
    """Yield what is found in the routes; without settings nothing is known of connectors, devices and map."""
    routes, file = table.routes, table.file
    for told in _meaningless(table, hub):
        yield file.error("route", told)
    takes = {each.name: each.accepts for each in hub.instances} if hub else {}
    nothing = vain(routes, takes)
    for told in without((str(each) for each in nothing if each.is_whole), table.left_out):
        yield file.error("delivers-nothing", told)
    for told in without((str(each) for each in nothing if not each.is_whole), table.left_out):
        yield file.warning("kind-not-taken", told)
    for rule, each in _warnings(routes, table.left_out):
        yield from (file.warning(rule, told) for told in without(each, table.left_out))
    if not routes.routes and not table.findings:
        told = "routes: there is none, so that nothing goes anywhere and each emergency pages operations"
        yield file.warning("no-routes", told)
    if hub is not None:
        for told in without(undrillable(routes, hub.instances), table.left_out):
            yield file.error("test-not-marked", told)
        for rule, each in _warnings_with(hub, routes):
            yield from (file.warning(rule, told) for told in without(each, table.left_out))
        yield from (hub.file.warning("open-room", told) for told in open_rooms(routes, hub.instances))


def _meaningless(table: Table, hub: Hub | None) -> Iterator[str]:
    """Yield what means nothing, but of a part that was left out as wrong already."""
    streams = hub.settings.streams if hub and hub.settings else None
    # A map that cannot be read has its own finding.
    area = hub.area if hub else None
    is_known = streams is not None and (streams.districts is None or area is not None)
    districts = (area.names if area else ()) if is_known else None
    lines = meaningless(table.routes, districts)
    if area is not None:
        lines += not_responsible(table.routes, set(area.agencies))
    gone = {each.place for each in table.findings}
    for line in lines:
        place = line.partition(":")[0]
        is_gone = any(place == each or place.startswith(f"{each}.") for each in gone)
        if is_gone or "" in table.left_out or (line.endswith("no route leads here") and table.left_out):
            continue
        yield line


def _warnings(routes: Routes, left_out: frozenset[str]) -> Iterator[tuple[str, Iterator[str]]]:
    """Yield what agreements and rules by themselves draw; a rule that could not be read whole may lead elsewhere."""
    rules = tuple(rule for number, rule in enumerate(routes.routes) if f"routes.{number}" not in left_out)
    read = routes.model_copy(update={"routes": rules})
    yield "shows-less", iter(shrunk(read))
    yield "shows-nothing", bare_agreements(read)
    if len(rules) == len(routes.routes):
        yield "needs-a-place", placeless(routes)


def _warnings_with(hub: Hub, routes: Routes) -> Iterator[tuple[str, Iterator[str]]]:
    entries = entries_of(hub)
    rooms = {name: entry.agency for name, entry in entries.items()}
    areas = set(hub.area.agencies) if hub.area else set()
    devices = {device.agency for device in hub.devices}
    yield "no-connector", unconnected(routes, entries)
    yield "unknown-agency", unknown_agencies(routes, rooms, {*areas, *devices} - {""}, devices)
    yield "ownerless", iter(ownerless(routes, rooms))
    if hub.settings is None:
        return
    yield "never-matches", unknown_sources(routes, entries)
    yield "never-matches", unknown_units(routes, [device.unit for device in hub.devices])
    if len(hub.instances) == len(entries):
        yield "never-matches", unsent_kinds(routes, {kind for each in hub.instances for kind in each.spec.emits})
