"""Hands events over to the runner and waits until every one is settled; alerts go first."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from bondmate_connectors.contract import Incoming, Proof
from bondmate_connectors.errors import NotConnected
from bondmate_connectors.transports.handover import Handover
from bondmate_schemas.models import Record


class HandoverQueue:
    """Two bounded queues to `receive`: urgent events never wait behind others; a full one makes its senders wait."""

    def __init__(self, limit: int) -> None:
        self._queues: dict[bool, deque[Incoming]] = {True: deque(), False: deque()}
        self._room = {True: asyncio.Semaphore(limit), False: asyncio.Semaphore(limit)}
        self._ready = asyncio.Event()
        self._closed = False

    async def hand_over(self, events: Sequence[Record], *, urgent: bool, traceparent: str | None = None) -> None:
        """Offer events and wait until all are settled.

        Raises:
            ConnectorError: what one of them was settled with.
            NotConnected: the queue is closed.
        """
        handover = Handover(len(events))
        for event in events:
            await self._room[urgent].acquire()
            if self._closed:
                self._room[urgent].release()  # for the next who waits
                raise NotConnected("closed")
            self._queues[urgent].append(Incoming(event, handover.settle, traceparent, Proof.LOGIN))
            self._ready.set()
        await handover.settled()

    async def get(self) -> Incoming:
        """Wait for the next event, urgent ones first.

        Raises:
            NotConnected: the queue is closed.
        """
        while not (urgent := bool(self._queues[True])) and not self._queues[False] and not self._closed:
            self._ready.clear()
            await self._ready.wait()
        if self._closed:
            raise NotConnected("closed")
        incoming = self._queues[urgent].popleft()
        self._room[urgent].release()
        return incoming

    async def close(self) -> None:
        """Refuse what nobody has taken, and let everybody who waits know."""
        self._closed = True
        for urgent, queue in self._queues.items():
            while queue:
                await queue.popleft().settle(NotConnected("closed"))
                self._room[urgent].release()
        self._ready.set()
