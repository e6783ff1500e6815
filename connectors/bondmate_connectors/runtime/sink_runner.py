"""Deliver one topic to one sink: order within a key, keys side by side, nothing committed before it is settled.

What happens to a record, and where to read of it:

1. `intake` takes it from Kafka and hands it over; it waits behind the earlier ones of its key (`keyed_queue`).
2. `delivery_loop` takes a key that is ready and sends its first record. `circuit_breaker` says whether the platform can
   be expected to take it, `suspects` whether it must go alone. `superseding` passes over positions that are stale.
3. `outcome` decides by the answer: sent, try again later, or give up; `settlement` writes what must be durable then.
4. `drain` ends it in order, when the process stops or a partition goes to another one.

While the platform is away, `link` closes the connection and connects again, `retry` says after which wait, and
`refusal` lets one probe ask for all where the platform refuses us. `reports` and `heartbeat` tell how it stands, by
which `bondmate_streams.logic.pages` pages operations. This module puts the parts together (ADR 0038).

A record leaves the runner in one of four ways. It is sent: its receipt is written, then it is settled. It is
dead-lettered: dead letter and receipt are written, then it is settled. It is passed over: a position that is expired,
superseded or rejected is counted and settled. Or the connector stops, nothing is settled, and it is read again later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from bondmate_connectors.runtime.circuit_breaker import CircuitBreaker
from bondmate_connectors.runtime.delivery_loop import DeliveryLoop, rank_of
from bondmate_connectors.runtime.drain import Drain
from bondmate_connectors.runtime.intake import ConsumedRecord, Intake, PartitionState
from bondmate_connectors.runtime.keyed_queue import KeyedQueue
from bondmate_connectors.runtime.outcome import Outcomes
from bondmate_connectors.runtime.send_timer import SendTimer
from bondmate_connectors.runtime.settlement import Settlement
from bondmate_connectors.runtime.sink_tools import SinkTools
from bondmate_connectors.runtime.superseding import Superseding, is_newer, outdates
from bondmate_connectors.runtime.supervision import unending


class SinkRunner:
    """Work off what an `Intake` takes; a `Receiver`.

    `part` names this runner in the connector's health; `dead_letters` is the place of its dead letters. Of `positions`
    some are superseded while they wait (`Superseding`).
    """

    def __init__(self, tools: SinkTools, *, part: str, dead_letters: str, positions: bool) -> None:
        self._tools = tools
        superseding = Superseding(tools.settings) if positions else None
        queue = _queue(superseding, tools.clock)
        refusal = tools.link.refusal("sink")
        refusal.wakes(queue.wake)
        breaker = CircuitBreaker(part, tools.reports, tools.settings, refusal)
        tools.breakers.append(breaker)
        self._settlement = Settlement(tools, dead_letters)
        self._timer = SendTimer(tools.settings.send_seconds)
        outcomes = Outcomes(tools, queue, breaker, self._settlement)
        self._loop = DeliveryLoop(
            tools, queue, breaker, outcomes, settlement=self._settlement, timer=self._timer, superseding=superseding
        )
        self._drain = Drain(tools, queue, breaker, self._settlement, self._timer)
        tools.stalls.ask("send", self._timer.longest_seconds)
        tools.reports.watch(in_flight=lambda: len(self._timer), parked=lambda: queue.parked)

    async def run(self, intake: Intake, stop: asyncio.Event) -> None:
        """Work until `stop`, then drain; an error of the connector or of the consumer ends it at once.

        Raises:
            Exception: what the connector should not have raised, or `Misconfigured`: the connector must stop.
        """
        try:
            async with asyncio.TaskGroup() as group:
                self._settlement.open(group)
                work = partial(self._loop.run, intake)
                workers = [unending(work, "sink") for _ in range(self._tools.spec.max_in_flight)]
                helpers = [group.create_task(work) for work in (*workers, self._timer.run(), _ended(intake))]
                await stop.wait()
                await self._drain.finish(helpers)
        finally:
            self._settlement.close()

    def receive(self, batch: Sequence[ConsumedRecord]) -> None:
        """Take over a batch of the intake; during the drain it is only noted, to be read again by the next process."""
        self._loop.receive(batch, begins=not self._drain.has_begun)

    async def give_up(self, partitions: Sequence[PartitionState], grace_seconds: float) -> None:
        """Begin nothing more of `partitions`, wait for what is in hand, cancel it after `grace_seconds`."""
        await self._drain.give_up(partitions, grace_seconds)


def _queue(superseding: Superseding | None, clock: Callable[[], datetime]) -> KeyedQueue[ConsumedRecord]:
    """Create the queue: of positions it keeps those that are not superseded, of all else what is not outdated."""
    if superseding is None:
        return KeyedQueue(rank=rank_of, outdates=outdates)
    return KeyedQueue(is_newer, rank_of, lambda line, record: superseding.may_drop(line, record, clock()))


async def _ended(intake: Intake) -> None:
    """Raise what ended the intake; it does not end by itself."""
    await asyncio.shield(intake.ended)
