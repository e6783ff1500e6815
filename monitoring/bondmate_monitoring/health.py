"""What a role knows of its own health, as pure state: nothing is asked over the network.

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


class RoleHealth:
    """Keep the health of one role. Not for several threads at once."""

    def __init__(self, role: str, requires: Iterable[str] = ()) -> None:
        self.role = role
        self._parts = {name: Part(ok=False, status="", reason="not seen yet", required=True) for name in requires}
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

    def ready(self) -> ProbeResult:
        """Whether the role can do its work."""
        reasons = dict[str, str]()
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

    def document(self) -> dict[str, Any]:
        """Return everything, for a person at 3 a.m."""
        return {
            "role": self.role,
            "ready": self.ready().ok,
            "started": self._started,
            "reasons": self.ready().reasons,
            "parts": {name: asdict(part) for name, part in sorted(self._parts.items())},
        }
