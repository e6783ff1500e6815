"""The way down: long poll, stream and look-up tell a device what is its own, and the level that is true."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import pytest
from bondmate_gateway.enrolment.commands import revoke
from bondmate_monitoring import metrics
from bondmate_schemas.catalogue import MESSAGES, RECEIPTS, STATE_ALERTS
from bondmate_schemas.codec import Codec, LocalSchemaIds
from bondmate_schemas.enums import AlertStatus, Level, MessageDirection, Mode, Response
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import (
    AlertWhole,
    DestinationState,
)

from tests.connectors.bondmate_gateway.events import NOW, ids, message, receipt, state


async def test_a_poll_gives_the_messages_of_this_device_only_until_it_confirms_them(bench, at):
    await bench.see(MESSAGES, "dev-smith", message("1"))
    await bench.see(MESSAGES, "dev-jones", message("2", "dev-jones"))
    await bench.see(MESSAGES, "dev-smith", message("3", direction=MessageDirection.FROM_DEVICE))
    device = bench.device()

    first, again = await device.get("/v1/messages"), await device.get("/v1/messages")
    await device.post("/v1/receipts", {"message_id": "1", "level": "delivered", "occurred_at": at()})
    confirmed = await device.get("/v1/messages")
    other = await bench.device("token-jones").get("/v1/messages")

    assert (["1"], ["1"], [], ["2"]) == (ids(first), ids(again), ids(confirmed), ids(other))
    assert "text of 1" == first[1]["messages"][0]["text"]


@pytest.mark.parametrize("receipt_first", [True, False])
async def test_after_a_restart_what_was_confirmed_stays_confirmed_in_whatever_order_the_topics_are_read(
    bench, receipt_first
):
    seen = [(MESSAGES, "dev-smith", message("1")), (RECEIPTS, "1", receipt("1", Level.DELIVERED))]
    for topic, key, record in reversed(seen) if receipt_first else seen:
        await bench.see(topic, key, record)
    await bench.see(MESSAGES, "dev-smith", message("1"))
    await bench.see(MESSAGES, "dev-smith", message("2"))
    await bench.see(RECEIPTS, "2", receipt("2", Level.ACKNOWLEDGED, destination="tak"))

    assert ["2"] == ids(await bench.device().get("/v1/messages"))


async def test_a_long_poll_waits_for_a_message_and_goes_on_from_its_cursor(bench, until):
    device = bench.device()
    box = bench.gateway._mailboxes.box("dev-smith")
    waiting = asyncio.create_task(device.get("/v1/messages", wait_seconds="30"))
    await until(lambda: box.waiters)
    await bench.see(MESSAGES, "dev-smith", message("1"))
    first = await waiting
    waiting = asyncio.create_task(device.get("/v1/messages", wait_seconds="30", after=first[1]["cursor"]))
    await until(lambda: box.waiters)
    await bench.see(MESSAGES, "dev-smith", message("2"))

    assert (["1"], ["2"]) == (ids(first), ids(await waiting))


async def test_a_poll_of_an_empty_box_ends_with_its_wait(bench):
    at_once = await bench.device().get("/v1/messages")
    waited = await bench.device().get("/v1/messages", wait_seconds="0.05")

    assert ([], []) == (ids(at_once), ids(waited))
    assert at_once[1]["cursor"] == waited[1]["cursor"]


@pytest.mark.parametrize("cursor", ["", "x", "other-3", "-", "a-b-c", "٣", "9" * 40])
async def test_a_cursor_of_another_gateway_starts_from_the_beginning(bench, cursor):
    await bench.see(MESSAGES, "dev-smith", message("1"))

    assert ["1"] == ids(await bench.device().get("/v1/messages", after=cursor))


@pytest.mark.parametrize("wait", ["-1", "nan", "soon", ""])
async def test_a_wait_that_is_no_number_of_seconds_is_refused(bench, wait):
    status, problem = await bench.device().get("/v1/messages", wait_seconds=wait)

    assert (400, "urn:bondmate:problem:invalid_parameter") == (status, problem["type"])


async def test_an_expired_message_is_marked_so_that_it_is_not_shown_as_new(bench):
    until_then = {"header": {"expires_at": NOW + timedelta(minutes=1)}}
    await bench.see(MESSAGES, "dev-smith", message("1", **until_then))
    _, fresh = await bench.device().get("/v1/messages")
    bench.clock[0] = NOW + timedelta(minutes=2)
    _, late = await bench.device().get("/v1/messages")

    assert [False, True] == [answer["messages"][0]["expired"] for answer in (fresh, late)]


async def test_an_exercise_never_reaches_a_real_patrol_as_a_text(bench):
    for mode in (Mode.ACTUAL, Mode.EXERCISE, Mode.TEST):
        for device in ("dev-smith", "dev-trainee"):
            await bench.see(MESSAGES, device, message(f"{mode}-{device}", device, header={"mode": mode}))

    real = await bench.device().get("/v1/messages")
    drill = await bench.device("token-trainee").get("/v1/messages")

    assert ["ACTUAL-dev-smith"] == ids(real)
    assert ["ACTUAL", "EXERCISE", "TEST"] == [one["mode"] for one in drill[1]["messages"]]


async def test_a_full_box_gives_up_confirmed_then_expired_then_the_oldest_and_says_so(run_gateway):
    async with run_gateway(mailbox_messages=3) as bench:
        await bench.see(MESSAGES, "dev-smith", message("0", header={"expires_at": NOW - timedelta(1)}))
        for name in ("1", "2"):
            await bench.see(MESSAGES, "dev-smith", message(name))
        await bench.see(RECEIPTS, "2", receipt("2", Level.DELIVERED))
        await bench.see(MESSAGES, "dev-smith", message("3"))
        after_confirmed = ids(await bench.device().get("/v1/messages"))
        await bench.see(MESSAGES, "dev-smith", message("4"))
        after_expired = ids(await bench.device().get("/v1/messages"))
        quiet = list(bench.log.lines)
        await bench.see(MESSAGES, "dev-smith", message("5"))
        after_oldest = ids(await bench.device().get("/v1/messages"))

    assert (["0", "1", "3"], ["1", "3", "4"], ["3", "4", "5"]) == (after_confirmed, after_expired, after_oldest)
    assert [] == quiet
    assert ["mailbox_full"] == [event for event, _ in bench.log.lines]


async def test_the_level_of_an_alert_is_the_true_one_from_raise_to_resolved(bench):
    device = bench.device()
    event_id = derived_id("alert", "dev-smith", "a-1")
    before, _ = await device.get("/v1/alerts/a-1")
    await device.post("/v1/alerts", {"message_id": "m", "alert_id": "a-1", "kind": "DURESS"})
    _, raised = await device.get("/v1/alerts/a-1")
    await bench.see(STATE_ALERTS, event_id, state(AlertStatus.DELIVERED, event_id, tak=Level.DELIVERED))
    await device.post("/v1/alerts", {"message_id": "m", "alert_id": "a-1", "kind": "DURESS"})
    _, delivered = await device.get("/v1/alerts/a-1")
    levels = {"tak": Level.ACKNOWLEDGED, "cad": Level.ACCEPTED}
    await bench.see(STATE_ALERTS, event_id, state(AlertStatus.ACKNOWLEDGED, event_id, **levels))
    _, acknowledged = await device.get("/v1/alerts/a-1")
    await bench.see(STATE_ALERTS, event_id, None)
    gone, _ = await device.get("/v1/alerts/a-1")

    assert (404, 404) == (before, gone)
    assert ["RAISED", "DELIVERED", "ACKNOWLEDGED"] == [one["status"] for one in (raised, delivered, acknowledged)]
    assert {"tak": "ACKNOWLEDGED", "cad": "ACCEPTED"} == acknowledged["destinations"]
    assert {("a-1", event_id, True)} == {(o["alert_id"], o["event_id"], o["silent"]) for o in (raised, acknowledged)}


async def test_a_press_that_became_part_of_another_alert_shows_the_level_of_that_alert(bench):
    device = bench.device()
    first, second = (derived_id("alert", "dev-smith", own) for own in ("a-1", "a-2"))
    await device.post("/v1/alerts", {"message_id": "m1", "alert_id": "a-1", "kind": "SOS"})
    await device.post("/v1/alerts", {"message_id": "m2", "alert_id": "a-2", "kind": "SOS"})
    merged = state(AlertStatus.ACKNOWLEDGED, first, own=("a-1", "a-2"), tak=Level.ACKNOWLEDGED)
    await bench.see(STATE_ALERTS, first, merged)
    _, by_own_id = await device.get("/v1/alerts/a-2")
    _, by_event_id = await device.get(f"/v1/alerts/{second}")
    _, news = await device.get("/v1/messages")
    await device.post("/v1/reports", {"message_id": "m3", "occurred_at": NOW.isoformat(), "alert_id": "a-2"})
    report = bench.hub.last
    foreign, _ = await bench.device("token-jones").get(f"/v1/alerts/{second}")
    await device.post("/v1/alerts", {"message_id": "m4", "alert_id": "a-2", "kind": "SOS"})
    _, pressed_again = await device.get("/v1/alerts/a-2")
    await bench.see(STATE_ALERTS, first, None)
    gone = [(await device.get(f"/v1/alerts/{name}"))[0] for name in ("a-1", "a-2", second)]

    assert {(first, "a-2", "ACKNOWLEDGED")} == {seen(one) for one in (by_own_id, by_event_id, pressed_again)}
    assert [(first, "a-1", "ACKNOWLEDGED"), (first, "a-2", "ACKNOWLEDGED")] == [seen(one) for one in news["alerts"]]
    assert (first, derived_id("incident", first)) == (report.alert_id, report.header.incident_id)
    assert 403 == foreign
    assert [404, 404, 404] == gone


async def test_of_a_device_that_presses_without_end_only_the_names_its_alert_carries_are_kept(bench):
    first = derived_id("alert", "dev-smith", "a-0")
    for number in range(0, 200, 5):
        names = tuple(f"a-{each}" for each in range(number, number + 5))
        await bench.see(STATE_ALERTS, first, state(AlertStatus.ROUTED, first, own=names))
    old, newest = [await bench.device().get(f"/v1/alerts/{name}") for name in ("a-100", "a-199")]
    await bench.see(STATE_ALERTS, first, None)
    gone, _ = await bench.device().get("/v1/alerts/a-199")

    assert (404, 200, 404) == (old[0], newest[0], gone)
    assert (first, "a-199") == (newest[1]["event_id"], newest[1]["alert_id"])


def seen(alert: dict[str, Any]) -> tuple[str, str, str]:
    return alert["event_id"], alert["alert_id"], alert["status"]


async def test_a_poll_tells_open_alerts_first_and_then_only_changes(bench):
    await bench.see(STATE_ALERTS, "old", state(AlertStatus.RESOLVED, "old"))
    await bench.see(STATE_ALERTS, "new", state(AlertStatus.ROUTED, "new"))
    _, first = await bench.device().get("/v1/messages")
    _, nothing = await bench.device().get("/v1/messages", after=first["cursor"])
    await bench.see(STATE_ALERTS, "new", state(AlertStatus.RESOLVED, "new"))
    _, closed = await bench.device().get("/v1/messages", after=first["cursor"])

    assert ["new"] == [one["event_id"] for one in first["alerts"]]
    assert [] == nothing["alerts"]
    assert [("new", "RESOLVED")] == [(one["event_id"], one["status"]) for one in closed["alerts"]]


async def test_alerts_kept_for_a_device_are_few_and_open_ones_stay_longest(bench):
    await bench.see(STATE_ALERTS, "open", state(AlertStatus.ROUTED, "open"))
    for number in range(30):
        await bench.see(STATE_ALERTS, f"e{number}", state(AlertStatus.RESOLVED, f"e{number}"))

    status, _ = await bench.device().get("/v1/alerts/open")
    gone, _ = await bench.device().get("/v1/alerts/e0")
    kept, _ = await bench.device().get("/v1/alerts/e29")

    assert (200, 404, 200) == (status, gone, kept)


async def next_news(stream: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    async with asyncio.timeout(10):
        return dict(await stream.receive_json())


async def test_a_stream_gives_what_waits_and_then_what_comes(bench):
    await bench.see(MESSAGES, "dev-smith", message("1"))
    async with bench.device().stream() as stream:
        waiting = await next_news(stream)
        await bench.see(MESSAGES, "dev-jones", message("2", "dev-jones"))
        await bench.see(MESSAGES, "dev-smith", message("3"))
        message_news = await next_news(stream)
        await bench.see(STATE_ALERTS, "e", state(AlertStatus.ACCEPTED, "e", tak=Level.ACCEPTED))
        alert_news = await next_news(stream)

    assert ["1"] == [one["message_id"] for one in waiting["messages"]]
    assert ["3"] == [one["message_id"] for one in message_news["messages"]]
    assert (["ACCEPTED"], []) == ([one["status"] for one in alert_news["alerts"]], alert_news["messages"])


async def test_a_stream_reads_nothing_from_its_device_and_survives_what_it_says(bench):
    async with bench.device().stream() as stream:
        await stream.send_str("hello")
        await stream.send_bytes(b"\x00")
        await bench.see(MESSAGES, "dev-smith", message("1"))

        assert ["1"] == [one["message_id"] for one in (await next_news(stream))["messages"]]
        await stream.send_str("x" * 10_000)
        assert aiohttp.WSMsgType.CLOSE is (await stream.receive(timeout=10)).type


def test_of_receipts_only_those_of_devices_are_decoded(bench):
    codec = Codec(LocalSchemaIds())
    of_a_device, of_a_room = (codec.encode(receipt("1", Level.DELIVERED, destination=to)) for to in ("device", "tak"))
    assert bench.gateway.concerns(RECEIPTS, of_a_device)
    assert not bench.gateway.concerns(RECEIPTS, of_a_room)
    assert bench.gateway.concerns(MESSAGES, of_a_room)


def connected() -> float:
    return metrics.DEVICES_CONNECTED._value.get()


async def test_devices_that_listen_are_counted(bench, until):
    before = connected()
    async with bench.device().stream(), bench.device().stream(), bench.device("token-jones").stream():
        await until(lambda: connected() == before + 2)
    await until(lambda: connected() == before)


async def test_the_newest_listener_stays_when_there_are_too_many(run_gateway):
    async with (
        run_gateway(listeners_per_device=1) as bench,
        bench.device().stream() as old,
        bench.device().stream() as new,
    ):
        closed = await old.receive(timeout=10)
        await bench.see(MESSAGES, "dev-smith", message("1"))

        assert (aiohttp.WSMsgType.CLOSE, 1001) == (closed.type, closed.data)
        assert ["1"] == [one["message_id"] for one in (await next_news(new))["messages"]]


async def test_a_device_revoked_while_it_listens_is_cut_off(bench, until):
    box = bench.gateway._mailboxes.box("dev-smith")
    polling = asyncio.create_task(bench.device().get("/v1/messages", wait_seconds="30"))
    async with bench.device().stream() as stream, bench.device("token-jones").stream() as other:
        await until(lambda: len(box.waiters) == 2)
        revoke(bench.file, "dev-smith")
        closed = await stream.receive(timeout=10)
        await bench.see(MESSAGES, "dev-smith", message("1"))
        await bench.see(MESSAGES, "dev-jones", message("2", "dev-jones"))

        assert (aiohttp.WSMsgType.CLOSE, 1008) == (closed.type, closed.data)
        assert ["2"] == [one["message_id"] for one in (await next_news(other))["messages"]]
    status, _ = await polling
    assert status == 401


async def test_closing_ends_streams_and_polls_at_once(bench, until):
    box = bench.gateway._mailboxes.box("dev-smith")
    async with bench.device().stream() as stream:
        polling = asyncio.create_task(bench.device().get("/v1/messages", wait_seconds="30"))
        await until(lambda: len(box.waiters) == 2)
        async with asyncio.timeout(5):
            closing = asyncio.create_task(bench.gateway.close())
            closed = await stream.receive()
            status, answer = await polling
            await closing

    assert (aiohttp.WSMsgType.CLOSE, 1001) == (closed.type, closed.data)
    assert (200, []) == (status, answer["messages"])


async def test_the_device_is_told_room_by_room_what_was_said_and_who_ended_it_and_why(bench):
    device, event_id = bench.device(), derived_id("alert", "dev-smith", "a-1")
    at = {"changed_at": NOW}
    rooms = {
        "north": DestinationState(level=Level.ACKNOWLEDGED, **at),
        "county": DestinationState(
            level=Level.ACKNOWLEDGED, response=Response.ASSIGNED, unit="7", eta_at=NOW + timedelta(minutes=5), **at
        ),
        "south": DestinationState(level=Level.DECLINED, response=Response.WITHDRAWN, **at),
        "old": DestinationState(level=Level.RESPONDING, **at),
        "part": DestinationState(level=Level.RESOLVED, response=Response.ASSIGNED, **at),
        "machine": DestinationState(level=Level.ACCEPTED, **at),
    }
    stands = state(AlertStatus.RESPONDING, event_id).model_copy(update={"destinations": rooms})
    await bench.see(STATE_ALERTS, event_id, stands)
    _, told = await device.get("/v1/alerts/a-1")
    whole = AlertWhole(ended_by="pd-north", ended_why="false_alarm", ended_words="by accident")
    ended = stands.alert.model_copy(update={"whole": whole})
    await bench.see(STATE_ALERTS, event_id, stands.model_copy(update={"alert": ended, "status": AlertStatus.RESOLVED}))
    _, over = await device.get("/v1/alerts/a-1")

    assert {
        "north": "SEEN", "county": "ASSIGNED", "south": "WITHDRAWN", "old": "EN_ROUTE", "part": "CLOSED",
    } == {name: answer["says"] for name, answer in told["answers"].items()}  # fmt: skip
    assert "7" == told["answers"]["county"]["unit"]
    assert NOW + timedelta(minutes=5) == datetime.fromisoformat(told["answers"]["county"]["eta_at"])
    assert ("pd-north", "false_alarm", "by accident") == (over["ended_by"], over["ended_why"], over["ended_words"])
