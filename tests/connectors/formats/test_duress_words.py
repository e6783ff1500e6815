"""What is said under duress, as people read it: silent in every dialect, and only where it is read by few."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from bondmate_connectors.errors import Rejected
from bondmate_connectors.formats.alert_words import SILENT, SILENT_ALARM
from bondmate_connectors.formats.cap.messages import write_receipt
from bondmate_connectors.formats.cap.write import compose as cap
from bondmate_connectors.formats.cap.write import compose_leanest
from bondmate_connectors.formats.cot.options import Contact, Options
from bondmate_connectors.formats.cot.write import companions
from bondmate_connectors.formats.cot.write import compose as cot
from bondmate_connectors.formats.cot.write import compose_leanest as cot_leanest
from bondmate_connectors.platforms.tak.negotiation import Protocol
from bondmate_connectors.platforms.tak.open_alerts import TakOpenAlerts
from bondmate_connectors.platforms.tak.writing import TakWriter
from bondmate_schemas.duress import OPEN_ROOM, SHOWN_SILENTLY
from bondmate_schemas.enums import AlertKind, DeliveryKind, DeliveryReason, Level, MessageDirection, Mode
from bondmate_schemas.flags import UNDER_DURESS
from bondmate_schemas.models import (
    Delivery,
    DeliveryReceipt,
    DeviceAlert,
    DeviceMessage,
    EventHeader,
    ExternalRef,
    Payload,
)
from lxml import etree

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
SPACE = {"c": "urn:oasis:names:tc:emergency:cap:1.2"}
DESK = Contact("desk-1", "DESK")


def header(**given: object) -> EventHeader:
    known = {
        "message_id": "m", "event_id": "e", "incident_id": "i", "agency_id": "pd-north", "mode": Mode.ACTUAL,
        "occurred_at": NOW, "received_at": NOW, "source": "device_http", "flags": (UNDER_DURESS,),
    }  # fmt: skip
    return EventHeader.model_validate({**known, **given})


def delivery(event: Payload, kind: DeliveryKind, reason: DeliveryReason = DeliveryReason.NEW) -> Delivery:
    return Delivery.model_validate({
        "header": header(message_id="d"), "destination": "room", "kind": kind, "reason": reason, "sent_at": NOW,
        kind.value.lower(): event,
    })  # fmt: skip


def alert(kind: AlertKind = AlertKind.SOS) -> DeviceAlert:
    return DeviceAlert(
        header=header(), device_id="bm-1", kind=kind, silent=True, callsign="NORTH 12", text="help " * 400
    )


def text_of(document: bytes, name: str) -> str:
    found: str = etree.fromstring(document).findtext(f".//c:{name}", "", SPACE)
    return found


@pytest.mark.parametrize("kind", [AlertKind.DURESS, AlertKind.SOS])
@pytest.mark.parametrize("reason", [DeliveryReason.NEW, DeliveryReason.UPDATE, DeliveryReason.CANCEL])
def test_every_dialect_says_silent_do_not_call_until_a_person_ends_it(kind: AlertKind, reason: DeliveryReason) -> None:
    event = delivery(alert(kind), DeliveryKind.ALERT, reason)
    written, options = cap(event), Options()
    marker = cot(event, NOW, options)
    assert isinstance(written, bytes)
    lean, bare = compose_leanest(event, (), None), cot_leanest(event, NOW, options)
    assert isinstance(lean, bytes)
    assert isinstance(bare, bytes)

    for document in (written, lean):
        assert text_of(document, "instruction").startswith(f"{SILENT}.")
        assert SILENT_ALARM in text_of(document, "headline")
    for document in (written, lean):
        names = etree.fromstring(document).iterfind(".//c:parameter", SPACE)
        assert ("bondmate:silent", "true") in [(one[0].text, one[1].text) for one in names]
    for document in (*marker.documents, *companions(event, marker, NOW, options), bare):
        if b"<remarks" in document:
            assert SILENT.encode() in document


def test_an_officers_words_are_read_as_said_under_duress() -> None:
    said = DeviceMessage(
        header=header(), device_id="bm-1", direction=MessageDirection.FROM_DEVICE, sender="bm-1", text="all is well"
    )
    event = delivery(said, DeliveryKind.MESSAGE)
    written = cap(event)
    assert isinstance(written, bytes)
    line = cot(event, NOW, Options()).documents[0].decode()

    assert ("Message from an officer (Said under duress)", f"{SILENT}.") == (
        text_of(written, "headline"), text_of(written, "instruction"),
    )  # fmt: skip
    assert f"Said under duress. {SILENT}. all is well" in line


def test_it_never_goes_to_open_rooms_and_with_contacts_named_to_them_alone() -> None:
    event = delivery(alert(AlertKind.DURESS), DeliveryKind.ALERT)
    open_room = TakWriter(Options(), TakOpenAlerts(lambda: NOW, timedelta(0)), 2048, lambda: NOW)
    with pytest.raises(Rejected, match=OPEN_ROOM):
        open_room.documents(event, Protocol.XML)
    with pytest.raises(Rejected, match=OPEN_ROOM):
        open_room.leanest(event, Protocol.XML)
    documents = TakWriter(Options(), TakOpenAlerts(lambda: NOW, timedelta(0)), 2048, lambda: NOW, (DESK,)).documents(
        event, Protocol.XML
    )

    assert len(documents) > 1
    for document in documents:
        assert [{"callsign": "DESK"}, {"uid": "desk-1"}] == [
            dict(one.attrib) for one in etree.fromstring(document).iterfind("detail/marti/dest")
        ]
        assert b"All Chat Rooms" not in document
        assert len(document) <= 2048


def test_who_writes_to_the_device_is_told_in_words() -> None:
    refs = (ExternalRef(system="cap:reference", id="room,1,2026-05-01T12:00:00-00:00"),)
    receipt = DeliveryReceipt(
        header=header(external_refs=refs), destination="device", level=Level.UNKNOWN, device_id="bm-1", code=SHOWN_SILENTLY,
    )  # fmt: skip
    written = write_receipt(receipt, delivery(receipt, DeliveryKind.RECEIPT))
    assert isinstance(written, bytes)

    assert "Ack" == text_of(written, "msgType")
    assert "shown_silently: the officer is under duress, do not call device bm-1" == text_of(written, "note")
