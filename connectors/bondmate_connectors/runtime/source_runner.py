"""Take what a source gives into the hub: to its topic with acks=all, and only then settled.

An answer of success to the platform follows the delivery report, never precedes it. What cannot be read goes to the
source's dead-letter topic, and the platform hears `Rejected` when it is durable there.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final

from bondmate_kafka.producer import NotWritten, Outbox, Place
from bondmate_kafka.records import Outgoing, Unsent, dead_letter, headers_of
from bondmate_monitoring.step_log import LoggedStep
from bondmate_monitoring.tracing import TRACEPARENT
from bondmate_schemas.codec import RECORDS, SchemaUnavailableError
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import DeliveryReceipt, DeviceAlert, DeviceMessage, IncidentEvent, Record

from bondmate_connectors.contract import SETTLED, GuardedSource, Incoming, Refusal, Source, Status, Unreadable
from bondmate_connectors.errors import AuthFailed, ConnectorError, EndOfStream, NotConnected, Rejected, Transient
from bondmate_connectors.runtime.authority import Authority
from bondmate_connectors.runtime.envelopes import AddressedEnvelopes, header_of, with_header
from bondmate_connectors.runtime.link import ConnectorLink
from bondmate_connectors.runtime.reports import Reports
from bondmate_connectors.runtime.settings import RunnerSettings
from bondmate_connectors.runtime.supervision import PartEndedError
from bondmate_connectors.runtime.watchdog import Stalls

_STEPS: Final[Mapping[type[Record], str]] = {
    DeviceAlert: "alert taken in",
    DeliveryReceipt: "receipt taken in",
    IncidentEvent: "incident taken in",
    DeviceMessage: "message taken in",
}


@dataclass(frozen=True, slots=True)
class SourceTools:
    """What a source's runner works with."""

    name: str
    source: Source
    link: ConnectorLink
    outbox: Outbox
    envelopes: AddressedEnvelopes
    reports: Reports
    settings: RunnerSettings
    clock: Callable[[], datetime]
    authority: Authority
    stalls: Stalls = field(default_factory=Stalls)
    ended: Status = Status.STOPPED
    """How a source is that has given everything: OK where the connector delivers on."""


class SourceRunner:
    """Receive from one source; many events may wait for Kafka at once, each is settled by itself."""

    def __init__(self, tools: SourceTools) -> None:
        self._tools = tools
        self._refusal = tools.link.refusal("source")
        self._room = asyncio.Event()
        self._unsettled: set[asyncio.Future[Any]] = set()
        """What each event waits for: Kafka's report of it, then, where settling takes time, the task that does it."""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` or the end of the stream, then settle what was received.

        Raises:
            Exception: what the connector should not have raised, or `Misconfigured`: the connector must stop.
        """
        async with asyncio.TaskGroup() as self._group:
            receiving = self._group.create_task(self._receive_all())
            stopping = self._group.create_task(stop.wait())
            try:
                await asyncio.wait({receiving, stopping}, return_when=asyncio.FIRST_COMPLETED)
                # Nobody here has cancelled it yet: if it is, that came from inside the connector.
                if receiving.cancelled():
                    raise PartEndedError("source")
                receiving.cancel()
                stopping.cancel()
                await self._drain()
            finally:
                for late in self._unsettled:
                    late.cancel()

    async def _drain(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._tools.settings.drain_seconds):
                while self._unsettled:
                    await asyncio.wait(self._unsettled)

    async def _receive_all(self) -> None:
        while True:
            while len(self._unsettled) >= self._tools.settings.pending_per_source:
                self._room.clear()
                await self._room.wait()
            try:
                incoming = await self._receive()
            except EndOfStream:
                self._tools.reports.status("source", self._tools.ended, "end of the stream")
                return
            # No await from here on: a cancellation must not lose an event that has nobody to settle it.
            self._tools.link.worked()
            self._tools.reports.received()
            self._take(incoming)

    async def _receive(self) -> Incoming:
        while True:
            link = self._tools.link
            await self._refusal.due()
            generation = link.generation if link.is_up else await link.up()
            try:
                incoming = await self._tools.source.receive()
            except NotConnected as error:
                self._tools.reports.failed("receive", error)
                link.lost(generation, error)
            except AuthFailed as error:
                self._tools.reports.failed("receive", error)
                link.lost(generation)
                await self._until_taken(error)
            except Transient as error:
                self._tools.reports.failed("receive", error)
                await asyncio.sleep(self._tools.settings.backoff.seconds(1, error.retry_after))
            else:
                self._refusal.passed(self._refusal.epoch, proves=self._is_taken_again())
                return incoming

    async def _until_taken(self, refused: AuthFailed) -> None:
        """Ask with `check`, which creates nothing, until the platform refuses us no more.

        It may ask for what anybody is given: only where it was refused too does its passing prove the secret.
        """
        is_check_refused = False
        while True:
            await self._refusal.pause(self._refusal.refused("source", refused, self._refusal.epoch))
            await self._tools.link.up()
            try:
                async with asyncio.timeout(self._tools.settings.connect_seconds):
                    await self._tools.source.check()
            except AuthFailed as error:
                self._tools.reports.failed("check", error)
                refused, is_check_refused = error, True
            except (NotConnected, Transient, TimeoutError) as error:
                self._tools.reports.failed("check", error)
            else:
                self._refusal.admitted(proves=is_check_refused and self._is_taken_again())
                return

    def _is_taken_again(self) -> bool:
        """Whether the platform has refused our secret and takes it now; called where it has just taken something."""
        source = self._tools.source
        return self._refusal.is_of_secret and not (isinstance(source, GuardedSource) and source.is_refused())

    def _take(self, incoming: Incoming) -> None:
        """Queue the event for Kafka, now, in the order of receiving; what is left to do follows the report."""
        if isinstance(incoming.event, Unreadable):
            self._await(self._group.create_task(self._refuse_unreadable(incoming, incoming.event)))
        elif self._is_echo(incoming.event):
            self._tools.reports.passed_over("echo")
            self._settle(incoming, None)
        else:
            self._admit(incoming, incoming.event)

    def _admit(self, incoming: Incoming, record: Record) -> None:
        """Publish `record` as far as its sender may say it; else dead-letter it, and the connector tells its sender."""
        admitted = self._tools.authority.admit(record, incoming.proof)
        if isinstance(admitted, Refusal):
            self._await(self._group.create_task(self._refuse(incoming, record, admitted.code)))
            return
        step = self._step(admitted, incoming.traceparent)
        report = self._publish(admitted, step.traceparent if step else incoming.traceparent)
        report.add_done_callback(partial(self._confirm, incoming, step))
        self._await(report)

    def _await(self, work: asyncio.Future[Any]) -> None:
        self._unsettled.add(work)
        work.add_done_callback(self._done)

    def _done(self, work: asyncio.Future[Any]) -> None:
        self._unsettled.discard(work)
        self._room.set()

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

    def _confirm(self, incoming: Incoming, step: LoggedStep | None, report: asyncio.Future[Place]) -> None:
        """Settle what Kafka has reported on; a report is cancelled when the runner ends, and then nobody is told."""
        if report.cancelled():
            return
        error = report.exception()
        if isinstance(error, NotWritten):
            self._tools.reports.failed("publish", error.code)
        elif step is not None and error is None:
            step.done("published")
        self._settle(incoming, Transient("the hub could not keep it") if error else None)

    def _step(self, record: Record, traceparent: str | None) -> LoggedStep | None:
        """Begin the step by which an event is taken in; of positions and heartbeats there is none."""
        name = _STEPS.get(type(record))
        if name is None:
            return None
        cause = ((TRACEPARENT, traceparent.encode()),) if traceparent else ()
        step = LoggedStep(name, self._tools.envelopes.event_id_of(record), cause)
        if isinstance(record, DeliveryReceipt):
            step.destination, step.level = record.destination, record.level.value
        return step

    async def _refuse(self, incoming: Incoming, record: Record, code: str) -> None:
        if RECORDS.get(type(record).__name__) is not type(record):  # no schema of the hub's can write it
            await self._refuse_unreadable(incoming, Unreadable(code, record.model_dump_json().encode()))
            return
        try:
            await self._tools.envelopes.learn({type(record).__name__})  # it may be of a kind that nobody expected
        except SchemaUnavailableError:
            self._tools.reports.failed("dead_letter", "schema_unavailable")
            self._settle(incoming, Transient("the hub could not keep it"))
            return
        packed = self._tools.envelopes.pack_refused(record, incoming.traceparent)
        header = header_of(record)
        record_id = header.message_id if header else hashlib.sha256(packed.value or b"").hexdigest()
        letter_id = derived_id("refused", self._tools.name, record_id)
        letter = dead_letter(
            self._tools.name,
            Unsent(letter_id, packed.key, packed.value, packed.headers),
            stage="admit",
            code=code,
            now=self._tools.clock(),
            connector=self._tools.name,
        )
        await self._dead_letter(incoming, letter, type(record).__name__, code)

    async def _refuse_unreadable(self, incoming: Incoming, unreadable: Unreadable) -> None:
        now = self._tools.clock()
        record = Unsent(
            derived_id("unreadable", self._tools.name, hashlib.sha256(unreadable.raw).hexdigest()),
            unreadable.key.encode() if unreadable.key is not None else None,
            unreadable.raw,
            headers_of(unreadable.headers),
        )
        letter = dead_letter(
            self._tools.name, record, stage="receive", code=unreadable.code, now=now, connector=self._tools.name
        )
        await self._dead_letter(incoming, letter, "UNREADABLE", unreadable.code)

    async def _dead_letter(self, incoming: Incoming, letter: Outgoing, kind: str, code: str) -> None:
        try:
            await self._tools.outbox.send(letter)
        except NotWritten as error:
            self._tools.reports.failed("dead_letter", error.code)
            self._settle(incoming, Transient("the hub could not keep it"))
            return
        self._tools.reports.dead(kind, code)
        self._settle(incoming, Rejected(code))

    def _settle(self, incoming: Incoming, error: ConnectorError | None) -> None:
        """Settle with the source."""
        told = incoming.settle(error)
        if told is not SETTLED:
            self._await(self._group.create_task(self._heard(told)))

    async def _heard(self, told: Awaitable[None]) -> None:
        """Wait for the source; what its platform has not taken in it gives again, which its id makes harmless."""
        try:
            with self._tools.stalls.calling("settle"):
                await told
        except (NotConnected, Transient, AuthFailed, Rejected) as error:
            self._tools.reports.failed("settle", error)
