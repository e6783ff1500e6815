"""The far end of a connector that speaks HTTP: a real server on loopback, by TLS, with troubles to switch on.

class Room(HttpRoom):                           # the platform: its paths, and what it writes down
    def routes(self): return [web.put("/alerts/{id}", self.write)]

class TestSink(HttpTroubles, SinkContract):     # `HttpTroubles` gives the fixtures that cause trouble, of `room`
    @pytest.fixture
    async def room(self):
        async with Room() as room:
            yield room
"""

from __future__ import annotations

import asyncio
import ssl
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bondmate_connectors.testing.rules import Refusals, Scenario

_HOST = "127.0.0.1"
_UNAUTHORIZED, _THROTTLED = 401, 429


class HttpRoom(ABC):
    """A platform: subclass it and give `routes`; used as `async with`, inside one event loop."""

    token = "of-the-tests"  # noqa: S105  # pragma: allowlist secret
    """The bearer token it gave us; whoever has another gets 401."""

    def __init__(self) -> None:
        self._port = 0
        self._answer: Callable[[], web.Response] | None = None
        self._relief = asyncio.Event()
        self._relief.set()

    @abstractmethod
    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Return what the platform serves, as `[web.put("/alerts/{id}", self.write), …]`."""

    @property
    def url(self) -> str:
        """Its address, the same after an outage."""
        return f"https://{_HOST}:{self._port}"

    @property
    def settings(self) -> dict[str, Any]:
        """What a connector needs to reach it, as the settings of `JsonHttpConfig`."""
        return {
            "url": self.url,
            "token": self.token,
            "timeout_seconds": 0.5,
            "tls": {"ca_file": str(self._certificate)},
        }

    async def __aenter__(self) -> Self:
        self._folder = TemporaryDirectory()
        self._certificate = _certificate(Path(self._folder.name))
        await self._open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._shut()
        self._folder.cleanup()

    # Troubles; each lasts as long as its context.

    @asynccontextmanager
    async def down(self) -> AsyncIterator[None]:
        """Be unreachable; what is connected loses its connection."""
        await self._shut()
        try:
            yield
        finally:
            await self._open()

    @asynccontextmanager
    async def answering(
        self, status: int, body: object = None, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[None]:
        """Answer everything so, and do nothing."""
        self._answer = lambda: web.json_response(body, status=status, headers=headers)
        try:
            yield
        finally:
            self._answer = None

    @asynccontextmanager
    async def throttling(self, seconds: int = 1) -> AsyncIterator[int]:
        """Ask for a pause; the context gives its seconds."""
        async with self.answering(_THROTTLED, headers={"Retry-After": str(seconds)}):
            yield seconds

    @asynccontextmanager
    async def silent(self) -> AsyncIterator[None]:
        """Do what is asked, and answer only when the trouble is over."""
        self._relief.clear()
        try:
            yield
        finally:
            self._relief.set()

    async def _open(self) -> None:
        app = web.Application(middlewares=[self._serve])
        app.add_routes(self.routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._certificate)
        await web.TCPSite(self._runner, _HOST, self._port, ssl_context=context, reuse_address=True).start()
        self._port = self._runner.addresses[0][1]

    async def _shut(self) -> None:
        self._relief.set()
        await self._runner.cleanup()

    @web.middleware
    async def _serve(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if self._answer is not None:
            return self._answer()
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response(None, status=_UNAUTHORIZED)
        answer = await handler(request)
        await self._relief.wait()
        return answer


class HttpTroubles:
    """The fixtures of the contracts that cause trouble, by the fixture `room`: an `HttpRoom`."""

    @pytest.fixture
    def outage(self, room: HttpRoom) -> Scenario:
        """The room is unreachable."""
        return room.down

    @pytest.fixture
    def refusals(self, room: HttpRoom) -> Refusals:
        """The room refuses our token, what we may do, and the place where we ask."""
        return {f"http_{status}": partial(room.answering, status) for status in (302, 401, 403, 404)}

    @pytest.fixture
    def throttled(self, room: HttpRoom) -> Scenario:
        """The room asks for a pause."""
        return room.throttling

    @pytest.fixture
    def false_success(self, room: HttpRoom) -> Scenario:
        """The room answers 200 with a failure inside."""
        return partial(room.answering, 200, {"error": "the database is away"})

    @pytest.fixture
    def unanswered(self, room: HttpRoom) -> Scenario:
        """The room takes what comes and does not answer."""
        return room.silent


def _certificate(folder: Path) -> Path:
    """Write a certificate of this machine, signed by itself, with its key, as one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "room of a test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(_HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "room.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + private)
    return file
