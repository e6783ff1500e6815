"""`hub drill` and the role `drills`: what their settings must say, what a drill's course tells, what is measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bondmate_connectors.runtime.registry import load as load_spec
from bondmate_device.model import EventKind, Level, OperatorAnswer, RaisedAlert, RefusedEvent
from bondmate_hub.cli import app
from bondmate_hub.connectors import instances
from bondmate_hub.drills.course import Course, DrillHop, HopName
from bondmate_hub.drills.role import shown
from bondmate_hub.drills.sending import DrillResult, looked_at
from bondmate_hub.lint import lint
from bondmate_hub.roles.run import roles_of
from bondmate_hub.settings import SettingsError, load
from prometheus_client import REGISTRY
from typer.testing import CliRunner

HUB = """\
streams: {routes: routes.yaml, pseudonym_secret: sixteen-letters-1}
connectors:
  room:
    connector: cap_webhook
    agency: pd-north
    settings: {deliver: {url: 'http://127.0.0.1:9000/cap', secrets: [sixteen-letters-2]}}
drills:
  url: http://127.0.0.1:9
  rooms: {room: {token: bmd_of_tests, every_seconds: 600}, once: {token: another}}
"""
ROUTES = """\
destinations:
  room: {drill: true, fields: {alert: {text: plain}}}
routes: [{name: all, when: {record: alert}, to: room}]
"""
ALERT = RaisedAlert("a-1", "OTHER", "2026-05-01T12:00:00Z", silent=False)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("hub.yaml").write_text(HUB)
    Path("routes.yaml").write_text(ROUTES)
    return tmp_path / "hub.yaml"


@pytest.fixture
def unmarked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connector of CAP as one that could not mark a test."""
    spec = replace(load_spec("cap_webhook"), marks_test="")
    monkeypatch.setattr(instances, "load", lambda _: spec)


# Settings


def test_a_drill_needs_a_device_of_its_own(hub: Path) -> None:
    answer = CliRunner().invoke(app, ["drill", "rooom"])

    assert isinstance(answer.exception, SettingsError)
    assert "drills.rooms.rooom: not there; did you mean `room`?" in str(answer.exception)


def test_where_a_test_cannot_be_marked_none_is_sent_and_lint_says_so(hub: Path, unmarked: None) -> None:
    with pytest.raises(SettingsError, match=r"drills\.rooms\.room: its connector has no way to mark a test"):
        looked_at(load(hub), "room")

    errors = [each for each in lint(Path("hub.yaml"), None) if each.rule == "test-not-marked"]
    assert [("destinations.room.drill", 2)] == [(each.place, each.line) for each in errors]


def test_lint_has_nothing_against_a_drill_that_can_be_marked(hub: Path) -> None:
    looked_at(load(hub), "room")

    assert [] == [each for each in lint(Path("hub.yaml"), None) if each.rule == "test-not-marked"]


def test_the_role_is_of_all_where_a_drill_is_repeated(hub: Path) -> None:
    assert {"room": 600} == load(hub).drills.repeated
    assert "drills" in roles_of(load(hub))
    hub.write_text(HUB.replace(", every_seconds: 600", ""))
    assert "drills" not in roles_of(load(hub))


@pytest.mark.parametrize("wrong", ["url: ftp://x", "url: ''", "rooms: {room: {token: ''}}", "rooms: {room: {}}",
                                   "rooms: {room: {token: x, every_seconds: 60}}"])  # fmt: skip
def test_settings_that_cannot_work_are_refused(hub: Path, wrong: str) -> None:
    hub.write_text(f"drills: {{{wrong}}}")

    with pytest.raises(SettingsError, match=r"drills\."):
        load(hub)


# The course


def told(**given: Any) -> RaisedAlert:
    return replace(ALERT, **given)


def test_each_hop_is_told_once_with_its_time() -> None:
    course = Course("room")
    seen = [
        [hop.name for hop in course.see(alert, seconds)]
        for seconds, alert in [
            (0.0, told()),
            (0.1, told(level=Level.RECEIVED)),
            (0.2, told(level=Level.RECEIVED, destinations=(("room", "unknown"),))),
            (0.5, told(level=Level.ACCEPTED, destinations=(("room", "accepted"),))),
            (0.6, told(level=Level.ACCEPTED, destinations=(("room", "accepted"),))),
        ]
    ]

    assert [[], ["received"], ["routed"], ["delivered", "accepted"], []] == seen
    assert (0.1, 0.2, 0.5) == tuple(hop.seconds for hop in course.hops.values())[:3]
    assert ("", "") == course.stopped_at()


def test_a_persons_level_is_claimed_only_where_a_person_answered_each_word_once() -> None:
    course = Course("room")
    course.see(told(level=Level.ACCEPTED, destinations=(("room", "accepted"),)), 1)
    assert HopName.ANSWERED not in course.hops

    for seconds, word in enumerate(["seen", "seen", "assigned"]):
        people = (OperatorAnswer("room", word),)
        course.see(told(level=Level.ACCEPTED, destinations=(("room", "acknowledged"),), answers=people), seconds)

    assert ("seen", "assigned") == course.said
    assert "seen" == course.hops[HopName.ANSWERED].said


def test_of_a_room_that_the_device_is_not_told_of_the_alert_as_a_whole_says_how_far_it_came() -> None:
    course = Course("hidden")

    assert ["received"] == [hop.name for hop in course.see(told(level=Level.RECEIVED), 1)]
    assert ["routed", "delivered"] == [hop.name for hop in course.see(told(level=Level.DELIVERED), 2)]


@pytest.mark.parametrize(
    ("alert", "hop", "hint"),
    [
        (told(), "received", "no gateway answers"),
        (told(level=Level.RECEIVED), "routed", "streams have not taken it"),
        (told(level=Level.CANCELLED, ended_why="drill_refused"), "routed", "`drill: true`"),
        (told(level=Level.RECEIVED, destinations=(("room", "unknown"),)), "delivered", "hub connectors status"),
        (told(level=Level.RECEIVED, destinations=(("room", "dead_lettered"),)), "delivered", "(dead lettered)"),
    ],
)
def test_where_it_stopped_is_named_with_what_to_do(alert: RaisedAlert, hop: str, hint: str) -> None:
    course = Course("room")
    course.see(alert, 1)

    found = course.stopped_at()

    assert hop == found[0]
    assert hint in found[1]


def test_who_is_not_known_or_is_refused_at_the_gateway_is_told_so() -> None:
    refused = RefusedEvent("k", EventKind.ALERT, "forbidden", "2026-05-01T12:00:00Z")

    assert "enrol its device again" in Course("room").stopped_at(enrolled=False)[1]
    assert "(forbidden)" in Course("room").stopped_at(refusals=(refused,))[1]


# The command and the role


def test_where_no_gateway_answers_the_command_names_the_hop_and_exits_1(hub: Path) -> None:
    answer = CliRunner().invoke(app, ["drill", "room", "--seconds", "1", "--json"])

    found = json.loads(answer.stdout)
    assert 1 == answer.exit_code
    assert ("room", False, "received", []) == (found["destination"], found["ok"], found["stopped_at"], found["hops"])
    assert "bmd_of_tests" not in answer.output


def test_the_role_shows_how_the_last_drill_went() -> None:
    def value(name: str, **labels: str) -> float | None:
        return REGISTRY.get_sample_value(name, {"destination": "shown", **labels})

    shown(DrillResult("shown", (DrillHop(HopName.RECEIVED, 0.1), DrillHop(HopName.DELIVERED, 0.3))))
    assert (0, 0.3, 1) == (value("hub_drill_failed"), value("hub_drill_hop_seconds", hop="delivered"),
                           value("hub_drills_total", stopped_at=""))  # fmt: skip
    shown(DrillResult("shown", (DrillHop(HopName.RECEIVED, 0.2),), "routed", "what to do"))
    assert (1, 0.2, 1) == (value("hub_drill_failed"), value("hub_drill_hop_seconds", hop="received"),
                           value("hub_drills_total", stopped_at="routed"))  # fmt: skip
    late = value("hub_drill_hop_seconds", hop="delivered")
    assert late is not None
    assert late != late  # noqa: PLR0124  # not a number: what the drill before had says nothing of this one
