"""Alarm when something stands still: the event loop itself, a call of a connector that does not come back, a consumer.

A frozen loop can tell nothing of itself, so a thread looks at it; it counts its own turns and not the time, so that a
process which was stopped as a whole and goes on raises no false alarm.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePath
from types import FrameType

import structlog
from bondmate_monitoring import metrics

from bondmate_connectors.contract import Status
from bondmate_connectors.runtime.reports import Reports

_log = structlog.get_logger(__name__)
_TURN_SECONDS = 1.0
_OURS = "bondmate_"


class LoopWatch:
    """A thread that sees whether the event loop of the thread that starts it still turns.

    `beat` is called by the loop, at least every second. After `alarm_seconds` without it the metric
    `connector_loop_frozen` is 1 and a log line names the place in the code, never what it works on.
    """

    def __init__(self, alarm_seconds: float) -> None:
        self._alarm_turns = max(2, round(alarm_seconds / _TURN_SECONDS))
        self._turns_missed = 0
        self._stopping = threading.Event()
        self._thread_id = threading.get_ident()
        self.frozen = False

    async def keep_beating(self) -> None:
        """Beat until cancelled."""
        while True:
            self.beat()
            await asyncio.sleep(_TURN_SECONDS / 2)

    def beat(self) -> None:
        """Note that the loop turns."""
        self._turns_missed = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch inside the block."""
        metrics.CONNECTOR_LOOP_FROZEN.set(0)
        thread = threading.Thread(target=self._run, name="loop watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            thread.join(2 * _TURN_SECONDS)

    def _run(self) -> None:
        while not self._stopping.wait(_TURN_SECONDS):
            self._turns_missed += 1
            if self._turns_missed >= self._alarm_turns and not self.frozen:
                self._tell(frozen=True)
            elif self.frozen and self._turns_missed < self._alarm_turns:
                self._tell(frozen=False)

    def _tell(self, *, frozen: bool) -> None:
        self.frozen = frozen
        metrics.CONNECTOR_LOOP_FROZEN.set(frozen)
        if frozen:
            _log.error("event loop frozen", seconds=self._turns_missed * _TURN_SECONDS, at=place_of(self._thread_id))
        else:
            _log.warning("event loop turns again")


def place_of(thread_id: int) -> str:
    """Name file and line of the innermost call of ours in a thread, or of the innermost at all."""
    frames = list(_frames(sys._current_frames().get(thread_id)))  # noqa: SLF001  # the interpreter's public name for it
    ours = [frame for frame in frames if _OURS in frame.f_code.co_filename]
    found = (ours or frames)[0] if frames else None
    return f"{PurePath(found.f_code.co_filename).name}:{found.f_lineno}" if found else ""


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


class Stalls:
    """What of one connector stands still, asked of those who would know."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._under_way: dict[object, tuple[str, float]] = {}
        self._waits: list[tuple[str, Callable[[], float]]] = []

    def ask(self, what: str, seconds: Callable[[], float]) -> None:
        """Ask `seconds` for how long `what` has stood still."""
        self._waits.append((what, seconds))

    @contextmanager
    def calling(self, what: str) -> Iterator[None]:
        """Note that a call which must come back is under way while the block runs."""
        token = object()
        self._under_way[token] = what, self._clock()
        try:
            yield
        finally:
            del self._under_way[token]

    def found(self, seconds: float) -> set[str]:
        """Name what has stood still for longer than `seconds`."""
        now = self._clock()
        calls = {what for what, since in self._under_way.values() if now - since > seconds}
        return calls | {what for what, waited in self._waits if waited() > seconds}


async def tell_stalls(stalls: Stalls, reports: Reports, stall_seconds: float) -> None:
    """Report in health and metrics what stands still, and when it goes on; until it is cancelled."""
    told: set[str] | None = None
    while True:
        found = stalls.found(stall_seconds)
        if found != told:
            told = found
            for what in metrics.STALLS:
                metrics.CONNECTOR_STALLED.labels(reports.name, what).set(what in found)
            status = Status.RECOVERABLE_ERROR if found else Status.OK
            reports.status("watchdog", status, f"stands still: {', '.join(sorted(found))}" if found else "")
        await asyncio.sleep(_TURN_SECONDS)
