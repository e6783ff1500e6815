"""Takeover and the end of duress through a gateway's admin endpoint: refused, done, and in the audit trail before."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from bondmate_hub.admin.devices import DeviceOrders
from bondmate_hub.admin.discovery import endpoints, token
from bondmate_hub.admin.server import AdminServer
from bondmate_hub.settings import load
from bondmate_schemas.catalogue import AUDIT, DEVICE_MARKS
from bondmate_schemas.codec import Codec
from bondmate_schemas.duress import BEGUN, ENDED, is_under, mark_id
from bondmate_schemas.models import AuditRecord, DeviceMark
from bondmate_schemas.takeover import places_of
from bondmate_streams.logic.audit import breaks
from confluent_kafka import Producer

DEVICES = """
devices:
  bm-1: {agency: north, mode: ACTUAL, revoked: true}
  spare: {agency: north, mode: ACTUAL}
  souths: {agency: south, mode: ACTUAL}
"""
GATEWAY = "connectors: {gate: {connector: device_http, settings: {device_file: devices.yaml, port: 0}}}"
WHO = {"operator": "inspector 4711", "reason": "lost in the river"}


@asynccontextmanager
async def gateway(settings: Any, role: str = "gateway"):
    """Serve the admin endpoint of a role; yield what asks it, which returns the status and what is answered."""
    server = AdminServer(role, settings)
    server.devices = DeviceOrders(settings) if role == "gateway" else None
    headers = {"Authorization": f"Bearer {token(settings.data_dir)}"}
    async with server.serving(), aiohttp.ClientSession() as session:
        (found,) = (each for each in endpoints(settings.data_dir) if each.role == role)

        async def asks(path: str, body: dict[str, str], given: dict[str, str] = headers) -> tuple[int, Any]:
            async with session.put(f"{found.url}/devices/{path}", data=json.dumps(body), headers=given) as answer:
                return answer.status, await answer.json(content_type=None)

        yield asks


@pytest.mark.parametrize("new_broker", ["embedded"], indirect=True)
async def test_a_takeover_is_done_and_undone_and_the_duress_ended_by_who_says_why(dlq_hub, monkeypatch):
    hub = dlq_hub(GATEWAY)
    monkeypatch.chdir(hub.folder)
    (hub.folder / "devices.yaml").write_text(DEVICES)
    since = datetime(2026, 5, 1, tzinfo=UTC)
    begun = DeviceMark(mark_id=mark_id(BEGUN, "spare"), device_id="spare", mark=BEGUN, since=since, event_id="e")
    producer = Producer(hub.kafka.producer("test"))
    producer.produce(DEVICE_MARKS, Codec(hub.ids).encode(begun), begun.mark_id)
    assert producer.flush(30) == 0

    async with gateway(load(hub.folder / "hub.yaml")) as asks:
        refused = [
            (await asks("bm-1/takeover", {**WHO, "spare": "spare"}, {}), 401, "no_token"),
            (await asks("bm-1/takeover", WHO), 422, "bad_order"),
            (await asks("bm-1/takeover", {"spare": "spare", "operator": " ", "reason": "lost"}), 422, "bad_order"),
            (await asks("bm-1/takeover", {**WHO, "spare": "souths"}), 409, "not_of_this_device"),
            (await asks("bm-1/takeover-undo", WHO), 409, "not_of_this_device"),
            (await asks("bm-1/duress-end", WHO), 409, "not_of_this_device"),
        ]
        assert [] == hub.records(AUDIT, AuditRecord)
        ended = await asks("spare/duress-end", {**WHO, "reason": "seen safe by unit 7"})
        taken = await asks("bm-1/takeover", {**WHO, "spare": "spare"})
        places = places_of(hub.records(DEVICE_MARKS, DeviceMark))
        undone = await asks("bm-1/takeover-undo", WHO)
    marks = {mark.mark_id: mark for mark in hub.records(DEVICE_MARKS, DeviceMark)}
    logged = hub.records(AUDIT, AuditRecord)

    for (status, problem), wanted, code in refused:
        assert (wanted, f"urn:bondmate:problem:{code}") == (status, problem["type"])
    assert "souths is of agency south" in refused[3][0][1]["detail"]
    assert (200, 200, 200) == (ended[0], taken[0], undone[0])
    assert ({"bm-1": "spare"}, {}) == (places, places_of(marks.values()))
    assert ("inspector 4711", "spare") == (taken[1]["operator"], taken[1]["other_device_id"])
    assert not is_under(begun, marks[mark_id(ENDED, "spare")])
    assert [
        ("duress_end", "seen safe by unit 7"), ("replaced", "lost in the river"), ("replaced_undone", "lost in the river"),
    ] == [(one.fields[0], one.purpose) for one in logged]  # fmt: skip
    assert {"inspector 4711"} == {one.recipient for one in logged}
    assert [] == breaks(logged)


async def test_another_role_and_a_gateway_without_its_broker_say_so_and_do_nothing(tmp_path):
    (tmp_path / "devices.yaml").write_text(DEVICES)
    kafka = "kafka: {bootstrap: '127.0.0.1:1', registry_url: 'http://127.0.0.1:1'}"
    settings = GATEWAY.replace("devices.yaml", str(tmp_path / "devices.yaml"))
    (tmp_path / "hub.yaml").write_text(f"data_dir: data\n{kafka}\n{settings}\n")
    known = load(tmp_path / "hub.yaml")
    async with gateway(known, "streams") as asks:
        status, problem = await asks("bm-1/takeover", {**WHO, "spare": "spare"})
        assert (404, "urn:bondmate:problem:not_found") == (status, problem["type"])
    async with gateway(known) as asks:
        status, problem = await asks("bm-1/duress-end", WHO)
        assert (503, "urn:bondmate:problem:audit_unavailable") == (status, problem["type"])
