"""Faults while an emergency depends on what is killed: a check-in that is missed, a spare that takes over."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time

from bondmate_kafka.topic_reader import stored
from bondmate_schemas.catalogue import DEVICE_ALERTS
from bondmate_schemas.models import DeviceAlert

from bench.chaos.bite import BACK_SECONDS, Fault, must, pid_of
from bench.chaos.book import Book
from bench.chaos.lab import FAR, NEAR, Lab
from bench.chaos.trials import second_worker, share

RAISED_SECONDS = 5.0
"""So long after a check-in was due its alert is raised, whichever worker died."""
SESSION_SECONDS = 6.0
"""After which a group takes a worker that was killed for dead, and hands its partitions on; then rooms are told."""
_TOLD_SECONDS = RAISED_SECONDS + SESSION_SECONDS + 10
"""So long after that at most rooms have all: the handing on and the way to them take their time."""
_DUE_SECONDS = 8.0
_OWED = 12
_TAKEN_OVER = 4


def check_in_missed() -> Fault:
    """Kill one of two streams workers while check-ins are due: each that is missed is raised once, and in time."""

    async def do(lab: Lab) -> None:
        async with second_worker(lab, "streams") as worker:
            partitions = await share(lab, "bondmate-streams")
            owed = [await lab.load.owe(_DUE_SECONDS) for _ in range(_OWED)]
            due_at = time.time() + _DUE_SECONDS
            for each in owed[::3]:
                await lab.load.check_in(each)
            missed = {each.event_id for number, each in enumerate(owed) if number % 3}
            lab.book.accepted.update(dict.fromkeys(missed, 1))
            await asyncio.sleep(due_at - 1 - time.time())
            worker.send_signal(signal.SIGKILL)
            await worker.wait()
            while len(_told(lab.book, missed)) < 2 * len(missed) and time.time() < due_at + _TOLD_SECONDS:  # noqa: ASYNC110
                await asyncio.sleep(0.5)
        raised = [at - due_at for at in (await asyncio.to_thread(_raised, lab, missed)).values()]
        told = [at - due_at for at in _told(lab.book, missed)]
        must(max(told, default=0) > SESSION_SECONDS / 2, "no alert waited for the worker that was killed")
        lab.evidence.append(f"a worker with {partitions} partitions killed; of {len(missed)} check-ins missed the last "
                            f"raised {max(raised):.1f} s late, told {max(told):.1f} s late")  # fmt: skip
        if len(raised) < len(missed) or max(raised) > RAISED_SECONDS:
            raise AssertionError(f"{len(raised)} of {len(missed)} raised, the last {max(raised):.1f} s late")
        if len(told) < 2 * len(missed) or max(told) > _TOLD_SECONDS:
            raise AssertionError(f"{len(told)} of {2 * len(missed)} told, the last {max(told):.1f} s late")

    return do


def _raised(lab: Lab, wanted: set[str]) -> dict[str, float]:
    """Return when the alert of each check-in was written first."""
    found: dict[str, float] = {}
    for message in stored({"bootstrap.servers": lab.broker.bootstrap}, [DEVICE_ALERTS]):
        event_id = lab.codec.decode(message.value(), DeviceAlert).header.event_id
        if event_id in wanted:
            found.setdefault(event_id, message.timestamp()[1] / 1e3)
    return found


def _told(book: Book, wanted: set[str]) -> list[float]:
    """Return when each room read of each alert first."""
    found: dict[tuple[str, str], float] = {}
    for room in (NEAR, FAR):
        for arrival in book.arrivals[room]:
            if arrival.event_id in wanted:
                found.setdefault((room, arrival.event_id), arrival.at)
    return [*found.values()]


def taken_over() -> Fault:
    """Let spares take over while streams and gateway die; each then goes on with the open alert, and moves."""

    async def do(lab: Lab) -> None:
        pairs = [await lab.load.pair() for _ in range(_TAKEN_OVER)]
        for role in ("streams", "gateway"):
            before = await pid_of(lab, role)
            os.kill(before, signal.SIGKILL)
            for pair in pairs[::2] if role == "streams" else pairs[1::2]:
                await _take_over(lab, pair.device, pair.spare)
            await pid_of(lab, role, other_than=before)
        async with asyncio.timeout(BACK_SECONDS):
            for pair in pairs:
                await lab.load.go_on(pair)
        lab.evidence.append(f"{len(pairs)} spares went on with what another device had raised")

    return do


async def _take_over(lab: Lab, device: str, spare: str) -> None:
    command = (sys.executable, "-m", "bondmate_hub", "devices", "takeover", device, spare, "--operator", "the lab",
               "--reason", "lost in the river", "--config", str(lab.folder / "hub.yaml"))  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    must(process.returncode == 0, f"no takeover: {said.decode()}")
