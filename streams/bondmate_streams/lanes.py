"""Events in hand: those of one key one after another, others side by side, and never more than a bound."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Hashable
from typing import Any


class KeyLocks:
    """A lock a key, shared by the agents that write one table; first come, first served."""

    def __init__(self) -> None:
        self._locks: dict[tuple[str, Hashable], _Lock] = {}

    def holding(self, table: str, key: Hashable) -> _Turn:
        """Hold the lock of `key` in `table`: `async with locks.holding(table, key)`.

        The place among those who want it is taken by the call, which may come some time before the `async with`.
        """
        place = table, key
        lock = self._locks.get(place)
        if lock is None:
            lock = self._locks[place] = _Lock(self._locks, place)
            return _Turn(lock, None)
        return _Turn(lock, lock.wait())

    def is_held(self, table: str, key: Hashable) -> bool:
        """Whether somebody has the lock of `key` in `table`, or has a place among those who want it."""
        return (table, key) in self._locks


class _Lock:
    """The lock of one key while anybody has it."""

    __slots__ = ("_locks", "_place", "_waiting")

    def __init__(self, locks: dict[tuple[str, Hashable], _Lock], place: tuple[str, Hashable]) -> None:
        self._locks = locks
        self._place = place
        self._waiting: deque[asyncio.Future[None]] = deque()

    def wait(self) -> asyncio.Future[None]:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        return turn

    def hand_on(self) -> None:
        """Give it to the next; those who gave up are passed over."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self._locks[self._place]


class _Turn:
    """A place among those who want a lock; it must be entered."""

    __slots__ = ("_comes", "_lock")

    def __init__(self, lock: _Lock, comes: asyncio.Future[None] | None) -> None:
        self._lock = lock
        self._comes = comes

    async def __aenter__(self) -> None:
        if self._comes is None:
            return
        try:
            await self._comes
        except BaseException:
            if not self._comes.cancelled():  # it came, and so did the end of whoever waited
                self._lock.hand_on()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._lock.hand_on()


class InHand:
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
