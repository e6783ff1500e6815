"""A control room on loopback that speaks CAP over signed HTTP; it shares no code with the connector but the signature."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import io
import itertools
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import unquote

import aiohttp
import pytest
from aiohttp import web
from bondmate_connectors.platforms.cap_webhook import CONNECTOR, CapWebhookConfig
from bondmate_connectors.testing import context
from bondmate_schemas.enums import Mode
from lxml import etree

SECRET, OLD_SECRET = "whsec_" + base64.b64encode(b"new" * 10).decode(), "the old one"
CAP = "{urn:oasis:names:tc:emergency:cap:1.2}"
REFUSED_TEXT = "x" * 400


def key(secret: str) -> bytes:
    return base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()


def signature(secret: str, message_id: str, stamp: str, body: bytes) -> str:
    mac = hmac.new(key(secret), f"{message_id}.{stamp}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(mac.digest()).decode()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Room:
    """Makes one record an `identifier`, whatever message it comes in, and tells officers' hub what it thinks until the hub has it."""

    secrets: tuple[str, ...] = (SECRET,)
    trouble: str = ""
    status_of_get: int = 405
    page: str = ""
    pause_seconds: int = 7
    records: dict[str, bytes] = field(default_factory=dict)
    requests: list[dict[str, str]] = field(default_factory=list)
    port: int = 0
    hub: str = ""
    numbers: itertools.count = field(default_factory=itertools.count)
    calls: set[asyncio.Task] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/cap"

    async def open(self) -> None:
        app = web.Application()
        app.add_routes([web.post("/cap", self.take), web.get("/cap", self.look)])
        self.runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.port = self.runner.addresses[0][1]

    async def shut(self) -> None:
        await self.runner.cleanup()

    @asynccontextmanager
    async def down(self) -> AsyncIterator[None]:
        await self.shut()
        try:
            yield
        finally:
            await self.open()

    @asynccontextmanager
    async def in_trouble(self, trouble: str) -> AsyncIterator[int]:
        self.trouble = trouble
        try:
            yield self.pause_seconds
        finally:
            self.trouble = ""

    def signed(self, request: web.Request, body: bytes) -> bool:
        message_id, stamp = request.headers["webhook-id"], request.headers["webhook-timestamp"]
        given = request.headers["webhook-signature"].split()
        return abs(time.time() - int(stamp)) < 300 and any(
            signature(secret, message_id, stamp, body) in given for secret in self.secrets
        )

    async def look(self, request: web.Request) -> web.Response:
        status = self.status_of_get if self.signed(request, b"") else 401
        return web.Response(status=status, text=self.page, content_type="text/html")

    async def take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.requests.append(dict(request.headers))
        if not self.signed(request, body):
            return web.json_response({}, status=401)
        troubled = {
            "throttled": (429, {"Retry-After": str(self.pause_seconds)}, {}),
            "broken": (500, {}, {}),
            "false_success": (200, {}, {"status": "error", "id": "CR-0"}),
            "redirects": (307, {"Location": self.url}, {}),
            "bare": (200, {}, []),
        }
        if self.trouble.isdigit():
            return web.Response(status=int(self.trouble), headers={"Location": f"{self.url}/elsewhere"})
        if self.trouble in troubled:
            status, headers, answer = troubled[self.trouble]
            return web.json_response(answer, status=status, headers=headers)
        if REFUSED_TEXT in body.decode():
            return web.json_response({"status": "error"}, status=400)
        named = etree.fromstring(body).findtext(f"{CAP}identifier")
        delivery_id = unquote(named.partition("_")[2])
        self.records.setdefault(delivery_id, body)
        if self.trouble == "unanswered":
            await asyncio.Event().wait()
        return web.json_response({"id": f"CR-{list(self.records).index(delivery_id)}"}, status=201)

    async def ids(self) -> list[str]:
        return list(self.records)

    # The other way

    def document(
        self, kind: str, references: str = "", *, identifier: str = "", note: str = "why", status: str = "Exercise"
    ) -> tuple[str, bytes]:
        identifier = identifier or f"room-{next(self.numbers)}"
        sent = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S-00:00")
        return identifier, (
            f'<?xml version="1.0" encoding="UTF-8"?><alert xmlns="{CAP[1:-1]}"><identifier>{identifier}</identifier>'
            f"<sender>room@example.org</sender><sent>{sent}</sent><status>{status}</status><msgType>{kind}</msgType>"
            f"<scope>Private</scope><addresses>hub</addresses><note>{note}</note><references>{references}</references>"
            "</alert>"
        ).encode()

    async def post(self, body: bytes, *, message_id: str = "", age_seconds: float = 0, secret: str = "", **headers: str) -> aiohttp.ClientResponse:  # fmt: skip
        message_id = message_id or f"message-{next(self.numbers)}"
        stamp = str(int(time.time() - age_seconds))
        signed = {
            "webhook-id": message_id,
            "webhook-timestamp": stamp,
            "webhook-signature": signature(secret or self.secrets[0], message_id, stamp, body),
            "Content-Type": "application/cap+xml",
        }
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session,
            session.post(self.hub, data=io.BytesIO(body), headers={**signed, **headers}) as response,
        ):
            await response.read()
            return response

    async def say(self, count: int) -> list[str]:
        """Say so many new things, each again until the hub has taken or refused it; give their identifiers."""
        documents = [self.document("Alert") for _ in range(count)]
        for identifier, body in documents:
            task = asyncio.create_task(self.insist(identifier, body))
            self.calls.add(task)
            task.add_done_callback(self.calls.discard)
        return [identifier for identifier, _ in documents]

    async def answer(self, mode: Mode, proved: bool) -> str:  # the suite's
        """Acknowledge an alert of the hub, signed with our key or a wrong one; give what was answered."""
        reference = "bondmate:pd-north,an-event_a-delivery,2026-03-01T10:00:00-00:00"
        _, body = self.document("Ack", reference, status=mode.value.capitalize())
        response = await self.post(body, secret="" if proved else "whsec_" + base64.b64encode(b"not" * 10).decode())
        return str(response.status)

    async def insist(self, identifier: str, body: bytes) -> int:
        while True:
            with suppress(aiohttp.ClientError, TimeoutError):
                response = await self.post(body, message_id=identifier)
                if response.status < 500:
                    return response.status
            await asyncio.sleep(0.02)


@pytest.fixture
async def room():
    room = Room()
    await room.open()
    yield room
    for task in list(room.calls):
        task.cancel()
    await asyncio.gather(*room.calls, return_exceptions=True)
    await room.shut()


@pytest.fixture
def settings_for(room):
    """Give the settings of a connector for the room; `room.hub` is then where it listens."""
    port = free_port()
    room.hub = f"http://127.0.0.1:{port}/cap"

    def make(*, secret: str = SECRET, clock: str = "", **listen) -> CapWebhookConfig:
        return CapWebhookConfig.model_validate({
            "deliver": {"url": room.url, "secrets": [secret], "timeout_seconds": 1.0},
            "listen": {"port": port, "secrets": [secret], "settle_timeout_seconds": 5, "drain_seconds": 0.1, **listen},
        })  # fmt: skip

    return make


@pytest.fixture
def build(settings_for):
    return lambda **settings: CONNECTOR.build(settings_for(**settings), context("room"))


@pytest.fixture
async def connector(build):
    connector = build()
    await connector.connect()
    yield connector
    await connector.close()
