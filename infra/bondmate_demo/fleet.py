"""A fleet of simulated devices over HTTP: positions, alerts, reports; it remembers exactly what was answered with 202.

Each device decides as a real one does, by the core of its reference client: what goes first, what an answer means, when
to send again, under the same ids, so that the hub meets repeats too. It keeps nothing on disk, and its requests are the
lean ones of `posts`. It has at most one open alert.
"""

from __future__ import annotations

import asyncio
import math
import random
import sys
import time
import uuid
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import urlsplit

import aiohttp
import orjson
from bondmate_device import Core, EventKind, Item, Position, SendingPace, bodies
from bondmate_device.answers import NO_ANSWER, AnswerVerdict, verdict
from bondmate_device.core import AnswerOutcome
from bondmate_device.outbox import Sending

from bondmate_demo.posts import Posts

_CENTRE = (50.8466, 4.3528)
_PACE = SendingPace(first_wait_seconds=0.2, longest_wait_seconds=2, longest_alert_wait_seconds=2)
_MOST_ATTEMPTS = 30
_KINDS = ("SOS",) * 6 + ("ASSISTANCE", "OFFICER_DOWN", "DURESS", "TAMPER")


@dataclass(slots=True)
class SimulatedDevice:
    """One simulated device and where its officer walks."""

    device_id: str
    token: str
    latitude: float
    longitude: float
    core: Core
    sequence: int = 0
    alert_id: str | None = None

    @property
    def login(self) -> dict[str, str]:
        """The header by which the hub knows it."""
        return {"Authorization": f"Bearer {self.token}"}


@dataclass(frozen=True, slots=True)
class AcceptedEvent:
    """One event the hub answered with 202: what, when it was posted and answered (epoch seconds), the hub's id."""

    kind: str
    device_id: str
    event_id: str
    posted_at: float
    answered_at: float


@dataclass(frozen=True, slots=True)
class Rates:
    """How much the fleet says, in events a second."""

    alerts: float = 50
    positions: float = 500
    reports: float = 2
    fixes_in_a_batch: int = 4
    listeners: int = 20
    """Devices that hold a WebSocket open and show what comes back."""


class Fleet:
    """The devices, the load they make, and the book of what was accepted."""

    def __init__(self, base_url: str, tokens: dict[str, str], rates: Rates, *, seed: int = 112) -> None:
        self._url = base_url
        self._rates = rates
        self._random = random.Random(seed)  # noqa: S311  # a walk, not a secret
        self._jitter = random.Random(seed).random  # noqa: S311
        self.devices = [self._place(device_id, token) for device_id, token in tokens.items()]
        self.accepted: list[AcceptedEvent] = []
        self.last_fix: dict[str, float] = {}
        """When the newest accepted fix of each device was taken, epoch seconds."""
        self.counts: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        """By the problem's code; `given_up` for what was sent so often and never taken."""
        self.answers_at_devices: set[str] = set()
        self._free = deque(self._random.sample(self.devices, len(self.devices)))
        self._busy: deque[SimulatedDevice] = deque()
        self._posted_at: dict[str, float] = {}
        self._session: aiohttp.ClientSession | None = None

    def _place(self, device_id: str, token: str) -> SimulatedDevice:
        angle, distance = self._random.uniform(0, math.tau), abs(self._random.gauss(0, 0.05))
        latitude, longitude = _CENTRE[0] + distance * math.sin(angle), _CENTRE[1] + distance * math.cos(angle)
        return SimulatedDevice(device_id, token, latitude, longitude, Core(_PACE, self._jitter))

    async def run(self, seconds: float) -> None:
        """Make the load for `seconds`, then wait until every request is answered."""
        url = urlsplit(self._url)
        async with aiohttp.ClientSession() as self._session, Posts(url.hostname or "", url.port or 0) as self._posts:
            end = time.monotonic() + seconds
            async with asyncio.TaskGroup() as listening:
                listeners = [listening.create_task(self._listen(d)) for d in self.devices[: self._rates.listeners]]
                async with asyncio.TaskGroup() as group:
                    batches = self._rates.positions / self._rates.fixes_in_a_batch
                    group.create_task(self._pace(group, batches, end, self._walkers().__next__))
                    group.create_task(self._pace(group, self._rates.alerts, end, self._raise_one))
                    group.create_task(self._pace(group, self._rates.reports, end, self._report))
                    group.create_task(self._recycle(end))
                for listener in listeners:
                    listener.cancel()

    @staticmethod
    async def _pace(
        group: asyncio.TaskGroup, rate: float, end: float, make: Callable[[], Awaitable[None] | None]
    ) -> None:
        """Start `rate` of them a second, evenly; catch up after a stall, so that the rate holds."""
        begun, number = time.monotonic(), 0
        while rate and (now := time.monotonic()) < end:
            while number < (now - begun) * rate:
                number += 1
                if work := make():
                    group.create_task(_run(work))
            await asyncio.sleep(min(begun + number / rate, end) - now)

    def _walkers(self) -> Iterator[Awaitable[None]]:
        while True:
            for device in self.devices:
                yield self._positions(device)

    async def _positions(self, device: SimulatedDevice) -> None:
        for _ in range(self._rates.fixes_in_a_batch):
            device.sequence += 1
            device.latitude += self._random.gauss(0, 0.0001)
            device.longitude += self._random.gauss(0, 0.0001)
            device.core.outbox.add(bodies.fix(device.sequence, _position(device), datetime.now(UTC), on_duty=True))
        await self._send(device)

    def _raise_one(self) -> Awaitable[None] | None:
        if not self._free:
            return None
        device = self._free.popleft()
        self._busy.append(device)
        return self._alert(device)

    async def _recycle(self, end: float) -> None:
        """Hand a device back for the next alert once its last one is closed: at most one open alert each."""
        while time.monotonic() < end:
            if len(self._free) > len(self.devices) // 4 or not self._busy:
                await asyncio.sleep(0.2)
                continue
            device = self._busy.popleft()
            closed = await self._is_closed(device)
            (self._free if closed else self._busy).append(device)
            await asyncio.sleep(0 if closed else 0.05)

    async def _is_closed(self, device: SimulatedDevice) -> bool:
        """Ask where the device's alert stands."""
        try:
            answer = await self._posts.ask("GET", f"/v1/alerts/{device.alert_id}", device.login)
        except OSError:
            return False
        if answer.status != HTTPStatus.OK:
            return False
        told = device.core.statuses.told(orjson.loads(answer.body))
        return told is not None and told.closed and bool(device.core.statuses.forget(0))

    async def _listen(self, device: SimulatedDevice) -> None:
        """Hold a WebSocket and note every message that comes down."""
        assert self._session is not None
        while True:
            try:
                async with self._session.ws_connect(f"{self._url}/v1/stream", headers=device.login) as socket:
                    async for message in socket:
                        await self._hear(device, message)
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(0.5)

    async def _hear(self, device: SimulatedDevice, message: aiohttp.WSMessage) -> None:
        """Note what comes down, and confirm it as a device does."""
        if message.type is aiohttp.WSMsgType.TEXT:
            heard = device.core.heard(message.json(), datetime.now(UTC))
            self.answers_at_devices.update(one.message_id for one in heard.messages)
            for one in heard.messages:
                device.core.inbox.shown(one.message_id)
            for receipt in heard.receipts:
                device.core.outbox.add(receipt)
            await self._send(device)

    async def _alert(self, device: SimulatedDevice) -> None:
        """Raise one alert; every fourth has no fix of its own, so that the hub joins the last one."""
        device.alert_id = alert_id = str(uuid.uuid4())
        kind = self._random.choice(_KINDS)
        position = _position(device) if self._random.random() > 0.25 else None  # noqa: PLR2004
        item = bodies.alert("raise", message_id=str(uuid.uuid4()), alert_id=alert_id, at=datetime.now(UTC), kind=kind,
                            position=position)  # fmt: skip
        device.core.statuses.raised(alert_id, kind, item.at)
        await self._say(device, item)

    async def _report(self) -> None:
        device = self._random.choice(self.devices)
        told = [{"nature": "fact", "text": "The lamp at the corner is dark."},
                {"nature": "assessment", "text": "People avoid the corner after sunset."}]  # fmt: skip
        category = self._random.choice(["observation", "community_concern"])
        item = bodies.report(message_id=str(uuid.uuid4()), report_id=str(uuid.uuid4()), at=datetime.now(UTC),
                             category=category, title="Street light out of order", position=_position(device),
                             statements=told)  # fmt: skip
        await self._say(device, item)

    async def _say(self, device: SimulatedDevice, item: Item) -> None:
        self._posted_at[item.key] = time.time()
        device.core.outbox.add(item)
        await self._send(device)

    async def _send(self, device: SimulatedDevice) -> None:
        """Send what a device has, until it has nothing, or others of its tasks have the rest on its way."""
        outbox, clock = device.core.outbox, asyncio.get_running_loop().time
        while outbox:
            if sending := outbox.next(clock()):
                if sending.attempt > _MOST_ATTEMPTS:
                    self.refused["given_up"] += 1
                    return
                self._settled(device, device.core.answered(sending, await self._told(device, sending), clock()))
            elif (wake_at := outbox.wake_at()) is not None:
                await asyncio.sleep(max(0, wake_at - clock()))
            else:
                return

    async def _told(self, device: SimulatedDevice, sending: Sending) -> AnswerVerdict:
        headers = {**device.login, "Content-Type": "application/json"}
        try:
            answer = await self._posts.ask("POST", sending.path, headers, sending.body)
        except OSError:
            return NO_ANSWER
        return verdict(sending.kind, *answer)

    def _settled(self, device: SimulatedDevice, outcome: AnswerOutcome) -> None:
        """Note what was taken; the far ends' books are kept by the same ids."""
        self.refused.update(one.code for one in outcome.refusals)
        if outcome.refusals or not outcome.done:
            return
        item = outcome.done[-1]
        if item.kind is EventKind.FIX:
            self.counts["position"] += len(outcome.done)
            taken = datetime.fromisoformat(item.at).timestamp()
            self.last_fix[device.device_id] = max(self.last_fix.get(device.device_id, 0), taken)
        elif item.kind is not EventKind.RECEIPT:
            kind, posted_at = sys.intern(item.kind.value), self._posted_at.pop(item.key)
            self.counts[kind] += 1
            self.accepted.append(
                AcceptedEvent(kind, device.device_id, sys.intern(outcome.event_id), posted_at, time.time())
            )


async def _run(work: Awaitable[None]) -> None:
    await work


def _position(device: SimulatedDevice) -> Position:
    return Position(round(device.latitude, 6), round(device.longitude, 6), accuracy_m=8)
