"""The events that one agent handles side by side: never more than a bound."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class InFlight:
    """The events of one agent that are being handled."""

    def __init__(self, limit: int) -> None:
        """Handle at most `limit` events at a time."""
        self._limit = limit
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_open = True
        self._someone_waits = False
        self._stirred = asyncio.Event()

    @property
    def has_room(self) -> bool:
        """Whether an event may begin now, before which none waits."""
        return not self._someone_waits and not self._is_full()

    def _is_full(self) -> bool:
        return not self._is_open or len(self._tasks) >= self._limit

    def begin_now(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin `work`, for which there is room; it runs on in the context of the caller."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def wait_for_room(self) -> None:
        """Wait until an event may begin; one caller at a time."""
        try:
            while self._is_full():
                self._someone_waits = True
                self._stirred.clear()
                await self._stirred.wait()
        finally:
            self._someone_waits = False

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._stirred.set()

    async def drain(self, seconds: float) -> None:
        """Begin nothing more, wait for what is in hand, and cancel what takes longer than `seconds`."""
        self._is_open = False
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        await self.give_up()

    async def give_up(self) -> None:
        """Cancel what is in hand; others may begin."""
        late = list(self._tasks)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
