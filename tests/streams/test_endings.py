"""What ends an alert, and when it has ended: by when the hub had the word, and not by when its streams came to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from bondmate_schemas.enums import AlertAction, AlertKind, Level
from bondmate_schemas.models import DeliveryReceipt
from bondmate_streams.logic import heard
from bondmate_streams.logic.life_cycle import CLOSED
from bondmate_streams.logic.rooms import Rooms

from tests.streams.test_statements import ASSIGNED, CLOSES, ROOMS, START, Played


def closed_late(closing: float, read: float) -> Played:
    """Return an alert whose room's closing the hub had at one time, and its streams read at another."""
    played = Played()
    header = played.header(closing, source="north", received_at=START + timedelta(seconds=closing))
    played.seconds = read
    receipt = DeliveryReceipt(header=header, destination="north", level=CLOSES)
    played.take(heard.receive(played.state, receipt, (), played.decisions, played.now, rooms=ROOMS))
    return played


@pytest.mark.parametrize(
    ("pressed", "outcome"), [(99, "late"), (101, "reopened")], ids=["before the closing", "after it"]
)
def test_a_press_that_waited_with_the_closing_is_judged_by_when_the_hub_had_both(pressed: float, outcome: str) -> None:
    played = closed_late(100, read=200)
    step = played.press(at=pressed, received_at=START + timedelta(seconds=pressed), press_count=2)

    assert outcome == step.outcome


def test_a_closing_of_a_clock_that_is_ahead_has_ended_nothing_before_it_was_read() -> None:
    played = closed_late(300, read=200)

    assert played.now == played.state.ended_at


def test_a_press_after_the_devices_own_cancel_is_none_of_before_though_both_waited() -> None:
    played = Played(kind=AlertKind.ASSISTANCE)
    played.seconds = 200
    played.press(AlertAction.CANCEL, at=100, received_at=START + timedelta(seconds=100))
    step = played.press(at=101, received_at=START + timedelta(seconds=101), press_count=2)

    assert "reopened" == step.outcome


@pytest.mark.parametrize(("pressed", "outcome"), [(89, "late"), (91, "reopened")])
def test_an_alert_has_expired_when_its_time_came_whenever_that_is_noticed(pressed: float, outcome: str) -> None:
    played = Played(kind=AlertKind.ASSISTANCE)
    header = played.state.header.model_copy(update={"expires_at": START + timedelta(seconds=90)})
    played.state = played.state.model_copy(update={"header": header})
    assert "expired" == played.wait(200).outcome
    step = played.press(at=pressed, received_at=START + timedelta(seconds=pressed), press_count=2)

    assert outcome == step.outcome


RETIRED = replace(ROOMS, retired=frozenset({"north"}))


def test_a_room_of_the_owner_that_is_none_any_more_keeps_no_alert_open() -> None:
    played = Played()
    played.says("county", **ASSIGNED)
    played.rooms = RETIRED

    assert "closed" == played.says("county", CLOSES).outcome


@pytest.mark.parametrize("level", [Level.DEAD_LETTERED, Level.EXPIRED])
def test_a_room_of_the_owner_that_never_got_it_keeps_no_alert_open_until_it_gets_it_after_all(level: Level) -> None:
    lost, replayed = Played(), Played()
    for played in (lost, replayed):
        played.says("north", level)
        played.says("county", **ASSIGNED)
    replayed.says("north", Level.DELIVERED)

    assert "closed" == lost.says("county", CLOSES).outcome
    assert "unanswered_again" == replayed.says("county", CLOSES).outcome


def test_the_owners_own_word_ends_it_though_its_room_is_to_be_none_any_more() -> None:
    played = Played(rooms=RETIRED)
    played.says("county", **ASSIGNED)

    assert "closed" == played.says("north", CLOSES).outcome


def test_help_that_a_room_promised_which_is_none_any_more_is_closed_by_nobody_else() -> None:
    played = Played()
    played.says("north", **ASSIGNED)
    played.says("county", **ASSIGNED)
    played.rooms = RETIRED

    assert "stated" == played.says("county", CLOSES).outcome


def test_where_the_room_that_alone_ends_it_is_none_any_more_the_owners_others_end_it() -> None:
    two = {"north": "pd-north", "desk": "pd-north", "county": "county"}
    played = Played(to=("north", "desk", "county"), rooms=Rooms(two, enders=frozenset({"north"})))
    played.says("desk", **ASSIGNED)
    played.rooms = replace(played.rooms, retired=frozenset({"north"}))
    played.says("county", CLOSES)

    assert played.state.status not in CLOSED
    assert "closed" == played.says("desk", CLOSES).outcome


def test_where_nobody_took_it_up_who_has_it_ends_it_whatever_never_got_it() -> None:
    played = Played()
    played.steps = []
    played.says("north", Level.DEAD_LETTERED)

    assert "closed" == played.says("county", CLOSES, note="false alarm").outcome
