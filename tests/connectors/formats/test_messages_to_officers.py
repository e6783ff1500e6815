"""Messages to officers and what became of them, as CoT and CAP say it: pure translation."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from bondmate_connectors.contract import Reading, Refusal, Writing
from bondmate_connectors.formats.cap import CapFormat
from bondmate_connectors.formats.cot import FORMAT as COT
from bondmate_connectors.testing.strategies import deliveries
from bondmate_schemas.enums import AlertKind, DeliveryKind, Level, MessageDirection, Mode, Priority
from bondmate_schemas.models import (
    Address,
    Delivery,
    DeliveryReceipt,
    DeviceMessage,
    EmergencyStart,
    EventHeader,
    ExternalRef,
    IncidentEvent,
    Record,
)
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CAP = "{urn:oasis:names:tc:emergency:cap:1.2}"
LINE = ExternalRef(system="cot", id="GeoChat.op-1.bondmate-p7.m-9")
ORDER = ExternalRef(system="cap:reference", id="room@x,order-1,2026-03-01T11:00:00-00:00")


def receipt(level: Level, *refs: ExternalRef, **more: Any) -> Delivery:
    header = EventHeader(
        message_id="r-1", event_id="mail-1", agency_id="a", mode=Mode.EXERCISE, occurred_at=NOW, received_at=NOW,
        source="devices", external_refs=refs,
    )  # fmt: skip
    event = DeliveryReceipt(header=header, destination="device", level=level, **{"device_id": "p7", **more})
    return Delivery(
        header=header.model_copy(update={"message_id": "d-1"}), destination="room", kind=DeliveryKind.RECEIPT,
        receipt=event,
    )  # fmt: skip


def written(by: Any, delivery: Delivery) -> etree._Element:
    writing = by.write(delivery, NOW + timedelta(hours=1))
    assert isinstance(writing, Writing)
    return etree.fromstring(writing.message)


def read(by: Any, message: str) -> Record:
    reading = by.read(message.encode(), NOW)
    assert isinstance(reading, Reading)
    return reading.events[0]


class TestCot:
    def test_a_line_with_a_uid_of_its_clients_own_making_has_its_receipts_too(self):
        refs = ExternalRef(system="cot", id="c-1"), ExternalRef(system="cot:writer", id="op-1")
        event = written(COT, receipt(Level.DELIVERED, *refs))

        assert ("c-1.d", "op-1") == (event.get("uid"), event.find("detail/__chatreceipt").get("id"))

    @pytest.mark.parametrize(("level", "kind"), [(Level.DELIVERED, "b-t-f-d"), (Level.ACCEPTED, "b-t-f-r")])
    def test_delivered_and_opened_are_the_receipts_of_the_line_as_geochat_has_them(self, level: Level, kind: str):
        event = written(COT, receipt(level, LINE))
        about, group = event.find("detail/__chatreceipt"), event.find("detail/__chatreceipt/chatgrp")

        assert (kind, "m-9.d" if level is Level.DELIVERED else "m-9") == (event.get("type"), event.get("uid"))
        assert ("m-9", "op-1") == (about.get("messageId"), about.get("id"))
        assert ("bondmate-p7", "op-1") == (group.get("uid0"), group.get("uid1"))
        assert [{"uid": "op-1"}] == [dict(dest.attrib) for dest in event.iterfind("detail/marti/dest")]

    def test_what_a_uid_does_not_surely_hold_comes_from_the_references_of_the_line(self):
        refs = (
            ExternalRef(system="cot", id="GeoChat.me@city.example.bondmate-p7.no-message-id"),
            ExternalRef(system="cot:message", id="m-9"),
            ExternalRef(system="cot:writer", id="me@city.example"),
            ExternalRef(system="cot:callsign", id="OPS"),
        )
        event, said = (written(COT, receipt(level, *refs)) for level in (Level.DELIVERED, Level.EXPIRED))

        assert "m-9.d" == event.get("uid")
        for each in (event, said):
            assert [{"callsign": "OPS"}, {"uid": "me@city.example"}] == [
                dict(dest.attrib) for dest in each.iterfind("detail/marti/dest")
            ]
        assert ("me@city.example", "OPS") == tuple(said.find("detail/__chat").get(name) for name in ("id", "chatroom"))

    @pytest.mark.parametrize(
        ("level", "code", "text"),
        [
            (Level.ACKNOWLEDGED, None, "EXERCISE Confirmed by the officer"),
            (Level.EXPIRED, "expired_undelivered", "EXERCISE NEVER arrived, and is not tried any more"),
        ],
    )
    def test_what_no_receipt_of_cot_says_is_a_line_to_the_writer_alone(self, level: Level, code: Any, text: str):
        event = written(COT, receipt(level, LINE, code=code))

        assert ("b-t-f", "op-1", "op-1") == (
            event.get("type"), event.find("detail/__chat").get("id"), event.find("detail/remarks").get("to"),
        )  # fmt: skip
        assert text == event.findtext("detail/remarks")

    def test_a_name_that_reaches_nobody_is_said_by_the_hub(self):
        event = written(
            COT, receipt(Level.DEAD_LETTERED, LINE, device_id=None, platform_id="K-1", code="address_unknown")
        )

        assert "bondmate-hub" == event.find("detail/link").get("uid")
        assert "EXERCISE Not sent: nobody is called K-1" == event.findtext("detail/remarks")

    def test_the_same_receipt_is_the_same_event_and_one_of_no_chat_line_is_refused(self):
        first, again = (written(COT, receipt(Level.DELIVERED, LINE)) for _ in range(2))

        assert first.get("uid") == again.get("uid")
        assert Refusal("not_a_chat_line", "header.external_refs") == COT.write(receipt(Level.DELIVERED, ORDER), NOW)

    def test_a_line_to_several_devices_is_one_message_with_an_address(self):
        said = read(
            COT,
            '<event version="2.0" uid="GeoChat.op-1.team.7" type="b-t-f" time="2026-03-01T12:00:00Z"'
            ' start="2026-03-01T12:00:00Z" stale="2026-03-01T13:00:00Z" how="h-g-i-g-o">'
            '<point lat="0" lon="0" hae="0" ce="0" le="0"/><detail><__chat chatroom="team" id="team">'
            '<chatgrp uid0="op-1" uid1="bondmate-p7" uid2="bondmate-p8" id="team"/></__chat>'
            '<link uid="op-1"/><remarks>come in</remarks></detail></event>',
        )

        assert isinstance(said, DeviceMessage)
        assert (MessageDirection.TO_DEVICE, "", Address(names=("p7", "p8"))) == (
            said.direction, said.device_id, said.to,
        )  # fmt: skip


def cap(addresses: str = "Kilo-7 agency:police-a area", kind: str = "Alert", scope: str = "Private") -> str:
    return (
        f'<alert xmlns="{CAP[1:-1]}"><identifier>order-1</identifier><sender>room@x</sender>'
        f"<sent>2026-03-01T11:00:00-00:00</sent><status>Exercise</status><msgType>{kind}</msgType><scope>{scope}</scope>"
        f"<addresses>{addresses}</addresses><info><language>de-DE</language><category>Security</category>"
        "<event>Order</event><urgency>Immediate</urgency><severity>Unknown</severity><certainty>Unknown</certainty>"
        "<expires>2026-03-01T13:00:00-00:00</expires><headline>To the square</headline><instruction>At once</instruction>"
        "<parameter><valueName>bondmate:requires_acknowledgement</valueName><value>true</value></parameter>"
        "<area><areaDesc>Square</areaDesc><circle>52.5,4.5 1</circle></area></info></alert>"
    )


def started(kind: str, **more: str) -> str:
    said = {"emergency": kind, **more}
    parameters = "".join(
        f"<parameter><valueName>bondmate:{name}</valueName><value>{value}</value></parameter>"
        for name, value in said.items()
    )
    return cap("Kilo-7").replace("<area>", f"{parameters}<area>")


class TestCap:
    def test_a_private_alert_is_a_message_to_its_addresses_where_that_is_agreed(self):
        said = read(CapFormat(to_officers=True), cap())

        assert isinstance(said, DeviceMessage)
        assert ("To the square\nAt once", Priority.IMMEDIATE, True, Mode.EXERCISE) == (
            said.text, said.priority, said.requires_acknowledgement, said.header.mode,
        )  # fmt: skip
        assert ("de-DE", NOW + timedelta(hours=1)) == (said.header.language, said.header.expires_at)
        assert said.to is not None
        assert (("Kilo-7",), ("police-a",), ("52.5,4.5 1",)) == (
            said.to.names, said.to.agencies, said.to.areas[0].circles,
        )  # fmt: skip
        assert ORDER in said.header.external_refs

    def test_an_area_is_an_address_only_where_it_is_named(self):
        said = read(CapFormat(to_officers=True), cap("Kilo-7"))

        assert isinstance(said, DeviceMessage)
        assert Address(names=("Kilo-7",)) == said.to

    @pytest.mark.parametrize(
        ("agreed", "message"),
        [(False, cap()), (True, cap(scope="Restricted")), (True, cap("")), (True, cap(kind="Update"))],
    )
    def test_anything_else_is_an_incident_as_before(self, agreed: bool, message: str):
        assert isinstance(read(CapFormat(to_officers=agreed), message), IncidentEvent)

    def test_a_room_starts_an_emergency_of_the_device_that_it_addresses_and_says_who_and_why(self):
        said = read(CapFormat(to_officers=True), started("officer down", silent="true", by="jane.d"))

        assert isinstance(said, DeviceMessage)
        assert EmergencyStart(names=("Kilo-7",), kind=AlertKind.OFFICER_DOWN, silent=True) == said.emergency
        assert ("To the square\nAt once", "jane.d", Address()) == (said.text, said.sender_ref, said.to)
        assert AlertKind.OTHER is read(CapFormat(to_officers=True), started("fire")).emergency.kind
        assert read(CapFormat(to_officers=True), cap()).emergency is None

    def test_where_a_room_may_not_write_to_officers_it_reads_that_it_has_started_nothing(self):
        refused = CapFormat().read(started("SOS").encode(), NOW)

        assert isinstance(refused, Refusal)
        assert "emergency_not_taken" == refused.code

    def test_who_asks_for_a_silent_one_is_told_that_a_second_person_must(self):
        answer = written(CapFormat(), receipt(Level.DEAD_LETTERED, ORDER, code="emergency_second_person"))

        assert "Ack" == answer.findtext(CAP + "msgType")
        assert answer.findtext(CAP + "note").startswith("emergency_second_person: nothing is started before a second")

    @pytest.mark.parametrize(
        ("level", "kind", "note"),
        [
            (Level.DELIVERED, "Ack", "DELIVERED device p7: it is on the device"),
            (Level.ACCEPTED, "Ack", "ACCEPTED device p7: it was opened, and not confirmed"),
            (Level.ACKNOWLEDGED, "Ack", "ACKNOWLEDGED device p7: confirmed"),
            (Level.EXPIRED, "Error", "EXPIRED why device p7"),
            (Level.DEAD_LETTERED, "Error", "DEAD_LETTERED why for K-1"),
        ],
    )
    def test_what_became_of_it_is_an_ack_or_error_that_says_the_level_first(self, level: Level, kind: str, note: str):
        more = {"code": "why"} if kind == "Error" else {}
        if level is Level.DEAD_LETTERED:
            more |= {"device_id": None, "platform_id": "K-1"}
        answer = written(CapFormat(), receipt(level, ORDER, **more))

        assert [kind, note, ORDER.id, "room@x", "Private", "Exercise"] == [
            answer.findtext(CAP + name) for name in ("msgType", "note", "references", "addresses", "scope", "status")
        ]
        assert [] == faults(answer)

    def test_the_same_receipt_is_the_same_document_and_one_of_no_cap_message_is_refused(self):
        first, again = (etree.tostring(written(CapFormat(), receipt(Level.DELIVERED, ORDER))) for _ in range(2))

        assert first == again
        assert isinstance(CapFormat().write(receipt(Level.DELIVERED, LINE), NOW), Refusal)


class TestAnyReceipt:
    @given(deliveries((DeliveryKind.RECEIPT,)), st.sampled_from([LINE, ORDER]))
    def test_becomes_a_document_of_the_standard_or_is_refused(self, delivery: Delivery, ref: ExternalRef):
        assert delivery.receipt is not None
        header = delivery.receipt.header.model_copy(update={"external_refs": (ref,)})
        told = delivery.model_copy(update={"receipt": delivery.receipt.model_copy(update={"header": header})})
        by_cot, by_cap = COT.write(told, NOW), CapFormat().write(told, NOW)

        if ref is ORDER:
            assert isinstance(by_cot, Refusal)
            assert isinstance(by_cap, Writing)
            assert [] == faults(etree.fromstring(by_cap.message))
        else:
            assert isinstance(by_cap, Refusal)
            assert isinstance(by_cot, Writing | Refusal)
            if isinstance(by_cot, Writing):
                assert "event" == etree.fromstring(by_cot.message).tag


@cache
def schema() -> etree.XMLSchema | None:
    folder = Path(os.environ.get("BONDMATE_CORPUS") or Path(__file__).parents[4] / "shared/corpus")
    path = folder / "cap/schema/CAP-v1.2.xsd"
    return etree.XMLSchema(etree.parse(path)) if path.is_file() else None


def faults(document: etree._Element) -> list[str]:
    published = schema()
    if published is None:
        pytest.skip("no published schema: set BONDMATE_CORPUS to the folder of recorded messages")
    published.validate(document)
    return [str(error) for error in published.error_log]
