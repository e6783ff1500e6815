"""What the demo is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """What the demo is asked to do."""

    seconds: int
    cap_dir: Path | None = None
    devices: int = 2000
    alerts_a_second: float = 50
    positions_a_second: float = 500
    keep: Path | None = None
    metrics_targets: Path | None = None
