"""Which events the messages of control rooms belong to: the table `links`, bounded in number and in time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from heapq import heappop, heappush
from typing import Any, Final

from bondmate_kafka.records import utc_now
from bondmate_monitoring.metrics import AGENT_EVENTS
from bondmate_schemas.models import IncidentLink

from bondmate_streams.errors import NotNowError, StoreUnavailableError
from bondmate_streams.faust_adapter.cooperative_iteration import cooperatively
from bondmate_streams.faust_adapter.key_locks import KeyLocks
from bondmate_streams.faust_adapter.owned_partitions import OwnedPartitions
from bondmate_streams.faust_adapter.tables import RecordTable

MOST: Final = 200_000
"""Links of one worker: beyond, the oldest are forgotten before their time."""
_LOOK_SECONDS: Final = 30.0
_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


class KnownLinks:
    """Owns the table `links`."""

    def __init__(
        self, table: RecordTable[IncidentLink], owned: OwnedPartitions, locks: KeyLocks, most: int = MOST
    ) -> None:
        """Keep `most` links; `owned` are the partitions of the topic by which they come."""
        self._table = table
        self._owned = owned
        self._locks = locks
        self._most = most
        self._plan: list[tuple[datetime, str]] = []
        """A heap of when each is forgotten; what is no longer true in it is passed over."""
        self._rebuilding: asyncio.Task[None] | None = None

    def get(self, message_id: str) -> IncidentLink | None:
        """Return what is known of a message, in the context of an event; one whose time is over is not."""
        link = self._table.get(message_id)
        return link if link is not None and (link.expires_at or _EVER) > utc_now() else None

    def put(self, link: IncidentLink) -> Coroutine[Any, Any, None]:
        """Remember a link, in the context of an event; what is returned ends when the changelog has it."""
        heappush(self._plan, (link.expires_at or _EVER, link.message_id))
        return self._table.put(link.message_id, link)

    def in_partition_of(self, message_id: str) -> AbstractContextManager[bool]:
        """Work as if an event about this message were at hand; False where its partition is another worker's."""
        return self._owned.in_partition_of(message_id)

    async def watch(self) -> None:
        """Forget what has had its time, until cancelled."""
        while True:
            with suppress(NotNowError, StoreUnavailableError):
                await self.forget(utc_now())
            await asyncio.sleep(_LOOK_SECONDS)

    async def forget(self, now: datetime) -> int:
        """Forget what has had its time by `now`, and the oldest where there are too many; return how many."""
        count = 0
        while self._plan and (self._plan[0][0] <= now or len(self._plan) > self._most):
            at, message_id = heappop(self._plan)
            count += await self._forget(message_id, max(at, now))
        return count

    async def _forget(self, message_id: str, now: datetime) -> bool:
        async with self._locks.holding("incidents", message_id):
            with self._owned.in_partition_of(message_id) as ours:
                link = self._table.get(message_id) if ours else None
                # One that was written again since has a later place in the plan.
                if link is None or (link.expires_at or _EVER) > now:
                    return False
                await self._table.forget(message_id)
        AGENT_EVENTS.labels("incident-links", "forgotten").inc()
        return True

    async def rebuild_beside(self) -> None:
        """Begin to plan anew what is forgotten when, from the table; events do not wait for that."""
        self._plan = []
        self._rebuilding = asyncio.create_task(self._rebuild(self._plan))

    async def _rebuild(self, plan: list[tuple[datetime, str]]) -> None:
        async for link in cooperatively(self._table.records()):
            heappush(plan, (link.expires_at or _EVER, link.message_id))
