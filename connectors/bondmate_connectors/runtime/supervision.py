"""Keep one connector alive: a crashed one is built anew with growing pauses, a misconfigured one once that is mended.

A life ends by the order to stop, by a wish (`Control`), or by an error. Nothing is committed by an end: what a life had
not settled is read again in the next, and recognised by its id.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import structlog
from bondmate_kafka.client import KafkaError, KafkaException, is_fatal
from bondmate_monitoring import metrics
from bondmate_monitoring.logs import raised_at

from bondmate_connectors.contract import Status
from bondmate_connectors.errors import Misconfigured
from bondmate_connectors.runtime.control import Control, Pause, Why
from bondmate_connectors.runtime.health import ConnectorHealth
from bondmate_connectors.runtime.reports import Reports
from bondmate_connectors.runtime.settings import RunnerSettings

_log = structlog.get_logger(__name__)
_CLOCK_SECONDS = 0.5
_Live = Callable[[asyncio.Event], Coroutine[Any, Any, None]]


class ShutOutError(RuntimeError):
    """A group has shut this process out: it stood still for too long, or another one runs under its identity.

    Nothing more is sent. End the process; a supervisor starts it again, under the same identity.
    """


class Supervision:
    """The lives of one connector, one after the other."""

    def __init__(self, reports: Reports, health: ConnectorHealth, settings: RunnerSettings, control: Control) -> None:
        self._name = reports.name
        self._reports = reports
        self._health = health
        self._settings = settings
        self._control = control
        self._crashes = 0

    async def keep(self, live: _Live, paused: _Live, stop: asyncio.Event) -> None:
        """Have `live` run until `stop`, and `paused` while a pause lasts; each gets the event by which it is to end.

        Raises:
            ShutOutError: not the connector failed, but this process lost its place.
        """
        why: Why | None = None
        while not stop.is_set():
            self._control.asked.clear()
            self._health.begin(self._name)
            self._reports.begin()
            if pause := self._control.paused(datetime.now(UTC)):
                await self._pause(pause, paused, stop)
                why = Why.RESUMED
                continue
            if why is not None:
                metrics.CONNECTOR_RESTARTS.labels(self._name, why.value).inc()
            pause_seconds = await self._life(live, stop)
            why = await self._rest(pause_seconds, stop)
        self._health.finish(self._name, Status.STOPPED)

    async def _life(self, live: _Live, stop: asyncio.Event) -> float | None:
        """Run one life; return the seconds to rest after it, None for: until something is asked."""
        told = asyncio.Event()
        began = time.monotonic()
        try:
            async with _told_at_first(told, stop, self._control.asked):
                await _in_own_task(live(told))
        except Exception as error:  # noqa: BLE001  # the runner's: a connector may raise anything, and ends alone
            return self._ended_by(error, time.monotonic() - began)
        return 0.0

    async def _pause(self, pause: Pause, paused: _Live, stop: asyncio.Event) -> None:
        """Stand still until `stop`, a wish, or the end of the pause."""
        told = asyncio.Event()
        self._crashes = 0
        until = pause.until.isoformat(timespec="seconds")
        self._health.report(self._name, "connector", Status.PAUSED, f"paused until {until}")
        async with _told_at_first(told, stop, self._control.asked):
            resting = asyncio.create_task(paused(told))
            # By the clock on the wall, which may be set: a long wait would not hear of it.
            while not told.is_set() and self._control.paused(datetime.now(UTC)):
                with suppress(TimeoutError):
                    async with asyncio.timeout(_CLOCK_SECONDS):
                        await told.wait()
            told.set()
            await asyncio.gather(resting)
        if self._control.pause is pause and not self._control.paused(datetime.now(UTC)):
            self._control.pause = None
            _log.warning("pause is over", connector=self._name)

    def _ended_by(self, error: Exception, lived_seconds: float) -> float | None:
        causes = list(leaves(error))
        if any(map(_is_shut_out, causes)):
            self._health.finish(self._name, Status.FATAL_ERROR, "shut out of its group")
            raise ShutOutError(f"{self._name}: its consumer was shut out of its group") from error
        if all(isinstance(cause, Misconfigured) for cause in causes):
            self._health.finish(self._name, Status.PERMANENT_ERROR, "; ".join(map(str, causes)))
            return None
        return self._crashed(causes, lived_seconds)

    def _crashed(self, causes: list[BaseException], lived_seconds: float) -> float:
        """Log what the bug was, by class and line, never by a text of theirs; return the pause before the next life.

        A life that was long starts the count anew. All crashes of one series are one trouble, and paged once.
        """
        if lived_seconds >= self._settings.restart_sound_seconds:
            self._crashes = 0
        self._crashes += 1
        if self._crashes == 1:
            self._reports.crashing_since = datetime.now(UTC)
        pause_seconds = self._settings.restart.seconds(self._crashes)
        for kind, place in sorted({(type(cause).__name__, raised_at(cause)) for cause in causes}):
            _log.error("connector failed", connector=self._name, error=kind, at=place, crashes=self._crashes,
                       again_in_seconds=round(pause_seconds, 1))  # fmt: skip
        names = sorted({type(cause).__name__ for cause in causes})
        self._health.finish(self._name, Status.FATAL_ERROR, f"{', '.join(names)}; it is started again")
        return pause_seconds

    async def _rest(self, seconds: float | None, stop: asyncio.Event) -> Why:
        """Wait for the next life, and say why it begins; a wish or a stop ends the wait."""
        if seconds == 0.0:
            return self._control.why
        told = asyncio.Event()
        self._control.is_waiting = seconds is None
        with suppress(TimeoutError):
            async with _told_at_first(told, stop, self._control.asked), asyncio.timeout(seconds):
                await told.wait()
        self._control.is_waiting = False
        return self._control.why if self._control.asked.is_set() else Why.CRASH


class _told_at_first:  # noqa: N801  # reads as the context manager it is
    """Set one event when the first of some others is set, inside the block."""

    def __init__(self, told: asyncio.Event, *events: asyncio.Event) -> None:
        self._told = told
        self._events = events

    async def __aenter__(self) -> None:
        self._waiting = [asyncio.create_task(self._wait(event)) for event in self._events]

    async def _wait(self, event: asyncio.Event) -> None:
        await event.wait()
        self._told.set()

    async def __aexit__(self, *_: object) -> None:
        for task in self._waiting:
            task.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)


async def _in_own_task(work: Coroutine[Any, Any, None]) -> None:
    """Do `work` in a task that is thrown away with it: nested groups that fail leave a task half cancelled (3.11)."""
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait({task})
        raise
    if task.cancelled():
        raise PartEndedError("connector")
    task.result()


class PartEndedError(RuntimeError):
    """A part of a connector ended that ends by order only: the connector is not what it seems to be."""


async def unending(work: Callable[[], Awaitable[None]], part: str, stop: asyncio.Event | None = None) -> None:
    """Do what `work` begins, which ends by `stop` or by cancellation only.

    Called here and not by the caller: a task that is cancelled before its first step would leave it begun by nobody.

    Raises:
        PartEndedError: it ended otherwise; a cancellation that comes from inside the connector is such an end, and
            nobody else would hear of it.
    """
    try:
        await work()
    except asyncio.CancelledError:
        if is_order():
            raise
        raise PartEndedError(part) from None
    if stop is None or not stop.is_set():
        raise PartEndedError(part)


def is_order() -> bool:
    """Whether somebody has told this task to end; else a `CancelledError` in it comes from inside a connector."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def leaves(error: BaseException) -> Iterable[BaseException]:
    """Yield the errors in a group of groups, or the error itself."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


def _is_shut_out(cause: BaseException) -> bool:
    error = cause.args[0] if isinstance(cause, KafkaException) and cause.args else None
    return isinstance(error, KafkaError) and is_fatal(error)
