"""What people on TAK have written, kept until the hub takes it; used inside one event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from bondmate_schemas.models import Record

from bondmate_connectors.contract import Unreadable

_MAX_WAITING: Final = 10_000
"""Answers kept until the hub takes them; when there are more, nothing is read from the server for a while."""


class Arrivals:
    """A bounded queue that can be waited for together with the end of the connection."""

    def __init__(self) -> None:
        self._records: deque[Record | Unreadable] = deque()
        self._stirred = asyncio.Event()
        self._room = asyncio.Event()

    async def put(self, record: Record | Unreadable) -> None:
        """Keep a record; waits here while there is no room."""
        while len(self._records) >= _MAX_WAITING:
            self._room.clear()
            await self._room.wait()
        self.put_back(record)

    def put_back(self, record: Record | Unreadable) -> None:
        """Keep a record that the hub could not take, whether or not there is room."""
        self._records.append(record)
        self._stirred.set()

    def take(self) -> Record | Unreadable | None:
        """Return the oldest record, None when there is none."""
        if not self._records:
            return None
        self._room.set()
        return self._records.popleft()

    def stir(self) -> None:
        """Wake who waits: the connection has changed."""
        self._stirred.set()

    async def changed(self) -> None:
        """Wait for a record or for `stir`."""
        self._stirred.clear()
        await self._stirred.wait()
