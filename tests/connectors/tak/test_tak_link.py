"""The life of a TAK link and the proof of delivery: two things, whatever a server answers or does not."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest
from bondmate_connectors.contract import LeanSink, Status
from bondmate_connectors.errors import NotConnected, Rejected, Transient
from bondmate_connectors.platforms.tak import CONNECTOR
from bondmate_connectors.platforms.tak.config import TakConfig
from bondmate_connectors.platforms.tak.connector import Tak
from bondmate_connectors.platforms.tak.timing import Timing
from bondmate_connectors.testing import another, context, eventually, sos
from bondmate_connectors.testing.events import Reported
from bondmate_schemas.enums import DeliveryKind, Level, MessageDirection
from bondmate_schemas.models import Delivery, DeviceMessage
from lxml import etree
from pydantic import ValidationError

from tests.connectors.tak.stand_ins import StandIn, control

NO_PROOF = (Status.RECOVERABLE_ERROR, "the server answers no pings: delivery is not proven")


def unconnected(server: StandIn, reported: Reported | None = None, **settings: Any) -> Tak:
    values = {"host": "127.0.0.1", "port": server.port, "pong_timeout_seconds": 0.3, "identity_delay_seconds": 0.0}
    return CONNECTOR.build(CONNECTOR.config.model_validate(values | settings), context("tak", reported))


@contextlib.asynccontextmanager
async def connected(server: StandIn, reported: Reported | None = None, **settings: Any) -> AsyncIterator[Tak]:
    tak = unconnected(server, reported, **settings)
    try:
        await tak.connect()
        yield tak
    finally:
        await tak.close()


@pytest.mark.parametrize("answer", ["pong", "named", "echo"])
async def test_an_answered_ping_proves_delivery_whatever_its_form_within_60_ms(answer: str) -> None:
    reported = Reported()
    async with StandIn(answer).running() as server, connected(server, reported) as tak:
        levels, took = [], []
        for number in range(5):
            await asyncio.sleep(0.06)  # as alerts come: not in a row
            began = time.monotonic()
            levels.append((await tak.send(another(sos("tak"), number))).level)
            took.append(time.monotonic() - began)

    assert {Level.DELIVERED} == set(levels)
    assert sorted(took)[2] < 0.06
    assert [(Status.OK, "")] == reported.statuses


async def test_an_echo_of_another_ping_or_time_proves_nothing() -> None:
    async with StandIn("echo").running() as server, connected(server, pong_timeout_seconds=2) as tak:
        server.answer = None
        sending = asyncio.create_task(tak.send(sos("tak")))
        await eventually(lambda: len(server.pings) >= 2, "the ping of the event")
        await asyncio.sleep(0)
        first, last = server.pings[0], server.pings[-1]
        time_of = etree.fromstring(last.encode()).get("time")
        server.say(first.encode())
        server.say(last.replace(str(time_of), "2020-01-01T00:00:00.000Z").encode())
        await asyncio.wait({sending}, timeout=0.1)
        proven_too_early = sending.done()
        server.say(last.encode())

        assert not proven_too_early
        assert Level.DELIVERED is (await sending).level


async def test_a_server_that_answers_no_pings_proves_nothing_yet_alerts_go_out_and_the_status_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bondmate_connectors.platforms.tak.schedule.DROPPED_SECONDS", 1.0)
    reported = Reported()
    server = StandIn(None, chatter_seconds=0.02)
    async with server.running(), connected(server, reported, pong_timeout_seconds=1.5) as tak:
        unproven = await tak.send(sos("tak"))
        server.answer = "pong"
        proven = await tak.send(another(sos("tak"), 1))
        arrived = len(server.of_type("a-u-G"))

    assert [Level.UNKNOWN, Level.DELIVERED] == [unproven.level, proven.level]
    assert 2 == arrived
    assert [NO_PROOF, (Status.OK, "")] == reported.statuses


async def test_a_server_that_is_silent_altogether_is_given_up_after_a_while_and_used_again_when_it_speaks() -> None:
    server = StandIn(None)
    async with server.running(), connected(server, ping_after_seconds=0.2, lost_after_seconds=0.8) as tak:
        with pytest.raises(NotConnected, match="nothing came from the server"):
            await tak.send(sos("tak"))
        server.answer = "pong"
        await tak.connect()

        assert Level.DELIVERED is (await tak.send(sos("tak"))).level
        assert 2 == len(server.of_type("a-u-G"))


async def test_a_server_that_has_answered_pings_and_stops_is_lost_also_on_the_next_connection() -> None:
    async with StandIn(chatter_seconds=0.02).running() as server, connected(server) as tak:
        server.answer = None
        with pytest.raises(NotConnected, match="a ping was not answered"):
            await tak.send(sos("tak"))
        with pytest.raises(NotConnected, match="a ping was not answered"):
            await tak.connect()
        server.answer = "pong"
        await tak.connect()

        assert Level.DELIVERED is (await tak.send(sos("tak"))).level


async def test_a_server_replaced_by_one_that_answers_no_pings_is_used_without_proof_until_it_answers() -> None:
    reported = Reported()
    server = StandIn("named", chatter_seconds=0.02)
    async with server.running(), connected(server, reported) as tak:
        server.answer = None
        await _lose_twice(tak)
        await tak.connect()
        unproven = await tak.send(sos("tak"))
        status_without_proof = reported.statuses[-1]
        server.answer = "named"
        proven = await tak.send(another(sos("tak"), 1))
        server.answer = None
        await _lose_twice(tak)
        await tak.connect()

    assert [Level.UNKNOWN, Level.DELIVERED] == [unproven.level, proven.level]
    assert NO_PROOF == status_without_proof
    assert [(Status.OK, ""), NO_PROOF, (Status.OK, ""), NO_PROOF] == reported.statuses


async def test_a_server_that_hangs_is_given_up_at_each_connection_and_proves_again_when_it_answers() -> None:
    reported = Reported()
    async with StandIn().running() as server, connected(server, reported) as tak:
        server.answer = None
        await _lose_twice(tak)
        await _lose_twice(tak)
        server.answer = "pong"
        await tak.connect()

        assert Level.DELIVERED is (await tak.send(sos("tak"))).level
    assert [(Status.OK, "")] == reported.statuses


async def test_who_we_are_is_told_before_anything_is_asked_and_again_and_again() -> None:
    server, settings = StandIn(), {"identity_seconds": 0.1, "callsign": "HUB-1", "identity_delay_seconds": 0.05}
    async with server.running(), connected(server, **settings) as tak:
        await tak.send(sos("tak"))
        await eventually(lambda: len(server.of_type("a-f-G-U-C")) >= 3, "the announcement again")
    first = etree.fromstring(server.received[0].encode())

    assert ("bondmate-hub-tak", "a-f-G-U-C") == (first.get("uid"), first.get("type"))
    assert {"callsign": "HUB-1", "endpoint": "*:-1:stcp"} == dict(first.find("detail/contact").attrib)
    assert {"name": "Cyan", "role": "HQ"} == dict(first.find("detail/__group").attrib)
    assert {"device", "os", "platform", "version"} == set(first.find("detail/takv").attrib)


@pytest.mark.parametrize("chatter_seconds", [None, 0.02])
async def test_a_link_that_is_idle_on_either_side_is_pinged_so_that_no_server_closes_it(
    chatter_seconds: float | None,
) -> None:
    server = StandIn(idle_seconds=0.8, chatter_seconds=chatter_seconds)
    async with server.running(), connected(server, ping_after_seconds=0.15, lost_after_seconds=1):
        await asyncio.sleep(2)

        assert 0 == server.closed
        assert len(server.pings) >= 4


async def test_a_half_open_link_is_noticed_without_an_event() -> None:
    server = StandIn()
    async with server.running(), connected(server, ping_after_seconds=0.2, lost_after_seconds=0.6) as tak:
        hearing = asyncio.create_task(tak.receive())
        server.answer = None
        with pytest.raises(NotConnected, match="nothing came from the server"):
            await hearing
        server.answer = "pong"
        await tak.connect()

        assert Level.DELIVERED is (await tak.send(sos("tak"))).level


async def test_a_guard_that_answers_one_ping_in_some_seconds_slows_the_pings_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, seconds in (("REPEAT_SECONDS", 0.1), ("SLOWEST_SECONDS", 0.5)):
        monkeypatch.setattr(f"bondmate_connectors.platforms.tak.timing.{name}", seconds)
    monkeypatch.setattr("bondmate_connectors.platforms.tak.schedule.DROPPED_SECONDS", 1.0)
    async with StandIn(answer_every=0.5).running() as server, connected(server, pong_timeout_seconds=2) as tak:
        began = time.monotonic()
        levels = [(await tak.send(another(sos("tak"), number))).level for number in range(4)]
        seconds, pings = time.monotonic() - began, len(server.pings)

    assert {Level.DELIVERED} == set(levels)
    assert 1 == server.connections
    assert pings <= 3 * seconds / 0.5 + 4, "the pings did not slow down"


@pytest.mark.parametrize("answer", ["pong", "echo"])
async def test_a_server_that_is_slow_at_first_is_not_asked_slowly_for_ever(answer: str) -> None:
    async with StandIn(None).running() as server:
        tak = unconnected(server, pong_timeout_seconds=5)
        connecting = asyncio.create_task(tak.connect())
        await eventually(lambda: len(server.pings) >= 2, "the ping again, a second later")
        server.answer = answer
        for late in server.pings:
            server._pong(late)
        await connecting
        began = time.monotonic()
        for number in range(3):
            assert Level.DELIVERED is (await tak.send(another(sos("tak"), number))).level
        took = time.monotonic() - began
        await tak.close()

    assert took < 1


async def test_the_gap_between_pings_under_load_is_a_setting() -> None:
    async with StandIn().running() as server, connected(server, ping_gap_seconds=0.3) as tak:
        for number in range(3):
            await tak.send(another(sos("tak"), number))
    times = [at for at, event in zip(server.at, server.received, strict=True) if 't-x-c-t"' in event]

    assert all(later - earlier >= 0.29 for earlier, later in itertools.pairwise(times))


async def test_nothing_follows_the_announcement_for_a_moment_and_it_is_told_again_afterwards() -> None:
    async with StandIn().running() as server, connected(server, identity_delay_seconds=0.2):
        await eventually(lambda: len(server.received) >= 3, "who we are, a ping, who we are")

    identity, ping, again = server.received[:3]
    assert ["a-f-G-U-C", "t-x-c-t", "a-f-G-U-C"] == [
        etree.fromstring(event.encode()).get("type") for event in (identity, ping, again)
    ]
    assert server.at[1] - server.at[0] >= 0.19


async def test_no_event_of_the_stream_brings_an_xml_declaration() -> None:
    async with StandIn().running() as server, connected(server) as tak:
        await tak.send(sos("tak"))

    assert server.of_type("b-t-f")
    assert b"<?xml" not in server.raw


async def test_no_event_in_xml_is_larger_than_the_server_takes_and_a_long_text_arrives_whole() -> None:
    event = sos("tak")
    assert event.alert is not None
    text = "help " * 600
    event = event.model_copy(update={"alert": event.alert.model_copy(update={"text": text})})
    async with StandIn(max_bytes=2048).running() as server, connected(server) as tak:
        receipt = await tak.send(event)
    said = [etree.fromstring(line.encode()).findtext("detail/remarks") for line in server.of_type("b-t-f")]

    assert Level.DELIVERED is receipt.level
    assert 1 == server.connections
    assert 600 == " ".join(str(part) for part in said).count("help")


async def test_the_leanest_form_of_an_alert_is_one_small_event_with_nobodys_words() -> None:
    event = sos("tak")
    assert event.alert is not None
    words = {"text": "<&> \U0001f6a8 help", "callsign": "S\u00e4nger 7", "unit": "\u2620"}
    event = event.model_copy(update={"alert": event.alert.model_copy(update=words)})
    async with StandIn().running() as server, connected(server) as tak:
        assert isinstance(tak, LeanSink)
        receipt = await tak.send_lean(event)
    (alert,) = server.of_type("a-u-G")

    assert (Level.DELIVERED, receipt.platform_id) == (receipt.level, etree.fromstring(alert.encode()).get("uid"))
    assert not server.of_type("b-t-f")
    assert alert.isascii()
    assert "help" not in alert
    assert len(alert) < 1024


def test_a_link_must_have_time_to_answer_a_ping_before_it_is_given_up() -> None:
    with pytest.raises(ValidationError, match="lost_after_seconds: must be more than ping_after_seconds"):
        CONNECTOR.config.model_validate({"host": "localhost", "ping_after_seconds": 30, "lost_after_seconds": 20})


async def test_check_says_who_it_is_to_the_server_alone_before_it_pings() -> None:
    class Shy(StandIn):
        def _pong(self, event: str) -> None:
            if 'type="a-f-G-U-C"' in self.received[0]:
                super()._pong(event)

    async with Shy("echo").running() as server:
        await unconnected(server, pong_timeout_seconds=0.4).check()
    announced, ping = (etree.fromstring(event.encode()) for event in server.received)

    assert ("bondmate-hub-tak-check", "t-x-c-t") == (announced.get("uid"), ping.get("type"))
    assert ["BondMate-tak-check"] == [each.get("callsign") for each in announced.iterfind("detail/marti/dest")]


async def test_check_fails_at_a_server_that_takes_the_connection_and_says_nothing() -> None:
    async with StandIn(None).running() as server:
        with pytest.raises(Transient, match="says nothing"):
            await unconnected(server, pong_timeout_seconds=0.1).check()
        server.answer = "pong"
        await unconnected(server).check()


# TAK protocol 1.


async def test_an_offer_of_protobuf_is_taken_up_and_both_sides_speak_it() -> None:
    async with StandIn(offers=True, agrees=True).running() as server, connected(server) as tak:
        receipt = await tak.send(sos("tak"))
        server.say(_answer("bondmate-e-1-9-1-1"))
        async with asyncio.timeout(5):
            heard = (await tak.receive()).event
    (alert,) = server.of_type("a-u-G")

    assert Level.DELIVERED is receipt.level
    assert "EXERCISE SOS" in alert
    assert server.raw.count(b"\xbf") >= 3
    assert (Level.ACKNOWLEDGED, "e-1") == (heard.level, heard.header.event_id)  # type: ignore[union-attr]
    assert server.received[0].count("a-f-G-U-C") >= 1  # told who we are before anything was asked


async def test_a_text_of_any_length_is_one_event_in_protobuf() -> None:
    event = sos("tak")
    assert event.alert is not None
    event = event.model_copy(update={"alert": event.alert.model_copy(update={"text": "help " * 600})})
    async with StandIn(offers=True, agrees=True, max_bytes=2048).running() as server, connected(server) as tak:
        await tak.send(event)

    assert 1 == len(server.of_type("b-t-f"))


async def test_what_no_reader_of_cot_takes_is_refused_and_the_next_event_goes_through() -> None:
    event = sos("tak")
    said = DeviceMessage(
        header=event.header, device_id="p7", direction=MessageDirection.FROM_DEVICE, sender="d", text="x" * 2**20
    )
    huge = Delivery(header=event.header, destination="tak", kind=DeliveryKind.MESSAGE, route="r", message=said)
    server = StandIn(offers=True, agrees=True)
    async with server.running(), connected(server, identity_delay_seconds=0.1) as tak:
        with pytest.raises(Rejected, match="frame_too_large"):
            await tak.send(huge)

        assert Level.DELIVERED is (await tak.send(event)).level


async def test_a_refused_request_leaves_the_connection_in_xml() -> None:
    async with StandIn(offers=True, agrees=False).running() as server, connected(server) as tak:
        receipt = await tak.send(sos("tak"))
        server.say(_answer("bondmate-e-1-9-1-1"))
        async with asyncio.timeout(5):
            heard = (await tak.receive()).event

    assert Level.DELIVERED is receipt.level
    assert Level.ACKNOWLEDGED is heard.level  # type: ignore[union-attr]
    assert b"\xbf" not in server.raw


async def test_silence_about_an_offer_ends_the_connection_and_the_next_one_stays_in_xml(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(TakConfig, "timing", Timing(longest_hold=0.2))
    async with StandIn(offers=True, agrees=None).running() as server:
        tak = unconnected(server, pong_timeout_seconds=2, identity_delay_seconds=0.1)
        with pytest.raises(NotConnected, match="did not answer the request for the protocol"):
            await tak.connect()
        await tak.connect()
        receipt = await tak.send(sos("tak"))
        await tak.close()

    assert Level.DELIVERED is receipt.level
    assert 1 == len(server.of_type("t-x-takp-q"))


async def test_nothing_is_written_between_the_request_and_its_answer() -> None:
    async with StandIn(offers=True, agrees=None).running() as server:
        tak = unconnected(server, pong_timeout_seconds=2)
        connecting = asyncio.create_task(tak.connect())
        await eventually(lambda: bool(server.of_type("t-x-takp-q")), "the request")
        before = len(server.received)
        await asyncio.wait({connecting}, timeout=0.2)
        held = len(server.received)
        # Until it agrees the server may send XML.
        server.say(control("a-f-G-U-C", "somebody"))
        server.agrees = True
        server._take(server.of_type("t-x-takp-q")[0])
        await connecting
        receipt = await tak.send(sos("tak"))
        await tak.close()

    assert before == held
    assert Level.DELIVERED is receipt.level


async def test_an_offer_is_passed_over_where_the_settings_say_so() -> None:
    async with StandIn(offers=True, agrees=True).running() as server, connected(server, protobuf=False) as tak:
        await tak.send(sos("tak"))

    assert not server.of_type("t-x-takp-q")


async def _lose_twice(tak: Tak) -> None:
    """Lose the connection where one stands, else the next one, and the one after, for want of a pong."""
    for _ in range(2):
        with pytest.raises(NotConnected, match="a ping was not answered"):
            await _connect_and_send(tak)


async def _connect_and_send(tak: Tak) -> None:
    await tak.connect()
    await tak.send(sos("tak"))


def _answer(uid: str) -> bytes:
    return (
        f'<event version="2.0" uid="c-1" type="b-t-f" how="h" time="{datetime.now().astimezone().isoformat()}">'
        f'<point lat="0" lon="0" hae="0" ce="0" le="0"/><detail><__chat id="{uid}"/><link uid="op"/>'
        "<remarks>copy</remarks></detail></event>"
    ).encode()
