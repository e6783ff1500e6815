"""A suspect gets its turn alone, however slow the sends beside it are (test of `Flights` as the runner asks it)."""

from __future__ import annotations

import asyncio
import contextlib

from bondmate_connectors.runtime.flights import Flights
from bondmate_connectors.testing import eventually

SEND_SECONDS = 0.3


async def test_a_suspect_goes_alone_though_sends_take_longer_than_the_first_wait():
    flights = Flights()

    async def others():
        while True:
            await flights.opened()
            with flights.flight():
                await asyncio.sleep(SEND_SECONDS)

    busy = [asyncio.create_task(others()) for _ in range(8)]
    turns = 0
    try:
        await eventually(lambda: flights.begun >= len(busy), "the others are under way")
        async with asyncio.timeout(10):
            while True:
                # As the runner asks: longer after each turn in vain, at last as long as any send takes.
                async with flights.alone(min(0.05 * 2**turns, 2 * SEND_SECONDS), 1.0) as is_alone:
                    if is_alone:
                        break
                turns += 1
                await asyncio.sleep(0.02)
    finally:
        for task in busy:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*busy)

    assert 1 <= turns <= 5
    assert flights.is_open
