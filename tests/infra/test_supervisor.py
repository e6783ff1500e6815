"""The supervisor starts a child again under the same name, waits longer each time, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from bondmate_hub.roles.supervisor import Command, Supervisor


async def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "not in time"
        await asyncio.sleep(0.02)


def sleeper(name: str) -> Command:
    return Command(name, (sys.executable, "-c", "import time; time.sleep(60)"))


@pytest.fixture
async def supervise(tmp_path: Path):
    stop = asyncio.Event()
    tasks = []

    def supervise(*commands: Command) -> Supervisor:
        supervisor = Supervisor(commands, tmp_path)
        tasks.append(asyncio.create_task(supervisor.run(stop)))
        return supervisor

    yield supervise
    stop.set()
    await asyncio.gather(*tasks)


async def test_a_killed_child_is_started_again_and_counted(supervise):
    supervisor = supervise(sleeper("a"), sleeper("b"))
    await until(lambda: {"a", "b"} == set(supervisor.pids))
    before = dict(supervisor.pids)

    os.kill(before["a"], signal.SIGKILL)
    await until(lambda: supervisor.pids.get("a") not in {None, before["a"]})

    assert {"a": 1} == supervisor.restarts
    assert before["b"] == supervisor.pids["b"]


async def test_a_child_that_dies_young_waits_longer_each_time(supervise, tmp_path):
    marks = tmp_path / "marks"
    program = f"open({str(marks)!r}, 'a').write(str(__import__('time').monotonic()) + ' ')"
    supervise(Command("short", (sys.executable, "-c", program)))
    await until(lambda: marks.exists() and len(marks.read_text().split()) >= 3)

    first, second, third = [float(mark) for mark in marks.read_text().split()[:3]]

    assert third - second > second - first


async def test_stopping_ends_every_child(tmp_path):
    stop = asyncio.Event()
    supervisor = Supervisor([sleeper("a")], tmp_path)
    running = asyncio.create_task(supervisor.run(stop))
    await until(lambda: bool(supervisor.pids))
    pid = supervisor.pids["a"]

    stop.set()
    await running

    assert {} == supervisor.pids
    assert not Path(f"/proc/{pid}").exists()
