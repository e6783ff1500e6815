"""The breaker's states, one by one and under any script; and a budget that retries cannot overdraw."""

from __future__ import annotations

import pytest
from bondmate_connectors.runtime.breaker import Breaker, BreakerSettings, BreakerState
from bondmate_connectors.runtime.retry import Backoff, Budget
from hypothesis import given
from hypothesis import strategies as st

SETTINGS = BreakerSettings(failures=3, probe=Backoff(base_seconds=1, cap_seconds=4), longest_pause_seconds=60)


def opened(now=0.0):
    breaker = Breaker(SETTINGS)
    for key in "aab":
        breaker.failed(key, breaker.epoch, now)
    return breaker


def test_failures_in_a_row_of_more_than_one_key_open_it():
    breaker = Breaker(SETTINGS)
    states = []
    for key in "abXabc":
        if key == "X":
            breaker.worked(breaker.epoch)
        else:
            breaker.failed(key, breaker.epoch, 0)
        states.append(breaker.state.value)

    assert [*["closed"] * 5, "open"] == states


def test_one_key_alone_never_opens_it():
    breaker = Breaker(SETTINGS)
    for _ in range(100):
        breaker.failed("poison", breaker.epoch, 0)
    assert breaker.is_closed
    breaker.failed("another", breaker.epoch, 0)

    assert BreakerState.OPEN is breaker.state


def test_a_probe_that_works_closes_it_and_one_that_fails_waits_longer():
    breaker = opened()
    assert 0.5 <= breaker.wait_seconds(0) <= 1
    breaker.probe()
    assert BreakerState.HALF_OPEN is breaker.state
    breaker.failed("a", breaker.epoch, 10)
    assert BreakerState.OPEN is breaker.state
    assert 0.5 <= breaker.wait_seconds(10) <= 2
    breaker.probe()

    assert breaker.worked(breaker.epoch)
    assert (BreakerState.CLOSED, 0) == (breaker.state, breaker.wait_seconds(10))


def test_what_began_before_the_last_change_changes_nothing():
    breaker = Breaker(SETTINGS)
    before = breaker.epoch
    for key in "aab":
        breaker.failed(key, before, 0)
    wait = breaker.wait_seconds(0)
    for key in "cdefgh":
        breaker.failed(key, before, 50)
    assert not breaker.worked(before)

    assert (BreakerState.OPEN, wait) == (breaker.state, breaker.wait_seconds(0))


def test_a_pause_the_platform_asks_for_is_kept_and_bounded():
    breaker = Breaker(SETTINGS)
    breaker.throttled(10, breaker.epoch, 0)
    assert BreakerState.OPEN is breaker.state
    assert 10 <= breaker.wait_seconds(0) <= 11
    breaker.throttled(3, breaker.epoch, 0)
    assert 10 <= breaker.wait_seconds(0) <= 11
    breaker.throttled(1e9, breaker.epoch, 0)

    assert 60 <= breaker.wait_seconds(0) <= 66


def test_who_waits_for_anothers_sake_waits_no_longer_than_that_one():
    lent, own, both = Breaker(SETTINGS), Breaker(SETTINGS), Breaker(SETTINGS)
    lent.throttled(10, lent.epoch, 0, lent=True)
    own.throttled(10, own.epoch, 0)
    both.throttled(10, both.epoch, 0)
    both.throttled(10, both.epoch, 0, lent=True)
    states = [breaker.state for breaker in (lent, own, both)]
    for breaker in (lent, own, both):
        breaker.relieved()

    assert [BreakerState.OPEN] * 3 == states
    assert [BreakerState.CLOSED, BreakerState.OPEN, BreakerState.OPEN] == [each.state for each in (lent, own, both)]


def test_what_says_nothing_of_the_platform_leaves_the_next_probe_due():
    breaker = opened()
    breaker.probe()
    breaker.withdrawn(breaker.epoch)

    assert (BreakerState.OPEN, 0) == (breaker.state, breaker.wait_seconds(5))


@given(
    st.lists(
        st.tuples(st.sampled_from(["fail", "work", "probe", "throttle", "lend", "relieve", "withdraw"]), st.booleans())
    )
)
def test_a_probe_always_comes_due_and_success_of_one_always_closes(script):
    breaker, now, began = Breaker(SETTINGS), 0.0, []
    for number, (verb, stale) in enumerate(script):
        epoch = began[0] if stale and began else breaker.epoch
        match verb:
            case "fail":
                breaker.failed(str(number % 3), epoch, now)
            case "work":
                breaker.worked(epoch)
            case "probe":
                breaker.probe()
            case "throttle":
                breaker.throttled(7, epoch, now)
            case "lend":
                breaker.throttled(7, breaker.epoch, now, lent=True)
            case "relieve":
                breaker.relieved()
            case "withdraw":
                breaker.withdrawn(epoch)
        began.append(breaker.epoch)
        assert breaker.wait_seconds(now) <= 66
        now += 1
    breaker.probe()
    breaker.worked(breaker.epoch)

    assert breaker.is_closed


@given(st.lists(st.sampled_from(["first", "retry"]), min_size=1, max_size=300), st.floats(0, 0.5))
def test_retries_that_fail_are_a_share_of_first_attempts_and_a_floor(script, step):
    budget, now, firsts, retries = Budget(share=0.2, floor_per_second=2, most=10), 0.0, 0, 0
    for what in script:
        if what == "first":
            budget.first_attempt()
            firsts += 1
        else:
            retries += budget.take(now)
        now += step

    assert retries <= 10 + 0.2 * firsts + 2 * now + 1e-6


def test_retries_that_work_are_never_held_up():
    budget = Budget(share=0.2, floor_per_second=0, most=5)
    for _ in range(1_000):
        assert budget.take(0)
        budget.give_back()


@pytest.mark.parametrize("share", [0.1, 0.2])
def test_a_spent_budget_comes_back_with_first_attempts(share):
    budget = Budget(share=share, floor_per_second=0, most=2)
    assert [True, True, False] == [budget.take(0) for _ in range(3)]
    for _ in range(round(1 / share) + 1):
        budget.first_attempt()

    assert [True, False] == [budget.take(0) for _ in range(2)]
