"""The load of the laboratory: alerts in numbered series, and positions in batches, over HTTP, as devices send them.

Each message waits for the 202 of the one before, and one that is not answered is sent again under the same id.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
import uuid
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any

import orjson
from bondmate_demo.posts import Posts

from bench.chaos.book import Book, Shown, Started
from bench.chaos.document import latitude_of

MESSAGES = 4
"""Of one alert: it is raised, then updated, and at last updated or called off."""
FIXES = 25
"""Positions in a batch."""
FOLLOWED = 8
"""Fixes that a device sends from its alert on, where it is followed: also after the alert has ended."""
_STEP_SECONDS = 1.2
_LATELY = 0.5
"""The share of the questions that are about alerts whose help a room took back within `_LATELY_SECONDS`."""
_LATELY_SECONDS = 6.0
_AGAIN_SECONDS = 0.2
_GIVE_UP_SECONDS = 150.0


def _discard(busy: set[str], device: str, _: asyncio.Task[None]) -> None:
    busy.discard(device)


@dataclass(frozen=True, slots=True)
class Owed:
    """A check-in that a device owes; `event_id` is that of the alert that it becomes."""

    device: str
    check_in_id: str
    event_id: str


@dataclass(frozen=True, slots=True)
class Pair:
    """A device with an open alert, and the spare that is to take its place."""

    device: str
    spare: str
    alert_id: str
    event_id: str


class Load:
    """Devices that raise and update alerts, others that send positions; some ask how their alert stands."""

    def __init__(self, port: int, tokens: dict[str, str], book: Book, seed: int) -> None:
        devices = list(tokens)
        half = len(devices) // 2
        self._free = iter(devices[:half])
        self._walkers = itertools.cycle(devices[half:])
        self._tokens = tokens
        self._book = book
        self._random = random.Random(seed)  # a walk, not a secret
        self._posts = Posts("127.0.0.1", port, connections=96, timeout_seconds=20)
        self._sequence = dict.fromkeys(devices, 0)
        self._raised: list[tuple[str, str, str]] = []
        self._follows = False
        self.clock_offset_seconds = 0.0
        """How wrong the devices' clocks are now."""
        self.wrong_times = 0
        self.asked_again = 0
        """Requests that were not answered, or not with 202, and were sent again."""

    async def run(self, alerts: int, alerts_a_second: float, batches_a_second: float, *, follows: bool = False) -> None:
        """Raise `alerts` alerts at this rate, with their updates; positions meanwhile; ends when all is answered.

        Where it follows, the devices move while their alerts are open.
        """
        self._follows = follows
        begun = time.monotonic()
        async with asyncio.TaskGroup() as group:
            walking = group.create_task(self._walk(group, batches_a_second))
            asking = group.create_task(self._ask())
            series = []
            for number in range(alerts):
                await asyncio.sleep(max(0.0, begun + number / alerts_a_second - time.monotonic()))
                series.append(group.create_task(self._officer(next(self._free))))
            await asyncio.gather(*series)
            walking.cancel()
            asking.cancel()

    def close(self) -> None:
        """Hang up."""
        self._posts.close()

    async def _officer(self, device: str) -> None:
        raised = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._series(device, raised))
            if self._follows:
                await raised.wait()
                group.create_task(self._move(device))

    async def _move(self, device: str) -> None:
        for _ in range(FOLLOWED):
            await self.fix(device)
            await asyncio.sleep(_STEP_SECONDS)

    def free_device(self) -> str:
        """Return a device that does nothing yet."""
        return next(self._free)

    async def shown(self, device: str) -> bool:
        """Return whether a device is shown anything now, an alert or a message; False where the gateway is away."""
        status, answer = await self._tried(self._posts.ask("GET", "/v1/messages", self._who(device)))
        told = orjson.loads(answer) if status == HTTPStatus.OK else {}
        return bool(told.get("alerts") or told.get("messages"))

    async def fix(self, device: str) -> None:
        """Send the next fix of a device, which moves on with each."""
        self._sequence[device] = number = self._sequence[device] + 1
        place = {"latitude": latitude_of(number), "longitude": 4.35, "fixed_at": self._now()}
        fix = {"sequence": number, "position": place, "on_duty": True}
        await self._post(device, "/v1/locations", {"message_id": self._new_id(), "fixes": [fix]})
        self._book.fixes[device].append(number)

    async def _series(self, device: str, raised: asyncio.Event) -> None:
        alert_id, event_id = self._new_id(), ""
        kind, last = self._random.choice(("SOS", "ASSISTANCE")), self._random.choice(("update", "cancel"))
        for number, action in enumerate(("raise", *("update",) * (MESSAGES - 2), last)):
            event_id = await self.press(device, alert_id, action, number, kind)
            if number == 0:
                self._raised.append((device, alert_id, event_id))
                if self._follows:
                    self._book.follows[event_id] = device
                raised.set()
            await asyncio.sleep(self._random.uniform(0.05, 0.5))

    async def owe(self, seconds: float) -> Owed:
        """Owe a check-in of one more device, due in so many seconds."""
        device, check_in_id = next(self._free), self._new_id()
        due = {"action": "due", "due_in_seconds": seconds, "kind": "SOS", "text": "n=0"}
        answer = await self._check_in(device, check_in_id, due)
        return Owed(device, check_in_id, str(answer["event_id"]))

    async def check_in(self, owed: Owed) -> None:
        """Check in where it is owed."""
        await self._check_in(owed.device, owed.check_in_id, {"action": "done"})

    async def _check_in(self, device: str, check_in_id: str, said: dict[str, Any]) -> dict[str, Any]:
        known = {"message_id": self._new_id(), "check_in_id": check_in_id, "occurred_at": self._now()}
        return await self._post(device, "/v1/check-ins", known | said)

    async def pair(self) -> Pair:
        """Raise an alert of one more device, which moves once, and name another one that may take its place."""
        device, spare, alert_id = next(self._free), next(self._free), self._new_id()
        event_id = await self.press(device, alert_id, "raise", 0)
        self._book.follows[event_id] = device
        await self.fix(device)
        return Pair(device, spare, alert_id, event_id)

    async def go_on(self, pair: Pair) -> None:
        """Have the spare press and move, once it knows of the alert; the device before it is not heard any more."""
        asked = f"/v1/alerts/{pair.event_id}"
        while (await self._tried(self._posts.ask("GET", asked, self._who(pair.spare))))[0] != HTTPStatus.OK:  # noqa: ASYNC110
            await asyncio.sleep(_AGAIN_SECONDS)
        self._book.follows[pair.event_id] = pair.spare
        self._sequence[pair.spare] = self._sequence[pair.device] + 1
        if pair.event_id != await self.press(pair.spare, pair.alert_id, "update", 1):
            raise AssertionError("what a spare pressed is another alert")
        await self.fix(pair.spare)

    async def press_of(self, started: Started, text: str) -> None:
        """Press at the device of an emergency that a room started: it is of that, whatever id the device has for it."""
        posted, body = time.time(), {"message_id": self._new_id(), "kind": "SOS", "text": text}
        await self._post(started.device, "/v1/alerts", body | {"occurred_at": self._now()})
        self._book.sent[started.event_id, 1] = posted
        self._book.accepted[started.event_id] = 2

    async def press(self, device: str, alert_id: str, action: str, number: int, kind: str = "SOS") -> str:
        """Say something of an alert; return its event id."""
        body = {"message_id": self._new_id(), "alert_id": alert_id, "action": action, "kind": kind,
                "occurred_at": self._now(), "text": f"n={number}"}  # fmt: skip
        posted = time.time()
        event_id = str((await self._post(device, "/v1/alerts", body))["event_id"])
        self._book.sent[event_id, number] = posted
        self._book.accepted[event_id] = number + 1
        return event_id

    async def _walk(self, group: asyncio.TaskGroup, batches_a_second: float) -> None:
        busy: set[str] = set()
        while batches_a_second:
            device = next(self._walkers)
            if device not in busy:
                busy.add(device)
                group.create_task(self._batch(device)).add_done_callback(partial(_discard, busy, device))
            await asyncio.sleep(1 / batches_a_second)

    async def _batch(self, device: str) -> None:
        fixes: list[dict[str, Any]] = []
        for _ in range(FIXES):
            self._sequence[device] += 1
            position = {"latitude": round(self._random.uniform(50, 51), 6), "longitude": 4.35, "fixed_at": self._now()}
            fixes.append({"sequence": self._sequence[device], "position": position, "on_duty": True})
        await self._post(device, "/v1/locations", {"message_id": self._new_id(), "fixes": fixes})
        self._book.fixes[device] += [fix["sequence"] for fix in fixes]

    async def _ask(self) -> None:
        """Note what devices are shown of their alerts, some twenty times a second."""
        while True:
            await asyncio.sleep(0.05)
            if self._raised:
                lately = self._lately_taken_back() if self._random.random() < _LATELY else []
                await self._ask_one(*self._random.choice(lately or self._raised))

    def _lately_taken_back(self) -> list[tuple[str, str, str]]:
        since = time.time() - _LATELY_SECONDS
        taken = {event for room in self._book.withdrawn.values() for event, at in room.items() if at > since}
        return [each for each in self._raised if each[2] in taken]

    async def _ask_one(self, device: str, alert_id: str, event_id: str) -> None:
        try:
            status, answer, _ = await self._posts.ask("GET", f"/v1/alerts/{alert_id}", self._who(device))
        except OSError:
            return
        if status == HTTPStatus.OK:
            now = time.time()
            told = orjson.loads(answer)
            said = {room: str(says.get("says", "")) for room, says in told.get("answers", {}).items()}
            self._book.shown += [
                Shown(event_id, room, level, now, said.get(room, "")) for room, level in told["destinations"].items()
            ]

    async def _post(self, device: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        content, headers = orjson.dumps(body), self._who(device) | {"Content-Type": "application/json"}
        end = time.monotonic() + _GIVE_UP_SECONDS
        while time.monotonic() < end:
            status, answer = await self._tried(self._posts.ask("POST", path, headers, content))
            if status == HTTPStatus.ACCEPTED:
                return dict(orjson.loads(answer))
            if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
                raise AssertionError(f"the gateway refused a request of the laboratory with {status}")
            self.asked_again += 1
            await asyncio.sleep(_AGAIN_SECONDS)
        raise TimeoutError(f"the gateway took nothing for {_GIVE_UP_SECONDS:g} s")

    @staticmethod
    async def _tried(asking: Awaitable[Any]) -> tuple[int, bytes]:
        try:
            status, answer, _ = await asking
        except OSError:
            return 0, b""
        return int(status), bytes(answer)

    def _new_id(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def _now(self) -> str:
        """Give the time as the devices' clocks have it."""
        self.wrong_times += self.clock_offset_seconds != 0
        return (datetime.now(UTC) + timedelta(seconds=self.clock_offset_seconds)).isoformat(timespec="milliseconds")

    def _who(self, device: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._tokens[device]}"}
