"""Two places to pick up from: a folder, and an Atom feed on loopback that links to alerts."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from bondmate_connectors.platforms.cap_pickup import CONNECTOR, CapPickupConfig
from bondmate_connectors.testing import context

TOKEN = "let me in"
NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"


def alert(identifier: str, *, status: str = "Actual", more: str = "", sent: str = "2020-03-01T10:00:00+01:00") -> str:
    return (
        f'<alert xmlns="{NAMESPACE}"><identifier>{identifier}</identifier><sender>wx@example.org</sender>'
        f"<sent>{sent}</sent><status>{status}</status><msgType>Alert</msgType><scope>Public</scope>{more}</alert>"
    )


@dataclass
class FeedServer:
    """An Atom feed with an ETag; each entry links to a document of its own."""

    documents: dict[str, bytes] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    embedded: list[str] = field(default_factory=list)
    asked: Counter = field(default_factory=Counter)
    statuses: dict[str, int] = field(default_factory=dict)
    token: str = TOKEN
    status: int = 0
    """What the feed itself answers instead of its entries."""
    page: bytes = b""
    """A page for people that stands in the way, with status 200."""
    version: int = 0
    second: list[str] = field(default_factory=list)
    """Those of the documents that only the second page of the feed leads to."""
    second_token: str = TOKEN
    link_type: str = "application/cap+xml"
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/feed"

    async def open(self) -> None:
        app = web.Application()
        app.add_routes([web.get("/feed", self.feed), web.get("/alerts/{name}", self.document)])
        app.add_routes([web.get("/second", self.second_page)])
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
    async def refusing(self, status: int) -> AsyncIterator[None]:
        self.status = status
        try:
            yield
        finally:
            self.status = 0

    def put(self, name: str, document: str | bytes) -> None:
        self.documents[name] = document.encode() if isinstance(document, str) else document
        self.links[name] = f"/alerts/{name}"

    async def say(self, count: int) -> list[str]:
        names = [f"f-{len(self.documents) + number}" for number in range(count)]
        for name in names:
            self.put(name, alert(name))
        return names

    async def feed(self, request: web.Request) -> web.Response:
        if self.page:
            return web.Response(body=self.page, content_type="text/html")
        if self.status:
            return web.Response(status=self.status, headers={"Location": f"{self.url}/moved"})
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.Response(status=401)
        entries = self.entries(name for name in self.links if name not in self.second)
        entries += '<link rel="next" href="/second"/>' * bool(self.second)
        entries += "".join(f"<entry><content>{each}</content></entry>" for each in self.embedded)
        body = f'<feed xmlns="http://www.w3.org/2005/Atom"><updated>{self.version}</updated>{entries}</feed>'.encode()
        etag = f'"{hashlib.sha256(body).hexdigest()}"'
        if request.headers.get("If-None-Match") == etag:
            self.asked["not modified"] += 1
            return web.Response(status=304)
        self.asked["feed"] += 1
        return web.Response(body=body, content_type="application/atom+xml", headers={"ETag": etag})

    def entries(self, names: Iterable[str]) -> str:
        return "".join(
            f"<entry><id>{name}</id><updated>2020-03-01T10:00:00Z</updated>"
            f'<link type="text/html" href="/page"/><link type="{self.link_type}" href="{self.links[name]}"/></entry>'
            for name in names
        )

    async def second_page(self, request: web.Request) -> web.Response:
        self.asked["second"] += 1
        if request.headers.get("Authorization") != f"Bearer {self.second_token}":
            return web.Response(status=401)
        body = f'<feed xmlns="http://www.w3.org/2005/Atom">{self.entries(self.second)}</feed>'
        return web.Response(text=body, content_type="application/atom+xml")

    async def document(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self.asked[name] += 1
        return web.Response(status=self.statuses.get(name, 200), body=self.documents.get(name, b""))


@pytest.fixture
async def server():
    server = FeedServer()
    await server.open()
    yield server
    await server.shut()


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "incoming"
    folder.mkdir()
    return folder


@pytest.fixture
def from_folder(folder, tmp_path):
    def make(**settings):
        return CONNECTOR.build(
            CapPickupConfig.model_validate({
                "folder": folder, "cursor_file": tmp_path / "state/cursor", "poll_seconds": 0.02, "quiet_seconds": 0,
                **settings,
            }), context("pickup"),
        )  # fmt: skip

    return make


@pytest.fixture
def from_feed(server, tmp_path):
    def make(*, feed=(), **settings):
        return CONNECTOR.build(
            CapPickupConfig.model_validate({
                "feed": {"url": server.url, "token": TOKEN, "timeout_seconds": 2, **dict(feed)},
                "cursor_file": tmp_path / "state/cursor", "poll_seconds": 0.02, **settings,
            }), context("pickup"),
        )  # fmt: skip

    return make


@pytest.fixture
async def picking(from_folder):
    connector = from_folder()
    await connector.connect()
    yield connector
    await connector.close()


@pytest.fixture
async def polling(from_feed):
    connector = from_feed()
    await connector.connect()
    yield connector
    await connector.close()
