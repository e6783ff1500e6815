"""How many events are in hand: a bound that holds, and that nobody who gave up keeps shut."""

from __future__ import annotations

import asyncio

import pytest
from bondmate_streams.faust_adapter.in_flight import InFlight


@pytest.fixture
def in_hand() -> InFlight:
    return InFlight(2)


class Work:
    """Work that ends when it is told to."""

    def __init__(self) -> None:
        self.may_end = asyncio.Event()
        self.begun = 0

    async def one(self) -> None:
        self.begun += 1
        await self.may_end.wait()


async def when_there_is_room(in_hand: InFlight, work: Work) -> None:
    await in_hand.wait_for_room()
    in_hand.begin_now(work.one())


async def test_no_more_than_the_bound_begin_and_the_next_begins_when_one_has_ended(in_hand: InFlight) -> None:
    work = Work()
    for _ in range(2):
        in_hand.begin_now(work.one())
    third = asyncio.create_task(when_there_is_room(in_hand, work))
    await asyncio.sleep(0)
    assert (2, False) == (work.begun, in_hand.has_room)
    work.may_end.set()
    await third
    await in_hand.drain(1)

    assert 3 == work.begun


async def test_one_that_gave_up_waiting_keeps_nobody_out(in_hand: InFlight) -> None:
    work = Work()
    for _ in range(2):
        in_hand.begin_now(work.one())
    waiting = asyncio.create_task(when_there_is_room(in_hand, work))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    work.may_end.set()

    async with asyncio.timeout(1):
        while not in_hand.has_room:
            await asyncio.sleep(0)
        await when_there_is_room(in_hand, work)
    await in_hand.drain(1)

    assert 3 == work.begun
