"""CoT read: what recorded messages become, and that nothing hostile or odd gets further than a code."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bondmate_connectors.contract import Ignored, Reading, Refusal
from bondmate_connectors.formats.cot import FORMAT
from bondmate_connectors.formats.cot.types import alert_uid
from bondmate_schemas.enums import (
    AlertAction,
    AlertKind,
    IncidentCategory,
    Level,
    MessageDirection,
    Mode,
    PositionOrigin,
    Priority,
)
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
}
OTHERS = ("drawing", "ranging", "route", "task", "aircraft", "range")


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
            assert family in OTHERS or family == "drawing", path
            assert Ignored("type_ignored") == reading, path
            continue
        assert isinstance(reading, Reading), path
        assert () == reading.warnings, path
        (found,) = reading.events
        root = etree.fromstring(path.read_bytes())
        point = root.find("point")
        assert EXPECTED[family] is type(found), path
        assert root.get("uid") in [ref.id for ref in found.header.external_refs if ref.system == "cot"], path
        assert datetime.fromisoformat(root.get("time")) == found.header.occurred_at, path
        if family != "geochat":
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
        ("a-f-G-U-C", '<link uid="x" relation="p-p"/>'),
        ("b-m-p-s-m", ""),
        ("b-m-p-w-GOTO", ""),
    ],
)
def test_points_on_the_map_are_markers(kind: str, detail: str) -> None:
    found = only(event(kind, detail + '<contact callsign="Gate 3"/><remarks>locked</remarks>'))

    assert (IncidentCategory.MARKER, "Gate 3", "locked") == (found.category, found.title, found.description)


@pytest.mark.parametrize("kind", ["u-d-f", "b-m-r", "t-x-c-t", "t-x-takp-v", "t-x-d-d", "b-i-x-i", "b-f-t-r", "y-a-r"])
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
