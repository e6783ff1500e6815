"""What is under way on one connector's link, for all its runners: whether an event was alone, and how it can be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress


class Flight:
    """One event under way."""

    __slots__ = ("_began_alone", "_flights", "_number")

    def __init__(self, flights: Flights, number: int, *, began_alone: bool) -> None:
        self._flights, self._number, self._began_alone = flights, number, began_alone

    @property
    def alone(self) -> bool:
        """Whether no other has been under way since it began; ask before it ends."""
        return self._began_alone and self._flights.begun == self._number


class Flights:
    """Counts what is under way; lets one go alone when that is asked for, and holds the others meanwhile."""

    def __init__(self) -> None:
        self._aloft = 0
        self.begun = 0
        """How many have begun."""
        self._landed = asyncio.Event()
        self._open = asyncio.Event()
        self._open.set()
        self._turn = asyncio.Lock()

    @property
    def is_open(self) -> bool:
        """Whether events may go side by side."""
        return self._open.is_set()

    async def opened(self) -> None:
        """Wait until events may go side by side."""
        await self._open.wait()

    @contextmanager
    def flight(self) -> Iterator[Flight]:
        """Count an event as under way."""
        self.begun += 1
        self._aloft += 1
        try:
            yield Flight(self, self.begun, began_alone=self._aloft == 1)
        finally:
            self._aloft -= 1
            self._landed.set()

    @asynccontextmanager
    async def alone(self, wait_seconds: float, hold_seconds: float) -> AsyncIterator[bool]:
        """Have nothing else under way; yields whether that could be had within `wait_seconds`.

        After `hold_seconds` the others go on, whatever becomes of the one: nobody waits long for a suspect.
        """
        async with self._turn:
            self._open.clear()
            timer = asyncio.get_running_loop().call_later(wait_seconds + hold_seconds, self._open.set)
            try:
                yield await self._all_landed(wait_seconds)
            finally:
                timer.cancel()
                self._open.set()

    async def _all_landed(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._aloft:
                    self._landed.clear()
                    await self._landed.wait()
        return not self._aloft
