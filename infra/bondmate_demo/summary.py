"""What came of a demo, counted at the far ends."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bondmate_demo import ledger


@dataclass(slots=True)
class Summary:
    """What came of it; times in milliseconds, memory in MiB (PSS of all processes)."""

    sent: dict[str, int]
    destinations: dict[str, ledger.Count]
    lost: int
    dead_lettered: int
    latency_ms: dict[str, dict[str, float]]
    duplicates: int
    first_alert_seconds: float
    resident_mib: float
    cap: dict[str, int] = field(default_factory=dict)
    answers_at_devices: int = 0
    restarts: dict[str, int] = field(default_factory=dict)
    memory_by_process: dict[str, float] = field(default_factory=dict)
    lost_of: dict[str, int] = field(default_factory=dict)
    """What was lost, and where."""
    logs: Path | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the summary as `hub demo --json` prints it."""
        return {
            "sent": self.sent,
            "lost": self.lost,
            "lost_of": self.lost_of,
            "destinations": {
                name: asdict(figures) for name, figures in self.destinations.items()
            },
            "latency_ms": self.latency_ms,
            "duplicates": self.duplicates,
            "first_alert_seconds": round(self.first_alert_seconds, 1),
            "resident_mib": round(self.resident_mib, 1),
            "cap": self.cap,
            "dead_lettered": self.dead_lettered,
            "answers_at_devices": self.answers_at_devices,
            "restarts": self.restarts,
            "memory_mib": {name: round(size, 1) for name, size in self.memory_by_process.items()},
        }  # fmt: skip
