"""The guard: what an agent's body does wrong ends in the dead-letter topic, and only then is acknowledged."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from bondmate_kafka.records import Arrived, Outgoing
from bondmate_monitoring.metrics import AGENT_EVENTS
from bondmate_schemas.codec import CodecError, SchemaUnavailableError
from bondmate_streams.errors import BadEventError, BrokerUnavailableError, StoreUnavailableError
from bondmate_streams.faust_adapter.guard import Guard, GuardedEvent, InTurn
from bondmate_streams.faust_adapter.in_flight import InFlight
from bondmate_streams.faust_adapter.key_locks import KeyLocks
from bondmate_streams.faust_adapter.record_writer import gather_both

ARRIVED = Arrived("topic", 3, 41, b"key", b"bytes", (("ce_id", b"id"), ("bondmate.error.code", b"old")))


@dataclass
class Box:
    """An outbox that refuses until it is mended."""

    refusals: int = 0
    error: type[Exception] = BrokerUnavailableError
    sent: list[Outgoing] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, *outgoing: Outgoing) -> None:
        self.asked.set()
        if self.refusals:
            self.refusals -= 1
            raise self.error("canary")
        self.sent.extend(outgoing)


@dataclass
class Acks:
    count: int = 0

    def __call__(self) -> None:
        self.count += 1


async def run(guard: Guard, error: Exception | None, acks: Acks) -> None:
    async def body(_: Arrived) -> str:
        if error is not None:
            raise error
        return "done"

    await guard.run(GuardedEvent(ARRIVED, acks), body)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ZeroDivisionError("canary"), b"agent_failed"),
        (CodecError("not_avro"), b"not_avro"),
        (BadEventError("unknown_device"), b"unknown_device"),
    ],
)
async def test_what_fails_is_dead_lettered_with_original_bytes_and_codes_then_acknowledged(
    error: Exception, code: bytes
) -> None:
    box, acks = Box(), Acks()
    await run(Guard("alerts", box), error, acks)
    letter = box.sent[0]
    headers = dict(letter.headers)

    assert 1 == acks.count
    assert ("bondmate.dlq.alerts", b"key", b"bytes") == (letter.topic, letter.key, letter.value)
    assert b"id" == headers["ce_id"]
    assert (b"topic", b"3", b"41", b"alerts", code) == tuple(
        headers[f"bondmate.error.{name}"] for name in ("topic", "partition", "offset", "stage", "code")
    )
    assert {"id", "at"} <= {name.rpartition(".")[2] for name in headers}
    assert not any(b"canary" in (value or b"") for value in headers.values())
    assert 1 == [name for name, _ in letter.headers].count("bondmate.error.code")


@pytest.mark.parametrize("refusal", [BrokerUnavailableError, OSError, RuntimeError])
async def test_while_the_dead_letter_is_refused_the_event_is_not_acknowledged_and_then_it_is(
    refusal: type[Exception],
) -> None:
    box, acks = Box(refusals=10**6, error=refusal), Acks()
    running = asyncio.create_task(run(Guard("alerts", box), ZeroDivisionError(), acks))
    async with asyncio.timeout(10):
        await box.asked.wait()
        assert 0 == acks.count
        box.refusals = 0
        await running

    assert (1, 1) == (acks.count, len(box.sent))


@pytest.mark.parametrize("error", [SchemaUnavailableError, BrokerUnavailableError])
async def test_what_may_succeed_later_is_tried_again_and_never_dead_lettered(error: type[Exception]) -> None:
    box, acks, attempts = Box(), Acks(), 0

    async def body(_: Arrived) -> str:
        nonlocal attempts
        attempts += 1
        assert 0 == acks.count
        if attempts < 3:
            raise error("not now")
        return "done"

    await Guard("alerts", box).run(GuardedEvent(ARRIVED, acks), body)

    assert (3, 1, []) == (attempts, acks.count, box.sent)


@pytest.mark.parametrize("error", [SchemaUnavailableError, BrokerUnavailableError, StoreUnavailableError])
async def test_what_waits_is_not_overtaken_by_what_follows_under_its_key(error: type[Exception]) -> None:
    settled: list[int] = []
    failures = {1: 3}

    async def body(arrived: Arrived) -> str:
        if failures.get(arrived.offset, 0):
            failures[arrived.offset] -= 1
            raise error("not now")
        settled.append(arrived.offset)
        return "done"

    guard = Guard("alerts", Box())
    events = [(1, b"key"), (2, b"key"), (3, b"other"), (4, b"key")]
    await asyncio.gather(*(
        guard.run(GuardedEvent(Arrived("topic", 0, offset, key, b"", ()), Acks()), body) for offset, key in events
    ))  # fmt: skip

    assert [3, 1, 2, 4] == settled


async def test_a_key_is_free_again_after_one_that_waited_was_cancelled() -> None:
    locks, held = KeyLocks(), asyncio.Event()

    async def hold() -> None:
        async with locks.holding("table", "key"):
            held.set()

    async with locks.holding("table", "key"):
        waiting = asyncio.create_task(hold())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    assert not held.is_set()

    await asyncio.wait_for(hold(), 1)
    assert held.is_set()


async def test_a_cancelled_event_is_not_acknowledged() -> None:
    box, acks = Box(), Acks()
    started = asyncio.Event()

    async def body(_: Arrived) -> str:
        started.set()
        await asyncio.Event().wait()
        return "never"

    running = asyncio.create_task(Guard("alerts", box).run(GuardedEvent(ARRIVED, acks), body))
    await started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert (0, []) == (acks.count, box.sent)


async def test_outcomes_are_counted() -> None:
    before = AGENT_EVENTS.labels("alerts", "done")._value.get()
    await run(Guard("alerts", Box()), None, Acks())

    assert before + 1 == AGENT_EVENTS.labels("alerts", "done")._value.get()


async def test_events_of_one_key_run_in_order_and_others_beside_them() -> None:
    locks, hand = KeyLocks(), InFlight(8)
    gate = asyncio.Event()
    order: list[str] = []

    async def work(key: str, name: str) -> None:
        async with locks.holding("table", key):
            if name == "a1":
                await gate.wait()
            order.append(name)
            if name == "b1":
                gate.set()

    for key, name in (("a", "a1"), ("a", "a2"), ("b", "b1"), ("a", "a3")):
        await hand.wait_for_room()
        hand.begin_now(work(key, name))
    await hand.drain(10)

    assert ["b1", "a1", "a2", "a3"] == order
    assert {} == locks._locks


async def test_no_more_events_are_in_hand_than_the_bound() -> None:
    hand = InFlight(2)
    gate = asyncio.Event()
    running = 0
    most = 0

    async def work() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await gate.wait()
        running -= 1

    async def fill() -> None:
        for _ in range(5):
            await hand.wait_for_room()
            hand.begin_now(work())

    filling = asyncio.create_task(fill())
    for _ in range(5):
        await asyncio.sleep(0)
    gate.set()
    await filling
    await hand.drain(10)

    assert 2 == most


async def test_draining_begins_nothing_more_and_cancels_what_takes_too_long() -> None:
    hand = InFlight(2)
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    hand.begin_now(work())
    await asyncio.sleep(0)
    await hand.drain(0.01)
    late = asyncio.create_task(hand.wait_for_room())
    await asyncio.sleep(0)
    late.cancel()
    with pytest.raises(asyncio.CancelledError):
        await late

    assert ["cancelled"] == ended


class Keyed:
    """A body that reads under which key an event belongs, and whose work may fail once."""

    def __init__(self) -> None:
        self.done: list[bytes] = []
        self.failing = asyncio.Event()
        self.mended = asyncio.Event()

    async def body(self, arrived: Arrived) -> InTurn:
        own, number = (arrived.value or b"").split()

        async def work() -> str:
            if number == b"1" and not self.mended.is_set():
                self.failing.set()
                raise BrokerUnavailableError
            await asyncio.sleep(0)
            self.done.append(arrived.value or b"")
            return "done"

        return InTurn(own, work)


async def test_events_of_one_own_key_keep_their_order_whatever_keys_they_came_under() -> None:
    keyed, guard, acks = Keyed(), Guard("alerts", Box()), Acks()
    came = [(b"event", b"event 1"), (None, b"event 2"), (b"", b"event 3"), (b"another", b"event 4"), (None, b"other 5")]
    async with asyncio.TaskGroup() as group:
        for key, value in came:
            group.create_task(guard.run(GuardedEvent(Arrived("topic", 0, 0, key, value), acks), keyed.body))
        await keyed.failing.wait()
        await asyncio.sleep(0)
        held = list(keyed.done)
        keyed.mended.set()

    assert [b"other 5"] == held
    assert [b"event 1", b"event 2", b"event 3", b"event 4"] == [
        done for done in keyed.done if done.startswith(b"event")
    ]
    assert 5 == acks.count


async def test_who_waits_for_others_that_came_under_its_key_is_not_overtaken_by_one_of_its_own() -> None:
    keyed, guard, acks = Keyed(), Guard("alerts", Box()), Acks()
    came = [(None, b"slow 1"), (None, b"event 2"), (b"event", b"event 3"), (None, b"event 4"), (b"", b"event 5")]
    async with asyncio.TaskGroup() as group:
        for key, value in came:
            group.create_task(guard.run(GuardedEvent(Arrived("topic", 0, 0, key, value), acks), keyed.body))
        await keyed.failing.wait()
        while acks.count < 4:
            await asyncio.sleep(0)
        keyed.mended.set()

    assert [b"event 2", b"event 3", b"event 4", b"event 5", b"slow 1"] == keyed.done


async def test_a_place_that_is_given_up_goes_to_the_next() -> None:
    locks, entered = KeyLocks(), []

    async def enter(name: str) -> None:
        async with locks.holding("table", "key"):
            entered.append(name)

    async with locks.holding("table", "key"):
        tasks = [asyncio.create_task(enter(name)) for name in ("first", "second", "third")]
        await asyncio.sleep(0)
        tasks[0].cancel()
        await asyncio.gather(tasks[0], return_exceptions=True)
    tasks[1].cancel()  # its turn has come already, and it has not run since
    await asyncio.gather(*tasks, return_exceptions=True)
    async with asyncio.timeout(5), locks.holding("table", "key"):
        pass

    assert ["third"] == entered


async def test_keys_that_stand_for_each_other_do_not_wait_in_a_circle() -> None:
    keyed, guard, acks = Keyed(), Guard("alerts", Box()), Acks()
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        for number in range(2, 40):
            key, own = (b"a", b"b") if number % 2 else (b"b", b"a")
            arrived = Arrived("topic", 0, 0, key, own + f" {number}".encode())
            group.create_task(guard.run(GuardedEvent(arrived, acks), keyed.body))

    assert 38 == acks.count


async def test_who_waits_for_two_reports_ends_at_once_when_neither_comes_and_its_work_is_given_up() -> None:
    first, *rest = [asyncio.get_running_loop().create_future() for _ in range(3)]

    async def step() -> None:
        await gather_both(first, gather_both(*rest))

    in_hand = InFlight(1)
    in_hand.begin_now(step())
    async with asyncio.timeout(5):
        await in_hand.drain(0.01)

    assert all(report.cancelled() for report in (first, *rest[:1]))


async def test_the_second_of_two_reports_is_waited_for_though_the_first_is_a_refusal() -> None:
    first, second = [asyncio.get_running_loop().create_future() for _ in range(2)]
    waiting = asyncio.create_task(gather_both(first, second))
    first.set_exception(BrokerUnavailableError("first"))
    await asyncio.sleep(0.01)

    assert not waiting.done()

    second.set_result(None)
    with pytest.raises(BrokerUnavailableError, match="first"):
        await waiting


async def test_of_two_errors_the_first_is_raised_once_the_second_has_come() -> None:
    first, second = [asyncio.get_running_loop().create_future() for _ in range(2)]
    waiting = asyncio.create_task(gather_both(first, second))
    first.set_exception(BrokerUnavailableError("first"))
    await asyncio.sleep(0)
    second.set_exception(StoreUnavailableError("second"))
    with pytest.raises(BrokerUnavailableError, match="first"):
        await waiting


async def test_a_stop_while_the_second_report_is_out_gets_through() -> None:
    first, second = [asyncio.get_running_loop().create_future() for _ in range(2)]
    waiting = asyncio.create_task(gather_both(first, second))
    first.set_exception(BrokerUnavailableError("first"))
    await asyncio.sleep(0.01)
    async with asyncio.timeout(5):
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    assert second.cancelled()
