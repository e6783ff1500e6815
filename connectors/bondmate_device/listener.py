"""Hears what comes down: by WebSocket, or by long poll where a network lets no WebSocket through."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from bondmate_device.core import Core
from bondmate_device.gateway import Gateway, NoStreamError, NotEnrolledError, UnreachableError

News = dict[str, Any]
_MOST_DOUBLINGS: Final = 16


@dataclass(frozen=True, slots=True)
class Patience:
    """How the way down is kept open."""

    poll_seconds: float = 50.0
    polling_seconds: float = 300.0
    """How long to poll before the stream is tried again."""
    short_stream_seconds: float = 5.0
    """A stream that ends sooner counts as none."""
    short_streams: int = 3
    """After so many in a row, poll."""
    ask_seconds: float = 20.0
    """How often to ask after open alerts besides: what ended before the stream's first frame is not told by it."""
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 30.0


class DownlinkListener:
    """Keeps one way down open; `how` says which, `is_current` whether the hub was asked since it was opened."""

    def __init__(
        self,
        gateway: Gateway,
        core: Core,
        patience: Patience,
        hear: Callable[[News], Awaitable[None]],
        notify: Callable[[], None],
    ) -> None:
        """`hear` takes each piece of news; `notify` is called when `how` or the enrolment has changed."""
        self._gateway = gateway
        self._core = core
        self._patience = patience
        self._hear = hear
        self._notify = notify
        self._failures = 0
        self._short = 0
        self._hurry = asyncio.Event()
        self.how = "no"
        self.is_current = False

    def hurry(self) -> None:
        """Try at once."""
        self._failures = 0
        self._hurry.set()

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                if self._short < self._patience.short_streams:
                    await self._stream()
                else:
                    await self._poll()
                    self._short = 0
            except NoStreamError:
                self._short = self._patience.short_streams
            except NotEnrolledError:
                self._core.enrolled = False
                self._failures += 1
            except UnreachableError:
                self._failures += 1
            self._say("no")
            await self._wait()

    async def ask_now_and_then(self) -> None:
        """Ask after open alerts from time to time, until cancelled."""
        while True:
            await asyncio.sleep(self._patience.ask_seconds)
            with contextlib.suppress(NotEnrolledError, UnreachableError):  # `run` meets and tells the same
                await self._ask_for_open_alerts()

    async def _stream(self) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        async with self._gateway.stream() as news:
            self._reached("stream")
            await self._ask_for_open_alerts()
            # A stream begins with nothing where nothing waits, and nobody knows which of its frames was the first.
            await self._heard(await self._gateway.poll(0, ""))
            async for told in news:
                await self._hear(told)
        self._short = self._short + 1 if loop.time() - begun < self._patience.short_stream_seconds else 0

    async def _poll(self) -> None:
        """Poll for a while; a poll without a cursor gives all that was not confirmed."""
        loop = asyncio.get_running_loop()
        end, cursor = loop.time() + self._patience.polling_seconds, ""
        await self._ask_for_open_alerts()
        while loop.time() < end:
            told = await self._gateway.poll(self._patience.poll_seconds if cursor else 0, cursor)
            self._reached("poll")
            await self._heard(told)
            cursor = str(told.get("cursor", ""))

    async def _ask_for_open_alerts(self) -> None:
        """Ask after each alert that is open here: a stream begins with those still open at the hub, not the others."""
        for status in self._core.statuses.open():
            if told := await self._gateway.status(status.alert_id):
                await self._hear({"alerts": [told]})

    async def _heard(self, told: News) -> None:
        """Take all that the hub has for this device."""
        await self._hear(told)
        self.is_current = True
        self._notify()

    def _reached(self, how: str) -> None:
        self._failures = 0
        self._core.enrolled = True
        self._say(how)

    def _say(self, how: str) -> None:
        self.how = how
        self.is_current = self.is_current and how != "no"
        self._notify()

    async def _wait(self) -> None:
        self._hurry.clear()
        if self._failures or self._short:
            longest = self._patience.longest_wait_seconds
            spread = min(longest, self._patience.first_wait_seconds * 2 ** min(self._failures, _MOST_DOUBLINGS))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(spread * random.random()):  # noqa: S311  # a wait, not a secret
                    await self._hurry.wait()
