"""What the location lane needs to be told."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.registry import RegistrySchemaIds
from bondmate_schemas.codec import SchemaIds
from bondmate_schemas.outside_ids import OutsideIds

from bondmate_streams.lane.rows import District, Register, Rules
from bondmate_streams.logic.deliveries import Agreements
from bondmate_streams.logic.routing import Routes


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneConfig:
    """Settings of the location lane."""

    kafka: KafkaConfig
    data_dir: Path
    """Folder of the lane's journal; one lane at a time."""
    routes: Routes
    secret: bytes = field(repr=False)
    """Key of the pseudonyms."""
    outside: OutsideIds | None = None
    """Keys of the ids that leave; None: one that follows from `secret`."""
    instance: str = "hub-1"
    """Identity in the consumer group and in the audit trail; keep it over restarts."""
    schema_ids: SchemaIds | None = None
    """The source of schema ids, when it is not the registry."""
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

    def ids(self) -> SchemaIds:
        """Return the source of schema ids."""
        return self.schema_ids or RegistrySchemaIds.of(self.kafka)
