"""One connection to a TAK server: events out, each confirmed by a ping, and frames in.

TAK acknowledges nothing, but a server works off a connection in order: when it answers a ping, it has taken all that
was written before it. So one ping confirms every event since the last one. At most one ping is under way; the next goes
out when it is answered, and not sooner than `_PING_GAP_SECONDS` after it, which is what makes confirming 500 events a
second cheap. An event on an idle connection is pinged for at once.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

from bondmate_connectors.errors import NotConnected
from bondmate_connectors.formats.cot.probe import ping
from bondmate_connectors.formats.cot.stream import Frame, Framer
from bondmate_connectors.transports.tcp import TcpStream

_PING_GAP_SECONDS: Final = 0.05
_BLOCKED_SECONDS: Final = 0.01
"""From here on a hand-over counts as one that made the server wait."""
_PONG_TYPE: Final = b"t-x-c-t-r"
_PONG: Final = re.compile(rb"""<event\s[^<>]*\btype\s*=\s*["']t-x-c-t-r["']""")


class Session:
    """A connection in use. `take` is awaited with every frame that is no answer to a ping, in order.

    When the connection is lost, whoever waits for a confirmation gets the error, `lost` holds it, `on_lost` is called,
    and the session is of no more use.
    """

    def __init__(
        self,
        stream: TcpStream,
        *,
        clock: Callable[[], datetime],
        take: Callable[[Frame], Awaitable[None]],
        on_lost: Callable[[], None],
        pong_timeout_seconds: float,
    ) -> None:
        self._stream = stream
        self._clock = clock
        self._take = take
        self._on_lost = on_lost
        self._pong_timeout = pong_timeout_seconds
        self._unwritten: list[bytes] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._asked: list[asyncio.Future[None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._pinged_at = float("-inf")
        self._loop = asyncio.get_running_loop()
        self._handing_over = False
        self._resumed_at = float("-inf")
        self.lost: BaseException | None = None
        self._reading = self._loop.create_task(self._read())
        self._reading.add_done_callback(self._read_ended)

    async def deliver(self, documents: bytes) -> None:
        """Write and wait until the server has taken it.

        Raises:
            NotConnected, AuthFailed: the connection is lost; the server may or may not have it.
        """
        if self.lost is not None:
            raise NotConnected("connection lost")
        if not self._unwritten:
            self._loop.call_soon(self._write)
        self._unwritten.append(documents)
        confirmed = self._loop.create_future()
        self._waiting.append(confirmed)
        # Not drained: whoever delivers waits for the pong, so no more can pile up here than are in flight.
        await confirmed

    async def close(self) -> None:
        """End the connection; leaves no task or timer behind. Safe twice."""
        self._lose(NotConnected("closed"))
        self._reading.cancel()
        await asyncio.wait({self._reading})
        await self._stream.close()

    # Writing, and pings.

    def _write(self) -> None:
        """Write what came in this turn of the loop at once, with a ping behind it or planned when there is none yet."""
        if self.lost is not None:
            return
        if self._waiting and not self._asked and self._timer is None:
            due = self._pinged_at + _PING_GAP_SECONDS
            if due <= self._loop.time():
                self._ping()
                return
            self._timer = self._loop.call_at(due, self._ping)
        self._flush()

    def _ping(self) -> None:
        self._asked, self._waiting = self._waiting, []
        self._pinged_at = self._loop.time()
        self._unwritten.append(ping(self._clock()))
        self._flush()
        self._timer = self._loop.call_later(self._pong_timeout, self._overdue)

    def _flush(self) -> None:
        unwritten, self._unwritten = self._unwritten, []
        if unwritten:
            self._stream.write(b"".join(unwritten))

    def _overdue(self) -> None:
        """Give the connection up, unless it is we who do not read: then the answer may be waiting there."""
        if self._handing_over or self._loop.time() - self._resumed_at < self._pong_timeout:
            self._timer = self._loop.call_later(self._pong_timeout, self._overdue)
        else:
            self._lose(NotConnected("a ping was not answered"))

    def _pong(self) -> None:
        if not self._asked:
            return
        self._stop_timer()
        asked, self._asked = self._asked, []
        for confirmed in asked:
            if not confirmed.done():
                confirmed.set_result(None)
        self._write()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # Frames.

    async def _read(self) -> None:
        framer = Framer()
        while True:
            for frame in framer.feed(await self._stream.read()):
                # Most frames are others' positions: first the cheap question, then the exact one.
                if _PONG_TYPE in frame.message and _PONG.search(frame.message):
                    self._pong()
                else:
                    await self._hand_over(frame)

    async def _hand_over(self, frame: Frame) -> None:
        began = self._loop.time()
        self._handing_over = True
        await self._take(frame)
        self._handing_over = False
        if self._loop.time() - began > _BLOCKED_SECONDS:
            self._resumed_at = self._loop.time()

    def _read_ended(self, reading: asyncio.Task[None]) -> None:
        """Pass on why reading ended, a bug too: nobody may wait for an answer that nobody reads."""
        error = None if reading.cancelled() else reading.exception()
        self._lose(error or NotConnected("closed"))

    def _lose(self, error: BaseException) -> None:
        if self.lost is not None:
            return
        self.lost = error
        self._stop_timer()
        for confirmed in (*self._asked, *self._waiting):
            if not confirmed.done():
                confirmed.set_exception(error)
                # Somebody who was cancelled meanwhile does not ask for it.
                confirmed.exception()
        self._stream.abort()
        self._on_lost()
