"""The open alerts of this worker, in memory: for what must be told again, and for what must be seen by people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

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
        # From ever on, so that what fell due while nobody was running is told at once; it may be a repeat.
        self._told_until = _EVER

    def clear(self) -> None:
        """Forget all, before it is built anew."""
        self._open.clear()
        self._told_until = _EVER

    def note(self, state: AlertState, decisions: Sequence[Decision]) -> None:
        """Take an alert as it stands now."""
        if state.status in CLOSED:
            self._open.pop(state.header.event_id, None)
        else:
            self._open[state.header.event_id] = (state, Refresh.of(decisions))

    def state(self, event_id: str) -> AlertState | None:
        """Give an alert, while it is open."""
        found = self._open.get(event_id)
        return found[0] if found else None

    def due(self, now: datetime) -> list[tuple[AlertState, tuple[Telling, ...]]]:
        """Give what is to be told again now; it counts as told."""
        found = [(state, refresh.tellings(state, self._told_until, now)) for state, refresh in self._open.values()
                 if refresh.every]  # fmt: skip
        self._told_until = now
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
