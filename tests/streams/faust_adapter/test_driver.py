"""faust's consumer as the agents use it: what may be fetched while the tables are rebuilt."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer.fetcher import Fetcher, FetchResult
from bondmate_streams.faust_adapter.application import RecoveryEnd
from bondmate_streams.faust_adapter.driver import AgentsConsumer, _OnTheLoop
from faust.types import TP

CHANGELOG, ALERTS = TP("changelog", 0), TP("alerts", 0)


def consumer() -> AgentsConsumer:
    made = object.__new__(AgentsConsumer)
    made.app = SimpleNamespace(admissions={"alerts": None})  # type: ignore[assignment]  # what it needs of an app
    made.suspend_flow, made.can_resume_flow = (SimpleNamespace(clear=bool, set=bool) for _ in range(2))  # type: ignore[assignment]
    made._seeks = made._hands_over = False
    made.flow_active = True
    made._active_partitions = {CHANGELOG}
    made._paused_partitions = {ALERTS}
    return made


class Fetched:
    """aiokafka's fetcher, with what the broker would have sent put in by hand."""

    def __init__(self) -> None:
        self.fetcher: Any = object.__new__(Fetcher)
        self.fetcher._records = {}
        self.fetcher._closed = False
        self.fetcher._fetch_waiters = set()
        self.fetcher._loop = asyncio.get_running_loop()
        self.fetcher._wait_consume_future = None
        self.fetcher._subscriptions = SimpleNamespace(
            reassignment_in_progress=False, is_assigned=lambda _: True, fetch_context=lambda: defaultdict(int)
        )

    def arrive(self, tp: TP) -> None:
        result: Any = object.__new__(FetchResult)
        result.getall, result.has_more = lambda _: [f"of {tp.topic}"], lambda: False
        self.fetcher._records[tp] = result
        for waiter in self.fetcher._fetch_waiters:
            if not waiter.done():
                waiter.set_result(None)


@pytest.fixture
async def fetched(monkeypatch: pytest.MonkeyPatch) -> Fetched:
    made = Fetched()

    async def fetch(_: Any, partitions: Any, timeout: float) -> Any:  # noqa: ASYNC109  # faust's
        return await made.fetcher.fetched_records(partitions, timeout)

    monkeypatch.setattr("faust.transport.drivers.aiokafka.AIOKafkaConsumerThread.getmany", fetch)
    return made


def fetch(of: AgentsConsumer) -> asyncio.Task[Any]:
    thread: Any = object.__new__(_OnTheLoop)
    thread.consumer, thread.parent_loop = of, asyncio.get_running_loop()
    return asyncio.ensure_future(thread.getmany(of._get_active_partitions(), 0.2))


async def test_a_fetch_that_waits_while_tables_are_rebuilt_leaves_the_agents_partitions_to_the_seek(
    fetched: Fetched,
) -> None:
    rebuilding = consumer()
    waiting = fetch(rebuilding)
    await asyncio.sleep(0.01)
    rebuilding.resume_partitions({ALERTS})
    fetched.arrive(ALERTS)
    assert {} == await waiting

    rebuilding.resume_flow()
    assert {ALERTS: ["of alerts"]} == await fetch(rebuilding)


async def test_a_fetch_that_waits_through_a_rebalance_leaves_them_too(fetched: Fetched) -> None:
    working = consumer()
    working._active_partitions = {CHANGELOG, ALERTS}
    working._paused_partitions = set()
    waiting = fetch(working)
    await asyncio.sleep(0.01)
    working.pause_partitions({CHANGELOG, ALERTS})
    fetched.arrive(ALERTS)
    await asyncio.sleep(0.01)
    working.resume_partitions({ALERTS})
    fetched.arrive(ALERTS)
    assert {} == await waiting

    working.resume_flow()
    assert {ALERTS: ["of alerts"]} == await fetch(working)


async def test_where_nothing_may_be_fetched_nothing_is(fetched: Fetched) -> None:
    paused = consumer()
    paused.pause_partitions({CHANGELOG})
    fetched.arrive(CHANGELOG)
    assert {} == await fetch(paused)


async def test_nothing_flows_between_the_loss_of_partitions_and_their_next_share(fetched: Fetched) -> None:
    working = consumer()
    working._active_partitions, working._paused_partitions = {ALERTS}, set()
    working.flow_active = False
    working._hands_over = True
    fetched.arrive(ALERTS)
    working.resume_flow()
    assert not working.flow_active, "a recovery of the share before ends late"

    working._hands_over = False
    working.resume_flow()
    assert working.flow_active
    assert {ALERTS: ["of alerts"]} == await fetch(working)


async def test_the_end_of_a_recovery_is_heard_though_its_signal_was_taken_back_before_anybody_waited() -> None:
    recovery = SimpleNamespace(in_recovery=True)
    end = RecoveryEnd(recovery)
    recovery.in_recovery = False
    end.set()
    end.clear()
    async with asyncio.timeout(1):
        assert await end.wait()

    recovery.in_recovery = True
    waiting = asyncio.create_task(end.wait())
    await asyncio.sleep(0.01)
    assert not waiting.done(), "the next recovery has not ended with the one before"
    recovery.in_recovery = False
    end.set()
    end.clear()
    async with asyncio.timeout(1):
        assert await waiting
