"""The agents on a broker: what goes in at one end comes out at the others."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from bondmate_kafka.partitions import partition_of
from bondmate_schemas import catalogue
from bondmate_schemas.catalogue import (
    AUDIT,
    DEVICE_ALERTS,
    INCIDENTS,
    LAST_LOCATION,
    MESSAGES,
    RECEIPTS,
    STATE_ALERTS,
    STATE_INCIDENTS,
    changelog_topic,
    dead_letter_topic,
    destination_topic,
)
from bondmate_schemas.enums import (
    AlertAction,
    AlertKind,
    AlertStatus,
    DeliveryReason,
    IncidentAction,
    Level,
    MessageDirection,
    Mode,
    PositionOrigin,
)
from bondmate_schemas.ids import derived_id, pseudonym
from bondmate_schemas.models import AlertState, AuditRecord, Delivery, DeviceMessage, IncidentState
from bondmate_schemas.outside_ids import OutsideIds
from bondmate_streams.logic.audit import breaks
from bondmate_streams.logic.deliveries import refresh_id
from prometheus_client import REGISTRY

pytestmark = pytest.mark.usefixtures("streams")
SECRET = b"a secret of tests"
OUTSIDE = OutsideIds.of(SECRET)
TAK, CAP, PATROL = (destination_topic(name) for name in ("tak", "cap", "patrol"))


def of(event_id: str, reason: DeliveryReason = DeliveryReason.NEW) -> Any:
    return lambda delivery: (delivery.header.event_id, delivery.reason) == (event_id, reason)


def state(topics: Any, event_id: str, status: AlertStatus) -> AlertState:
    return topics.wait(STATE_ALERTS, AlertState, lambda s: (s.header.event_id, s.status) == (event_id, status))[-1]


def test_an_alert_reaches_every_destination_that_takes_its_mode_and_no_other(topics: Any, make: Any) -> None:
    alert = make.alert("device-a", position=make.position(), text="help", callsign="c-1")
    topics.put(DEVICE_ALERTS, alert)

    event_id = alert.header.event_id
    tak = topics.wait(TAK, Delivery, of(event_id))[0]
    cap = topics.wait(CAP, Delivery, of(event_id))[0]

    assert (derived_id("delivery", event_id, "tak"), "device-a", "c-1") == (
        tak.id,
        tak.alert.device_id,
        tak.alert.callsign,
    )
    assert (pseudonym(SECRET, "cap", "device-a"), None) == (cap.alert.device_id, cap.alert.callsign)
    assert cap.alert.position.latitude != alert.position.latitude == tak.alert.position.latitude
    assert PositionOrigin.OWN == tak.alert.position_origin
    # One worker has every partition: its alert need not go over the topic between the agents.
    assert [] == [change for change in topics.all(catalogue.ALERT_CHANGES) if change.key == event_id.encode()]
    assert [] == [d for d in topics.records(PATROL, Delivery) if d.header.event_id == event_id]


def test_a_delivery_lies_under_its_incident_with_the_attributes_of_cloudevents(topics: Any, make: Any) -> None:
    alert = make.alert("device-h")
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    value = topics.codec.encode(alert)
    topics.put_bytes(DEVICE_ALERTS, b"device-h", value, [("traceparent", trace.encode())])
    delivery = topics.wait(TAK, Delivery, of(alert.header.event_id))[0]
    outside = OUTSIDE.of_destination("tak")
    found = topics.wait_found(TAK, lambda f: f.headers["ce_id"] == outside(delivery.id).encode())

    assert outside(derived_id("incident", alert.header.event_id)).encode() == found.key
    assert (b"1.0", b"eu.bondmate.Delivery", b"device_http") == tuple(
        found.headers[name] for name in ("ce_specversion", "ce_type", "ce_source")
    )
    # A trace is the same at every destination, so it goes there sealed: read by the hub alone, another at each.
    assert "traceparent" not in found.headers
    assert trace.encode()[3:35] not in b"".join(found.headers.values())
    assert trace[:35] == OUTSIDE.back("tak", found.headers["bondmate.trace"].decode())[:35]


def test_the_last_known_location_is_joined_to_an_alert_without_one(topics: Any, make: Any) -> None:
    fix = make.location("device-j", position=make.position(50.5, 3.5))
    topics.put(LAST_LOCATION, fix)
    for _ in range(100):  # no alert waits for the view, so this one asks until the view has it
        alert = make.alert("device-j", kind=AlertKind.GEOFENCE)
        topics.put(DEVICE_ALERTS, alert)
        delivery = topics.wait(TAK, Delivery, lambda d, id_=alert.header.message_id: d.alert.header.message_id == id_)[
            0
        ]
        if delivery.alert.position_origin is PositionOrigin.JOINED:
            break

    assert (50.5, PositionOrigin.JOINED) == (delivery.alert.position.latitude, delivery.alert.position_origin)
    assert 0 <= delivery.alert.position_age_seconds < 60


def test_repeats_are_told_once_and_further_presses_as_updates(topics: Any, make: Any) -> None:
    alert, press = make.alert("device-b"), make.alert("device-b")
    topics.put(DEVICE_ALERTS, alert, alert, press)
    update = topics.wait(TAK, Delivery, of(alert.header.event_id, DeliveryReason.UPDATE))[0]

    event_id = alert.header.event_id
    assert derived_id("delivery", event_id, "tak", press.header.message_id) == update.id
    assert 2 == update.alert.press_count
    assert 2 == len([d for d in topics.records(TAK, Delivery) if d.header.event_id == event_id])


def test_levels_rise_by_receipts_a_person_closes_and_the_next_press_is_a_new_alert(topics: Any, make: Any) -> None:
    alert = make.alert("device-c")
    event_id = alert.header.event_id
    topics.put(DEVICE_ALERTS, alert)
    topics.wait(TAK, Delivery, of(event_id))
    topics.put(RECEIPTS, make.receipt(event_id, "tak", Level.ACCEPTED), make.receipt(event_id, "cap", Level.DELIVERED))
    accepted = state(topics, event_id, AlertStatus.ACCEPTED)
    topics.put(RECEIPTS, make.receipt(event_id, "cap", Level.ACKNOWLEDGED, note="car 4 comes", by_ref="p"))
    state(topics, event_id, AlertStatus.ACCEPTED)
    answer = topics.wait(MESSAGES, DeviceMessage, lambda m: m.alert_id == event_id)[0]
    cancel = make.alert("device-c", event_id=event_id, action=AlertAction.CANCEL)
    topics.put(DEVICE_ALERTS, cancel)
    asked = topics.wait(TAK, Delivery, of(event_id, DeliveryReason.UPDATE))[0]
    topics.put(RECEIPTS, make.receipt(event_id, "cap", Level.RESOLVED))
    resolved = state(topics, event_id, AlertStatus.RESOLVED)
    topics.wait(TAK, Delivery, of(event_id, DeliveryReason.CANCEL))
    press = make.alert("device-c")
    topics.put(DEVICE_ALERTS, press)
    again = topics.wait(TAK, Delivery, lambda d: d.alert and d.alert.header.message_id == press.header.message_id)[0]

    assert Level.ACCEPTED == accepted.destinations["tak"].level
    assert ("device-c", "car 4 comes", MessageDirection.TO_DEVICE) == (answer.device_id, answer.text, answer.direction)
    assert "cancel_requested" in asked.alert.header.flags
    assert resolved.cancel_requested
    assert [] == [d for d in topics.records(CAP, Delivery) if of(event_id, DeliveryReason.CANCEL)(d)]
    assert (DeliveryReason.NEW, 1) == (again.reason, again.alert.press_count)
    assert event_id != again.header.event_id


def test_an_open_alert_is_told_again_until_it_is_closed_and_never_after(topics: Any, make: Any) -> None:
    alert = make.alert("device-f", kind=AlertKind.LOW_BATTERY)
    event_id = alert.header.event_id
    topics.put(DEVICE_ALERTS, alert)
    topics.wait(TAK, Delivery, of(event_id))
    topics.put(RECEIPTS, make.receipt(event_id, "tak", Level.DELIVERED))
    refreshes = topics.wait(TAK, Delivery, of(event_id, DeliveryReason.REFRESH), count=2)
    topics.put(RECEIPTS, *(make.receipt(event_id, "tak", level) for level in (Level.ACKNOWLEDGED, Level.RESOLVED)))
    topics.wait(TAK, Delivery, of(event_id, DeliveryReason.CANCEL))
    after = make.alert("device-f2", kind=AlertKind.LOW_BATTERY)
    topics.put(DEVICE_ALERTS, after)
    topics.wait(TAK, Delivery, of(after.header.event_id))
    topics.put(RECEIPTS, make.receipt(after.header.event_id, "tak", Level.DELIVERED))
    topics.wait(TAK, Delivery, of(after.header.event_id, DeliveryReason.REFRESH), count=2)

    possible = {refresh_id(event_id, "tak", number) for number in range(60)}
    assert {delivery.id for delivery in refreshes} <= possible
    assert 2 == len({delivery.id for delivery in refreshes[:2]})
    told = [d.reason for d in topics.records(TAK, Delivery) if d.header.event_id == event_id or of(event_id)(d)]
    assert DeliveryReason.CANCEL == told[-1]


def test_an_incident_is_told_and_its_state_kept(topics: Any, make: Any) -> None:
    opened = make.incident(event_id="report", incident_id="incident-1", source="cap", title="fire")
    closed = make.incident(
        event_id="report", incident_id="incident-1", source="cap", action=IncidentAction.CLOSED, title=None
    )
    topics.put(INCIDENTS, opened, closed)
    topics.wait(TAK, Delivery, of("report", DeliveryReason.CANCEL))
    topics.put(RECEIPTS, make.receipt("report", "tak", Level.ACCEPTED, incident_id="incident-1"))
    known = topics.wait(
        STATE_INCIDENTS, IncidentState, lambda s: s.closed and s.destinations["tak"].level is Level.ACCEPTED
    )[0]

    assert ("fire", 2) == (known.event.title, known.event_count)
    assert ["fire", None] == [d.incident.title for d in topics.records(TAK, Delivery) if d.incident]
    assert [] == [d for d in topics.records(CAP, Delivery) if d.incident]


def test_an_officers_words_go_up_and_a_platforms_words_down_to_the_true_device(topics: Any, make: Any) -> None:
    up = make.message("device-m", text="all well", event_id="talk")
    topics.put(MESSAGES, up)
    told = topics.wait(TAK, Delivery, lambda d: d.message and d.header.event_id == "talk")[0]
    name = pseudonym(SECRET, "tak", "device-m")
    down = make.message(name, direction=MessageDirection.TO_DEVICE, source="tak", sender="tak", text="good")
    topics.put(MESSAGES, down)
    true = topics.wait(MESSAGES, DeviceMessage, lambda m: (m.device_id, m.text) == ("device-m", "good"))[0]

    assert ("all well", name) == (told.message.text, told.message.device_id)
    assert derived_id("message", down.header.message_id, "addressed") == true.header.message_id


def test_words_for_nobody_known_are_dead_lettered(topics: Any, make: Any) -> None:
    lost = make.message("nobody", direction=MessageDirection.TO_DEVICE, source="tak", sender="tak")
    topics.put(MESSAGES, lost)
    letter = topics.wait_found(dead_letter_topic("messages"), lambda f: f.key == b"nobody")

    assert (b"address_unknown", topics.codec.encode(lost)) == (letter.headers["bondmate.error.code"], letter.value)


@pytest.mark.parametrize(
    ("topic", "stage"),
    [
        (DEVICE_ALERTS, "alerts"),
        (catalogue.ALERT_CHANGES, "alert-changes"),
        (RECEIPTS, "receipts"),
        (INCIDENTS, "incidents"),
        (MESSAGES, "messages"),
    ],
)
def test_poison_is_dead_lettered_with_its_bytes_and_the_stream_goes_on(
    topics: Any, make: Any, topic: str, stage: str
) -> None:
    poisons = [b"", b"\x00", b"garbage", b"\x00\x00\x00\x00\xff12345", b"\x00\x00\x00\x00\x01" + b"\xff" * 40]
    for poison in poisons:
        topics.put_bytes(topic, stage.encode(), poison, [("mine", b"kept")])
    alert = make.alert(stage)
    topics.put(DEVICE_ALERTS, alert)
    topics.wait(TAK, Delivery, of(alert.header.event_id))
    letters = [topics.wait_found(dead_letter_topic(stage), lambda f, p=p: f.value == p) for p in poisons]

    assert {stage.encode()} == {letter.key for letter in letters}
    assert {b"kept"} == {letter.headers["mine"] for letter in letters}
    assert {b"no_frame", b"unknown_schema", b"not_avro"} >= {
        letter.headers["bondmate.error.code"] for letter in letters
    }
    assert {topic.encode()} == {letter.headers["bondmate.error.topic"] for letter in letters}


def test_a_record_under_a_wrong_key_is_put_where_it_belongs(topics: Any, make: Any) -> None:
    home = partition_of(b"device-w", catalogue.PARTITIONS)
    elsewhere = next(key for key in map(str, range(99)) if partition_of(key.encode(), catalogue.PARTITIONS) != home)
    alert = make.alert("device-w")
    topics.put_bytes(DEVICE_ALERTS, elsewhere.encode(), topics.codec.encode(alert))
    topics.wait(TAK, Delivery, of(alert.header.event_id))

    assert [home] == [f.partition for f in topics.all(DEVICE_ALERTS) if f.key == b"device-w"]


def test_every_delivery_is_in_the_audit_trail_whose_chain_is_unbroken(topics: Any, make: Any) -> None:
    alert = make.alert("device-audited", text="words")
    topics.put(DEVICE_ALERTS, alert)
    records = topics.wait(AUDIT, AuditRecord, lambda r: r.event_id == alert.header.event_id, count=2)

    fields = {"tak": ("device_id", "position_origin", "text"), "cap": ("device_id", "text")}
    assert fields == {r.recipient: r.fields for r in records}
    assert {(pseudonym(SECRET, "audit", "device-audited"),)} == {r.subjects for r in records}
    assert [] == breaks(topics.records(AUDIT, AuditRecord))


def test_the_topics_faust_uses_are_those_of_the_catalogue(topics: Any, make: Any) -> None:
    topics.put(DEVICE_ALERTS, make.alert("device-changelog"))
    devices = topics.wait_found(changelog_topic("devices"), lambda f: f.key == b"device-changelog")

    assert b"\x00" == devices.value[:1]
    assert topics.all(changelog_topic("alerts"))


def test_an_alert_of_unknown_mode_reaches_nobody_is_kept_and_pages_a_person(topics: Any, make: Any) -> None:
    before = value("hub_unrouted_events_total", record="DeviceAlert", why="unknown_mode")
    alert = make.alert("device-u", mode=Mode.UNKNOWN)
    topics.put(DEVICE_ALERTS, alert)
    kept = state(topics, alert.header.event_id, AlertStatus.RAISED)

    assert {} == kept.destinations
    assert before + 1 == value("hub_unrouted_events_total", record="DeviceAlert", why="unknown_mode")


def test_people_see_what_is_open_undelivered_and_dead(topics: Any, make: Any) -> None:
    before = value("hub_alert_levels_total", destination="tak", level="ACCEPTED")
    dead = value("hub_dead_letters_total", stage="receipts", code="no_frame")
    alert = make.alert("device-v")
    topics.put(DEVICE_ALERTS, alert)
    topics.wait(TAK, Delivery, of(alert.header.event_id))
    topics.put_bytes(RECEIPTS, alert.header.event_id.encode(), b"poison")
    topics.put(RECEIPTS, make.receipt(alert.header.event_id, "tak", Level.ACCEPTED))
    state(topics, alert.header.event_id, AlertStatus.ACCEPTED)

    eventually(lambda: value("hub_oldest_undelivered_alert_seconds", destination="cap") > 0)
    eventually(lambda: value("hub_open_alerts", status="ACCEPTED") > 0)
    eventually(lambda: value("hub_alert_levels_total", destination="tak", level="ACCEPTED") == before + 1)
    assert dead + 1 == value("hub_dead_letters_total", stage="receipts", code="no_frame")
    assert value("hub_routed_deliveries_total", destination="tak", kind="ALERT", reason="NEW") > 0
    assert value("hub_agent_events_total", agent="alerts", outcome="raised") > 0


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
