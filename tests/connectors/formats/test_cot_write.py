"""CoT written: valid against MITRE's schema whatever is written, and true to what was told."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from bondmate_connectors.contract import Reading, Refusal, Writing
from bondmate_connectors.formats.cap import FORMAT as CAP
from bondmate_connectors.formats.cot import FORMAT
from bondmate_connectors.formats.cot.options import LEAN_BYTES, Options
from bondmate_connectors.formats.cot.write import NOT_EXPRESSIBLE, Composed, companions, compose
from bondmate_connectors.testing.strategies import deliveries
from bondmate_schemas.enums import (
    AlertAction,
    AlertKind,
    Classification,
    DeliveryKind,
    DeliveryReason,
    IncidentAction,
    IncidentCategory,
    MessageDirection,
    Mode,
    PositionOrigin,
    Priority,
    StatementNature,
)
from bondmate_schemas.models import (
    Area,
    Delivery,
    DeviceAlert,
    DeviceLocation,
    DeviceMessage,
    EventHeader,
    Handling,
    IncidentEvent,
    Payload,
    Position,
    Statement,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

OCCURRED = datetime(2026, 5, 1, 10, 0, tzinfo=UTC)
NOW = OCCURRED + timedelta(seconds=7)
HERE = Position(latitude=50.1234567, longitude=8.7654321, accuracy_m=4.5, fixed_at=OCCURRED)
XSD = "cot/schema/mitre/CoT Base-Event Schema  (PUBLIC RELEASE).xsd"


def header(mode: Mode = Mode.ACTUAL, **more: Any) -> EventHeader:
    values: dict[str, Any] = {
        "message_id": "m-1", "event_id": "e-1", "agency_id": "a", "mode": mode, "occurred_at": OCCURRED,
        "received_at": OCCURRED, "source": "device_http",
    }  # fmt: skip
    return EventHeader(**(values | more))


def deliver(payload: Payload, reason: DeliveryReason = DeliveryReason.NEW, message_id: str = "d-1") -> Delivery:
    field, kind = {
        DeviceAlert: ("alert", DeliveryKind.ALERT),
        DeviceLocation: ("location", DeliveryKind.LOCATION),
        DeviceMessage: ("message", DeliveryKind.MESSAGE),
        IncidentEvent: ("incident", DeliveryKind.INCIDENT),
    }[type(payload)]
    head = payload.header.model_copy(update={"message_id": message_id})
    return Delivery(header=head, destination="tak", kind=kind, reason=reason, route="r", **{field: payload})


def alert(mode: Mode = Mode.ACTUAL, **more: Any) -> DeviceAlert:
    values: dict[str, Any] = {
        "header": header(mode), "device_id": "p7", "callsign": "ADAM-1", "action": AlertAction.RAISE,
        "kind": AlertKind.SOS, "position": HERE, "position_origin": PositionOrigin.OWN,
    }  # fmt: skip
    return DeviceAlert(**(values | more))


def incident(**more: Any) -> IncidentEvent:
    values: dict[str, Any] = {
        "header": header(), "action": IncidentAction.OPENED, "title": "Burglary <& co>", "description": "Back door",
        "position": HERE,
    }  # fmt: skip
    return IncidentEvent(**(values | more))


def written(event: Delivery, now: datetime = NOW) -> etree._Element:
    writing = FORMAT.write(event, now)
    assert isinstance(writing, Writing), writing
    assert writing.message.endswith(b"</event>")
    return etree.fromstring(writing.message)


@cache
def schema(path: Path) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(path))


@given(event=deliveries())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_is_written_is_valid_and_reads_back_as_the_same_thing(corpus: Path, event: Delivery) -> None:
    writing = FORMAT.write(event, NOW)
    payload = event.event
    if payload.header.handling.classification in NOT_EXPRESSIBLE:
        assert isinstance(writing, Refusal)
        return
    assert isinstance(writing, Writing)
    xsd = schema(corpus / XSD)
    assert xsd.validate(etree.fromstring(writing.message)), xsd.error_log

    reading = FORMAT.read(writing.message, NOW)

    if not isinstance(reading, Reading):
        assert isinstance(payload, DeviceMessage)  # without a text there is nothing to read
        return
    (back,) = reading.events
    assert payload.header.event_id == back.header.event_id
    assert event.id == back.header.message_id
    assert payload.header.occurred_at == back.header.occurred_at
    assert payload.header.mode is back.header.mode
    if not isinstance(payload, DeviceLocation):
        assert payload.priority is back.priority
    if type(back) is type(payload) and getattr(payload, "position", None) is not None:
        assert abs(payload.position.latitude - back.position.latitude) <= 1e-6
        assert abs(payload.position.longitude - back.position.longitude) <= 1e-6
        assert payload.position.fixed_at == back.position.fixed_at
    if isinstance(payload, DeviceAlert):
        assert (payload.position is None) is (back.position is None)
        assert payload.kind is back.kind


def test_an_alert_follows_ataks_emergency_rules_with_a_uid_of_its_own() -> None:
    root = written(deliver(alert()))
    detail = root.find("detail")

    assert ("bondmate-e-1-9-1-1", "b-a-o-tbl", "Undefined") == tuple(
        root.get(name) for name in ("uid", "type", "access")
    )
    assert ("2026-05-01T10:00:07.000Z", "2026-05-01T10:00:00.000Z", "2026-05-01T10:00:37.000Z") == tuple(
        root.get(name) for name in ("time", "start", "stale")
    )
    assert "ADAM-1-Alert" == detail.find("contact").get("callsign")
    assert ("bondmate-p7", "p-p") == (detail.find("link").get("uid"), detail.find("link").get("relation"))
    assert ("911 Alert", "ADAM-1") == (detail.find("emergency").get("type"), detail.findtext("emergency"))
    assert detail.find("_flow-tags_").get("bondmate")


@pytest.mark.parametrize(
    ("kind", "cot", "text"),
    [
        (AlertKind.SOS, "b-a-o-tbl", "911 Alert"),
        (AlertKind.DURESS, "b-a-o-tbl", "911 Alert"),
        (AlertKind.OFFICER_DOWN, "b-a-o-tbl", "911 Alert"),
        (AlertKind.ASSISTANCE, "b-a-o-pan", "Ring The Bell"),
        (AlertKind.GEOFENCE, "b-a-g", "Geo-fence Breached"),
        (AlertKind.TAMPER, "b-a-o-c", "Custom"),
        (AlertKind.LOW_BATTERY, "b-a-o-c", "Custom"),
        (AlertKind.OTHER, "b-a-o-c", "Custom"),
    ],
)
def test_every_kind_of_alert_has_its_emergency_type(kind: AlertKind, cot: str, text: str) -> None:
    root = written(deliver(alert(kind=kind)))

    assert (cot, text) == (root.get("type"), root.find("detail/emergency").get("type"))


def test_a_cancel_has_the_uid_of_its_alert() -> None:
    root = written(deliver(alert(action=AlertAction.CANCEL), DeliveryReason.CANCEL))

    assert ("bondmate-e-1-9-1-1", "b-a-o-can") == (root.get("uid"), root.get("type"))
    assert "true" == root.find("detail/emergency").get("cancel")


def test_a_devices_request_to_cancel_leaves_the_alert_standing() -> None:
    root = written(deliver(alert(action=AlertAction.CANCEL), DeliveryReason.UPDATE))

    assert "b-a-o-tbl" == root.get("type")
    assert "asks to cancel" in root.findtext("detail/remarks")


def test_a_refresh_is_newer_and_starts_when_the_alert_did() -> None:
    first = written(deliver(alert()))
    again = written(deliver(alert(), DeliveryReason.REFRESH, "d-2"), NOW + timedelta(seconds=20))

    assert first.get("uid") == again.get("uid")
    assert first.get("start") == again.get("start")
    assert first.get("time") < again.get("time")
    assert first.get("stale") < again.get("stale")


@pytest.mark.parametrize("clock", [datetime(1970, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)])
def test_a_devices_wrong_clock_hides_no_line_and_delays_no_alert(clock: datetime) -> None:
    """Clients sort chat by the time in it, and take what begins in the future as not valid yet; the hub's time counts."""
    wrong = header(occurred_at=clock)
    said = DeviceMessage(header=wrong, device_id="d", direction=MessageDirection.FROM_DEVICE, sender="d", text="help")
    for payload in (alert().model_copy(update={"header": wrong}), said):
        event = deliver(payload).model_copy(update={"sent_at": OCCURRED})
        composed = compose(event, NOW, Options())
        assert isinstance(composed, Composed)
        beside = companions(event, composed, NOW, Options())
        documents = [written(event), *map(etree.fromstring, beside)]
        again = [written(event, NOW + timedelta(minutes=9))]
        lines = [document for document in (*documents, *again) if document.get("type") == "b-t-f"]

        assert lines
        assert {("2026-05-01T10:00:00.000Z",) * 3} == {
            (line.get("time"), line.get("start"), line.find("detail/remarks").get("time")) for line in lines
        }
        assert all(document.get("start") <= document.get("time") for document in documents)
        assert {"1970" if clock < NOW else "2099"} == {
            document.find("detail/bondmate").get("occurred")[:4] for document in documents
        }


def test_an_alert_without_a_position_is_written_nowhere_and_never_dropped() -> None:
    root = written(deliver(alert(position=None, position_origin=PositionOrigin.NONE)))

    assert {"lat": "0.0", "lon": "0.0", "hae": "9999999.0", "ce": "9999999.0", "le": "9999999.0"} == dict(
        root.find("point").attrib
    )
    assert "Position unknown" in root.findtext("detail/remarks")


def test_a_callsign_that_is_not_disclosed_has_a_neutral_name() -> None:
    assert "BondMate-Alert" == written(deliver(alert(callsign=None))).find("detail/contact").get("callsign")


@pytest.mark.parametrize("mode", sorted(Mode))
def test_everybody_sees_that_an_event_is_not_for_real_patrols(mode: Mode) -> None:
    root = written(deliver(alert(mode)))
    shown = [root.find("detail/contact").get("callsign"), root.findtext("detail/remarks")]

    assert mode.value == root.find("detail/bondmate").get("mode")
    assert [mode is not Mode.ACTUAL] * 2 == [text.startswith(f"{mode.value} ") for text in shown]


@pytest.mark.parametrize("mode", [Mode.EXERCISE, Mode.TEST, Mode.SYSTEM])
@pytest.mark.parametrize("kind", sorted(AlertKind))
def test_no_exercise_or_test_is_an_emergency_and_its_end_takes_its_marker_away(mode: Mode, kind: AlertKind) -> None:
    raised = written(deliver(alert(mode, kind=kind)))
    ended = written(deliver(alert(mode, kind=kind, action=AlertAction.CANCEL), DeliveryReason.CANCEL))

    assert ("a-u-G", "t-x-d-d") == (raised.get("type"), ended.get("type"))
    assert [None, None] == [root.find("detail/emergency") for root in (raised, ended)]
    assert raised.get("uid") == ended.find("detail/link").get("uid")
    assert ended.find("detail/__forcedelete") is not None


@pytest.mark.parametrize(
    ("mode", "opex"),
    [
        (Mode.ACTUAL, "o"),
        (Mode.EXERCISE, "e"),
        (Mode.TEST, "s-TEST"),
        (Mode.SYSTEM, "s-SYSTEM"),
        (Mode.UNKNOWN, None),
    ],
)
def test_qos_and_opex_stand_on_an_event_only_where_they_are_asked_for(mode: Mode, opex: str | None) -> None:
    asked = compose(deliver(alert(mode)), NOW, Options(marks=True))
    assert isinstance(asked, Composed)
    marked, plain = etree.fromstring(asked.documents[0]), written(deliver(alert(mode)))

    assert ("9-r-g", opex) == (marked.get("qos"), marked.get("opex"))
    assert {"qos", "opex"}.isdisjoint(plain.attrib)


@given(event=deliveries((DeliveryKind.ALERT,)), text=st.text(max_size=6000), unit=st.text(max_size=600))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_an_alert_is_never_larger_than_every_server_takes_and_says_what_it_cut(
    corpus: Path, event: Delivery, text: str, unit: str
) -> None:
    assert event.alert is not None
    event = event.model_copy(update={"alert": event.alert.model_copy(update={"text": text, "unit": unit})})
    writing = FORMAT.write(event, NOW)
    if isinstance(writing, Refusal):
        return
    root = etree.fromstring(writing.message)
    cut = any(lost.path == "text" for lost in writing.lost)

    assert len(writing.message) <= LEAN_BYTES
    assert cut is root.findtext("detail/remarks").endswith("[cut]")
    assert schema(corpus / XSD).validate(root)


@pytest.mark.parametrize("character", ["x", "<", "\u00e4", "\U0001f6a8"])
def test_what_an_alert_cannot_hold_stands_whole_in_chat_lines_that_every_server_takes(character: str) -> None:
    text = " ".join([character * 9] * 300)
    event, options = deliver(alert(text=text)), Options(max_bytes=LEAN_BYTES)
    composed = compose(event, NOW, options)
    assert isinstance(composed, Composed)
    lines = companions(event, composed, NOW, options)
    said = [etree.fromstring(line).findtext("detail/remarks").partition(") ")[2] for line in lines]

    assert composed.is_cut
    assert text in " ".join(said)
    assert all(len(line) <= LEAN_BYTES for line in lines)
    assert len(lines) == len({etree.fromstring(line).get("uid") for line in lines})


def test_a_name_of_any_length_makes_no_event_larger_than_every_server_takes() -> None:
    long, options = "\u00e4" * 3000, Options(max_bytes=LEAN_BYTES)
    fix = DeviceLocation(header=header(), device_id="p7", callsign=long, position=HERE)
    report = incident(title=long)
    for event in (deliver(fix), deliver(report), deliver(alert(callsign=long, unit=long))):
        composed = compose(event, NOW, options)
        assert isinstance(composed, Composed)
        documents = (*composed.documents, *companions(event, composed, NOW, options))
        said = " ".join(etree.fromstring(each).findtext("detail/remarks") or "" for each in documents)

        assert all(len(each) <= LEAN_BYTES for each in documents)
        assert event.location is not None or said.count("\u00e4") >= 3000
    lost = FORMAT.write(deliver(fix), NOW)

    assert isinstance(lost, Writing)
    assert "callsign" in {each.path for each in lost.lost}


def test_news_of_an_alert_stands_in_chat_and_as_a_position_since_a_server_repeats_the_first_emergency_for_ever() -> (
    None
):
    event = deliver(alert(action=AlertAction.UPDATE, text="he runs"), DeliveryReason.UPDATE, "d-2")
    composed = compose(event, NOW, Options())
    assert isinstance(composed, Composed)
    position, line = (etree.fromstring(each) for each in companions(event, composed, NOW, Options()))

    assert ("a-f-G-U-C", "bondmate-p7", "50.1234567") == (
        position.get("type"), position.get("uid"), position.find("point").get("lat"),
    )  # fmt: skip
    assert ("b-t-f", True, True) == (
        line.get("type"),
        "he runs" in line.findtext("detail/remarks"),
        "within 4 m: 50.12346, 8.76543" in line.findtext("detail/remarks"),
    )


def test_a_position_update_moves_the_alert_under_its_own_uid_and_says_nothing_in_chat() -> None:
    event = deliver(alert(action=AlertAction.UPDATE), DeliveryReason.UPDATE, "d-2")
    event = event.model_copy(update={"position_only": True})
    composed = compose(event, NOW, Options())
    assert isinstance(composed, Composed)
    emergency, position = (
        etree.fromstring(each) for each in (*composed.documents, *companions(event, composed, NOW, Options()))
    )

    assert "bondmate-e-1-9-1-1" == emergency.get("uid")
    assert "50.1234567" == emergency.find("point").get("lat")
    assert "a-f-G-U-C" == position.get("type")


def test_a_position_has_the_time_of_its_fix_and_no_endpoint() -> None:
    fix = HERE.model_copy(update={"speed_mps": 2.5, "course_deg": 90.0, "fixed_at": OCCURRED - timedelta(hours=1)})
    root = written(deliver(DeviceLocation(header=header(), device_id="p7", callsign="ADAM-1", position=fix)))

    assert ("bondmate-p7", "a-f-G-U-C", "2026-05-01T09:00:00.000Z") == tuple(
        root.get(name) for name in ("uid", "type", "time")
    )
    assert {"callsign": "ADAM-1"} == dict(root.find("detail/contact").attrib)
    assert {"speed": "2.50", "course": "90.00"} == dict(root.find("detail/track").attrib)


def test_a_message_is_a_chat_line_in_the_officers_name() -> None:
    said = DeviceMessage(
        header=header(), device_id="p7", direction=MessageDirection.FROM_DEVICE, sender="device_http",
        callsign="ADAM-1", text="two <suspects> & a \x00dog",
    )  # fmt: skip
    root = written(deliver(said))
    chat = root.find("detail/__chat")

    assert ("b-t-f", "GeoChat.bondmate-p7.All Chat Rooms.d-1") == (root.get("type"), root.get("uid"))
    assert ("All Chat Rooms", "ADAM-1", "bondmate-p7") == (
        chat.get("chatroom"),
        chat.get("senderCallsign"),
        chat.find("chatgrp").get("uid0"),
    )
    assert "two <suspects> & a \ufffddog" == root.findtext("detail/remarks")


def test_a_message_to_an_officer_is_not_put_into_the_officers_mouth() -> None:
    said = DeviceMessage(header=header(), device_id="p7", sender="cad", callsign="ADAM-1", text="call back")
    root = written(deliver(said))

    assert "bondmate-hub" == root.find("detail/link").get("uid")
    assert ("cad", "To ADAM-1: call back") == (
        root.find("detail/__chat").get("senderCallsign"),
        root.findtext("detail/remarks"),
    )


def test_an_incident_is_a_marker_with_its_title_and_text() -> None:
    statements = (Statement(nature=StatementNature.ASSESSMENT, text="probably armed"),)
    root = written(deliver(incident(statements=statements)))

    assert ("bondmate-e-1", "a-u-G") == (root.get("uid"), root.get("type"))
    assert "Burglary <& co>" == root.find("detail/contact").get("callsign")
    assert "Burglary <& co>\nBack door\nAssessment: probably armed" == root.findtext("detail/remarks")


def test_an_area_is_drawn_as_its_middle_with_the_radius_that_holds_it() -> None:
    square = "50.0,8.0 50.0,8.2 50.2,8.2 50.2,8.0 50.0,8.0"
    drawn = written(deliver(incident(position=None, areas=(Area(polygons=(square,)),)))).find("point")
    circle = written(deliver(incident(position=None, areas=(Area(circles=("50,8 2.5",)),)))).find("point")
    over = "10,179 10,-179 12,-179 12,179 10,179"
    dateline = written(deliver(incident(position=None, areas=(Area(polygons=(over,)),)))).find("point")

    assert ("50.1000000", "8.1000000") == (drawn.get("lat"), drawn.get("lon"))
    assert 13_000 < float(drawn.get("ce")) < 14_000
    assert "2500.00" == circle.get("ce")
    assert 180 == abs(float(dateline.get("lon")))


@pytest.mark.parametrize("end", [IncidentAction.CLOSED, IncidentAction.CANCELLED])
def test_the_end_of_an_incident_deletes_its_marker(end: IncidentAction) -> None:
    root = written(deliver(incident(action=end), DeliveryReason.UPDATE))

    assert "t-x-d-d" == root.get("type")
    assert "bondmate-e-1" == root.find("detail/link").get("uid")
    assert root.find("detail/__forcedelete") is not None
    assert root.get("stale") > root.get("time")


def test_an_incident_without_geometry_is_a_chat_line_of_its_own_uid() -> None:
    root = written(deliver(incident(position=None, category=IncidentCategory.PUBLIC_WARNING)))

    assert ("b-t-f", "bondmate-e-1-incident") == (root.get("type"), root.find("detail/link").get("uid"))
    assert root.findtext("detail/remarks").startswith("Burglary <& co>")


def test_what_is_written_of_every_recorded_cap_alert_is_valid_and_a_marker_where_it_has_geometry(corpus: Path) -> None:
    xsd, seen = schema(corpus / XSD), Counter[str]()
    for path in sorted(path for path in (corpus / "cap/alerts").rglob("*") if path.is_file()):
        reading = CAP.read(path.read_bytes(), NOW)
        for found in reading.events if isinstance(reading, Reading) else ():
            assert isinstance(found, IncidentEvent)
            root = written(deliver(found))
            drawn = found.position is not None or any(area.polygons or area.circles for area in found.areas)

            assert xsd.validate(root), (path, xsd.error_log)
            assert root.get("type") in ({"a-u-G", "t-x-d-d"} if drawn else {"b-t-f"}), path
            seen[root.get("type")] += 1
    assert {"a-u-G", "b-t-f"} <= set(seen)


@pytest.mark.parametrize("marking", sorted(NOT_EXPRESSIBLE))
def test_a_marking_cot_cannot_express_is_not_written(marking: Classification) -> None:
    event = deliver(alert(header=header(handling=Handling(classification=marking))))

    assert Refusal("classification_not_expressible", "header.handling.classification") == FORMAT.write(event, NOW)


def test_what_is_not_carried_is_named() -> None:
    head = header(language="de", handling=Handling(purpose="p"))
    writing = FORMAT.write(deliver(alert(header=head, officer_ref="o", priority=Priority.URGENT)), NOW)
    areas = (Area(description="Old town", polygons=("1,1 1,2 2,2 1,1",)),)
    drawn = FORMAT.write(deliver(incident(position=None, areas=areas, references=("x",))), NOW)

    assert isinstance(writing, Writing)
    assert isinstance(drawn, Writing)
    assert {
        "header.agency_id", "header.received_at", "header.source", "header.language", "header.handling", "officer_ref"
    } == {lost.path for lost in writing.lost}  # fmt: skip
    assert {"areas[0].polygons", "references"} < {lost.path for lost in drawn.lost}


def test_a_withheld_position_is_said_to_be_withheld() -> None:
    withheld = alert(position=None, position_origin=PositionOrigin.NONE)
    header = withheld.header.model_copy(update={"flags": ("position_withheld",)})
    remarks = written(deliver(withheld.model_copy(update={"header": header}))).findtext("detail/remarks")

    assert remarks is not None
    assert "Position withheld by agreement" in remarks
    assert "unknown" not in remarks
