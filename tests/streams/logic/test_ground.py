"""Who is told for where an alert or incident is: districts, neighbours within so many metres, who is responsible."""

from __future__ import annotations

import json
from typing import Any

import pytest
from bondmate_schemas.enums import AlertKind, IncidentAction
from bondmate_schemas.models import Area
from bondmate_streams.logic import incidents
from bondmate_streams.logic.districts import Districts, DistrictsError, parse_districts
from bondmate_streams.logic.ground import MapGround
from bondmate_streams.logic.routes_yaml import parse_routes
from bondmate_streams.logic.routing import (
    Decision,
    Routes,
    escalation,
    explain,
    lint,
    placeless,
    route,
    told_by_place,
    why_nowhere,
)
from bondmate_streams.logic.told_map import told_map, where
from bondmate_streams.logic.vain import vain

ROUTES = """
destinations:
  north: &any {modes: EXERCISE, fields: {alert: {position: plain}, incident: {position: plain}}}
  south: *any
  county: *any
  all: *any
routes:
  - {name: in-north, when: {record: [alert, incident], district: north}, to: north,
     escalate: []}
  - {name: by-duty, when: {record: [alert, incident], responsible: pd-south}, to: south}
  - {name: beside-north, when: {record: alert, district: north, within_metres: 2000}, to: county}
  - {name: rest, to: all}
"""
MAP = {"north": (4.0, 52.0, 5.0, 53.0, "pd-north"), "south": (4.0, 51.0, 5.0, 52.0, "pd-south"),
       "fiji": (179.0, -18.0, 180.0, -17.0, ""), "fiji-east": (-180.0, -18.0, -179.0, -17.0, "")}  # fmt: skip


def district_map(areas: dict[str, tuple[float, float, float, float, str]]) -> str:
    def feature(name: str, bounds: tuple[float, float, float, float], agency: str) -> dict[str, Any]:
        west, south, east, north = bounds
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        properties = {"district": name, **({"agency": agency} if agency else {})}
        return {"properties": properties, "geometry": {"type": "Polygon", "coordinates": [ring]}}

    return json.dumps({"features": [feature(name, of[:4], of[4]) for name, of in areas.items()]})


@pytest.fixture(scope="module")
def districts() -> Districts:
    return parse_districts(district_map(MAP))


@pytest.fixture(scope="module")
def table() -> Routes:
    return parse_routes(ROUTES)


@pytest.fixture(scope="module")
def told(districts: Districts, table: Routes) -> Any:
    ground = MapGround.of(districts, table)
    return lambda event: [decision.destination for decision in route(event, table, ground)]


def test_an_alert_goes_where_its_place_is_and_to_neighbours_within_so_many_metres(make: Any, told: Any) -> None:
    assert ["north", "county", "all"] == told(make.alert(position=make.position(52.5, 4.5)))
    assert ["south", "county", "all"] == told(make.alert(position=make.position(51.985, 4.5))), "1.7 km away"
    assert ["south", "all"] == told(make.alert(position=make.position(51.98, 4.5))), "2.2 km away"
    assert ["all"] == told(make.alert(position=make.position(10, 10)))


@pytest.mark.parametrize("position", [None, (0.0, 0.0)])
def test_an_alert_without_a_place_falls_through_and_explain_says_so(
    make: Any, table: Routes, districts: Districts, position: Any
) -> None:
    alert = make.alert(position=position and make.position(*position))
    verdicts = explain(alert, table, MapGround.of(districts, table))

    assert ["no_place", "no_place", "no_place", "taken"] == [verdict.why for verdict in verdicts]
    assert "by-duty: no place (responsible)" == str(verdicts[1])
    assert "no place" in str(where(alert, districts, table))


def test_without_a_map_explain_says_that_and_an_alert_of_no_rule_says_why(make: Any, table: Routes) -> None:
    alert = make.alert(position=make.position(52.5, 4.5))

    assert ["no_map", "no_map", "no_map", "taken"] == [verdict.why for verdict in explain(alert, table)]
    assert "no_route" == why_nowhere(explain(make.location(), parse_routes("routes: []")))


def test_an_incident_is_at_its_position_or_in_its_areas(make: Any, told: Any) -> None:
    circle = Area(circles=("51.985,4.5 3",))
    triangle = Area(polygons=("51.9,4.5 51.9,4.6 52.1,4.5 51.9,4.5",))
    nowhere = Area(polygons=("words", "1,2 3"), circles=("1,2 x",))

    assert ["north", "all"] == told(make.incident(position=make.position(52.5, 4.5), areas=(circle,)))
    assert ["north", "south", "all"] == told(make.incident(areas=(circle,)))
    assert ["north", "south", "all"] == told(make.incident(areas=(triangle,)))
    assert ["all"] == told(make.incident(areas=(nowhere,)))


def test_across_the_antimeridian_the_neighbour_is_near(districts: Districts, make: Any) -> None:
    table = parse_routes(
        "destinations: {a: &any {modes: EXERCISE, fields: {alert: {position: plain}}}, b: *any}\n"
        "routes: [{name: a, when: {record: alert, district: fiji, within_metres: 5000}, to: a},"
        " {name: b, when: {record: alert, district: fiji-east, within_metres: 5000}, to: b}]"
    )
    ground = MapGround.of(districts, table)

    for longitude in (179.99, -179.99):
        alert = make.alert(position=make.position(-17.5, longitude))
        assert ["a", "b"] == [decision.destination for decision in route(alert, table, ground)]


def test_where_areas_overlap_the_first_has_a_place_as_it_has_a_position(make: Any) -> None:
    inner = parse_districts(district_map({"airport": (4.4, 52.4, 4.6, 52.6, ""), **MAP}))
    table = parse_routes(ROUTES)
    decided = route(make.alert(position=make.position(52.5, 4.5)), table, MapGround.of(inner, table))

    assert inner.of(52.5, 4.5) == "airport"
    assert ["county", "all"] == [decision.destination for decision in decided], "within 2 km of north all the same"


def test_the_steps_of_a_rule_by_place_are_those_of_where_it_is(make: Any, districts: Districts) -> None:
    table = parse_routes(
        "destinations: {a: &any {modes: EXERCISE}, b: *any}\n"
        "routes: [{name: a, when: {record: alert, district: north}, to: a, escalate: [{after_seconds: 9, to: b}]}]"
    )
    ground = MapGround.of(districts, table)
    steps = escalation(make.alert(position=make.position(52.5, 4.5), kind=AlertKind.TAMPER), table, ground)

    assert [(9.0, (("b", "a"),))] == [(step.after_seconds, step.to) for step in steps]
    assert [] == escalation(make.alert(position=make.position(51.5, 4.5), kind=AlertKind.TAMPER), table, ground)


def test_an_update_of_an_incident_without_a_place_goes_where_it_was_and_who_was_told_is_told_on(
    make: Any, table: Routes, told: Any
) -> None:
    ground_of = {"event_id": "cad-1", "incident_id": "cad-1", "source": "cad"}
    opened = make.incident(position=make.position(52.5, 4.5), **ground_of)
    memory = incidents.take(None, opened, [_to("north"), _to("all")], opened.header.received_at).memory
    moved = make.incident(position=make.position(51.5, 4.5), action=IncidentAction.UPDATED, **ground_of)
    wordless = make.incident(action=IncidentAction.UPDATED, **ground_of)
    decided = [_to(name) for name in told(moved)]

    assert ["north", "all"] == told(incidents.placed(wordless, memory))
    assert ["south", "all"] == [decision.destination for decision in decided]
    staying = incidents.staying(moved, memory, decided, told_by_place(table))
    assert ["north"] == [decision.destination for decision in staying]


def _to(name: str) -> Any:
    return Decision(name, "")


def test_the_map_of_an_explanation_shows_districts_place_and_who_is_told(
    make: Any, table: Routes, districts: Districts
) -> None:
    alert = make.alert(position=make.position(51.985, 4.5).model_copy(update={"accuracy_m": 12.0}))
    verdicts = explain(alert, table, MapGround.of(districts, table))
    found = told_map(alert, districts, table, verdicts)
    *areas, place = found["features"]

    assert ("FeatureCollection", {"Feature"}) == (found["type"], {each["type"] for each in found["features"]})
    by_name = {area["properties"]["title"]: area["properties"] for area in areas}
    assert [["county"], ["south"], []] == [by_name[name]["told"] for name in ("north", "south", "fiji")]
    assert [False, True] == [by_name[name]["is_here"] for name in ("north", "south")]
    assert {"type": "Point", "coordinates": [4.5, 51.985]} == place["geometry"]
    assert ["all", "county", "south"] == place["properties"]["told"]
    assert "accurate to 12 m" in place["properties"]["description"]
    assert "in district south, responsible pd-south; within 2000 m: north, south (position none, accurate to 12 m)" == (
        str(where(alert, districts, table))
    )


def test_lint_finds_what_means_nothing_and_warns_of_emergencies_without_a_place() -> None:
    one = "destinations: {a: {}}\nroutes: [{name: a, when: {record: %s}, to: a}]"
    table = parse_routes(one % "alert, district: x, responsible: y")

    assert "no district `x`" in lint(table, districts=())[0]
    assert "no map" in lint(table, districts=())[1]
    assert 4 == len([*placeless(table)])
    assert [] == [*placeless(parse_routes(one % "alert"))]
    assert [] == vain(table, {})
    assert "no messages can meet this" in str(vain(parse_routes(one % "message, responsible: y"), {})[0])
    assert "no positions can meet this" in str(
        vain(parse_routes(one % "location, district: x, within_metres: 5"), {})[0]
    )
    assert "of what?" in "".join(lint(Routes.model_validate({"routes": [{"name": "a", "when": {"within_metres": 5}}]})))


def test_who_is_responsible_must_be_a_text() -> None:
    with pytest.raises(DistrictsError, match=r"features\.0\.properties\.agency: a text"):
        parse_districts(district_map({"a": (0, 0, 1, 1, 5)}))  # type: ignore[dict-item]  # what a person may write
