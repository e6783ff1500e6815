"""Routes: who gets what, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bondmate_schemas.enums import AlertKind, Mode
from bondmate_streams.logic.routes_yaml import RoutesError, parse_routes
from bondmate_streams.logic.routing import Routes, explain, lint, route, unconnected, why_nowhere
from bondmate_streams.routes_file import load_routes
from hypothesis import given, settings
from hypothesis import strategies as st

TEXT = """
destinations:
  real: {}
  drill: {modes: EXERCISE}
  all: {modes: [ACTUAL, EXERCISE, TEST, SYSTEM]}
routes:
  - name: sos
    when: {record: alert, kind: [SOS, DURESS], agency: agency-1}
    to: [real, drill, all]
    refresh_seconds: 20
  - name: last word
    when: {record: alert, kind: TAMPER}
    to: all
    stop: true
  - name: rest
    to: all
""".replace("last word", "last-word")


@pytest.fixture(scope="module")
def table() -> Routes:
    return parse_routes(TEXT)


def names(event: Any, table: Routes) -> list[str]:
    return [decision.destination for decision in route(event, table)]


def test_a_destination_takes_only_the_modes_it_names_and_by_default_only_real_events(make: Any, table: Routes) -> None:
    assert ["real", "all"] == names(make.alert(mode=Mode.ACTUAL), table)
    assert ["drill", "all"] == names(make.alert(mode=Mode.EXERCISE), table)
    assert ["all"] == names(make.alert(mode=Mode.TEST), table)


@given(kind=st.sampled_from(AlertKind))
def test_an_unknown_mode_reaches_nobody(make: Any, table: Routes, kind: AlertKind) -> None:
    verdicts = explain(make.alert(kind=kind, mode=Mode.UNKNOWN), table)

    assert [] == [verdict for verdict in verdicts if verdict.why == "taken"]
    assert "unknown_mode" == why_nowhere(verdicts)


def test_an_unknown_mode_cannot_be_named_by_a_destination() -> None:
    with pytest.raises(RoutesError, match=r"routes:1:28: destinations\.a\.modes\.0"):
        parse_routes("destinations: {a: {modes: [UNKNOWN]}}")


@settings(max_examples=50)
@given(mode=st.sampled_from([Mode.EXERCISE, Mode.TEST, Mode.SYSTEM, Mode.UNKNOWN]), kind=st.sampled_from(AlertKind))
def test_nothing_but_a_real_event_reaches_a_destination_that_names_no_modes(
    make: Any, table: Routes, mode: Mode, kind: AlertKind
) -> None:
    assert "real" not in names(make.alert(mode=mode, kind=kind), table)


def test_an_event_never_goes_back_where_it_came_from(make: Any, table: Routes) -> None:
    assert ["all"] == names(make.alert(mode=Mode.ACTUAL, source="real"), table)
    assert ["all"] == names(make.alert(mode=Mode.ACTUAL, hops=("real", "other")), table)


def test_each_destination_is_told_once_by_the_first_rule_that_names_it(make: Any, table: Routes) -> None:
    decisions = route(make.alert(mode=Mode.ACTUAL), table)

    assert [("real", "sos", 20.0), ("all", "sos", 20.0)] == [
        (d.destination, d.route, d.refresh_seconds) for d in decisions
    ]


def test_a_rule_that_stops_keeps_later_rules_from_being_tried(make: Any, table: Routes) -> None:
    verdicts = explain(make.alert(kind=AlertKind.TAMPER, mode=Mode.ACTUAL), table)

    assert ["no_match", "taken", "stopped"] == [verdict.why for verdict in verdicts]


def test_explain_says_rule_by_rule_which_condition_failed(make: Any, table: Routes) -> None:
    verdicts = explain(make.alert(mode=Mode.ACTUAL, kind=AlertKind.LOW_BATTERY, agency_id="agency-2"), table)

    assert ("kind", "agency") == verdicts[0].failed
    assert "sos: no match (kind, agency)" == str(verdicts[0])
    rest = {"route": "rest", "destination": "all", "why": "taken", "failed": [], "newest_only": False,
            "every_seconds": None}  # fmt: skip
    assert rest == verdicts[-1].as_json()


def test_a_route_of_positions_may_want_the_newest_only_and_explain_says_so(make: Any) -> None:
    table = parse_routes(
        "destinations: {map: &seen {modes: EXERCISE, fields: {location: {position: plain}}}, all: *seen}\n"
        "routes: [{name: a, when: {record: location}, to: map, newest_only: true}, {name: b, to: [map, all]}]"
    )
    verdicts = explain(make.location(), table)

    assert [("map", True), ("all", False)] == [(d.destination, d.newest_only) for d in route(make.location(), table)]
    assert "a -> map: taken (newest only)" == str(verdicts[0])
    assert [True, False, False] == [verdict.as_json()["newest_only"] for verdict in verdicts]


def test_an_event_that_no_rule_wants_says_so(make: Any) -> None:
    assert "no_route" == why_nowhere(explain(make.alert(), parse_routes("routes: []")))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("routes: [", "routes:1:10: not YAML"),
        ("routes:\n  - name: a\n    wen: {}\n", "routes:3:5: routes.0.wen"),
        ("routes:\n  - name: a\n    when: {kind: SECRET-VALUE}\n", "routes:3:12: routes.0.when.kind"),
        ("routes:\n  - name: a\n    to: [nobody]\n", "routes.0.to: no destination `nobody`"),
        ("destinations:\n  a: {fields: {alert: {positoin: plain}}}\n", "destinations.a.fields.alert.positoin: no such"),
        ("destinations:\n  a: {fields: {alert: {text: blurred}}}\n", "destinations.a.fields.alert.text: plain,"),
        ("destinations:\n  a: {fields: {alert: {text: 'coarse:100'}}}\n", "fields.alert.text: round and coarse"),
        ("routes:\n  - name: a\n    newest_only: true\n", "routes:3:5: routes.0.newest_only: for positions only"),
        ("routes: [{name: a, when: {record: [location, alert]}, newest_only: true}]", "routes.0.newest_only: for pos"),
        ("- a list", "routes"),
        ("\x00", "routes:1:1: not YAML"),
    ],
)
def test_wrong_routes_are_refused_with_the_place_and_without_the_value(text: str, place: str) -> None:
    with pytest.raises(RoutesError) as found:
        parse_routes(text)

    assert any(place in problem for problem in found.value.problems), found.value.problems
    assert "SECRET-VALUE" not in str(found.value)


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(RoutesError) as found:
        parse_routes("destinations: {a: {modes: [NO], x: 1}}\nroutes: [{name: B}]")

    assert 3 == len(found.value.problems)


def test_lint_names_destinations_without_a_connector_or_a_route(table: Routes) -> None:
    lonely = parse_routes("destinations: {a: {}}")

    assert ["destinations.a: no route leads here"] == lint(lonely)


def test_a_destination_without_a_connector_may_read_kafka_itself_and_who_says_whose_it_is_means_that(
    table: Routes,
) -> None:
    itself = parse_routes("destinations: {cad: {agency: pd-north}, typo: {}}\nroutes: [{name: a, to: [cad, typo]}]")

    assert ([], []) == (lint(table), lint(itself))
    assert ["destinations.real", "destinations.all"] == [one.split(":")[0] for one in unconnected(table, {"drill"})]
    assert ["destinations.typo"] == [one.split(":")[0] for one in unconnected(itself, ())]


def test_routes_are_read_from_a_file_and_a_missing_one_is_said(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    with pytest.raises(RoutesError, match="cannot be read: No such file"):
        load_routes(path)
    path.write_text(TEXT)

    assert 3 == len(load_routes(path).routes)


def test_a_destination_that_may_see_no_positions_gets_none_and_explain_says_so(make: Any) -> None:
    table = parse_routes("destinations: {map: {modes: EXERCISE}}\nroutes: [{name: a, to: map}]")
    verdicts = explain(make.location(), table)

    assert [] == route(make.location(), table)
    assert ["a -> map: withheld"] == [str(verdict) for verdict in verdicts]
    assert "withheld" == why_nowhere(verdicts)
    assert ["map"] == [decision.destination for decision in route(make.alert(), table)]
