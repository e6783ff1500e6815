"""Promise 1 on the whole hub: each process is killed in the middle of 2,000 alerts, and nothing accepted is lost."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from bondmate_demo import ledger
from bondmate_demo.dead_letters import read_dead_letters
from bondmate_demo.files import Files, write_files
from bondmate_demo.main import drained, everything
from bondmate_demo.plan import DemoPlan
from bondmate_demo.running import Running
from bondmate_demo.show import Screen
from bondmate_hub.broker import Broker
from bondmate_hub.broker.apache import ApacheBroker, ApacheConfig, Node
from bondmate_hub.broker.embedded import EmbeddedBroker, EmbeddedConfig

KILLED = ("streams", "runner", "gateway", "lane")
ALERTS_A_SECOND = 70


def broker_for(kind: str, files: Files) -> Broker:
    folder = files.folder / "broker"
    if kind == "apache":
        return ApacheBroker(ApacheConfig(data_dir=folder, node=Node(port=files.broker_port)))
    return EmbeddedBroker(EmbeddedConfig(data_dir=folder, port=files.broker_port))


async def kill_and_see_it_back(running: Running, role: str) -> None:
    before = running.supervisor.pids[role]
    os.kill(before, signal.SIGKILL)
    async with asyncio.timeout(30):
        while running.supervisor.pids.get(role) in {None, before}:
            await asyncio.sleep(0.05)


async def torment(running: Running, broker: Broker) -> None:
    """Kill each role while alerts flow, then the broker; the embedded one is stopped cleanly, as it promises no more."""
    for role in KILLED:
        await accepted(running, more=250)
        await kill_and_see_it_back(running, role)
    await accepted(running, more=250)
    if broker.durable:
        await asyncio.to_thread(broker.kill)
    else:
        await asyncio.to_thread(broker.stop)
    await asyncio.to_thread(broker.start)


async def accepted(running: Running, *, more: int) -> None:
    wanted = len(running.fleet.accepted) + more
    async with asyncio.timeout(60):
        while len(running.fleet.accepted) < wanted:
            await asyncio.sleep(0.05)


@pytest.mark.system
@pytest.mark.timeout(400)
@pytest.mark.parametrize("kind", ["embedded", pytest.param("apache", marks=pytest.mark.kafka)])
async def test_nothing_accepted_is_lost_when_every_process_is_killed(kind: str, tmp_path: Path):
    plan = DemoPlan(seconds=30, devices=2200, alerts_a_second=ALERTS_A_SECOND, positions_a_second=100)
    files = await asyncio.to_thread(write_files, tmp_path, plan)
    broker = broker_for(kind, files)

    async with everything(plan, files, Screen(), broker) as running:
        async with asyncio.TaskGroup() as group:
            group.create_task(running.fleet.run(plan.seconds))
            group.create_task(torment(running, broker))
        await drained(running, seconds=120)
        dead = await asyncio.to_thread(read_dead_letters, broker.bootstrap)

        tak, lost_at_tak = ledger.count(running.fleet.accepted, running.tak, dead.events(ledger.TAK))
        cap, lost_at_cap = ledger.count(running.fleet.accepted, running.cap, dead.events(ledger.CAP))
        alerts = running.fleet.counts["alert"]
        assert set(KILLED) <= set(running.supervisor.restarts)
        assert alerts >= 2000
        assert [] == lost_at_tak
        assert [] == lost_at_cap
        assert 0 == dead.total
        # The CAP room makes one record of an id however often it comes: a second record would be a duplicate unseen.
        assert 0 == ledger.duplicates([running.cap])
        assert tak.delivered == cap.delivered == len(running.fleet.accepted)
