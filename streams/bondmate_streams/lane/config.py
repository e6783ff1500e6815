"""What the location lane needs to be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from bondmate_schemas.codec import SchemaIds
from bondmate_schemas.kafka import KafkaConfig, RegistrySchemaIds

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
    instance: str = "hub-1"
    """Identity in the consumer group and in the audit trail; keep it over restarts."""
    schema_ids: SchemaIds | None = None
    """Where schema ids come from, when not from the registry."""
    batch: int = 1_000
    """Fixes taken at a time, at most."""
    wait_seconds: float = 0.1
    """How long a batch may wait to fill."""
    audit_seconds: float = 60.0
    """Disclosures of positions are logged together for so long."""

    def ids(self) -> SchemaIds:
        """Give where schema ids come from."""
        return self.schema_ids or RegistrySchemaIds(self.kafka.registry_url)
