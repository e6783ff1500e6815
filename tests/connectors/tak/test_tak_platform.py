"""TAK, as an operator sees it: alerts and their answers, over plain TCP and mutual TLS, and with servers that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import ssl
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bondmate_connectors.contract import Unreadable
from bondmate_connectors.errors import AuthFailed, Misconfigured, NotConnected, Transient
from bondmate_connectors.formats.cot.alert_code import short_code
from bondmate_connectors.platforms.tak import CONNECTOR
from bondmate_connectors.platforms.tak.connector import Tak
from bondmate_connectors.testing import another, context, eventually, sos, update_of
from bondmate_demo.taky import TakyServer
from bondmate_schemas.enums import (
    AlertAction,
    DeliveryKind,
    DeliveryReason,
    IncidentAction,
    Level,
    MessageDirection,
    Mode,
)
from bondmate_schemas.models import (
    Address,
    Delivery,
    DeliveryReceipt,
    DeviceLocation,
    DeviceMessage,
    IncidentEvent,
    Position,
)
from pydantic import ValidationError
from tcp_server import listening

from tests.connectors.tak.clients import Said

PONG = (
    b'<event version="2.0" uid="takPong" type="t-x-c-t-r" how="m-g" time="2026-01-01T00:00:00Z"'
    b' start="2026-01-01T00:00:00Z" stale="2026-01-01T00:00:20Z"><point lat="0" lon="0" hae="0" ce="0" le="0"/></event>'
)


def connector(server: Any, **settings: Any) -> Tak:
    config = {
        "host": "127.0.0.1",
        "port": server.port,
        "mode": "EXERCISE",
        "pong_timeout_seconds": 1,
        "identity_delay_seconds": 0.02,
        **settings,
    }
    return CONNECTOR.build(CONNECTOR.config.model_validate(config), context("tak"))


@contextlib.asynccontextmanager
async def connected(tak: Tak) -> AsyncIterator[Tak]:
    await tak.connect()
    try:
        yield tak
    finally:
        await tak.close()


async def received(tak: Tak) -> Any:
    async with asyncio.timeout(5):
        incoming = await tak.receive()
    await incoming.settle(None)
    return incoming.event


def cancel_of(event: Delivery) -> Delivery:
    assert event.alert is not None
    alert = event.alert.model_copy(update={"action": AlertAction.CANCEL})
    header = event.header.model_copy(update={"message_id": f"{event.id}-cancel"})
    return event.model_copy(update={"alert": alert, "header": header, "reason": DeliveryReason.CANCEL})


def location(number: int) -> Delivery:
    event = another(sos("tak"), number)
    place = Position(latitude=52.5, longitude=13.4, fixed_at=event.header.occurred_at + timedelta(seconds=number))
    fix = DeviceLocation(header=event.header, device_id=f"p-{number}", position=place)
    return Delivery(header=event.header, destination="tak", kind=DeliveryKind.LOCATION, route="r", location=fix)


def in_mode(mode: Mode, event: Delivery) -> Delivery:
    assert event.alert is not None
    alert = event.alert.model_copy(update={"header": event.alert.header.model_copy(update={"mode": mode})})
    return event.model_copy(update={"alert": alert, "header": event.header.model_copy(update={"mode": mode})})


def reference_in(line: Any) -> str:
    """Find the short reference as a person would: the line says what to write."""
    found = re.search(r"To acknowledge write: ack (\w+)", line.findtext("detail/remarks"))
    assert found is not None
    return found[1]


async def test_an_alert_arrives_as_emergency_and_chat_and_the_operators_answer_is_its_acknowledgement(
    taky: TakyServer, operator: Any
) -> None:
    event = in_mode(Mode.ACTUAL, sos("tak"))
    async with connected(connector(taky)) as tak:
        receipt = await tak.send(event)
        (emergency,) = await operator.seen("b-a-o-tbl")
        (chat,) = await operator.seen("b-t-f")
        operator.say(Said(f"Roger {reference_in(chat)}, K-12 is on its way", "m-1", "op-1"))
        answer = await received(tak)
    line = "GeoChat.op-1.All Chat Rooms.m-1"

    assert (Level.DELIVERED, f"bondmate-{event.header.event_id}-9-1-1") == (receipt.level, receipt.platform_id)
    assert receipt.platform_id == emergency.get("uid")
    assert isinstance(answer, DeliveryReceipt)
    assert (Level.ACKNOWLEDGED, event.header.event_id, "tak") == (
        answer.level,
        answer.header.event_id,
        answer.destination,
    )
    assert (f"Roger {reference_in(chat)}, K-12 is on its way", "op-1", line) == (
        answer.note,
        answer.by_ref,
        answer.platform_id,
    )
    assert Mode.EXERCISE is answer.header.mode


async def test_a_cancel_ends_the_emergency_and_a_refresh_says_nothing_in_chat(taky: TakyServer, operator: Any) -> None:
    event = in_mode(Mode.ACTUAL, sos("tak"))
    async with connected(connector(taky)) as tak:
        await tak.send(event)
        await tak.send(event.model_copy(update={"reason": DeliveryReason.REFRESH}))
        await tak.send(update_of(event, 1))
        await tak.send(cancel_of(event))
        (end,) = await operator.seen("b-a-o-can")
        *_, last = await operator.seen("b-t-f", count=3)

    assert 3 == len(operator.of_type("b-a-o-tbl"))
    assert 3 == len(operator.of_type("b-t-f"))
    assert "ENDED" in last.findtext("detail/remarks")
    assert {end.get("uid")} == {each.get("uid") for each in operator.of_type("b-a-o-tbl")}


async def test_the_end_of_an_incident_deletes_its_marker_also_when_told_without_geometry(
    taky: TakyServer, operator: Any
) -> None:
    head, place = sos("tak").header, Position(latitude=52.5, longitude=13.4, fixed_at=sos("tak").header.occurred_at)
    opened = IncidentEvent(header=head, action=IncidentAction.OPENED, title="Fire", position=place)
    ended = IncidentEvent(header=head, action=IncidentAction.CANCELLED, title="Fire")
    async with connected(connector(taky)) as tak:
        for number, told in enumerate((opened, ended)):
            header = head.model_copy(update={"message_id": f"i-{number}"})
            await tak.send(
                Delivery(header=header, destination="tak", kind=DeliveryKind.INCIDENT, route="r", incident=told)
            )
        (end,) = await operator.seen("t-x-d-d")

    (marker,) = operator.of_type("a-u-G")
    (line,) = operator.of_type("b-t-f")
    assert marker.get("uid") == end.find("detail/link").get("uid")
    assert "Cancelled" in line.findtext("detail/remarks")


async def test_an_answer_with_a_decline_word_declines(taky: TakyServer, operator: Any) -> None:
    async with connected(connector(taky, decline_words=("unable",))) as tak:
        operator.answer("bondmate-e-1-9-1-1", "Unable, call the other room")
        declined = await received(tak)
        operator.answer("bondmate-e-1-9-1-1", "copy")
        taken = await received(tak)

    assert (Level.DECLINED, "declined_by_operator") == (declined.level, declined.code)
    assert (Level.ACKNOWLEDGED, None) == (taken.level, taken.code)
    assert declined.header.message_id != taken.header.message_id


async def test_chat_to_a_device_goes_down_to_it_and_chat_among_operators_is_nobodys_business(
    taky: TakyServer, operator: Any
) -> None:
    async with connected(connector(taky)) as tak, connected(connector(taky, emit=("DeviceMessage",))) as curious:
        operator.answer("All Chat Rooms", "coffee?")
        operator.answer("bondmate-pseudonym7", "return to base")
        only = await received(tak)
        every = [await received(curious), await received(curious)]

    assert isinstance(only, DeviceMessage)
    assert (MessageDirection.TO_DEVICE, "pseudonym7", "return to base") == (only.direction, only.device_id, only.text)
    assert ("tak", "tak", Mode.EXERCISE) == (only.sender, only.header.source, only.header.mode)
    assert ["coffee?", "return to base"] == [each.text for each in every]


async def test_what_is_written_in_a_room_that_officers_hear_is_for_all_of_their_agency(
    taky: TakyServer, operator: Any
) -> None:
    async with connected(connector(taky, rooms={"All Chat Rooms": "police-a"})) as tak:
        operator.answer("All Chat Rooms", "to the square")
        said = await received(tak)

    assert isinstance(said, DeviceMessage)
    assert (MessageDirection.TO_DEVICE, "", Address(agencies=("police-a",))) == (
        said.direction,
        said.device_id,
        said.to,
    )
    assert ("to the square", "tak", Mode.EXERCISE) == (said.text, said.header.source, said.header.mode)


async def test_an_operator_sees_that_a_line_is_delivered_and_then_that_its_officer_confirmed_it(
    taky: TakyServer, operator: Any
) -> None:
    async with connected(connector(taky)) as tak:
        operator.announce()
        operator.answer("bondmate-pseudonym7", "return to base")
        said = await received(tak)
        for level in (Level.DELIVERED, Level.ACKNOWLEDGED):
            header = said.header.model_copy(update={"message_id": f"d-{level}"})
            told = DeliveryReceipt(header=header, destination="device", level=level, device_id="pseudonym7")
            await tak.send(Delivery(header=header, destination="tak", kind=DeliveryKind.RECEIPT, receipt=told))
        await operator.seen("b-t-f-d")
        (line,) = await operator.seen("b-t-f")

    assert "EXERCISE Confirmed by the officer" == line.findtext("detail/remarks")


async def test_what_the_hub_wrote_itself_does_not_come_back_in(taky: TakyServer, operator: Any) -> None:
    everything = ("DeviceMessage", "IncidentEvent")
    async with connected(connector(taky)) as one, connected(connector(taky, emit=everything)) as other:
        await one.send(sos("tak"))
        operator.answer("All Chat Rooms", "only this")
        heard = await received(other)

    assert "only this" == heard.text


async def test_a_killed_server_is_told_to_both_roles_and_after_its_restart_both_work(
    taky: TakyServer, operator: Any, outage: Any
) -> None:
    async with connected(connector(taky)) as tak:
        hearing = asyncio.create_task(tak.receive())
        async with outage():
            with pytest.raises(NotConnected):
                await hearing
            with pytest.raises(NotConnected):
                await tak.send(sos("tak"))
            with pytest.raises(NotConnected):
                await tak.connect()
        await tak.connect()
        await tak.send(sos("tak"))
        await operator.seen("a-u-G")
        operator.answer("bondmate-e-1-9-1-1")

        assert Level.ACKNOWLEDGED is (await received(tak)).level


# Mutual TLS.


async def test_mutual_tls_delivers(tls_taky: TakyServer, pki: Any) -> None:
    tak = connector(tls_taky, tls=pki.client.settings())
    await tak.check()
    async with connected(tak):
        assert Level.DELIVERED is (await tak.send(sos("tak"))).level


async def test_the_name_in_the_certificate_may_be_another_than_the_host(tls_taky: TakyServer, pki: Any) -> None:
    await connector(tls_taky, tls=pki.client.settings() | {"server_name": "tak.test"}).check()
    with pytest.raises(AuthFailed, match="server_name"):
        await connector(tls_taky, tls=pki.client.settings() | {"server_name": "other.test"}).check()


async def test_a_server_of_another_authority_is_refused_for_now(tls_taky: TakyServer, pki: Any) -> None:
    with pytest.raises(AuthFailed, match=r"tls_certificate.*not trusted"):
        await connector(tls_taky, tls=pki.client.settings() | {"ca_file": str(pki.stranger.ca)}).check()


async def test_no_certificate_is_refused_by_the_server(tls_taky: TakyServer, pki: Any) -> None:
    with pytest.raises(AuthFailed):
        await connector(tls_taky, tls={"ca_file": str(pki.server.ca)}).connect()


async def test_a_server_without_tls_is_refused_for_now(taky: TakyServer, pki: Any) -> None:
    with pytest.raises((AuthFailed, NotConnected, Transient)):
        await connector(taky, tls=pki.client.settings(), connect_timeout_seconds=2).check()


async def test_a_certificate_file_that_is_missing_is_a_wrong_setting(taky: TakyServer, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="ca_file"):
        await connector(taky, tls={"ca_file": str(tmp_path / "none.pem")}).check()


@pytest.mark.parametrize("host", ["tak.example", "192.0.2.1", "0.0.0.0", "::"])
def test_without_tls_only_this_machine_is_allowed(host: str) -> None:
    with pytest.raises(ValidationError, match="tls: must be set"):
        CONNECTOR.config.model_validate({"host": host})


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_this_machine_needs_no_tls(host: str) -> None:
    assert CONNECTOR.config.model_validate({"host": host})


# Servers that misbehave.


@dataclass
class Fake:
    """A server that answers pings as it is told, and sends what it is told to whoever connects."""

    greeting: bytes = b""
    answers: bool = True
    echoes: bool = False
    port: int = 0
    pings: int = 0
    events: int = 0
    received: bytearray = field(default_factory=bytearray)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self.greeting)
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                message = await reader.readuntil(b"</event>")
                self.received += message
                if b'"t-x-c-t"' not in message:
                    self.events += 1
                    writer.write(message if self.echoes else b"")
                    continue
                self.pings += 1
                writer.write(PONG if self.answers else b"")

    @contextlib.asynccontextmanager
    async def running(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[Fake]:
        async with listening(self.serve, self.port, tls) as self.port:
            yield self


async def test_a_certificate_that_is_wrong_for_a_while_is_a_refusal_that_passes(pki: Any) -> None:
    """The same connector goes on when the right one is shown again."""
    server = Fake()
    wrong, right = (_server_context(identity) for identity in (pki.stranger, pki.server))
    async with server.running(right):
        tak = connector(server, tls=pki.client.settings())
        await tak.connect()
        first = await tak.send(sos("tak"))
        await tak.close()
    try:
        async with server.running(wrong):
            with pytest.raises(AuthFailed, match="tls_certificate"):
                await _sent(tak, sos("tak", 2))
            with pytest.raises(AuthFailed, match="tls_certificate"):
                await tak.check()
        async with server.running(right):
            await tak.check()
            assert first.level is (await _sent(tak, sos("tak", 2))).level
    finally:
        await tak.close()


def _server_context(identity: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    return context


async def _sent(tak: Tak, event: Delivery) -> Any:
    """Send as the runner would: connecting again when the link is gone."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await tak.send(event)
            except NotConnected:
                with contextlib.suppress(NotConnected):
                    await tak.connect()


async def test_one_ping_confirms_many_events() -> None:
    async with Fake().running() as server, connected(connector(server)) as tak:
        async with asyncio.TaskGroup() as group:
            for number in range(500):
                group.create_task(tak.send(location(number)))

        assert 502 == server.events  # the first says who we are
        assert server.pings <= 20


async def test_a_server_that_answers_no_ping_counts_as_lost() -> None:
    async with Fake().running() as server, connected(connector(server, pong_timeout_seconds=0.2)) as tak:
        server.answers = False
        with pytest.raises(NotConnected):
            await tak.send(sos("tak"))
        with pytest.raises(NotConnected):
            await tak.receive()
        server.answers = True
        await tak.connect()

        assert Level.DELIVERED is (await tak.send(sos("tak"))).level


async def test_a_server_that_sends_everything_back_makes_no_loop() -> None:
    emit = ("DeviceMessage", "IncidentEvent")
    async with Fake(echoes=True).running() as server, connected(connector(server, emit=emit)) as tak:
        await tak.send(sos("tak"))
        await tak.send(location(1))
        hearing = asyncio.create_task(tak.receive())
        await tak.send(location(2))

        assert not hearing.done()
        hearing.cancel()


async def test_an_offer_of_protobuf_is_passed_over_and_xml_goes_on() -> None:
    offer = PONG.replace(b"t-x-c-t-r", b"t-x-takp-v")
    async with Fake(greeting=offer).running() as server, connected(connector(server)) as tak:
        await tak.send(sos("tak"))

        assert b"t-x-takp-q" not in server.received


async def test_garbage_is_unreadable_and_the_answer_after_it_is_heard() -> None:
    answer = (
        b'<event uid="c-1" type="b-t-f" time="2026-01-01T00:00:00Z"><detail><__chat id="bondmate-e-1-9-1-1"/>'
        b'<link uid="op"/><remarks>copy</remarks></detail></event>'
    )
    bomb = b'<!DOCTYPE x [<!ENTITY a "b">]>'
    broken = b'<event uid="x" type="b-t-f"><detail>&a;</detail></event>'
    greeting = b"\xbf\x01\xbf rubbish" + bomb + broken + answer
    async with Fake(greeting).running() as server, connected(connector(server)) as tak:
        heard = [await received(tak) for _ in range(3)]

    assert Unreadable("not_cot", b"\xbf\x01\xbf rubbish" + bomb) == heard[0]
    assert Unreadable("xml_malformed", broken) == heard[1]
    assert Level.ACKNOWLEDGED is heard[2].level


async def test_more_answers_than_fit_wait_at_the_server_and_none_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bondmate_connectors.platforms.tak.arrivals._MAX_WAITING", 50)
    answers = b"".join(
        b'<event uid="c-%d" type="b-t-f" time="2026-01-01T00:00:00Z"><detail><__chat id="bondmate-e-9-1-1"/>'
        b'<link uid="op"/><remarks>copy</remarks></detail></event>' % number
        for number in range(2500)
    )
    async with Fake(answers).running() as server:
        tak = connector(server, pong_timeout_seconds=0.3)
        connecting = asyncio.create_task(tak.connect())
        await asyncio.wait({connecting}, timeout=0.8)  # longer than a ping may take: it is the hub that does not read
        heard = [(await received(tak)).platform_id for _ in range(2500)]
        await connecting
        await tak.close()

    assert [f"c-{number}" for number in range(2500)] == heard


# The demo's operator.


async def test_the_demos_operator_writes_down_what_came_and_answers_each_alert_once(
    taky: TakyServer, operator: Any, tmp_path: Path
) -> None:
    out = tmp_path / "room.jsonl"
    command = ["-m", "bondmate_demo.tak_room", "--port", str(taky.port), "--out", str(out), "--answer"]
    room = await asyncio.create_subprocess_exec(
        sys.executable, *command, "--answer-after", "0.01", stderr=asyncio.subprocess.DEVNULL
    )

    def lines() -> list[dict[str, Any]]:
        return [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []

    try:
        await operator.seen("a-f-G-U-C")  # it has said who it is, so it is there
        async with connected(connector(taky)) as tak:
            event = sos("tak")
            await tak.send(event)
            await tak.send(update_of(event, 1))
            await tak.send(cancel_of(event))
            answer = await received(tak)
        await eventually(lambda: any(line.get("cancel") for line in lines()), "the cancel is written down")
    finally:
        room.send_signal(signal.SIGTERM)

        assert 0 == await room.wait()
    uid = f"bondmate-{event.header.event_id}-9-1-1"
    emergency = next(line for line in lines() if line["uid"] == uid)
    assert (event.header.event_id, f"ack {short_code(event.header.event_id)}") == (answer.header.event_id, answer.note)
    assert (uid, event.id, event.header.event_id, "EXERCISE") == tuple(
        emergency[name] for name in ("uid", "message", "event", "mode")
    )
    assert [uid] == [line["answers"] for line in lines() if "answers" in line]
    assert 3 == len([line for line in lines() if line.get("text", "").startswith("EXERCISE SOS")])
