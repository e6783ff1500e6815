"""A gateway on loopback, a runner's stand-in that settles, and a device that speaks to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from bondmate_connectors.contract import Context, Incoming, Status
from bondmate_connectors.errors import ConnectorError, NotConnected
from bondmate_gateway import CONNECTOR, GatewayConfig
from bondmate_gateway.enrolment.commands import token_hash
from bondmate_gateway.gateway import DeviceGateway
from bondmate_schemas.codec import Codec, LocalSchemaIds
from bondmate_schemas.models import Record

NOW = datetime(2026, 11, 23, 6, 0, 0, tzinfo=UTC)
_CODEC = Codec(LocalSchemaIds())
SMITH, JONES, TRAINEE = "token-smith", "token-jones", "token-trainee"
PROFILES: dict[str, Any] = {
    "patrol": {"handling": {"purpose": "officer-safety", "legal_basis": "police act 1", "retention_days": 30}},
    "loud": {"duress_silent": False},
}


def entry(token: str, **more: Any) -> dict[str, Any]:
    """Give one device as the device file holds it."""
    return {"agency": "police-a", "mode": "ACTUAL", "profile": "patrol", "token_sha256": [token_hash(token)], **more}


DEVICES: dict[str, Any] = {
    "dev-smith": entry(SMITH, officer_ref="o-smith", unit="unit-7", callsign="Kilo-7"),
    "dev-jones": entry(JONES, officer_ref="o-jones"),
    "dev-trainee": entry(TRAINEE, mode="EXERCISE", profile="loud"),
    "dev-drill": entry("token-drill", mode="TEST", drill="cap-room"),
}


@dataclass
class Log:
    """Keeps what was logged."""

    lines: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def info(self, event: str, **values: Any) -> None:
        self.lines.append((event, values))

    warning = info


class Hub:
    """The runner's side: receives every event, keeps it, and settles it as told."""

    def __init__(self, gateway: DeviceGateway) -> None:
        self.gateway = gateway
        self.events: list[Any] = []
        self.incoming: list[Incoming] = []
        self.error: ConnectorError | None = None

    def start(self) -> None:
        self.task = asyncio.create_task(self.run())

    async def stop(self) -> None:
        """Receive no more; what comes now stays with the gateway."""
        self.task.cancel()
        await asyncio.wait([self.task])

    async def run(self) -> None:
        try:
            while True:
                incoming = await self.gateway.receive()
                self.incoming.append(incoming)
                if self.error is None:
                    self.events.append(incoming.event)
                await incoming.settle(self.error)
        except NotConnected:
            return

    @property
    def last(self) -> Any:
        return self.events[-1]


class Device:
    """A device's HTTP client."""

    def __init__(self, session: aiohttp.ClientSession, token: str) -> None:
        self.session = session
        self.headers = {"Authorization": f"Bearer {token}"}

    async def post(self, path: str, body: Any, **more: Any) -> tuple[int, dict[str, Any]]:
        async with self.session.post(path, json=body, headers=self.headers, **more) as answer:
            return answer.status, await answer.json(content_type=None)

    async def post_bytes(self, path: str, body: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
        sent = {"Content-Type": "application/json", **self.headers, **headers}
        async with self.session.post(path, data=body, headers=sent) as answer:
            return answer.status, await answer.json(content_type=None)

    async def get(self, path: str, **params: str) -> tuple[int, dict[str, Any]]:
        async with self.session.get(path, params=params, headers=self.headers) as answer:
            return answer.status, await answer.json(content_type=None)

    def stream(self) -> Any:
        return self.session.ws_connect("/v1/stream", headers=self.headers)


@dataclass
class Bench:
    """All of it together."""

    gateway: DeviceGateway
    hub: Hub
    session: aiohttp.ClientSession
    log: Log
    reports: list[tuple[Status, str]]
    file: Path
    clock: list[datetime]

    def device(self, token: str = SMITH) -> Device:
        return Device(self.session, token)

    async def see(self, topic: str, key: str, record: Record | None) -> None:
        if record is None or self.gateway.concerns(topic, _CODEC.encode(record)):
            await self.gateway.see(topic, key, record)

    def write(self, devices: dict[str, Any], profiles: dict[str, Any] | None = None) -> None:
        self.file.write_text(json.dumps({"profiles": profiles or PROFILES, "devices": devices}))


async def eventually(condition: Callable[[], Any], seconds: float = 10) -> None:
    """Wait until `condition` holds; it may be a coroutine function."""
    async with asyncio.timeout(seconds):
        while True:
            held = condition()
            if await held if isinstance(held, Awaitable) else held:
                return
            await asyncio.sleep(0.01)


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    return eventually


@pytest.fixture
def device_file(tmp_path: Path) -> Path:
    path = tmp_path / "devices.yaml"
    path.write_text(json.dumps({"profiles": PROFILES, "devices": DEVICES}))
    return path


@asynccontextmanager
async def running(path: Path, **settings: Any) -> AsyncIterator[Bench]:
    """Run a gateway on a free loopback port, with its stand-in runner."""
    log, reports, clock = Log(), [], [NOW]
    context = Context("devices", log, lambda status, why: reports.append((status, why)), lambda: clock[0])
    config = GatewayConfig(device_file=path, port=0, **{"reload_seconds": 0.02, "drain_seconds": 1, **settings})
    gateway: DeviceGateway = CONNECTOR.build(config, context)
    await gateway.connect()
    hub = Hub(gateway)
    hub.start()
    try:
        scheme = "https" if config.tls else "http"
        async with aiohttp.ClientSession(f"{scheme}://127.0.0.1:{gateway.port}") as session:
            yield Bench(gateway, hub, session, log, reports, path, clock)
    finally:
        await gateway.close()
        await hub.stop()


@pytest.fixture
def run_gateway(device_file: Path) -> Callable[..., Any]:
    """Give a way to run a gateway with settings of the test's own."""
    return lambda **settings: running(settings.pop("path", device_file), **settings)


@pytest.fixture
async def bench(device_file: Path) -> AsyncIterator[Bench]:
    async with running(device_file) as found:
        yield found


@pytest.fixture
def at() -> Callable[..., str]:
    """Give a time as a device writes it, so much away from now."""
    return lambda **off: (NOW + timedelta(**off)).isoformat()
