"""The gateway under the contract suite: devices are the platform, and send again what was not answered with 202."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus

import aiohttp
import pytest
from bondmate_connectors.testing import SourceContract, context
from bondmate_gateway import CONNECTOR, GatewayConfig
from bondmate_schemas.catalogue import MESSAGES
from bondmate_schemas.enums import MessageDirection, Mode
from bondmate_schemas.models import DeviceMessage, EventHeader

SMITH = "token-smith"


class Devices:
    """Devices with an outbox: a message leaves it when it is taken (202) or refused for good (4xx)."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/v1/alerts"
        self.reachable = asyncio.Event()
        self.reachable.set()
        self._said = 0
        self._outbox: set[asyncio.Task[None]] = set()

    async def say(self, count: int) -> list[str]:
        names = [f"m-{number}" for number in range(self._said, self._said + count)]
        self._said += count
        self._outbox |= {asyncio.create_task(self._deliver(name)) for name in names}
        return names

    async def _deliver(self, name: str) -> None:
        headers = {"Authorization": f"Bearer {SMITH}"}
        async with aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(force_close=True)) as session:
            while True:
                await self.reachable.wait()
                try:
                    async with session.post(self.url, json={"message_id": name, "kind": "SOS"}) as answer:
                        if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.02)

    async def acknowledge(self, message_id: str, token: str) -> str:
        """Confirm a message to this device; give what was answered."""
        body = {"message_id": message_id, "level": "acknowledged", "occurred_at": datetime.now(UTC).isoformat()}
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
            session.post(self.url.replace("alerts", "receipts"), json=body) as answer,
        ):
            return str(answer.status)

    @asynccontextmanager
    async def away(self):
        self.reachable.clear()
        try:
            yield
        finally:
            self.reachable.set()

    async def close(self) -> None:
        for task in self._outbox:
            task.cancel()
        if self._outbox:
            await asyncio.wait(self._outbox)


class TestDeviceHttpSource(SourceContract):
    @pytest.fixture
    def port(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    @pytest.fixture
    async def devices(self, port):
        devices = Devices(port)
        yield devices
        await devices.close()

    @pytest.fixture
    def build(self, port, device_file):
        config = GatewayConfig(device_file=device_file, port=port, drain_seconds=1)
        return lambda: CONNECTOR.build(config, context("devices"))

    @pytest.fixture
    def spec(self):
        return CONNECTOR

    @pytest.fixture
    def source(self, build):
        return build()

    @pytest.fixture
    def emit(self, devices):
        return devices.say

    @pytest.fixture
    def restart(self, build):
        async def again():
            return build()

        return again

    @pytest.fixture
    def outage(self, devices):
        return devices.away

    @pytest.fixture
    def answer(self, source, devices):
        async def answer(mode: Mode, proved: bool) -> str:  # the suite's
            await source.see(MESSAGES, "dev-smith", a_message(mode))
            return await devices.acknowledge("hub-1", SMITH if proved else "token-of-nobody")

        return answer


def a_message(mode: Mode) -> DeviceMessage:
    now = datetime.now(UTC)
    header = EventHeader(message_id="hub-1", event_id="hub-1", agency_id="police-a", mode=mode, occurred_at=now,
                         received_at=now, source="room", hops=("streams",))  # fmt: skip
    return DeviceMessage(header=header, device_id="dev-smith", direction=MessageDirection.TO_DEVICE, sender="room",
                         text="stay there")  # fmt: skip
