"""What one connector tells of itself: errors and counts as metrics, status to the health board."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cache, partial

from bondmate_monitoring import metrics

from bondmate_connectors.contract import Status
from bondmate_connectors.errors import (
    AuthFailed,
    ConnectorError,
    EndOfStream,
    Misconfigured,
    NotConnected,
    Rejected,
    Throttled,
    Transient,
)
from bondmate_connectors.runtime.breaker import BreakerState
from bondmate_connectors.runtime.health import ConnectorHealth

_CODES: tuple[tuple[type[BaseException], str], ...] = (
    (NotConnected, "not_connected"),
    (Throttled, "throttled"),
    (Transient, "transient"),
    (AuthFailed, "auth_failed"),
    (Misconfigured, "misconfigured"),
    (EndOfStream, "end_of_stream"),
    (TimeoutError, "timeout"),
)


_LEAST_OPEN_FIRST = (BreakerState.CLOSED, BreakerState.HALF_OPEN, BreakerState.OPEN)


def code_of(error: BaseException) -> str:
    """Return the code of an error, from a closed set: its own when it is `Rejected`, else its class's."""
    if isinstance(error, Rejected):
        return error.code
    return next((code for kind, code in _CODES if isinstance(error, kind)), "bug")


class Reports:
    """The metrics and status of one connector instance."""

    def __init__(self, name: str, health: ConnectorHealth) -> None:
        self.name = name
        self._health = health
        self._received = metrics.CONNECTOR_RECEIVED.labels(name)
        self.last_sent_at: float | None = None
        """Seconds since the epoch; so is the next."""
        self.last_received_at: float | None = None
        self.crashing_since: datetime | None = None
        """The first of the crashes that have followed one another; of use while the status is FATAL_ERROR."""
        self._refused: dict[str, datetime] = {}
        self._breakers: dict[str, BreakerState] = {}
        self._in_flight: list[Callable[[], int]] = []
        self._parked: list[Callable[[], int]] = []
        metrics.CONNECTOR_IN_FLIGHT.labels(name).set_function(partial(_total, self._in_flight))
        metrics.CONNECTOR_PARKED.labels(name).set_function(partial(_total, self._parked))
        self._sent = cache(partial(metrics.CONNECTOR_SENT.labels, name))
        self._delivery_seconds = cache(partial(metrics.CONNECTOR_DELIVERY_SECONDS.labels, name))

    def begin(self) -> None:
        """Begin a life of the connector: of the one before nothing is in flight or parked any more."""
        self._in_flight.clear()
        self._parked.clear()
        self._breakers.clear()
        self._refused.clear()

    def watch(self, *, in_flight: Callable[[], int], parked: Callable[[], int]) -> None:
        """Count what these give as in flight and as parked, beside what others give; asked when somebody looks."""
        self._in_flight.append(in_flight)
        self._parked.append(parked)

    def status(self, part: str, status: Status, reason: str = "") -> None:
        """Report the status of a part of the connector."""
        self._health.report(self.name, part, status, reason)

    def refused(self, part: str, since: datetime | None, reason: str) -> None:
        """Show that the platform refuses a part of the connector, and why; `since` is None until that is certain."""
        if since is not None:
            self._refused[part] = since
        self.status(part, Status.RECOVERABLE_ERROR, reason)

    def admitted(self, part: str) -> None:
        """Show that the platform refuses a part of the connector no more."""
        self._refused.pop(part, None)
        self.status(part, Status.OK)

    @property
    def refused_since(self) -> datetime | None:
        """Since when the platform refuses us; None when it does not."""
        return min(self._refused.values(), default=None)

    def failed(self, stage: str, error: ConnectorError | TimeoutError | str) -> None:
        """Count an error, given as what was raised or as its code."""
        code = error if isinstance(error, str) else code_of(error)
        metrics.CONNECTOR_ERRORS.labels(self.name, stage, code).inc()

    def sent(self, kind: str, reason: str, seconds: float | None) -> None:
        """Count a receipt; `seconds` since the hub's first sight of what it is about, None where that says nothing.

        `reason` is that of its Delivery: a cancel is counted from the alert's first sight, which may be hours ago.
        """
        self.last_sent_at = time.time()
        self._sent(kind).inc()
        if seconds is not None:
            self._delivery_seconds(kind, reason).observe(seconds)

    def dead(self, kind: str, code: str) -> None:
        """Count a dead letter; `kind` is that of its Delivery, or `UNREADABLE`."""
        metrics.CONNECTOR_DEAD.labels(self.name, kind, code).inc()

    def received(self) -> None:
        """Count an event a source gave."""
        self.last_received_at = time.time()
        self._received.inc()

    def late(self, kind: str) -> None:
        """Count an event that was sent after its expiry, marked so."""
        metrics.CONNECTOR_LATE.labels(self.name, kind).inc()

    def retry(self, outcome: str) -> None:
        """Count a retry that was due: made, or postponed for want of budget."""
        metrics.CONNECTOR_RETRIES.labels(self.name, outcome).inc()

    def breaker(self, part: str, state: BreakerState) -> None:
        """Show in which state the breaker of a part is."""
        self._breakers[part] = state
        for each in BreakerState:
            metrics.CONNECTOR_BREAKER.labels(self.name, part, each.value).set(each is state)

    @property
    def worst_breaker(self) -> BreakerState:
        """The state of the breaker that lets the least through."""
        return max(self._breakers.values(), key=_LEAST_OPEN_FIRST.index, default=BreakerState.CLOSED)

    @property
    def parked(self) -> int:
        """Keys that wait for their next attempt."""
        return _total(self._parked)

    def passed_over(self, reason: str) -> None:
        """Count an event that was settled without sending, on purpose."""
        metrics.CONNECTOR_PASSED_OVER.labels(self.name, reason).inc()


def _total(counts: Iterable[Callable[[], int]]) -> int:
    return sum(count() for count in counts)
