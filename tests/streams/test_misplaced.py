"""What strangers write in any partition and under any key is taken once, in order, where it belongs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from bondmate_kafka.partitions import partition_of
from bondmate_schemas import catalogue
from bondmate_schemas.catalogue import (
    ALERT_CHANGES,
    ALERT_STANDINGS,
    DEVICE_ALERTS,
    INCIDENT_RECEIPTS,
    INCIDENTS,
    MESSAGES,
    RECEIPTS,
    STATE_ALERTS,
    STATE_INCIDENTS,
    changelog_topic,
    dead_letter_topic,
    destination_topic,
)
from bondmate_schemas.enums import AlertAction, AlertStatus, IncidentAction, Level, MessageDirection
from bondmate_schemas.models import AlertState, Delivery, IncidentState, Record
from prometheus_client import REGISTRY

from tests.streams.foreign import WAYS, Stranger, by_key, misplaced

pytestmark = pytest.mark.usefixtures("streams")
TAK = destination_topic("tak")
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def stranger(kafka: Any, way: str) -> Stranger:
    return Stranger(kafka, way)


def keyed(topics: Any, topic: str, *records: Record) -> Iterator[tuple[str, bytes]]:
    return ((catalogue.key_of(topic, record), topics.codec.encode(record)) for record in records)


def reached(topics: Any, ids: set[str], status: AlertStatus) -> None:
    """Wait until all these alerts stand so."""
    topics.wait(STATE_ALERTS, AlertState, lambda s: s.header.event_id in ids and s.status is status, len(ids))


def test_receipts_count_once_and_each_alert_has_one_state(topics: Any, make: Any, way: str, stranger: Stranger) -> None:
    def risen(level: str) -> float:
        return REGISTRY.get_sample_value("hub_alert_levels_total", {"destination": "tak", "level": level}) or 0.0

    alerts = [make.alert(f"device-{way}-{number}") for number in range(12)]
    ids = {alert.header.event_id for alert in alerts}
    before = risen("ACCEPTED"), risen("RESPONDING")
    topics.put(DEVICE_ALERTS, *alerts)
    reached(topics, ids, AlertStatus.ROUTED)
    for level in (Level.ACCEPTED, Level.RESPONDING):
        receipts = [make.receipt(event_id, "tak", level) for event_id in sorted(ids)]
        stranger.write(RECEIPTS, keyed(topics, RECEIPTS, *receipts))
    reached(topics, ids, AlertStatus.RESPONDING)

    found = [one for one in topics.all(STATE_ALERTS) if (one.key or b"").decode() in ids]
    states = by_key(found, lambda one: topics.codec.decode(one.value, AlertState))
    assert [] == misplaced(found)
    assert {(Level.RESPONDING, AlertStatus.RESPONDING)} == {
        (kept[-1].destinations["tak"].level, kept[-1].status) for kept in states.values()
    }
    assert (before[0] + 12, before[1] + 12) == (risen("ACCEPTED"), risen("RESPONDING"))


def test_alerts_of_devices_are_told_once_in_order(topics: Any, make: Any, way: str, stranger: Stranger) -> None:
    raised = [make.alert(f"device-a-{way}-{number}") for number in range(8)]
    cancelled = [
        make.alert(alert.device_id, event_id=alert.header.event_id, action=AlertAction.CANCEL, kind=alert.kind)
        for alert in raised
    ]
    ids = {alert.header.event_id for alert in raised}
    stranger.write(DEVICE_ALERTS, keyed(topics, DEVICE_ALERTS, *raised, *cancelled))
    topics.wait(STATE_ALERTS, AlertState, lambda s: s.header.event_id in ids and s.cancel_requested, len(ids))

    told = [d for d in topics.records(TAK, Delivery) if d.header.event_id in ids]
    memories = [one for one in topics.all(changelog_topic("devices")) if b"device-a-" in (one.key or b"")]
    assert {("NEW", "UPDATE")} == {
        tuple(d.reason.value for d in told if d.header.event_id == event_id) for event_id in ids
    }
    assert [] == misplaced(memories)


def test_incidents_keep_the_order_of_their_writer(topics: Any, make: Any, way: str, stranger: Stranger) -> None:
    names = [f"incident-{way}-{number}" for number in range(4)]
    events = [
        make.incident(incident_id=name, title=str(number), action=IncidentAction.OPENED if not number else IncidentAction.UPDATED)
        for number in range(10)
        for name in names
    ]  # fmt: skip
    stranger.write(INCIDENTS, keyed(topics, INCIDENTS, *events))
    topics.wait(TAK, Delivery, lambda d: d.header.incident_id in names, len(events))

    told = [d for d in topics.records(TAK, Delivery) if d.header.incident_id in names]
    states = [one for one in topics.all(STATE_INCIDENTS) if (one.key or b"").decode() in names]
    titles = {name: [d.incident.title for d in told if d.header.incident_id == name] for name in names}
    assert {name: [str(number) for number in range(10)] for name in names} == titles
    assert [] == misplaced(states)
    last = by_key(states, lambda one: topics.codec.decode(one.value, IncidentState))
    assert {"9"} == {kept[-1].event.title for kept in last.values()}


def test_messages_keep_the_order_of_their_writer_both_ways(
    topics: Any, make: Any, way: str, stranger: Stranger
) -> None:
    devices = [f"device-m-{way}-{number}" for number in range(4)]
    # A destination reads in order what is of one incident.
    up = [make.message(device, incident_id=f"incident-{device}") for _ in range(8) for device in devices]
    ids = {message.header.event_id for message in up}
    stranger.write(MESSAGES, keyed(topics, MESSAGES, *up))
    topics.wait(TAK, Delivery, lambda d: d.header.event_id in ids, len(up))
    down = [
        make.message(device, source="tak", direction=MessageDirection.TO_DEVICE, text=f"down {number}", sender="tak")
        for number in range(4)
        for device in devices
    ]
    stranger.write(MESSAGES, keyed(topics, MESSAGES, *down))
    addressed = lambda m: m.device_id in devices and "streams" in m.header.hops  # noqa: E731
    topics.wait(MESSAGES, type(up[0]), addressed, len(down))

    told = [d for d in topics.records(TAK, Delivery) if d.header.event_id in ids]
    kept = {device: [m.text for m in topics.records(MESSAGES, type(up[0])) if addressed(m) and m.device_id == device]
            for device in devices}  # fmt: skip
    events = [[m.header.event_id for m in up if m.device_id == device] for device in devices]
    assert len(up) == len(told)
    assert events == [[d.header.event_id for d in told if d.header.event_id in mine] for mine in events]
    assert {device: [f"down {number}" for number in range(4)] for device in devices} == kept


def test_between_the_agents_too_records_are_taken_where_they_belong(
    topics: Any, make: Any, way: str, stranger: Stranger
) -> None:
    alerts = [make.alert(f"device-c-{way}-{number}", incident_id=f"incident-c-{way}-{number}") for number in range(6)]
    ids = {alert.header.event_id for alert in alerts}
    stranger.write(ALERT_CHANGES, keyed(topics, ALERT_CHANGES, *alerts))
    reached(topics, ids, AlertStatus.ROUTED)
    states = [s for s in topics.records(STATE_ALERTS, AlertState) if s.header.event_id in ids]
    closed = [s.model_copy(update={"status": AlertStatus.RESOLVED}) for s in states]
    stranger.write(ALERT_STANDINGS, keyed(topics, ALERT_STANDINGS, *closed))
    incidents = [make.incident(incident_id=f"incident-i-{way}-{number}") for number in range(6)]
    topics.put(INCIDENTS, *incidents)
    topics.wait(STATE_INCIDENTS, IncidentState, lambda s: s.header.incident_id in {
        i.header.incident_id for i in incidents}, 6)  # fmt: skip
    receipts = [
        make.receipt(i.header.event_id, "tak", Level.ACCEPTED, incident_id=i.header.incident_id) for i in incidents
    ]
    stranger.write(INCIDENT_RECEIPTS, keyed(topics, INCIDENT_RECEIPTS, *receipts))
    topics.wait(
        STATE_INCIDENTS,
        IncidentState,
        lambda s: (
            s.header.incident_id in {i.header.incident_id for i in incidents}
            and s.destinations["tak"].level is Level.ACCEPTED
        ),
        6,
    )

    for topic in (STATE_ALERTS, STATE_INCIDENTS, changelog_topic("devices"), changelog_topic("incidents")):
        assert [] == misplaced(one for one in topics.all(topic) if way.encode() in (one.key or b""))


@pytest.mark.parametrize("way", ["librdkafka"])
def test_what_is_written_again_keeps_bytes_headers_and_trace_and_never_circles(
    topics: Any, make: Any, stranger: Stranger
) -> None:
    headers = [("ce_id", b"mine"), ("traceparent", TRACE.encode()), ("bondmate.moved.times", b"1")]
    alerts = [make.alert(f"device-h-{number}") for number in range(8)]
    topics.put(DEVICE_ALERTS, *alerts)
    ids = {alert.header.event_id for alert in alerts}
    reached(topics, ids, AlertStatus.ROUTED)
    receipts = [make.receipt(event_id, "tak", Level.ACCEPTED) for event_id in sorted(ids)]
    stranger.write(RECEIPTS, keyed(topics, RECEIPTS, *receipts), headers)
    reached(topics, ids, AlertStatus.ACCEPTED)

    found = [one for one in topics.all(RECEIPTS) if (one.key or b"").decode() in ids]
    first = {one.key: one for one in found if "bondmate.moved.from" not in one.headers}
    again = [one for one in found if "bondmate.moved.from" in one.headers]
    assert {one.key for one in misplaced(first.values())} == {one.key for one in again} != set()
    assert len(again) == len({one.key for one in again})
    for one in again:
        was = first[one.key]
        lay_at = f"{RECEIPTS}/{was.partition}/{was.offset}".encode()
        assert was.value == one.value
        assert {**was.headers, "bondmate.moved.times": b"2", "bondmate.moved.from": lay_at} == one.headers


def test_what_went_in_circles_is_a_dead_letter_and_can_be_replayed(topics: Any, make: Any, kafka: Any) -> None:
    alert = make.alert("device-circle")
    topics.put(DEVICE_ALERTS, alert)
    event_id = alert.header.event_id
    reached(topics, {event_id}, AlertStatus.ROUTED)
    receipt = topics.codec.encode(make.receipt(event_id, "tak", Level.ACCEPTED))
    key = event_id.encode()
    elsewhere = (partition_of(key, catalogue.PARTITIONS) + 1) % catalogue.PARTITIONS
    marks = [("bondmate.moved.times", b"16"), ("ce_id", b"mine")]
    topics.put_bytes(RECEIPTS, key, receipt, marks, partition=elsewhere)
    letter = topics.wait_found(dead_letter_topic("receipts"), lambda found: found.value == receipt)

    assert b"misplaced" == letter.headers["bondmate.error.code"]
    assert (key, b"mine") == (letter.key, letter.headers["ce_id"])
    topics.put_bytes(RECEIPTS, key, receipt, [("ce_id", b"mine")])
    reached(topics, {event_id}, AlertStatus.ACCEPTED)
