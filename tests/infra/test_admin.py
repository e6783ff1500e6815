"""The admin endpoint of every role: only for who has the token, found by its file, and what it does to connectors."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import command_line
import pytest
from aiohttp import web
from bondmate_connectors.runtime.control import Pause
from bondmate_connectors.testing import another, eventually, sos
from bondmate_hub.admin.discovery import announced, endpoints, token
from bondmate_hub.admin.pauses import PausedConnectors
from bondmate_hub.admin.server import AdminServer
from bondmate_hub.settings import load
from bondmate_schemas.catalogue import AUDIT, PAGES, destination_topic
from bondmate_schemas.codec import Codec
from bondmate_schemas.enums import Mode
from bondmate_schemas.models import AuditRecord, OperationsPage
from bondmate_streams.logic.audit import breaks
from confluent_kafka import Producer

ON_EMBEDDED = pytest.mark.parametrize("new_broker", ["embedded"], indirect=True)
SECRET = "of the room, for tests only"  # pragma: allowlist secret


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


# Where it is, and the token.


def test_the_token_is_made_once_for_its_owner_alone_and_anew_when_others_could_read_it(tmp_path: Path):
    first = token(tmp_path)

    assert first == token(tmp_path)
    assert len(first) >= 40
    assert 0o600 == mode(tmp_path / "admin" / "token")
    assert 0o700 == mode(tmp_path / "admin")

    (tmp_path / "admin" / "token").chmod(0o640)
    second = token(tmp_path)
    assert first != second == token(tmp_path)
    assert 0o600 == mode(tmp_path / "admin" / "token")
    assert ["token"] == [path.name for path in (tmp_path / "admin").iterdir()]


@pytest.mark.parametrize("garbage", [b"", b" \n", b"\x00" * 40, b"\xff\xfe half", b"one\ntwo"])
async def test_a_token_that_is_garbage_keeps_no_role_from_its_work_and_is_made_anew(tmp_path: Path, garbage: bytes):
    """A disk that was full, or a machine that lost its power, leaves such files."""
    first = token(tmp_path)
    path = tmp_path / "admin/token"
    path.write_bytes(garbage)
    path.chmod(0o600)
    async with AdminServer("runner", load(None).model_copy(update={"data_dir": tmp_path})).serving():
        fresh = token(tmp_path)

    assert fresh not in {"", first}
    assert fresh == token(tmp_path)


def test_instances_of_one_role_are_found_beside_each_other_and_a_killed_one_is_not(tmp_path: Path):
    code = (
        "import sys, time, pathlib; from bondmate_hub.admin.discovery import announced\n"
        "with announced(pathlib.Path(sys.argv[1]), 'runner', 'hub-2', 'http://127.0.0.1:2') as path:\n"
        "    print(path.name, flush=True); time.sleep(600)"
    )
    with announced(tmp_path, "runner", "hub-1", "http://127.0.0.1:1") as path:
        other = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert "runner-2.json" == other.stdout.readline().strip()
        assert ["hub-1", "hub-2"] == [each.instance for each in sorted(endpoints(tmp_path), key=lambda e: e.instance)]
        assert 0o600 == mode(path)
        other.kill()
        other.communicate()
        assert ["hub-1"] == [each.instance for each in endpoints(tmp_path)]
    assert [] == endpoints(tmp_path)
    with announced(tmp_path, "runner", "hub-3", "http://127.0.0.1:3") as path:
        assert "runner.json" == path.name


# Who may ask.


@asynccontextmanager
async def serving(folder: Path, settings: str = "{}"):
    (folder / "hub.yaml").write_text(settings)
    async with AdminServer("streams", load(folder / "hub.yaml")).serving():
        yield endpoints(folder / "data")[0].url


async def asked(url: str, headers: dict[str, str] | list[tuple[str, str]], method: str = "GET", body: bytes = b""):
    async with aiohttp.ClientSession() as session, session.request(method, url, headers=headers, data=body) as answer:
        return answer.status, answer.content_type, await answer.json(content_type=None), answer.headers


async def test_only_who_brings_the_token_to_this_address_is_answered(tmp_path: Path):
    async with serving(tmp_path) as url:
        good = {"Authorization": f"Bearer {token(tmp_path / 'data')}"}
        assert url.startswith("http://127.0.0.1:")
        assert (200, []) == (await asked(f"{url}/connectors", good))[::2][:2]
        refused = [
            (401, "no_token", {}),
            (401, "no_token", {"Authorization": "Bearer "}),
            (401, "no_token", {"Authorization": good["Authorization"] + "x"}),
            (401, "no_token", {"Authorization": good["Authorization"].removeprefix("Bearer ")}),
            (401, "no_token", [*good.items(), ("Authorization", "Bearer x")]),
            (401, "no_token", {"Authorization": "Bearer é"}),
            (421, "wrong_host", {**good, "Host": "evil.example"}),
            (403, "from_a_browser", {**good, "Origin": "https://evil.example"}),
        ]
        for status, code, headers in refused:
            found = await asked(f"{url}/connectors", headers)
            assert (status, "application/problem+json") == found[:2]
            assert (f"urn:bondmate:problem:{code}", status) == (found[2]["type"], found[2]["status"])
            assert status != 401 or found[3]["WWW-Authenticate"] == "Bearer"

        assert (404, "application/problem+json") == (await asked(f"{url}/connectors/x/status", good))[:2]
        assert (404, "application/problem+json") == (await asked(f"{url}/nowhere", good))[:2]
        assert (405, "application/problem+json") == (await asked(f"{url}/connectors", good, "DELETE"))[:2]
        assert {"role": "streams", "instance": "hub-1"}.items() <= (await asked(url, good))[2].items()

        (tmp_path / "data" / "admin" / "token").unlink()
        new = {"Authorization": f"Bearer {token(tmp_path / 'data')}"}
        assert 401 == (await asked(f"{url}/connectors", good))[0]
        assert 200 == (await asked(f"{url}/connectors", new))[0]


async def test_a_configured_port_that_is_taken_is_no_reason_to_stop(tmp_path: Path):
    listener = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    taken = listener.sockets[0].getsockname()[1]
    async with serving(tmp_path, f"admin: {{ports: {{streams: {taken}}}}}") as url:
        assert not url.endswith(f":{taken}")
    listener.close()
    await listener.wait_closed()
    async with serving(tmp_path, f"admin: {{ports: {{streams: {taken}}}}}") as url:
        assert url.endswith(f":{taken}")


async def test_a_role_without_a_folder_for_its_token_works_all_the_same(tmp_path: Path):
    (tmp_path / "data").write_text("in the way")
    (tmp_path / "hub.yaml").write_text("{}")
    async with AdminServer("streams", load(tmp_path / "hub.yaml")).serving():
        works = True

    assert works
    assert "in the way" == (tmp_path / "data").read_text()


def test_a_pause_on_disk_lasts_until_its_end_and_a_damaged_one_holds_back_nothing(tmp_path: Path):
    now = datetime(2026, 11, 30, tzinfo=UTC)
    pause = Pause(now + timedelta(hours=1), now, "someone", "maintenance")
    kept = PausedConnectors(tmp_path)
    kept.save("a/b", pause)
    kept.save("other", pause)

    assert {"a/b": pause, "other": pause} == kept.current(now)
    assert {} == kept.current(pause.until)
    assert all(0o600 == mode(path) for path in (tmp_path / "pauses").iterdir())
    (tmp_path / "pauses" / "other.json").write_text('{"until":')
    assert {"a/b": pause} == kept.current(now)
    kept.remove("a/b")
    kept.remove("a/b")
    assert {} == kept.current(now)


# On real processes.


class Room:
    """Takes CAP by POST and notes what it got, in order."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.status = 200

    @asynccontextmanager
    async def listening(self):
        app = web.Application()
        app.add_routes([web.post("/cap", self._post)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/cap"
        finally:
            await runner.cleanup()

    async def _post(self, request: web.Request) -> web.Response:
        if self.status == 200:
            self.got.append(request.headers["webhook-id"])
        return web.Response(status=self.status)


def settings_for(url: str) -> str:
    return f"""\
streams: {{routes: routes.yaml, pseudonym_secret: for-tests-only-0123456789}}
connectors:
  room: {{connector: cap_webhook, settings: {{deliver: {{url: '{url}', secrets: ['{SECRET}']}}}}}}
  gate: {{connector: device_http, settings: {{device_file: devices.yaml, port: 0}}}}
"""


@pytest.fixture
async def steered(dlq_hub: Callable, tmp_path: Path):
    """Give the hub, its room, and what calls its command line."""
    room = Room()
    (tmp_path / "routes.yaml").write_text("destinations: {room: {modes: [ACTUAL, EXERCISE]}}\n"
                                          "routes: [{name: all, to: room, when: {record: alert}}]\n")  # fmt: skip
    (tmp_path / "devices.yaml").write_text("devices: {}\n")
    async with room.listening() as url:
        hub = await asyncio.to_thread(dlq_hub, settings_for(url))

        async def run(*arguments: str) -> subprocess.CompletedProcess[str]:
            config = ("--config", str(tmp_path / "hub.yaml"))
            return await asyncio.to_thread(command_line.hub, "connectors", *arguments, *config, cwd=tmp_path)

        yield hub, room, run


def feed(hub, name: str, numbers: range, mode: Mode = Mode.EXERCISE) -> list[str]:
    codec, producer, fed = Codec(hub.ids), Producer(hub.kafka.producer("feeder")), []
    for number in numbers:
        delivery = another(sos(name), number)
        header = delivery.header.model_copy(update={"mode": mode})
        alert = delivery.alert.model_copy(update={"header": header})
        delivery = delivery.model_copy(update={"header": header, "alert": alert})
        producer.produce(destination_topic(name), key=delivery.key, value=codec.encode(delivery))
        fed.append(delivery.id)
    assert producer.flush(20) == 0
    return fed


def roles_at(hub) -> dict[str, object]:
    return {each.role: each for each in endpoints(hub.folder / "data")}


async def answers(hub, role: str, path: str):
    headers = {"Authorization": f"Bearer {token(hub.folder / 'data')}"}
    return (await asked(f"{roles_at(hub)[role].url}{path}", headers))[2]


async def running_state(hub, name: str, wanted: str) -> None:
    async with asyncio.timeout(60):
        while "runner" not in roles_at(hub):
            await asyncio.sleep(0.1)
        while (await answers(hub, "runner", f"/connectors/{name}/status")).get("connector", {}).get("state") != wanted:
            await asyncio.sleep(0.1)


async def told_of(run, name: str, wanted: str):
    """Return the first answer of `status`, and its row of a connector, that shows the state; at last any."""
    deadline = time.monotonic() + 30
    while True:
        status = await run("status", "--json")
        row = next(row for row in map(json.loads, status.stdout.splitlines()) if row["connector"] == name)
        if row["status"] == wanted or time.monotonic() > deadline:
            return status, row
        await asyncio.sleep(0.2)


@ON_EMBEDDED
async def test_a_pause_is_audited_outlives_a_kill_pages_and_ends_with_everything_in_order(steered):
    hub, room, run = steered
    with hub.running("runner", "streams"):
        await running_state(hub, "room", "RUNNING")
        before = await asyncio.to_thread(feed, hub, "room", range(2))
        await eventually(lambda: len(room.got) == 2, "delivered before", 30)

        done = await run("pause", "room", "--for", "30m", "--reason", "ticket 4711", "--operator", "alex", "--json")
        assert (0, "") == (done.returncode, done.stderr)
        told = json.loads(done.stdout)
        assert ("PAUSED", "PAUSED", "ticket 4711") == (told["state"], told["status"], told["paused"]["reason"])

        os.kill(roles_at(hub)["runner"].pid, signal.SIGKILL)
        behind = await asyncio.to_thread(feed, hub, "room", range(2, 8), Mode.ACTUAL)
        with hub.running("runner"):
            await running_state(hub, "room", "PAUSED")
            # The next heartbeat says so to who reads the topic.
            status, row = await told_of(run, "room", "PAUSED")
            assert 1 == status.returncode
            assert ("PAUSED", False) == (row["status"], row["ok"])
            assert row["reason"].startswith("paused until ")
            await eventually(
                lambda: "connector_paused_alert_waits" in {p.reason for p in hub.records(PAGES, OperationsPage)},
                "operations are paged", 40,
            )  # fmt: skip
            assert 2 == len(room.got)

            refused = await run("restart", "room", "--reason", "x")
            assert 1 == refused.returncode
            assert "paused: resume it" in refused.stderr

            done = await run("resume", "room", "--reason", "they are back", "--operator", "kim")
            assert 0 == done.returncode, done.stderr
            await eventually(lambda: len(room.got) == 8, "all of it", 40)

    records = [r for r in hub.records(AUDIT, AuditRecord) if r.writer.startswith("admin-test-runner-")]
    assert [
        ("alex", "connector/room", ["connector.pause.1800s"], "ticket 4711"),
        ("kim", "connector/room", ["connector.resume"], "they are back"),
    ] == [(r.recipient, r.event_id, list(r.fields), r.purpose) for r in records]
    assert [] == breaks(records)
    assert sorted([*before, *behind]) == sorted(room.got)
    assert [] == list((hub.folder / "data" / "pauses").iterdir())


@ON_EMBEDDED
async def test_every_role_has_one_and_the_gateway_is_never_paused(steered):
    hub, _, run = steered
    with hub.running("runner", "gateway", "streams", "lane"):
        await eventually(lambda: {"runner", "gateway", "streams", "lane"} == set(roles_at(hub)), "all found", 60)
        assert {"runner": ["room"], "gateway": ["gate"], "streams": [], "lane": []} == {
            role: await answers(hub, role, "/connectors") for role in roles_at(hub)
        }
        assert {"room"} == set(await answers(hub, "runner", "/connectors?expand=status"))
        assert all(0o600 == mode(path) for path in (hub.folder / "data" / "admin").iterdir())
        # Started means that it can be steered.
        async with asyncio.timeout(60):
            while (await answers(hub, "gateway", "/connectors/gate/status"))["connector"]["state"] != "RUNNING":
                await asyncio.sleep(0.1)

        pause = await run("pause", "gate", "--reason", "x")
        too_long = await run("pause", "room", "--reason", "x", "--for", "25h")
        nobody = await run("pause", "nobody", "--reason", "x")
        wrong = await run("pause", "room", "--reason", "x", "--for", "soon")
        silent = await run("pause", "room", "--reason", " ")

        assert (1, True) == (pause.returncode, "never paused" in pause.stderr)
        assert (1, True) == (too_long.returncode, "1440 minutes at most" in too_long.stderr)
        assert (1, True) == (nobody.returncode, "no running role" in nobody.stderr)
        assert 2 == wrong.returncode == silent.returncode
        assert "RUNNING" == (await answers(hub, "runner", "/connectors/room/status"))["connector"]["state"]
    assert {} == roles_at(hub)


@ON_EMBEDDED
async def test_restart_asks_a_platform_at_once_with_the_settings_of_now(steered):
    hub, room, run = steered
    path = hub.folder / "hub.yaml"
    right = path.read_text()
    path.write_text(right.replace("/cap'", "/moved'"))
    with hub.running("runner"):
        await running_state(hub, "room", "RUNNING")
        fed = await asyncio.to_thread(feed, hub, "room", range(3))
        async with asyncio.timeout(60):
            while (await answers(hub, "runner", "/connectors/room/status"))["status"] == "OK":
                await asyncio.sleep(0.1)

        path.write_text(right.replace("deliver: {url", "deliver: {uri"))
        broken = await run("restart", "room", "--reason", "they moved")
        assert 1 == broken.returncode
        assert "settings cannot be used" in broken.stderr
        assert "deliver.uri" in broken.stderr

        path.write_text(right)
        done = await run("restart", "room", "--reason", "they moved", "--operator", "alex")
        assert (0, "") == (done.returncode, done.stderr)
        await eventually(lambda: sorted(room.got) == sorted(fed), "delivered there", 20)

    records = [r for r in hub.records(AUDIT, AuditRecord) if r.writer.startswith("admin-")]
    assert [("alex", ["connector.restart"], "they moved")] == [
        (r.recipient, list(r.fields), r.purpose) for r in records
    ]


@ON_EMBEDDED
async def test_what_cannot_be_audited_is_not_done_and_is_done_when_it_can(steered, new_broker):
    hub, _, run = steered
    with hub.running("runner"):
        await running_state(hub, "room", "RUNNING")
        await asyncio.to_thread(new_broker.stop)
        refused = await run("pause", "room", "--reason", "x")
        status = await answers(hub, "runner", "/connectors/room/status")
        await asyncio.to_thread(new_broker.start)

        assert (1, True) == (refused.returncode, "audit trail cannot be written" in refused.stderr), refused.stderr
        assert (None, "RUNNING") == (status["paused"], status["connector"]["state"])
        assert not list((hub.folder / "data").glob("pauses/*"))

        async with asyncio.timeout(60):
            while (done := await run("pause", "room", "--reason", "again")).returncode:
                assert "audit trail" in done.stderr
    records = [r for r in hub.records(AUDIT, AuditRecord) if r.writer.startswith("admin-")]
    assert [1] == [r.sequence for r in records if r.purpose == "again"][:1]
    assert [] == breaks(records)


def test_supervisor_broker_and_registry_have_one_too(tmp_path: Path):
    ports = []
    for _ in range(2):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports.append(probe.getsockname()[1])
    (tmp_path / "hub.yaml").write_text(f"broker: {{port: {ports[0]}}}\nregistry: {{port: {ports[1]}}}\n")
    command = [sys.executable, "-m", "bondmate_hub", "run", "broker", "registry", "--config", "hub.yaml"]
    with (tmp_path / "out.log").open("w") as log:
        child = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log)
    try:
        end = time.monotonic() + 60
        while {each.role for each in endpoints(tmp_path / "data")} != {"supervisor", "broker", "registry"}:
            assert time.monotonic() < end, (tmp_path / "out.log").read_text()
            time.sleep(0.1)
    finally:
        child.terminate()
        child.wait(60)

    assert [] == endpoints(tmp_path / "data")
