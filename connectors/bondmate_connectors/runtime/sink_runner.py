"""Deliver one topic to one sink: one lane a key, nothing committed before its receipt or dead letter is durable.

Out of the runner's hands a record goes in one of four ways: sent (receipt written, then settled), dead-lettered (dead
letter and receipt written, then settled), passed over (counted and settled: a position that is expired or superseded),
or not at all (the connector stops; it is read again later).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from bondmate_schemas.codec import CodecError
from bondmate_schemas.enums import DeliveryKind, DeliveryReason, Level
from bondmate_schemas.models import Delivery

from bondmate_connectors.contract import ConnectorSpec, Receipt, Sink, Status
from bondmate_connectors.errors import NotConnected, Rejected, Transient
from bondmate_connectors.runtime.backlog import Backlog
from bondmate_connectors.runtime.dead_letters import Grave, Origin, dead_letter
from bondmate_connectors.runtime.envelopes import TRACEPARENT, Envelopes
from bondmate_connectors.runtime.intake import Intake, Slot, Taken
from bondmate_connectors.runtime.lanes import Lane, Lanes
from bondmate_connectors.runtime.link import Link
from bondmate_connectors.runtime.outbox import Outbox, Outgoing
from bondmate_connectors.runtime.receipts import receipt_for
from bondmate_connectors.runtime.reports import Reports, code_of
from bondmate_connectors.runtime.retry import Breaker
from bondmate_connectors.runtime.settings import RunnerSettings

_EXPIRED = "expired"
_NOT_ACCEPTED = "kind_not_accepted"


@dataclass(frozen=True, slots=True)
class SinkTools:
    """What a sink's runner works with, shared by the lanes of alerts and of positions of one connector."""

    name: str
    spec: ConnectorSpec
    sink: Sink
    link: Link
    outbox: Outbox
    envelopes: Envelopes
    reports: Reports
    backlog: Backlog
    settings: RunnerSettings
    clock: Callable[[], datetime]


class SinkRunner:
    """Work off what an `Intake` takes; a `Receiver`.

    `part` names this runner in the connector's health; `dead_letters` is the place of its dead letters. With
    `newest_only`, a key's waiting events are superseded by the newest (positions).
    """

    def __init__(self, tools: SinkTools, *, part: str, dead_letters: str, newest_only: bool) -> None:
        self._tools = tools
        self._part = part
        self._dead_letters = dead_letters
        self._newest_only = newest_only
        positions = {DeliveryKind.LOCATION.value}
        self._accepts = tools.spec.accepts & positions if newest_only else tools.spec.accepts - positions
        self._lanes: Lanes[Taken] = Lanes(_newer if newest_only else None)
        self._breaker = Breaker(tools.settings.breaker_failures)
        self._probe = asyncio.Lock()
        self._sending: dict[Taken, _Sending] = {}
        self._writing: set[asyncio.Task[None]] = set()
        self._progress = asyncio.Event()
        self._busy = 0
        self._draining = False
        self._ended = False
        tools.reports.watch(in_flight=lambda: len(self._sending), parked=lambda: self._lanes.parked)

    async def run(self, intake: Intake, stop: asyncio.Event) -> None:
        """Work until `stop`, then drain; an error of the connector or of the consumer ends it at once.

        Raises:
            Exception: what the connector should not have raised, or `Misconfigured`: the connector must stop.
        """
        self._loop = asyncio.get_running_loop()
        try:
            async with asyncio.TaskGroup() as self._group:
                workers = [self._work(intake) for _ in range(self._tools.spec.max_in_flight)]
                helpers = (*workers, self._end_overdue(), _ended(intake))
                self._helpers = [self._group.create_task(work) for work in helpers]
                await stop.wait()
                await self._drain()
        finally:
            self._ended = True

    # What the intake calls.

    def receive(self, batch: Sequence[Taken]) -> None:
        """Queue a batch in its lanes."""
        for taken in batch:
            if taken.slot.revoked:
                continue
            self._tools.backlog.add(taken.slot)
            taken.slot.tracker.take(taken.offset)
            taken.slot.held[taken.offset] = taken
            if self._draining:
                continue
            for old in self._lanes.put(self._lane_key(taken), taken):
                self._pass_over(old, "superseded")

    async def give_up(self, slots: Sequence[Slot], grace_seconds: float) -> None:
        """Begin nothing more of `slots`, wait for what is in hand, cancel it after `grace_seconds`."""
        for slot in slots:
            slot.revoked = True
            self._tools.backlog.remove(slot)
        self._lanes.discard(lambda taken: taken.slot.revoked)
        try:
            async with asyncio.timeout(grace_seconds):
                await self._until(lambda: not any(slot.busy for slot in slots))
        except TimeoutError:
            for taken, sending in self._sending.items():
                if taken.slot.revoked:
                    sending.end()

    def _lane_key(self, taken: Taken) -> str:
        """Give the event's own key; what will not be sent has a lane of its own."""
        if isinstance(taken.content, Delivery) and taken.content.kind.value in self._accepts:
            return taken.content.key
        return f"\0{taken.slot.partition}:{taken.offset}"

    # Sending.

    async def _work(self, intake: Intake) -> None:
        while True:
            await self._tools.link.up()
            lane = await self._lanes.take()
            if not self._tools.link.is_up:
                self._lanes.again(lane)
            elif not intake.is_current():
                self._lanes.park(lane, self._tools.settings.poll_seconds, may_wake=False)
            elif self._breaker.is_open:
                await self._attempt_as_probe(lane)
            else:
                await self._attempt(lane)

    async def _attempt_as_probe(self, lane: Lane[Taken]) -> None:
        """Try when the platform seems down: one at a time, with growing waits, until one gets through."""
        async with self._probe:
            if self._breaker.is_open:
                await asyncio.sleep(self._tools.settings.backoff.seconds(self._breaker.probes))
                await self._attempt(lane)
                return
        await self._attempt(lane)

    async def _attempt(self, lane: Lane[Taken]) -> None:
        taken = lane.head
        if taken.slot.revoked:
            self._lanes.finish(lane)
            return
        self._begin(taken)
        try:
            await self._decide(lane, taken)
        finally:
            self._end(taken)

    async def _decide(self, lane: Lane[Taken], taken: Taken) -> None:
        if isinstance(taken.content, CodecError):
            self._bury(lane, taken, "decode", taken.content.code)
        elif code := self._unwanted(taken.content):
            if self._newest_only and code == _EXPIRED:
                self._pass_over(taken, code)
                self._lanes.finish(lane)
            else:
                self._bury(lane, taken, "accept", code)
        else:
            await self._send(lane, taken, taken.content)

    def _unwanted(self, delivery: Delivery) -> str:
        """Say by code why `delivery` is not to be sent; empty when it is."""
        if delivery.kind.value not in self._accepts:
            return _NOT_ACCEPTED
        expires = _expiry(delivery)
        return _EXPIRED if expires is not None and expires <= self._tools.clock() else ""

    async def _send(self, lane: Lane[Taken], taken: Taken, delivery: Delivery) -> None:
        generation = self._tools.link.generation
        try:
            async with asyncio.timeout(None) as bound:
                self._sending[taken] = _Sending(bound, self._loop.time() + self._tools.settings.send_seconds)
                receipt = await self._tools.sink.send(delivery)
        except NotConnected as error:
            self._tools.reports.failed("send", error)
            self._tools.link.lost(generation)
            self._lanes.again(lane)
        except Rejected as error:
            self._worked()
            self._bury(lane, taken, "send", error.code)
        except (Transient, TimeoutError) as error:
            self._park(lane, taken, error)
        else:
            self._worked()
            self._sent(taken, delivery, receipt, lane.attempts + 1)
            self._lanes.finish(lane)
        finally:
            del self._sending[taken]

    async def _end_overdue(self) -> None:
        """End every send that takes longer than it may: one timer for all, and none for those that are soon done."""
        while True:
            now = self._loop.time()
            next_due = now + self._tools.settings.send_seconds
            for sending in self._sending.values():
                if sending.due <= now:
                    sending.end()
                else:
                    # They began in this order, so the others are due later.
                    next_due = sending.due
                    break
            await asyncio.sleep(next_due - now)

    def _worked(self) -> None:
        self._tools.link.worked()
        if self._breaker.worked():
            self._tools.reports.status(self._part, Status.OK, "sending again")
            self._lanes.wake()

    def _park(self, lane: Lane[Taken], taken: Taken, error: Transient | TimeoutError) -> None:
        self._tools.reports.failed("send", error)
        if taken.slot.revoked:
            self._lanes.finish(lane)
            return
        lane.attempts += 1
        asked = getattr(error, "retry_after", None)
        self._lanes.park(lane, self._tools.settings.backoff.seconds(lane.attempts, asked), may_wake=asked is None)
        if self._breaker.failed():
            self._tools.reports.status(self._part, Status.RECOVERABLE_ERROR, f"failing: {code_of(error)}")

    # Settling.

    def _sent(self, taken: Taken, delivery: Delivery, receipt: Receipt, attempt: int) -> None:
        now = self._tools.clock()
        # A refresh repeats an event that may be hours old: its age says nothing of the hub.
        fresh = delivery.reason is not DeliveryReason.REFRESH
        seconds = (now - delivery.header.received_at).total_seconds() if fresh else None
        self._tools.reports.sent(delivery.kind.value, seconds)
        self._confirm(taken, delivery, receipt.level, attempt=attempt, platform_id=receipt.platform_id)

    def _confirm(
        self,
        taken: Taken,
        delivery: Delivery,
        level: Level,
        *,
        attempt: int,
        platform_id: str | None = None,
        code: str | None = None,
    ) -> None:
        """Write the receipt and settle when Kafka has it; positions have no receipt, their metrics say enough."""
        if delivery.kind is DeliveryKind.LOCATION:
            self._settle(taken)
            return
        record = receipt_for(
            delivery, level, now=self._tools.clock(), attempt=attempt, platform_id=platform_id, code=code
        )
        message = self._tools.envelopes.pack(record, _traceparent(taken))
        self._begin(taken)
        report = self._tools.outbox.send(message)
        report.add_done_callback(partial(self._confirmed, taken, message))

    def _confirmed(self, taken: Taken, message: Outgoing, report: asyncio.Future[None]) -> None:
        failed = report.cancelled() or report.exception() is not None
        if failed and self._ended:
            return
        if failed:
            self._write(self._confirm_again(taken, message))
            return
        self._settle(taken)
        self._end(taken)

    async def _confirm_again(self, taken: Taken, message: Outgoing) -> None:
        try:
            await self._tools.outbox.persist(message, partial(self._tools.reports.failed, "receipt"))
            self._settle(taken)
        finally:
            self._end(taken)

    def _bury(self, lane: Lane[Taken], taken: Taken, stage: str, code: str) -> None:
        """Dead-letter the head of `lane`, which waits for that; other lanes do not."""
        self._tools.reports.failed(stage, code)
        self._write(self._write_dead_letter(lane, taken, stage, code))

    async def _write_dead_letter(self, lane: Lane[Taken], taken: Taken, stage: str, code: str) -> None:
        self._begin(taken)
        try:
            grave = Grave(self._tools.name, stage, code, self._tools.clock())
            origin = Origin(taken.slot.topic, taken.slot.partition, taken.offset)
            letter = dead_letter(self._dead_letters, grave, key=taken.key, value=taken.value, headers=taken.headers,
                                 origin=origin)  # fmt: skip
            await self._tools.outbox.persist(letter, self._dead_letter_refused)
            self._buried(taken, code, lane.attempts + 1)
            self._lanes.finish(lane)
        finally:
            self._end(taken)

    def _write(self, work: Coroutine[Any, Any, None]) -> None:
        """Write something that must become durable beside the workers; cancelled when the drain's time is over."""
        task = self._group.create_task(work)
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    def _dead_letter_refused(self, code: str) -> None:
        self._tools.reports.failed("dead_letter", code)

    def _buried(self, taken: Taken, code: str, attempt: int) -> None:
        if isinstance(taken.content, CodecError):
            self._tools.reports.dead("UNREADABLE", code)
            self._settle(taken)
        else:
            self._tools.reports.dead(taken.content.kind.value, code)
            self._confirm(taken, taken.content, Level.DEAD_LETTERED, attempt=attempt, code=code)

    def _pass_over(self, taken: Taken, reason: str) -> None:
        self._tools.reports.passed_over(reason)
        self._settle(taken)

    def _settle(self, taken: Taken) -> None:
        slot = taken.slot
        del slot.held[taken.offset]
        slot.tracker.settle(taken.offset)
        slot.released += 1

    # Counting what is in hand.

    def _begin(self, taken: Taken) -> None:
        taken.slot.busy += 1
        taken.slot.started = max(taken.slot.started, taken.offset)
        self._busy += 1

    def _end(self, taken: Taken) -> None:
        taken.slot.busy -= 1
        self._busy -= 1
        self._progress.set()

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._progress.clear()
            await self._progress.wait()

    # Stopping.

    async def _drain(self) -> None:
        """Finish what is in hand and what lies before it, so that the commit leaves no gap and nothing is repeated."""
        self._draining = True
        self._lanes.discard(lambda taken: taken.offset > taken.slot.started)
        try:
            async with asyncio.timeout(self._tools.settings.drain_seconds):
                await self._until(self._is_quiet)
        except TimeoutError:
            self._tools.reports.failed("drain", "timeout")
        for task in (*self._helpers, *self._writing):
            task.cancel()

    def _is_quiet(self) -> bool:
        stalled = self._breaker.is_open or not self._tools.link.is_up
        return not self._busy and (stalled or not any(self._lanes.waiting()))


@dataclass(frozen=True, slots=True)
class _Sending:
    """A send under way; `due` is when it must have ended."""

    bound: asyncio.Timeout
    due: float

    def end(self) -> None:
        """Have it raise `TimeoutError`, unless it was told before."""
        if self.bound.when() is None:
            self.bound.reschedule(0)


async def _ended(intake: Intake) -> None:
    """Raise what ended the intake; it does not end by itself."""
    await asyncio.shield(intake.ended)


def _newer(last: Taken, before: Taken) -> bool:
    """Whether the later record has the later fix; such lanes hold positions only."""
    later, earlier = (t.content.location for t in (last, before) if isinstance(t.content, Delivery))
    return later is None or earlier is None or later.position.fixed_at >= earlier.position.fixed_at


def _expiry(delivery: Delivery) -> datetime | None:
    """Give the time from which `delivery` is not sent any more.

    An alert's own expiry says only that it is no longer new: late is better than never. What ends it is the expiry that
    its route names, which stands in the Delivery and is the earlier one.
    """
    named, own = delivery.header.expires_at, delivery.event.header.expires_at
    return None if delivery.kind is DeliveryKind.ALERT and named == own else named


def _traceparent(taken: Taken) -> str | None:
    found = next((content for name, content in taken.headers if name == TRACEPARENT), None)
    return found.decode(errors="replace") if isinstance(found, bytes) else None
