"""The open alerts of this worker, in memory: for what must be told again, and for what must be seen by people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from heapq import heappop, heappush

from bondmate_monitoring.metrics import OPEN_ALERTS, UNDELIVERED_ALERT_SECONDS
from bondmate_schemas.enums import AlertStatus, Level
from bondmate_schemas.models import AlertState

from bondmate_streams.logic.alerts import CLOSED
from bondmate_streams.logic.deliveries import Telling
from bondmate_streams.logic.routing import Decision
from bondmate_streams.logic.states import Refresh

_EVER = datetime(1970, 1, 1, tzinfo=UTC)


class OpenAlerts:
    """Kept beside the table `alerts`, and built anew from it when partitions come and go."""

    def __init__(self, destinations: Iterable[str]) -> None:
        """Watch the alerts of `destinations`."""
        self._destinations = tuple(destinations)
        self._open: dict[str, tuple[AlertState, Refresh]] = {}
        self._plan: list[tuple[datetime, str]] = []
        """When to look at which alert again, as a heap: what a look costs does not grow with the alerts that wait."""
        self._planned: set[str] = set()
        # From ever on, so that what fell due while nobody was running is told at once; it may be a repeat.
        self._told_until = _EVER

    def clear(self) -> None:
        """Forget all, before it is built anew."""
        self._open.clear()
        self._plan.clear()
        self._planned.clear()
        self._told_until = _EVER

    def note(self, state: AlertState, decisions: Sequence[Decision]) -> None:
        """Take an alert as it stands now."""
        event_id = state.header.event_id
        if state.status in CLOSED:
            self._open.pop(event_id, None)
            return
        refresh = Refresh.of(decisions)
        self._open[event_id] = (state, refresh)
        if event_id not in self._planned:
            self._plan_next(state, refresh)

    def _plan_next(self, state: AlertState, refresh: Refresh) -> None:
        if (due := refresh.next_due(state, self._told_until)) is not None:
            heappush(self._plan, (due, state.header.event_id))
            self._planned.add(state.header.event_id)

    def state(self, event_id: str) -> AlertState | None:
        """Give an alert, while it is open."""
        found = self._open.get(event_id)
        return found[0] if found else None

    def due(self, now: datetime) -> list[tuple[AlertState, tuple[Telling, ...]]]:
        """Give what is to be told again now; it counts as told."""
        after, self._told_until = self._told_until, now
        found = []
        while self._plan and self._plan[0][0] <= now:
            _, event_id = heappop(self._plan)
            self._planned.discard(event_id)
            if event_id in self._open:
                state, refresh = self._open[event_id]
                found.append((state, refresh.tellings(state, after, now)))
                self._plan_next(state, refresh)
        return [(state, tellings) for state, tellings in found if tellings]

    def measure(self, now: datetime) -> None:
        """Set the gauges."""
        counts = Counter(state.status for state, _ in self._open.values())
        for status in set(AlertStatus) - CLOSED:
            OPEN_ALERTS.labels(status.value).set(counts[status])
        for destination in self._destinations:
            oldest = min(self._waiting(destination), default=now)
            UNDELIVERED_ALERT_SECONDS.labels(destination).set((now - oldest).total_seconds())

    def _waiting(self, destination: str) -> Iterator[datetime]:
        for state, _ in self._open.values():
            found = state.destinations.get(destination)
            if found is not None and found.level is Level.UNKNOWN:
                yield state.header.received_at
