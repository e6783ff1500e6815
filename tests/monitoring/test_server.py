"""Metrics and health of a running server, as Prometheus and a process supervisor ask for them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest
from bondmate_monitoring.health import RoleHealth
from bondmate_monitoring.server import MonitoringServer
from prometheus_client import CollectorRegistry, Counter


@dataclass
class Served:
    url: str
    health: RoleHealth
    counter: Counter
    session: aiohttp.ClientSession

    async def get(self, path: str, **headers: str) -> tuple[int, str, str]:
        async with self.session.get(self.url + path, headers=headers) as answer:
            return answer.status, answer.headers["Content-Type"], await answer.text()

    async def json(self, path: str) -> tuple[int, dict[str, object]]:
        async with self.session.get(self.url + path) as answer:
            return answer.status, await answer.json()


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    registry = CollectorRegistry()
    health = RoleHealth("gateway", requires=["broker"])
    server = MonitoringServer(health, registry=registry)
    counter = Counter("hub_test_total", "A test.", registry=registry)
    async with aiohttp.ClientSession() as session:
        yield Served(await server.start(), health, counter, session)
    await server.stop()


async def test_metrics_are_given_in_both_forms_prometheus_asks_for(served: Served) -> None:
    served.counter.inc()

    plain = await served.get("/metrics")
    open_metrics = await served.get("/metrics", Accept="application/openmetrics-text; version=1.0.0")

    assert "text/plain" in plain[1]
    assert "hub_test_total 1.0" in plain[2]
    assert "application/openmetrics-text" in open_metrics[1]
    assert open_metrics[2].endswith("# EOF\n")


async def test_readiness_follows_the_state_and_names_the_reason(served: Served) -> None:
    starting = await served.json("/readyz")
    served.health.started()
    served.health.report("broker", ok=True)
    ready = await served.json("/readyz")

    assert (503, {"ok": False, "reasons": {"role": "starting", "broker": "not seen yet"}}) == starting
    assert (200, {"ok": True, "reasons": {}}) == ready


async def test_startup_and_liveness_are_asked_apart(served: Served) -> None:
    assert (503, {"ok": False, "reasons": {"role": "starting"}}) == await served.json("/startupz")
    assert (200, {"ok": True, "reasons": {}}) == await served.json("/livez")


async def test_the_health_document_names_the_role_and_its_parts(served: Served) -> None:
    status, document = await served.json("/health")

    assert status == 200
    assert "gateway" == document["role"]
    assert {"broker": {"ok": False, "status": "", "reason": "not seen yet", "required": True}} == document["parts"]


async def test_it_listens_on_loopback_and_stopping_twice_or_before_starting_is_safe(served: Served) -> None:
    assert served.url.startswith("http://127.0.0.1:")

    idle = MonitoringServer(RoleHealth("x"), registry=CollectorRegistry())
    await idle.stop()
    await idle.stop()
