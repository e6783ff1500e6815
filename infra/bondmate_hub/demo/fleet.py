"""A fleet of simulated devices over HTTP: positions, alerts, reports; it remembers exactly what was answered with 202.

Each device has at most one open alert. A request that was not answered is sent again under the same id, as a real
device does, so that the hub meets repeats too.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import time
import uuid
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson

from bondmate_hub.demo.posts import Posts

_CENTRE = (50.8466, 4.3528)
_CLOSED = {"RESOLVED", "CANCELLED", "EXPIRED"}
_KINDS = ("SOS",) * 6 + ("ASSISTANCE", "OFFICER_DOWN", "DURESS", "TAMPER")


@dataclass(slots=True)
class Device:
    """One simulated device and where its officer walks."""

    device_id: str
    token: str
    latitude: float
    longitude: float
    sequence: int = 0
    alert_id: str | None = None
    fixes: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Accepted:
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
        self.devices = [self._place(device_id, token) for device_id, token in tokens.items()]
        self.accepted: list[Accepted] = []
        self.last_fix: dict[str, float] = {}
        """When the newest accepted fix of each device was taken, epoch seconds."""
        self.counts: Counter[str] = Counter()
        self.refused: Counter[int] = Counter()
        self.answers_at_devices: set[str] = set()
        self._free = deque(self._random.sample(self.devices, len(self.devices)))
        self._busy: deque[Device] = deque()
        self._session: aiohttp.ClientSession | None = None

    def _place(self, device_id: str, token: str) -> Device:
        angle, distance = self._random.uniform(0, math.tau), abs(self._random.gauss(0, 0.05))
        return Device(
            device_id, token, _CENTRE[0] + distance * math.sin(angle), _CENTRE[1] + distance * math.cos(angle)
        )

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
                    group.create_task(self._pace(group, self._rates.reports, end, self._report_one))
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
            await asyncio.sleep(min(1 / rate, 0.02))

    def _walkers(self) -> Iterator[Awaitable[None]]:
        while True:
            for device in self.devices:
                yield self._positions(device)

    async def _positions(self, device: Device) -> None:
        fixes = [self._fix(device) for _ in range(self._rates.fixes_in_a_batch)]
        body = {"message_id": str(uuid.uuid4()), "fixes": fixes}
        if await self._post(device, "/v1/locations", body):
            self.counts["position"] += len(fixes)
            taken = datetime.fromisoformat(fixes[-1]["position"]["fixed_at"]).timestamp()
            self.last_fix[device.device_id] = max(self.last_fix.get(device.device_id, 0), taken)

    def _fix(self, device: Device) -> dict[str, Any]:
        device.sequence += 1
        device.latitude += self._random.gauss(0, 0.0001)
        device.longitude += self._random.gauss(0, 0.0001)
        return {"sequence": device.sequence, "position": self._position(device), "on_duty": True}

    @staticmethod
    def _position(device: Device) -> dict[str, Any]:
        return {"latitude": round(device.latitude, 6), "longitude": round(device.longitude, 6), "accuracy_m": 8,
                "fixed_at": _now()}  # fmt: skip

    def _raise_one(self) -> Awaitable[None] | None:
        if not self._free:
            return None
        device = self._free.popleft()
        self._busy.append(device)
        return self._alert(device)

    async def _recycle(self, end: float) -> None:
        """Give a device back for the next alert once its last one is closed: at most one open alert each."""
        while time.monotonic() < end:
            if len(self._free) > len(self.devices) // 4 or not self._busy:
                await asyncio.sleep(0.2)
                continue
            device = self._busy.popleft()
            closed = await self._status(device) in _CLOSED
            (self._free if closed else self._busy).append(device)
            await asyncio.sleep(0 if closed else 0.05)

    async def _status(self, device: Device) -> str:
        try:
            status, body = await self._posts.ask("GET", f"/v1/alerts/{device.alert_id}", _said_by(device))
        except OSError:
            return ""
        return str(orjson.loads(body).get("status", "")) if status == HTTPStatus.OK else ""

    async def _listen(self, device: Device) -> None:
        """Hold a WebSocket and note every message that comes down."""
        assert self._session is not None
        headers = {"Authorization": f"Bearer {device.token}"}
        while True:
            try:
                async with self._session.ws_connect(f"{self._url}/v1/stream", headers=headers) as socket:
                    async for message in socket:
                        self._hear(message)
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(0.5)

    def _hear(self, message: aiohttp.WSMessage) -> None:
        if message.type is aiohttp.WSMsgType.TEXT:
            told = message.json()
            self.answers_at_devices.update(str(each["message_id"]) for each in told.get("messages", ()))

    async def _alert(self, device: Device) -> None:
        """Raise one alert; every fourth has no fix of its own, so that the hub joins the last one."""
        device.alert_id = str(uuid.uuid4())
        body: dict[str, Any] = {"message_id": str(uuid.uuid4()), "alert_id": device.alert_id, "action": "raise",
                "kind": self._random.choice(_KINDS), "occurred_at": _now()}  # fmt: skip
        if self._random.random() > 0.25:  # noqa: PLR2004
            body["position"] = self._position(device)
        posted = time.time()
        if answer := await self._post(device, "/v1/alerts", body):
            self.counts["alert"] += 1
            self.accepted.append(Accepted("alert", device.device_id, answer["event_id"], posted, time.time()))

    def _report_one(self) -> Awaitable[None]:
        return self._report(self._random.choice(self.devices))

    async def _report(self, device: Device) -> None:
        category = self._random.choice(["observation", "community_concern"])
        body = {"message_id": str(uuid.uuid4()), "category": category, "occurred_at": _now(),
                "title": "Street light out of order", "position": self._position(device),
                "statements": [{"nature": "fact", "text": "The lamp at the corner is dark."},
                               {"nature": "assessment", "text": "People avoid the corner after sunset."}]}  # fmt: skip
        posted = time.time()
        if answer := await self._post(device, "/v1/reports", body):
            self.counts["report"] += 1
            self.accepted.append(Accepted("report", device.device_id, answer["event_id"], posted, time.time()))

    async def _post(self, device: Device, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Post until answered; give the answer of a 202, an empty dict for a refusal."""
        content, headers = orjson.dumps(body), _said_by(device) | {"Content-Type": "application/json"}
        for attempt in range(30):
            with contextlib.suppress(OSError):
                status, answer = await self._posts.ask("POST", path, headers, content)
                if status == HTTPStatus.ACCEPTED:
                    return dict(orjson.loads(answer))
                if status < HTTPStatus.INTERNAL_SERVER_ERROR:
                    self.refused[status] += 1
                    return {}
            await asyncio.sleep(min(0.2 * 2**attempt, 2))
        self.refused[0] += 1
        return {}


def _said_by(device: Device) -> dict[str, str]:
    return {"Authorization": f"Bearer {device.token}"}


async def _run(work: Awaitable[None]) -> None:
    await work


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
