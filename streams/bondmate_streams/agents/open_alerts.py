"""The open alerts of this worker, in memory: when to look at which again, and what people must see of them.

Kept small, a few hundred bytes an alert, since there may be a hundred thousand: the alert itself stays in its table.
What a change or a look costs does not grow with the alerts that wait.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from sys import intern

from bondmate_monitoring.metrics import OPEN_ALERTS, UNANSWERED_ALERTS, UNDELIVERED_ALERT_SECONDS
from bondmate_schemas.enums import AlertStatus, Level, Mode
from bondmate_schemas.models import AlertState

from bondmate_streams.logic.life_cycle import CLOSED
from bondmate_streams.logic.rooms import ANY_ROOMS, Rooms
from bondmate_streams.logic.routing import Decision, Escalation
from bondmate_streams.logic.timers import is_open_and_unanswered, next_due

_EVER = datetime(1970, 1, 1, tzinfo=UTC)
_PASSED_OVER = 100
"""Alerts that wait no longer and may stay in a heap."""


@dataclass(frozen=True, slots=True)
class _WatchedAlert:
    status: AlertStatus
    mode: Mode
    waiting: tuple[str, ...]
    """Destinations of which nothing is known yet."""
    paged: bool
    """A person was paged for it, and nobody has taken it up since."""


class OpenAlertIndex:
    """Kept beside the table `alerts`, and built anew from it when partitions come and go."""

    def __init__(
        self, destinations: Iterable[str], keep_closed: timedelta = timedelta(days=7), rooms: Rooms = ANY_ROOMS
    ) -> None:
        """Watch the alerts of `destinations`; a closed one is due once more, to be forgotten, after `keep_closed`."""
        self._keep_closed = keep_closed
        self._rooms = rooms
        self._watched: dict[str, _WatchedAlert] = {}
        self._plan: list[tuple[datetime, str]] = []
        """A heap; what is no longer true in it is passed over when its time comes."""
        self._planned: dict[str, datetime] = {}
        self._counts: Counter[AlertStatus] = Counter()
        self._waiting: dict[str, set[str]] = {name: set() for name in destinations}
        self._oldest: dict[str, list[tuple[datetime, str]]] = {name: [] for name in destinations}
        """A heap of those that wait or have waited, by when they came in."""
        self._paged: Counter[Mode] = Counter()
        self.is_whole = True
        """False while it is being built anew: until then nothing is due, and nothing is shown."""
        # From ever on, so that what fell due while nobody was running is told at once; it may be a repeat.
        self._told_until = _EVER
        self._build: object = None

    def clear(self) -> object:
        """Forget all, before it is built anew; return what names this building."""
        self.is_whole = False
        self._build = object()
        self._watched.clear()
        self._plan.clear()
        self._planned.clear()
        self._counts.clear()
        for name, waiting in self._waiting.items():
            waiting.clear()
            self._oldest[name].clear()
        self._paged.clear()
        self._told_until = _EVER
        return self._build

    def is_current(self, build: object) -> bool:
        """Whether no later building has begun."""
        return self._build is build

    def built(self, build: object) -> None:
        """Take it that this building has ended; it counts for nothing when a later one has begun."""
        self.is_whole = self.is_whole or self.is_current(build)

    def knows(self, event_id: str) -> bool:
        """Whether an alert was noted."""
        return event_id in self._watched or event_id in self._planned

    def note(self, state: AlertState, decisions: Sequence[Decision], escalation: Sequence[Escalation]) -> None:
        """Take an alert as it stands now."""
        event_id = state.header.event_id
        before = self._forget(event_id)
        is_shown = state.status not in CLOSED and not state.alert.drill
        after = _watched(state, escalation) if is_shown else None
        if after is not None:
            self._watched[event_id] = after
            self._counts[after.status] += 1
            self._paged[after.mode] += after.paged
        self._wait(state, set(before.waiting) if before else set(), set(after.waiting) if after else set())
        due_at = next_due(state, decisions, escalation, self._told_until, rooms=self._rooms)
        self.plan(event_id, self.forget_at(state) or due_at)

    def forget_at(self, state: AlertState) -> datetime | None:
        """Return when a closed alert is to be forgotten; None for an open one."""
        return state.changed_at + self._keep_closed if state.status in CLOSED else None

    def _forget(self, event_id: str) -> _WatchedAlert | None:
        watched = self._watched.pop(event_id, None)
        if watched is not None:
            self._counts[watched.status] -= 1
            self._paged[watched.mode] -= watched.paged
        return watched

    def _wait(self, state: AlertState, before: set[str], after: set[str]) -> None:
        """Have an alert wait where nothing is known of it now, and no longer where it did before."""
        event_id = state.header.event_id
        for name in before - after:
            self._waiting[name].discard(event_id)
        for name in after - before:
            self._waiting.setdefault(name, set()).add(event_id)
            heappush(self._oldest.setdefault(name, []), (state.header.received_at, event_id))

    def plan(self, event_id: str, due: datetime | None) -> None:
        """Look at an alert again at `due`, and no longer at the time planned before; None: never again."""
        if due is None:
            self._planned.pop(event_id, None)
        elif self._planned.get(event_id) != due:
            self._planned[event_id] = due
            heappush(self._plan, (due, event_id))

    def due(self, now: datetime) -> tuple[datetime, list[str]]:
        """Return the alerts to look at now, and since when nothing was looked at; they count as looked at."""
        after, self._told_until = self._told_until, now
        found = []
        while self._plan and self._plan[0][0] <= now:
            time, event_id = heappop(self._plan)
            if self._planned.get(event_id) == time:
                del self._planned[event_id]
                found.append(event_id)
        return after, found

    def measure(self, now: datetime) -> None:
        """Set the gauges; while it is being built anew they stay."""
        if not self.is_whole:
            return
        for status in set(AlertStatus) - CLOSED:
            OPEN_ALERTS.labels(status.value).set(self._counts[status])
        for mode in Mode:
            UNANSWERED_ALERTS.labels(mode.value).set(self._paged[mode])
        for name in self._waiting:
            UNDELIVERED_ALERT_SECONDS.labels(name).set((now - self._since(name, now)).total_seconds())

    def _since(self, name: str, now: datetime) -> datetime:
        """Return when the oldest alert came in that a destination has not answered; `now` where there is none."""
        waiting, oldest = self._waiting[name], self._oldest[name]
        if len(oldest) > 2 * len(waiting) + _PASSED_OVER:
            # One that never gets through must not keep all that came after it.
            oldest[:] = sorted({entry for entry in oldest if entry[1] in waiting})
        while oldest and oldest[0][1] not in waiting:
            heappop(oldest)
        return oldest[0][0] if oldest else now


def _watched(state: AlertState, escalation: Sequence[Escalation]) -> _WatchedAlert:
    paging = (step.after_seconds for step in escalation if step.page)
    return _WatchedAlert(
        status=state.status,
        mode=state.header.mode,
        waiting=tuple(intern(name) for name, at in state.destinations.items() if at.level is Level.UNKNOWN),
        paged=is_open_and_unanswered(state)
        and (not state.destinations or min(paging, default=state.escalated_seconds + 1) <= state.escalated_seconds),
    )
