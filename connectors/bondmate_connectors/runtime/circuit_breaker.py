"""What stands between the lines of a destination and its platform: breaker, retry budget, and what is told of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bondmate_connectors.contract import Status
from bondmate_connectors.errors import AuthFailed
from bondmate_connectors.runtime.breaker import Breaker, BreakerState
from bondmate_connectors.runtime.keyed_queue import KeyLine
from bondmate_connectors.runtime.refusal import RoleRefusal
from bondmate_connectors.runtime.reports import Reports
from bondmate_connectors.runtime.retry import Budget
from bondmate_connectors.runtime.settings import RunnerSettings


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to send: the epochs of breaker and refusal it began in, its kind, whether it took from the budget."""

    epoch: int
    refusal_epoch: int
    kind: str
    charged: bool = False


class CircuitBreaker:
    """When a line may be sent, by what came of the attempts before; each attempt ends in exactly one of its verbs.

    `part` names it in health and metrics; `refusal` is shared by all breakers of a connector.
    """

    def __init__(self, part: str, reports: Reports, settings: RunnerSettings, refusal: RoleRefusal) -> None:
        self._part = part
        self.refusal = refusal
        self._reports = reports
        self._settings = settings
        self._breaker = Breaker(settings.breaker)
        self._budget = Budget(
            share=settings.retry_share, floor_per_second=settings.retry_floor_per_second, most=settings.retries_at_once
        )
        self._turn = asyncio.Lock()
        self._stuck: set[str] = set()
        self._throttled_key: str | None = None
        self._code = ""
        self._shown: tuple[object, ...] = ()
        self._show()

    @property
    def is_closed(self) -> bool:
        """Whether all keys may be sent, side by side."""
        return self._breaker.is_closed and not self.refusal.is_on

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[bool]:
        """Wait until a probe is due, one caller at a time; yields whether there is still something to probe."""
        async with self._turn:
            while (wait := self._breaker.wait_seconds(time.monotonic())) > 0:  # noqa: ASYNC110  # it may be put off
                await asyncio.sleep(wait)
            yield not self.is_closed

    def begin(self, line: KeyLine[Any], kind: str) -> Attempt | None:
        """Begin an attempt with the head of `line`, of `kind`, as a probe where one is due; None: it must wait."""
        refused = self.refusal.epoch
        if not self.is_closed or self.refusal.refuses(kind):
            # Probes are few by themselves.
            self._breaker.probe()
            self._show()
            return Attempt(self._breaker.epoch, refused, kind)
        if not line.attempts:
            self._budget.first_attempt()
            return Attempt(self._breaker.epoch, refused, kind)
        charged = self._budget.take(time.monotonic())
        self._reports.retry("made" if charged else "postponed")
        return Attempt(self._breaker.epoch, refused, kind, charged=True) if charged else None

    def worked(self, line: KeyLine[Any], attempt: Attempt) -> bool:
        """Note that the platform has answered for good; return whether that closed the breaker."""
        if self._throttled_key == line.key:
            self._throttled_key = None
        self._stuck.discard(line.key)
        if attempt.charged:
            self._budget.give_back()
        closed = self._breaker.worked(attempt.epoch)
        self.refusal.passed(attempt.refusal_epoch, attempt.kind, proves=True)
        self._show()
        return closed

    def failed(self, line: KeyLine[Any], attempt: Attempt, code: str) -> None:
        """Note that the platform did not take it now, for the `line.attempts`-th time."""
        self._code = code
        if line.attempts >= self._settings.breaker.failures:
            self._stuck.add(line.key)
        self._breaker.failed(line.key, attempt.epoch, time.monotonic())
        self._show()

    def refused(self, line: KeyLine[Any], attempt: Attempt, error: AuthFailed) -> float:
        """Note that the platform refuses us; return how long the line waits before it asks again."""
        self._breaker.withdrawn(attempt.epoch)
        self._show()
        return self.refusal.refused(line.key, error, attempt.refusal_epoch, attempt.kind)

    def stands_alone(self, line: KeyLine[Any], attempt: Attempt, code: str) -> None:
        """Note that the platform refuses this event alone: it says nothing of the others."""
        self._code = code
        self._stuck.add(line.key)
        self._breaker.withdrawn(attempt.epoch)
        self._show()

    def given_up(self, line: KeyLine[Any]) -> None:
        """Note that the event is not sent any more: its key does not wait for that."""
        self._stuck.discard(line.key)
        self._show()

    def withdrawn(self, attempt: Attempt) -> None:
        """Note that the attempt says nothing of the platform."""
        self._breaker.withdrawn(attempt.epoch)
        self._show()

    def is_own_trouble(self, line: KeyLine[Any]) -> bool:
        """Whether the platform asks this key alone to wait: it did before, and no other since."""
        before, self._throttled_key = self._throttled_key, line.key
        return before == line.key

    def throttled(self, seconds: float, attempt: Attempt | None, code: str) -> None:
        """Send nothing for so many seconds: the platform asked for it, by this `attempt` or by one of another part."""
        self._code = code
        epoch = self._breaker.epoch if attempt is None else attempt.epoch
        self._breaker.throttled(seconds, epoch, time.monotonic(), lent=attempt is None)
        self._show()

    def relieved(self) -> None:
        """Note that another part, for whose sake this one waits, is taken again."""
        self._breaker.relieved()
        self._show()

    def wait_seconds(self) -> float:
        """Return how long it is until the next probe."""
        return self._breaker.wait_seconds(time.monotonic())

    def forget(self) -> None:
        """Forget which keys are stuck: they have gone to another process."""
        self._stuck.clear()
        self._show()

    def _show(self) -> None:
        """Report what has changed; called at every event."""
        now = (self._breaker.state, bool(self._stuck), self._code)
        if now != self._shown:
            self._shown = now
            self._tell()

    def _tell(self) -> None:
        self._reports.breaker(self._part, self._breaker.state)
        if self._breaker.state is not BreakerState.CLOSED:
            self._reports.status(self._part, Status.RECOVERABLE_ERROR, f"failing: {self._code}")
        elif self._stuck:
            self._reports.status(self._part, Status.RECOVERABLE_ERROR, f"some keys wait: {self._code}")
        else:
            self._reports.status(self._part, Status.OK, "sending")
