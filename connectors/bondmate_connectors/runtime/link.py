"""The connection of one connector, opened and opened again by one owner for all its roles."""

from __future__ import annotations

import asyncio
import time

from bondmate_connectors.contract import Link, Status
from bondmate_connectors.errors import AuthFailed, NotConnected, Transient
from bondmate_connectors.runtime.account import Account
from bondmate_connectors.runtime.refusal import RoleRefusal
from bondmate_connectors.runtime.reports import Reports
from bondmate_connectors.runtime.settings import RunnerSettings
from bondmate_connectors.runtime.watchdog import Stalls

_STOOD_SECONDS = 1.0
"""A connection that has stood for so long is made anew at once."""


class ConnectorLink:
    """Keep one connector connected.

    Roles wait for `up` before each use, tell `lost` after `NotConnected` and `worked` after a success.
    """

    def __init__(
        self,
        connection: Link,
        reports: Reports,
        settings: RunnerSettings,
        stalls: Stalls | None = None,
        account: Account | None = None,
    ) -> None:
        self._stalls = stalls or Stalls()
        self._connection = connection
        self._reports = reports
        self._settings = settings
        self._up = asyncio.Event()
        self._lost = asyncio.Event()
        self._attempt = 0
        self.account = account or Account(settings.account_retry_seconds)
        """What the credentials of all roles name, if they name an account."""
        self._refusals: dict[str, RoleRefusal] = {}
        self._refusal = self.refusal("link")
        self.generation = 0
        """Grows with every connection, so that an error of an earlier one is told apart."""

    @property
    def is_up(self) -> bool:
        """Whether the connection stands, as far as is known."""
        return self._up.is_set()

    async def keep(self) -> None:
        """Connect, and again whenever the connection is lost; ends only by cancellation or an error that stops.

        Raises:
            Misconfigured: a setting of ours cannot work.
        """
        while True:
            await self._connect()
            since = time.monotonic()
            await self._lost.wait()
            # A link that stood is not what is wrong, though one event ends it: others must not wait for it long.
            if time.monotonic() - since >= _STOOD_SECONDS:
                self._attempt = 0

    async def _connect(self) -> None:
        while True:
            if self._attempt:
                await self._refusal.pause(self._settings.backoff.seconds(self._attempt))
            await self._refusal.due()
            self._attempt += 1
            try:
                async with asyncio.timeout(self._settings.connect_seconds):
                    with self._stalls.calling("connect"):
                        await self._connection.connect()
            except (NotConnected, Transient, TimeoutError) as error:
                self._reports.failed("connect", error)
                self._reports.status("link", Status.RECOVERABLE_ERROR, _reason("not connected", error))
                continue
            except AuthFailed as error:
                self._reports.failed("connect", error)
                self._reports.status("link", Status.RECOVERABLE_ERROR, "not connected")
                self._attempt = 0
                await self._refusal.pause(self._refusal.refused("link", error, self._refusal.epoch))
                continue
            self._refusal.passed(self._refusal.epoch)
            self.generation += 1
            self._lost.clear()
            self._up.set()
            self._reports.status("link", Status.OK, "connected")
            return

    def refusal(self, role: str) -> RoleRefusal:
        """Return what keeps whether the platform refuses `role`, one for all that works for it."""
        if role not in self._refusals:
            self._refusals[role] = RoleRefusal(role, self._reports, self._settings.refused, self.account)
        return self._refusals[role]

    def probe_now(self) -> None:
        """Ask a platform that refuses us at once, in every role: a person says that something was mended."""
        for refusal in self._refusals.values():
            refusal.probe_now()

    async def up(self) -> int:
        """Wait until the connection stands and return its generation."""
        await self._up.wait()
        return self.generation

    def lost(self, generation: int, error: NotConnected | None = None) -> bool:
        """Note that a use of connection `generation` failed, and why; return whether that is news."""
        is_news = generation == self.generation and self._up.is_set()
        if is_news:
            self._up.clear()
            self._reports.status("link", Status.RECOVERABLE_ERROR, _reason("connection lost", error))
            self._lost.set()
        return is_news

    def worked(self) -> None:
        """Note that the connection did its work: the next connecting waits short again."""
        self._attempt = 0


def _reason(what: str, error: Exception | None) -> str:
    """Return what to show: a connector's errors say in constant words why, and hold no personal data."""
    why = str(error) if error is not None else ""
    return what if why in {"", what} else f"{what}: {why}"
