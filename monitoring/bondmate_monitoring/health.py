"""What a role knows of its own health, as pure state: time is passed in, nothing is asked over the network.

Alive: nothing is broken beyond repair and every watched task has lately shown itself; else restart the process.
Ready: started, and every required dependency answers; else send it no work, and read what it waits for. A connector of
a runner that is down is shown, and does not make its role unready: the other destinations go on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """Yes, or no with a constant reason for each part that says no."""

    ok: bool
    reasons: dict[str, str]


@dataclass(frozen=True, slots=True)
class Part:
    """A dependency or connector as it last reported."""

    ok: bool
    status: str
    reason: str
    required: bool


@dataclass(slots=True)
class _Watch:
    within_seconds: float
    seen_at: float


class RoleHealth:
    """Keep the health of one role. Not for several threads at once."""

    def __init__(self, role: str, requires: Iterable[str] = ()) -> None:
        self.role = role
        self._parts = {name: Part(ok=False, status="", reason="not seen yet", required=True) for name in requires}
        self._watches: dict[str, _Watch] = {}
        self._broken = ""
        self._starting = "starting"
        self._started = False
        self._stopping = False

    def require(self, name: str) -> None:
        """Be ready only while the part `name` is well."""
        part = self._parts.get(name, Part(ok=False, status="", reason="not seen yet", required=True))
        self._parts[name] = Part(part.ok, part.status, part.reason, required=True)

    def report(self, name: str, *, ok: bool, reason: str = "", status: str = "") -> None:
        """Take what a dependency or connector says of itself; `reason` may hold an address or a file of ours."""
        required = name in self._parts and self._parts[name].required
        self._parts[name] = Part(ok, status, reason, required)

    def waits(self, reason: str) -> None:
        """Take note of what the start waits for."""
        self._starting = reason

    def started(self) -> None:
        """Take note that starting is over."""
        self._started = True

    def stopping(self) -> None:
        """Take note that the role drains: alive, no longer ready."""
        self._stopping = True

    def broken(self, reason: str) -> None:
        """Take note of what only a restart can mend."""
        self._broken = reason

    def watch(self, task: str, within_seconds: float, now: float) -> None:
        """Expect `beat(task)` at least every `within_seconds` from `now` on (monotonic seconds)."""
        self._watches[task] = _Watch(within_seconds, now)

    def unwatch(self, task: str) -> None:
        """Expect nothing of `task` any more."""
        self._watches.pop(task, None)

    def beat(self, task: str, now: float) -> None:
        """Take note that a watched task is moving."""
        self._watches[task].seen_at = now

    def live(self, now: float) -> ProbeResult:
        """Whether the process should be left alone."""
        reasons = {"role": self._broken} if self._broken else {}
        for task, watch in self._watches.items():
            if now - watch.seen_at > watch.within_seconds:
                reasons[task] = f"not seen for more than {watch.within_seconds:g} s"
        return ProbeResult(not reasons, reasons)

    def ready(self, now: float) -> ProbeResult:
        """Whether the role can do its work."""
        reasons = dict(self.live(now).reasons)
        if not self._started:
            reasons["role"] = self._starting
        elif self._stopping:
            reasons["role"] = "stopping"
        waits = {name: part for name, part in self._parts.items() if not part.ok and self._needs(part)}
        reasons |= {name: part.reason or part.status.lower() for name, part in waits.items()}
        return ProbeResult(not reasons, reasons)

    def _needs(self, part: Part) -> bool:
        """Whether the role can do nothing without a part; what it starts with it needs as long as it starts."""
        return part.required or not self._started

    def startup(self) -> ProbeResult:
        """Whether starting is over."""
        return ProbeResult(self._started, {} if self._started else {"role": self._starting})

    def document(self, now: float) -> dict[str, Any]:
        """Return everything, for a person at 3 a.m."""
        return {
            "role": self.role,
            "live": self.live(now).ok,
            "ready": self.ready(now).ok,
            "started": self._started,
            "reasons": self.ready(now).reasons,
            "parts": {name: asdict(part) for name, part in sorted(self._parts.items())},
        }
