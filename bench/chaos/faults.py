"""What is done to processes, to the network and to a room; each fault shows that it bit, or fails the scenario."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from http import HTTPStatus

from bench.chaos.bite import BACK_SECONDS, Fault, must, pid_of, state_of
from bench.chaos.cluster import Cluster
from bench.chaos.lab import FAR, NEAR, Lab
from bench.chaos.proxy import Mode

_SUPERVISOR_SECONDS = 3.0
"""Within which a supervisor sees the end of a child, waits, and has the next one started."""


def kill(role: str, times: int = 1, pause_seconds: float = 4.0) -> Fault:
    """Kill a role with SIGKILL, and wait until its supervisor has started it again; so many times."""

    async def do(lab: Lab) -> None:
        for _ in range(times):
            before = await pid_of(lab, role)
            os.kill(before, signal.SIGKILL)
            after = await pid_of(lab, role, other_than=before)
            lab.evidence.append(f"{role} {before} died, {after} took over")
            await asyncio.sleep(pause_seconds)

    return do


def pause(role: str, seconds: float) -> Fault:
    """Stop a role with SIGSTOP for so long, then let it go on."""

    async def do(lab: Lab) -> None:
        pid = await pid_of(lab, role)
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
            must(state_of(pid) == "T", f"{role} is not stopped")
        finally:
            os.kill(pid, signal.SIGCONT)
        lab.evidence.append(f"{role} stood still for {seconds:g} s")

    return do


def terminate(role: str, within_seconds: float) -> Fault:
    """End a role with SIGTERM under load: it must go by itself within so long."""

    async def do(lab: Lab) -> None:
        before, begun = await pid_of(lab, role), time.monotonic()
        os.kill(before, signal.SIGTERM)
        await pid_of(lab, role, other_than=before)
        seconds = time.monotonic() - begun
        must(seconds < within_seconds + _SUPERVISOR_SECONDS, f"{role} took {seconds:.1f} s to end")
        lab.evidence.append(f"{role} {before} ended and was there again in {seconds:.1f} s")

    return do


def wiped(role: str) -> Fault:
    """Kill a role, and lose what it keeps on disk before it starts again."""

    async def do(lab: Lab) -> None:
        before = await pid_of(lab, role)
        os.kill(before, signal.SIGKILL)
        folder = lab.folder / "data" / role
        must(folder.is_dir(), f"{role} keeps nothing")
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        await asyncio.to_thread(shutil.rmtree, folder)
        after = await pid_of(lab, role, other_than=before)
        lab.evidence.append(f"{role} lost {size:,} bytes of state, {after} began anew")

    return do


def node_killed(seconds: float) -> Fault:
    """Kill one node of the cluster, bring it back after so long, and have it lead again; then another."""

    async def do(lab: Lab) -> None:
        assert isinstance(lab.broker, Cluster)
        for node in lab.broker.nodes[1:]:
            before = node.pid
            node.kill()
            await asyncio.sleep(seconds)
            must(not node.pid, "the node still runs")
            await asyncio.to_thread(node.start)
            await asyncio.sleep(3)
            elected = await asyncio.to_thread(lab.broker.elect_leaders)
            must(elected > 0, "no partition had lost its leader")
            lab.evidence.append(f"node {before} killed, {node.pid} after {seconds:g} s, {elected} leaders elected")

    return do


def stop_broker(seconds: float, *, kill_it: bool) -> Fault:
    """End the broker, cleanly or with SIGKILL, and start it again after so long."""

    async def do(lab: Lab) -> None:
        before = lab.broker.pid
        await asyncio.to_thread(lab.broker.kill if kill_it else lab.broker.stop)
        must(not lab.broker.pid, "the broker still runs")
        await asyncio.sleep(seconds)
        await asyncio.to_thread(lab.broker.start)
        lab.evidence.append(
            f"broker {before} {'killed' if kill_it else 'stopped'}, {lab.broker.pid} after {seconds:g} s"
        )

    return do


def pause_broker(seconds: float) -> Fault:
    """Stop the broker with SIGSTOP for so long."""

    async def do(lab: Lab) -> None:
        os.kill(lab.broker.pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
            must(state_of(lab.broker.pid) == "T", "the broker is not stopped")
        finally:
            os.kill(lab.broker.pid, signal.SIGCONT)
        lab.evidence.append(f"broker stood still for {seconds:g} s")

    return do


def network(mode: Mode, seconds: float) -> Fault:
    """Let the network between the runner and the near room misbehave for so long."""

    async def do(lab: Lab) -> None:
        lab.proxy.set(mode)
        await asyncio.sleep(seconds)
        lab.proxy.set(Mode.PASS)
        must(lab.proxy.bit[mode] > 0, f"nothing met {mode}")
        lab.evidence.append(f"{mode}: {lab.proxy.bit[mode]} times in {seconds:g} s")

    return do


def cut(times: int, pause_seconds: float) -> Fault:
    """Reset every connection to the near room, so many times."""

    async def do(lab: Lab) -> None:
        found = 0
        for _ in range(times):
            found += lab.proxy.cut()
            await asyncio.sleep(pause_seconds)
        must(found > 0, "no connection was open")
        lab.evidence.append(f"{found} connections reset")

    return do


def answers(status: HTTPStatus, seconds: float) -> Fault:
    """Let the near room answer every document with this status for so long."""
    return _trouble("status", status, f"answered with {status.value}", seconds)


def refuses(every: int, seconds: float) -> Fault:
    """Let the near room refuse for good one alert in `every`, for so long."""
    return _trouble("refuses_every", every, "refused", seconds)


def slow(answer_seconds: float, seconds: float) -> Fault:
    """Let the near room take so long for every answer."""
    return _trouble("slow_seconds", answer_seconds, f"answered after {answer_seconds:g} s", seconds)


def _trouble(attribute: str, value: object, what: str, seconds: float) -> Fault:
    async def do(lab: Lab) -> None:
        room = lab.rooms[NEAR]
        usual = getattr(room, attribute)
        setattr(room, attribute, value)
        await asyncio.sleep(seconds)
        setattr(room, attribute, usual)
        must(room.troubled > 0, "the room was not asked")
        lab.evidence.append(f"{room.troubled} documents {what}")

    return do


def crashed(role: str) -> Fault:
    """Wait until a role has died at the crash point it was started with."""

    async def do(lab: Lab) -> None:
        marker = lab.folder / f"crashed-{role}"
        async with asyncio.timeout(BACK_SECONDS):
            while not marker.exists():  # noqa: ASYNC110  # another process writes it
                await asyncio.sleep(0.1)
        lab.evidence.append(f"{role} died at {marker.read_text(encoding='utf-8')}")

    return do


def in_turn(*faults: Fault) -> Fault:
    """Do one fault after another."""

    async def do(lab: Lab) -> None:
        for fault in faults:
            await fault(lab)

    return do


async def nothing(lab: Lab) -> None:
    """Do no harm: what the others are held against."""
    must(not lab.supervisor.restarts, "a role was started again")
    lab.evidence.append(f"{len(lab.book.arrivals[FAR])} arrived undisturbed so far")
