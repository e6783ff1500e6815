"""Whether a fault did anything: what every fault asks of the processes it is done to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from bench.chaos.lab import Lab

Fault = Callable[[Lab], Awaitable[None]]
BACK_SECONDS: Final = 60.0
"""Whatever must come, comes within so long."""


class NoBiteError(AssertionError):
    """A fault cannot show that it did anything: the scenario proves nothing."""


async def pid_of(lab: Lab, role: str, other_than: int = 0) -> int:
    """Wait until a role runs, under another process id than one; gives its process id."""
    async with asyncio.timeout(BACK_SECONDS):
        while (found := lab.supervisor.pids.get(role)) in {None, other_than}:  # noqa: ASYNC110  # others set it
            await asyncio.sleep(0.02)
    assert found
    return found


def state_of(pid: int) -> str:
    """Give the state of a process, `T` when it is stopped (proc(5))."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]


def must(condition: bool, why: str) -> None:  # noqa: FBT001  # an assertion by another name
    """Raise NoBiteError unless this holds."""
    if not condition:
        raise NoBiteError(why)
