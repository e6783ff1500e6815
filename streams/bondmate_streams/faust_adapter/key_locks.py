"""Locks by key: events of one key one after another, others side by side."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable


class KeyLocks:
    """A lock a key, shared by the agents that write one table; first come, first served."""

    def __init__(self) -> None:
        self._locks: dict[tuple[str, Hashable], _KeyLock] = {}

    def holding(self, table: str, key: Hashable) -> _Turn:
        """Hold the lock of `key` in `table`: `async with locks.holding(table, key)`.

        The place among those who want it is taken by the call, which may come some time before the `async with`.
        """
        place = table, key
        lock = self._locks.get(place)
        if lock is None:
            lock = self._locks[place] = _KeyLock(self._locks, place)
            return _Turn(lock, None)
        return _Turn(lock, lock.wait())

    def is_held(self, table: str, key: Hashable) -> bool:
        """Whether somebody has the lock of `key` in `table`, or has a place among those who want it."""
        return (table, key) in self._locks


class _KeyLock:
    """The lock of one key while anybody has it."""

    __slots__ = ("_locks", "_place", "_waiting")

    def __init__(self, locks: dict[tuple[str, Hashable], _KeyLock], place: tuple[str, Hashable]) -> None:
        self._locks = locks
        self._place = place
        self._waiting: deque[asyncio.Future[None]] = deque()

    def wait(self) -> asyncio.Future[None]:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        return turn

    def hand_on(self) -> None:
        """Pass the lock to the next who waits; those who gave up are passed over."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self._locks[self._place]


class _Turn:
    """A place among those who want a lock; it must be entered."""

    __slots__ = ("_comes", "_lock")

    def __init__(self, lock: _KeyLock, comes: asyncio.Future[None] | None) -> None:
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
