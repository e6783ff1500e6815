"""`hub status` on a hub that runs: each fault is caused, told with the place where an alert stops, and told to be over."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from bondmate_hub.broker.child import free_port
from bondmate_hub.broker.embedded import EmbeddedBroker, EmbeddedConfig
from bondmate_hub.registry.server import RegistryConfig, serving_in_thread
from bondmate_hub.settings import load
from bondmate_hub.wanted import carry_out
from bondmate_schemas.catalogue import DEVICE_ALERTS

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]
SECONDS = 200
"""A machine of two cores may be shared: nothing here goes by how fast it is."""
ROOM = "destinations: {room: {modes: [ACTUAL], fields: {alert: {callsign: plain}}}}\n"
ROUTES = ROOM + "routes: [{name: alerts, when: {record: alert}, to: room}]\n"


class Takes(BaseHTTPRequestHandler):
    """A control room that takes everything."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@dataclass
class Hub:
    folder: Path
    broker: EmbeddedBroker
    port: int
    token: str
    roles: dict[str, subprocess.Popen[bytes]]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "bondmate_hub", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.folder)

    def status(self) -> tuple[int, dict[str, Any]]:
        done = self.run("status", "--json", "--config", "hub.yaml")
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def until(self, holds: Callable[[int, dict[str, Any]], object]) -> dict[str, Any]:
        """Ask until it holds, and return what was said then."""
        end = time.monotonic() + SECONDS
        while True:
            code, said = self.status()
            if holds(code, said):
                return said
            assert time.monotonic() < end, json.dumps(said, indent=1)

    def until_well(self) -> None:
        self.until(lambda code, said: code == 0 and said["ok"])

    def until_stopped(self, at: str) -> str:
        """Wait until an alert to the room would stop there, and return why."""
        said = self.until(lambda code, said: code == 1 and room(said)["stops_at"] == at)
        return str(room(said)["why"])

    def press(self, number: int) -> int:
        body = {"message_id": f"m-{number}", "alert_id": f"a-{number}", "action": "raise", "kind": "SOS",
                "occurred_at": datetime.now(UTC).isoformat()}  # fmt: skip
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/v1/alerts", json.dumps(body).encode())
        request.add_header("Authorization", f"Bearer {self.token}")
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return int(answer.status)

    def endpoint(self, role: str, instance: str = "hub-1") -> str:
        said = self.status()[1]
        return str(next(e["endpoint"] for e in said["roles"] if (e["role"], e["instance"]) == (role, instance)))

    def start(self, role: str, config: str = "hub.yaml") -> subprocess.Popen[bytes]:
        with (self.folder / f"{role}.log").open("ab") as log:
            command = [sys.executable, "-m", "bondmate_hub", "run", role, "--config", config]
            return subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)

    def connectors(self) -> list[dict[str, Any]]:
        done = self.run("connectors", "status", "--json", "--config", "hub.yaml")
        return [json.loads(line) for line in done.stdout.splitlines()]


def room(said: dict[str, Any]) -> dict[str, Any]:
    return next(each for each in said["destinations"] if each["destination"] == "room")


def role(said: dict[str, Any], name: str, instance: str = "hub-1") -> dict[str, Any]:
    found = [each for each in said["roles"] if (each["role"], each["instance"]) == (name, instance)]
    return found[0] if found else {"state": "NONE", "why": ""}


def settings_of(broker: str, registry: str, port: int, room_url: str, *, instance: str, devices: str) -> str:
    return f"""\
instance: {instance}
data_dir: data-{instance}
kafka: {{bootstrap: '{broker}', registry_url: '{registry}'}}
streams: {{routes: routes.yaml, pseudonym_secret: 0123456789abcdef}}
connectors:
  devices: {{connector: device_http, settings: {{device_file: {devices}, port: {port}}}}}
  room: {{connector: cap_webhook, settings: {{deliver: {{url: '{room_url}', secrets: [for-tests-only]}}}}}}
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    folder, port = tmp_path_factory.mktemp("status"), free_port()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Takes)
    Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/cap"
    with (
        EmbeddedBroker(EmbeddedConfig(folder / "broker")) as broker,
        serving_in_thread(RegistryConfig(folder / "registry")) as registry,
    ):
        (folder / "routes.yaml").write_text(ROUTES)
        for instance, devices in (("hub-1", "devices.yaml"), ("hub-2", "devices.yaml"), ("hub-3", "later.yaml")):
            free = port if instance != "hub-3" else free_port()
            text = settings_of(broker.bootstrap, registry, free, url, instance=instance, devices=devices)
            (folder / ("hub.yaml" if instance == "hub-1" else f"{instance}.yaml")).write_text(text)
        carry_out(load(folder / "hub.yaml"), broker.limits)
        found = Hub(folder, broker, port, "", {})
        enrolled = found.run("devices", "enrol", "bm-1", "--file", "devices.yaml", "--agency", "pd", "--mode", "ACTUAL")
        assert 0 == enrolled.returncode, enrolled.stderr
        found.token = enrolled.stdout.split()[-1]
        found.roles = {name: found.start(name) for name in ("gateway", "streams", "runner")}
        try:
            found.until_well()
            yield found
        finally:
            for process in found.roles.values():
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()
            server.shutdown()
            server.server_close()


@contextmanager
def frozen(*pids: int) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def metric(endpoint: str, name: str, label: str) -> float:
    with urllib.request.urlopen(f"{endpoint}/metrics", timeout=SECONDS) as answer:
        lines = answer.read().decode().splitlines()
    return float(next(line.split()[-1] for line in lines if line.startswith(f"{name}{{") and label in line))


def ready(endpoint: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"{endpoint}/readyz", timeout=SECONDS) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_streams_that_are_frozen_are_told_and_what_waits_is_counted_and_both_clear(hub: Hub) -> None:
    """O1, O3."""
    gateway = hub.endpoint("gateway")
    label = f'topic="{DEVICE_ALERTS}"'
    with frozen(hub.roles["streams"].pid):
        assert 202 == hub.press(1)
        why = hub.until_stopped("streams")
        doctor = hub.run("doctor", "--config", "hub.yaml")
        unread = hub.until(lambda _, said: any(lag["events"] for lag in said["lag"] if lag["consumer"] == "streams"))
        end = time.monotonic() + SECONDS
        while metric(gateway, "hub_consumer_lag_seconds", label) < 3:
            assert time.monotonic() < end
        events = metric(gateway, "hub_consumer_lag_events", label)
    hub.until_well()
    hub.until(lambda _, said: not any(lag["events"] for lag in said["lag"] if lag["consumer"] == "streams"))

    assert "not heard of for" in why or "unread" in why
    assert 1 == doctor.returncode
    assert "FAULT alerts to room: one would stop at streams" in doctor.stdout
    assert 1 == events
    assert [DEVICE_ALERTS] == [lag["topic"] for lag in unread["lag"] if lag["events"] and lag["consumer"] == "streams"]


def test_streams_that_are_gone_are_told_and_one_that_ended_by_order_is_called_so(hub: Hub) -> None:
    """O1."""
    hub.roles["streams"].terminate()
    hub.roles["streams"].wait(SECONDS)
    why = hub.until_stopped("streams")
    said = hub.status()[1]
    hub.roles["streams"] = hub.start("streams")
    hub.until_well()

    assert "no process of it is heard of" in why
    assert {"ENDED", "ABSENT"} == {each["state"] for each in said["roles"] if each["role"] == "streams"}


def test_a_frozen_broker_makes_nobody_ready_and_its_address_is_named(hub: Hub) -> None:
    """O2."""
    endpoints = [hub.endpoint(name) for name in hub.roles]
    with frozen(hub.broker.pid, hub.broker.relay_pid):
        why = hub.until_stopped("broker")
        end = time.monotonic() + SECONDS
        while any(code == 200 for code, _ in map(ready, endpoints)):
            assert time.monotonic() < end
        reasons = [text for _, text in map(ready, endpoints)]
    hub.until_well()

    address = f"the broker does not answer at {hub.broker.bootstrap}"
    assert address == why
    assert [True] * 3 == [address in text for text in reasons]
    assert [200] * 3 == [code for code, _ in map(ready, endpoints)]


def test_a_paused_connector_is_not_reached_until_it_is_resumed(hub: Hub) -> None:
    """O5: doctor, `connectors status` and `status` say the same."""
    reason = ("--reason", "their maintenance", "--config", "hub.yaml")
    assert 0 == hub.run("connectors", "pause", "room", *reason).returncode
    why = hub.until_stopped("runner")
    rows = {row["connector"]: row["status"] for row in hub.connectors()}
    doctor = hub.run("doctor", "--config", "hub.yaml")
    assert 0 == hub.run("connectors", "resume", "room", *reason).returncode
    hub.until_well()

    assert "connector room: PAUSED" in why
    assert {"devices": "OK", "room": "PAUSED"} == rows
    assert "FAULT connector room in hub-1-runner: PAUSED" in doctor.stdout


def test_a_second_gateway_names_the_port_that_is_taken_and_listens_once_it_is_free(hub: Hub) -> None:
    """O4, O6: two of one name are told apart, and neither hides the other."""
    second = hub.start("gateway", "hub-2.yaml")
    try:
        said = hub.until(lambda _, said: "cannot be listened on" in role(said, "gateway", "hub-2")["why"])
        rows = [row for row in hub.connectors() if row["connector"] == "devices"]
        hub.roles["gateway"].terminate()
        hub.roles["gateway"].wait(SECONDS)
        hub.until(lambda _, said: role(said, "gateway", "hub-2")["state"] == "READY")
    finally:
        second.terminate()
        second.wait(SECONDS)
    hub.roles["gateway"] = hub.start("gateway")
    hub.until_well()

    assert "WAITING" == role(said, "gateway", "hub-2")["state"]
    assert f"127.0.0.1:{hub.port} cannot be listened on" in role(said, "gateway", "hub-2")["why"]
    assert "READY" == role(said, "gateway")["state"]
    assert {"hub-1-gateway": "OK", "hub-2-gateway": "RECOVERABLE_ERROR"} == {
        row["reported_by"]: row["status"] for row in rows
    }


def test_a_gateway_without_its_device_file_names_it_and_begins_when_it_is_there(hub: Hub) -> None:
    """O4."""
    third = hub.start("gateway", "hub-3.yaml")
    try:
        said = hub.until(lambda _, said: role(said, "gateway", "hub-3")["state"] == "WAITING")
        shutil.copy(hub.folder / "devices.yaml", hub.folder / "later.yaml")
        hub.until(lambda _, said: role(said, "gateway", "hub-3")["state"] == "READY")
    finally:
        third.terminate()
        third.wait(SECONDS)
    hub.until_well()

    assert str(hub.folder / "later.yaml") in role(said, "gateway", "hub-3")["why"]


def test_a_room_that_only_takes_is_ok_and_not_stopped(hub: Hub) -> None:
    """O7."""
    with urllib.request.urlopen(f"{hub.endpoint('runner')}/health", timeout=SECONDS) as answer:
        parts = json.load(answer)["parts"]

    assert "OK" == parts["room"]["status"]


def test_a_role_without_a_broker_says_so_in_one_sentence_with_the_address(tmp_path: Path) -> None:
    """O8."""
    address = f"127.0.0.1:{free_port()}"
    text = settings_of(address, "http://127.0.0.1:9", 0, "http://127.0.0.1:9", instance="alone", devices="d.yaml")
    (tmp_path / "hub.yaml").write_text(text)
    (tmp_path / "routes.yaml").write_text(ROUTES)
    log = tmp_path / "log"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "bondmate_hub", "run", "runner", "--config", "hub.yaml"]
        child = subprocess.Popen(command, cwd=tmp_path, stdout=output, stderr=output)
    try:
        end = time.monotonic() + SECONDS
        while f"the broker does not answer at {address}" not in log.read_text():
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        time.sleep(8)  # what would flood the log has had its time
    finally:
        child.terminate()
        child.wait(SECONDS)
    lines = [json.loads(line) for line in log.read_text().splitlines()]

    assert len(lines) < 20
    (told,) = (line for line in lines if line["event"] == "role waits" and address in str(line) and "room" not in line)
    assert "runner" == told["role"]


def test_everything_dead_is_told_and_soon(tmp_path: Path) -> None:
    text = settings_of("127.0.0.1:9", "http://127.0.0.1:9", 0, "http://127.0.0.1:9", instance="dead", devices="d.yaml")
    (tmp_path / "hub.yaml").write_text(text)
    (tmp_path / "routes.yaml").write_text(ROUTES)
    command = [sys.executable, "-m", "bondmate_hub", "status", "--config", "hub.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert 1 == done.returncode, done.stderr
    assert "the broker does not answer at 127.0.0.1:9" in done.stdout
    assert "the schema registry does not answer at http://127.0.0.1:9" in done.stdout
    assert "ACTUAL alerts do NOT reach room" == done.stdout.splitlines()[-1]
    for name in ("gateway", "streams", "lane", "runner"):
        assert f"role {name}" in done.stdout


def test_several_roles_show_a_table_of_who_is_ready_and_where(tmp_path: Path) -> None:
    """O11."""
    broker, registry = free_port(), free_port()
    (tmp_path / "hub.yaml").write_text(
        f"kafka: {{bootstrap: '127.0.0.1:{broker}', registry_url: 'http://127.0.0.1:{registry}'}}\n"
        f"broker: {{port: {broker}}}\nregistry: {{port: {registry}}}\n"
    )
    shown = tmp_path / "shown"
    with shown.open("wb") as output:
        command = [sys.executable, "-m", "bondmate_hub", "run", "broker", "registry", "--config", "hub.yaml"]
        child = subprocess.Popen(command, cwd=tmp_path, stdout=output, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + SECONDS
        while sum(line.split()[1:2] == ["yes"] for line in shown.read_text().splitlines()[-4:]) < 2:
            assert time.monotonic() < end, shown.read_text()
            time.sleep(0.2)
        rows = {line.split()[0]: line.split() for line in shown.read_text().splitlines() if line}
    finally:
        child.terminate()
        child.wait(SECONDS)

    assert ["role", "ready", "health"] == rows["role"][:3]
    assert rows["registry"][2].startswith("http://127.0.0.1:")
