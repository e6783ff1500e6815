"""What `hub trace` understands of an id, how it sifts, and what it shows; the way itself: `test_trace_end_to_end`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bondmate_connectors.formats.cap.values import our_identifier
from bondmate_connectors.formats.cot.types import alert_uid
from bondmate_hub.dlq.model import REPLAY_OF
from bondmate_hub.operations.alert_list import rows, text
from bondmate_hub.trace.hops import TraceHop, hop_of, trace_id_of
from bondmate_hub.trace.lines import lines, parts
from bondmate_hub.trace.quoted import as_stored, meanings, names_in
from bondmate_hub.trace.search import Trace, destinations
from bondmate_kafka.topic_search import FoundRecord, Gone
from bondmate_schemas.codec import Codec, LocalSchemaIds
from bondmate_schemas.enums import AlertAction, AlertKind, AlertStatus, Level, Mode
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import (
    AlertState,
    DeliveryReceipt,
    DestinationState,
    DeviceAlert,
    EventHeader,
    ExternalRef,
    Position,
)
from bondmate_schemas.outside_ids import OutsideIds
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
OUTSIDE = OutsideIds.of(b"a secret of these tests")
EVENT, DELIVERY = derived_id("event"), derived_id("delivery")


def header(**given: Any) -> EventHeader:
    usual = {"message_id": "m-1", "event_id": EVENT, "agency_id": "north", "mode": Mode.ACTUAL, "occurred_at": NOW,
             "received_at": NOW, "source": "device_http"}  # fmt: skip
    return EventHeader(**usual | given)


def alert(**given: Any) -> DeviceAlert:
    usual = {"header": header(), "device_id": "bm-1", "action": AlertAction.RAISE, "kind": AlertKind.SOS}
    return DeviceAlert(**usual | given)


def state(**given: Any) -> AlertState:
    at = {"room": DestinationState(level=Level.ACKNOWLEDGED, changed_at=NOW, platform_id="4711", delivery_id=DELIVERY)}
    usual = {"header": header(), "device_id": "bm-1", "status": AlertStatus.ACKNOWLEDGED, "alert": alert(),
             "destinations": at, "changed_at": NOW}  # fmt: skip
    return AlertState(**usual | given)


def found(topic: str, at: datetime = NOW, **headers: bytes) -> FoundRecord:
    return FoundRecord(topic, 1, 7, at, b"key", b"value", headers)


@pytest.mark.parametrize("destination", ["room", "tak"])
def test_what_a_room_quotes_means_the_hubs_own_ids(destination: str) -> None:
    event, delivery = map(OUTSIDE.of_destination(destination), (EVENT, DELIVERY))
    known = ("room", "tak")

    assert {EVENT} <= meanings(event, OUTSIDE, known)
    assert {EVENT, DELIVERY} <= meanings(our_identifier(event, delivery), OUTSIDE, known)
    assert {EVENT} <= meanings(alert_uid(event), OUTSIDE, known)
    assert {EVENT} <= meanings(f"GeoChat.{alert_uid(event)}.All Chat Rooms.1", OUTSIDE, known)
    assert EVENT not in meanings(event, OUTSIDE, ("another",))


def test_ids_that_left_as_they_are_inside_are_understood_without_any_key() -> None:
    assert {EVENT, DELIVERY} <= meanings(our_identifier(EVENT, DELIVERY), None, ())
    assert {"alert:1"} <= meanings(our_identifier("alert:1", "x"), None, ())
    assert {EVENT} <= meanings(alert_uid(EVENT), None, ())
    assert {"4711/26"} == meanings("4711/26", None, ("room",))


@given(st.text(min_size=1, max_size=300))
def test_a_value_holds_an_id_as_it_is_sifted_for(name: str) -> None:
    value = Codec(LocalSchemaIds()).encode(alert(device_id=name))

    assert as_stored(name) in value
    assert as_stored(name + "x") not in value


def test_ids_are_looked_up_by_fields_that_are_ids_alone() -> None:
    known = set(names_in(state(alert=alert(callsign="K-12", officer_ref="officer", unit="unit", text="words",
                                           header=header(external_refs=(ExternalRef(system="device", id="own"),))))))  # fmt: skip

    assert {EVENT, "m-1", "bm-1", "own", "4711", DELIVERY} <= known
    assert {"K-12", "officer", "unit", "words"}.isdisjoint(known)


def test_a_hop_holds_a_place_only_where_it_was_asked_for_and_never_words() -> None:
    pressed = alert(text="words", callsign="K-12", position=Position(latitude=50.5, longitude=6.5, fixed_at=NOW))
    hidden, shown = (
        hop_of(found("bondmate.device.alerts"), pressed, EVENT, positions=positions) for positions in (False, True)
    )

    assert {"position", "accuracy_m", "fixed_at"}.isdisjoint(hidden.facts)
    assert ([50.5, 6.5], "raised", "device") == (shown.facts["position"], shown.what, shown.who)
    assert not {"words", "K-12"} & {str(value) for value in shown.facts.values()}


def test_a_receipt_says_who_acknowledged_and_under_which_number() -> None:
    receipt = DeliveryReceipt(header=header(), destination="room", level=Level.ACKNOWLEDGED, by_ref="desk 9",
                              platform_id="4711")  # fmt: skip
    traced = {"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01".encode()}
    hop = hop_of(found("bondmate.receipts", **traced), receipt, EVENT, positions=False)

    assert ("room", "acknowledged", "desk 9", "4711") == (hop.who, hop.what, hop.facts["by"], hop.facts["number"])
    assert ("ab" * 16, "bondmate.receipts/1/7") == (hop.trace_id, hop.where)
    assert "" == trace_id_of({"traceparent": b"nonsense"})


def test_what_operations_sent_again_is_told_from_what_the_streams_sent() -> None:
    replayed = found("bondmate.device.alerts", **{REPLAY_OF: b"letter-1"})
    hops = [hop_of(each, alert(), EVENT, positions=False) for each in (found("bondmate.device.alerts"), replayed)]

    assert [("device", "raised"), ("operations", "replayed")] == [(hop.who, hop.what) for hop in hops]
    assert [None, "letter-1"] == [hop.facts.get("letter_id") for hop in hops]


def test_what_is_past_is_said_and_nothing_reaches_the_terminal_that_steers_it() -> None:
    hop = TraceHop(NOW, EVENT, "room\x1b[2J", "acknowledged", "t/0/1", facts={"by": "\x9bx\u202e"})
    trace = Trace(events={EVENT}, states={EVENT: state()}, hops=[hop],
                  gone=[Gone("bondmate.to.room", NOW - timedelta(days=1)), Gone("bondmate.receipts", None)])  # fmt: skip
    told = list(lines(trace, NOW))

    assert all(line.isprintable() for line in told)
    assert "bondmate.to.room: kept since 2026-11-30 12:00:00; what was before is past" in told
    assert any("it is past" in line and "receipts" in line for line in told)
    assert ["alert", "hop", "past", "past"] == [part["record"] for part in parts(trace, NOW)]
    assert any("now room: a person has seen it (ACKNOWLEDGED)" in line and "4711" in line for line in told)


def test_of_nothing_it_is_said_how_long_things_are_kept() -> None:
    (line,) = lines(Trace(), NOW)

    assert "nothing is kept of it" in line
    assert "DeviceAlert 30 d" in line


def test_destinations_are_those_that_have_a_topic() -> None:
    topics = ["bondmate.to.room", "bondmate.to.room.locations", "bondmate.receipts", "bondmate.to.tak"]

    assert {"room", "tak"} == destinations(topics)


def test_alerts_are_listed_oldest_first_without_anybody_in_them() -> None:
    open_one = state(alert=alert(callsign="canary-callsign", officer_ref="canary-officer"))
    closed = state(header=header(event_id="closed", received_at=NOW - timedelta(hours=1)), status=AlertStatus.RESOLVED)
    all_of_them = rows([open_one, closed], NOW + timedelta(seconds=9))
    only_open = rows([open_one, closed], NOW, only_open=True)

    assert ["closed", EVENT] == [row["event_id"] for row in all_of_them]
    assert [(EVENT, True)] == [(row["event_id"], row["open"]) for row in only_open]
    assert 9.0 == all_of_them[1]["age_seconds"]
    assert not any(word in str(all_of_them) for word in ("canary", "bm-1"))
    assert "room: a person has seen it" in text(only_open[0])
