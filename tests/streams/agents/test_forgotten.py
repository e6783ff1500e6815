"""A closed alert is forgotten after its time, everywhere; an open one never."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bondmate_schemas.catalogue import DEVICE_ALERTS, RECEIPTS, STATE_ALERTS, destination_topic
from bondmate_schemas.enums import AlertKind, AlertStatus, Level
from bondmate_schemas.models import AlertState, Delivery, DeviceAlert
from prometheus_client import REGISTRY

SECONDS = 20
TAK = destination_topic("tak")


def forgotten() -> float:
    return REGISTRY.get_sample_value("hub_agent_events_total", {"agent": "alert-times", "outcome": "forgotten"}) or 0.0


def statuses(topics: Any, alert: DeviceAlert) -> list[AlertStatus | None]:
    """Give what the state of an alert became, in order; None where it was forgotten."""
    values = [found.value for found in topics.all(STATE_ALERTS) if found.key == alert.header.event_id.encode()]
    return [None if value is None else topics.codec.decode(value, AlertState).status for value in values]


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def closed(topics: Any, make: Any, *alerts: DeviceAlert) -> None:
    """Raise alerts, and resolve the first."""
    topics.put(DEVICE_ALERTS, *alerts)
    for alert in alerts:
        topics.wait(TAK, Delivery, lambda d, alert=alert: d.header.event_id == alert.header.event_id)
    event_id = alerts[0].header.event_id
    topics.put(RECEIPTS, *(make.receipt(event_id, "tak", level) for level in (Level.ACKNOWLEDGED, Level.RESOLVED)))
    until(lambda: AlertStatus.RESOLVED in statuses(topics, alerts[0]))


@pytest.mark.system
def test_a_closed_alert_is_forgotten_after_its_time_also_by_a_worker_that_never_saw_it(
    topics: Any, make: Any, configured: Any, running: Any, tmp_path: Path
) -> None:
    first, second, opened = (make.alert(f"device-{name}", kind=AlertKind.LOW_BATTERY) for name in "abc")
    before = forgotten()
    streams = running(configured(tmp_path / "tables", keep_closed=timedelta(days=1)))
    closed(topics, make, first, opened)
    time.sleep(2)
    assert None not in statuses(topics, first)
    streams.stop()
    shutil.rmtree(tmp_path / "tables")

    streams = running(configured(tmp_path / "tables", keep_closed=timedelta(seconds=2)))
    until(lambda: None in statuses(topics, first))
    # A late report of it finds nothing, and does no harm.
    topics.put(RECEIPTS, make.receipt(first.header.event_id, "tak", Level.RESOLVED))
    closed(topics, make, second)
    until(lambda: None in statuses(topics, second))
    streams.stop()

    assert statuses(topics, first)[-1] is statuses(topics, second)[-1] is None
    assert None not in statuses(topics, opened)
    assert before + 2 == forgotten()
