"""Routes that can deliver nothing are errors, parts of routes that deliver nothing are warnings, each with its place."""

from __future__ import annotations

from typing import Any

import pytest
from bondmate_schemas.enums import Mode
from bondmate_streams.logic.routes_yaml import marks, parse_routes, placed
from bondmate_streams.logic.routing import explain, route
from bondmate_streams.logic.vain import by_connectors, vain
from hypothesis import given, settings
from hypothesis import strategies as st
from properties import examples

CAP = frozenset({"ALERT", "INCIDENT", "MESSAGE", "RECEIPT"})
TAK = CAP | {"LOCATION"}
TAKES = {"cap": CAP, "tak": TAK, "feed": frozenset()}
SHOWN = "fields: {location: {position: plain}}"
DESTINATIONS = f"""\
destinations:
  cap: {{{SHOWN}}}
  tak: {{modes: [ACTUAL, EXERCISE], {SHOWN}}}
  drill: {{modes: EXERCISE, {SHOWN}}}
  feed: {{{SHOWN}}}
  blind: {{}}
routes:
"""


def found(*rules: str, takes: Any = TAKES, whole: bool = True) -> list[str]:
    table = parse_routes(DESTINATIONS + "".join(f"  - {rule}\n" for rule in rules))
    return [str(finding) for finding in vain(table, takes) if finding.is_whole is whole]


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("{name: a, when: {record: location}, to: cap}", "routes.0.to: the connector of `cap` takes no positions"),
        ("{name: a, when: {record: location}, to: [tak, cap]}", "routes.0.to: the connector of `cap` takes no positions"),
        ("{name: a, to: feed}", "routes.0.to: the connector of `feed` takes no alerts or incidents or messages or positions"),
        (
            "{name: a, when: {record: alert}, to: tak, escalate: [{after_seconds: 9, to: feed}]}",
            "routes.0.escalate.0.to: the connector of `feed` takes no alerts",
        ),
        ("{name: a, when: {mode: TEST}, to: tak}", "routes.0.to: `tak` takes ACTUAL, EXERCISE and nothing of TEST"),
        ("{name: a, when: {mode: UNKNOWN}, to: tak}", "routes.0.to: `tak` takes ACTUAL, EXERCISE and nothing of UNKNOWN"),
        ("{name: a, when: {source: tak}, to: tak}", "routes.0.to: what comes from `tak` never goes back to it"),
        ("{name: a, when: {record: message, district: x}, to: tak}", "routes.0.when.district: no messages can meet this"),
        ("{name: a, when: {record: location, kind: SOS}, to: tak}", "routes.0.when.kind: no positions can meet this"),
        ("{name: a, when: {record: incident, action: RAISE}, to: tak}", "routes.0.when.action: no incidents can meet this"),
        ("{name: a, when: {record: message, category: MARKER}, to: tak}", "routes.0.when.category: no messages can meet this"),
        ("{name: a, when: {kind: SOS, direction: TO_DEVICE}, to: tak}", "routes.0.when: no event of any kind can meet all of this"),
        ("{name: a, when: {record: location}, to: blind}", "routes.0.to: the agreement of `blind` shows nothing of positions"),
    ],
)  # fmt: skip
def test_a_route_that_can_deliver_nothing_is_an_error_with_its_place(rule: str, problem: str) -> None:
    assert [problem] == found(rule)


@pytest.mark.parametrize(
    "rule",
    [
        "{name: a, when: {record: location}, to: tak}",
        "{name: a, when: {record: alert}, to: [cap, tak, drill]}",
        "{name: a, when: {record: [alert, location], mode: [TEST, ACTUAL]}, to: tak}",
        "{name: a, when: {source: [tak, cap]}, to: tak}",
        "{name: a, when: {record: location, district: x, unit: y}, to: tak}",
        "{name: a, when: {kind: SOS}, to: cap}",
        "{name: a, when: {record: incident, action: UPDATED}, to: cap}",
        # Nobody here knows what a consumer of Kafka takes that reads a destination's topics itself.
        "{name: a, when: {record: location}, to: drill}",
    ],
)
def test_a_route_that_can_deliver_is_none(rule: str) -> None:
    assert [] == found(rule)


def test_a_route_of_which_the_connector_takes_only_what_the_agreement_withholds_is_an_error() -> None:
    takes = {"blind": frozenset({"LOCATION"})}
    problem = "the agreement of `blind` shows nothing of positions, and its connector takes no alerts or incidents or messages"

    assert [f"routes.0.to: {problem}"] == found("{name: all, to: blind}", takes=takes)
    assert [] == found("{name: all, to: [drill]}", takes={"drill": frozenset({"LOCATION"})})


def test_what_an_earlier_route_stops_is_never_tried() -> None:
    stop = "{name: first, when: {record: [alert, location]}, to: tak, stop: true}"

    assert ["routes.1: never tried: `first` before it stops all that it would match"] == found(
        stop, "{name: b, when: {record: alert, kind: SOS}, to: cap}", "{name: c, to: cap}"
    )


def test_positions_that_nobody_would_read_are_warned_of() -> None:
    written = (
        "its positions would be written to `bondmate.to.cap.locations`, which nobody reads; name `record` under `when`"
    )

    assert [f"routes.0.to: the connector of `cap` takes no positions: {written}"] == found(
        "{name: all, to: [cap, tak]}", whole=False
    )
    assert [f"routes.0.to: the connector of `cap` takes no positions: {written}"] == found(
        "{name: some, when: {record: [alert, location]}, to: cap}", whole=False
    )
    assert ["routes.0.when.district: no messages can meet this"] == found(
        "{name: some, when: {record: [message, location], district: x}, to: tak}", whole=False
    )


def test_findings_carry_line_and_column() -> None:
    text = DESTINATIONS + "  - name: a\n    when: {record: location}\n    to: cap\n"
    finding = str(vain(parse_routes(text), TAKES)[0])

    assert placed(finding, "routes.yaml", marks(text)).startswith("routes.yaml:10:5: routes.0.to: the connector")
    assert "routes.yaml: elsewhere: x" == placed("elsewhere: x", "routes.yaml", marks(text))


def test_explain_says_that_no_connector_takes_an_event(make: Any) -> None:
    table = parse_routes(DESTINATIONS + "  - {name: all, to: [cap, tak, drill]}\n")
    fix = make.location("d", mode=Mode.ACTUAL)
    verdicts = by_connectors(explain(fix, table), fix, TAKES)

    assert {"cap": "connector_takes_none", "tak": "taken", "drill": "mode_not_taken"} == {
        verdict.destination: verdict.why for verdict in verdicts
    }
    assert "all -> cap: connector takes none" in map(str, verdicts)
    alert = make.alert("d")
    assert explain(alert, table) == by_connectors(explain(alert, table), alert, TAKES)


_names = st.sampled_from(["cap", "tak", "drill"])
_rules = st.fixed_dictionaries(
    {"to": st.lists(_names, min_size=1, max_size=2, unique=True)},
    optional={
        "record": st.lists(st.sampled_from(["alert", "location"]), min_size=1, unique=True),
        "kind": st.just("SOS"),
        "mode": st.lists(st.sampled_from(["ACTUAL", "EXERCISE", "TEST"]), min_size=1, unique=True),
        "district": st.just("x"),
        "source": st.just("device-gateway"),
        "stop": st.booleans(),
    },
)


@settings(max_examples=examples(150), deadline=None)
@given(rules=st.lists(_rules, min_size=1, max_size=3))
def test_what_is_called_vain_delivers_no_event_and_what_delivers_is_not_called_so(make: Any, rules: Any) -> None:
    lines = []
    for number, rule in enumerate(rules):
        when = {name: value for name, value in rule.items() if name not in {"to", "stop"}}
        stop = str(rule.get("stop", False)).lower()
        lines.append(f"{{name: r{number}, when: {when}, to: {rule['to']}, stop: {stop}}}")
    table = parse_routes(DESTINATIONS + "".join(f"  - {line}\n" for line in lines))
    whole = {str(finding.place) for finding in vain(table, {}) if finding.is_whole}
    events = [
        event
        for mode in (Mode.ACTUAL, Mode.EXERCISE, Mode.TEST)
        for event in (
            make.alert("d", mode=mode),
            make.location("d", mode=mode),
            make.location("d", mode=mode, district="x"),
            make.location("d", mode=mode, district="x", source="device-gateway"),
        )
    ]
    reached = {decision.route for event in events for decision in route(event, table)}

    conditions = ("", ".when", ".when.district", ".when.kind")
    for number in range(len(rules)):
        if whole & {f"routes.{number}{condition}" for condition in conditions}:
            assert f"r{number}" not in reached
