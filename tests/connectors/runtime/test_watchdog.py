"""What stands still is told within 30 s: the event loop, a call that does not come back, a consumer; and its going on."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from functools import partial

import pytest
from bondmate_connectors.contract import Receipt, Status
from bondmate_connectors.runtime import intake
from bondmate_connectors.runtime.settings import RunnerSettings
from bondmate_connectors.runtime.watchdog import LoopWatch, Stalls
from bondmate_connectors.testing import by_label, eventually, sos
from bondmate_connectors.testing.sample import CONNECTOR, LedgerConnector, Trouble
from bondmate_schemas.enums import Level
from prometheus_client import REGISTRY
from structlog.testing import capture_logs


class Stubborn(LedgerConnector):
    """Takes an event, and neither comes back nor lets itself be ended until it is let go."""

    async def send(self, event):
        while not self.let_go.is_set():
            try:
                await self.let_go.wait()
            except asyncio.CancelledError:
                continue
        return Receipt(Level.ACCEPTED, "L-1")


class Blocking(LedgerConnector):
    """Holds up the whole event loop, as a client without async would."""

    seconds = 4.0

    async def send(self, event):
        if event.key == self.blocks_at:
            time.sleep(self.seconds)  # noqa: ASYNC251  # the defect under test
        return await super().send(event)


def frozen():
    return REGISTRY.get_sample_value("connector_loop_frozen")


def stalled(place):
    return {what for what, is_so in by_label("connector_stalled", place, "what").items() if is_so}


def test_by_default_everything_is_told_within_30_seconds():
    assert RunnerSettings().stall_seconds + 2 <= 30


async def test_a_send_that_does_not_come_back_is_told_and_its_end_too(hub, ledger, place):
    stubborn = type("Stubborn", (Stubborn,), {"let_go": asyncio.Event()})
    settings = replace(hub.settings, stall_seconds=1, send_seconds=0.5)
    instance = hub.instance(place, ledger.url, replace(CONNECTOR, build=stubborn))
    async with hub.running(instance, settings=settings) as health:
        await hub.feed(sos(place))
        await eventually(lambda: {"send"} == stalled(place), "the metric", 10)
        await eventually(lambda: Status.RECOVERABLE_ERROR is health.of(place).status, "the status")
        reason = health.of(place).reason
        stubborn.let_go.set()
        await eventually(lambda: not stalled(place), "it goes on")
        await hub.all_committed(place)
        await eventually(lambda: Status.OK is health.of(place).status, "well again")

    assert "stands still: send" in reason


async def test_a_connector_that_blocks_the_loop_is_named_by_its_line(hub, ledger, place):
    event = sos(place)
    blocking = type("Blocking", (Blocking,), {"blocks_at": event.key})
    instance = hub.instance(place, ledger.url, replace(CONNECTOR, build=blocking))
    with capture_logs() as said:
        async with hub.running(instance, settings=replace(hub.settings, stall_seconds=2)):
            assert 0 == frozen()
            await hub.feed(event)
            await eventually(lambda: [line for line in said if line["event"] == "event loop frozen"], "told", 15)
            await hub.all_committed(place)
            await eventually(lambda: 0 == frozen(), "it turns again")

    (line,) = [line for line in said if line["event"] == "event loop frozen"]
    assert line["at"].startswith(("test_watchdog.py:", "delivery_loop.py:", "send_timer.py:"))
    assert [line for line in said if line["event"] == "event loop turns again"]


def test_a_loop_that_does_not_turn_raises_the_metric():
    watch = LoopWatch(alarm_seconds=2)
    with watch.watching():
        _until(lambda: watch.frozen)
        during = frozen()
        watch.beat()
        _until(lambda: not watch.frozen)

    assert 1 == during
    assert 0 == frozen()


def _until(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("what", ["connect", "settle"])
def test_a_call_under_way_is_found_when_it_takes_too_long(what):
    now = [0.0]
    stalls = Stalls(lambda: now[0])
    with stalls.calling(what):
        now[0] = 10
        assert set() == stalls.found(15)
        now[0] = 16
        assert {what} == stalls.found(15)

    assert set() == stalls.found(15)


async def test_a_consumer_that_does_not_go_round_is_told(hub, ledger, place, instance, monkeypatch):
    held = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hang(self):
        while not held.is_set():
            time.sleep(0.05)

    async with hub.running(instance, settings=replace(hub.settings, stall_seconds=1)) as health:
        monkeypatch.setattr(intake.Intake, "_unstick", hang)
        await eventually(lambda: {"consumer"} == stalled(place), "the metric", 10)
        await eventually(lambda: Status.RECOVERABLE_ERROR is health.of(place).status, "the status")
        loop.call_soon(held.set)
        await eventually(lambda: not stalled(place), "it goes on")
        await eventually(lambda: Status.OK is health.of(place).status, "well again")


async def test_the_backlog_is_what_the_broker_holds_also_when_nobody_takes_it(hub, ledger, place):
    """The connector has stopped for good; events go on coming."""
    broken = type("Broken", (LedgerConnector,), {"send": _bug})
    instance = hub.instance(place, ledger.url, replace(CONNECTOR, build=broken))
    async with hub.running(instance, settings=replace(hub.settings, lag_every_seconds=0.3)) as health:
        await hub.feed(sos(place, "first"))
        await eventually(lambda: Status.FATAL_ERROR is health.of(place).status, "stopped")
        began = time.time()
        await hub.feed(*(sos(place, number) for number in range(200)))
        backlog = partial(by_label, "connector_backlog_events", place, "connector")
        await eventually(lambda: 201 == backlog()[place], "the broker's own count")
        await eventually(lambda: time.time() > began + 3, "it grows old")
        lag = REGISTRY.get_sample_value("connector_lag_seconds", {"connector": place})
        assert 2.5 <= lag <= time.time() - began + 1.5
    async with hub.running(hub.instance(place, ledger.url), settings=replace(hub.settings, lag_every_seconds=0.3)):
        await hub.all_committed(place)
        await eventually(lambda: 0 == backlog().get(place, 0), "nothing is left")
        assert 0 == REGISTRY.get_sample_value("connector_lag_seconds", {"connector": place})


async def _bug(self, event):
    raise ZeroDivisionError


@pytest.mark.system
async def test_the_backlog_of_a_paused_consumer_counts_what_it_has_not_fetched(hub, ledger, place, instance):
    settings = replace(hub.settings, held_per_partition=10, batch=5, lag_every_seconds=0.3)
    async with hub.running(instance, settings=settings):
        async with ledger.in_trouble(Trouble.BROKEN):
            await hub.feed(*(sos(place, number) for number in range(500)))
            backlog = partial(by_label, "connector_backlog_events", place, "connector")
            await eventually(lambda: 500 == backlog().get(place), "all of it")
            held = partial(by_label, "connector_held_events", place, "connector")
            await eventually(lambda: held().get(place, 0) >= 10, "some are taken")
            assert held()[place] <= 4 * 15
        await hub.all_committed(place)
        await eventually(lambda: 0 == backlog().get(place, 0), "nothing is left")
