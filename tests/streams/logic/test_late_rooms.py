"""Rooms that come late to an open alert, and those that are named no more: scenario 25, on the pure logic."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bondmate_schemas.enums import AlertAction, AlertStatus, DeliveryReason, Level
from bondmate_schemas.flags import TOLD_LATE
from bondmate_schemas.models import RoutesVersion
from bondmate_streams import applied_routes
from bondmate_streams.applied_routes import applied_of, retired_text
from bondmate_streams.logic import late_rooms, others
from bondmate_streams.logic.routes_yaml import parse_routes
from bondmate_streams.logic.routing import Decision, explain, lint

from tests.streams.logic.test_others import heard
from tests.streams.logic.test_statements import ASSIGNED, CLOSES, ROOMS, START, Played, told

TEXT = """
destinations:
  north: {agency: pd-north, fields: {alert: {text: plain}}}
  county: {}
routes:
  - {name: alerts, when: {record: alert}, to: [north, county]}
"""


def applied(played: Played, number: int, seconds: float = 60) -> None:
    """Have a person apply a version that names south too."""
    played.rooms = replace(
        played.rooms, routes_version=number, routes_applied_at=START + timedelta(seconds=seconds), see={}
    )
    played.decisions = [*played.decisions, Decision("south", "alerts")]
    played.seconds = max(played.seconds, seconds)


def test_a_room_that_a_new_version_names_is_told_once_as_of_one_that_is_open_since_before() -> None:
    played = Played(rooms=ROOMS)
    played.steps = []
    played.says("county", **ASSIGNED)
    applied(played, 3)
    assert 60 == played.due()
    step = played.wait(1)
    (notification,) = step.notifications

    assert ("joined", {"south": DeliveryReason.NEW}) == (step.outcome, told(step))
    assert (AlertAction.RAISE, True) == (notification.event.action, TOLD_LATE in notification.event.header.flags)
    assert START == notification.event.header.occurred_at, "open since then"
    assert played.now == notification.first.sent_at
    assert (None, 3) == (played.due(), played.state.others.routes_version)
    assert "refreshed" == played.wait(1).outcome
    assert {"county", "south"} <= set(told(played.press(AlertAction.UPDATE))), "told on as the others are"


def test_it_reads_at_once_what_stands_at_the_others_as_its_agreement_lets_it() -> None:
    played = Played(rooms=ROOMS)
    played.steps = []
    played.says("county", **ASSIGNED)
    applied(played, 1)
    played.rooms = replace(played.rooms, see={"south": frozenset({"level"})})
    step = played.wait(0)

    assert {"south": [("county", "ASSIGNED")]} == heard(
        replace(step, notifications=tuple(others.beside(step.notifications, played.state, played.rooms)))
    )


def test_nobody_is_told_late_by_a_file_or_by_a_version_applied_before_the_alert_or_after_its_end() -> None:
    by_file, before, ended = (Played(rooms=ROOMS) for _ in range(3))
    by_file.decisions = [*by_file.decisions, Decision("south", "alerts")]
    applied(before, 1, seconds=-5)
    ended.says("north", CLOSES)
    applied(ended, 1)

    for played in (by_file, before, ended):
        played.steps = []
        assert () == played.wait(1).notifications
        assert "south" not in played.state.destinations
    assert AlertStatus.RESOLVED is ended.state.status


def test_a_version_that_names_nobody_new_is_looked_at_once() -> None:
    played = Played(rooms=ROOMS)
    played.steps = []
    applied(played, 2)
    played.decisions = played.decisions[:-1]
    step = played.wait(0)

    assert ("joined", ()) == (step.outcome, step.notifications)
    assert played.due() is None


def test_what_a_version_does_to_open_alerts_is_counted_by_room() -> None:
    played, ended = Played(), Played()
    ended.says("north", CLOSES)
    after = parse_routes(TEXT.replace("county", "south"))
    late, ending = late_rooms.effects([played.state, ended.state], after, None)

    assert ({"south": 1}, {"county": 1}) == (late, ending)


def test_a_destination_that_is_named_no_more_stays_for_the_end_of_what_it_was_told() -> None:
    before, after = parse_routes(TEXT), parse_routes(TEXT.replace("county", "south"))
    kept = retired_text(before, after, set())  # one may be told of an alert until the version is taken everywhere
    version = RoutesVersion(name="routes", number=2, applied_at=datetime.now(UTC), text=TEXT, retired=kept)
    routes = applied_of(version.model_copy(update={"text": TEXT.replace("county", "south")})).routes

    assert {"north", "south", "county"} == routes.destinations.keys()
    assert (True, False) == (routes.destinations["county"].retired, routes.destinations["north"].retired)
    assert kept == retired_text(routes, after, {"county"})
    assert "" == retired_text(routes, after, {"north"}), "nothing new came to it since"
    named_again = applied_of(version).routes
    assert not named_again.destinations["county"].retired
    assert [] == lint(routes)
    to_county = parse_routes(TEXT.replace("county: {}", "county: {retired: true}"))
    played = Played()
    assert "retired" in [verdict.why for verdict in explain(played.state.alert, to_county)]
    assert Level.UNKNOWN is played.state.destinations["county"].level


def test_a_file_is_the_version_in_use_whatever_still_hears_its_last() -> None:
    before, after = parse_routes(TEXT), parse_routes(TEXT.replace("county", "south"))
    kept = retired_text(before, after, {"county"})
    version = RoutesVersion(
        name="routes", number=2, applied_at=START, text=TEXT.replace("county", "south"), retired=kept
    )  # fmt: skip

    assert applied_routes._is_of(after, applied_of(version).routes)  # what a role warns by
    assert not applied_routes._is_of(before, applied_of(version).routes)
