"""End in order: finish what is in hand, begin nothing more, leave no gap in what is committed.

Both ends are bounded. What does not end in time is cancelled and not settled: whoever has the partition next reads it
again and sends it under the same id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from bondmate_connectors.runtime.circuit_breaker import CircuitBreaker
from bondmate_connectors.runtime.intake import ConsumedRecord, PartitionState
from bondmate_connectors.runtime.keyed_queue import KeyedQueue
from bondmate_connectors.runtime.send_timer import SendTimer
from bondmate_connectors.runtime.settlement import Settlement
from bondmate_connectors.runtime.sink_tools import SinkTools


class Drain:
    """Ends the work on some partitions (`give_up`), or all of it (`finish`)."""

    def __init__(
        self,
        tools: SinkTools,
        queue: KeyedQueue[ConsumedRecord],
        breaker: CircuitBreaker,
        settlement: Settlement,
        timer: SendTimer,
    ) -> None:
        self._tools = tools
        self._queue = queue
        self._breaker = breaker
        self._settlement = settlement
        self._timer = timer
        self.has_begun = False
        """Whether all work is to end."""

    async def give_up(self, partitions: Sequence[PartitionState], grace_seconds: float) -> None:
        """Begin nothing more of `partitions`, wait for what is in hand, cancel it after `grace_seconds`."""
        for partition in partitions:
            partition.revoked = True
            self._tools.backlog.remove(partition)
        self._queue.discard(lambda record: record.partition.revoked)
        self._breaker.forget()
        self._tools.suspects.clear()
        try:
            async with asyncio.timeout(grace_seconds):
                await self._settlement.until(lambda: not any(partition.busy for partition in partitions))
        except TimeoutError:
            self._timer.end(lambda record: record.partition.revoked)

    async def finish(self, helpers: Iterable[asyncio.Task[None]]) -> None:
        """Finish what is in hand and what lies before it, then cancel `helpers`.

        So the commit leaves no gap, and nothing that was sent is sent again.
        """
        self.has_begun = True
        self._queue.discard(lambda record: record.offset > record.partition.started)
        try:
            async with asyncio.timeout(self._tools.settings.drain_seconds):
                await self._settlement.until(self._is_quiet)
        except TimeoutError:
            self._tools.reports.failed("drain", "timeout")
        for task in helpers:
            task.cancel()
        self._settlement.cancel()

    def _is_quiet(self) -> bool:
        """Whether nothing is in hand, and nothing that is ready could be sent."""
        stalled = not self._breaker.is_closed or not self._tools.link.is_up
        return not self._settlement.busy and (stalled or not any(self._queue.waiting()))
