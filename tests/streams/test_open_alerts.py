"""When open alerts are told again, whatever came and went in between."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from bondmate_schemas.enums import AlertStatus, Level
from bondmate_schemas.models import AlertState, DestinationState
from bondmate_streams.agents.open_alerts import OpenAlerts
from bondmate_streams.logic.routing import Decision

DECISIONS = [Decision("tak", "fast", 10.0), Decision("cap", "slow", 25.0), Decision("eido", "never", None)]


@pytest.fixture
def alerts() -> OpenAlerts:
    return OpenAlerts(["tak", "cap", "eido"])


def opened(make: Any, event_id: str, since: datetime) -> AlertState:
    alert = make.alert(event_id=event_id, received_at=since)
    destinations = {
        name: DestinationState(level=Level.DELIVERED, changed_at=since, delivery_id=name)
        for name in ("tak", "cap", "eido")
    }
    return AlertState(header=alert.header, device_id=alert.device_id, status=AlertStatus.DELIVERED, alert=alert,
                      destinations=destinations, changed_at=since)  # fmt: skip


def told(alerts: OpenAlerts, now: datetime) -> list[tuple[str, str]]:
    return sorted((state.header.event_id, t.destination) for state, tellings in alerts.due(now) for t in tellings)


def test_each_destination_is_told_again_at_its_own_times(alerts: OpenAlerts, make: Any) -> None:
    since = make.header().received_at
    alerts.due(since)
    alerts.note(opened(make, "one", since), DECISIONS)
    found = {second: told(alerts, since + timedelta(seconds=second)) for second in range(1, 61)}

    assert {
        10: [("one", "tak")], 20: [("one", "tak")], 25: [("one", "cap")], 30: [("one", "tak")], 40: [("one", "tak")],
        50: [("one", "cap"), ("one", "tak")], 60: [("one", "tak")],
    } == {second: names for second, names in found.items() if names}  # fmt: skip


def test_a_closed_alert_is_told_no_more_and_a_noted_one_not_twice(alerts: OpenAlerts, make: Any) -> None:
    since = make.header().received_at
    alerts.due(since)
    for event_id in ("one", "two"):
        state = opened(make, event_id, since)
        alerts.note(state, DECISIONS)
        alerts.note(state.model_copy(update={"changed_at": since + timedelta(seconds=1)}), DECISIONS)
    alerts.note(opened(make, "one", since).model_copy(update={"status": AlertStatus.RESOLVED}), DECISIONS)

    assert [("two", "tak")] == told(alerts, since + timedelta(seconds=10))


def test_what_fell_due_while_nobody_ran_is_told_once_at_the_start(alerts: OpenAlerts, make: Any) -> None:
    since = make.header().received_at - timedelta(hours=1)
    alerts.clear()
    alerts.note(opened(make, "old", since), DECISIONS)
    now = since + timedelta(hours=1, seconds=1)

    assert [("old", "cap"), ("old", "tak")] == told(alerts, now)
    assert [] == told(alerts, now + timedelta(seconds=1))
    assert [("old", "tak")] == told(alerts, now + timedelta(seconds=9))
