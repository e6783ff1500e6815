"""What ends an alert, and when it has ended: by when the hub had the word, and not by when its streams came to it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from bondmate_schemas.enums import AlertAction, AlertKind, Level
from bondmate_schemas.models import DeliveryReceipt
from bondmate_streams.logic import heard

from tests.streams.test_statements import ROOMS, START, Played

CLOSES = Level.RESOLVED


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
