"""Faults that ask more of the hub than that nothing is lost: a flag, a page, a true count, a share of the work."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import ClientSession
from bondmate_demo.processes import resident_mib
from bondmate_gateway.http.records.arrival import TOLERATED_SKEW
from bondmate_kafka.topic_reader import stored
from bondmate_schemas.catalogue import (
    ALERT_CHANGES,
    DEVICE_ALERTS,
    DEVICE_LOCATIONS,
    LANE_GROUP,
    PAGES,
    RECEIPTS,
    destination_topic,
)
from bondmate_schemas.models import DeviceAlert, DeviceLocation, OperationsPage
from confluent_kafka import Producer

from bench.chaos.bite import BACK_SECONDS, Fault, must, pid_of
from bench.chaos.disk import fill
from bench.chaos.lab import NEAR, SECOND, Lab
from bench.chaos.proxy import Mode

_NEARLY_FULL = 1 << 20
_FLOOD_DEVICES = 5_000
_FEW_FILES = 8
_GROWTH = 1.15
_LOOKS = 10
_BURST = 200


def poison(count: int) -> Fault:
    """Write records that nobody can read between the good ones; each must end as a dead letter."""

    async def do(lab: Lab) -> None:
        producer = Producer({"bootstrap.servers": lab.broker.bootstrap, "log_level": 0})
        kinds = (
            b"",
            b"\x00",
            b"\x01\x00\x00\x00\x01",
            b"\x00\x7f\xff\xff\xff\x00",
            os.urandom(900),
            os.urandom(900_000),
            await asyncio.to_thread(_half_a_record, lab),
            b"\x00\x00\x00\x00\x01\xff",
        )
        topics = (DEVICE_ALERTS, DEVICE_LOCATIONS, RECEIPTS, ALERT_CHANGES, destination_topic(NEAR))
        for number in range(count):
            producer.produce(topics[number % len(topics)], kinds[number % len(kinds)], key=f"poison-{number}".encode())
            await asyncio.sleep(0.02)
        must(await asyncio.to_thread(producer.flush, 30) == 0, "the poison was not written")
        written, end = {f"poison-{number}".encode() for number in range(count)}, time.monotonic() + BACK_SECONDS
        while alive := written - await asyncio.to_thread(lab.dead_keys):
            must(time.monotonic() < end, f"{len(alive)} of {count} unreadable records are no dead letters")
            await asyncio.sleep(1)
        lab.evidence.append(f"{count} unreadable records on {len(topics)} topics, each a dead letter")

    return do


def wrong_clocks(*offsets_seconds: float) -> Fault:
    """Let the devices' clocks jump, one offset after another; every alert that came so must be flagged."""

    async def do(lab: Lab) -> None:
        for offset in offsets_seconds:
            lab.load.clock_offset_seconds = offset
            await asyncio.sleep(3)
        lab.load.clock_offset_seconds = 0.0
        must(lab.load.wrong_times > 0, "no device told a time")
        alerts = [alert for alert in await asyncio.to_thread(_alerts, lab) if _is_off(alert)]
        bare = [alert for alert in alerts if not {"clock_skew", "late"} & set(alert.header.flags)]
        must(len(alerts) > 0, "no alert had a wrong time")
        if bare:
            raise AssertionError(f"{len(bare)} of {len(alerts)} alerts with a wrong time have no flag")
        lab.evidence.append(f"{lab.load.wrong_times} messages with a wrong time, {len(alerts)} alerts, each flagged")

    return do


def joins_and_leaves(role: str, group: str, times: int) -> Fault:
    """Let a second worker of a role join its group and leave it, by SIGTERM and by SIGKILL in turn."""

    async def do(lab: Lab) -> None:
        had = []
        for number in range(times):
            async with second_worker(lab, role) as child:
                had.append(await share(lab, group))
                await asyncio.sleep(3)
                must(child.returncode is None, f"the second {role} ended by itself")
                child.send_signal(signal.SIGTERM if number % 2 else signal.SIGKILL)
                await child.wait()
        lab.evidence.append(f"a second {role} joined and left {times} times, with {had} partitions")

    return do


@asynccontextmanager
async def second_worker(lab: Lab, role: str) -> AsyncIterator[Process]:
    """Run a worker of a role beside that of the hub; killed in the end, where it still runs."""
    command = (sys.executable, "-m", "bondmate_hub", "run", role, "--config", str(lab.folder / "hub-2.yaml"))
    with await asyncio.to_thread((lab.folder / "data" / "logs" / f"{role}-2.log").open, "ab") as log:
        child = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
        try:
            yield child
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()


async def share(lab: Lab, group: str) -> int:
    """Wait until the second worker has partitions; gives how many."""
    end = time.monotonic() + BACK_SECONDS
    while not (found := (await asyncio.to_thread(lab.members, group)).get(f"{group}-{SECOND}", 0)):
        must(time.monotonic() < end, f"the second worker got no partition of {group}")
        await asyncio.sleep(0.5)
    return found


def full_disk(path: str, seconds: float, then: Fault | None = None) -> Fault:
    """Fill the disk of a folder for so long; `then` is done when there is room again."""

    async def do(lab: Lab) -> None:
        ballast = lab.folder / path / "ballast"
        try:
            size = await asyncio.to_thread(fill, ballast)
            await asyncio.sleep(seconds)
            free = shutil.disk_usage(ballast.parent).free
            must(free < _NEARLY_FULL, f"{free} bytes were free")
        finally:
            ballast.unlink(missing_ok=True)
        lab.evidence.append(f"no room on the disk for {seconds:g} s, {size:,} bytes of ballast")
        if then is not None:
            await then(lab)

    return do


def restarted_broker() -> Fault:
    """Start the broker that ended by itself."""

    async def do(lab: Lab) -> None:
        must(not lab.broker.pid, "the broker did not end")
        await asyncio.to_thread(lab.broker.start)
        lab.evidence.append(f"the broker had ended, {lab.broker.pid} took over")

    return do


def flood(count: int, a_second: float, seconds: float) -> Fault:
    """Write so many positions of other devices straight onto their topic, at a rate the lane cannot follow."""

    async def do(lab: Lab) -> None:
        records = await asyncio.to_thread(_positions, lab, _FLOOD_DEVICES)
        producer = Producer({"bootstrap.servers": lab.broker.bootstrap, "log_level": 0,
                             "queue.buffering.max.messages": count})  # fmt: skip
        begun = time.monotonic()
        for number in range(count):
            key, value = records[number % len(records)]
            producer.produce(DEVICE_LOCATIONS, value, key)
            if number % _BURST == 0:
                await asyncio.sleep(max(0.0, begun + number / a_second - time.monotonic()))
        must(await asyncio.to_thread(producer.flush, 60) == 0, "the flood was not written")
        took = time.monotonic() - begun
        behind = await asyncio.to_thread(lab.backlog, LANE_GROUP, DEVICE_LOCATIONS)
        must(behind > count // 10, "the lane was never behind")
        await asyncio.sleep(seconds)
        left = await asyncio.to_thread(lab.backlog, LANE_GROUP, DEVICE_LOCATIONS)
        lab.evidence.append(f"{count:,} positions in {took:.1f} s; lane behind by {behind:,}, then {left:,}")

    return do


def soak(seconds: float) -> Fault:
    """Run on: no role may keep open what it opened, nor grow."""

    async def do(lab: Lab) -> None:
        await asyncio.sleep(seconds / 3)
        before = {role: _weight(pid) for role, pid in lab.supervisor.pids.items()}
        await asyncio.sleep(seconds * 2 / 3)
        for role, (files, mib) in before.items():
            files_now, mib_now = _weight(lab.supervisor.pids[role])
            lab.evidence.append(f"{role}: {files} > {files_now} files, {mib:.0f} > {mib_now:.0f} MiB")
            if files_now > files + _FEW_FILES or mib_now > mib * _GROWTH:
                raise AssertionError(f"{role} grew: {files} > {files_now} files, {mib:.0f} > {mib_now:.0f} MiB")

    return do


def alarmed(role: str, within_seconds: float) -> Fault:
    """Stop a role with SIGSTOP: operations must be paged for the near room's connector within so long."""

    async def do(lab: Lab) -> None:
        pid, since = await pid_of(lab, role), datetime.now(UTC)
        os.kill(pid, signal.SIGSTOP)
        try:
            while not (pages := await asyncio.to_thread(_pages, lab, NEAR, since)):
                waited = (datetime.now(UTC) - since).total_seconds()
                if waited > within_seconds:
                    raise AssertionError(f"nobody was paged for {NEAR} within {within_seconds:g} s")
                await asyncio.sleep(0.5)
        finally:
            os.kill(pid, signal.SIGCONT)
        waited = (pages[0].raised_at - since).total_seconds()
        lab.evidence.append(f"{role} stood still; {pages[0].reason} was paged after {waited:.1f} s")

    return do


def counted(seconds: float) -> Fault:
    """Let the near room be away: the metric of the backlog must say what the broker holds, as it grows."""

    async def do(lab: Lab) -> None:
        lab.proxy.set(Mode.REFUSE)
        truth: list[int] = []
        end, checked = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            # The metric may be a second old, and the broker's answers take their time.
            truth = [*truth[-_LOOKS:], await _held(lab)]
            told = await _metric(lab, "runner", f'connector_backlog_events{{connector="{NEAR}"}}')
            truth.append(await _held(lab))
            if len(truth) > _LOOKS:
                checked += 1
                if not min(truth) * 0.99 <= told <= max(truth) * 1.01:
                    raise AssertionError(f"the metric says {told:.0f}, the broker held {min(truth)} to {max(truth)}")
            await asyncio.sleep(0.2)
        lab.proxy.set(Mode.PASS)
        must(checked > 0 and truth[-1] > 0, "there was no backlog")
        lab.evidence.append(f"{checked} times the metric was right, at last {truth[-1]} events")

    return do


async def _held(lab: Lab) -> int:
    """Count what the broker holds for the near room."""
    return await asyncio.to_thread(lab.backlog, f"bondmate-{NEAR}", destination_topic(NEAR))


def _half_a_record(lab: Lab) -> bytes:
    first = next(stored({"bootstrap.servers": lab.broker.bootstrap}, [DEVICE_ALERTS]))
    value = bytes(first.value() or b"")
    return value[: len(value) // 2]


def _alerts(lab: Lab) -> list[DeviceAlert]:
    found = stored({"bootstrap.servers": lab.broker.bootstrap}, [DEVICE_ALERTS])
    return [lab.codec.decode(message.value(), DeviceAlert) for message in found]


def _is_off(alert: DeviceAlert) -> bool:
    return abs(alert.header.received_at - alert.header.occurred_at) > TOLERATED_SKEW


def _positions(lab: Lab, count: int) -> list[tuple[bytes, bytes]]:
    """Give the same fix of so many devices, as key and value."""
    first = next(stored({"bootstrap.servers": lab.broker.bootstrap}, [DEVICE_LOCATIONS]))
    fix = lab.codec.decode(first.value(), DeviceLocation)
    names = [f"flood-{number}" for number in range(count)]
    return [(name.encode(), lab.codec.encode(fix.model_copy(update={"device_id": name}))) for name in names]


def _pages(lab: Lab, subject: str, since: datetime) -> list[OperationsPage]:
    found = stored({"bootstrap.servers": lab.broker.bootstrap}, [PAGES])
    pages = [lab.codec.decode(message.value(), OperationsPage) for message in found]
    return [page for page in pages if page.subject == subject and page.raised_at >= since]


async def _metric(lab: Lab, role: str, series: str) -> float:
    async with ClientSession() as session, session.get(f"http://127.0.0.1:{lab.ports[role]}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(series))


def _weight(pid: int) -> tuple[int, float]:
    """Give how many files a process has open, and its memory in MiB."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir())), resident_mib([pid])[pid]
