"""`hub incidents link|unlink` and `hub alerts close` on a running hub: rooms hear of it, the trail says who and why."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from bondmate_schemas.catalogue import AUDIT, DEVICE_ALERTS, STATE_ALERTS, destination_topic
from bondmate_schemas.codec import Codec
from bondmate_schemas.enums import AlertAction, AlertKind, AlertStatus, DeliveryReason, Mode
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import AlertState, AuditRecord, Delivery, DeviceAlert, EventHeader
from confluent_kafka import Producer

SECONDS = 60
pytestmark = [pytest.mark.system, pytest.mark.parametrize("new_broker", ["embedded"], indirect=True)]
ROUTES = """
destinations:
  room: {modes: [ACTUAL], fields: {alert: {text: plain}}}
routes:
  - {name: alerts, when: {record: alert}, to: room}
"""
SETTINGS = "streams: {routes: routes.yaml, pseudonym_secret: a-secret-of-tests-only}\n"  # pragma: allowlist secret


def until(look: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + SECONDS
    while not look():
        assert time.monotonic() < end, f"not within {SECONDS} s: {what}"
        time.sleep(0.1)


def raised(number: int) -> DeviceAlert:
    now = datetime.now(UTC)
    header = EventHeader(message_id=f"message-{number}", event_id=f"alert-{number}", agency_id="agency",
                         mode=Mode.ACTUAL, occurred_at=now, received_at=now, source="device_http")  # fmt: skip
    return DeviceAlert(header=header, device_id=f"device-{number}", action=AlertAction.RAISE, kind=AlertKind.SOS)


def test_operations_link_two_alerts_take_them_apart_and_close_one(dlq_hub: Any, tmp_path: Any) -> None:
    (tmp_path / "routes.yaml").write_text(ROUTES, encoding="utf-8")
    hub = dlq_hub(SETTINGS)

    def numbers() -> dict[str, str]:
        states = hub.records(STATE_ALERTS, AlertState)
        return {s.header.event_id: s.alert.whole.group_id if s.alert.whole else "" for s in states}

    def operations(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "bondmate_hub", *arguments, "--reason", "one fight",
                   "--operator", "kim", "--config", str(hub.folder / "hub.yaml")]  # fmt: skip
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=hub.folder)

    with hub.running("streams"):
        producer = Producer(hub.kafka.producer("device"))
        for number in (1, 2):
            producer.produce(DEVICE_ALERTS, Codec(hub.ids).encode(raised(number)), f"device-{number}".encode())
        assert producer.flush(SECONDS) == 0
        until(lambda: len(numbers()) == 2, "both alerts")
        linked = operations("incidents", "link", "alert-2", "alert-1")
        until(lambda: numbers()["alert-2"] == derived_id("incident", "alert-1"), "the link")
        apart = operations("incidents", "unlink", derived_id("incident", "alert-2"))
        until(lambda: numbers()["alert-2"] == "", "the link undone")
        wrong = operations("incidents", "unlink", "alert-1")
        closed = operations("alerts", "close", "alert-2")
        until(lambda: AlertStatus.RESOLVED in {s.status for s in hub.records(STATE_ALERTS, AlertState)}, "the end")
        late = operations("alerts", "close", "alert-2")
        told = [d for d in hub.records(destination_topic("room"), Delivery) if d.reason is DeliveryReason.UPDATE]
        ends = [d for d in hub.records(destination_topic("room"), Delivery) if d.reason is DeliveryReason.CANCEL]

    assert (0, 0) == (linked.returncode, apart.returncode), linked.stderr + apart.stderr
    assert (1, True) == (wrong.returncode, "linked to no other" in wrong.stderr)
    assert (0, 1, True) == (closed.returncode, late.returncode, "ended already" in late.stderr), closed.stderr
    assert [("operations", "resolved")] == [(d.alert.whole.ended_by, d.alert.whole.ended_why) for d in ends]
    assert [True, False] == [bool(d.alert.whole.group_id) for d in told]
    trail = [r for r in hub.records(AUDIT, AuditRecord) if r.recipient == "kim"]
    assert [
        (("incident.linked",), "one fight"),
        (("incident.unlinked",), "one fight"),
        (("alert.closed",), "one fight"),
    ] == [(record.fields, record.purpose) for record in trail]
