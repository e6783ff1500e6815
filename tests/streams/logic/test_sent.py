"""When a Delivery was made: the hub's time, one for each Delivery, known to every later one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bondmate_schemas.enums import AlertAction, DeliveryReason, IncidentAction, Level
from bondmate_schemas.models import AlertState, Delivery, IncidentMemory
from bondmate_streams.logic import heard, incidents, states, timers
from bondmate_streams.logic.deliveries import Agreements, Notification
from bondmate_streams.logic.rooms import Rooms
from bondmate_streams.logic.routes_yaml import parse_routes
from bondmate_streams.logic.routing import Decision, Escalation

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(seconds=90)
LONG_AGO = datetime(1970, 1, 1, 0, 0, 7, tzinfo=UTC)
OWNERS = Rooms({"tak": "agency-1"})
DECISIONS = [Decision("tak", "alerts", 20.0), Decision("cap", "alerts")]
AGREEMENTS = Agreements(
    parse_routes("destinations: {tak: {fields: {location: {position: plain}}}, cap: {}, north: {}}"),
    b"a secret of tests",
)


def made(notification: Notification, now: datetime) -> Delivery:
    return AGREEMENTS.delivery(notification, now)


def sent(delivery: Delivery) -> tuple[datetime | None, datetime | None, str | None]:
    return delivery.sent_at, delivery.first_sent_at, delivery.first_id


@pytest.fixture
def wrong_clock(make: Any) -> dict[str, Any]:
    """An alert of a device whose clock began anew."""
    return {"event_id": "e", "incident_id": "i", "occurred_at": LONG_AGO}


def test_an_alert_is_sent_when_the_hub_made_the_delivery_whatever_its_device_says(
    make: Any, wrong_clock: dict[str, Any]
) -> None:
    step = states.change(None, make.alert(**wrong_clock), DECISIONS, NOW)
    first = made(step.notifications[1], NOW)

    assert (NOW, NOW, first.id) == sent(first)
    assert LONG_AGO == first.event.header.occurred_at


def test_what_is_told_again_after_a_crash_has_the_time_it_was_first_told_with(
    make: Any, wrong_clock: dict[str, Any]
) -> None:
    alert = make.alert(**wrong_clock)
    step = states.change(None, alert, DECISIONS, NOW)
    again = states.change(step.state, alert, DECISIONS, LATER)

    assert "repeat" == again.outcome
    assert [sent(made(notification, NOW)) for notification in step.notifications] == [
        sent(made(notification, LATER)) for notification in again.notifications
    ]


def test_every_later_delivery_knows_the_first(make: Any, wrong_clock: dict[str, Any]) -> None:
    step = states.change(None, make.alert(**wrong_clock), DECISIONS, NOW)
    first = made(step.notifications[1], NOW)
    update = states.change(step.state, make.alert(event_id="e", action=AlertAction.UPDATE), DECISIONS, LATER)
    reached = heard.receive(step.state, make.receipt("e", "tak", Level.DELIVERED), (), DECISIONS, LATER).state
    reached = reached.model_copy(update={"header": reached.header.model_copy(update={"received_at": NOW})})
    refresh = timers.due(reached, DECISIONS, [], NOW, LATER)
    closed = heard.receive(step.state, make.receipt("e", "tak", Level.RESOLVED), (), DECISIONS, LATER, rooms=OWNERS)
    notifications = [update.notifications[1], *refresh.notifications, *closed.notifications]

    assert [DeliveryReason.UPDATE, DeliveryReason.REFRESH, DeliveryReason.CANCEL] == [
        one.reason for one in notifications
    ]
    assert {LATER} == {made(one, LATER).sent_at for one in notifications}
    assert {NOW} == {made(one, LATER).first_sent_at for one in notifications}
    assert first.id == made(closed.notifications[0], LATER).first_id


def test_a_destination_told_later_has_a_first_of_its_own(make: Any, wrong_clock: dict[str, Any]) -> None:
    state = states.change(None, make.alert(**wrong_clock, received_at=NOW), DECISIONS, NOW).state
    escalated = timers.due(state, DECISIONS, [Escalation(60.0, (("north", "n"), ("cap", "n")), False)], NOW, LATER)
    north, cap = (made(notification, LATER) for notification in escalated.notifications)
    told = states.change(escalated.state, make.alert(event_id="e", action=AlertAction.UPDATE), DECISIONS, LATER)

    assert (LATER, LATER, north.id) == sent(north)
    assert (LATER, NOW) == sent(cap)[:2]
    assert {"tak": NOW, "cap": NOW, "north": LATER} == {
        notification.destination: made(notification, LATER).first_sent_at for notification in told.notifications
    }


def test_an_alert_of_an_earlier_version_keeps_the_time_it_was_sent_with(make: Any, wrong_clock: dict[str, Any]) -> None:
    state = states.change(None, make.alert(**wrong_clock), DECISIONS, NOW).state
    values = state.model_dump(exclude={"destinations": {"__all__": {"sent_at"}}})
    old = AlertState.model_validate(values)
    closed = heard.receive(old, make.receipt("e", "tak", Level.RESOLVED), (), DECISIONS, LATER, rooms=OWNERS)

    assert (LATER, LONG_AGO) == sent(made(closed.notifications[0], LATER))[:2]


def test_an_incident_remembers_who_was_told_when(make: Any) -> None:
    same = {"event_id": "e", "incident_id": "i", "occurred_at": LONG_AGO}
    opened = incidents.take(None, make.incident(**same), DECISIONS[:1], NOW)
    closed = incidents.take(opened.memory, make.incident(**same, action=IncidentAction.CLOSED), DECISIONS, LATER)
    values = opened.memory.model_dump(exclude={"first_sent"})
    old = incidents.take(
        IncidentMemory.model_validate(values), make.incident(**same, action=IncidentAction.CLOSED), DECISIONS, LATER
    )

    assert {"tak": (LATER, NOW), "cap": (LATER, LATER)} == {
        notification.destination: sent(made(notification, LATER))[:2] for notification in closed.notifications
    }
    assert {"tak": LONG_AGO, "cap": LATER} == {
        notification.destination: made(notification, LATER).first_sent_at for notification in old.notifications
    }


def test_nothing_refers_to_a_position(make: Any) -> None:
    fix = make.location()

    assert (None, None, None) == sent(made(Notification("tak", "", DeliveryReason.NEW, "d", fix), NOW))
