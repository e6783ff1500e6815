"""Emergencies that a dispatcher starts while the load runs, and what becomes of each.

The room of the owner starts them; another room tries what only the owner may. Their officers move all the time, and
what their devices are shown is noted until the end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, Self

from bench.chaos.book import Book, Started

if TYPE_CHECKING:
    from bench.chaos.load import Load
    from bench.chaos.room import Room

RENEW_SECONDS: Final = 10
"""The least that routes allow."""
_RENEWED_SECONDS: Final = 3.0
_MOVES: Final = 18
"""Fixes of each officer: also after nobody has renewed it."""
_STEP_SECONDS: Final = 1.2
_LOOK_SECONDS: Final = 0.5
_ACT_SECONDS: Final = 2.0
_AGAIN_SECONDS: Final = 0.5


def callsign_of(device: str) -> str:
    """Return the callsign under which a device of the laboratory is enrolled."""
    return f"K-{int(device.rpartition('-')[2])}"


class Dispatch:
    """An async context manager: what is watched and renewed ends with it."""

    def __init__(self, load: Load, owner: Room, other: Room, book: Book) -> None:
        self._load, self._owner, self._other, self._book = load, owner, other, book
        self._watching: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)

    async def run(self, count: int) -> None:
        """Start so many, one after another, each with the next of the things that can become of one; ends with all."""
        plans = (self._left_alone, self._renewed, self._confirmed, self._pressed, self._closed)
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                group.create_task(self._play(number, plans[number % len(plans)]))
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _play(self, number: int, plan: Callable[[int, Started], Coroutine[Any, Any, None]]) -> None:
        device = self._load.free_device()
        started = Started(device, silent=plan == self._pressed, renews=plan == self._renewed)
        self._book.started[number] = started
        await self._load.fix(device)
        self._beside(self._watch(started))
        await self._start(number, started)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._move(device))
            group.create_task(plan(number, started))

    async def _start(self, number: int, started: Started) -> None:
        """Order it until it is started; where the device is, and that it is on shift, the hub knows a moment later."""
        given = {"emergency": "SOS", "by": "jane"} | ({"silent": "true"} if started.silent else {})
        while number not in self._owner.started:
            answer = await self._owner.order(number, callsign_of(started.device), **given)
            if answer == "Ack":
                given["by"] = "joe"
            elif answer:
                await asyncio.sleep(_AGAIN_SECONDS)
        self._book.follows[started.event_id] = started.device
        self._book.accepted[started.event_id] = 1

    async def _move(self, device: str) -> None:
        for _ in range(_MOVES):
            await self._load.fix(device)
            await asyncio.sleep(_STEP_SECONDS)

    async def _watch(self, started: Started) -> None:
        while True:
            if await self._load.shown(started.device):
                started.shown.append(time.time())
            await asyncio.sleep(_LOOK_SECONDS)

    async def _left_alone(self, number: int, _: Started) -> None:
        """Renew nothing; that the other room renews it changes nothing."""
        await self._other_says(number, emergency="renewed")

    async def _renewed(self, number: int, _: Started) -> None:
        self._beside(self._renew(number))

    async def _renew(self, number: int) -> None:
        while True:
            await self._owner.say("Update", self._owner.started[number], emergency="renewed")
            await asyncio.sleep(_RENEWED_SECONDS)

    async def _confirmed(self, number: int, started: Started) -> None:
        await self._other_says(number, emergency="confirmed")
        await asyncio.sleep(_ACT_SECONDS)
        started.confirmed_at = time.time()
        await self._owner.say("Update", self._owner.started[number], emergency="confirmed")

    async def _pressed(self, number: int, started: Started) -> None:
        await asyncio.sleep(2 * _ACT_SECONDS)
        started.pressed_at = time.time()
        await self._load.press_of(started, f"n=1 k={number}")

    async def _closed(self, number: int, started: Started) -> None:
        await self._other_says(number, kind="Cancel")
        await asyncio.sleep(_ACT_SECONDS)
        started.closed_at = time.time()
        await self._owner.say("Cancel", self._owner.started[number])

    async def _other_says(self, number: int, kind: str = "Update", **parameters: str) -> None:
        """Have the other room say what is not its own to say, once it was told; it is told late where it is away."""
        await asyncio.sleep(_ACT_SECONDS)
        if about := self._other.started.get(number):
            await self._other.say(kind, about, **parameters)

    def _beside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)
