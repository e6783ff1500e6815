"""A server that answers pings and passes nothing on: what the second connection does not hear is not delivered."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from bondmate_connectors.contract import Status
from bondmate_connectors.errors import NotConnected, Transient
from bondmate_connectors.platforms.tak import CONNECTOR
from bondmate_connectors.platforms.tak.connector import Tak
from bondmate_connectors.testing import context, sos
from bondmate_connectors.testing.events import Reported
from bondmate_schemas.enums import DeliveryKind, Level, MessageDirection
from bondmate_schemas.models import Delivery, DeviceLocation, DeviceMessage, Position
from lxml import etree

from tests.connectors.tak.stand_ins import Switchboard

MAIN, WITNESS = "bondmate-hub-tak", "bondmate-hub-tak-witness"
MUTE = "passes on nothing of this connection, or nothing to it"
UNHEARD = "the server has taken an event, and nobody has heard it"


@contextlib.asynccontextmanager
async def built(server: Switchboard, reported: Reported | None = None, **settings: Any) -> AsyncIterator[Tak]:
    values = {
        "host": "127.0.0.1", "port": server.port, "pong_timeout_seconds": 0.2, "identity_delay_seconds": 0.01,
        "witness": True,
    }  # fmt: skip
    tak = CONNECTOR.build(CONNECTOR.config.model_validate(values | settings), context("tak", reported))
    try:
        yield tak
    finally:
        await tak.close()


def position() -> Delivery:
    event = sos("tak")
    now = datetime.now(UTC)
    fix = Position(latitude=52.5, longitude=13.4, fixed_at=now)
    location = DeviceLocation(header=event.header, device_id="d-1", position=fix)
    return Delivery(header=event.header, destination="tak", kind=DeliveryKind.LOCATION, route="p", location=location)


def message(text: str) -> Delivery:
    header = sos("tak").header
    said = DeviceMessage(
        header=header, device_id="d-1", direction=MessageDirection.FROM_DEVICE, sender="device", text=text
    )
    return Delivery(header=header, destination="tak", kind=DeliveryKind.MESSAGE, route="m", message=said)


def shown(server: Switchboard, kind: str) -> list[str | None]:
    events = [etree.fromstring(event.encode()) for event in server.passed_on]
    return [event.get("uid") for event in events if event.get("type") == kind]


async def test_an_alert_that_others_hear_is_delivered_and_the_witness_is_shown_to_nobody() -> None:
    reported = Reported()
    async with Switchboard().running() as server, built(server, reported) as tak:
        await tak.connect()
        receipt = await tak.send(sos("tak"))
        alerts = shown(server, "a-u-G")

    assert Level.DELIVERED is receipt.level
    assert 1 == len(alerts)
    assert {MAIN} == set(shown(server, "a-f-G-U-C"))
    assert [(Status.OK, "")] == reported.statuses


@pytest.mark.parametrize("who", [MAIN, WITNESS])
@pytest.mark.parametrize("fault", ["mute", "deaf"])
async def test_a_connection_that_is_mute_or_deaf_from_the_start_is_given_up_and_the_next_one_is_not(
    monkeypatch: pytest.MonkeyPatch, fault: str, who: str
) -> None:
    monkeypatch.setattr("bondmate_connectors.platforms.tak.witness._FIRST_SECONDS", 0.05)
    async with Switchboard(**{fault: {who}}).running() as server, built(server) as tak:
        await tak.connect()
        with pytest.raises(NotConnected, match=MUTE):
            async with asyncio.timeout(5):
                await tak.receive()
        getattr(server, fault).clear()
        await tak.connect()

        assert Level.DELIVERED is (await tak.send(sos("tak"))).level


async def test_an_alert_on_a_connection_that_became_mute_is_not_delivered_and_arrives_by_the_next() -> None:
    async with Switchboard().running() as server, built(server) as tak:
        await tak.connect()
        server.mute = {MAIN}
        with pytest.raises(Transient, match=UNHEARD):
            await tak.send(sos("tak"))
        with pytest.raises(NotConnected, match=MUTE):
            await tak.receive()
        before = shown(server, "a-u-G")
        server.mute = set()
        await tak.connect()
        receipt = await tak.send(sos("tak"))

    assert not before
    assert Level.DELIVERED is receipt.level
    assert 1 == len(shown(server, "a-u-G"))


async def test_an_alert_goes_out_also_where_the_second_connection_hears_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bondmate_connectors.platforms.tak.witness._FIRST_SECONDS", 0.05)
    async with Switchboard(deaf={WITNESS}).running() as server, built(server) as tak:
        await tak.connect()
        with pytest.raises(Transient, match=UNHEARD):
            await tak.send(sos("tak"))
        server.deaf = set()
        await tak.connect()
        receipt = await tak.send(sos("tak"))

    assert Level.DELIVERED is receipt.level
    assert 2 == len(shown(server, "a-u-G"))


async def test_an_event_that_alone_is_not_passed_on_is_tried_again_and_the_connection_stays() -> None:
    async with Switchboard(swallows="a-u-G").running() as server, built(server) as tak:
        await tak.connect()
        with pytest.raises(Transient, match=UNHEARD):
            await tak.send(sos("tak"))
        server.swallows = ""
        receipt = await tak.send(sos("tak"))

    assert Level.DELIVERED is receipt.level
    assert [MAIN, WITNESS] == server.connected


async def test_an_alert_that_alone_is_never_passed_on_is_tried_on_without_writing_its_line_for_ever() -> None:
    async with Switchboard(swallows="a-u-G").running() as server, built(server) as tak:
        await tak.connect()
        for _ in range(5):
            with pytest.raises(Transient, match=UNHEARD):
                await tak.send(sos("tak"))
        lines = len(shown(server, "b-t-f"))
        server.swallows = ""
        receipt = await tak.send(sos("tak"))
        after = len(shown(server, "b-t-f"))
        await tak.send(sos("tak", 2))

    assert Level.DELIVERED is receipt.level
    assert (3, 3, 4) == (lines, after, len(shown(server, "b-t-f")))
    assert 2 == len(shown(server, "a-u-G"))


async def test_what_a_mute_connection_swallows_is_written_whole_by_the_next() -> None:
    async with Switchboard().running() as server, built(server) as tak:
        for _ in range(4):
            server.mute = set()
            await tak.connect()
            server.mute = {MAIN}
            with pytest.raises(Transient, match=UNHEARD):
                await tak.send(sos("tak"))
        server.mute = set()
        await tak.connect()
        receipt = await tak.send(sos("tak"))

    assert Level.DELIVERED is receipt.level
    assert [1, 1] == [len(shown(server, kind)) for kind in ("a-u-G", "b-t-f")]


async def test_a_long_text_that_is_not_passed_on_is_never_cut() -> None:
    text = "word " * 900
    async with Switchboard(swallows="b-t-f").running() as server, built(server) as tak:
        await tak.connect()
        for _ in range(4):
            with pytest.raises(Transient, match=UNHEARD):
                await tak.send(message(text))
        server.swallows = ""
        receipt = await tak.send(message(text))

    assert Level.DELIVERED is receipt.level
    assert 1 < len(shown(server, "b-t-f"))


async def test_a_connection_that_became_deaf_is_given_up_before_anybody_answers_into_the_void() -> None:
    async with Switchboard().running() as server, built(server, ping_after_seconds=0.05) as tak:
        await tak.connect()
        server.deaf = {MAIN}
        began = time.monotonic()
        with pytest.raises(NotConnected, match=MUTE):
            async with asyncio.timeout(5):
                await tak.receive()
        took = time.monotonic() - began
        server.deaf = set()
        await tak.connect()

        assert Level.DELIVERED is (await tak.send(sos("tak"))).level
    assert took < 1


async def test_the_end_of_the_second_connection_ends_the_first_and_both_come_back() -> None:
    async with Switchboard().running() as server, built(server) as tak:
        await tak.connect()
        server.drop(WITNESS)
        with pytest.raises(NotConnected, match="the second connection is lost"):
            async with asyncio.timeout(5):
                await tak.receive()
        await tak.connect()

        assert Level.DELIVERED is (await tak.send(sos("tak"))).level


async def test_a_position_is_proven_by_the_ping_alone() -> None:
    async with Switchboard().running() as server, built(server) as tak:
        await tak.connect()
        server.deaf = {WITNESS}

        assert Level.DELIVERED is (await tak.send(position())).level
