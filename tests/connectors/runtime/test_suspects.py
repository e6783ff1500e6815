"""One event's own trouble is told apart from the platform's by what happens to the others meanwhile."""

from __future__ import annotations

import asyncio
import random
from collections import deque

import pytest
from bondmate_connectors.runtime.flights import Flights
from bondmate_connectors.runtime.suspects import Suspect, Suspects, SuspectVerdict
from bondmate_connectors.testing import eventually


def suspects():
    return Suspects(refusals=2, breaks=2)


def refused(found, event="a", kind="ALERT", *, lean=False):
    return found.refused(Suspect(event, event[0], kind), "http_403", may_lean=lean)


def broke(found, event="a", *, alone=True, lean=False):
    return found.broke(Suspect(event, event[0], "ALERT"), alone=alone, may_lean=lean)


def taken(found, event, kind="ALERT"):
    found.taken(Suspect(event, event[0], kind))


def others_pass(found, count, kind="ALERT"):
    for number in range(count):
        taken(found, f"{number}", kind)


def test_what_is_refused_while_nothing_passes_may_be_the_platform_for_ever():
    found = suspects()

    assert {SuspectVerdict.OPEN} == {refused(found) for _ in range(100)}


def test_what_passed_before_says_nothing_of_now():
    found = suspects()
    taken(found, "b")

    assert {SuspectVerdict.OPEN} == {refused(found) for _ in range(100)}


def test_what_alone_is_refused_while_others_pass_has_its_tries_and_then_is_guilty():
    found = suspects()
    refused(found)
    taken(found, "b")

    assert [SuspectVerdict.ALONE, SuspectVerdict.GUILTY] == [refused(found) for _ in range(2)]
    assert "http_403" == found.code_of("a")


def test_others_of_another_kind_prove_nothing():
    found = suspects()
    refused(found)
    taken(found, "b", "LOCATION")

    assert {SuspectVerdict.OPEN} == {refused(found) for _ in range(100)}


def test_a_second_that_is_refused_puts_the_platform_under_suspicion_again():
    found = suspects()
    refused(found)
    taken(found, "b")
    refused(found)

    assert SuspectVerdict.OPEN is refused(found, "c")
    assert SuspectVerdict.OPEN is refused(found)
    taken(found, "d")
    assert [SuspectVerdict.ALONE, SuspectVerdict.GUILTY] == [refused(found) for _ in range(2)]


def test_the_next_event_of_a_guilty_key_needs_no_other_to_pass_again():
    found = suspects()
    refused(found)
    taken(found, "b")
    while refused(found) is not SuspectVerdict.GUILTY:
        pass
    found.forget("a")

    assert [SuspectVerdict.ALONE, SuspectVerdict.GUILTY] == [refused(found, "a2") for _ in range(2)]
    assert SuspectVerdict.OPEN is refused(found, "c")
    assert SuspectVerdict.OPEN is refused(found, "a3")


def test_before_it_is_guilty_it_is_tried_once_in_its_leanest_form():
    found = suspects()
    refused(found)
    taken(found, "b")

    assert [SuspectVerdict.ALONE, SuspectVerdict.LEAN, SuspectVerdict.GUILTY] == [
        refused(found, lean=True) for _ in range(3)
    ]


def test_only_the_breaks_at_which_it_was_alone_count():
    found = suspects()
    taken(found, "b")
    broke(found, alone=False)
    others_pass(found, 200)

    assert [SuspectVerdict.OPEN, SuspectVerdict.OPEN, SuspectVerdict.OPEN, SuspectVerdict.GUILTY] == [
        broke(found, alone=alone) for alone in (False, True, False, True)
    ]
    assert "kills_the_link" == found.code_of("a")


def test_a_link_that_breaks_at_all_that_comes_kills_nothing_but_the_leanest_form_is_tried():
    found = suspects()

    assert [SuspectVerdict.OPEN, SuspectVerdict.LEAN, SuspectVerdict.OPEN, SuspectVerdict.OPEN] == [
        broke(found, lean=True) for _ in range(4)
    ]
    others_pass(found, 200, "LOCATION")
    assert SuspectVerdict.GUILTY is broke(found, lean=True)


def test_the_fewer_others_have_passed_the_more_breaks_it_takes():
    needed = {}
    for others in (1, 3, 50):
        found = suspects()
        broke(found)
        others_pass(found, others)
        needed[others] = 1 + next(n for n in range(1, 100) if broke(found) is SuspectVerdict.GUILTY)

    assert {1: 9, 3: 6, 50: 3} == needed


@pytest.mark.parametrize("seed", range(20))
def test_on_a_link_that_breaks_anyhow_nobody_is_guilty(seed):
    """Half of all requests are cut: three in a row happen to every eighth event, and prove nothing."""
    lot, found, guilty = random.Random(seed), Suspects(refusals=5, breaks=3), 0
    waiting = deque(f"{number}" for number in range(100))
    while waiting:
        event = waiting.popleft()
        if lot.random() < 0.5:
            if broke(found, event) is SuspectVerdict.GUILTY:
                guilty += 1
            else:
                waiting.append(event)
        else:
            taken(found, event)

    assert guilty <= 1


@pytest.mark.parametrize("beside", [2, 99], ids=["few at a time", "many at a time"])
@pytest.mark.parametrize("seed", range(10))
def test_while_one_machine_of_two_refuses_us_nobody_is_guilty(seed, beside):
    """Each attempt meets the one without our key by half: five in a row happen to every thirtieth event."""
    lot, found, guilty = random.Random(seed), Suspects(refusals=5, breaks=3), 0
    events = deque(f"{number}" for number in range(400))
    waiting = deque()
    while events or waiting:
        while events and len(waiting) <= beside:
            waiting.append(events.popleft())
        event = waiting.popleft()
        if lot.random() >= 0.5:
            taken(found, event)
        elif refused(found, event) is SuspectVerdict.GUILTY:
            guilty += 1
        else:
            waiting.append(event)

    assert 0 == guilty


@pytest.mark.parametrize("refusals", [2, 720], ids=["a few", "an outage of a night"])
def test_one_that_is_refused_for_itself_is_found_though_others_were_refused_before(refusals):
    found = suspects()
    for number in range(refusals):
        refused(found, f"{number % 2}")
    others_pass(found, 40)
    refused(found)
    others_pass(found, 40)

    assert SuspectVerdict.GUILTY in {refused(found) for _ in range(4)}


def test_what_is_taken_is_under_no_suspicion_any_more():
    found = suspects()
    broke(found)
    assert found.goes_alone("a")
    taken(found, "a")

    assert not found.goes_alone("a")
    assert SuspectVerdict.OPEN is broke(found)


async def test_who_goes_alone_waits_until_all_have_landed_and_holds_the_others():
    flights = Flights()
    order = []

    async def alone():
        async with flights.alone(5, 5) as is_alone:
            with flights.flight() as flight:
                order.append(("alone", is_alone, flight.alone, flights.is_open))

    with flights.flight() as first:
        task = asyncio.create_task(alone())
        await eventually(lambda: not flights.is_open, "held")
        assert ([], True) == (order, first.alone)
    await task

    assert [("alone", True, True, False)] == order
    assert flights.is_open


async def test_nobody_waits_long_for_one_that_wants_to_go_alone():
    flights = Flights()
    with flights.flight():
        async with flights.alone(0.01, 0.05) as is_alone:
            assert not is_alone
    async with flights.alone(0.01, 0.05) as is_alone:
        with flights.flight() as suspect:
            assert (is_alone, flights.is_open) == (True, False)
            async with asyncio.timeout(2):
                await flights.opened()
            with flights.flight():
                assert not suspect.alone


@pytest.mark.parametrize("first_lands_first", [True, False])
def test_two_that_were_under_way_together_were_not_alone(first_lands_first):
    flights = Flights()
    first, second = flights.flight(), flights.flight()
    found = first.__enter__(), second.__enter__()
    alone = []
    for each, flight in zip((first, second), found, strict=True) if first_lands_first else (
        (second, found[1]), (first, found[0])
    ):  # fmt: skip
        alone.append(flight.alone)
        each.__exit__(None, None, None)

    assert [False, False] == alone
