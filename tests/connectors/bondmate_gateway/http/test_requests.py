"""Everything but alerts: strict, whole or not at all, and by the right device only."""

from __future__ import annotations

import asyncio
import gzip
from datetime import UTC, datetime
from typing import Any

import pytest
from bondmate_gateway.http.problems import Refused
from bondmate_gateway.http.rate_limit import RateLimit
from bondmate_schemas.catalogue import MESSAGES, STATE_ALERTS
from bondmate_schemas.enums import (
    AlertStatus,
    IncidentAction,
    IncidentCategory,
    Level,
    MessageDirection,
    Mode,
    StatementNature,
)
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import AlertState, DeviceAlert, DeviceMessage, EventHeader

HERE = {"latitude": 52.1, "longitude": 4.3}
NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
PATHS = ["/v1/locations", "/v1/reports", "/v1/messages", "/v1/status", "/v1/receipts"]


def fix(number: int, when: str, **more: Any) -> dict[str, Any]:
    return {"sequence": number, "position": {**HERE, "fixed_at": when}, **more}


def header(message_id: str, **more: Any) -> EventHeader:
    known = {
        "event_id": message_id,
        "agency_id": "police-a",
        "mode": Mode.ACTUAL,
        "source": "tak",
        "hops": ("streams",),
    }
    given = {**known, **more}
    return EventHeader(message_id=message_id, occurred_at=NOW, received_at=NOW, **given)


def to_device(device_id: str, message_id: str, **more: Any) -> DeviceMessage:
    return DeviceMessage(header=header(message_id, **more), device_id=device_id, sender="tak", text="come in")


# Locations


async def test_a_batch_of_a_thousand_late_and_unordered_fixes_is_taken(bench, at):
    fixes = [fix(n, at(minutes=-n), on_duty=True) for n in range(999, -1, -1)]

    status, answer = await bench.device().post("/v1/locations", {"message_id": "b", "fixes": fixes})
    taken = bench.hub.events

    assert (202, {"accepted": 1000}) == (status, answer)
    assert list(range(999, -1, -1)) == [event.sequence for event in taken]
    assert len({event.header.message_id for event in taken}) == 1000
    assert ("late",) == taken[0].header.flags
    assert () == taken[-1].header.flags
    assert ("dev-smith", "o-smith", Mode.ACTUAL) == (taken[0].device_id, taken[0].officer_ref, taken[0].header.mode)


async def test_a_fix_sent_again_in_another_batch_is_the_same_event(bench, at):
    await bench.device().post("/v1/locations", {"message_id": "b1", "fixes": [fix(1, at()), fix(2, at())]})
    await bench.device().post(
        "/v1/locations", {"message_id": "b2", "fixes": [fix(2, at()), fix(2, at(), on_duty=False)]}
    )
    await bench.device("token-jones").post("/v1/locations", {"fixes": [fix(2, at())]})
    one, two, again, other_content, other_device = (event.header.message_id for event in bench.hub.events)

    assert two == again
    assert len({one, two, other_content, other_device}) == 4


@pytest.mark.parametrize("count", [0, 1001])
async def test_a_batch_has_one_to_a_thousand_fixes(bench, at, count):
    status, problem = await bench.device().post("/v1/locations", {"fixes": [fix(n, at()) for n in range(count)]})

    assert status == 422
    assert ["#/fixes"] == [error["pointer"] for error in problem["errors"]]


async def test_one_wrong_fix_refuses_the_batch_and_is_named(bench, at):
    body = {"fixes": [fix(1, at()), fix(2, "noon"), {"sequence": 3, "position": HERE}]}

    status, problem = await bench.device().post("/v1/locations", body)

    assert status == 422
    assert ["#/fixes/1/position/fixed_at", "#/fixes/2/position/fixed_at"] == [e["pointer"] for e in problem["errors"]]
    assert [] == bench.hub.events


async def test_a_fix_from_the_future_is_flagged_not_refused(bench, at):
    await bench.device().post("/v1/locations", {"fixes": [fix(1, at(hours=1)), fix(2, at(hours=-1))]})
    await bench.device().post("/v1/locations", {"sent_at": at(days=9), "fixes": [fix(1, at())]})

    assert [("clock_skew",), ("late",), ("clock_skew",)] == [event.header.flags for event in bench.hub.events]


async def test_a_fix_at_0_0_is_flagged_so_that_nobody_takes_it_for_a_place(bench, at):
    nowhere = {"sequence": 1, "position": {"latitude": 0, "longitude": 0, "fixed_at": at()}}

    await bench.device().post("/v1/locations", {"fixes": [nowhere]})

    assert ("position_invalid",) == bench.hub.last.header.flags


# Reports


async def test_a_report_tells_fact_and_assessment_apart(bench, at):
    body = {
        "message_id": "m",
        "report_id": "r",
        "category": "community_concern",
        "occurred_at": at(),
        "title": "Lamp out of order",
        "incident_type": {"system": "agency", "value": "LIGHT"},
        "statements": [{"nature": "fact", "text": "dark"}, {"nature": "assessment", "text": "people avoid it"}],
        "position": HERE,
        "attachments": [
            {"sha256": "AB" * 32, "size_bytes": 1, "media_type": "image/png", "url": "https://s.example/1"}
        ],
    }

    status, answer = await bench.device().post("/v1/reports", body)
    event = bench.hub.last

    assert (202, derived_id("report", "dev-smith", "r")) == (status, answer["event_id"])
    assert (IncidentAction.OPENED, IncidentCategory.COMMUNITY_CONCERN) == (event.action, event.category)
    assert [StatementNature.FACT, StatementNature.ASSESSMENT] == [one.nature for one in event.statements]
    assert ["o-smith", "o-smith"] == [one.author_ref for one in event.statements]
    assert ("ab" * 32, "LIGHT") == (event.attachments[0].sha256, event.incident_type.value)
    assert event.header.incident_id == answer["incident_id"]


async def test_later_reports_share_the_incident_of_the_first_and_of_the_alert_they_name(bench, at):
    device = bench.device()
    _, alert = await device.post("/v1/alerts", {"message_id": "m0", "alert_id": "a", "kind": "SOS"})
    base = {"report_id": "r", "occurred_at": at()}
    _, first = await device.post("/v1/reports", {**base, "message_id": "m1"})
    _, note = await device.post("/v1/reports", {**base, "message_id": "m2", "action": "note", "note": "gone"})
    _, by_own_id = await device.post("/v1/reports", {"message_id": "m3", "occurred_at": at(), "alert_id": "a"})
    _, by_event = await device.post(
        "/v1/reports", {"message_id": "m4", "occurred_at": at(), "alert_id": alert["event_id"]}
    )

    assert (first["event_id"], first["incident_id"]) == (note["event_id"], note["incident_id"])
    assert alert["incident_id"] == by_own_id["incident_id"] == by_event["incident_id"]
    assert alert["event_id"] == bench.hub.last.alert_id


async def test_a_device_documents_only_an_incident_that_was_named_to_it(bench, at):
    body = {"message_id": "m", "occurred_at": at(), "incident_id": "inc-1"}

    before, problem = await bench.device().post("/v1/reports", body)
    await bench.see(MESSAGES, "dev-smith", to_device("dev-smith", "hub-1", incident_id="inc-1"))
    after, answer = await bench.device().post("/v1/reports", body)
    other, _ = await bench.device("token-jones").post("/v1/reports", body)

    assert (403, 202, 403) == (before, after, other)
    assert ["#/incident_id"] == [error["pointer"] for error in problem["errors"]]
    assert answer["incident_id"] == "inc-1"


async def test_a_device_cannot_report_on_the_alert_of_another(bench, at):
    _, alert = await bench.device().post("/v1/alerts", {"message_id": "m0", "kind": "SOS"})

    body = {"message_id": "m", "occurred_at": at(), "alert_id": alert["event_id"]}
    report, _ = await bench.device("token-jones").post("/v1/reports", body)
    message, _ = await bench.device("token-jones").post("/v1/messages", {**body, "text": "mine"})

    assert (403, 403) == (report, message)


# Messages and receipts


async def test_an_officers_text_joins_the_conversation_it_answers(bench, at):
    await bench.see(MESSAGES, "dev-smith", to_device("dev-smith", "hub-1", event_id="talk", incident_id="inc-1"))

    status, answer = await bench.device().post(
        "/v1/messages", {"message_id": "m", "occurred_at": at(), "text": "on my way", "in_reply_to": "hub-1"}
    )
    message = bench.hub.last

    assert (202, "talk", "inc-1") == (status, answer["event_id"], answer["incident_id"])
    assert (MessageDirection.FROM_DEVICE, "hub-1", "Kilo-7") == (
        message.direction,
        message.in_reply_to,
        message.callsign,
    )


async def test_a_receipt_tells_how_far_the_message_came_and_never_lifts_its_alert(bench, at):
    message = to_device("dev-smith", "hub-1", event_id="alert-1").model_copy(update={"alert_id": "alert-1"})
    await bench.see(MESSAGES, "dev-smith", message)

    for level in ("delivered", "read", "acknowledged"):
        status, _ = await bench.device().post(
            "/v1/receipts", {"message_id": "hub-1", "level": level, "occurred_at": at()}
        )
        assert status == 202
    receipts = bench.hub.events

    assert [Level.DELIVERED, Level.ACCEPTED, Level.ACKNOWLEDGED] == [receipt.level for receipt in receipts]
    assert {("device", "hub-1", "hub-1", "dev-smith")} == {
        (receipt.destination, receipt.delivery_id, receipt.header.event_id, receipt.device_id) for receipt in receipts
    }
    assert len({receipt.header.message_id for receipt in receipts}) == 3


async def test_a_receipt_is_for_the_addressee_only_and_for_what_is_known(bench, at):
    body = {"message_id": "hub-1", "level": "read", "occurred_at": at()}

    unknown, _ = await bench.device().post("/v1/receipts", body)
    await bench.see(MESSAGES, "dev-smith", to_device("dev-smith", "hub-1"))
    foreign, _ = await bench.device("token-jones").post("/v1/receipts", body)
    reply, _ = await bench.device("token-jones").post(
        "/v1/messages", {"message_id": "m", "occurred_at": at(), "text": "x", "in_reply_to": "hub-1"}
    )
    own, first = await bench.device().post("/v1/receipts", body)
    again = await bench.device().post("/v1/receipts", body)

    assert (404, 403, 403, 202) == (unknown, foreign, reply, own)
    assert (202, first) == again


async def test_a_heartbeat_becomes_the_devices_status(bench, at):
    body = {"message_id": "m", "occurred_at": at(), "battery_percent": 80, "on_shift": False, "app_version": "1.2"}

    status, _ = await bench.device().post("/v1/status", body)
    found = bench.hub.last

    assert (202, 80, False, "1.2") == (status, found.battery_percent, found.on_shift, found.app_version)
    assert found.device_id == "dev-smith"


# Refusals


@pytest.mark.parametrize("path", PATHS)
async def test_strict_requests_name_unknown_and_missing_fields(bench, path):
    status, problem = await bench.device().post(path, {"mode": "TEST"})
    pointers = {error["pointer"] for error in problem["errors"]}

    assert (422, "urn:bondmate:problem:invalid_field") == (status, problem["type"])
    assert "#/mode" in pointers
    assert len(pointers) >= 2


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"a":NaN}',
        b'{"a":1,"a":1}',
        b"[" * 100_000,
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
        b"\xef\xbb\xbf{}",
    ],
    ids=["empty", "cut", "nan", "duplicate", "deep", "not utf-8", "surrogate", "bom"],
)
async def test_strict_requests_must_be_strict_json(bench, path, body):
    status, problem = await bench.device().post_bytes(path, body)

    assert (400, "urn:bondmate:problem:not_json") == (status, problem["type"])


@pytest.mark.parametrize("value", [10**400, 2**63, -1, 1.5, True, "1"], ids=lambda value: str(value)[:24])
async def test_numbers_that_do_not_fit_are_refused_by_field(bench, at, value):
    status, problem = await bench.device().post("/v1/locations", {"fixes": [{**fix(1, at()), "sequence": value}]})

    assert status == 422
    assert ["#/fixes/0/sequence"] == [error["pointer"] for error in problem["errors"]]


@pytest.mark.parametrize("path", PATHS)
async def test_strict_requests_must_be_declared_as_json(bench, path):
    refused = await bench.device().post_bytes(path, b"{}", **{"Content-Type": "text/plain"})
    charset = await bench.device().post_bytes(path, b"{}", **{"Content-Type": "application/json; charset=utf-8"})

    assert (415, 422) == (refused[0], charset[0])


@pytest.mark.parametrize("path", [*PATHS, "/v1/alerts"])
async def test_a_body_too_large_is_refused_and_the_next_one_taken(run_gateway, path):
    async with run_gateway(max_body_bytes=2000) as bench:
        large, problem = await bench.device().post_bytes(path, b'{"message_id":"' + b"m" * 50_000 + b'"}')
        packed, _ = await bench.device().post_bytes(
            path, gzip.compress(b" " * 5_000_000), **{"Content-Encoding": "gzip"}
        )
        after, _ = await bench.device().post("/v1/alerts", {"message_id": "m"})

    assert (413, "urn:bondmate:problem:body_too_large") == (large, problem["type"])
    assert 400 <= packed < 500
    assert after == 202


async def test_a_body_that_does_not_come_is_not_waited_for(run_gateway):
    async def slowly():
        yield b'{"message_id":'
        await slowly_forever.wait()

    slowly_forever = asyncio.Event()
    async with run_gateway(read_timeout_seconds=0.1) as bench:
        headers = {**bench.device().headers, "Content-Type": "application/json"}
        async with bench.session.post("/v1/alerts", data=slowly(), headers=headers) as answer:
            problem = await answer.json(content_type=None)
        slowly_forever.set()

    assert (408, "urn:bondmate:problem:timeout") == (answer.status, problem["type"])


@pytest.mark.parametrize("path", [*PATHS, "/v1/alerts"])
@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer ", "Bearer token-smit", "Basic dG9rZW4=", "token-smith", "Bearer \udcff"]
)
async def test_who_has_no_good_token_is_refused_before_anything_is_read(bench, path, value):
    headers = {"Authorization": value.encode("utf-8", "surrogateescape").decode("latin-1")} if value else {}
    async with bench.session.post(path, data=b"{", headers=headers) as answer:
        problem = await answer.json(content_type=None)

    assert (401, "urn:bondmate:problem:unauthorized") == (answer.status, problem["type"])
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.content_type == "application/problem+json"


async def test_unknown_paths_and_methods_are_problems_too(bench):
    lost = await bench.device().get("/v2/alerts")
    method = await bench.device().get("/v1/alerts")
    no_handshake = await bench.device().get("/v1/stream")

    assert (404, "urn:bondmate:problem:not_found") == (lost[0], lost[1]["type"])
    assert (405, "urn:bondmate:problem:method_not_allowed") == (method[0], method[1]["type"])
    assert [7005, 7006] == [lost[1]["number"], method[1]["number"]]
    assert (400, "urn:bondmate:problem:bad_request") == (no_handshake[0], no_handshake[1]["type"])


async def test_positions_and_reports_are_limited_per_device_and_come_back(run_gateway, at):
    async with run_gateway(location_requests_per_minute=2, report_requests_per_minute=60) as bench:
        body = {"fixes": [fix(1, at())]}
        answers = [await bench.device().post("/v1/locations", body) for _ in range(3)]
        other, _ = await bench.device("token-jones").post("/v1/locations", body)
        reports = [
            (await bench.device().post("/v1/reports", {"message_id": f"m{n}", "occurred_at": at()}))[0]
            for n in range(70)
        ]

    assert [202, 202, 429] == [status for status, _ in answers]
    assert other == 202
    assert 429 in reports


def test_a_rate_limit_saves_up_a_minute_and_says_when_to_come_again():
    now = [0.0]
    limit = RateLimit(2, lambda: now[0])
    limit.take("a")
    limit.take("a")
    with pytest.raises(Refused) as refused:
        limit.take("a")
    now[0] = 30.0
    limit.take("a")
    now[0] = 600.0
    limit.take("a")
    limit.take("a")

    assert {"Retry-After": "30"} == refused.value.headers
    with pytest.raises(Refused):
        limit.take("a")


def state(device_id: str, event_id: str, status: AlertStatus) -> AlertState:
    alert = DeviceAlert(header=header("m", event_id=event_id), device_id=device_id)
    return AlertState(header=alert.header, device_id=device_id, status=status, alert=alert, changed_at=NOW)


async def test_a_device_asks_for_its_own_alerts_only(bench):
    await bench.see(STATE_ALERTS, "ev-1", state("dev-smith", "ev-1", AlertStatus.ACCEPTED))

    own = await bench.device().get("/v1/alerts/ev-1")
    foreign = await bench.device("token-jones").get("/v1/alerts/ev-1")
    unknown = await bench.device().get("/v1/alerts/nothing")

    assert (200, "ACCEPTED") == (own[0], own[1]["status"])
    assert (403, 404) == (foreign[0], unknown[0])
