"""One worker a key, order within a key, and keys that wait do not hold others up."""

from __future__ import annotations

import asyncio

import pytest
from bondmate_connectors.runtime.keyed_queue import KeyedQueue
from bondmate_connectors.runtime.retry import Backoff
from hypothesis import given
from hypothesis import strategies as st


async def take(queue):
    async with asyncio.timeout(1):
        return await queue.take()


async def nothing_ready(queue):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await queue.take()


async def test_items_of_a_key_come_one_at_a_time_in_order():
    queue = KeyedQueue()
    for item in (1, 2, 3):
        queue.put("a", item)
    queue.put("b", 9)
    first, second = await take(queue), await take(queue)
    await nothing_ready(queue)
    queue.finish(first)

    assert ("a", "b") == (first.key, second.key)
    assert 2 == (await take(queue)).head


async def test_a_parked_key_waits_and_others_do_not():
    queue = KeyedQueue()
    queue.put("a", 1)
    queue.put("b", 2)
    queue.park(await take(queue), 0.05, may_wake=True)

    assert 1 == queue.parked
    assert "b" == (await take(queue)).key
    assert "a" == (await take(queue)).key
    assert 0 == queue.parked


async def test_waking_frees_those_the_platform_did_not_ask_to_wait():
    queue = KeyedQueue()
    queue.put("a", 1)
    queue.put("b", 2)
    queue.park(await take(queue), 60, may_wake=True)
    queue.park(await take(queue), 60, may_wake=False)
    queue.wake()

    assert "a" == (await take(queue)).key
    assert 1 == queue.parked
    queue.discard(lambda _: True)
    assert 0 == queue.parked


async def test_discarding_spares_what_somebody_works_on():
    queue = KeyedQueue()
    for item in (1, 2):
        queue.put("a", item)
    queue.put("b", 3)
    busy = await take(queue)
    queue.discard(lambda item: item < 4)

    assert 1 == busy.head
    queue.finish(busy)
    await nothing_ready(queue)
    queue.put("a", 4)
    assert 4 == (await take(queue)).head


async def test_only_the_newest_waits_and_what_is_being_sent_stays():
    queue = KeyedQueue(newer=lambda last, before: last >= before)
    dropped = queue.put("a", 5)
    busy = await take(queue)
    for item in (7, 6, 9):
        dropped += queue.put("a", item)
    queue.finish(busy)
    line = await take(queue)
    queue.park(line, 60, may_wake=True)
    dropped += queue.put("a", 10)
    queue.wake()

    assert [6, 7, 9] == dropped
    assert 10 == (await take(queue)).head


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["finish", "again", "park"])), max_size=40))
async def test_no_item_is_lost_or_overtakes_another_of_its_key(script):
    queue, done = KeyedQueue(), []
    for number, (key, _) in enumerate(script):
        queue.put(key, (key, number))
    actions = [action for _, action in script]
    while len(done) < len(script):
        line = await take(queue)
        action = actions.pop() if actions else "finish"
        if action == "finish":
            done.append(line.head)
            queue.finish(line)
        elif action == "again":
            queue.again(line)
        else:
            queue.park(line, 0, may_wake=True)

    for key in "abc":
        assert [n for k, n in done if k == key] == [n for n, (k, _) in enumerate(script) if k == key]


@given(st.integers(1, 10_000))
def test_backoff_grows_to_its_cap_and_honours_what_was_asked(attempt):
    backoff = Backoff(base_seconds=0.1, cap_seconds=2, longest_asked_seconds=60)

    assert 0.05 <= backoff.seconds(attempt) <= min(2, 0.1 * 2 ** min(attempt - 1, 20))
    assert 7 == backoff.seconds(attempt, retry_after=7)
    assert 60 == backoff.seconds(attempt, retry_after=1e9)


async def test_the_most_urgent_goes_first_and_what_stands_before_it_in_its_lane_with_it():
    queue = KeyedQueue(rank=lambda item: item[0])
    for key, item in (("a", (1, "a1")), ("b", (1, "b1")), ("c", (2, "c1")), ("b", (0, "b2")), ("d", (0, "d1"))):
        queue.put(key, item)
    found = []
    for _ in range(5):
        line = await take(queue)
        found.append(line.head[1])
        queue.finish(line)

    assert ["b1", "d1", "b2", "a1", "c1"] == found


async def test_of_equals_that_with_the_fewest_failed_attempts_goes_first():
    queue = KeyedQueue()
    queue.put("poison", 1)
    for attempt in (1, 2, 3):
        line = await take(queue)
        line.attempts = attempt
        queue.put(f"fresh-{attempt}", 2)
        queue.again(line)
        fresh = await take(queue)
        assert f"fresh-{attempt}" == fresh.key
        queue.finish(fresh)

    assert "poison" == (await take(queue)).key


def outdates(last, before):
    """Capitals say something, small letters only move: what comes later leaves a small letter nothing to say."""
    return before.islower() and (last.isupper() or last == before)


@pytest.mark.parametrize(
    ("items", "left", "dropped"),
    [("aB", "B", "a"), ("aa", "a", "a"), ("ab", "ab", ""), ("AbC", "AC", "b"), ("abA", "A", "ab"), ("Aa", "Aa", "")],
)
async def test_what_comes_later_drops_what_it_leaves_nothing_to_say(items, left, dropped):
    queue = KeyedQueue(outdates=outdates)
    found = [gone for item in items for gone in queue.put("k", item)]

    assert list(dropped) == found
    assert list(left) == list((await take(queue)).items)


async def test_what_is_dropped_while_it_waits_for_another_attempt_holds_nothing_up():
    queue = KeyedQueue(outdates=outdates)
    queue.put("k", "a")
    line = await take(queue)
    line.attempts = 4
    queue.park(line, 60, may_wake=True)

    assert ["a"] == queue.put("k", "B")
    assert ("B", 0) == ((found := await take(queue)).head, found.attempts)
    assert 0 == queue.parked


async def test_what_is_being_sent_stays_until_its_sender_asks():
    queue = KeyedQueue(outdates=outdates)
    queue.put("k", "a")
    line = await take(queue)
    assert not queue.is_outdated(line)

    assert [] == queue.put("k", "B")
    assert queue.is_outdated(line)
