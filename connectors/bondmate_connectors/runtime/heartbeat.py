"""What each connector's runner says of it on `bondmate.state.connectors`, so that its silence is seen from outside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bondmate_kafka.producer import NotWritten, Outbox, Place
from bondmate_schemas.codec import SchemaUnavailableError
from bondmate_schemas.models import ConnectorStatus

from bondmate_connectors.contract import Status
from bondmate_connectors.runtime.envelopes import AddressedEnvelopes
from bondmate_connectors.runtime.health import ConnectorHealth, State
from bondmate_connectors.runtime.reports import Reports

_LOOK_SECONDS = 0.5
_FAREWELL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Paused:
    """The pause of a connector: its end, and the alerts that wait behind it."""

    until: datetime
    alerts: int = 0
    real_alerts: int = 0
    """Those of mode ACTUAL, or of unknown mode."""


@dataclass(frozen=True, slots=True)
class Beating:
    """One connector as the heartbeat sees it."""

    reports: Reports
    backlog_events: Callable[[], int | None]
    oldest_seconds: Callable[[], float]
    paused: Callable[[], Paused | None] = lambda: None


class Heartbeat:
    """Write a `ConnectorStatus` for each connector every so often, and at once when its status changes.

    It runs on the event loop on purpose: when that is frozen, it falls silent. It waits for nobody: what cannot be
    written is counted, and said again at the next turn.
    """

    def __init__(
        self,
        connectors: Sequence[Beating],
        *,
        health: ConnectorHealth,
        envelopes: AddressedEnvelopes,
        outbox: Outbox,
        role_id: str,
        every_seconds: float,
    ) -> None:
        self._connectors = connectors
        self._health = health
        self._envelopes = envelopes
        self._outbox = outbox
        self._role_id = role_id
        self._every_seconds = every_seconds
        self._since: dict[str, tuple[State, datetime]] = {}
        self._refused: dict[str, datetime | None] = {}
        self._due: dict[str, float] = {}
        self._waiting: dict[str, tuple[bool, bool]] = {}
        self._learnt = False

    async def run(self, stop: asyncio.Event) -> None:
        """Beat until `stop`."""
        while not stop.is_set() and not await self._learn():
            await _wait(stop, _LOOK_SECONDS)
        while not stop.is_set():
            self._beat()
            await _wait(stop, _LOOK_SECONDS)

    async def last(self) -> None:
        """Publish how each connector ended; within a bound, since nothing depends on it."""
        if self._learnt:
            self._due.clear()
            if sent := self._beat():
                await asyncio.wait(sent, timeout=_FAREWELL_SECONDS)

    async def _learn(self) -> bool:
        try:
            await self._envelopes.learn([ConnectorStatus.__name__])
        except SchemaUnavailableError:
            return False
        self._learnt = True
        return True

    def _beat(self) -> list[asyncio.Future[Place]]:
        now, sent = asyncio.get_running_loop().time(), []
        for connector in self._connectors:
            name = connector.reports.name
            if self._is_news(connector.reports) or self._waits_anew(connector) or now >= self._due.get(name, 0.0):
                self._due[name] = now + self._every_seconds
                sent.append(self._send(connector))
        return sent

    def _is_news(self, reports: Reports) -> bool:
        state = self._health.of(reports.name)
        before = self._since.get(reports.name)
        refused_since, self._refused[reports.name] = self._refused.get(reports.name), reports.refused_since
        if before is None or before[0].status is not state.status:
            # One that crashes again and again is in one trouble, of which operations are paged once.
            crashing_since = reports.crashing_since if state.status is Status.FATAL_ERROR else None
            self._since[reports.name] = state, crashing_since or datetime.now(UTC)
            return True
        return refused_since != reports.refused_since

    def _waits_anew(self, connector: Beating) -> bool:
        """Whether alerts wait behind a pause that nobody has heard of yet: that is told at once."""
        paused, name = connector.paused(), connector.reports.name
        waiting = (paused.alerts > 0, paused.real_alerts > 0) if paused else (False, False)
        before = self._waiting.get(name, (False, False))
        self._waiting[name] = waiting
        return waiting != before

    def _send(self, connector: Beating) -> asyncio.Future[Place]:
        report = self._outbox.send(self._envelopes.pack(self._status(connector)))
        report.add_done_callback(_heard(connector.reports))
        return report

    def _status(self, connector: Beating) -> ConnectorStatus:
        reports, state = connector.reports, self._health.of(connector.reports.name)
        paused = connector.paused()
        return ConnectorStatus(
            connector=reports.name,
            reported_by=self._role_id,
            reported_at=datetime.now(UTC),
            interval_seconds=self._every_seconds,
            status=state.status.value,
            reason=state.reason,
            since=self._since[reports.name][1],
            breaker=reports.worst_breaker.value,
            last_sent_at=_time(reports.last_sent_at),
            last_received_at=_time(reports.last_received_at),
            backlog_events=connector.backlog_events(),
            oldest_seconds=connector.oldest_seconds(),
            parked_keys=reports.parked,
            refused_since=reports.refused_since,
            paused_until=paused.until if paused else None,
            paused_alerts=paused.alerts if paused else 0,
            paused_real_alerts=paused.real_alerts if paused else 0,
        )


def _heard(reports: Reports) -> Callable[[asyncio.Future[Place]], None]:
    def done(report: asyncio.Future[Place]) -> None:
        if not report.cancelled() and isinstance(error := report.exception(), NotWritten):
            reports.failed("heartbeat", error.code)

    return done


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        pass
