"""Secrets and certificates read again while a connector runs: what cannot be used leaves the old in use, said once."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from bondmate_connectors.runtime.control import Control
from bondmate_connectors.testing import another, eventually, sos
from bondmate_hub.connectors.instances import instances
from bondmate_hub.settings import load
from bondmate_hub.settings.watch import SettingsWatch
from bondmate_schemas.catalogue import destination_topic
from bondmate_schemas.codec import Codec
from confluent_kafka import Producer
from structlog.testing import capture_logs

OLD, NEW, THIRD = ("whsec_" + base64.b64encode(text * 10).decode() for text in (b"old", b"new", b"3rd"))


def pair(folder: Path, name: str) -> tuple[str, str]:
    """Give certificate and key, PEM, of a new authority of its own."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
         f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1",
         "-days", "2"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return (folder / f"{name}.pem").read_text(), (folder / f"{name}.key").read_text()


def swapped_in(path: Path, text: str) -> None:
    """Write as a careful tool does: whole, by renaming."""
    (path.parent / "new").write_text(text)
    (path.parent / "new").rename(path)


@asynccontextmanager
async def watching(path: Path):
    """Watch the connectors of the settings at `path`; gives their controls and what is logged."""
    settings = load(path)
    controls = {instance.name: Control(instance.config) for instance in instances(settings)}
    with capture_logs() as said:
        task = asyncio.create_task(SettingsWatch(settings, controls, look_seconds=0.05).run())
        try:
            yield controls, said
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def refusals(said) -> list[str]:
    return [line["problem"] for line in said if line["event"].startswith("settings not taken")]


async def looks() -> None:
    """Wait for several looks: what must not happen has had its time."""
    await asyncio.sleep(0.5)  # the claim is that nothing happens, which has no condition to wait for


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text(OLD + "\n")
    (tmp_path / "other").write_text("the other room's\n")
    (tmp_path / "hub.yaml").write_text("""\
connectors:
  room:
    connector: cap_webhook
    settings:
      deliver: {url: 'http://127.0.0.1:9', secrets: [!file secret]}
  other:
    connector: cap_webhook
    settings:
      deliver: {url: 'http://127.0.0.1:9', secrets: [!file other]}
""")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "why"),
    [("", "empty"), (" \n", "empty"), (b"\xff\xfe", "not UTF-8 text"), (None, "cannot be read (FileNotFoundError)"),
     ("whsec_%", "not base64")],
)  # fmt: skip
async def test_a_secret_that_cannot_be_used_leaves_the_old_and_is_said_once(folder, text, why):
    secret = folder / "secret"
    async with watching(folder / "hub.yaml") as (controls, said):
        await looks()
        secret.unlink()
        if text is not None:
            secret.write_bytes(text if isinstance(text, bytes) else text.encode())
        await eventually(lambda: refusals(said), "it is said", 10)
        for _ in range(3):
            if secret.exists():
                secret.touch()
            await looks()

        assert not controls["room"].asked.is_set()
        assert 1 == len(refusals(said))
        assert "connectors.room.settings.deliver.secrets.0" in refusals(said)[0]
        assert why in refusals(said)[0]
        assert str(secret) in refusals(said)[0]
        assert "whsec_%" not in str(said)

        swapped_in(secret, NEW)
        await eventually(controls["room"].asked.is_set, "the new one is taken", 10)
        assert NEW == controls["room"].config.deliver.secrets[0].get_secret_value()
        assert not controls["other"].asked.is_set()
        assert NEW not in str(said)


async def test_a_file_that_is_being_written_is_not_taken_before_it_rests(folder):
    async with watching(folder / "hub.yaml") as (controls, _):
        await looks()
        for end in range(6, len(NEW), 2):
            (folder / "secret").write_text(NEW[:end])
            await asyncio.sleep(0.02)  # the pace of a slow writer, which is the subject
            assert not controls["room"].asked.is_set()
        (folder / "secret").write_text(NEW)
        await eventually(controls["room"].asked.is_set, "taken", 10)

    assert NEW == controls["room"].config.deliver.secrets[0].get_secret_value()


async def test_another_connectors_bad_file_holds_up_nobody(folder):
    async with watching(folder / "hub.yaml") as (controls, said):
        await looks()
        (folder / "other").write_text("")
        (folder / "secret").write_text(NEW)
        await eventually(controls["room"].asked.is_set, "taken", 10)
        await eventually(lambda: refusals(said), "and the other is said", 10)

    assert not controls["other"].asked.is_set()
    assert ["connectors.other.settings.deliver.secrets.0"] == [line.split(":")[0] for line in refusals(said)]


async def test_the_yaml_itself_is_heard_only_by_who_waits_for_a_mend(folder):
    path = folder / "hub.yaml"
    async with watching(path) as (controls, _):
        await looks()
        controls["other"].is_waiting = True
        await looks()
        path.write_text(path.read_text().replace("127.0.0.1:9", "127.0.0.1:10"))
        await eventually(controls["other"].asked.is_set, "who waits hears", 10)
        await looks()

        assert not controls["room"].asked.is_set()
        assert "http://127.0.0.1:10" == controls["other"].config.deliver.url


@pytest.fixture
def tls_folder(tmp_path: Path) -> Path:
    for name in ("ours", "theirs", "renewed"):
        pair(tmp_path, name)
    (tmp_path / "hub.yaml").write_text(f"""\
connectors:
  tak-main:
    connector: tak
    settings:
      host: 127.0.0.1
      tls:
        ca_file: {tmp_path}/theirs.pem
        certificate_file: {tmp_path}/ours.pem
        key_file: {tmp_path}/ours.key
  gate:
    connector: device_http
    settings:
      device_file: {tmp_path}/devices.yaml
      tls: {{certificate_file: {tmp_path}/ours.pem, key_file: {tmp_path}/ours.key}}
""")
    (tmp_path / "devices.yaml").write_text("devices: {}\n")
    return tmp_path


async def test_certificate_and_key_are_taken_as_a_pair_by_all_that_use_them(tls_folder):
    async with watching(tls_folder / "hub.yaml") as (controls, said):
        await looks()
        swapped_in(tls_folder / "ours.key", (tls_folder / "renewed.key").read_text())
        await eventually(lambda: len(refusals(said)) == 2, "the half is said", 10)
        await looks()
        assert not any(control.asked.is_set() for control in controls.values())
        swapped_in(tls_folder / "ours.pem", (tls_folder / "renewed.pem").read_text())
        await eventually(lambda: all(control.asked.is_set() for control in controls.values()), "the pair is taken", 10)

    ours = f"{tls_folder}/ours.pem, {tls_folder}/ours.key: certificate and key are not a pair"
    assert {
        f"connectors.gate.settings.tls: {ours}",
        f"connectors.tak-main.settings.tls: {tls_folder}/theirs.pem, {ours}",
    } == set(refusals(said))


@pytest.mark.parametrize("name", ["theirs.pem", "ours.pem", "ours.key"])
@pytest.mark.parametrize("part", [0.0, 0.5, 0.99])
async def test_a_part_of_a_certificate_is_not_taken_and_what_was_loaded_goes_on(tls_folder, name, part):
    whole = (tls_folder / name).read_text()
    async with watching(tls_folder / "hub.yaml") as (controls, said):
        in_use = controls["tak-main"].config.tls.client_context()
        await looks()
        (tls_folder / name).write_text(whole[: int(len(whole) * part)])
        await eventually(lambda: refusals(said), "the part is said", 10)
        await looks()
        assert not controls["tak-main"].asked.is_set()
        assert in_use is controls["tak-main"].config.address().tls
        (tls_folder / name).write_text(whole)
        await looks()
        assert not controls["tak-main"].asked.is_set()  # it is as it was


async def test_a_device_file_is_the_connectors_own_business(tls_folder):
    async with watching(tls_folder / "hub.yaml") as (controls, said):
        await looks()
        (tls_folder / "devices.yaml").write_text("")
        await looks()

    assert not controls["gate"].asked.is_set()
    assert [] == refusals(said)


# On real processes.

ON_EMBEDDED = pytest.mark.parametrize("new_broker", ["embedded"], indirect=True)


@dataclass
class Room:
    """Takes what is signed with its secret, refuses all else; on a port of its own."""

    secret: str
    taken: list[str] = field(default_factory=list)
    refused: int = 0

    async def post(self, request: web.Request) -> web.Response:
        name, stamp, body = request.headers["webhook-id"], request.headers["webhook-timestamp"], await request.read()
        mac = hmac.new(base64.b64decode(self.secret[6:]), f"{name}.{stamp}.".encode() + body, hashlib.sha256)
        if f"v1,{base64.b64encode(mac.digest()).decode()}" not in request.headers["webhook-signature"].split():
            self.refused += 1
            return web.Response(status=401)
        if name not in self.taken:
            self.taken.append(name)
        return web.Response(status=200)

    @asynccontextmanager
    async def listening(self):
        app = web.Application()
        app.add_routes([web.post("/cap", self.post), web.get("/cap", self.post)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/cap"
        finally:
            await runner.cleanup()


def feed(hub, name: str, numbers: range) -> None:
    codec, producer = Codec(hub.ids), Producer(hub.kafka.producer("feeder"))
    for number in numbers:
        delivery = another(sos(name), number)
        producer.produce(destination_topic(name), key=delivery.key, value=codec.encode(delivery))
    assert producer.flush(20) == 0


def log_of(hub, role: str) -> str:
    return (hub.folder / f"{role}.log").read_text()


@ON_EMBEDDED
async def test_a_running_runner_takes_a_rotated_secret_and_loses_nothing(dlq_hub: Callable, tmp_path: Path):
    room = Room(OLD)
    (tmp_path / "secret").write_text(OLD)
    async with room.listening() as url:
        hub = await asyncio.to_thread(
            dlq_hub,
            f"connectors: {{room: {{connector: cap_webhook, settings: {{deliver: {{url: '{url}', secrets: [!file secret]}}}}}}}}",
        )
        with hub.running("runner"):
            await asyncio.to_thread(feed, hub, "room", range(3))
            await eventually(lambda: len(room.taken) == 3, "with the old one", 60)

            room.secret = NEW
            await asyncio.to_thread(feed, hub, "room", range(3, 10))
            await eventually(lambda: room.refused >= 2, "refused", 20)
            (tmp_path / "secret").write_text("")
            await eventually(lambda: "settings not taken" in log_of(hub, "runner"), "an empty file is said", 20)
            assert len(room.taken) == 3
            began = time.monotonic()
            swapped_in(tmp_path / "secret", NEW + "\n")
            await eventually(lambda: len(room.taken) == 10, "with the new one", 30)
            took = time.monotonic() - began

            room.secret = THIRD
            swapped_in(tmp_path / "secret", THIRD)
            await eventually(lambda: log_of(hub, "runner").count("settings taken") == 2, "the third is taken", 20)
            await asyncio.to_thread(feed, hub, "room", range(10, 12))
            await eventually(lambda: len(room.taken) == 12, "with the third", 30)

    said = log_of(hub, "runner")
    assert took < 20
    assert all(secret[6:] not in said for secret in (OLD, NEW, THIRD))
    assert said.count("connectors.room.settings.deliver.secrets.0") == 1
    assert said.count("role starts") == 1


@ON_EMBEDDED
async def test_a_running_runner_takes_a_late_and_then_a_renewed_certificate(dlq_hub: Callable, tmp_path: Path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free_port = probe.getsockname()[1]
    first, second = pair(tmp_path, "first"), pair(tmp_path, "second")
    hub = await asyncio.to_thread(
        dlq_hub,
        f"""\
connectors:
  room:
    connector: cap_webhook
    settings:
      listen:
        port: {free_port}
        secrets: [{OLD}]
        tls: {{certificate_file: '{tmp_path}/cert.pem', key_file: '{tmp_path}/cert.key'}}
""",
    )

    async def shown() -> str:
        try:
            return await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", free_port), timeout=2)
        except OSError:
            return ""

    async def until_shown(wanted: str) -> None:
        async with asyncio.timeout(60):
            while ssl.PEM_cert_to_DER_cert(await shown() or wanted) != ssl.PEM_cert_to_DER_cert(wanted) or not (
                await shown()
            ):
                await asyncio.sleep(0.1)

    with hub.running("runner"):
        # Not there at the start: the connector waits for a person, and takes them when they come.
        await eventually(
            lambda: "status=PERMANENT_ERROR" in log_of(hub, "runner") or '"PERMANENT_ERROR"' in log_of(hub, "runner"),
            "it waits",
            60,
        )
        (tmp_path / "cert.pem").write_text(first[0])
        (tmp_path / "cert.key").write_text(first[1])
        await until_shown(first[0])
        swapped_in(tmp_path / "cert.pem", second[0])
        await eventually(lambda: "not a pair" in log_of(hub, "runner"), "the half is said", 20)
        await until_shown(first[0])
        swapped_in(tmp_path / "cert.key", second[1])
        await until_shown(second[0])

    assert log_of(hub, "runner").count("role starts") == 1
