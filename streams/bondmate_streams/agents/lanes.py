"""Events in hand: those of one key one after another, others side by side, and never more than a bound."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


class KeyLocks:
    """A lock a key, shared by the agents that write one table; first come, first served."""

    def __init__(self) -> None:
        self._locks: dict[tuple[str, str], tuple[asyncio.Lock, list[None]]] = {}

    @asynccontextmanager
    async def holding(self, table: str, key: str) -> AsyncIterator[None]:
        """Hold the lock of `key` in `table`."""
        lock, users = self._locks.setdefault((table, key), (asyncio.Lock(), []))
        users.append(None)
        try:
            async with lock:
                yield
        finally:
            users.pop()
            if not users:
                del self._locks[table, key]


class InHand:
    """The events of one agent that are being handled."""

    def __init__(self, limit: int) -> None:
        """Handle at most `limit` events at a time."""
        self._slots = asyncio.Semaphore(limit)
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = asyncio.Event()
        self._open.set()

    async def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin `work` when there is room; it runs on in the context of the caller."""
        try:
            await self._open.wait()
            await self._slots.acquire()
        except asyncio.CancelledError:
            work.close()
            raise
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._slots.release()

    async def drain(self, seconds: float) -> None:
        """Begin nothing more, wait for what is in hand, and cancel what takes longer than `seconds`."""
        self._open.clear()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        late = list(self._tasks)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
