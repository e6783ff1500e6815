"""A control room orders officers in an area while every process is killed: in order, nothing lost, levels true."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web
from bondmate_demo.cap_room import CAP, signature, signed
from bondmate_demo.files import Files, write_files
from bondmate_demo.plan import DemoPlan
from bondmate_hub.broker.embedded import EmbeddedBroker, EmbeddedConfig
from bondmate_hub.registry.server import RegistryConfig, serving
from bondmate_hub.roles.supervisor import Supervisor, role_command
from bondmate_hub.settings import load
from bondmate_hub.wanted import carry_out
from lxml import etree

ROLES = ("streams", "lane", "gateway", "runner")
HERE, THERE, ELSEWHERE = "bm-00000", "bm-00001", "bm-00002"
ROUTES: dict[str, Any] = {
    "destinations": {
        "cap": {"modes": ["EXERCISE"], "may_message": {"agencies": ["demo-police"], "areas": True},
                "fields": {"message": {"device_id": "plain"}}},
    },
    "routes": [{"name": "alerts", "when": {"record": "alert"}, "to": ["cap"]}],
}  # fmt: skip
ORDER = """<?xml version="1.0" encoding="UTF-8"?>
<alert xmlns="{ns}"><identifier>{name}</identifier><sender>room@x</sender><sent>{sent}</sent><status>Exercise</status>\
<msgType>Alert</msgType><scope>Private</scope><addresses>{to}</addresses><info><language>en-GB</language>\
<category>Security</category><event>Order</event><urgency>Immediate</urgency><severity>Unknown</severity>\
<certainty>Unknown</certainty><expires>{expires}</expires><headline>{name}</headline><parameter>\
<valueName>bondmate:requires_acknowledgement</valueName><value>true</value></parameter><area><areaDesc>Square</areaDesc>\
<circle>52.5,4.5 1</circle></area></info></alert>"""

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]


def cap_time(seconds: float = 0) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S-00:00")


@dataclass
class Room:
    """The control room: posts orders, and keeps each answer of the hub once, by identifier."""

    files: Files
    session: aiohttp.ClientSession
    secret: bytes
    answers: dict[str, tuple[str, str, str]] = field(default_factory=dict)

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        assert signed(self.secret, request.headers, body)
        root = etree.fromstring(body)
        name, kind, note, about = (
            root.findtext(f"{{{CAP}}}{tag}") or "" for tag in ("identifier", "msgType", "note", "references")
        )
        self.answers[name] = (about.split(",")[1], kind, note)
        return web.json_response({"id": name}, status=201)

    async def order(self, name: str, to: str = "area", seconds: float = 600) -> None:
        """Post an order until the hub has it."""
        body = ORDER.format(ns=CAP, name=name, sent=cap_time(), to=to, expires=cap_time(seconds)).encode()
        await eventually(lambda: self._posted(name, body), f"order {name} taken")

    async def _posted(self, name: str, body: bytes) -> bool:
        stamp = str(int(time.time()))
        headers = {"webhook-id": name, "webhook-timestamp": stamp, "content-type": "application/cap+xml",
                   "webhook-signature": signature(self.secret, name, stamp, body)}  # fmt: skip
        try:
            async with self.session.post(self.files.cap_back_url, data=body, headers=headers) as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    def about(self, name: str) -> list[tuple[str, str]]:
        return sorted((kind, note) for order, kind, note in self.answers.values() if order == name)


@dataclass
class Device:
    """A device: one long poll at a time, and no memory of what a gateway told it before."""

    files: Files
    session: aiohttp.ClientSession
    device_id: str

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.files.tokens[self.device_id]}"}
        try:
            async with self.session.request(
                method, self.files.gateway_url + path, json=body, headers=headers
            ) as answer:
                return answer.status, await answer.json()
        except (aiohttp.ClientError, TimeoutError):
            return 0, {}

    async def stands_at(self, latitude: float, longitude: float) -> None:
        position = {"latitude": latitude, "longitude": longitude, "fixed_at": datetime.now(UTC).isoformat()}
        await self.post("/v1/locations", {"fixes": [{"sequence": 1, "position": position}]})

    async def post(self, path: str, body: Any) -> None:
        async def taken() -> bool:
            return (await self.ask("POST", path, body))[0] == 202

        await eventually(taken, f"{path} taken")

    async def has(self, *names: str) -> list[dict[str, Any]]:
        """Poll from the beginning until the orders `names` are there; give all orders but those of the warming up."""
        found: list[dict[str, Any]] = []

        async def there() -> bool:
            _, news = await self.ask("GET", "/v1/messages")
            found[:] = [m for m in news.get("messages", ()) if not m["text"].startswith("warm")]
            return set(names) <= {m["text"] for m in found}

        await eventually(there, f"{names} at {self.device_id}")
        return found

    async def hears(self) -> bool:
        return bool((await self.ask("GET", "/v1/messages"))[1].get("messages"))

    async def says(self, message_id: str, level: str) -> None:
        body = {"message_id": message_id, "level": level, "occurred_at": datetime.now(UTC).isoformat()}
        await self.post("/v1/receipts", body)


async def eventually(holds: Callable[[], bool | Awaitable[bool]], what: str, seconds: float = 40) -> None:
    end = time.monotonic() + seconds
    while True:
        held = holds()
        if await held if isinstance(held, Awaitable) else held:
            return
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(0.1)


def prepared(folder: Path) -> Files:
    files = write_files(folder, DemoPlan(seconds=1, devices=3))
    settings = yaml.safe_load(files.config.read_text())
    connectors = settings["connectors"]
    del connectors["tak"]
    connectors["cap"]["settings"]["listen"]["messages_to_officers"] = True
    connectors["devices"]["settings"] |= {"acknowledge_again_seconds": 1, "expiry_seconds": 0.2}
    files.config.write_text(yaml.safe_dump(settings))
    files.routes.write_text(yaml.safe_dump(ROUTES))
    return files


@contextlib.asynccontextmanager
async def hub(files: Files) -> AsyncIterator[Supervisor]:
    """Run every role as a process, restarted under its identity, on a broker and a registry."""
    stop = asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        broker = EmbeddedBroker(EmbeddedConfig(data_dir=files.folder / "broker", port=files.broker_port))
        await asyncio.to_thread(broker.start)
        stack.push_async_callback(asyncio.to_thread, broker.stop)
        await stack.enter_async_context(
            serving(RegistryConfig(data_dir=files.folder / "registry", port=files.registry_port))
        )
        await asyncio.to_thread(carry_out, load(files.config), broker.limits)
        supervisor = Supervisor([role_command(role, files.config) for role in ROLES], files.logs)
        supervised = asyncio.create_task(supervisor.run(stop))
        try:
            yield supervisor
        finally:
            stop.set()
            await supervised


@contextlib.asynccontextmanager
async def room_of(files: Files, session: aiohttp.ClientSession) -> AsyncIterator[Room]:
    room = Room(files, session, files.cap_secret.read_bytes().strip())
    app = web.Application()
    app.router.add_post("/cap", room.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", files.cap_room_port).start()
    try:
        yield room
    finally:
        await runner.cleanup()


async def kill(supervisor: Supervisor, role: str) -> None:
    before = supervisor.pids[role]
    os.kill(before, signal.SIGKILL)
    await eventually(lambda: supervisor.pids.get(role) not in {None, before}, f"{role} is back")


async def test_orders_to_an_area_arrive_in_order_and_their_receipts_come_back_whatever_is_killed(tmp_path: Path):
    files = await asyncio.to_thread(prepared, tmp_path)
    orders = [f"order-{number}" for number in range(5)]
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session,
        room_of(files, session) as room,
        hub(files) as supervisor,
    ):
        here, there, elsewhere = (Device(files, session, name) for name in (HERE, THERE, ELSEWHERE))
        for device in (here, there):
            await device.stands_at(52.5, 4.5)
        await elsewhere.stands_at(10, 10)
        await until_known(room, here, there)

        # Nobody listens now.
        await kill(supervisor, "gateway")
        await room.order(orders[0])
        await room.order("too-late", seconds=1)
        await kill(supervisor, "streams")
        for name in orders[1:]:
            await room.order(name)
        first = await here.has(*orders)
        await kill(supervisor, "gateway")
        again = await here.has(*orders)
        await eventually(lambda: len(room.about("too-late")) == 2, "both expiries told")

        for message in first[:3]:
            await here.says(message["message_id"], "delivered")
        await kill(supervisor, "runner")
        for message in first:
            if message["text"] in orders:
                await here.says(message["message_id"], "acknowledged")
        await kill(supervisor, "streams")
        confirmed = [("Ack", f"ACKNOWLEDGED device {HERE}: confirmed")]
        await eventually(lambda: all(set(confirmed) <= set(room.about(name)) for name in orders), "confirmations")
        left = [m["text"] for m in (await here.ask("GET", "/v1/messages"))[1]["messages"]]
        others = await there.has(*orders)
        at_elsewhere = await elsewhere.hears()

    assert ["order-0", "too-late", *orders[1:]] == [m["text"] for m in first]
    assert [m["message_id"] for m in first] == [m["message_id"] for m in again]
    assert ["too-late"] == [m["text"] for m in again if m["expired"]]
    assert [m["text"] for m in first] == [m["text"] for m in others]
    assert set(orders).isdisjoint(left)
    assert not at_elsewhere
    # Once each by id, and never a level that the device has not said.
    never = "it NEVER arrived, and is not tried any more"
    assert [("Error", f"EXPIRED expired_undelivered device {name}: {never}") for name in (HERE, THERE)] == [
        each for each in room.about("too-late") if each[0] == "Error"
    ]
    assert [
        ("Ack", f"ACKNOWLEDGED device {HERE}: confirmed"),
        ("Ack", f"DELIVERED device {HERE}: it is on the device"),
    ] == room.about("order-0")
    assert confirmed == room.about("order-4")


async def until_known(room: Room, *devices: Device) -> None:
    """Order until the positions have come through and the devices hear it; a first one may reach nobody yet."""
    for number in range(100):
        await room.order(f"warm-{number}")
        with contextlib.suppress(AssertionError):
            for device in devices:
                await eventually(device.hears, "hears", 2)
            return
    raise AssertionError("no device hears")
