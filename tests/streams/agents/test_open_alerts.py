"""When open alerts are told again, whatever came and went in between."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from bondmate_monitoring.metrics import OPEN_ALERTS, UNANSWERED_ALERTS, UNDELIVERED_ALERT_SECONDS
from bondmate_schemas.enums import AlertStatus, Level
from bondmate_schemas.models import AlertState, DestinationState
from bondmate_streams.agents.open_alerts import OpenAlertIndex
from bondmate_streams.logic import timers
from bondmate_streams.logic.routing import Decision, Escalation

DECISIONS = [Decision("tak", "fast", 10.0), Decision("cap", "slow", 25.0), Decision("eido", "never", None)]
STEPS = [Escalation(7_200, page=True)]


class Watched:
    """Open alerts and the table beside them."""

    def __init__(self) -> None:
        self.alerts = OpenAlertIndex(["tak", "cap", "eido"])
        self.table: dict[str, AlertState] = {}

    def note(self, state: AlertState) -> None:
        self.table[state.header.event_id] = state
        self.alerts.note(state, DECISIONS, STEPS)

    def told(self, now: datetime) -> list[tuple[str, str]]:
        after, event_ids = self.alerts.due(now)
        found = []
        for event_id in event_ids:
            state = self.table[event_id]
            step = timers.due(state, DECISIONS, STEPS, after, now)
            found += [(event_id, notification.destination) for notification in step.notifications]
            self.alerts.plan(event_id, timers.next_due(state, DECISIONS, STEPS, now))
        return sorted(found)


@pytest.fixture
def alerts() -> Watched:
    return Watched()


def opened(make: Any, event_id: str, since: datetime, level: Level = Level.DELIVERED) -> AlertState:
    alert = make.alert(event_id=event_id, received_at=since)
    destinations = {
        name: DestinationState(level=level, changed_at=since, delivery_id=name) for name in ("tak", "cap", "eido")
    }
    return AlertState(header=alert.header, device_id=alert.device_id, status=AlertStatus.DELIVERED, alert=alert,
                      destinations=destinations, changed_at=since)  # fmt: skip


def test_each_destination_is_told_again_at_its_own_times(alerts: Watched, make: Any) -> None:
    since = make.header().received_at
    alerts.told(since)
    alerts.note(opened(make, "one", since))
    found = {second: alerts.told(since + timedelta(seconds=second)) for second in range(1, 61)}

    assert {
        10: [("one", "tak")], 20: [("one", "tak")], 25: [("one", "cap")], 30: [("one", "tak")], 40: [("one", "tak")],
        50: [("one", "cap"), ("one", "tak")], 60: [("one", "tak")],
    } == {second: names for second, names in found.items() if names}  # fmt: skip


def test_a_closed_alert_is_told_no_more_and_a_noted_one_not_twice(alerts: Watched, make: Any) -> None:
    since = make.header().received_at
    alerts.told(since)
    for event_id in ("one", "two"):
        state = opened(make, event_id, since)
        alerts.note(state)
        alerts.note(state.model_copy(update={"changed_at": since + timedelta(seconds=1)}))
    alerts.note(opened(make, "one", since).model_copy(update={"status": AlertStatus.RESOLVED}))

    assert [("two", "tak")] == alerts.told(since + timedelta(seconds=10))


def test_while_it_is_built_anew_nothing_is_shown_and_only_the_last_building_counts(alerts: Watched, make: Any) -> None:
    since = make.header().received_at
    alerts.note(opened(make, "one", since))
    alerts.alerts.measure(since)
    first, second = alerts.alerts.clear(), alerts.alerts.clear()
    alerts.alerts.built(first)
    before = alerts.alerts.is_whole, alerts.alerts.is_current(first), alerts.alerts.knows("one")
    alerts.alerts.measure(since)
    shown = OPEN_ALERTS.labels("DELIVERED")._value.get()
    alerts.note(opened(make, "two", since))
    alerts.alerts.built(second)

    assert (False, False, False) == before
    assert 1 == shown
    assert (True, True) == (alerts.alerts.is_whole, alerts.alerts.knows("two"))


def test_what_fell_due_while_nobody_ran_is_told_once_at_the_start(alerts: Watched, make: Any) -> None:
    since = make.header().received_at - timedelta(hours=1)
    alerts.alerts.clear()
    alerts.note(opened(make, "old", since))
    now = since + timedelta(hours=1, seconds=1)

    assert [("old", "cap"), ("old", "tak")] == alerts.told(now)
    assert [] == alerts.told(now + timedelta(seconds=1))
    assert [("old", "tak")] == alerts.told(now + timedelta(seconds=9))


def test_the_gauges_follow_every_change_and_are_right_again_after_it_was_built_anew(alerts: Watched, make: Any) -> None:
    since = make.header().received_at
    now = since + timedelta(seconds=30)
    waiting = opened(make, "waiting", since, Level.UNKNOWN)
    alerts.note(opened(make, "later", since + timedelta(seconds=5), Level.UNKNOWN))
    paged = opened(make, "paged", since).model_copy(update={"escalated_seconds": 7_200.0})
    for state in (waiting, paged):
        alerts.note(state)
    alerts.note(opened(make, "waiting", since, Level.ACCEPTED))
    first = gauges(alerts, now)

    build = alerts.alerts.clear()
    for state in alerts.table.values():
        alerts.alerts.note(state, DECISIONS, STEPS)
    alerts.alerts.built(build)
    again = gauges(alerts, now)
    alerts.note(paged.model_copy(update={"status": AlertStatus.RESOLVED}))

    assert {"open": 3, "unanswered": 1, "oldest": 25} == first == again
    assert {"open": 2, "unanswered": 0, "oldest": 25} == gauges(alerts, now)


def test_the_oldest_that_waits_stays_the_oldest_whatever_comes_after_it(alerts: Watched, make: Any) -> None:
    since = make.header().received_at
    now = since + timedelta(seconds=600)
    oldest = opened(make, "oldest", since, Level.UNKNOWN)
    alerts.note(oldest)
    for second in range(1, 501):
        later = opened(make, f"later-{second}", since + timedelta(seconds=second), Level.UNKNOWN)
        alerts.note(later)
        alerts.note(later.model_copy(update={"destinations": opened(make, "x", since).destinations}))
    # It got through to another one, and nothing more is known here.
    alerts.note(oldest.model_copy(update={"destinations": oldest.destinations | {
        "cap": opened(make, "x", since).destinations["cap"]}}))  # fmt: skip
    first = gauges(alerts, now)["oldest"]
    kept = len(alerts.alerts._oldest["tak"])
    alerts.note(opened(make, "oldest", since))

    assert 600 == first
    assert kept < 200
    assert 0 == gauges(alerts, now)["oldest"]


def gauges(alerts: Watched, now: datetime) -> dict[str, float]:
    alerts.alerts.measure(now)
    return {
        "open": OPEN_ALERTS.labels("DELIVERED")._value.get(),
        "unanswered": UNANSWERED_ALERTS.labels("EXERCISE")._value.get(),
        "oldest": UNDELIVERED_ALERT_SECONDS.labels("tak")._value.get(),
    }
