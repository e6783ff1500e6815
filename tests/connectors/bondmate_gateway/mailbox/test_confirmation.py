"""Messages that must be confirmed, or whose time runs out: asked for again, in order, and their senders are told."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bondmate_connectors.errors import NotConnected
from bondmate_schemas.catalogue import MESSAGES, RECEIPTS
from bondmate_schemas.enums import Level, Mode, Priority
from bondmate_schemas.models import Address, DeliveryReceipt, DeviceMessage, EventHeader, ExternalRef

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
SOON = NOW + timedelta(minutes=1)
THEIRS = ExternalRef(system="cot", id="GeoChat.writer.room.1")


def message(message_id: str, **more: Any) -> DeviceMessage:
    about = {
        "message_id": message_id, "event_id": message_id, "agency_id": "police-a", "mode": Mode.ACTUAL,
        "source": "tak", "hops": ("streams",), "occurred_at": NOW, "received_at": NOW,
        "external_refs": (THEIRS, ExternalRef(system="streams", id=f"their-{message_id}")), **more.pop("header", {}),
    }  # fmt: skip
    return DeviceMessage(
        header=EventHeader(**about), **{"device_id": "dev-smith", "sender": "tak", "text": "t", **more}
    )


def must_confirm(message_id: str, **header: Any) -> DeviceMessage:
    return message(message_id, requires_acknowledgement=True, header=header)


def ids(news: dict[str, Any]) -> list[str]:
    return [one["message_id"] for one in news["messages"]]


async def receipt(device: Any, message_id: str, level: str) -> None:
    body = {"message_id": message_id, "level": level, "occurred_at": NOW.isoformat()}
    status, _ = await device.post("/v1/receipts", body)
    assert 202 == status


def endings(bench: Any) -> list[DeliveryReceipt]:
    return [e for e in bench.hub.events if isinstance(e, DeliveryReceipt) and e.level is Level.EXPIRED]


async def test_a_stream_is_given_a_message_again_until_its_officer_confirms_it(run_gateway):
    async with run_gateway(acknowledge_again_seconds=0.05) as bench:
        await bench.see(MESSAGES, "dev-smith", message("plain"))
        await bench.see(MESSAGES, "dev-smith", must_confirm("order"))
        device = bench.device()
        async with device.stream() as stream:
            first = await stream.receive_json(timeout=10)
            await receipt(device, "order", "delivered")
            again = [await stream.receive_json(timeout=10) for _ in range(2)]
            await receipt(device, "order", "acknowledged")
            await bench.see(MESSAGES, "dev-smith", message("last"))
            after = []
            while "last" not in ids(news := await stream.receive_json(timeout=10)):
                after.append(ids(news))

    assert ["plain", "order"] == ids(first)
    assert [["order"]] * 2 == [ids(news) for news in again]
    # One may have been on its way when the officer confirmed.
    assert [["order"]] * len(after) == after
    assert len(after) <= 1
    assert ["last"] == ids(news)


async def test_a_long_poll_is_given_it_again_whatever_its_cursor(run_gateway):
    async with run_gateway(acknowledge_again_seconds=0.05) as bench:
        await bench.see(MESSAGES, "dev-smith", must_confirm("order"))
        device = bench.device()
        _, first = await device.get("/v1/messages")
        _, at_once = await device.get("/v1/messages", after=first["cursor"])
        _, again = await device.get("/v1/messages", after=first["cursor"], wait_seconds="10")
        await receipt(device, "order", "acknowledged")
        _, after = await device.get("/v1/messages", after=again["cursor"], wait_seconds="0.2")

    assert (["order"], ["order"], []) == (ids(first), ids(again), ids(after))
    assert ids(at_once) in ([], ["order"])


async def test_one_delivered_and_not_confirmed_is_given_at_the_next_stream_too_in_the_order_it_was_sent(bench):
    for one in (must_confirm("1"), message("2", priority=Priority.IMMEDIATE), must_confirm("3"), message("4")):
        await bench.see(MESSAGES, "dev-smith", one)
    device = bench.device()
    for message_id in ("1", "2"):
        await receipt(device, message_id, "read")

    async with device.stream() as stream:
        news = await stream.receive_json(timeout=10)

    assert ["1", "3", "4"] == ids(news)
    assert [True, True, False] == [one["requires_acknowledgement"] for one in news["messages"]]


async def test_what_is_pushed_is_not_delivered_before_the_device_says_so(bench):
    await bench.see(MESSAGES, "dev-smith", must_confirm("order"))
    device = bench.device()
    async with device.stream() as stream:
        await stream.receive_json(timeout=10)
        before = [e for e in bench.hub.events if isinstance(e, DeliveryReceipt)]
        await receipt(device, "order", "delivered")

    (told,) = [e for e in bench.hub.events if isinstance(e, DeliveryReceipt)]
    assert [] == before
    assert (Level.DELIVERED, "tak", "their-order", (THEIRS,)) == (
        told.level, told.sender, told.sender_message_id, told.header.external_refs,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("said", "code"), [(None, "expired_undelivered"), ("delivered", "expired_unconfirmed"), ("acknowledged", None)]
)
async def test_when_its_time_runs_out_the_sender_is_told_once_why(run_gateway, until, said, code):
    async with run_gateway(expiry_seconds=0.01) as bench:
        await bench.see(MESSAGES, "dev-smith", must_confirm("order", expires_at=SOON))
        # Shows that the gateway has looked at both, also where nothing is to be told of the first.
        await bench.see(MESSAGES, "dev-jones", message("mark", device_id="dev-jones", header={"expires_at": SOON}))
        if said:
            await receipt(bench.device(), "order", said)
        assert [] == endings(bench)
        bench.clock[0] = SOON
        await until(lambda: [e for e in endings(bench) if e.delivery_id == "mark"])
        found = [e for e in endings(bench) if e.delivery_id == "order"]
        _, late = await bench.device().get("/v1/messages")

    assert [code] * bool(code) == [e.code for e in found]
    assert {("tak", "their-order", SOON)} >= {(e.sender, e.sender_message_id, e.header.occurred_at) for e in found}
    # A device that comes back gets it, marked, unless it had it before; it is not asked to confirm any more.
    assert ([("order", True)] if said is None else []) == [(m["message_id"], m["expired"]) for m in late["messages"]]


async def test_two_gateways_and_a_restarted_one_tell_it_under_one_id(run_gateway, until):
    order = must_confirm("order", expires_at=NOW - timedelta(seconds=1))
    told = []
    for known in (False, False, True):
        async with run_gateway(expiry_seconds=0.01) as bench:
            if known:
                await bench.see(RECEIPTS, "order", told[0])
            await bench.see(MESSAGES, "dev-smith", order)
            await bench.see(MESSAGES, "dev-jones", message("m", device_id="dev-jones", header={"expires_at": NOW}))
            await until(lambda bench=bench: [e for e in endings(bench) if e.delivery_id == "m"])
            found = [e for e in endings(bench) if e.delivery_id == "order"]
            told += found
            assert ([] if known else [1]) == [1 for _ in found]

    assert 1 == len({e.header.message_id for e in told})


async def test_one_that_gives_way_to_newer_ones_is_told_to_its_sender_once_also_after_a_restart(run_gateway, until):
    told = []
    for restarted in (False, True):
        async with run_gateway(expiry_seconds=0.01, mailbox_messages=2) as bench:
            if restarted:
                await bench.see(RECEIPTS, "1", told[0])
            for number in (1, 2, 3):
                await bench.see(MESSAGES, "dev-smith", message(str(number)))
            await bench.see(MESSAGES, "dev-jones", message("mark", device_id="dev-jones", header={"expires_at": NOW}))
            await until(lambda bench=bench: endings(bench))
            found = [e for e in bench.hub.events if isinstance(e, DeliveryReceipt) and e.level is Level.WITHHELD]
            _, kept = await bench.device().get("/v1/messages")
            told += found
            assert [] == found if restarted else 1 == len(found)
            assert ["2", "3"] == ids(kept)

    assert ("1", "mailbox_full", "their-1") == (told[0].delivery_id, told[0].code, told[0].sender_message_id)


async def test_an_ending_that_was_not_durable_is_told_again(run_gateway, until):
    async with run_gateway(expiry_seconds=0.01) as bench:
        bench.hub.error = NotConnected("away")
        await bench.see(MESSAGES, "dev-smith", must_confirm("order", expires_at=NOW))
        await until(lambda: len(bench.hub.incoming) >= 2)
        bench.hub.error = None
        await until(lambda: endings(bench))

    assert 1 == len(endings(bench))


async def test_what_a_platform_addressed_itself_reaches_no_device(bench):
    pseudonymous = message("by-platform", header={"hops": ()})
    several = message("for-all", device_id="", to=Address(agencies=("police-a",)), header={"hops": ()})
    for one in (pseudonymous, several, message("by-streams")):
        await bench.see(MESSAGES, one.device_id, one)
    _, news = await bench.device().get("/v1/messages")

    assert ["by-streams"] == ids(news)


async def test_an_answer_made_from_a_receipt_has_no_sender_to_be_told(bench):
    await bench.see(MESSAGES, "dev-smith", message("answer", header={"source": "streams", "external_refs": (THEIRS,)}))
    await receipt(bench.device(), "answer", "delivered")

    assert (None, None) == (bench.hub.last.sender, bench.hub.last.sender_message_id)


async def test_a_stream_that_waits_for_a_confirmation_hears_news_at_once(bench):
    await bench.see(MESSAGES, "dev-smith", must_confirm("order"))
    async with bench.device().stream() as stream:
        await stream.receive_json(timeout=10)
        async with asyncio.timeout(5):
            await bench.see(MESSAGES, "dev-smith", message("news"))
            news = await stream.receive_json(timeout=10)

    assert ["news"] == ids(news)
