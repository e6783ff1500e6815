"""CoT read: what recorded messages become, and that nothing hostile or odd gets further than a code."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bondmate_connectors.contract import Ignored, Reading, Refusal, Remark
from bondmate_connectors.formats.cot import FORMAT
from bondmate_connectors.formats.cot.types import alert_uid
from bondmate_schemas.enums import (
    AlertAction,
    AlertKind,
    IncidentAction,
    IncidentCategory,
    Level,
    MessageDirection,
    Mode,
    PositionOrigin,
    Priority,
)
from bondmate_schemas.flags import NAMED_BESIDE
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import DeliveryReceipt, DeviceAlert, DeviceLocation, DeviceMessage, IncidentEvent
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

RECEIVED = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
EXPECTED = {
    "pli": DeviceLocation,
    "emergency": DeviceAlert,
    "geochat": DeviceMessage,
    "casevac": IncidentEvent,
    "marker": IncidentEvent,
    "drawing": IncidentEvent,
    "ranging": IncidentEvent,
    "route": IncidentEvent,
    "range": IncidentEvent,
}
OTHERS = ("task", "aircraft")
SHAPES = ("drawing", "ranging", "route", "range")
HOWS_OF_THE_SHAPES = {"ring_closed", "line_as_ring", "ellipse_as_circle", "shape_missing"}


def event(  # noqa: PLR0917
    kind: str = "a-f-G-U-C",
    detail: str = "",
    uid: str = "u-1",
    point: str = '<point lat="50.1" lon="8.6" hae="100" ce="5" le="9999999"/>',
    times: str = 'time="2026-05-01T10:00:00.250Z" start="2026-05-01T10:00:00Z" stale="2026-05-01T10:01:00Z"',
    more: str = "",
) -> bytes:
    return (
        f'<event version="2.0" uid="{uid}" type="{kind}" how="m-g" {times} {more}>{point}<detail>{detail}</detail></event>'
    ).encode()


def only(message: bytes) -> Any:
    reading = FORMAT.read(message, RECEIVED)
    assert isinstance(reading, Reading), reading
    (one,) = reading.events
    return one


def examples(corpus: Path) -> list[Path]:
    return sorted(path for path in (corpus / "cot" / "examples").rglob("*") if path.is_file())


def test_every_recorded_message_is_the_kind_its_name_says_with_its_uid_time_and_position(corpus: Path) -> None:
    seen = set()
    for path in examples(corpus):
        family = re.split(r"[_ ]", path.stem.lower())[0]
        reading = FORMAT.read(path.read_bytes(), RECEIVED)
        if family not in EXPECTED:
            assert family in OTHERS, path
            assert Ignored("type_ignored") == reading, path
            continue
        assert isinstance(reading, Reading), path
        told = {remark.code for remark in reading.warnings}
        assert told <= (HOWS_OF_THE_SHAPES if family in SHAPES else set()), path
        (found,) = reading.events
        root = etree.fromstring(path.read_bytes())
        point = root.find("point")
        assert EXPECTED[family] is type(found), path
        assert root.get("uid") in [ref.id for ref in found.header.external_refs if ref.system == "cot"], path
        assert datetime.fromisoformat(root.get("time")) == found.header.occurred_at, path
        if family != "geochat" and not getattr(found, "areas", ()) and "shape_missing" not in told:
            assert (float(point.get("lat")), float(point.get("lon"))) == (
                found.position.latitude,
                found.position.longitude,
            ), path
        seen.add(family)

    assert set(EXPECTED) == seen


def test_every_malformed_file_is_refused(corpus: Path) -> None:
    files = sorted((corpus / "cot" / "malformed").iterdir())
    readings = {path.name: FORMAT.read(path.read_bytes(), RECEIVED) for path in files}

    assert 6 <= len(readings)
    assert {"Refusal"} == {type(reading).__name__ for reading in readings.values()}, readings


def test_position_report_carries_device_name_speed_course_and_battery(corpus: Path) -> None:
    found = only((corpus / "cot/examples/takpacket-sdk/pli_full.xml").read_bytes())

    assert "ANDROID-0000000000000002" == found.device_id
    assert "TESTNODE-01" == found.callsign
    assert 88 == found.battery_percent
    assert (1.2, 142.75) == (found.position.speed_mps, found.position.course_deg)
    assert (-29.667, 32.2, None) == (
        found.position.altitude_hae_m,
        found.position.accuracy_m,
        found.position.vertical_accuracy_m,
    )
    assert datetime(2026, 3, 15, 15, 30, 45, tzinfo=UTC) == found.header.expires_at


def test_minus_one_is_no_speed_and_no_course() -> None:
    found = only(event(detail='<track speed="-1.0" course="-1.0"/>'))

    assert (None, None) == (found.position.speed_mps, found.position.course_deg)


@pytest.mark.parametrize("value", ["9999999", "9999999.0", "999999", "NaN", "inf", "", "far"])
def test_unknown_metres_are_none(value: str) -> None:
    found = only(event(point=f'<point lat="1" lon="2" hae="{value}" ce="{value}" le="{value}"/>'))

    assert (None, None, None) == (
        found.position.altitude_hae_m,
        found.position.accuracy_m,
        found.position.vertical_accuracy_m,
    )


def test_a_client_without_a_fix_is_nowhere_not_at_zero() -> None:
    nowhere = '<point lat="0" lon="0" hae="9999999" ce="9999999" le="9999999"/>'

    assert Ignored("no_position") == FORMAT.read(event(point=nowhere), RECEIVED)
    assert only(event("b-a-o-tbl", point=nowhere)).position is None
    assert 0 == only(event(point='<point lat="0" lon="0" hae="0" ce="9" le="9"/>')).position.latitude


@pytest.mark.parametrize(
    ("kind", "detail", "expected"),
    [
        ("b-a-o-tbl", "", AlertKind.SOS),
        ("b-a-o-opn", "<emergency type='In Contact'/>", AlertKind.SOS),
        ("b-a-o-pan", "", AlertKind.ASSISTANCE),
        ("b-a-g", "", AlertKind.GEOFENCE),
        ("b-a-o-c", "<emergency type='Custom'>x</emergency>", AlertKind.OTHER),
        ("b-a-o", "", AlertKind.OTHER),
        ("b-a-o-new", "<emergency type='Troops In Contact'/>", AlertKind.SOS),
        ("a-f-G-U-C", "<takv/><emergency type='911 Alert'/>", AlertKind.SOS),
        ("a-f-G-E-V-9-1-1", "", AlertKind.SOS),
    ],
)
def test_emergencies_are_alerts_whatever_type_carries_them(kind: str, detail: str, expected: AlertKind) -> None:
    found = only(event(kind, detail))

    assert isinstance(found, DeviceAlert)
    assert (AlertAction.RAISE, expected, Priority.IMMEDIATE) == (found.action, found.kind, found.priority)
    assert PositionOrigin.OWN is found.position_origin


@pytest.mark.parametrize(
    ("point", "times", "codes"),
    [
        ("", 'time="2026-05-01T10:00:00Z"', {"position_unreadable"}),
        ('<point lat="91" lon="0"/>', 'time="2026-05-01T10:00:00Z"', {"position_unreadable"}),
        ('<point lat="1" lon="1"/>', 'time="yesterday"', {"time_unreadable"}),
        ("", "", {"position_unreadable", "time_unreadable"}),
    ],
)
def test_an_alert_is_never_lost_to_a_bad_time_or_position(point: str, times: str, codes: set[str]) -> None:
    reading = FORMAT.read(event("b-a-o-tbl", point=point, times=times), RECEIVED)

    assert isinstance(reading, Reading)
    assert isinstance(reading.events[0], DeviceAlert)
    assert codes == {remark.code for remark in reading.warnings}


def test_a_position_with_a_bad_time_or_place_is_refused() -> None:
    assert Refusal("time_invalid", "event/@time") == FORMAT.read(event(times='time="2026-02-30T00:00:00Z"'), RECEIVED)
    assert Refusal("position_invalid", "event/point") == FORMAT.read(event(point=""), RECEIVED)


def test_repeats_of_an_alert_share_its_life_and_the_next_alert_of_the_device_does_not() -> None:
    def raised(time: str, start: str) -> DeviceAlert:
        times = f'time="2026-05-01T{time}Z" start="2026-05-01T{start}Z" stale="2026-05-01T23:00:00Z"'
        return only(event("b-a-o-tbl", uid="ANDROID-1-9-1-1", times=times))

    first, repeat, second = (
        raised("10:00:00", "10:00:00"),
        raised("10:00:10", "10:00:00"),
        raised("11:00:00", "11:00:00"),
    )

    assert first.header.event_id == repeat.header.event_id
    assert first.header.message_id != repeat.header.message_id
    assert first.header.event_id != second.header.event_id
    assert "ANDROID-1" == first.device_id


def test_a_cancel_names_the_alert_it_ends(corpus: Path) -> None:
    found = only((corpus / "cot/examples/takpacket-sdk/emergency_cancel.xml").read_bytes())

    assert AlertAction.CANCEL is found.action
    assert AlertKind.SOS is found.kind
    assert [("cot", "emergency-cancel-01"), ("cot:alert", "emergency-01")] == [
        (ref.system, ref.id) for ref in found.header.external_refs
    ]


@pytest.mark.parametrize(
    ("kind", "detail"),
    [
        ("b-a-o-can", '<emergency cancel="false"/>'),
        ("b-a-o-can", '<emergency cancel="true"/><emergency cancel="0"/>'),
        ("b-a-o-tbl", '<emergency cancel="true"/><emergency type="911 Alert"/>'),
    ],
)
def test_a_cancel_that_says_it_is_none_ends_nothing(kind: str, detail: str) -> None:
    reading = FORMAT.read(event(kind, detail), RECEIVED)
    assert isinstance(reading, Reading)
    alert = reading.events[0]

    assert isinstance(alert, DeviceAlert)
    assert AlertAction.RAISE is alert.action
    assert ("value_unknown", "event/detail/emergency/@cancel") in [(one.code, one.path) for one in reading.warnings]
    assert AlertAction.CANCEL is only(event("b-a-o-can", "<emergency/>")).action


def test_chat_to_a_device_of_the_hub_goes_down_and_any_other_comes_up() -> None:
    def said(to: str) -> DeviceMessage:
        detail = (
            f'<__chat chatroom="x" id="{to}" senderCallsign="OPS"><chatgrp uid0="op-1" uid1="{to}"/></__chat>'
            '<link uid="op-1" relation="p-p"/><remarks>come in</remarks>'
        )
        return only(event("b-t-f", detail, uid=f"GeoChat.op-1.{to}.1"))

    down, up, about = said("bondmate-pseudo7"), said("All Chat Rooms"), said(alert_uid("e-1"))

    assert (MessageDirection.TO_DEVICE, "pseudo7") == (down.direction, down.device_id)
    assert (MessageDirection.FROM_DEVICE, "op-1") == (up.direction, up.device_id)
    assert ("come in", "OPS", "op-1") == (up.text, up.callsign, up.sender_ref)
    assert "e-1" == about.alert_id


@pytest.mark.parametrize(("kind", "level"), [("b-t-f-d", Level.DELIVERED), ("b-t-f-r", Level.ACCEPTED)])
def test_a_chat_receipt_is_never_a_persons_acknowledgement(kind: str, level: Level) -> None:
    uid = alert_uid("e-1")
    detail = f'<__chatreceipt messageId="m-1" id="{uid}" chatroom="x"><chatgrp uid0="op" uid1="{uid}"/></__chatreceipt>'

    found = only(event(kind, detail, uid="m-1"))

    assert isinstance(found, DeliveryReceipt)
    assert (level, "m-1", "e-1") == (found.level, found.delivery_id, found.header.event_id)


@pytest.mark.parametrize(
    ("opex", "mode"),
    [
        ("", Mode.UNKNOWN),
        ('opex="o"', Mode.ACTUAL),
        ('opex="o-NAME"', Mode.ACTUAL),
        ('opex="e-NAME"', Mode.EXERCISE),
        ('opex="s"', Mode.TEST),
        ('opex="s-SYSTEM"', Mode.SYSTEM),
        ('opex="operations"', Mode.UNKNOWN),
        ('opex="?"', Mode.UNKNOWN),
    ],
)
def test_the_mode_is_what_opex_says_and_unknown_when_it_says_nothing(opex: str, mode: Mode) -> None:
    assert mode is only(event("b-a-o-tbl", more=opex)).header.mode


@pytest.mark.parametrize(
    ("kind", "detail"),
    [
        ("a-u-G", ""),
        ("a-h-G-E-V-A-T", ""),
        ("a-n-G", ""),
        ("a-f-G", "<archive/>"),
        ("b-m-p-s-m", ""),
        ("b-m-p-w-GOTO", ""),
    ],
)
def test_points_on_the_map_are_markers(kind: str, detail: str) -> None:
    found = only(event(kind, detail + '<contact callsign="Gate 3"/><remarks>locked</remarks>'))

    assert (IncidentCategory.MARKER, "Gate 3", "locked") == (found.category, found.title, found.description)


def test_who_deletes_a_marker_ends_it_and_where_nobody_knows_it_nobody_need_hear() -> None:
    marker, link = only(event("b-m-p-s-m", uid="marker-1")), '<link uid="marker-1" type="b-m-p-s-m" relation="none"/>'
    reading = FORMAT.read(event("t-x-d-d", f"{link}<__forcedelete/>", uid="a-delete"), RECEIVED)
    assert isinstance(reading, Reading)
    (ended,) = reading.events
    event_id = marker.header.event_id

    assert (IncidentAction.CANCELLED, event_id, (event_id,), (NAMED_BESIDE,)) == (
        ended.action, ended.header.event_id, ended.refers_to, ended.header.flags,
    )  # fmt: skip
    assert ended.header.message_id != marker.header.message_id
    assert {"event/detail/link/@uid", "event/detail/__forcedelete"}.isdisjoint(lost.path for lost in reading.lost)
    for other in ("", '<link uid="bondmate-1-incident"/>', link + '<link uid="marker-2"/>'):
        assert Ignored("type_ignored") == FORMAT.read(event("t-x-d-d", other), RECEIVED)


@pytest.mark.parametrize("kind", ["t-x-c-t", "t-x-takp-v", "t-x-d-d", "b-i-x-i", "b-f-t-r", "y-a-r"])
def test_what_is_nothing_for_the_hub_is_ignored(kind: str) -> None:
    assert Ignored("type_ignored") == FORMAT.read(event(kind), RECEIVED)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"", "xml_malformed"),
        (b"<events/>", "not_cot"),
        (b'<event type="a-f-G"/>', "uid_missing"),
        (b'<event uid="a"/>', "type_missing"),
        (event(uid="x" * 600), "uid_too_long"),
        (b'<event uid="a" type="a-f-G">' + b" " * 2_000_000 + b"</event>", "xml_too_large"),
        (b"<event>" * 200 + b"</event>" * 200, "xml_too_deep"),
    ],
)
def test_what_cannot_be_cot_is_refused_with_a_code(message: bytes, code: str) -> None:
    reading = FORMAT.read(message, RECEIVED)

    assert isinstance(reading, Refusal)
    assert code == reading.code


def case(name: str, cases: Path) -> Any:
    return FORMAT.read((cases / f"{name}.xml").read_bytes(), RECEIVED)


def test_the_words_of_an_emergency_are_the_alerts(cases: Path) -> None:
    found = case("cot26_emergency_text_lost", cases).events[0]
    other = only(event("b-a-o-c", '<emergency type="Custom">man down at the gate</emergency><remarks>hurry</remarks>'))

    assert ("Manual Alert: Gunshot", "K9-1") == (found.text, found.callsign)
    assert "hurry\nman down at the gate" == other.text


def test_a_second_detail_is_read_as_part_of_the_first() -> None:
    message = event("b-a-o-tbl", "<a/>").replace(
        b"</event>", b'<detail><contact callsign="ADAM"/><remarks>help</remarks></detail></event>'
    )
    reading = FORMAT.read(message, RECEIVED)
    assert isinstance(reading, Reading)
    alert = reading.events[0]

    assert isinstance(alert, DeviceAlert)
    assert ("ADAM", "help") == (alert.callsign, alert.text)
    assert {"event/contact", "event/remarks"} <= {remark.path for remark in reading.warnings}


@pytest.mark.parametrize("source", ["BAO.F.TAK-Aware.op-1", "bao.f.ATAK.op-1", "BAO.F.TAK Aware.op-1", "op-1"])
def test_the_writer_is_known_whatever_its_client_is_called(source: str) -> None:
    assert "op-1" == only(event("b-t-f", f'<remarks source="{source}">hello</remarks>')).sender_ref


def test_a_circle_around_nowhere_is_no_place() -> None:
    point = '<point lat="0" lon="0" hae="0" ce="9999999" le="9999999"/>'
    reading = FORMAT.read(event("u-d-c-c", '<shape><ellipse major="5" minor="5"/></shape>', point=point), RECEIVED)
    assert isinstance(reading, Reading)

    assert () == reading.events[0].areas  # type: ignore[union-attr]
    assert "shape_missing" in {remark.code for remark in reading.warnings}


def test_what_stands_beside_the_detail_is_read_and_told(cases: Path) -> None:
    reading = case("cot02_contact_outside", cases)

    assert "TEST1" == reading.events[0].callsign
    assert [("outside_detail", "event/contact")] == [(r.code, r.path) for r in reading.warnings]


def test_zero_zero_without_an_error_is_no_place_least_of_all_for_an_sos(cases: Path) -> None:
    zero = '<point lat="0.0" lon="0.0" hae="0" ce="0" le="0"/>'

    assert Ignored("no_position") == case("cot11_zero_zero_ce0", cases)
    reading = FORMAT.read(event("b-a-o-tbl", point=zero), RECEIVED)
    alert = reading.events[0]
    assert (None, PositionOrigin.NONE) == (alert.position, alert.position_origin)
    assert ["position_zero"] == [remark.code for remark in reading.warnings]


def test_small_letters_in_a_time_cost_nothing(cases: Path) -> None:
    reading = case("cot05_lower_z", cases)

    assert datetime(2026, 11, 29, 19, tzinfo=UTC) == reading.events[0].header.occurred_at
    assert {Remark("time_lenient", f"event/@{name}", "small_letter") for name in ("time", "start")} == {
        *reading.warnings
    }


@pytest.mark.parametrize("second", ["00Z", "00.0Z", "00.25Z", "00.000001Z", "00+00:00", "00z"])
def test_an_id_is_made_of_the_same_text_however_a_time_was_written(second: str) -> None:
    time = datetime.fromisoformat(f"2026-05-01T10:00:{second.upper()}")

    record = only(event(times=f'time="2026-05-01T10:00:{second}" start="2026-05-01T11:00:{second}"'))

    later = str(time.replace(hour=11))
    assert derived_id("cot", "u-1", "a-f-G-U-C", str(time), later) == record.header.message_id


def test_a_text_with_an_odd_time_is_a_text(cases: Path) -> None:
    reading = case("cot_badtime", cases)

    assert "stay where you are" == reading.events[0].text
    assert Remark("time_lenient", "event/@time", "space") == reading.warnings[0]
    assert {"time_lenient"} == {remark.code for remark in reading.warnings}


@pytest.mark.parametrize("kind", ["a-f-G-E-V-C", "a-f-G", "a-f-A-M-H-Q", "a-f-G-U-C"])
@pytest.mark.parametrize("more", ["", '<usericon iconsetpath="x"/>', '<link uid="x" relation="p-p"/>'])
def test_where_a_machine_says_a_friendly_thing_is_is_a_position_and_no_incident(kind: str, more: str) -> None:
    found = only(event(kind, f'<contact callsign="CAR-7"/><track speed="9" course="10"/>{more}'))

    assert isinstance(found, DeviceLocation)
    assert ("CAR-7", 9.0) == (found.callsign, found.position.speed_mps)


def test_a_drone_without_a_fix_is_no_incident(cases: Path) -> None:
    assert Ignored("no_position") == case("cot_drone", cases)


def test_a_casualty_request_carries_its_nine_lines_in_words_and_as_sent(cases: Path) -> None:
    found = case("cot_casevac", cases).events[0]
    sent = {code.system.rpartition("@")[2]: code.value for code in found.attributes}

    assert IncidentCategory.INCIDENT is found.category
    for words in (
        "Casualties by urgency: urgent 2, priority 1", "Special equipment: hoist", "Casualties by type: litter 1",
        "Security at the place: possible enemy", "Marking of the place: none, hlz remarks green smoke",
        "obstacles wires", "gunshot, officer down", "Casualty: ", "left leg",
    ):  # fmt: skip
        assert words in found.description
    assert ("true", "38.9", "GSW") == (sent["casevac"], sent["freq"], sent["m"])


@pytest.mark.parametrize(
    ("kind", "detail", "polygons", "circles", "codes"),
    [
        ("u-d-p", '<link point="1,2"/><link point="1,3"/><link point="2,3"/>', ("1.0,2.0 1.0,3.0 2.0,3.0 1.0,2.0",), (),
         ["ring_closed"]),
        ("u-d-p", '<link point="0.00001,2"/><link point="1,3,9"/><link point="2, -0"/>',
         ("1e-05,2.0 1.0,3.0 2.0,-0.0 1e-05,2.0",), (), ["ring_closed"]),
        ("u-d-f", '<link point="1,2"/><link point="1,3"/><link point="2,3"/><link point="1,2"/>',
         ("1.0,2.0 1.0,3.0 2.0,3.0 1.0,2.0",), (), []),
        ("b-m-r", '<link point="1, 2, 30" callsign="A"/><link point="1, 3"/><link point="2, 3"/>',
         ("1.0,2.0 1.0,3.0 2.0,3.0 1.0,3.0 1.0,2.0",), (), ["line_as_ring"]),
        ("u-d-f", '<link point="1,2"/><link point="1,3"/>', ("1.0,2.0 1.0,3.0 1.0,3.0 1.0,2.0",), (), ["line_as_ring"]),
        ("u-d-c-c", '<shape><ellipse major="500" minor="500"/></shape>', (), ("50.1,8.6 0.5",), []),
        ("u-d-c-e", '<shape><ellipse major="250" minor="100"/></shape>', (), ("50.1,8.6 0.25",), ["ellipse_as_circle"]),
        ("u-d-c-c", '<shape><ellipse major="5e7" minor="5e7"/></shape>', (), ("50.1,8.6 50000",), ["circle_too_large"]),
        ("u-d-p", '<link point="1,1"/><link point="3,3"/><link point="1,3"/><link point="3,1"/>',
         ("1.0,1.0 3.0,3.0 1.0,3.0 3.0,1.0 1.0,1.0",), (), ["ring_closed", "ring_crosses"]),
        ("u-d-p", '<link point="91,2"/><link point="x"/><link/>', (), (), ["shape_missing"]),
    ],
)  # fmt: skip
def test_drawings_and_routes_are_incidents_with_areas(
    kind: str, detail: str, polygons: tuple[str, ...], circles: tuple[str, ...], codes: list[str]
) -> None:
    reading = FORMAT.read(event(kind, detail + '<contact callsign="Cordon"/><remarks>closed</remarks>'), RECEIVED)
    assert isinstance(reading, Reading)
    (found,) = reading.events

    assert isinstance(found, IncidentEvent)
    assert ("Cordon", "closed", IncidentCategory.MARKER) == (found.title, found.description, found.category)
    assert (polygons, circles) == (
        tuple(p for area in found.areas for p in area.polygons),
        tuple(c for area in found.areas for c in area.circles),
    )
    assert codes == [remark.code for remark in reading.warnings]


@given(
    kind=st.sampled_from(["a-f-G-U-C", "b-a-o-tbl", "b-a-o-can", "b-t-f", "b-t-f-r", "b-r-f-h-c", "b-m-p-s-m", "u-d-p"]),
    point=st.tuples(*[st.floats(-400, 400) | st.sampled_from([0.0, -1.0, 9999999.0])] * 5),
    detail=st.sampled_from([
        "", '<track speed="-1" course="361"/><status battery="101"/>', '<track speed="2.5" course="10"/>',
        '<contact callsign="X"/><remarks>r</remarks><link point="1,2"/><link point="1,3"/><link point="2,2"/>',
        '<_medevac_ urgent="1"/><status battery="50"/>', '<bondmate mode="TEST" kind="SOS" device="d" fixed="x"/>',
        '<__chat senderCallsign="A" id="bondmate-d-1"/><remarks>r</remarks>', '<emergency type="x">y</emergency>',
    ]),
    time=st.sampled_from(["2026-05-01T10:00:00.1234Z", "2026-05-01 10:00z", "0001-01-01T00:00:00+01:00", ""]),
    more=st.sampled_from(['opex="e"', 'qos="9-r-g"', ""]),
)  # fmt: skip
def test_what_is_built_without_validation_is_as_the_model_would_have_it(
    kind: str, point: tuple[float, ...], detail: str, time: str, more: str
) -> None:
    at = "".join(f' {name}="{value}"' for name, value in zip(("lat", "lon", "hae", "ce", "le"), point, strict=True))
    times = f'time="{time}" start="{time}" stale="{time}"'
    reading = FORMAT.read(event(kind, detail, point=f"<point{at}/>", times=times, more=more), RECEIVED)
    if isinstance(reading, Reading):
        for found in reading.events:
            assert found == type(found).model_validate(found.model_dump())


_UNSAID = frozenset({"", "9999999.0", "9999999", "true", "false"})


def _leaves(element: etree._Element, path: str) -> list[tuple[str, str]]:
    found = [(f"{path}/@{name}", str(value)) for name, value in element.attrib.items()]
    if (element.text or "").strip():
        found.append((path, (element.text or "").strip()))
    for child in element:
        found += _leaves(child, f"{path}/{child.tag}")
    return found


def _said(value: str, text: str) -> bool:
    """Whether the event carries a value: as it is, or as the number, degrees, kilometres or time that it says."""
    ways = [value, value.rstrip("Zz").replace(" ", "T").removesuffix(".000"), value.removesuffix("-Alert")]
    with contextlib.suppress(ValueError):
        numbers = [float(part) for part in value.split(",")]
        ways += [",".join(map(str, numbers[:2])), str(numbers[0]).removesuffix(".0"), f"{numbers[0] / 1000:.9g}"]
    return any(way in text for way in ways)


@pytest.mark.parametrize(
    ("message", "code", "place"),
    [
        (event(times='time="2026-05-01T10:00:00Z" start="soon" stale="2026-05-01T10:01:00Z"'), "time_unreadable",
         "event/@start"),
        (event(times='time="2026-05-01T10:00:00Z" start="2026-05-01T10:00:00Z" stale="2026-13-01T10:01:00Z"'),
         "time_unreadable", "event/@stale"),
        (event(point='<point lat="50.1" lon="8.6" hae="high" ce="5" le="5"/>'), "value_unreadable", "event/point/@hae"),
        (event(point='<point lat="50.1" lon="8.6" hae="1" ce="-5" le="5"/>'), "value_unreadable", "event/point/@ce"),
        (event("a-u-G", point='<point lat="0" lon="0" hae="0" ce="0" le="0"/><!-- -->').replace(b"m-g", b"h-e"),
         "position_zero", "event/point"),
        (event(detail='<track speed="fast" course="10"/>'), "value_unreadable", "event/detail/track/@speed"),
        (event(detail='<track speed="1" course="400"/>'), "value_unreadable", "event/detail/track/@course"),
        (event(detail='<status battery="150"/>'), "value_unreadable", "event/detail/status/@battery"),
        (event(detail='<contact callsign="A"/><contact callsign="B"/>'), "element_repeated", "event/detail/contact[2]"),
        (event(detail="words<contact/>"), "text_unexpected", "event/detail"),
        (event(detail="<contact/>words"), "text_unexpected", "event/detail"),
        (event("b-a-o-tbl", "<remarks>a<b/>c</remarks>"), "text_unexpected", "event/detail/remarks"),
        (event(more='opex="real"'), "value_unknown", "event/@opex"),
        (event("b-a-o-tbl", more='qos="high"'), "value_unknown", "event/@qos"),
        (event("b-a-o-tbl", '<emergency cancel="perhaps"/>'), "value_unknown", "event/detail/emergency/@cancel"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_for_what_it_is_meant_to_be_is_told_and_lost(
    message: bytes, code: str, place: str
) -> None:
    reading = FORMAT.read(message, RECEIVED)

    assert isinstance(reading, Reading)
    assert (code, place) in [(remark.code, remark.path) for remark in reading.warnings]
    assert place in [lost.path for lost in reading.lost]


def test_what_says_that_it_is_not_known_is_no_surprise() -> None:
    unknown = '<point lat="50.1" lon="8.6" hae="9999999.0" ce="9999999" le="999999"/>'
    reading = FORMAT.read(event(detail='<track speed="-1" course="-1"/><contact/>', point=unknown), RECEIVED)

    assert isinstance(reading, Reading)
    assert () == reading.warnings
    assert ["event/@start"] == [lost.path for lost in reading.lost]


@pytest.mark.parametrize("number", ["\u0665\u0660", "5_0", "1e400", "nan", "0x10"])
def test_a_number_is_one_of_xml_and_not_of_python(number: str) -> None:
    reading = FORMAT.read(event("b-a-o-tbl", point=f'<point lat="{number}" lon="8.6" ce="5"/>'), RECEIVED)

    assert isinstance(reading, Reading)
    assert reading.events[0].position is None
    assert "position_unreadable" in [remark.code for remark in reading.warnings]
    assert "event/point" in [lost.path for lost in reading.lost]


@pytest.mark.parametrize("points", [["50,4", "x", "51,5", "52,5"], ["50,4", "51,NaN", "51,5"], ["50,4", "51", "52,5"],
                                    ["50,4"] * 4])  # fmt: skip
def test_a_drawing_of_which_a_corner_cannot_be_read_is_no_other_drawing(points: list[str]) -> None:
    links = "".join(f'<link point="{point}"/>' for point in points)
    reading = FORMAT.read(event("u-d-f", links), RECEIVED)

    assert isinstance(reading, Reading)
    assert () == reading.events[0].areas
    assert "shape_missing" in [remark.code for remark in reading.warnings]
    assert "event/detail/link/@point" in [lost.path for lost in reading.lost]


@pytest.mark.parametrize(
    ("kind", "detail", "code"),
    [
        ("u-d-f", "".join(f'<link point="{point}"/>' for point in ("50,4", "51,5", "51,4", "50,5")), "ring_crosses"),
        ("u-d-c-c", '<shape><ellipse major="1e9" minor="1e9"/></shape>', "circle_too_large"),
    ],
)
def test_a_shape_that_looks_wrong_is_told(kind: str, detail: str, code: str) -> None:
    reading = FORMAT.read(event(kind, detail), RECEIVED)

    assert isinstance(reading, Reading)
    assert code in [remark.code for remark in reading.warnings]


def test_an_escaped_half_of_a_character_goes_no_further() -> None:
    reading = FORMAT.read(event("b-a-o-tbl", '<bondmate device="%d800;x" event="%dfff;" mode="ACTUAL"/>'), RECEIVED)

    assert isinstance(reading, Reading)
    assert ("%d800;x", "%dfff;") == (reading.events[0].device_id, reading.events[0].header.event_id)
    assert reading.events[0].model_dump_json().encode()


def test_what_went_in_is_in_the_event_or_named_as_lost(corpus: Path, cases: Path) -> None:
    """Grammar apart (type, how, version, the type of an emergency): every element and attribute of every example."""
    grammar = {"event/@type", "event/@how", "event/@version", "event/detail/emergency/@type"}
    seen = 0
    for path in (*examples(corpus), *sorted(cases.glob("cot*.xml"))):
        reading = FORMAT.read(path.read_bytes(), RECEIVED)
        if not isinstance(reading, Reading):
            continue
        text = reading.events[0].model_dump_json()
        lost = tuple(each.path for each in reading.lost)
        for place, value in _leaves(etree.fromstring(path.read_bytes()), "event"):
            inside = place.replace("event/contact", "event/detail/contact")
            kept = value in _UNSAID or _said(value, text) or inside.startswith(lost)

            assert place in grammar or kept, (path.name, place, value)
            seen += 1

    assert 300 < seen


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("words", ["<a/>words", "<a/><!-- -->words", "<a/><![CDATA[words]]>", "<a/><?p?>words"])
def test_words_between_elements_are_told_however_they_are_written(words: str, encoding: str) -> None:
    point = '<point lat="1" lon="2">{}</point>'
    for place, message in (
        ("event/detail", event(detail=words)),
        ("event/detail/b", event(detail=f"<b>{words}</b>")),
        ("event/point", event(point=point.format(words))),
        ("event/point", event(point=point.format("<a/>"))),
        ("event/text()", event().replace(b"<point", words.removeprefix("<a/>").encode() + b"<point", 1)),
    ):
        reading = FORMAT.read(message.decode().encode(encoding), RECEIVED)
        assert isinstance(reading, Reading)

        assert ("text_unexpected", place) in {(remark.code, remark.path) for remark in reading.warnings}


def test_an_attribute_too_many_of_a_point_is_lost_though_another_is_missing() -> None:
    reading = FORMAT.read(event(point='<point lat="1" lon="2" hae="3" le="9" floor="2"/>'), RECEIVED)
    assert isinstance(reading, Reading)

    assert "event/point/@floor" in {each.path for each in reading.lost}


@pytest.mark.parametrize("kind", ["a-f-G-U-C", "b-a-o-tbl", "b-m-p-s-m", "b-t-f"])
def test_of_a_large_message_is_lost_what_is_of_a_small_one(kind: str) -> None:
    detail = '<takv os="1"/><color argb="1">x</color><track slope="1"/><marti><dest/></marti><remarks>{}</remarks>'
    small, large = (FORMAT.read(event(kind, detail.format("r" * size)), RECEIVED) for size in (1, 10_000))
    assert isinstance(small, Reading)
    assert isinstance(large, Reading)

    assert {"event/detail/color", "event/detail/takv"} <= {each.path for each in small.lost}
    assert small.lost == large.lost


@given(st.binary(max_size=300))
def test_any_bytes_are_read_ignored_or_refused(message: bytes) -> None:
    assert isinstance(FORMAT.read(message, RECEIVED), Reading | Ignored | Refusal)


_attribute = st.text(st.characters(codec="ascii", exclude_characters='<&"', exclude_categories=["Cc"]), max_size=12)


@given(
    kind=st.sampled_from(["a-f-G", "a-u-G", "b-a-o-tbl", "b-a-o-can", "b-t-f", "b-t-f-r", "b-r-f-h-c", "b-m-p-s-m"]),
    values=st.lists(_attribute, min_size=8, max_size=8),
    names=st.lists(st.sampled_from(["takv", "link", "track", "status", "emergency", "remarks", "contact"]), max_size=4),
)
def test_any_attributes_are_read_ignored_or_refused(kind: str, values: list[str], names: list[str]) -> None:
    a, b, c, d, e, f, g, h = values
    detail = "".join(
        f'<{name} uid="{a}" relation="{b}" speed="{c}" course="{d}" battery="{e}" type="{f}">{"x" * len(g)}</{name}>'
        for name in names
    )
    point = f'<point lat="{a}" lon="{b}" hae="{c}" ce="{d}" le="{e}"/>'
    times = f'time="{f}" start="{g}" stale="{h}"'

    for candidate in (event(kind, detail, point=point), event(kind, detail, times=times), event(kind, detail)):
        assert isinstance(FORMAT.read(candidate, RECEIVED), Reading | Ignored | Refusal)
