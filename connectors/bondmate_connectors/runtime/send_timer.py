"""The sends under way and when each must have ended: one timer for all, and none for those that are soon done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bondmate_connectors.runtime.intake import ConsumedRecord


@dataclass(frozen=True, slots=True)
class _Sending:
    """A send under way; `due` is when it must have ended."""

    bound: asyncio.Timeout
    due: float

    def end(self) -> None:
        """Have it raise `TimeoutError`, unless it was told before."""
        if self.bound.when() is None:
            self.bound.reschedule(0)


class SendTimer:
    """Ends every send that takes longer than `send_seconds`; its length is how many are under way."""

    def __init__(self, send_seconds: float) -> None:
        self._send_seconds = send_seconds
        # In the order in which they began, so that the first is due first.
        self._sending: dict[ConsumedRecord, _Sending] = {}

    def __len__(self) -> int:
        """Return how many sends are under way."""
        return len(self._sending)

    @asynccontextmanager
    async def limit(self, record: ConsumedRecord) -> AsyncIterator[None]:
        """Bound the send of `record`.

        Raises:
            TimeoutError: it took too long, or was ended by `end`.
        """
        try:
            async with asyncio.timeout(None) as bound:
                self._sending[record] = _Sending(bound, time.monotonic() + self._send_seconds)
                yield
        finally:
            del self._sending[record]

    def end(self, concerns: Callable[[ConsumedRecord], bool]) -> None:
        """End the sends of the records that this `concerns`."""
        for record, sending in self._sending.items():
            if concerns(record):
                sending.end()

    async def run(self) -> None:
        """End what is overdue, until cancelled."""
        while True:
            now = time.monotonic()
            next_due = now + self._send_seconds
            for sending in self._sending.values():
                if sending.due > now:
                    next_due = sending.due
                    break
                sending.end()
            await asyncio.sleep(next_due - now)

    def longest_seconds(self) -> float:
        """Return for how long the oldest send has been under way; 0 when none is."""
        first = next(iter(self._sending.values()), None)
        return 0.0 if first is None else time.monotonic() - first.due + self._send_seconds
