"""The real gateway on one port, to be stopped and started; under the real runner on a broker, or with a stand-in."""

from __future__ import annotations

import asyncio
import json
import socket
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from bondmate_connectors.contract import Context, Status
from bondmate_connectors.errors import ConnectorError, NotConnected
from bondmate_connectors.runtime.health import ConnectorHealth
from bondmate_connectors.runtime.run import Instance, run_connectors
from bondmate_device import Client, Patience, SendingPace, Settings
from bondmate_gateway import CONNECTOR, GatewayConfig
from bondmate_gateway.enrolment.commands import token_hash
from bondmate_gateway.gateway import DeviceGateway
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.topic_reader import stored
from bondmate_schemas.catalogue import topics
from bondmate_schemas.codec import RECORDS, Codec, LocalSchemaIds
from confluent_kafka.admin import AdminClient, NewTopic

TOKEN = "token-of-the-device"
CODEC = Codec(LocalSchemaIds())
RECORD = {topic.name: topic.record for topic in topics()}
PACE = SendingPace(first_wait_seconds=0.05, longest_wait_seconds=0.3, longest_alert_wait_seconds=0.2)
PATIENCE = Patience(poll_seconds=2, polling_seconds=2, first_wait_seconds=0.05, longest_wait_seconds=0.2)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def eventually(condition: Callable[[], Any], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


@dataclass
class Quiet:
    """A log that keeps nothing."""

    def info(self, event: str, **values: Any) -> None: ...

    warning = info


@dataclass
class Place:
    """Where the gateway is, who may call it, and where the device remembers."""

    port: int
    device_file: Path
    queue_file: Path
    device_id: str
    events: list[Any] = field(default_factory=list)
    error: ConnectorError | None = None
    gateway: DeviceGateway | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, **more: Any) -> Client:
        settings = {"url": self.url, "token": TOKEN, "queue_file": self.queue_file, "pace": PACE, "patience": PATIENCE}
        return Client(Settings(**{**settings, **more}))

    def enrol(self, *tokens: str) -> None:
        profile = {"handling": {"purpose": "officer-safety", "legal_basis": "police act 1", "retention_days": 30}}
        device = {"agency": "police-a", "mode": "ACTUAL", "profile": "patrol",
                  "token_sha256": [token_hash(token) for token in tokens]}  # fmt: skip
        told = {"profiles": {"patrol": profile}, "devices": {self.device_id: device}}
        self.device_file.write_text(json.dumps(told))

    @asynccontextmanager
    async def up(self, **settings: Any) -> AsyncIterator[DeviceGateway]:
        """Run the gateway with a stand-in of the runner, which settles with `error`."""
        context = Context("devices", Quiet(), lambda *_: None, lambda: datetime.now(UTC))
        config = GatewayConfig(
            device_file=self.device_file, port=self.port, reload_seconds=0.02, drain_seconds=0.1, **settings
        )
        self.gateway = gateway = CONNECTOR.build(config, context)
        await gateway.connect()
        receiving = asyncio.create_task(self._receive(gateway))
        try:
            yield gateway
        finally:
            await gateway.close()
            await receiving

    async def _receive(self, gateway: DeviceGateway) -> None:
        try:
            while True:
                incoming = await gateway.receive()
                if self.error is None:
                    self.events.append(incoming.event)
                await incoming.settle(self.error)
        except NotConnected:
            return

    @asynccontextmanager
    async def on_broker(self, kafka: KafkaConfig) -> AsyncIterator[None]:
        """Run the gateway as the hub does."""
        stop, health = asyncio.Event(), ConnectorHealth()
        config = GatewayConfig(
            device_file=self.device_file, port=self.port, drain_seconds=0.1, report_requests_per_minute=10**6
        )
        instance = Instance("devices", CONNECTOR, config)
        run = partial(run_connectors, [instance], kafka, role_id="gateway-test", stop=stop, codec=CODEC, health=health)
        running = asyncio.create_task(run())
        try:
            await eventually(lambda: running.done() or listens(self.port), 30)
            assert health.of("devices").status is Status.OK
            yield
        finally:
            stop.set()
            await asyncio.wait_for(running, 10)

    def arguments(self, *words: str) -> list[str]:
        """Return the arguments of a device's command at this place."""
        token_file = self.queue_file.with_name("token")
        token_file.write_text(TOKEN)
        return ["--url", self.url, "--token-file", str(token_file), "--queue-file", str(self.queue_file), *words]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(free_port(), tmp_path / "devices.json", tmp_path / "queue.db", f"dev-{uuid.uuid4().hex[:12]}")
    made.enrol(TOKEN)
    return made


@pytest.fixture
async def kafka(broker) -> KafkaConfig:
    def make() -> None:
        admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        wanted = [
            NewTopic(t.name, min(t.partitions, 2), 1)
            for t in topics(sources=["devices"])
            if not t.name.startswith("bondmate-")
        ]
        for future in admin.create_topics(wanted).values():
            future.exception()

    await asyncio.to_thread(make)
    return KafkaConfig(broker.bootstrap, "")


@pytest.fixture
def read(kafka: KafkaConfig) -> Callable[[str], list[Any]]:
    """Give a way to read all records of a topic, each partition in order."""

    def all_of(topic: str) -> list[Any]:
        found = stored({"bootstrap.servers": kafka.bootstrap}, [topic])
        return [CODEC.decode(message.value(), RECORDS[RECORD[topic]]) for message in found]

    return all_of


@pytest.fixture
def until() -> Callable[..., Any]:
    return eventually
