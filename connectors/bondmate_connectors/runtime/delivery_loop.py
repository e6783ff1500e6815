"""Take the next key that is ready, and send its first record when the platform can be expected to take it.

As many workers as the sink allows run the same loop. A worker that finds the platform away, refusing or asked to be
left alone sends nothing, except that one at a time probes it. What an answer means is decided in `outcome`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from typing import Final

from bondmate_schemas.codec import CodecError
from bondmate_schemas.enums import DeliveryKind, DeliveryReason
from bondmate_schemas.lateness import is_dropped_when_late, is_late, marked_late
from bondmate_schemas.models import Delivery

from bondmate_connectors.contract import LeanSink, Receipt
from bondmate_connectors.errors import AuthFailed, Misconfigured, NotConnected, Rejected, Transient
from bondmate_connectors.runtime.circuit_breaker import CircuitBreaker
from bondmate_connectors.runtime.intake import ConsumedRecord, Intake
from bondmate_connectors.runtime.keyed_queue import KeyedQueue, KeyLine
from bondmate_connectors.runtime.outcome import Outcomes
from bondmate_connectors.runtime.send_timer import SendTimer
from bondmate_connectors.runtime.settlement import EXPIRED, Settlement
from bondmate_connectors.runtime.sink_tools import SinkTools
from bondmate_connectors.runtime.superseding import Superseding
from bondmate_connectors.runtime.supervision import is_order

NOT_ACCEPTED: Final = "kind_not_accepted"
"""Code of what the sink does not take by its specification."""
TEST_NOT_MARKED: Final = "test_not_marked"
"""Code of a drill for a sink that could not tell its people that it is one."""


class DeliveryLoop:
    """Queues what comes (`receive`) and sends it (`run`, once for each worker).

    `superseding` is given for positions, some of which need not be sent once a newer one is there.
    """

    def __init__(
        self,
        tools: SinkTools,
        queue: KeyedQueue[ConsumedRecord],
        breaker: CircuitBreaker,
        outcomes: Outcomes,
        *,
        settlement: Settlement,
        timer: SendTimer,
        superseding: Superseding | None,
    ) -> None:
        self._tools = tools
        self._queue = queue
        self._breaker = breaker
        self._outcomes = outcomes
        self._settlement = settlement
        self._timer = timer
        self._superseding = superseding
        positions = {DeliveryKind.LOCATION.value}
        self._accepts = tools.spec.accepts & positions if superseding else tools.spec.accepts - positions

    # Take.

    def receive(self, batch: Sequence[ConsumedRecord], *, begins: bool) -> None:
        """Note a batch as taken, and queue it where it `begins`; what is superseded at once is passed over."""
        self._watch_outage()
        for record in batch:
            if record.partition.revoked:
                continue
            self._tools.backlog.add(record.partition)
            record.partition.tracker.take(record.offset)
            record.partition.held[record.offset] = record
            if begins:
                for old in self._queue.put(self._key_of(record), record):
                    self._outcomes.pass_over(old)

    def _key_of(self, record: ConsumedRecord) -> str:
        """Return the event's own key; what will not be sent has one of its own, and waits for nothing."""
        if isinstance(record.content, Delivery) and record.content.kind.value in self._accepts:
            return record.content.key
        return f"\0{record.partition.number}:{record.offset}"

    async def run(self, intake: Intake) -> None:
        """Send one record after the other, until cancelled."""
        while True:
            self._watch_outage()
            await self._tools.link.up()
            self._watch_outage()
            await self._tools.flights.opened()
            if self._breaker.is_closed:
                await self._deliver(intake, await self._queue.take())
            else:
                async with self._breaker.turn() as is_probe:
                    if is_probe:
                        await self._probe(intake, await self._queue.take())

    async def _probe(self, intake: Intake, line: KeyLine[ConsumedRecord]) -> None:
        # The turn among the breakers comes last: whoever has it has something to send.
        async with self._breaker.refusal.turn():
            kind = line.head.kind
            if self._breaker.refusal.asks_beside(kind):
                line = self._queue.instead(line, lambda head: head.kind not in {kind, ""})
            await self._deliver(intake, line, is_probe=not self._breaker.is_closed)

    async def _deliver(self, intake: Intake, line: KeyLine[ConsumedRecord], *, is_probe: bool = False) -> None:
        """Send the head of a line, or put the line back: what held may have changed while it was waited for."""
        account = self._tools.link.account
        async with account.offer() if account.is_named else nullcontext():
            self._watch_outage()
            ready = self._tools.link.is_up and self._tools.flights.is_open
            if not ready or not (is_probe or self._breaker.is_closed):
                self._queue.again(line)
            elif not intake.is_current():
                self._queue.park(line, self._tools.settings.poll_seconds, may_wake=False)
            elif (wait := self._breaker.refusal.held_seconds(line.head.kind)) > 0:
                self._queue.park(line, wait, may_wake=True)
            elif self._tools.suspects.goes_alone(line.head.event_id):
                await self._deliver_alone(line)
            else:
                await self._deliver_head(line)

    async def _deliver_alone(self, line: KeyLine[ConsumedRecord]) -> None:
        """Send a suspect with nothing else under way: if the link breaks again, it is known at which event."""
        settings = self._tools.settings
        # Longer each time it was in vain, and at last as long as any send takes: a suspect may be an innocent SOS.
        wait_seconds = min(settings.alone_wait_seconds * 2**line.vain_turns, settings.send_seconds)
        async with self._tools.flights.alone(wait_seconds, settings.alone_hold_seconds) as is_alone:
            if is_alone and self._tools.link.is_up:
                await self._deliver_head(line)
            else:
                line.vain_turns += not is_alone
                self._queue.park(line, settings.poll_seconds, may_wake=True)

    def _watch_outage(self) -> None:
        """Keep in mind for positions whether the platform is away."""
        if self._superseding:
            refused = self._breaker.refusal.refuses(DeliveryKind.LOCATION.value)
            out = refused or not self._tools.link.is_up or not self._breaker.is_closed
            self._superseding.see(self._tools.clock(), out=out)

    # Send.

    async def _deliver_head(self, line: KeyLine[ConsumedRecord]) -> None:
        if line.head.partition.revoked:
            self._queue.finish(line)
            return
        if self._superseding:
            for old in self._superseding.superseded(line, self._tools.clock()):
                line.items.remove(old)
                self._outcomes.pass_over(old)
        elif self._queue.is_outdated(line):
            self._outcomes.pass_over_head(line)
            return
        record = line.head
        with self._settlement.in_hand(record):
            if isinstance(record.content, CodecError):
                self._outcomes.dead_letter(line, record, "decode", record.content.code)
            elif code := self._unwanted(record.content):
                self._outcomes.unwanted(line, record, code, is_position=self._superseding is not None)
            else:
                await self._send(line, record, record.content)

    def _unwanted(self, delivery: Delivery) -> str:
        """Return the code why `delivery` is not to be sent; empty when it is."""
        if delivery.kind.value not in self._accepts:
            return NOT_ACCEPTED
        if delivery.is_drill and not self._tools.spec.marks_test:
            return TEST_NOT_MARKED
        return EXPIRED if is_late(delivery, self._tools.clock()) and is_dropped_when_late(delivery) else ""

    async def _send(self, line: KeyLine[ConsumedRecord], record: ConsumedRecord, delivery: Delivery) -> None:
        attempt = self._breaker.begin(line, delivery.kind.value)
        if attempt is None:
            self._queue.park(line, self._tools.settings.backoff.seconds(line.attempts), may_wake=True)
            return
        delivery = marked_late(delivery) if is_late(delivery, self._tools.clock()) else delivery
        generation = self._tools.link.generation
        send = self._form_of(delivery)
        with self._tools.flights.flight() as flight:
            try:
                async with self._timer.limit(record):
                    receipt = await send(delivery)
            except NotConnected as error:
                self._outcomes.disconnected(line, attempt, error, generation, alone=flight.alone)
            except AuthFailed as error:
                self._outcomes.refused(line, attempt, error)
            except Rejected as error:
                self._outcomes.rejected(line, attempt, error)
            except (Transient, TimeoutError) as error:
                self._outcomes.not_now(line, attempt, error)
            except Misconfigured:
                raise
            except (Exception, asyncio.CancelledError):
                if is_order() or not self._outcomes.crashed(line, attempt, alone=flight.alone):
                    raise
            else:
                self._outcomes.sent(line, attempt, delivery, receipt)

    def _form_of(self, delivery: Delivery) -> Callable[[Delivery], Awaitable[Receipt]]:
        """Return how to send: as it is, or in the leanest form of one that was not taken as it is."""
        sink = self._tools.sink
        if isinstance(sink, LeanSink) and self._tools.suspects.goes_lean(delivery.id):
            return sink.send_lean
        return sink.send


def rank_of(record: ConsumedRecord) -> int:
    """Return 0 for alerts, 1 for what else people wait for, 2 for what only repeats or moves, or will not be sent."""
    delivery = record.content
    if not isinstance(delivery, Delivery) or delivery.reason is DeliveryReason.REFRESH or delivery.position_only:
        return 2
    return 0 if delivery.kind is DeliveryKind.ALERT and not delivery.is_of_others_only else 1
