"""What every worker of the streams needs to be told: the agents' and the lane."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.registry import RegistrySchemaIds
from bondmate_schemas.codec import SchemaIds
from bondmate_schemas.outside_ids import OutsideIds

from bondmate_streams.logic.routing import Routes


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConfig:
    """Settings of a worker."""

    kafka: KafkaConfig
    data_dir: Path
    """Folder of its own; one worker at a time."""
    routes: Routes
    secret: bytes = field(repr=False)
    """Key of the pseudonyms."""
    outside: OutsideIds | None = None
    """Keys of the ids that leave; None: one that follows from `secret`."""
    instance: str = "hub-1"
    """Identity in the consumer group and in the audit trail; keep it over restarts."""
    schema_ids: SchemaIds | None = None
    """Where schema ids come from, when not from the registry."""

    def ids(self) -> SchemaIds:
        """Return where schema ids come from."""
        return self.schema_ids or RegistrySchemaIds.of(self.kafka)
