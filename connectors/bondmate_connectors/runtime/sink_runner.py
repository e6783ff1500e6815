"""Deliver one topic to one sink: one lane a key, nothing committed before its receipt or dead letter is durable.

Out of the runner's hands a record goes in one of four ways: sent (receipt written, then settled), dead-lettered (dead
letter and receipt written, then settled), passed over (counted and settled: a position that is expired, superseded or
rejected), or not at all (the connector stops; it is read again later).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from bondmate_schemas.codec import CodecError
from bondmate_schemas.enums import DeliveryKind, DeliveryReason
from bondmate_schemas.lateness import is_dropped_when_late, is_late, marked_late
from bondmate_schemas.models import Delivery

from bondmate_connectors.contract import LeanSink, Receipt
from bondmate_connectors.errors import AuthFailed, Misconfigured, NotConnected, Rejected, Throttled, Transient
from bondmate_connectors.runtime.gate import Attempt, Gate
from bondmate_connectors.runtime.intake import Intake, Slot, Taken
from bondmate_connectors.runtime.lanes import Lane, Lanes
from bondmate_connectors.runtime.reports import code_of
from bondmate_connectors.runtime.settlement import EXPIRED, Settlement
from bondmate_connectors.runtime.sink_tools import SinkTools
from bondmate_connectors.runtime.superseding import Superseding, is_newer, outdates
from bondmate_connectors.runtime.supervision import is_order, unending
from bondmate_connectors.runtime.suspects import Suspect, Verdict

_NOT_ACCEPTED = "kind_not_accepted"


class SinkRunner:
    """Work off what an `Intake` takes; a `Receiver`.

    `part` names this runner in the connector's health; `dead_letters` is the place of its dead letters. Of `positions`
    some are superseded while they wait (`Superseding`).
    """

    def __init__(self, tools: SinkTools, *, part: str, dead_letters: str, positions: bool) -> None:
        self._tools = tools
        self._settlement = Settlement(tools, dead_letters)
        self._positions = positions
        kinds = {DeliveryKind.LOCATION.value}
        self._accepts = tools.spec.accepts & kinds if positions else tools.spec.accepts - kinds
        self._superseding = Superseding(tools.settings)
        self._lanes: Lanes[Taken] = Lanes(
            is_newer if positions else None, _rank, self._may_drop, None if positions else outdates
        )
        refusal = tools.link.refusal("sink")
        refusal.wakes(self._lanes.wake)
        self._gate = Gate(part, tools.reports, tools.settings, refusal)
        tools.gates.append(self._gate)
        self._sending: dict[Taken, _Sending] = {}
        self._draining = False
        tools.stalls.ask("send", self._longest_send_seconds)
        tools.reports.watch(in_flight=lambda: len(self._sending), parked=lambda: self._lanes.parked)

    async def run(self, intake: Intake, stop: asyncio.Event) -> None:
        """Work until `stop`, then drain; an error of the connector or of the consumer ends it at once.

        Raises:
            Exception: what the connector should not have raised, or `Misconfigured`: the connector must stop.
        """
        self._loop = asyncio.get_running_loop()
        try:
            async with asyncio.TaskGroup() as group:
                self._settlement.open(group)
                workers = [unending(self._work(intake), "sink") for _ in range(self._tools.spec.max_in_flight)]
                helpers = (*workers, self._end_overdue(), _ended(intake))
                self._helpers = [group.create_task(work) for work in helpers]
                await stop.wait()
                await self._drain()
        finally:
            self._settlement.close()

    # What the intake calls.

    def receive(self, batch: Sequence[Taken]) -> None:
        """Queue a batch in its lanes."""
        self._see()
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
        self._gate.forget()
        self._tools.suspects.clear()
        try:
            async with asyncio.timeout(grace_seconds):
                await self._settlement.until(lambda: not any(slot.busy for slot in slots))
        except TimeoutError:
            for taken, sending in self._sending.items():
                if taken.slot.revoked:
                    sending.end()

    def _lane_key(self, taken: Taken) -> str:
        """Return the event's own key; what will not be sent has a lane of its own."""
        if isinstance(taken.content, Delivery) and taken.content.kind.value in self._accepts:
            return taken.content.key
        return f"\0{taken.slot.partition}:{taken.offset}"

    # Sending.

    async def _work(self, intake: Intake) -> None:
        while True:
            self._see()
            await self._tools.link.up()
            self._see()
            await self._tools.flights.opened()
            if self._gate.is_closed:
                await self._work_on(intake, await self._lanes.take())
            else:
                async with self._gate.turn() as is_probe:
                    if is_probe:
                        await self._probe(intake, await self._lanes.take())

    async def _probe(self, intake: Intake, lane: Lane[Taken]) -> None:
        # The turn among the gates comes last: whoever has it has something to send.
        async with self._gate.probe():
            kind = _kind_of(lane.head)
            if self._gate.asks_beside(kind):
                lane = self._lanes.instead(lane, lambda head: _kind_of(head) not in {kind, ""})
            await self._work_on(intake, lane, is_probe=not self._gate.is_closed)

    async def _work_on(self, intake: Intake, lane: Lane[Taken], *, is_probe: bool = False) -> None:
        if not self._tools.link.account.is_named:
            await self._work_on_one(intake, lane, is_probe=is_probe)
            return
        async with self._tools.link.account.offer():
            await self._work_on_one(intake, lane, is_probe=is_probe)

    async def _work_on_one(self, intake: Intake, lane: Lane[Taken], *, is_probe: bool) -> None:
        self._see()
        ready = self._tools.link.is_up and self._tools.flights.is_open
        if not ready or not (is_probe or self._gate.is_closed):
            self._lanes.again(lane)
        elif not intake.is_current():
            self._lanes.park(lane, self._tools.settings.poll_seconds, may_wake=False)
        elif (wait := self._gate.held_seconds(_kind_of(lane.head))) > 0:
            self._lanes.park(lane, wait, may_wake=True)
        elif self._tools.suspects.goes_alone(_id_of(lane.head)):
            await self._attempt_alone(lane)
        else:
            await self._attempt(lane)

    async def _attempt_alone(self, lane: Lane[Taken]) -> None:
        settings = self._tools.settings
        # Longer each time it was in vain, and at last as long as any send takes: a suspect may be an innocent SOS.
        wait_seconds = min(settings.alone_wait_seconds * 2**lane.vain_turns, settings.send_seconds)
        async with self._tools.flights.alone(wait_seconds, settings.alone_hold_seconds) as is_alone:
            if is_alone and self._tools.link.is_up:
                await self._attempt(lane)
            else:
                lane.vain_turns += not is_alone
                self._lanes.park(lane, settings.poll_seconds, may_wake=True)

    def _see(self) -> None:
        if self._positions:
            refused = self._gate.refuses(DeliveryKind.LOCATION.value)
            out = refused or not self._tools.link.is_up or not self._gate.is_closed
            self._superseding.see(self._tools.clock(), out=out)

    def _may_drop(self, lane: Lane[Taken], taken: Taken) -> bool:
        return self._superseding.may_drop(lane, taken, self._tools.clock())

    async def _attempt(self, lane: Lane[Taken]) -> None:
        taken = lane.head
        if taken.slot.revoked:
            self._lanes.finish(lane)
            return
        if self._positions:
            for old in self._superseding.superseded(lane, self._tools.clock()):
                lane.items.remove(old)
                self._pass_over(old, "superseded")
            taken = lane.head
        elif self._lanes.is_outdated(lane):
            self._pass_over_head(lane)
            return
        with self._settlement.in_hand(taken):
            await self._decide(lane, taken)

    async def _decide(self, lane: Lane[Taken], taken: Taken) -> None:
        if isinstance(taken.content, CodecError):
            self._bury(lane, taken, "decode", taken.content.code)
        elif code := self._unwanted(taken.content):
            if code == EXPIRED and (self._positions or taken.content.position_only):
                self._pass_over(taken, code)
                self._lanes.finish(lane)
            else:
                self._bury(lane, taken, "accept", code)
        else:
            delivery = taken.content
            await self._send(lane, taken, marked_late(delivery) if self._is_late(delivery) else delivery)

    def _unwanted(self, delivery: Delivery) -> str:
        """Return the code why `delivery` is not to be sent; empty when it is."""
        if delivery.kind.value not in self._accepts:
            return _NOT_ACCEPTED
        return EXPIRED if self._is_late(delivery) and is_dropped_when_late(delivery) else ""

    def _is_late(self, delivery: Delivery) -> bool:
        return is_late(delivery, self._tools.clock())

    async def _send(self, lane: Lane[Taken], taken: Taken, delivery: Delivery) -> None:
        attempt = self._gate.begin(lane, delivery.kind.value)
        if attempt is None:
            self._lanes.park(lane, self._tools.settings.backoff.seconds(lane.attempts), may_wake=True)
            return
        generation = self._tools.link.generation
        send = self._form(delivery)
        with self._tools.flights.flight() as flight:
            try:
                async with asyncio.timeout(None) as bound:
                    self._sending[taken] = _Sending(bound, self._loop.time() + self._tools.settings.send_seconds)
                    receipt = await send(delivery)
            except NotConnected as error:
                self._disconnected(lane, attempt, error, generation, alone=flight.alone)
            except AuthFailed as error:
                self._refused(lane, attempt, error)
            except Rejected as error:
                self._rejected(lane, attempt, error)
            except (Transient, TimeoutError) as error:
                self._park(lane, attempt, error)
            except Misconfigured:
                raise
            except (Exception, asyncio.CancelledError):
                if is_order() or not self._crashed(lane, attempt, alone=flight.alone):
                    raise
            else:
                self._worked(lane, attempt)
                self._tools.suspects.taken(_suspect(lane, taken))
                self._settlement.sent(taken, delivery, receipt, lane.attempts + 1)
                self._lanes.finish(lane)
            finally:
                del self._sending[taken]

    def _form(self, delivery: Delivery) -> Callable[[Delivery], Awaitable[Receipt]]:
        """Return how to send: as it is, or in the leanest form of one that was not taken as it is."""
        sink = self._tools.sink
        if isinstance(sink, LeanSink) and self._tools.suspects.goes_lean(delivery.id):
            return sink.send_lean
        return sink.send

    def _may_lean(self, taken: Taken) -> bool:
        is_news = isinstance(taken.content, Delivery) and not taken.content.position_only
        return is_news and _kind_of(taken) == DeliveryKind.ALERT.value and isinstance(self._tools.sink, LeanSink)

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

    def _longest_send_seconds(self) -> float:
        first = next(iter(self._sending.values()), None)
        return 0.0 if first is None else self._loop.time() - first.due + self._tools.settings.send_seconds

    def _worked(self, lane: Lane[Taken], attempt: Attempt) -> None:
        self._tools.link.worked()
        if self._gate.worked(lane, attempt):
            for gate in self._tools.gates:
                gate.relieved()
            self._see()
            self._lanes.wake()

    def _disconnected(
        self, lane: Lane[Taken], attempt: Attempt, error: NotConnected, generation: int, *, alone: bool
    ) -> None:  # fmt: skip
        """Go on when the link is back, at once; an event at which it breaks again and again steps aside."""
        self._tools.reports.failed("send", error)
        lane.attempts += 1
        taken = lane.head
        verdict = self._tools.suspects.broke(_suspect(lane, taken), alone=alone, may_lean=self._may_lean(taken))
        # All that was under way fails with the link; that is one failure.
        if self._tools.link.lost(generation, error):
            self._gate.failed(lane, attempt, code_of(error))
        else:
            self._gate.withdrawn(attempt)
        if verdict is Verdict.GUILTY:
            self._bury(lane, taken, "send", self._tools.suspects.code_of(_id_of(taken)))
        elif lane.attempts == 1:
            self._lanes.again(lane)
        else:
            self._set_aside(lane, self._tools.settings.backoff.seconds(lane.attempts - 1), may_wake=True)

    def _crashed(self, lane: Lane[Taken], attempt: Attempt, *, alone: bool) -> bool:
        """Note that the connector crashes at this event; returns whether the event ends here, and not the connector."""
        taken = lane.head
        verdict = self._tools.suspects.broke(_suspect(lane, taken), alone=alone, may_lean=self._may_lean(taken))
        if verdict is not Verdict.GUILTY:
            return False
        self._gate.withdrawn(attempt)
        self._bury(lane, taken, "send", self._tools.suspects.code_of(_id_of(taken)))
        return True

    def _refused(self, lane: Lane[Taken], attempt: Attempt, error: AuthFailed) -> None:
        """Wait until the platform takes us again; an event that alone is refused steps aside, and ends some time."""
        self._tools.reports.failed("send", error)
        if lane.head.slot.revoked:
            self._gate.withdrawn(attempt)
            self._lanes.finish(lane)
            return
        lane.attempts += 1
        taken, suspects = lane.head, self._tools.suspects
        verdict = suspects.refused(_suspect(lane, taken), error.code, may_lean=self._may_lean(taken))
        if verdict is Verdict.OPEN:
            self._set_aside(lane, self._gate.refused(lane, attempt, error), may_wake=True)
            return
        self._gate.stands_alone(lane, attempt, error.code)
        if verdict is Verdict.ALONE:
            seconds = self._tools.settings.refused.seconds(suspects.tries(_id_of(taken)))
            self._set_aside(lane, seconds, may_wake=False)
        else:
            self._try_lean_or_bury(lane, verdict)

    def _rejected(self, lane: Lane[Taken], attempt: Attempt, error: Rejected) -> None:
        self._worked(lane, attempt)
        taken = lane.head
        if isinstance(taken.content, Delivery) and taken.content.position_only:
            # The alert itself has its dead letter; its positions would be one a second, each with a place.
            self._tools.reports.failed("send", error)
            self._pass_over_head(lane, "rejected")
            return
        may_lean = self._may_lean(taken)
        verdict = self._tools.suspects.rejected(_suspect(lane, taken), error.code, may_lean=may_lean)
        if verdict is Verdict.LEAN:
            lane.attempts += 1
            self._tools.reports.failed("send", error)
        self._try_lean_or_bury(lane, verdict)

    def _try_lean_or_bury(self, lane: Lane[Taken], verdict: Verdict) -> None:
        if verdict is Verdict.LEAN:
            self._lanes.again(lane)
        else:
            self._bury(lane, lane.head, "send", self._tools.suspects.code_of(_id_of(lane.head)))

    def _park(self, lane: Lane[Taken], attempt: Attempt, error: Transient | TimeoutError) -> None:
        self._tools.reports.failed("send", error)
        if lane.head.slot.revoked:
            self._gate.withdrawn(attempt)
            self._lanes.finish(lane)
            return
        lane.attempts += 1
        asked = getattr(error, "retry_after", None)
        wait = self._tools.settings.backoff.seconds(lane.attempts, asked)
        if isinstance(error, Throttled) and not self._gate.is_own_trouble(lane):
            for gate in self._tools.gates:
                gate.throttled(wait, attempt if gate is self._gate else None, code_of(error))
            self._set_aside(lane, min(wait, self._gate.wait_seconds()), may_wake=True)
        else:
            self._gate.failed(lane, attempt, code_of(error))
            self._set_aside(lane, wait, may_wake=asked is None)

    def _set_aside(self, lane: Lane[Taken], seconds: float, *, may_wake: bool) -> None:
        """Let a lane wait, unless its head was only a position update and the alert itself has come behind it."""
        if self._lanes.is_outdated(lane):
            self._pass_over_head(lane)
        else:
            self._lanes.park(lane, seconds, may_wake=may_wake)

    def _pass_over_head(self, lane: Lane[Taken], reason: str = "superseded") -> None:
        self._settlement.pass_over(lane.head, reason)
        self._given_up(lane, lane.head)

    def _bury(self, lane: Lane[Taken], taken: Taken, stage: str, code: str) -> None:
        """Dead-letter the head of `lane`, which waits for that; other lanes do not."""
        self._settlement.bury(taken, stage, code, lane.attempts + 1, partial(self._given_up, lane, taken))

    def _given_up(self, lane: Lane[Taken], taken: Taken) -> None:
        self._tools.suspects.forget(_id_of(taken))
        self._gate.given_up(lane)
        self._lanes.finish(lane)

    def _pass_over(self, taken: Taken, reason: str) -> None:
        self._tools.suspects.forget(_id_of(taken))
        self._settlement.pass_over(taken, reason)

    # Stopping.

    async def _drain(self) -> None:
        """Finish what is in hand and what lies before it, so that the commit leaves no gap and nothing is repeated."""
        self._draining = True
        self._lanes.discard(lambda taken: taken.offset > taken.slot.started)
        try:
            async with asyncio.timeout(self._tools.settings.drain_seconds):
                await self._settlement.until(self._is_quiet)
        except TimeoutError:
            self._tools.reports.failed("drain", "timeout")
        for task in self._helpers:
            task.cancel()
        self._settlement.cancel()

    def _is_quiet(self) -> bool:
        stalled = not self._gate.is_closed or not self._tools.link.is_up
        return not self._settlement.busy and (stalled or not any(self._lanes.waiting()))


@dataclass(frozen=True, slots=True)
class _Sending:
    """A send under way; `due` is when it must have ended."""

    bound: asyncio.Timeout
    due: float

    def end(self) -> None:
        """Have it raise `TimeoutError`, unless it was told before."""
        if self.bound.when() is None:
            self.bound.reschedule(0)


def _id_of(taken: Taken) -> str:
    return taken.content.id if isinstance(taken.content, Delivery) else ""


def _suspect(lane: Lane[Taken], taken: Taken) -> Suspect:
    return Suspect(_id_of(taken), lane.key, _kind_of(taken))


def _kind_of(taken: Taken) -> str:
    return taken.content.kind.value if isinstance(taken.content, Delivery) else ""


async def _ended(intake: Intake) -> None:
    """Raise what ended the intake; it does not end by itself."""
    await asyncio.shield(intake.ended)


def _rank(taken: Taken) -> int:
    """Alerts first, then what else people wait for, then what only repeats or moves, or will not be sent."""
    delivery = taken.content
    if not isinstance(delivery, Delivery) or delivery.reason is DeliveryReason.REFRESH or delivery.position_only:
        return 2
    return 0 if delivery.kind is DeliveryKind.ALERT and not delivery.is_of_others_only else 1
