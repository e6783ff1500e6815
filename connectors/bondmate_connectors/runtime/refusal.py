"""Whether a platform refuses us: while it does, one probe at a time asks for all, with growing pauses, for ever."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

from bondmate_connectors.contract import Status
from bondmate_connectors.errors import AuthFailed
from bondmate_connectors.runtime.account import Account
from bondmate_connectors.runtime.reports import Reports
from bondmate_connectors.runtime.retry import Pauses

_KEYS_IT_TAKES = 2


class Refusal:
    """The refusal of one role of a connector (`link`, `sink`, `source`), shared by all that works for that role.

    What was refused once may be that event's own trouble, so what has another key may ask at once; when a second key
    is refused too, the platform refuses us. An attempt is judged by the `epoch` it began in: a success that was on
    its way before the platform began to refuse does not end that.
    """

    def __init__(self, role: str, reports: Reports, pauses: Pauses, account: Account) -> None:
        self._role = role
        self._part = f"{role} refused"
        self._reports = reports
        self._pauses = pauses
        self._account = account
        self._keys: set[str] = set()
        self._vain = 0
        self._until = 0.0
        self._since: datetime | None = None
        self._turn = asyncio.Lock()
        self._nudged = asyncio.Event()
        self._wakers: list[Callable[[], None]] = []
        self.epoch = 0
        # First of its connector's parts: of equally bad ones its reason is the one that helps.
        reports.status(self._part, Status.OK)
        if account.wait_seconds(role) > 0:
            # So it was before the connector was built anew.
            self._since = datetime.now(UTC)
            reports.refused(self._part, self._since, _spared(account.code))

    @property
    def is_on(self) -> bool:
        """Whether one at a time asks for all: the platform refuses us, or an account's secret was never taken."""
        return bool(self._keys) or self._account.is_unproven

    @property
    def is_of_secret(self) -> bool:
        """Whether an account's secret was refused, and nothing has proved since that it is right."""
        return self._account.is_refused(self._role)

    def wakes(self, call: Callable[[], None]) -> None:
        """Have `call` called whenever the refusal is over, and when a probe is wanted at once."""
        self._wakers.append(call)

    def wait_seconds(self) -> float:
        """Return how long it is until the next probe; 0 when it is due."""
        until_probe = max(0.0, self._until - time.monotonic()) if self._keys else 0.0
        return max(until_probe, self._account.wait_seconds(self._role))

    def refused(self, key: str, error: AuthFailed, epoch: int) -> float:
        """Note that the platform refused what has `key`; return how long that one waits before it asks again."""
        self._account.refused(self._role, error)
        is_second = key not in self._keys and len(self._keys) == 1
        if epoch != self.epoch and self._keys and not is_second:
            # It was under way when another was refused: that is one refusal.
            return max(self.wait_seconds(), self._pauses.seconds(1))
        self._vain += not is_second
        if len(self._keys) < _KEYS_IT_TAKES:
            self._keys.add(key)
        self.epoch += 1
        pause = self._pauses.seconds(self._vain)
        self._until = time.monotonic() + (pause if len(self._keys) == _KEYS_IT_TAKES else 0.0)
        self._since = self._since or datetime.now(UTC)
        certain = len(self._keys) == _KEYS_IT_TAKES or self._vain > 1
        spared = self._account.wait_seconds(self._role)
        reason = _spared(str(error)) if spared else f"refuses us: {error}"
        self._reports.refused(self._part, self._since if certain else None, reason)
        return max(pause, spared)

    def admitted(self, *, proves: bool) -> None:
        """Note that the platform says it takes us: nobody waits any more, but only what it takes ends the growing.

        `proves` says that what it answered had refused the secret before: then that was offered and taken.
        """
        if proves:
            self._account.passed()
        if self._keys:
            self._end()

    def passed(self, epoch: int, *, proves: bool = False) -> None:
        """Note that the platform took something of ours that was begun in `epoch`.

        `proves` says that credentials went with it; after a refusal they did.
        """
        if epoch != self.epoch and len(self._keys) == _KEYS_IT_TAKES:
            return
        self._vain, self._since = 0, None
        was_on = self.is_on
        if (proves or self._keys) and epoch == self.epoch:
            self._account.passed()
        if self._keys or (was_on and not self.is_on):
            self._end()

    def _end(self) -> None:
        self._keys.clear()
        self.epoch += 1
        self._reports.admitted(self._part)
        self._wake()

    def probe_now(self) -> None:
        """Have the next probe made at once: something was mended, a person says."""
        self._until = 0.0
        self._account.once_more()
        self._wake()

    def _wake(self) -> None:
        self._nudged.set()
        for call in self._wakers:
            call()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[bool]:
        """Wait for the turn of one probe, which is due; gives whether there is still a refusal to ask about."""
        async with self._turn:
            await self.due()
            yield self.is_on

    async def due(self) -> None:
        """Wait until the next probe is due, or nothing is refused any more."""
        while (wait := self.wait_seconds()) > 0:
            await self.pause(wait)

    async def pause(self, seconds: float) -> None:
        """Wait so long, or until somebody wants a probe at once."""
        self._nudged.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._nudged.wait()


def _spared(code: str) -> str:
    return f"refuses us: {code}; the account is spared, restart asks at once"
