"""Alerts: an SOS passes whatever is wrong with it, and a repeat is the same event."""

from __future__ import annotations

import asyncio
import gzip
import json
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest
from bondmate_schemas.codec import Codec, LocalSchemaIds
from bondmate_schemas.enums import AlertAction, AlertKind, Mode, PositionOrigin
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import DeviceAlert

HERE = {"latitude": 52.1, "longitude": 4.3, "accuracy_m": 8.0}


async def test_an_alert_becomes_the_event_of_its_enrolled_device(bench, at):
    body = {
        "message_id": "m-1",
        "alert_id": "a-1",
        "kind": "SOS",
        "occurred_at": at(seconds=-2),
        "position": {**HERE, "fixed_at": at(seconds=-5)},
        "text": "help",
        "language": "en-GB",
        "battery_percent": 40,
    }

    status, answer = await bench.device().post("/v1/alerts", body)
    alert = bench.hub.last

    event_id = derived_id("alert", "dev-smith", "a-1")
    assert status == 202
    assert answer == {
        "message_id": alert.header.message_id,
        "event_id": event_id,
        "incident_id": derived_id("incident", event_id),
        "flags": [],
    }
    assert isinstance(alert, DeviceAlert)
    assert (alert.action, alert.kind, alert.header.mode) == (AlertAction.RAISE, AlertKind.SOS, Mode.ACTUAL)
    assert (alert.device_id, alert.officer_ref, alert.unit, alert.callsign) == (
        "dev-smith",
        "o-smith",
        "unit-7",
        "Kilo-7",
    )
    assert (alert.header.agency_id, alert.header.handling.purpose) == ("police-a", "officer-safety")
    assert alert.header.origin_message_id == "m-1"
    assert alert.position_origin is PositionOrigin.OWN
    assert alert.position_age_seconds == 3
    assert alert.position is not None
    assert (alert.position.latitude, alert.position.longitude) == (52.1, 4.3)


async def test_the_same_message_and_content_again_is_the_same_event_in_any_spelling_and_any_gateway(
    bench, run_gateway, at
):
    body = {"message_id": "m", "kind": "SOS", "occurred_at": at(), "position": HERE}
    first = await bench.device().post("/v1/alerts", body)

    other_spelling = json.dumps(dict(reversed(body.items())), indent=3).encode()
    again = await bench.device().post_bytes("/v1/alerts", other_spelling)
    sent_later = await bench.device().post("/v1/alerts", {**body, "sent_at": at(seconds=9)})
    async with run_gateway() as elsewhere:
        there = await elsewhere.device().post("/v1/alerts", body)

    assert first == again == sent_later == there
    assert first[0] == 202


async def test_the_same_id_with_other_content_is_another_message_of_the_same_alert_and_can_be_flagged(bench, at):
    _, first = await bench.device().post("/v1/alerts", {"message_id": "m", "kind": "SOS", "occurred_at": at()})
    _, other = await bench.device().post("/v1/alerts", {"message_id": "m", "kind": "SOS", "occurred_at": at(seconds=1)})
    one, two = (event.header for event in bench.hub.events)

    assert first["message_id"] != other["message_id"]
    assert first["event_id"] == other["event_id"]
    assert one.origin_message_id == two.origin_message_id == "m"
    assert one.content_digest != two.content_digest


async def test_one_device_cannot_touch_the_alert_of_another(bench, at):
    body = {"alert_id": "a", "kind": "SOS", "occurred_at": at()}
    _, smith = await bench.device().post("/v1/alerts", {**body, "message_id": "m1"})
    _, jones = await bench.device("token-jones").post("/v1/alerts", {**body, "message_id": "m1", "action": "cancel"})
    _, by_event = await bench.device("token-jones").post(
        "/v1/alerts", {**body, "message_id": "m2", "alert_id": smith["event_id"], "action": "cancel"}
    )

    assert len({smith["event_id"], jones["event_id"], by_event["event_id"]}) == 3
    assert len({smith["message_id"], jones["message_id"]}) == 2


async def test_updates_and_the_cancel_share_the_event_and_the_incident_of_the_raise(bench, at):
    sent = [
        await bench.device().post(
            "/v1/alerts",
            {"message_id": f"m-{action}", "alert_id": "a", "action": action, "kind": "SOS", "occurred_at": at()},
        )
        for action in ("raise", "update", "cancel")
    ]

    assert len({answer["event_id"] for _, answer in sent}) == 1
    assert len({answer["incident_id"] for _, answer in sent}) == 1
    assert [AlertAction.RAISE, AlertAction.UPDATE, AlertAction.CANCEL] == [event.action for event in bench.hub.events]


GOOD = {"latitude": 52.1, "longitude": 4.3}
LENIENT: list[tuple[str, dict[str, Any], str, bool]] = [
    ("no position", {}, "", False),
    ("latitude out of range", {"position": {**GOOD, "latitude": 91}}, "position_invalid", False),
    ("longitude is NaN", {"position": {**GOOD, "longitude": float("nan")}}, "position_invalid", False),
    ("latitude is infinite", {"position": {**GOOD, "latitude": float("inf")}}, "position_invalid", False),
    ("latitude has 5,000 digits", {"position": {**GOOD, "latitude": 10**4000}}, "position_invalid", False),
    ("half a position", {"position": {"latitude": 52.1}}, "position_invalid", False),
    ("position is a text", {"position": "52.1,4.3"}, "position_invalid", False),
    ("position is a list", {"position": [52.1, 4.3]}, "position_invalid", False),
    ("position is true", {"position": {"latitude": True, "longitude": False}}, "position_invalid", False),
    ("0,0", {"position": {"latitude": 0, "longitude": 0.0}}, "position_invalid", False),
    ("an old fix", {"position": {**GOOD, "fixed_at": "2020-01-01T00:00:00Z"}}, "", True),
    ("numbers as texts", {"position": {"latitude": "52.1", "longitude": "4.3"}}, "", True),
    ("accuracy negative", {"position": {**GOOD, "accuracy_m": -1}}, "position_partly_invalid", True),
    ("time of the fix malformed", {"position": {**GOOD, "fixed_at": "noon"}}, "position_partly_invalid", True),
    ("unknown field in the position", {"position": {**GOOD, "datum": "12"}}, "position_partly_invalid", True),
    ("kind unknown", {"kind": "HICCUP"}, "kind_unknown", False),
    ("kind in lower case", {"kind": "sos"}, "", False),
    ("kind is a number", {"kind": 7}, "kind_unknown", False),
    ("action unknown", {"action": "explode"}, "action_unknown", False),
    ("unknown field", {"shoe_size": 44}, "unknown_field", False),
    ("battery beyond full", {"battery_percent": 140}, "battery_percent_invalid", False),
    ("press count zero", {"press_count": 0}, "press_count_invalid", False),
    ("text is a list", {"text": ["a"]}, "text_invalid", False),
    ("text too long", {"text": "x" * 5000}, "text_truncated", False),
    ("language malformed", {"language": "english please"}, "language_invalid", False),
    ("half a surrogate pair", {"text": "\ud800!"}, "", False),
    ("attachment malformed", {"attachments": [{"sha256": "x"}, 3]}, "attachments_invalid", False),
    ("attachments no list", {"attachments": "photo"}, "attachments_invalid", False),
    ("silent is a word", {"silent": "please"}, "silent_invalid", False),
    ("alert id is a list", {"alert_id": []}, "alert_id_invalid", False),
    ("message id is a number", {"message_id": 17}, "", False),
    ("message id far too long", {"message_id": "m" * 500}, "message_id_shortened", False),
    ("message id with a line feed", {"message_id": "m\n1"}, "message_id_shortened", False),
    ("everything null", {"kind": None, "action": None, "position": None, "text": None}, "kind_missing", False),
]


@pytest.mark.parametrize(("more", "flag", "has_position"), [case[1:] for case in LENIENT], ids=[c[0] for c in LENIENT])
async def test_an_alert_passes_whatever_is_wrong_with_it(bench, at, more, flag, has_position):
    body = {"message_id": "m", "kind": "SOS", "occurred_at": at(), **more}

    status, answer = await bench.device().post("/v1/alerts", body)
    codec = Codec(LocalSchemaIds())
    alert = codec.decode(codec.encode(bench.hub.last), DeviceAlert)

    assert status == 202
    assert ([flag] if flag else []) == answer["flags"]
    assert has_position == (alert.position is not None)
    assert answer["flags"] == list(alert.header.flags)


async def test_what_is_wrong_with_an_alert_takes_nothing_else_away(bench, at):
    body = {
        "message_id": "m",
        "kind": "DURESS",
        "occurred_at": at(),
        "position": {**GOOD, "latitude": 900},
        "battery_percent": "full",
        "text": "side door",
        "attachments": [{"sha256": "x"}, _attachment(), {}],
    }

    _, answer = await bench.device().post("/v1/alerts", body)
    alert = bench.hub.last

    assert ["attachments_invalid", "battery_percent_invalid", "position_invalid"] == answer["flags"]
    assert (alert.kind, alert.text, len(alert.attachments)) == (AlertKind.DURESS, "side door", 1)


async def test_more_attachments_than_fit_are_cut_not_refused(bench, at):
    body = {"message_id": "m", "kind": "SOS", "occurred_at": at(), "attachments": [_attachment()] * 25}

    status, answer = await bench.device().post("/v1/alerts", body)

    assert (202, ["attachments_invalid"]) == (status, answer["flags"])
    assert len(bench.hub.last.attachments) == 20


def _attachment() -> dict[str, Any]:
    return {"sha256": "ab" * 32, "size_bytes": 5, "media_type": "image/jpeg", "url": "https://store.example/1"}


@pytest.mark.parametrize(
    ("told", "flags"),
    [
        ("1970-01-01T00:00:00Z", ["clock_skew", "late"]),
        ("2100-01-01T00:00:00Z", ["clock_skew"]),
        ("0001-01-01T00:00:00+14:00", ["clock_skew", "late"]),
        ("9999-12-31T23:59:59.999-12:00", ["clock_skew"]),
        ("2026-11-23T05:54:59Z", ["clock_skew", "late"]),
        ("2026-11-23T06:05:01Z", ["clock_skew"]),
        ("2026-11-23T05:55:00Z", ["clock_skew"]),
        ("2026-11-23T06:05:00Z", ["clock_skew"]),
        ("2026-11-23T05:59:00Z", []),
        ("2026-11-23T06:01:00Z", []),
        ("2026-11-23T07:00:00+01:00", []),
    ],
)
async def test_a_wrong_clock_is_flagged_and_kept_as_told(bench, told, flags):
    status, answer = await bench.device().post("/v1/alerts", {"message_id": "m", "kind": "SOS", "occurred_at": told})
    codec = Codec(LocalSchemaIds())
    kept = codec.decode(codec.encode(bench.hub.last), DeviceAlert).header.occurred_at

    assert (202, flags) == (status, answer["flags"])
    if not told.startswith(("0001", "9999")):
        assert datetime.fromisoformat(told).astimezone(UTC) == kept


@pytest.mark.parametrize("told", ["yesterday", "2026-11-23T06:00:00", 1_700_000_000, "1700000000", None, {}])
async def test_an_alert_without_a_readable_time_happened_when_it_came(bench, told):
    status, answer = await bench.device().post("/v1/alerts", {"message_id": "m", "kind": "SOS", "occurred_at": told})

    assert status == 202
    assert "occurred_at_missing" in answer["flags"]
    assert bench.clock[0] == bench.hub.last.header.occurred_at


async def test_an_alert_that_waited_for_the_network_is_late_not_skewed_when_it_says_when_it_was_sent(bench, at):
    waited = {"message_id": "m", "kind": "SOS", "occurred_at": at(hours=-1), "sent_at": at(seconds=-1)}

    _, answer = await bench.device().post("/v1/alerts", waited)

    assert answer["flags"] == ["late"]


@pytest.mark.parametrize(
    ("seconds", "flags"), [(-240, ["clock_skew"]), (240, ["clock_skew"]), (-30, ["clock_skew"]), (-9, [])]
)
async def test_a_clock_that_is_a_little_slow_shows_by_when_it_says_that_it_sent(bench, at, seconds, flags):
    said = {"message_id": "m", "kind": "SOS", "occurred_at": at(seconds=seconds), "sent_at": at(seconds=seconds)}
    device = bench.device()
    _, by_body = await device.post("/v1/alerts", said)
    device.headers["Date"] = format_datetime(datetime.fromisoformat(said.pop("sent_at")), usegmt=True)
    _, by_header = await device.post("/v1/alerts", said)

    assert (flags, flags) == (by_body["flags"], by_header["flags"])
    assert by_body["message_id"] == by_header["message_id"]
    assert {seconds * 1000} == {event.clock_ahead_ms for event in bench.hub.events}


@pytest.mark.parametrize(
    "date",
    ["", "yesterday", "Mon, 23 Nov 2026 06:00:00 -0000", f"Mon, 23 Nov {10**20} 06:00:00 GMT", ",", ":::",
     f"Mon, 23 Nov 2026 06:00:00 +{10**20}"],
)  # fmt: skip
async def test_a_date_that_is_none_says_nothing(bench, at, date):
    device = bench.device()
    device.headers["Date"] = date
    status, answer = await device.post("/v1/alerts", {"message_id": "m", "kind": "SOS", "occurred_at": at(minutes=-3)})

    assert (202, ["clock_skew"]) == (status, answer["flags"])
    assert bench.hub.last.clock_ahead_ms is None


async def test_mode_comes_from_the_enrolment_and_no_request_changes_it(bench, at):
    body = {"message_id": "m", "kind": "SOS", "occurred_at": at(), "mode": "TEST"}

    real_status, real = await bench.device().post("/v1/alerts", body)
    drill_status, _ = await bench.device("token-trainee").post("/v1/alerts", {**body, "mode": "ACTUAL"})

    assert (202, 202, ["unknown_field"]) == (real_status, drill_status, real["flags"])
    assert [Mode.ACTUAL, Mode.EXERCISE] == [event.header.mode for event in bench.hub.events]


async def test_duress_is_silent_unless_the_profile_says_otherwise(bench, at):
    for token in ("token-smith", "token-trainee"):
        for kind in ("DURESS", "SOS"):
            body = {"message_id": kind, "kind": kind, "occurred_at": at(), "silent": False}
            await bench.device(token).post("/v1/alerts", body)
    await bench.device().post("/v1/alerts", {"message_id": "x", "kind": "SOS", "silent": True})

    assert [True, False, False, False, True] == [event.silent for event in bench.hub.events]


@pytest.mark.parametrize(
    ("kind", "priority"),
    [
        ("SOS", "IMMEDIATE"),
        ("HICCUP", "IMMEDIATE"),
        ("TAMPER", "URGENT"),
        ("GEOFENCE", "URGENT"),
        ("LOW_BATTERY", "ROUTINE"),
    ],
)
async def test_an_alert_is_immediate_unless_its_kind_is_known_to_be_less(bench, kind, priority):
    await bench.device().post("/v1/alerts", {"message_id": "m", "kind": kind})

    assert priority == bench.hub.last.priority


@pytest.mark.parametrize("body", [b"", b"SOS", b"{", b"[" * 100_000, b'{"a":' * 5000, b"\x00\xff"])
async def test_what_is_no_json_is_refused(bench, body):
    status, problem = await bench.device().post_bytes("/v1/alerts", body)

    assert (400, "urn:bondmate:problem:not_json") == (status, problem["type"])
    assert [] == bench.hub.events


@pytest.mark.parametrize(
    "body", [{}, {"message_id": ""}, {"message_id": None}, {"message_id": True}, {"message_id": {}}]
)
async def test_an_alert_without_a_message_id_is_refused_by_that_name(bench, body):
    status, problem = await bench.device().post("/v1/alerts", {**body, "kind": "SOS"})

    assert status == 422
    assert ["#/message_id"] == [error["pointer"] for error in problem["errors"]]
    assert [] == bench.hub.events


async def test_form_does_not_matter_to_an_alert(bench):
    plain = await bench.device().post_bytes(
        "/v1/alerts", b'{"message_id":"a","kind":"SOS"}', **{"Content-Type": "text/plain"}
    )
    marked = await bench.device().post_bytes("/v1/alerts", b'\xef\xbb\xbf{"message_id":"b"}')
    twice = await bench.device().post_bytes("/v1/alerts", b'{"message_id":"c","kind":"SOS","kind":"SOS"}')
    broken = await bench.device().post_bytes("/v1/alerts", b'{"message_id":"d","text":"na\xefve\x01"}')
    packed = await bench.device().post_bytes(
        "/v1/alerts", gzip.compress(b'{"message_id":"e"}'), **{"Content-Encoding": "gzip"}
    )

    assert [202] * 5 == [status for status, _ in (plain, marked, twice, broken, packed)]
    assert "text_repaired" in broken[1]["flags"]


async def test_alerts_have_no_rate_limit_and_do_not_wait_behind_positions(run_gateway, until, at):
    fixes = [{"sequence": n, "position": {**HERE, "fixed_at": at()}} for n in range(1000)]
    async with run_gateway(location_requests_per_minute=1, inbox_events=5) as bench:
        first = await bench.device().post("/v1/locations", {"fixes": fixes[:1]})
        refused = await bench.device().post("/v1/locations", {"fixes": fixes[:1]})
        await bench.hub.stop()
        queues = bench.gateway._listening.queue._queues
        async with asyncio.TaskGroup() as group:
            batch = group.create_task(bench.device("token-jones").post("/v1/locations", {"fixes": fixes}))
            await until(lambda: len(queues[False]) == 5)
            alert = group.create_task(bench.device().post("/v1/alerts", {"message_id": "m", "kind": "SOS"}))
            await until(lambda: len(queues[True]) == 1)
            bench.hub.start()
        order = [type(event).__name__ for event in bench.hub.events]

    assert (202, 429, 202, 202) == (first[0], refused[0], batch.result()[0], alert.result()[0])
    assert order.index("DeviceAlert") == 1
    assert len(order) == 1002
