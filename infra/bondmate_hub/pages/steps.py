"""One step at work: what is due is sent, and what a far end refuses is tried again with growing pauses, for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog
from bondmate_connectors.errors import ConnectorError, Rejected, Transient
from bondmate_monitoring.logs import raised_at
from bondmate_monitoring.metrics import PAGE_NOTICES, PAGE_STEP_FAILING_SECONDS

from bondmate_hub.pages.book import Due, PageBook, PagingStep
from bondmate_hub.pages.channels import Channel, code_of
from bondmate_hub.pages.notices import Notice

__all__ = ["LOOK_SECONDS", "StepRunner"]

_log = structlog.get_logger(__name__)
LOOK_SECONDS: Final = 0.5
_FIRST_SECONDS: Final = 1.0
_LONGEST_SECONDS: Final = 60.0
_MOST_ASKED_SECONDS: Final = 300.0
"""Whatever pause a far end asks for, a page does not wait longer."""


@dataclass(slots=True)
class _Pause:
    """How long to wait before the next attempt; doubles with each failure."""

    until: float = 0.0
    seconds: float = 0.0

    def lengthen(self, now: float, least: float) -> None:
        self.seconds = min(max(2 * self.seconds, _FIRST_SECONDS), _LONGEST_SECONDS)
        self.until = now + max(self.seconds, least)


@dataclass(slots=True)
class StepRunner:
    """Sends what is due at one step; `sent` is called with what the far end has taken, and may not fail."""

    step: PagingStep
    channel: Channel
    book: PageBook
    clock: Callable[[], datetime]
    noticed: Callable[[PagingStep, Due], Notice]
    sent: Callable[[PagingStep, Sequence[Due]], None]
    _pause: _Pause = field(default_factory=_Pause)
    _refused: dict[str, _Pause] = field(default_factory=dict)
    """Pauses of single notices, of those that are refused alone while others pass."""
    _failing_since: float | None = None
    trouble: str = ""
    """The code of why what is due is not taken; empty while it is."""

    async def run(self) -> None:
        """Send, until cancelled."""
        try:
            while not _is_cancelled():
                await self.look()
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            await self.channel.close()

    async def look(self) -> None:
        """Send what is due now and not paused."""
        now, due = _loop_seconds(), self._due()
        if not due:
            self._failing_since, self._refused, self.trouble = None, {}, ""
        failing = now - self._failing_since if self._failing_since is not None else 0.0
        PAGE_STEP_FAILING_SECONDS.labels(self.step.name).set(failing)
        if now < self._pause.until:
            return
        due = [each for each in due if now >= self._refused.get(_key(each), _Pause()).until]
        for start in range(0, len(due), self.channel.most):
            if not await self._send(due[start : start + self.channel.most]):
                return

    def _due(self) -> list[Due]:
        now = self.clock()
        due = self.book.due(self.step, now)
        return self.book.due(self.step, now, soon=True) if due and self.channel.most > 1 else due

    async def _send(self, due: Sequence[Due]) -> bool:
        """Send some together; return whether the next may be tried at once."""
        try:
            await self.channel.open()
            await self.channel.send([self.noticed(self.step, each) for each in due])
        except ConnectorError as error:
            return self._failed(due, error)
        except Exception as error:  # noqa: BLE001  # a mistake of ours at one step must not end the others
            _log.error("paging failed", step=self.step.name, error=type(error).__name__, at=raised_at(error))
            return self._failed(due, Transient("bug"))
        self._pause, self._failing_since, self.trouble = _Pause(), None, ""
        for each in due:
            self._refused.pop(_key(each), None)
        PAGE_NOTICES.labels(self.step.name, "sent").inc(len(due))
        PAGE_STEP_FAILING_SECONDS.labels(self.step.name).set(0)
        self.sent(self.step, due)
        return True

    def _failed(self, due: Sequence[Due], error: ConnectorError) -> bool:
        now = _loop_seconds()
        PAGE_NOTICES.labels(self.step.name, "failed").inc(len(due))
        self.trouble = code_of(error)
        if self._failing_since is None:
            self._failing_since = now
            _log.error("pages do not go out", step=self.step.name, code=self.trouble, pages=len(due))
        if isinstance(error, Rejected):
            for each in due:
                self._refused.setdefault(_key(each), _Pause()).lengthen(now, 0.0)
            return True
        asked = error.retry_after if isinstance(error, Transient) else None
        self._pause.lengthen(now, min(asked or 0.0, _MOST_ASKED_SECONDS))
        return False


def _is_cancelled() -> bool:
    """Whether this task was cancelled: a client library may have raised something else instead."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _loop_seconds() -> float:
    return asyncio.get_running_loop().time()


def _key(due: Due) -> str:
    return f"{due.page.page_id}.{due.happened}"
