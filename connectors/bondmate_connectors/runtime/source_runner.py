"""Take what a source gives into the hub: to its topic with acks=all, and only then settled.

An answer of success to the platform follows the delivery report, never precedes it. What cannot be read goes to the
source's dead-letter topic, and the platform hears `Rejected` when it is durable there.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import Record
from bondmate_schemas.outbox import Place

from bondmate_connectors.contract import Incoming, Source, Status, Unreadable
from bondmate_connectors.errors import ConnectorError, EndOfStream, NotConnected, Rejected, Transient
from bondmate_connectors.runtime.dead_letters import Grave, dead_letter
from bondmate_connectors.runtime.envelopes import Envelopes, header_of, with_header
from bondmate_connectors.runtime.link import Link
from bondmate_connectors.runtime.outbox import NotWritten, Outbox
from bondmate_connectors.runtime.reports import Reports
from bondmate_connectors.runtime.settings import RunnerSettings


@dataclass(frozen=True, slots=True)
class SourceTools:
    """What a source's runner works with."""

    name: str
    source: Source
    link: Link
    outbox: Outbox
    envelopes: Envelopes
    reports: Reports
    settings: RunnerSettings
    clock: Callable[[], datetime]


class SourceRunner:
    """Receive from one source; many events may wait for Kafka at once, each is settled by itself."""

    def __init__(self, tools: SourceTools) -> None:
        self._tools = tools
        self._room = asyncio.Semaphore(tools.settings.pending_per_source)
        self._settling: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` or the end of the stream, then settle what was received.

        Raises:
            Exception: what the connector should not have raised, or `Misconfigured`: the connector must stop.
        """
        async with asyncio.TaskGroup() as self._group:
            receiving = self._group.create_task(self._receive_all())
            stopping = self._group.create_task(stop.wait())
            await asyncio.wait({receiving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            receiving.cancel()
            stopping.cancel()
            if self._settling:
                _, late = await asyncio.wait(self._settling, timeout=self._tools.settings.drain_seconds)
                for task in late:
                    task.cancel()

    async def _receive_all(self) -> None:
        while True:
            await self._room.acquire()
            try:
                incoming = await self._receive()
            except EndOfStream:
                self._tools.reports.status("source", Status.STOPPED, "end of the stream")
                return
            # No await from here to the task: a cancellation must not lose an event that has nobody to settle it.
            self._tools.link.worked()
            self._tools.reports.received.inc()
            task = self._group.create_task(self._take(incoming))
            self._settling.add(task)
            task.add_done_callback(self._settled)

    async def _receive(self) -> Incoming:
        while True:
            generation = await self._tools.link.up()
            try:
                return await self._tools.source.receive()
            except NotConnected as error:
                self._tools.reports.failed("receive", error)
                self._tools.link.lost(generation)
            except Transient as error:
                self._tools.reports.failed("receive", error)
                await asyncio.sleep(self._tools.settings.backoff.seconds(1, error.retry_after))

    def _take(self, incoming: Incoming) -> Coroutine[Any, Any, None]:
        """Queue the event for Kafka, now, in the order of receiving; give what is left to do."""
        if isinstance(incoming.event, Unreadable):
            return self._bury(incoming, incoming.event)
        if self._is_echo(incoming.event):
            self._tools.reports.passed_over("echo")
            return self._settle(incoming, None)
        return self._confirm(incoming, self._publish(incoming.event, incoming.traceparent))

    def _settled(self, task: asyncio.Task[None]) -> None:
        self._settling.discard(task)
        self._room.release()

    def _is_echo(self, record: Record) -> bool:
        """Whether this connector has brought `record` in before: it came round."""
        header = header_of(record)
        return header is not None and self._tools.name in header.hops

    def _publish(self, record: Record, traceparent: str | None) -> asyncio.Future[Place]:
        header = header_of(record)
        if header is not None:
            now = self._tools.clock()
            now = now.replace(microsecond=now.microsecond // 1000 * 1000)
            record = with_header(record, published_at=now, hops=(*header.hops, self._tools.name))
        return self._tools.outbox.send(self._tools.envelopes.pack(record, traceparent))

    async def _confirm(self, incoming: Incoming, report: asyncio.Future[Place]) -> None:
        try:
            await report
        except NotWritten as error:
            self._tools.reports.failed("publish", error.code)
            await self._settle(incoming, Transient("the hub could not keep it"))
        else:
            await self._settle(incoming, None)

    async def _bury(self, incoming: Incoming, unreadable: Unreadable) -> None:
        now = self._tools.clock()
        letter = dead_letter(
            self._tools.name,
            Grave(self._tools.name, "receive", unreadable.code, now),
            key=unreadable.key.encode() if unreadable.key is not None else None,
            value=unreadable.raw,
            headers=[(name, content.encode()) for name, content in unreadable.headers.items()],
            dead_id=derived_id("unreadable", self._tools.name, hashlib.sha256(unreadable.raw).hexdigest()),
        )
        try:
            await self._tools.outbox.send(letter)
        except NotWritten as error:
            self._tools.reports.failed("dead_letter", error.code)
            await self._settle(incoming, Transient("the hub could not keep it"))
            return
        self._tools.reports.dead("UNREADABLE", unreadable.code)
        await self._settle(incoming, Rejected(unreadable.code))

    async def _settle(self, incoming: Incoming, error: ConnectorError | None) -> None:
        """Tell the source; if its platform has gone meanwhile it gives the event again, which its id makes harmless."""
        try:
            await incoming.settle(error)
        except (NotConnected, Transient) as lost:
            self._tools.reports.failed("settle", lost)
