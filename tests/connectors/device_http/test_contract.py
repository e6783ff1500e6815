"""The gateway under the contract suite: devices are the platform, and send again what was not answered with 202."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from http import HTTPStatus

import aiohttp
import pytest
from bondmate_connectors.platforms.device_http import CONNECTOR, Config
from bondmate_connectors.testing import SourceContract, context

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
        config = Config(device_file=device_file, port=port, drain_seconds=1)
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
