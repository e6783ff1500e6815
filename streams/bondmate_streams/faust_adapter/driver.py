"""faust's Kafka driver, made for few events that must not wait: on the loop of the agents, without a task an event.

By a sampling profile at 600 events a second, 46 in 100 samples with faust's own driver lay outside the agents' bodies:
its consumer has a thread and a loop of its own, so that each fetch crosses between two threads that want one lock of
the interpreter; and every event costs four tasks to see whether the app is stopping meanwhile. Why what: ADR 7.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Collection, Coroutine, Generator, Mapping
from functools import partial
from typing import Any, Final, Protocol, cast

import structlog
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer
from faust.types import TP
from mode.services import WaitResults
from mode.utils.futures import maybe_async

from bondmate_streams.faust_adapter.admission import Admission

_log = structlog.get_logger(__name__)
_FETCH_WAIT_MS: Final = 250
"""How long the broker holds an empty answer. A fetch asks for every partition, so that what comes is told at once."""
_FETCH_GAP_SECONDS: Final = 0.005
"""Least time between two fetches: each asks for every partition, however little it brings."""
_LOOK_SECONDS: Final = 0.2
"""How long a fetch waits to be told of records: nobody tells of those that came before their partition was let go."""
_IN_HAND_SECONDS: Final = 1.0
"""How long what is in hand may hold up a whole group that is to be shared anew."""
_LEAVE_SECONDS: Final = 4.0
"""How long leaving the group may take: it may just be shared anew, or no broker answers."""


class _AgentsApp(Protocol):
    """What the driver needs of the app that runs the agents."""

    admissions: dict[str, Admission]
    """The admissions of the agents, by topic."""
    on_partitions_revoked: Any

    def on_share(self, ours: Collection[TP]) -> None:
        """Hear of our partitions before the tables do."""


class _OnTheLoop(AIOKafkaConsumerThread):
    """faust's consumer "thread", run as a task of the agents' own loop.

    What its thread is for, heartbeats while an agent computes, is kept by our agents: none computes for long.
    """

    _next_fetch_at = 0.0

    async def start(self) -> None:
        """Start as the thread would, and return when the consumer works."""
        self._thread_started.set()
        self._thread_running = self.parent_loop.create_future()
        self._too_late = self.parent_loop.create_future()
        self._serving = asyncio.create_task(self._serve())
        try:
            await self._thread_running
        finally:
            self._thread_running = None

    async def _gather_remaining_tasks(self) -> None:
        """Leave the tasks of the loop alone: they are not ours."""

    async def call_thread(self, fun: Any, *args: Any, **kwargs: Any) -> Any:
        """Call `fun` here: there is no other thread."""
        return await maybe_async(fun(*args, **kwargs))

    async def seek_to_committed(self) -> Any:
        """Go to where the group stands in each partition, by one question for all of them; aiokafka asks for each."""
        consumer = self._ensure_consumer()
        assigned = consumer.assignment()
        found = await consumer._coordinator.fetch_committed_offsets(list(assigned))  # noqa: SLF001
        committed = {tp: found[tp].offset if tp in found and found[tp].offset > 0 else None for tp in assigned}
        for tp, offset in committed.items():
            if offset is not None:
                consumer.seek(tp, offset)
        return committed

    async def _commit(self, offsets: Any) -> bool:
        """Commit, for as long as it takes while we work: aiokafka asks again until a broker answers."""
        commit = asyncio.ensure_future(super()._commit(offsets))
        try:
            await asyncio.wait({commit, self._too_late}, return_when=asyncio.FIRST_COMPLETED)
            return commit.done() and commit.result()
        finally:
            commit.cancel()

    def commit_no_more(self) -> None:
        """End each commit, now and later; what it would have told the broker is done again."""
        if not self._too_late.done():
            self._too_late.set_result(None)

    async def leave(self) -> None:
        """Leave the group, so that others need not wait for a session to end; what is in hand has been committed.

        Our identity in the group is fixed, since the embedded broker forgets no member; aiokafka leaves only without.
        """
        coordinator = self._ensure_consumer()._coordinator  # noqa: SLF001
        coordinator._group_instance_id = None  # noqa: SLF001
        await coordinator.close()

    async def getmany(self, active_partitions: Any, timeout: float) -> Any:  # noqa: ASYNC109  # faust's
        """Return the next records, `_FETCH_GAP_SECONDS` after the last ones at the earliest."""
        early = self._next_fetch_at - self.parent_loop.time()
        if early > 0:
            await asyncio.sleep(early)
        may_be_fetched = cast("AgentsConsumer", self.consumer).may_be_fetched
        if not any(map(may_be_fetched, active_partitions)):
            await asyncio.sleep(_FETCH_GAP_SECONDS)
            return {}
        records: Mapping[Any, Any] = await super().getmany(
            cast("Any", _Now(may_be_fetched)), min(timeout, _LOOK_SECONDS)
        )
        self._next_fetch_at = self.parent_loop.time() + _FETCH_GAP_SECONDS
        return records

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = _FETCH_WAIT_MS  # noqa: SLF001  # read when it starts; no setting leads there
        return consumer


class _Now:
    """The partitions that may be fetched, as they are when it is looked: a fetch that waits looks again and again.

    One that began before a rebalance waits through it. Were it to hold what could be fetched then, or faust's own set,
    which has everything in it too early, it would take of the agents' partitions what faust then throws away.
    """

    def __init__(self, may_be_fetched: Callable[[Any], bool]) -> None:
        self._may_be_fetched = may_be_fetched

    def __bool__(self) -> bool:
        """Be true also when it has none: to aiokafka nothing means everything."""
        return True

    def __contains__(self, tp: Any) -> bool:
        return self._may_be_fetched(tp)


class AgentsConsumer(Consumer):
    """faust's consumer, which hands events over on the loop of the agents and commits below the oldest in hand."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_hand: set[Any] = set()
        """Messages whose work began. What waits for its agent is not: dropped at a rebalance, it comes again."""
        self._given_up: set[Any] = set()
        """Messages whose work was cancelled: nobody waits for them, and their offsets are held back."""
        self._by_stream = self.callback
        self.callback = self._hand_over
        self._seeks = False
        self._hands_over = False
        """Between the loss of our partitions and the next share of them: nothing flows, whoever would have it flow."""

    @property
    def _our_app(self) -> _AgentsApp:
        return cast("_AgentsApp", self.app)

    # After it has rebuilt the tables, faust lets the agents' partitions be fetched, seeks to what is committed, and
    # then clears the agents' queues: what came into them before that would be lost, since it counts as read.

    def resume_partitions(self, tps: Any) -> None:
        """Let partitions be fetched again: those of agents as soon as the seek that follows is done."""
        super().resume_partitions(tps)
        self._seeks |= any(self._is_an_agents(tp) for tp in tps)

    def resume_flow(self) -> None:
        """Let records flow: the seek is done."""
        if self._hands_over:
            return
        self._seeks = False
        super().resume_flow()

    def may_be_fetched(self, tp: Any) -> bool:
        """Whether a partition is fetched now: those of agents wait for the seek."""
        return tp in self._get_active_partitions() and not (self._seeks and self._is_an_agents(tp))

    def _is_an_agents(self, tp: Any) -> bool:
        return tp.topic in self._our_app.admissions

    async def _hand_over(self, message: Any) -> None:
        admission = self._our_app.admissions.get(message.topic)
        if admission is None or not admission.admit(message):
            await self._by_stream(message)

    def begin(self, message: Any) -> None:
        """Note that the work on a message begins."""
        self._in_hand.add(message)

    def give_up(self, message: Any) -> None:
        """Note that the work on a message was cancelled: it comes again."""
        self._in_hand.discard(message)
        self._given_up.add(message)

    def ack(self, message: Any) -> bool:
        """Note that the work on a message is done; what faust drops at a rebalance, it acknowledges without any."""
        if message not in self._in_hand:
            return False
        self._in_hand.discard(message)
        return super().ack(message)

    async def wait_empty(self) -> None:
        """Wait for what is in hand, not for ever, and commit."""
        end = self.loop.time() + _IN_HAND_SECONDS
        while self._in_hand and self.loop.time() < end and not self.should_stop:
            await self._wait_for_ack(timeout=1)
        if self._in_hand:
            _log.warning("what takes long is given up and comes again", count=len(self._in_hand))
            await asyncio.gather(*(each.give_up() for each in self._our_app.admissions.values()))
        await self.commit_and_end_transactions()

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """Commit what was done before the partitions go: faust forgets it first, and it would be done again."""
        self._hands_over = True
        self.stop_flow()
        self.app.flow_control.suspend()
        self.app.flow_control.clear()
        await self.wait_empty()
        self._given_up.clear()
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: Any, generation_id: int = 0) -> None:
        """Take the partitions; nobody else writes to our tables from here on."""
        self._hands_over = False
        self._our_app.on_share(assigned)
        await super().on_partitions_assigned(assigned, generation_id)

    async def leave(self) -> None:
        """Leave the group: give up our partitions and commit what was done; what is in hand has ended."""
        self.stop_flow()
        self.app.flow_control.suspend()
        leaving = asyncio.create_task(self._left())
        if not (await asyncio.wait({leaving}, timeout=_LEAVE_SECONDS))[0]:
            _log.warning("the group was not left in time: its broker counts this worker out")
            cast("_OnTheLoop", self._thread).commit_no_more()
            leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)

    async def _left(self) -> None:
        await self._our_app.on_partitions_revoked.send(self.assignment())
        await self.commit_and_end_transactions()
        await cast("_OnTheLoop", self._thread).leave()

    async def _wait_next_records(self, timeout: float) -> Any:  # noqa: ASYNC109  # faust's
        """Wait until there may be records; faust sleeps for a second where every partition is held back."""
        if not self.flow_active:
            await self.wait(cast("Any", self.can_resume_flow))
        if not self._get_active_partitions():
            await asyncio.sleep(_FETCH_GAP_SECONDS)
            return {}, set()
        return await super()._wait_next_records(timeout)

    def _new_consumer_thread(self) -> _OnTheLoop:
        return _OnTheLoop(self, loop=self.loop, thread_loop=self.loop, beacon=self.beacon)

    def _new_offset(self, tp: Any) -> int | None:
        """Return the offset to commit, None for none: nothing before it is still in an agent's hands.

        faust looks for gaps between the offsets that were acknowledged, and takes the first of them for the end of a
        gap of one, or of any length while nothing was committed yet: an event in hand below it would not come again.
        """
        committed = self._committed_offset[tp] or 0
        unsettled = (*self._in_hand, *self._given_up)
        bound = min((m.offset for m in unsettled if m.tp == tp and m.offset >= committed), default=None)
        settled = [offset for offset in self._acked[tp] if bound is None or offset < bound]
        if not settled:
            return None
        self._acked_index[tp].difference_update(settled)
        self._acked[tp][:] = () if bound is None else [offset for offset in self._acked[tp] if offset >= bound]
        return max(settled) + 1

    async def sleep(self, n: Any) -> None:
        """Sleep; between two fetches, where it is only to let others run, without a task and a timer."""
        await (asyncio.sleep(0) if n == 0 else super().sleep(n))

    async def wait_first(self, *coros: Any, timeout: Any = None) -> WaitResults:  # noqa: ASYNC109  # mode's
        """Wait for the first of `coros`; what is done at once, as handing an event to its agent is, needs no task."""
        work, *others = coros
        if not asyncio.iscoroutine(work):
            return await super().wait_first(*coros, timeout=timeout)
        try:
            blocked_by = work.send(None)
        except StopIteration as done:
            for other in others:
                _close(other)
            return WaitResults([work], [done.value], self.should_stop)
        except BaseException:
            for other in others:
                _close(other)
            raise
        return await super().wait_first(_rest(work, blocked_by), *others, timeout=timeout)


def _close(other: Any) -> None:
    if asyncio.iscoroutine(other):
        other.close()


async def _rest(work: Coroutine[Any, Any, Any], blocked_by: Any) -> Any:
    """Go on with a coroutine whose first step was made and which waits for `blocked_by`."""
    return await _steps(work, blocked_by)


@types.coroutine
def _steps(work: Coroutine[Any, Any, Any], blocked_by: Any) -> Generator[Any, Any, Any]:
    while True:
        try:
            step = partial(work.send, (yield blocked_by))
        except BaseException as error:  # noqa: BLE001  # cancellation above all: it is raised where it is meant
            step = partial(work.throw, error)
        try:
            blocked_by = step()
        except StopIteration as done:
            return done.value
