"""What waits to be sent, in which order, and when it is tried again. Pure: no I/O, no clock, no randomness of its own.

Alerts go first, each in the order of its own events (raise, update, cancel). While one is on its way, or waits because
nothing answers, nothing lesser is started: so the first to find the network again is an alert. Then reports, texts and
receipts, one at a time. Positions come last, many in a request, the oldest first; when too many wait the oldest are
given up for newer ones. Nothing else is ever given up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from bondmate_device.answers import NO_ANSWER, AnswerVerdict, NextStep
from bondmate_device.model import EventKind, Item

PATHS: Final = {
    EventKind.ALERT: "/v1/alerts",
    EventKind.CHECK_IN: "/v1/check-ins",
    EventKind.REPORT: "/v1/reports",
    EventKind.TEXT: "/v1/messages",
    EventKind.RECEIPT: "/v1/receipts",
    EventKind.FIX: "/v1/locations",
}
_URGENT: Final = frozenset({EventKind.ALERT, EventKind.CHECK_IN})
_DONE: Final = frozenset({NextStep.ACCEPTED, NextStep.REFUSED})
_MOST_DOUBLINGS: Final = 16
_FIXES_LINE: Final = ""


@dataclass(frozen=True, slots=True)
class SendingPace:
    """How many at once, and how long between tries."""

    alerts_at_once: int = 4
    fixes_in_a_request: int = 500
    fixes_kept: int = 5000
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 60.0
    longest_alert_wait_seconds: float = 8.0
    longest_retry_after_seconds: float = 3600.0
    longest_alert_retry_after_seconds: float = 60.0
    """Nothing between device and hub may silence an alert for longer, whatever it answers."""


class Sending(NamedTuple):
    """One request that is to be made now; hand its answer to `SendingQueue.answered`."""

    kind: EventKind
    line: str
    items: tuple[Item, ...]
    attempt: int

    @property
    def path(self) -> str:
        """Where it is posted."""
        return PATHS[self.kind]

    @property
    def body(self) -> bytes:
        """What is posted: an event's own bytes, or the fixes put together (each is known again by itself)."""
        if self.kind is EventKind.FIX:
            return b'{"fixes":[' + b",".join(item.body for item in self.items) + b"]}"
        return self.items[0].body


@dataclass(slots=True)
class _UrgencyQueue:
    """Lines of events that share one wait."""

    at_once: int
    lines: dict[str, list[Item]] = field(default_factory=dict)
    busy: list[str] = field(default_factory=list)
    attempts: int = 0
    not_before: float = 0.0
    unanswered: bool = False
    """It waits because nothing answers."""
    waits: dict[str, tuple[int, float]] | None = None
    """Lines that wait alone: how often tried, until when."""

    def add(self, item: Item) -> None:
        if items := self.lines.get(item.line):
            items.append(item)
        else:
            self.lines[item.line] = [item]

    def ready(self, now: float) -> str | None:
        """Return the first line that may go."""
        if self.not_before > now or len(self.busy) >= self.at_once:
            return None
        return next((line for line in self.lines if line not in self.busy and self._wait(line)[1] <= now), None)

    def wake_at(self) -> float | None:
        """Return when a line that waits may go; None when none waits."""
        if len(self.busy) >= self.at_once:
            return None
        waiting = [self._wait(line)[1] for line in self.lines if line not in self.busy]
        return max(self.not_before, min(waiting)) if waiting else None

    def done(self, line: str, number: int) -> None:
        """Forget the first `number` events of a line."""
        self.attempts, self.not_before, self.unanswered = 0, 0.0, False
        if self.waits:
            self.waits.pop(line, None)
        items = self.lines[line]
        del items[:number]
        if not items:
            del self.lines[line]

    def hold(self, line: str, seconds: float, now: float, *, alone: bool) -> None:
        """Let a line wait, and all of the queue with it unless `alone`."""
        if alone:
            self.waits = self.waits or {}
            self.waits[line] = (self._wait(line)[0] + 1, now + seconds)
        else:
            self.attempts += 1
            self.not_before = now + seconds

    def tries(self, line: str) -> int:
        """Return how often the first event of a line has been tried without success."""
        return self.attempts + self._wait(line)[0]

    def _wait(self, line: str) -> tuple[int, float]:
        return self.waits.get(line, (0, 0.0)) if self.waits else (0, 0.0)


@dataclass(slots=True)
class _Fixes(_UrgencyQueue):
    """The positions: one line, of which the first `sent` are on their way."""

    sent: int = 0
    limit: int = 0

    def cut(self, kept: int) -> list[Item]:
        """Drop the oldest that are not on their way, down to `kept`, and return them."""
        items = self.lines.get(_FIXES_LINE, [])
        excess = max(0, len(items) - max(kept, self.sent))
        given_up = items[self.sent : self.sent + excess]
        del items[self.sent : self.sent + excess]
        return given_up


class SendingQueue:
    """What one device has to send.

    Call `add` for each event, after it is on disk; `next` for what to send; `answered` with what came of it. Whoever
    sends calls `next` again after each of the three, and at `wake_at`.
    """

    __slots__ = ("_alerts", "_fixes", "_jitter", "_pace", "_records", "_waiting")

    def __init__(self, pace: SendingPace, jitter: Callable[[], float]) -> None:
        """Begin empty; `jitter` gives numbers from 0 to 1, evenly spread, so that devices do not return all at once."""
        self._pace = pace
        self._jitter = jitter
        self._alerts = _UrgencyQueue(pace.alerts_at_once)
        self._records = _UrgencyQueue(1)
        self._fixes = _Fixes(1, limit=pace.fixes_in_a_request)
        self._waiting = 0

    def __len__(self) -> int:
        """Count what waits for its answer."""
        return self._waiting

    def __iter__(self) -> Iterator[Item]:
        """Iterate over what waits for its answer, alerts first, each line in its order."""
        return (item for queue in self._queues() for items in queue.lines.values() for item in items)

    def add(self, item: Item) -> list[Item]:
        """Take an event; return the positions that are given up for it. A new alert is tried at once."""
        queue = self._queue_of(item.kind)
        queue.add(item)
        self._waiting += 1
        if item.kind in _URGENT:
            queue.not_before = 0.0
        given_up = self._fixes.cut(self._pace.fixes_kept) if item.kind is EventKind.FIX else []
        self._waiting -= len(given_up)
        return given_up

    def next(self, now: float) -> Sending | None:
        """Return what is to be sent now, or None; `now` is in seconds of any clock that never goes back."""
        if (line := self._alerts.ready(now)) is not None:
            return self._start(self._alerts, line, 1)
        if self._alerts.busy or (self._alerts.lines and self._alerts.unanswered and self._alerts.not_before > now):
            return None
        if (line := self._records.ready(now)) is not None:
            return self._start(self._records, line, 1)
        if (line := self._fixes.ready(now)) is not None:
            sending = self._start(self._fixes, line, self._fixes.limit)
            self._fixes.sent = len(sending.items)
            return sending
        return None

    def wake_at(self) -> float | None:
        """Return when `next` will have something though nothing happens meanwhile; None: not before something does."""
        only_alerts = self._alerts.busy or (self._alerts.lines and self._alerts.unanswered)
        queues = (self._alerts,) if only_alerts else self._queues()
        return min((at for queue in queues if (at := queue.wake_at()) is not None), default=None)

    def hurry(self) -> None:
        """Forget every wait: the network is back."""
        for queue in self._queues():
            queue.not_before, queue.waits = 0.0, None

    def answered(self, sending: Sending, verdict: AnswerVerdict, now: float) -> tuple[Item, ...]:
        """Take what came of a request; return the events that are done with, taken or refused."""
        queue = self._queue_of(sending.kind)
        queue.busy.remove(sending.line)
        done = self._settled(queue, sending, verdict)
        self._waiting -= len(done)
        if verdict.meaning not in _DONE:
            self._hold(queue, sending, verdict, now)
        return done

    def _settled(self, queue: _UrgencyQueue, sending: Sending, verdict: AnswerVerdict) -> tuple[Item, ...]:
        """Take from its line what is done with, and return it."""
        number = len(sending.items)
        self._fixes.sent = 0 if sending.kind is EventKind.FIX else self._fixes.sent
        if verdict.meaning is NextStep.REFUSED and number > 1:
            self._fixes.limit = number // 2  # the gateway refuses all for one: halve, until the one is alone
            return ()
        if verdict.meaning not in _DONE:
            return ()
        if sending.kind is EventKind.FIX:
            self._fixes.limit = min(self._fixes.limit * 2, self._pace.fixes_in_a_request)
        queue.done(sending.line, number)
        return sending.items

    def _start(self, queue: _UrgencyQueue, line: str, number: int) -> Sending:
        queue.busy.append(line)
        items = tuple(queue.lines[line][:number])
        return Sending(items[0].kind, line, items, queue.tries(line))

    def _hold(self, queue: _UrgencyQueue, sending: Sending, verdict: AnswerVerdict, now: float) -> None:
        alone = verdict.meaning is NextStep.STRANGE
        queue.unanswered = verdict is NO_ANSWER
        alert = sending.kind in _URGENT
        pace = self._pace
        longest = pace.longest_alert_wait_seconds if alert else pace.longest_wait_seconds
        if verdict.meaning is NextStep.NOT_ENROLLED:
            longest = pace.longest_wait_seconds
        asked = pace.longest_alert_retry_after_seconds if alert else pace.longest_retry_after_seconds
        spread = min(longest, pace.first_wait_seconds * 2 ** min(queue.tries(sending.line), _MOST_DOUBLINGS))
        wait = min(verdict.retry_after_seconds, asked) + spread * self._jitter()
        queue.hold(sending.line, wait, now, alone=alone)

    def _queue_of(self, kind: EventKind) -> _UrgencyQueue:
        if kind is EventKind.FIX:
            return self._fixes
        return self._alerts if kind in _URGENT else self._records

    def _queues(self) -> Iterator[_UrgencyQueue]:
        yield self._alerts
        yield self._records
        yield self._fixes
