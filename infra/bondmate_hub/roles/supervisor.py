"""Run roles as child processes and start each again, under the same identity, when it dies."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from bondmate_monitoring import metrics

from bondmate_hub.broker import BrokerFailed
from bondmate_hub.broker.child import Child

_log = structlog.get_logger(__name__)
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 15.0
_SOUND_AFTER_SECONDS = 30.0
_STOP_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Command:
    """A child to keep running: its name and its command line, an absolute program first."""

    name: str
    arguments: tuple[str, ...]
    restart: bool = True


def role_command(role: str, config: Path) -> Command:
    """Create the command that runs one role of the hub in a process of its own."""
    return Command(role, (sys.executable, "-m", "bondmate_hub", "run", role, "--config", str(config)))


@dataclass(slots=True)
class _Kept:
    command: Command
    child: Child
    started_at: float = 0.0
    pause_seconds: float = _FIRST_PAUSE_SECONDS
    start_at: float = field(default=0.0)
    restarts: int = -1

    def due(self, now: float) -> bool:
        return not self.child.pid and now >= self.start_at

    def start(self, now: float) -> None:
        self.child.start(self.command.arguments)
        self.started_at = now
        self.start_at = 0.0
        self.restarts += 1


class Supervisor:
    """Keep commands running; a child that dies young waits longer before each new start, up to 15 s."""

    def __init__(self, commands: Sequence[Command], logs: Path) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        self._kept = [
            _Kept(command, Child(command.name, logs / f"{command.name}.log", on_parent_death=signal.SIGTERM))
            for command in commands
        ]

    @property
    def pids(self) -> dict[str, int]:
        """The process id of every child that runs now, by name."""
        return {kept.command.name: kept.child.pid for kept in self._kept if kept.child.pid}

    @property
    def restarts(self) -> dict[str, int]:
        """Count the starts after the first, by name, for children that needed any."""
        return {kept.command.name: kept.restarts for kept in self._kept if kept.restarts > 0}

    async def run(self, stop: asyncio.Event) -> None:
        """Start everything and keep it running until `stop`, then end it, the last started first."""
        try:
            while not stop.is_set():
                self._look()
                await _wait(stop, 0.2)
        finally:
            await asyncio.to_thread(self._end)

    def _look(self) -> None:
        now = time.monotonic()
        for kept in self._kept:
            if kept.child.pid:
                continue
            if kept.restarts >= 0 and not kept.start_at:
                self._died(kept, now)
            if kept.due(now) and (kept.restarts < 0 or kept.command.restart):
                if kept.restarts >= 0:
                    metrics.ROLE_RESTARTS.labels(kept.command.name).inc()
                kept.start(now)

    @staticmethod
    def _died(kept: _Kept, now: float) -> None:
        if now - kept.started_at > _SOUND_AFTER_SECONDS:
            kept.pause_seconds = _FIRST_PAUSE_SECONDS
        kept.start_at = now + kept.pause_seconds
        _log.warning("role died", role=kept.command.name, again_in_seconds=kept.pause_seconds)
        kept.pause_seconds = min(2 * kept.pause_seconds, _LONGEST_PAUSE_SECONDS)

    def _end(self) -> None:
        for kept in reversed(self._kept):
            try:
                kept.child.stop(_STOP_SECONDS)
            except BrokerFailed:
                _log.warning("role did not stop and was killed", role=kept.command.name)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
