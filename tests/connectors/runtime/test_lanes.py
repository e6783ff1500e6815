"""One worker a key, order within a key, and keys that wait do not hold others up."""

from __future__ import annotations

import asyncio

import pytest
from bondmate_connectors.runtime.lanes import Lanes
from bondmate_connectors.runtime.retry import Backoff
from hypothesis import given
from hypothesis import strategies as st


async def take(lanes):
    async with asyncio.timeout(1):
        return await lanes.take()


async def nothing_ready(lanes):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await lanes.take()


async def test_items_of_a_key_come_one_at_a_time_in_order():
    lanes = Lanes()
    for item in (1, 2, 3):
        lanes.put("a", item)
    lanes.put("b", 9)
    first, second = await take(lanes), await take(lanes)
    await nothing_ready(lanes)
    lanes.finish(first)

    assert ("a", "b") == (first.key, second.key)
    assert 2 == (await take(lanes)).head


async def test_a_parked_key_waits_and_others_do_not():
    lanes = Lanes()
    lanes.put("a", 1)
    lanes.put("b", 2)
    lanes.park(await take(lanes), 0.05, may_wake=True)

    assert 1 == lanes.parked
    assert "b" == (await take(lanes)).key
    assert "a" == (await take(lanes)).key
    assert 0 == lanes.parked


async def test_waking_frees_those_the_platform_did_not_ask_to_wait():
    lanes = Lanes()
    lanes.put("a", 1)
    lanes.put("b", 2)
    lanes.park(await take(lanes), 60, may_wake=True)
    lanes.park(await take(lanes), 60, may_wake=False)
    lanes.wake()

    assert "a" == (await take(lanes)).key
    assert 1 == lanes.parked
    lanes.discard(lambda _: True)
    assert 0 == lanes.parked


async def test_discarding_spares_what_somebody_works_on():
    lanes = Lanes()
    for item in (1, 2):
        lanes.put("a", item)
    lanes.put("b", 3)
    busy = await take(lanes)
    lanes.discard(lambda item: item < 4)

    assert 1 == busy.head
    lanes.finish(busy)
    await nothing_ready(lanes)
    lanes.put("a", 4)
    assert 4 == (await take(lanes)).head


async def test_only_the_newest_waits_and_what_is_being_sent_stays():
    lanes = Lanes(newer=lambda last, before: last >= before)
    dropped = lanes.put("a", 5)
    busy = await take(lanes)
    for item in (7, 6, 9):
        dropped += lanes.put("a", item)
    lanes.finish(busy)
    lane = await take(lanes)
    lanes.park(lane, 60, may_wake=True)
    dropped += lanes.put("a", 10)
    lanes.wake()

    assert [6, 7, 9] == dropped
    assert 10 == (await take(lanes)).head


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["finish", "again", "park"])), max_size=40))
async def test_no_item_is_lost_or_overtakes_another_of_its_key(script):
    lanes, done = Lanes(), []
    for number, (key, _) in enumerate(script):
        lanes.put(key, (key, number))
    actions = [action for _, action in script]
    while len(done) < len(script):
        lane = await take(lanes)
        action = actions.pop() if actions else "finish"
        if action == "finish":
            done.append(lane.head)
            lanes.finish(lane)
        elif action == "again":
            lanes.again(lane)
        else:
            lanes.park(lane, 0, may_wake=True)

    for key in "abc":
        assert [n for k, n in done if k == key] == [n for n, (k, _) in enumerate(script) if k == key]


@given(st.integers(1, 10_000))
def test_backoff_grows_to_its_cap_and_honours_what_was_asked(attempt):
    backoff = Backoff(base_seconds=0.1, cap_seconds=2, longest_asked_seconds=60)

    assert 0.05 <= backoff.seconds(attempt) <= min(2, 0.1 * 2 ** min(attempt - 1, 20))
    assert 7 == backoff.seconds(attempt, retry_after=7)
    assert 60 == backoff.seconds(attempt, retry_after=1e9)


async def test_the_most_urgent_goes_first_and_what_stands_before_it_in_its_lane_with_it():
    lanes = Lanes(rank=lambda item: item[0])
    for key, item in (("a", (1, "a1")), ("b", (1, "b1")), ("c", (2, "c1")), ("b", (0, "b2")), ("d", (0, "d1"))):
        lanes.put(key, item)
    found = []
    for _ in range(5):
        lane = await take(lanes)
        found.append(lane.head[1])
        lanes.finish(lane)

    assert ["b1", "d1", "b2", "a1", "c1"] == found


async def test_of_equals_that_with_the_fewest_failed_attempts_goes_first():
    lanes = Lanes()
    lanes.put("poison", 1)
    for attempt in (1, 2, 3):
        lane = await take(lanes)
        lane.attempts = attempt
        lanes.put(f"fresh-{attempt}", 2)
        lanes.again(lane)
        fresh = await take(lanes)
        assert f"fresh-{attempt}" == fresh.key
        lanes.finish(fresh)

    assert "poison" == (await take(lanes)).key


def outdates(last, before):
    """Capitals say something, small letters only move: what comes later leaves a small letter nothing to say."""
    return before.islower() and (last.isupper() or last == before)


@pytest.mark.parametrize(
    ("items", "left", "dropped"),
    [("aB", "B", "a"), ("aa", "a", "a"), ("ab", "ab", ""), ("AbC", "AC", "b"), ("abA", "A", "ab"), ("Aa", "Aa", "")],
)
async def test_what_comes_later_drops_what_it_leaves_nothing_to_say(items, left, dropped):
    lanes = Lanes(outdates=outdates)
    found = [gone for item in items for gone in lanes.put("k", item)]

    assert list(dropped) == found
    assert list(left) == list((await take(lanes)).items)


async def test_what_is_dropped_while_it_waits_for_another_attempt_holds_nothing_up():
    lanes = Lanes(outdates=outdates)
    lanes.put("k", "a")
    lane = await take(lanes)
    lane.attempts = 4
    lanes.park(lane, 60, may_wake=True)

    assert ["a"] == lanes.put("k", "B")
    assert ("B", 0) == ((found := await take(lanes)).head, found.attempts)
    assert 0 == lanes.parked


async def test_what_is_being_sent_stays_until_its_sender_asks():
    lanes = Lanes(outdates=outdates)
    lanes.put("k", "a")
    lane = await take(lanes)
    assert not lanes.is_outdated(lane)

    assert [] == lanes.put("k", "B")
    assert lanes.is_outdated(lane)
