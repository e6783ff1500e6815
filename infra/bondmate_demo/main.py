"""Run the demo: start everything, make load, wait until the far ends have it all, count."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import aiohttp
from bondmate_hub.broker import Broker, LogLimits
from bondmate_hub.broker.embedded import EmbeddedBroker, EmbeddedConfig
from bondmate_hub.registry.server import RegistryConfig, serving
from bondmate_hub.settings import load
from bondmate_hub.wanted import carry_out

from bondmate_demo import ledger
from bondmate_demo.capdir import CapFolder
from bondmate_demo.dead_letters import DeadLetters, read_dead_letters
from bondmate_demo.files import ROLES, Files, write_files
from bondmate_demo.fleet import Fleet, Rates
from bondmate_demo.plan import DemoPlan
from bondmate_demo.running import Running
from bondmate_demo.show import WAITED_SECONDS, Screen
from bondmate_demo.summary import Summary
from bondmate_demo.taky import TakyServer

LIMITS = LogLimits(retention_ms=12_000, positions_retention_ms=8_000, compacted_retention_ms=20_000,
                   segment_ms=2_000, segment_bytes=1 << 20)  # fmt: skip
"""Little, since the broker writes all it keeps anew about each second: alerts are closed within seconds here. A role
that is away for longer than `retention_ms` misses what came meanwhile."""
_READY_SECONDS = 60.0
_TAKY_KEEP_SECONDS = 5
"""Little: here no client connects late, which would need what the server keeps."""


async def run_demo(plan: DemoPlan) -> Summary:
    """Run it.

    Raises:
        BrokerError: the embedded broker is missing or did not start.
    """
    with _folder(plan.keep) as (folder, keep):
        files = await asyncio.to_thread(write_files, folder, plan)
        screen = Screen()
        broker = EmbeddedBroker(EmbeddedConfig(data_dir=files.folder / "broker", port=files.broker_port, limits=LIMITS))
        async with everything(plan, files, screen, broker) as running:
            summary = await _load_and_count(running, screen)
            if summary.lost:
                keep()
            return summary


async def _load_and_count(running: Running, screen: Screen) -> Summary:
    """Make the load, wait for the far ends, count."""
    folder = CapFolder(running.plan.cap_dir) if running.plan.cap_dir else None
    watching = asyncio.create_task(_watch(running, screen))
    screen.say("load", f"{running.plan.devices} devices make load for {running.plan.seconds} s, all EXERCISE")
    await running.fleet.run(running.plan.seconds)
    weights = await asyncio.to_thread(running.weigh)
    screen.say("drain", "load ended; waiting until the far ends have everything")
    await drained(running)
    if folder:
        await _until(lambda: folder.arrived(running.tak), WAITED_SECONDS, running.look)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    dead = await asyncio.to_thread(read_dead_letters, running.broker.bootstrap)
    summary = _summary(running, dead, folder, weights)
    screen.summary(summary)
    return summary


async def drained(running: Running, seconds: float = WAITED_SECONDS) -> None:
    """Wait until the far ends have everything and have answered it; give up when nothing has come for `seconds`."""
    fewest, end = math.inf, time.monotonic() + seconds
    while time.monotonic() < end:
        await asyncio.to_thread(running.look)
        left = running.outstanding()
        if not left:
            return
        if left < fewest:
            fewest, end = left, time.monotonic() + seconds
        await asyncio.sleep(0.5)


def _summary(running: Running, dead: DeadLetters, folder: CapFolder | None, weights: dict[str, float]) -> Summary:
    books: dict[str, ledger.Book] = {ledger.TAK: running.tak, ledger.CAP: running.cap}
    counted = {name: ledger.count(running.fleet.accepted, book, dead.events(name)) for name, book in books.items()}
    lost = {f"events at {name}": len(missing) for name, (_, missing) in counted.items()}
    lost["newest positions at tak"] = running.lost_positions()
    lost["recorded alerts at tak"] = folder.lost(running.tak, dead) if folder else 0
    first = min((seen.first_at for seen in running.tak.events.values()), default=float("inf"))
    return Summary(
        sent=dict(running.fleet.counts),
        destinations={name: figures for name, (figures, _) in counted.items()},
        lost=sum(lost.values()),
        lost_of={name: number for name, number in lost.items() if number},
        logs=running.files.logs,
        dead_lettered=dead.total,
        latency_ms=ledger.latencies(running.fleet.accepted, books),
        duplicates=ledger.duplicates(books.values()),
        first_alert_seconds=first - running.started_at,
        resident_mib=sum(weights.values()),
        cap=folder.outcomes(running.tak, dead) if folder else {},
        answers_at_devices=len(running.fleet.answers_at_devices),
        restarts=running.supervisor.restarts,
        memory_by_process=weights,
    )


async def _watch(running: Running, screen: Screen) -> None:
    while True:
        await asyncio.sleep(1)
        await asyncio.to_thread(running.look)
        screen.update(running)


async def _until(condition: Callable[[], bool], seconds: float, look: Callable[[], None]) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        await asyncio.to_thread(look)
        if condition():
            return
        await asyncio.sleep(0.5)


@contextlib.asynccontextmanager
async def everything(plan: DemoPlan, files: Files, screen: Screen, broker: Broker) -> AsyncIterator[Running]:
    """Start broker, registry, far ends and roles in order; end them in the other. `files` names the broker's port."""
    stop, task = asyncio.Event(), asyncio.current_task()
    assert task is not None
    async with contextlib.AsyncExitStack() as stack:
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, task.cancel)
        screen.say("broker", "broker and schema registry start")
        await asyncio.to_thread(broker.start)
        stack.push_async_callback(asyncio.to_thread, broker.stop)
        config = RegistryConfig(data_dir=files.folder / "registry", port=files.registry_port)
        await stack.enter_async_context(serving(config))
        await asyncio.to_thread(carry_out, load(files.config), broker.limits)
        screen.say("rooms", "a TAK server with an operator, and a CAP control room open")
        server = TakyServer(files.folder / "taky", port=files.taky_port, keep_seconds=_TAKY_KEEP_SECONDS)
        taky = await asyncio.to_thread(stack.enter_context, server)
        rates = Rates(alerts=plan.alerts_a_second, positions=plan.positions_a_second)
        running = Running(plan, files, broker, Fleet(files.gateway_url, files.tokens, rates))
        running.taky_pid = taky.pid
        supervised = asyncio.create_task(running.supervisor.run(stop))
        stack.push_async_callback(_end, supervised, stop)
        screen.say("roles", f"{', '.join(ROLES)} start")
        await until_ready(files)
        if plan.metrics_targets:
            plan.metrics_targets.write_text(json.dumps(files.scrape_targets()), encoding="utf-8")
        yield running


async def _end(supervised: asyncio.Task[None], stop: asyncio.Event) -> None:
    stop.set()
    await supervised


async def until_ready(files: Files) -> None:
    """Wait until every role says it is ready."""
    end = time.monotonic() + _READY_SECONDS
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
        waiting = dict(files.role_ports)
        while waiting and time.monotonic() < end:
            for role, port in list(waiting.items()):
                if await _is_ready(session, port):
                    del waiting[role]
            await asyncio.sleep(0.1)
    if waiting:
        raise TimeoutError(f"not ready within {_READY_SECONDS:g} s: {', '.join(waiting)}; logs in {files.logs}")


async def _is_ready(session: aiohttp.ClientSession, port: int) -> bool:
    try:
        async with session.get(f"http://127.0.0.1:{port}/readyz") as response:
            return response.status == 200  # noqa: PLR2004
    except (aiohttp.ClientError, TimeoutError):
        return False


@contextlib.contextmanager
def _folder(keep: Path | None) -> Iterator[tuple[Path, Callable[[], object]]]:
    """Yield a folder that goes away afterwards, or the one to keep, and what keeps it all the same.

    It also stays when something failed: the logs say what.
    """
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.resolve(), bool
        return
    with contextlib.ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="bondmate-demo-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        try:
            yield folder, stack.pop_all
        except Exception:
            stack.pop_all()
            raise
