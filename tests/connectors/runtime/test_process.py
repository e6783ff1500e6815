"""A runner that is killed, told to stop, fenced off, or started before its broker."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from bondmate_connectors.contract import Status
from bondmate_connectors.testing import another, eventually, sos, update_of
from bondmate_connectors.testing.sample import Trouble
from bondmate_hub.broker.embedded import EmbeddedBroker, EmbeddedConfig
from bondmate_kafka.config import KafkaConfig
from structlog.testing import capture_logs

PROGRAM = Path(__file__).with_name("hub_process.py")


def stories(destination, keys, updates):
    firsts = [another(sos(destination), number) for number in range(keys)]
    return [update_of(first, turn) if turn else first for turn in range(updates + 1) for first in firsts]


def by_key(pairs):
    found = {}
    for key, event_id in pairs:
        found.setdefault(key, []).append(event_id)
    return found


def in_order(events, ledger):
    sent = by_key((event.key, event.id) for event in events)
    return sent == by_key((entry["key"], event_id) for event_id, entry in ledger.entries.items())


@asynccontextmanager
async def process(hub, place, ledger):
    """Run a runner as a child; killed at the end when it still runs."""
    child = await asyncio.create_subprocess_exec(sys.executable, PROGRAM, hub.kafka.bootstrap, place, ledger.url)
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def test_kill_9_in_the_middle_of_sending_repeats_and_makes_one_record(hub, ledger, place):
    events = stories(place, keys=15, updates=3)
    await hub.feed(*events)
    async with ledger.in_trouble(Trouble.UNANSWERED), process(hub, place, ledger) as child:
        await eventually(lambda: len(ledger.attempts) >= 8, "in the middle of sending", 30)
        child.kill()
        await child.wait()
    cut_off = list(ledger.attempts)
    async with process(hub, place, ledger):
        await hub.all_committed(place, 60)

    times = Counter(ledger.attempts)
    assert in_order(events, ledger)
    assert len(events) == len(ledger.entries)
    assert {2} == {times[event_id] for event_id in cut_off}


async def test_kills_at_any_moment_lose_nothing_and_keep_the_order(hub, ledger, place):
    events = stories(place, keys=40, updates=4)
    ledger.answer_after = 0.003
    await hub.feed(*events)
    for _ in range(2):
        written = len(ledger.entries)
        async with process(hub, place, ledger) as child:
            await eventually(lambda written=written: len(ledger.entries) > written + 20, "some progress", 60)
            child.kill()
            await child.wait()
    async with process(hub, place, ledger):
        await hub.all_committed(place, 60)

    receipts = Counter(receipt.header.message_id for receipt in await hub.receipts(place))
    assert in_order(events, ledger)
    assert len(events) == len(receipts)


async def test_sigterm_finishes_what_is_in_hand_commits_and_ends_well(hub, ledger, place):
    events = stories(place, keys=40, updates=3)
    ledger.answer_after = 0.02
    await hub.feed(*events)
    async with process(hub, place, ledger) as child:
        await eventually(lambda: len(ledger.entries) > 20, "under load", 30)
        child.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert 0 == await child.wait()
    at_stop = len(ledger.entries)
    async with process(hub, place, ledger):
        await hub.all_committed(place, 60)

    assert at_stop < len(events)
    assert in_order(events, ledger)
    assert len(events) == len(ledger.attempts)


@pytest.mark.kafka
@pytest.mark.parametrize("broker", ["apache"], indirect=True)
async def test_another_member_takes_over_in_the_middle_without_loss_or_disorder(hub, ledger, place, instance):
    events = stories(place, keys=40, updates=5)
    ledger.answer_after = 0.01
    async with hub.running(instance, role_id="first"):
        await hub.feed(*events[:120])
        await eventually(lambda: len(ledger.entries) > 40, "the first at work")
        async with hub.running(instance, role_id="second"):
            await hub.feed(*events[120:])
            await hub.all_committed(place, 40)

    assert in_order(events, ledger)


@pytest.mark.kafka
@pytest.mark.parametrize("broker", ["apache"], indirect=True)
async def test_one_that_was_frozen_is_fenced_off_by_its_successor(hub, ledger, place, instance):
    await hub.feed(*stories(place, keys=5, updates=0))
    async with process(hub, place, ledger) as frozen:
        await hub.all_committed(place, 30)
        frozen.send_signal(signal.SIGSTOP)
        before, frozen_at = len(ledger.attempts), time.monotonic()
        async with hub.running(instance, role_id="killed") as health:
            await eventually(lambda: time.monotonic() > frozen_at + 3, "frozen for longer than its lease")
            frozen.send_signal(signal.SIGCONT)
            later = [another(sos(place), f"later-{number}") for number in range(20)]
            await hub.feed(*later)
            await hub.all_committed(place, 40)

            assert Status.OK is health.of(place).status
        assert before + 20 == len(ledger.attempts)
        assert 25 == len(ledger.entries)


async def test_a_broker_that_is_absent_is_said_once_waited_for_and_then_used(hub, ledger, place, tmp_path):
    late = EmbeddedBroker(EmbeddedConfig(tmp_path))
    their_side = type(hub)(KafkaConfig(late.bootstrap, ""))
    instances = [their_side.instance(name, ledger.url) for name in (place, f"{place}-b")]
    with capture_logs() as said:
        async with their_side.running(*instances, ok=False) as health:
            await eventually(lambda: _waits(said), "says that it waits", 15)
            await eventually(lambda: Status.RECOVERABLE_ERROR is health.of(place).status, "the absence is told", 15)
            await asyncio.to_thread(late.start)
            try:
                await their_side.make(destinations=[place, f"{place}-b"], sources=[place])
                await eventually(lambda: Status.OK is health.of(place).status, "OK", 20)
                await their_side.feed(sos(place))
                await eventually(lambda: 1 == len(ledger.entries), "delivered")
            finally:
                await asyncio.to_thread(late.kill)

    assert ["broker"] == [line["what"] for line in _waits(said) if line["what"] == "broker"]
    assert [line for line in said if line["event"] == "waiting is over"]


def _waits(said):
    return [line for line in said if line["event"] == "waiting"]
