"""What the location lane needs to be told."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from bondmate_streams.config import WorkerConfig
from bondmate_streams.lane.rows import District, Register, Rules
from bondmate_streams.logic.deliveries import Agreements


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneConfig(WorkerConfig):
    """Settings of the location lane; `data_dir` has its journal."""

    districts: District | None = None
    """The hub's map."""
    register: Callable[[], Register] = lambda: None
    """Gives who carries the enrolled devices, as it is now; asked with each batch."""
    untaken: Collection[str] = ()
    """Destinations whose connector takes no positions: what is written for them nobody reads, and is counted."""
    by_columns: bool = True
    """False: fix by fix, as without the extra `columns`."""
    cooperative: bool = False
    """Keep partitions while others move; all lanes of a group must say the same."""
    batch: int = 8_000
    """Fixes taken at a time, at most."""
    audit_seconds: float = 60.0
    """Disclosures of positions are logged together for so long."""

    def rules(self) -> Rules:
        """Return the rules that positions are worked by."""
        return Rules(self.routes, Agreements(self.routes, self.secret, self.outside), self.districts, self.register)
