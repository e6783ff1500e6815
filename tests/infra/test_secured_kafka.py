"""Apache Kafka with TLS and a login on every listener: an SOS gets through, and a wrong password is named."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import IO, Any

import pytest
import yaml
from bondmate_gateway.enrolment.commands import Enrolment, enrol_many
from bondmate_hub.broker.apache import ApacheBroker, ApacheConfig, Secured
from bondmate_hub.broker.child import free_port
from bondmate_hub.registry.server import RegistryConfig, serving
from bondmate_kafka.security import Credentials
from scenarios.devices import Officer
from scenarios.room import Room
from scenarios.waiting import eventually
from tak_servers.authority import Authority

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(420)]
SECONDS = 120
ROLES = ("streams", "gateway", "runner")
ROUTES: dict[str, Any] = {
    "destinations": {
        "room": {
            "modes": ["ACTUAL"],
            "says_assigned": True,
            "fields": {"alert": {"callsign": "plain", "text": "plain"}},
        }
    },
    "routes": [{"name": "alerts", "when": {"record": "alert"}, "to": ["room"]}],
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def broker(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheBroker]:
    folder, own = tmp_path_factory.mktemp("secured"), authority.issue("broker")
    pem = folder / "broker.pem"
    pem.write_bytes(own.key.read_bytes() + own.certificate.read_bytes())
    secured = Secured(pem, own.ca, Credentials("node", "of-the-nodes", "PLAIN"), {"hub": "right"})
    with ApacheBroker(ApacheConfig(folder / "kafka", secured=secured)) as broker:
        yield broker


class Hub:
    """A hub whose clients log in with the password in a file."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self.folder = folder
        self.ports = settings["monitoring"]["ports"]
        self.password = folder / "password"
        text = yaml.safe_dump(settings).replace("PASSWORD", "!file password")
        (folder / "hub.yaml").write_text(text, encoding="utf-8")
        (folder / "routes.yaml").write_text(yaml.safe_dump(ROUTES), encoding="utf-8")

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "bondmate_hub", *words, "--config", str(self.folder / "hub.yaml")]

    async def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(
            subprocess.run, self._command(*words), capture_output=True, text=True, check=False, cwd=self.folder
        )

    def log(self, role: str) -> str:
        return (self.folder / f"{role}.log").read_text()

    def _started(self, role: str, log: IO[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command("run", role), stdout=log, stderr=log, cwd=self.folder)

    @contextlib.asynccontextmanager
    async def running(self, *roles: str) -> AsyncIterator[None]:
        children = []
        try:
            for role in roles:
                with (self.folder / f"{role}.log").open("w") as log:
                    children.append(self._started(role, log))
            yield
        finally:
            for child in children:
                child.terminate()
            for child in children:
                await asyncio.to_thread(child.wait, 60)


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
async def test_an_sos_gets_to_the_room_and_back_and_a_wrong_password_is_named(
    broker: ApacheBroker, authority: Authority, tmp_path: Path, mechanism: str
) -> None:
    device, secret = f"bm-{mechanism.lower()}", secrets.token_hex(32)
    gateway_port, back_port = free_port(), free_port()
    tokens = enrol_many(tmp_path / "devices.json", [Enrolment(device, "pd", "ACTUAL", callsign="ALPHA 1")])
    async with (
        serving(RegistryConfig(data_dir=tmp_path / "registry")) as registry,
        Room.open("room", secret.encode(), back_port) as room,
    ):
        hub = Hub(tmp_path, {
            "instance": mechanism.lower(),
            "data_dir": "data",
            "kafka": {
                "bootstrap": broker.bootstrap, "registry_url": registry, "partitions": 2,
                "client": {"tls": {"ca_file": str(authority.issue("hub").ca)},
                           "login": {"username": "hub", "password": "PASSWORD", "mechanism": mechanism}},
            },
            "streams": {"routes": "routes.yaml", "pseudonym_secret": secrets.token_hex(16), "session_seconds": 6},
            "monitoring": {"ports": {role: free_port() for role in ROLES}},
            "connectors": {
                "devices": {"connector": "device_http", "settings": {
                    "host": "127.0.0.1", "port": gateway_port, "device_file": str(tmp_path / "devices.json")}},
                "room": {"connector": "cap_webhook", "agency": "pd", "settings": {
                    "deliver": {"url": f"http://127.0.0.1:{room.port}/cap", "secrets": [secret]},
                    "listen": {"host": "127.0.0.1", "port": back_port, "path": "/cap", "secrets": [secret]}}},
            },
        })  # fmt: skip
        hub.password.write_text("wrong")
        refused = await hub.call("topics", "apply")
        async with hub.running(*ROLES):
            for role in ROLES:
                await eventually(lambda role=role: "the broker refuses the login" in hub.log(role), f"{role} says it", SECONDS)  # fmt: skip
        hub.password.write_text("right")
        made = await hub.call("topics", "apply")
        async with (
            hub.running(*ROLES),
            Officer.on(device, f"http://127.0.0.1:{gateway_port}", tokens[device], tmp_path / "device.db") as officer,
        ):
            alert = await officer.presses()
            document, *_ = await room.reads("ALPHA 1", "^Alert", seconds=SECONDS)
            await room.says("Ack", document, response="assigned", unit="unit-7")
            await officer.shows(alert, lambda shown: shown.help_is_coming, "that help is coming")
        status = await hub.call("connectors", "status")

    assert (1, True) == (refused.returncode, "kafka.client.login" in refused.stderr), refused.stderr
    assert "Traceback" not in refused.stderr
    assert 0 == made.returncode, made.stderr
    assert "room" in status.stdout, status.stderr
