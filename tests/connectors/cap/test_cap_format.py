"""CAP under the contract of formats: golden files, any event, any bytes, round trip, the published schema."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import ClassVar

import pytest
from bondmate_connectors.contract import Reading, Refusal, Writing
from bondmate_connectors.formats.cap import (
    FORMAT,
    CapFormat,
    Reference,
    our_identifier,
    parse_our_identifier,
    write_answer,
)
from bondmate_connectors.formats.cap.values import read_time, write_time
from bondmate_connectors.formats.cap.write import compose_leanest
from bondmate_connectors.testing import FormatContract, sos, update_of
from bondmate_connectors.testing.strategies import deliveries, ids, texts, times, words
from bondmate_schemas.enums import (
    AlertAction,
    Classification,
    DeliveryKind,
    DeliveryReason,
    IncidentCategory,
    Level,
    Mode,
)
from bondmate_schemas.ids import derived_id
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

TESTS = Path(__file__).parents[1]
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CAP = "{urn:oasis:names:tc:emergency:cap:1.2}"
WRITTEN = (DeliveryKind.ALERT, DeliveryKind.INCIDENT, DeliveryKind.MESSAGE)


@cache
def schema():
    folder = Path(os.environ.get("BONDMATE_CORPUS") or TESTS.parents[2] / "shared/corpus")
    path = folder / "cap/schema/CAP-v1.2.xsd"
    return etree.XMLSchema(etree.parse(path)) if path.is_file() else None


def faults(message: bytes) -> list[str]:
    if schema() is None:
        pytest.skip("no published schema: set BONDMATE_CORPUS to the folder of recorded messages")
    schema().validate(etree.fromstring(message))
    return [str(error) for error in schema().error_log]


def document(delivery, addresses=()):
    writing = CapFormat(addresses).write(delivery, NOW)
    assert isinstance(writing, Writing)
    return etree.fromstring(writing.message)


class TestCapWritten(FormatContract):
    format = FORMAT
    golden: ClassVar[Path] = TESTS / "cap_webhook/golden"

    def schema_errors(self, message):
        return faults(message)


class TestCapRead(FormatContract):
    format = FORMAT
    golden: ClassVar[Path] = TESTS / "cap_pickup/golden"
    kinds = WRITTEN

    def schema_errors(self, message):
        return faults(message)


@settings(deadline=None)
@given(
    kind=st.sampled_from(["Ack", "Error"]),
    sender=words,
    event_id=ids,
    agency_id=texts,
    mode=st.sampled_from(Mode),
    now=times,
    note=texts,
)
def test_answers_are_valid_and_private_to_the_sender(*, kind, sender, event_id, agency_id, mode, now, note):
    reference = Reference(sender, our_identifier(event_id, "d"), write_time(now))
    message = write_answer(kind, reference, agency_id=agency_id, mode=mode, now=now, note=note)

    assert [] == faults(message)
    assert "Private" == etree.fromstring(message).findtext(f"{CAP}scope")
    assert message == write_answer(kind, reference, agency_id=agency_id, mode=mode, now=now, note=note)


@settings(deadline=None)
@given(delivery=deliveries(WRITTEN), addresses=st.lists(texts, max_size=2).map(tuple))
def test_only_a_public_warning_that_no_device_sent_is_public(delivery, addresses):
    root = document(delivery, addresses)
    incident = delivery.incident
    may_be_public = (
        incident is not None
        and incident.category is IncidentCategory.PUBLIC_WARNING
        and incident.header.handling.classification is Classification.UNMARKED
        and not (incident.device_id or incident.alert_id)
    )
    wanted = "Public" if may_be_public else "Private" if addresses else "Restricted"

    assert wanted == root.findtext(f"{CAP}scope")
    assert may_be_public or root.findtext(f"{CAP}restriction")
    assert (wanted == "Private") == (root.find(f"{CAP}addresses") is not None)


@given(event_id=ids, delivery_id=ids)
def test_our_identifier_is_plain_and_tells_event_and_delivery(event_id, delivery_id):
    identifier = our_identifier(event_id, delivery_id)
    found = parse_our_identifier(identifier)

    assert not set(" ,<&\t\n") & set(identifier)
    assert found is not None
    assert (event_id, delivery_id) == (found.event_id, found.delivery_id)


@pytest.mark.parametrize("identifier", ["", "a", "_", "a_", "_b", "a_b_c", "%zz_b", "%FF_b", "a b_c"])
def test_identifiers_of_others_are_not_taken_for_ours(identifier):
    assert parse_our_identifier(identifier) is None


def test_an_update_refers_to_the_first_message_so_that_a_receiver_joins_them():
    first = sos()
    first = first.model_copy(update={"header": first.header.model_copy(update={"message_id": first_id(first)})})
    later = update_of(first, 1)
    reading = FORMAT.read(FORMAT.write(later, NOW).message, NOW)
    known = document(first)

    assert f"{known.findtext(f'{CAP}sender')},{known.findtext(f'{CAP}identifier')}" == ",".join(
        reading.events[0].references[0].split(",")[:2]
    )
    assert first.header.event_id == reading.events[0].header.event_id


def first_id(delivery):
    return derived_id("delivery", delivery.header.event_id, delivery.destination)


def test_a_cancel_that_is_only_asked_for_stays_an_update():
    event = sos()
    asked = event.model_copy(
        update={"reason": DeliveryReason.UPDATE, "alert": event.alert.model_copy(update={"action": AlertAction.CANCEL})}
    )
    root = document(asked)

    assert "Update" == root.findtext(f"{CAP}msgType")
    assert "asks to cancel" in root.findtext(f"{CAP}info/{CAP}headline")
    assert "Immediate" == root.findtext(f"{CAP}info/{CAP}urgency")


def test_units_of_position_are_kilometres_and_feet():
    event = sos()
    place = event.alert.position.model_copy(update={"altitude_hae_m": 304.8, "accuracy_m": 1500})
    root = document(event.model_copy(update={"alert": event.alert.model_copy(update={"position": place})}))
    area = root.find(f"{CAP}info/{CAP}area")

    assert "52.5,13.4 1.5" == area.findtext(f"{CAP}circle")
    assert "1000" == area.findtext(f"{CAP}altitude")


def test_a_withheld_position_is_said_to_be_withheld():
    event = sos()
    header = event.alert.header.model_copy(update={"flags": ("position_withheld",)})
    withheld = event.model_copy(update={"alert": event.alert.model_copy(update={"position": None, "header": header})})
    areas = document(withheld).findall(f"{CAP}info/{CAP}area")

    assert ["Position withheld by agreement"] == [area.findtext(f"{CAP}areaDesc") for area in areas]
    assert None is areas[0].find(f"{CAP}circle")


def test_a_position_is_refused_since_cap_does_not_track():
    @given(deliveries((DeliveryKind.LOCATION,)))
    def refused(delivery):
        assert Refusal("cap_has_no_positions") == FORMAT.write(delivery, NOW)

    refused()


@settings(deadline=None)
@given(deliveries(WRITTEN))
def test_the_language_is_always_stated_so_that_nothing_reads_as_american_english(delivery):
    stated, own = document(delivery).findtext(f"{CAP}info/{CAP}language"), delivery.event.header.language

    if delivery.incident is None:
        assert stated == (own if own and own.startswith("en") else "en")
    else:
        assert stated == (own or "und")
        (read_back,) = FORMAT.read(FORMAT.write(delivery, NOW).message, NOW).events
        assert own == read_back.header.language


@pytest.mark.parametrize("mode", [Mode.EXERCISE, Mode.TEST, Mode.SYSTEM, Mode.UNKNOWN])
def test_only_actual_is_written_as_actual(mode):
    event = sos()
    other = event.model_copy(update={"header": event.header.model_copy(update={"mode": mode})})

    assert "Actual" != document(other).findtext(f"{CAP}status")


def test_what_does_not_fit_is_named():
    event = sos()
    header = event.alert.header.model_copy(update={"language": "not a language", "content_digest": "00"})
    lost = FORMAT.write(event.model_copy(update={"alert": event.alert.model_copy(update={"header": header})}), NOW).lost

    assert {"header.language", "header.content_digest", "header.received_at"} == {each.path for each in lost}


@given(times)
def test_times_are_written_as_the_standard_wants_and_read_back(time):
    text = write_time(time)

    assert text.endswith("-00:00")
    assert (time.replace(microsecond=0), True) == read_time(text)


def test_an_answer_of_theirs_finds_event_and_delivery_without_any_memory():
    event = sos()
    root = document(event)
    reference = Reference(*(root.findtext(f"{CAP}{name}") for name in ("sender", "identifier", "sent")))
    for kind, level in (("Ack", Level.ACKNOWLEDGED), ("Error", Level.DECLINED)):
        reading = FORMAT.read(write_answer(kind, reference, agency_id="room", mode=Mode.TEST, now=NOW, note="why"), NOW)
        assert isinstance(reading, Reading)
        receipt = reading.events[0]

        assert (event.header.event_id, event.id) == (receipt.header.event_id, receipt.delivery_id)
        assert (level, "why") == (receipt.level, receipt.note)


@settings(deadline=None)
@given(
    deliveries().filter(lambda delivery: delivery.alert is not None), st.sampled_from([(), ("desk@room", "desk two")])
)
def test_the_leanest_form_of_any_alert_is_valid_and_the_same_message_with_nobodys_words(delivery, addresses):
    words = {"text": "words\u2620", "callsign": "S\u00e4nger <7>", "unit": "words\u2620"}
    delivery = delivery.model_copy(update={"alert": delivery.alert.model_copy(update=words)})
    whole = document(delivery, addresses)
    message = compose_leanest(delivery, addresses, None)
    lean = etree.fromstring(message)
    kept = [
        f"{CAP}{name}"
        for name in ("identifier", "sender", "sent", "status", "msgType", "scope", "restriction", "addresses",
                     "references", "info/language", "info/category", "info/event", "info/severity", "info/area/circle")
    ]  # fmt: skip
    kept = [path.replace("/", f"/{CAP}") for path in kept]
    names = {pair.findtext(f"{CAP}valueName") for pair in lean.iterfind(f"{CAP}info/{CAP}parameter")}

    assert not faults(message)
    assert [whole.findtext(path) for path in kept] == [lean.findtext(path) for path in kept]
    assert "S?nger ?7?" in lean.findtext(f"{CAP}info/{CAP}headline")
    assert "words" not in message.decode()
    assert {"bondmate:kind", "bondmate:device_id", "bondmate:silent"} <= names
    assert names <= {"bondmate:kind", "bondmate:device_id", "bondmate:silent", "bondmate:occurred_at",
                     "bondmate:position_age_seconds"}  # fmt: skip
