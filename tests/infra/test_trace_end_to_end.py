"""`hub trace` and `hub alerts list` on a broker: every id that anybody quotes leads to the whole way."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from bondmate_connectors.formats.cap.values import our_identifier
from bondmate_connectors.formats.cot.types import alert_uid
from bondmate_connectors.runtime.receipts import receipt_for
from bondmate_hub.cli import app
from bondmate_schemas.catalogue import ALERT_CHANGES, AUDIT, DEVICE_ALERTS, RECEIPTS, STATE_ALERTS, destination_topic
from bondmate_schemas.codec import Codec
from bondmate_schemas.device_alert_ids import alert_event_id
from bondmate_schemas.enums import AlertAction, AlertKind, AuditAction, Level, Mode
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import (
    AuditRecord,
    Delivery,
    DeviceAlert,
    EventHeader,
    ExternalRef,
    Position,
    Record,
)
from bondmate_streams.agents.routing_service import RoutingService
from bondmate_streams.logic import heard, states
from bondmate_streams.logic.alerts import take
from bondmate_streams.logic.audit import audit_name
from bondmate_streams.logic.deliveries import Agreements
from bondmate_streams.logic.outside import returned, with_keys
from bondmate_streams.logic.routes_yaml import parse_routes
from confluent_kafka import Producer
from typer.testing import CliRunner, Result

SECONDS = 60
SECRET = "a-secret-of-tests-only"  # pragma: allowlist secret
ROUTES = """
destinations:
  room: {modes: [ACTUAL], fields: {alert: {position: plain}}}
routes:
  - {name: alerts, when: {record: alert}, to: room}
"""
SETTINGS = f"streams: {{routes: routes.yaml, pseudonym_secret: {SECRET}}}\n"
EVENT = alert_event_id("device-canary-7", "own-1")
LATITUDE, CALLSIGN, OFFICER = 50.123456, "K-12 canary", "officer-canary"


def raised(event_id: str = EVENT, device: str = "device-canary-7", own: str = "own-1") -> DeviceAlert:
    now = datetime.now(UTC)
    header = EventHeader(message_id=f"message-{own}", event_id=event_id, agency_id="agency", mode=Mode.ACTUAL,
                         external_refs=(ExternalRef(system="device", id=own),), occurred_at=now, received_at=now,
                         source="device_http")  # fmt: skip
    position = Position(latitude=LATITUDE, longitude=6.5, fixed_at=now)
    return DeviceAlert(header=header, device_id=device, action=AlertAction.RAISE, kind=AlertKind.SOS, callsign=CALLSIGN,
                       officer_ref=OFFICER, position=position)  # fmt: skip


class Traced:
    """A hub in which one alert was raised, told to a room, pressed again and acknowledged."""

    def __init__(self, hub: Any) -> None:
        self.hub = hub
        self._codec = Codec(hub.ids)

    def write(self, topic: str, key: str, *records: Record) -> None:
        producer = Producer(self.hub.kafka.producer("test"))
        for record in records:
            producer.produce(topic, self._codec.encode(record), key.encode())
        assert producer.flush(SECONDS) == 0

    def run(self, *arguments: str, said: str = "") -> Result:
        return CliRunner().invoke(app, [*arguments, "--config", str(self.hub.folder / "hub.yaml")], input=said)

    def trace(self, *arguments: str, said: str = "") -> Result:
        return self.run("trace", *arguments, "--operator", "kim", "--reason", "they called", said=said)

    def parts(self, *arguments: str) -> list[dict[str, Any]]:
        done = self.trace(*arguments, "--json")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def told(self) -> Delivery:
        return self.hub.records(destination_topic("room"), Delivery)[0]

    def trail(self) -> list[AuditRecord]:
        found = self.hub.records(AUDIT, AuditRecord)
        return [record for record in found if record.action is AuditAction.CONSULTATION]


@pytest.fixture
def traced(dlq_hub: Any, tmp_path: Any) -> Traced:
    """As the streams leave it, by their own decisions: raised, told to a room, pressed again, seen by a person."""
    (tmp_path / "routes.yaml").write_text(ROUTES, encoding="utf-8")
    found = Traced(dlq_hub(SETTINGS))
    routes = parse_routes(ROUTES)
    agreements, routing = Agreements(routes, SECRET.encode()), RoutingService(routes)
    first = raised()
    taken = take(first, None, None, datetime.now(UTC)).change
    step = states.change(None, taken, routing.route(taken), datetime.now(UTC))
    state = step.state.model_copy(update={"destinations": with_keys((), step.state.destinations, agreements.outside)})
    (told,) = (agreements.delivery(each, datetime.now(UTC)) for each in step.notifications)
    again = raised(alert_event_id("device-canary-7", "own-2"), own="own-2")
    pressed = again.model_copy(update={"header": again.header.model_copy(update={"event_id": EVENT})})
    state = states.change(state, pressed, routing.route(taken), datetime.now(UTC)).state
    seen = receipt_for(told, Level.ACKNOWLEDGED, now=datetime.now(UTC), platform_id="4711/26")
    seen = seen.model_copy(update={"by_ref": "dispatcher 9"})
    state = heard.receive(state, returned(seen, agreements.outside), (), routing.route(taken), datetime.now(UTC)).state
    found.write(DEVICE_ALERTS, "device-canary-7", first)
    found.write(ALERT_CHANGES, EVENT, taken)
    found.write(destination_topic("room"), told.key, told)
    found.write(DEVICE_ALERTS, "device-canary-7", again)
    found.write(RECEIPTS, EVENT, seen)
    found.write(STATE_ALERTS, EVENT, state)
    return found


@pytest.mark.parametrize("new_broker", ["embedded"], indirect=True)
def test_whatever_anybody_quotes_shows_the_whole_way_and_the_trail_has_it_first(
    traced: Traced,
) -> None:
    told = traced.told()
    outside = told.header.event_id
    quoted = {
        "event": EVENT,
        "second press": alert_event_id("device-canary-7", "own-2"),
        "device": "device-canary-7",
        "the device's own id": "own-1",
        "incident": derived_id("incident", EVENT),
        "outside": outside,
        "cap": our_identifier(outside, told.id),
        "cot": alert_uid(outside),
        "their number": "4711/26",
    }
    without = traced.run("trace", EVENT, "--operator", "kim")
    blank = traced.run("trace", EVENT, "--operator", "kim", "--reason", " ")
    otherwise = traced.trace("--callsign", CALLSIGN, said="K-13\n")
    before = traced.trail()
    found = {name: traced.parts(text) for name, text in quoted.items()}
    shown = traced.parts(EVENT, "--positions")
    twice = traced.trace("--callsign", CALLSIGN, said=f"{CALLSIGN}\n")
    by_name = traced.trace(CALLSIGN)
    later = traced.trace(EVENT, "--since", "2099-01-01")
    listed = traced.run("alerts", "list", "--open", "--json")

    assert (2, 2, 2) == (without.exit_code, blank.exit_code, otherwise.exit_code)
    assert (False, []) == (EVENT in without.stdout + blank.stdout + otherwise.stdout, before)
    for name, parts in found.items():
        assert [EVENT] == [part["event_id"] for part in parts if part["record"] == "alert"], name
        hops = [(part["who"], part["what"]) for part in parts if part["record"] == "hop"]
        assert [("device", "raised"), ("streams", "taken up"), ("streams", "routed")] == hops[:3], name
        assert ("room", "acknowledged") in hops, name
        assert 2 == hops.count(("device", "raised")), name
    acknowledged = next(part for part in found["cap"] if part.get("what") == "acknowledged")
    assert ("dispatcher 9", "4711/26") == (acknowledged["by"], acknowledged["number"])
    assert not any(word in json.dumps(found) for word in (str(LATITUDE), OFFICER, CALLSIGN))
    assert [LATITUDE, 6.5] in [part.get("position") for part in shown]
    assert (0, True) == (twice.exit_code, "room  acknowledged" in twice.stdout)
    assert (1, True) == (by_name.exit_code, "nothing is kept of it" in by_name.stdout)
    assert (0, True, False) == (later.exit_code, "a person has seen it" in later.stdout, "raised  (" in later.stdout)
    trail = traced.trail()
    assert len(quoted) + 4 == len(trail)
    assert {("kim", "they called")} == {(one.recipient, one.purpose) for one in trail}
    assert {EVENT} == {one.event_id for one in trail[: len(quoted) + 2]}
    assert [("trace",), ("trace", "positions"), ("trace.callsign",)] == [one.fields for one in trail[-5:-2]]
    assert audit_name(SECRET.encode(), "device-canary-7") in trail[0].subjects
    row = json.loads(listed.stdout)
    assert (1, EVENT, True, True) == (listed.exit_code, row["event_id"], row["open"], row["answered"])
    assert ("ACKNOWLEDGED", False) == (row["destinations"]["room"]["level"], "canary" in listed.stdout)
