"""Reports that are late, doubled or contradict each other, and clocks that are wrong: each has one defined outcome."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bondmate_schemas.enums import (
    AlertAction,
    AlertKind,
    AlertStatus,
    DeliveryReason,
    IncidentAction,
    Level,
    Mode,
    Response,
)
from bondmate_schemas.models import AlertState
from bondmate_streams.logic import alerts, heard, incidents, states, timers
from bondmate_streams.logic.routing import Decision, Escalation, Routes, explain, route
from bondmate_streams.logic.steps import Step

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
EVENT = "event-of-tests"
DECISIONS = [Decision("tak", "alerts"), Decision("cap", "alerts")]


def raised(make: Any, **given: Any) -> AlertState:
    state = states.change(None, make.alert(event_id=EVENT, incident_id="incident", **given), DECISIONS, NOW).state
    assert state is not None
    return state


def receive(make: Any, state: AlertState, destination: str, level: Level) -> Step:
    return heard.receive(state, make.receipt(EVENT, destination, level), (), DECISIONS, NOW)


def after(make: Any, state: AlertState, *receipts: tuple[str, Level]) -> AlertState:
    for destination, level in receipts:
        found = receive(make, state, destination, level).state
        assert found is not None
        state = found
    return state


def test_an_acknowledgement_before_its_delivery_receipt_counts_and_the_late_receipt_takes_nothing_back(
    make: Any,
) -> None:
    early = receive(make, raised(make), "cap", Level.ACKNOWLEDGED)
    late = receive(make, early.state, "cap", Level.DELIVERED)  # type: ignore[arg-type]

    assert AlertStatus.ACCEPTED == early.state.status  # type: ignore[union-attr]
    assert ("no_rise", early.state, ()) == (late.outcome, late.state, late.notifications)


def test_a_cancel_while_in_flight_follows_the_alert_and_receipts_that_come_later_open_nothing(make: Any) -> None:
    state = raised(make, kind=AlertKind.ASSISTANCE)
    cancel = make.alert(event_id=EVENT, kind=AlertKind.ASSISTANCE, action=AlertAction.CANCEL)
    ended = states.change(state, cancel, DECISIONS, NOW)
    late = after(make, ended.state, ("tak", Level.DELIVERED), ("cap", Level.ACKNOWLEDGED))  # type: ignore[arg-type]

    assert [("tak", DeliveryReason.CANCEL), ("cap", DeliveryReason.CANCEL)] == [
        (notification.destination, notification.reason) for notification in ended.notifications
    ]
    assert AlertStatus.CANCELLED == late.status
    assert (Level.DELIVERED, Level.ACKNOWLEDGED) == (late.destinations["tak"].level, late.destinations["cap"].level)


def test_two_control_rooms_keep_their_own_levels_and_the_whole_ends_when_both_have_closed_their_part(make: Any) -> None:
    both = after(make, raised(make), ("tak", Level.ACCEPTED), ("cap", Level.ACCEPTED), ("tak", Level.ACKNOWLEDGED))
    torn = after(make, both, ("cap", Level.DECLINED))
    two = after(make, torn, ("cap", Level.ACKNOWLEDGED))
    part = receive(make, two, "tak", Level.RESOLVED)
    whole = receive(make, part.state, "cap", Level.RESOLVED)  # type: ignore[arg-type]
    again = receive(make, whole.state, "cap", Level.RESOLVED)  # type: ignore[arg-type]

    assert (AlertStatus.ACCEPTED, Level.ACCEPTED) == (both.status, both.destinations["cap"].level)
    assert AlertStatus.ACCEPTED == torn.status, "one no does not undo another's yes"
    assert ("stated", (), AlertStatus.ACCEPTED) == (part.outcome, part.notifications, part.state.status)  # type: ignore[union-attr]
    assert [("tak", DeliveryReason.CANCEL)] == [(told.destination, told.reason) for told in whole.notifications]
    assert ("stated", ()) == (again.outcome, again.notifications)


def test_a_no_after_a_yes_of_the_same_room_takes_it_back_and_a_yes_after_a_no_counts(make: Any) -> None:
    yes = after(make, raised(make), ("cap", Level.ACKNOWLEDGED))
    no = after(make, raised(make), ("cap", Level.DECLINED), ("tak", Level.DECLINED))

    back = receive(make, yes, "cap", Level.DECLINED)
    assert ("unanswered_again", 1) == (back.outcome, back.state.round)  # type: ignore[union-attr]
    assert Response.WITHDRAWN is back.state.destinations["cap"].response  # type: ignore[union-attr]
    assert AlertStatus.DECLINED == no.status
    assert AlertStatus.ACCEPTED == after(make, no, ("cap", Level.ACKNOWLEDGED)).status


def test_a_cad_that_emits_our_own_incident_again_gets_it_back_in_no_way(make: Any) -> None:
    routes = Routes.model_validate(
        {"destinations": {"cap": {"modes": ["EXERCISE"]}, "tak": {"modes": ["EXERCISE"]}},
         "routes": [{"name": "incidents", "when": {"record": "incident"}, "to": ["cap", "tak"]}]}
    )  # fmt: skip
    echo = make.incident(event_id="theirs", incident_id="incident", source="cap", hops=("device_http", "tak"))
    why = {verdict.destination: verdict.why for verdict in explain(echo, routes)}
    first = incidents.take(None, make.incident(event_id="theirs", incident_id="incident"), route(echo, routes), NOW)
    ended = incidents.take(first.memory, echo.model_copy(update={"action": IncidentAction.CLOSED}), [], NOW)

    assert {"cap": "came_from_there", "tak": "came_from_there"} == why
    assert () == first.notifications == ended.notifications


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_device_clock_two_hours_off_moves_no_timer_and_gives_no_position_a_negative_age(
    make: Any, hours: int
) -> None:
    wrong = NOW + timedelta(hours=hours)
    alert = make.alert(event_id=EVENT, occurred_at=wrong, received_at=NOW)
    taken = alerts.take(alert, None, make.location(position=make.position(at=NOW)), NOW)
    assert taken.change is not None
    state = states.change(None, taken.change, DECISIONS, NOW).state
    assert state is not None
    steps = [Escalation(60, page=True)]

    assert NOW + timedelta(seconds=60) == timers.next_due(state, DECISIONS, steps, NOW)
    assert () == timers.due(state, DECISIONS, steps, NOW, NOW + timedelta(seconds=59)).pages
    assert 1 == len(timers.due(state, DECISIONS, steps, NOW, NOW + timedelta(seconds=60)).pages)
    assert taken.change.position_age_seconds is not None
    assert taken.change.position_age_seconds >= 0


@pytest.mark.parametrize("hours", [-2, 2])
def test_presses_of_a_device_whose_clock_jumps_merge_in_the_order_the_hub_had_them(make: Any, hours: int) -> None:
    first = alerts.take(make.alert(event_id="one", received_at=NOW, occurred_at=NOW), None, None, NOW)
    jumped = make.alert(
        event_id="two", received_at=NOW + timedelta(seconds=1), occurred_at=NOW + timedelta(hours=hours)
    )
    second = alerts.take(jumped, first.memory, None, NOW)

    assert ("raised", "merged") == (first.outcome, second.outcome)
    assert second.change is not None
    assert ("one", 2) == (second.change.header.event_id, second.change.press_count)


def test_an_exercise_does_not_swallow_a_real_press_nor_the_other_way_round(make: Any) -> None:
    drill = alerts.take(make.alert(event_id="drill", mode=Mode.EXERCISE), None, None, NOW)
    real = alerts.take(make.alert(event_id="real", mode=Mode.ACTUAL), drill.memory, None, NOW)

    assert ("raised", "real") == (real.outcome, real.change.header.event_id if real.change else None)
