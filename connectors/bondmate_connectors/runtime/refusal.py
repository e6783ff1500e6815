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
from bondmate_connectors.runtime.retry import Backoff

_KEYS_IT_TAKES = 2


class RoleRefusal:
    """The refusal of one role of a connector (`link`, `sink`, `source`), shared by all that works for that role.

    What was refused once may be that event's own trouble, so what has another key may ask at once; when a second key
    is refused too, the platform refuses us. An attempt is judged by the `epoch` it began in: a success that was on
    its way before the platform began to refuse does not end that. Where it takes events of another kind meanwhile,
    those go on, and what is of the refused kinds alone is asked about, one at a time with growing pauses. To see
    whether it does, every second probe is of another kind than the last, where such a one waits.
    """

    def __init__(self, role: str, reports: Reports, pauses: Backoff, account: Account) -> None:
        self._role = role
        self._part = f"{role} refused"
        self._reports = reports
        self._pauses = pauses
        self._account = account
        self._keys: dict[str, str] = {}
        """The first keys that were refused, and the kinds of their events."""
        self._kinds: set[str] = set()
        """The kinds that are refused."""
        self._taken: set[str] = set()
        """The kinds that are taken while others are refused."""
        self._last_kind = ""
        self._of_secret = False
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
        return (bool(self._kinds) and not self._taken) or self._account.is_unproven

    def refuses(self, kind: str) -> bool:
        """Whether the platform refuses what is of `kind`."""
        return kind in self._kinds

    def asks_beside(self, kind: str) -> bool:
        """Whether a probe of `kind` leaves its turn to another kind, if such a one waits.

        Every second one does that was refused last: where only that kind is refused, the others must not wait for it.
        """
        return self._vain % 2 == 1 and kind == self._last_kind and kind in self._kinds

    def held_seconds(self, kind: str) -> float:
        """Return how long what is of `kind` waits while other kinds go on; who hears 0 asks for all of its kind."""
        if not self._taken or kind not in self._kinds:
            return 0.0
        wait = self._until_probe()
        if not wait:
            self._until = time.monotonic() + self._pauses.seconds(max(self._vain, 1))
        return wait

    @property
    def is_of_secret(self) -> bool:
        """Whether an account's secret was refused, and nothing has proved since that it is right."""
        return self._account.is_refused(self._role)

    def wakes(self, call: Callable[[], None]) -> None:
        """Have `call` called whenever the refusal is over, and when a probe is wanted at once."""
        self._wakers.append(call)

    def wait_seconds(self) -> float:
        """Return how long it is until the next probe; 0 when it is due."""
        until_probe = 0.0 if self._taken else self._until_probe()
        return max(until_probe, self._account.wait_seconds(self._role))

    def _until_probe(self) -> float:
        return max(0.0, self._until - time.monotonic()) if self._kinds else 0.0

    def refused(self, key: str, error: AuthFailed, epoch: int, kind: str = "") -> float:
        """Note that the platform refused what has `key`; return how long that one waits before it asks again."""
        self._account.refused(self._role, error)
        is_second = key not in self._keys and len(self._keys) == 1
        self._taken.discard(kind)
        if epoch != self.epoch and self._kinds and not is_second:
            # It was under way when another was refused: that is one refusal.
            self._kinds.add(kind)
            return max(self._until_probe(), self.wait_seconds(), self._pauses.seconds(1))
        self._kinds.add(kind)
        self._last_kind = kind
        self._of_secret = error.is_of_secret(proven=True)
        self._vain += not is_second
        if len(self._keys) < _KEYS_IT_TAKES:
            self._keys[key] = kind
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
        if self._kinds:
            self._end()

    def passed(self, epoch: int, kind: str = "", *, proves: bool = False) -> None:
        """Note that the platform took something of ours, of `kind`, that was begun in `epoch`.

        `proves` says that credentials went with it; after a refusal they did. What is of another kind than was refused
        proves nothing of that kind.
        """
        if epoch != self.epoch and len(self._keys) == _KEYS_IT_TAKES:
            return
        was_on = self.is_on
        if self._kinds - {kind}:
            self._passed_beside(epoch, kind, proves=proves)
            return
        self._vain, self._since = 0, None
        if (proves or self._kinds) and epoch == self.epoch:
            self._account.passed()
        if self._kinds or (was_on and not self.is_on):
            self._end()

    def _passed_beside(self, epoch: int, kind: str, *, proves: bool) -> None:
        """Note that what is of `kind` was taken while other kinds are refused: it goes on, they do not."""
        if proves and epoch == self.epoch and not self._of_secret:
            self._account.passed()
        if kind in self._taken:
            return
        self._taken.add(kind)
        if kind not in self._kinds:
            # Whoever waits to probe may see that it need not; what is of the refused kinds waits on.
            self._nudged.set()
            return
        self._kinds.discard(kind)
        self._keys = {key: refused for key, refused in self._keys.items() if refused != kind}
        # Something was mended: perhaps the rest too.
        self._until = 0.0
        self._wake()

    def _end(self) -> None:
        self._keys.clear()
        self._kinds.clear()
        self._taken.clear()
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
        """Wait for the turn of one probe, which is due; yields whether there is still a refusal to ask about."""
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
