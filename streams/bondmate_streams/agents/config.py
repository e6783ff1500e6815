"""What the agents need to be told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.registry import RegistrySchemaIds
from bondmate_schemas.codec import SchemaIds
from bondmate_schemas.outside_ids import OutsideIds

from bondmate_streams.logic.addressing import Officer
from bondmate_streams.logic.following import UpdatePace
from bondmate_streams.logic.rooms import Rooms
from bondmate_streams.logic.routing import Ground, Routes


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamsConfig:
    """Settings of the stream processors."""

    kafka: KafkaConfig
    data_dir: Path
    """Folder of the tables; one worker at a time. May be wiped: it is rebuilt from the changelogs."""
    routes: Routes
    secret: bytes = field(repr=False)
    """Key of the pseudonyms."""
    outside: OutsideIds | None = None
    """Keys of the ids that leave; None: one that follows from `secret`."""
    instance: str = "hub-1"
    """Identity in the consumer group and in the audit trail; keep it over restarts."""
    known_devices: Callable[[], Iterable[str]] = tuple
    """Devices that are enrolled, for messages down to one that was never heard of."""
    officers: Callable[[], Iterable[Officer]] = tuple
    """Who carries the enrolled devices, for messages to units, callsigns and agencies; may be read from files."""
    receipt_takers: Collection[str] = ()
    """Destinations whose connector takes receipts of the messages it sent to officers."""
    untaken: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Delivery kinds that the connector of a destination does not take: what is written of them is counted."""
    agencies: Mapping[str, str] = field(default_factory=dict)
    """Agency of a destination, by its connector's settings."""
    routes_version: int = 0
    routes_applied_at: datetime | None = None
    """The version of the routes, and when a person applied it; None: a file's."""
    ground: Ground | None = None
    """The hub's map, where rules ask where alerts and incidents are."""
    paces: Mapping[str, UpdatePace] = field(default_factory=dict)
    """How often the connector of a destination takes position updates, where its routes say nothing of it."""
    schema_ids: SchemaIds | None = None
    """Where schema ids come from, when not from the registry."""
    keep_closed: timedelta = timedelta(days=7)
    """How long a closed alert is remembered: late reports of it find it, and its device may ask for it."""
    in_flight: int = 64
    """Events an agent has in hand at most; those of one key are handled one after another."""
    session_seconds: float = 6.0
    """After which a worker that died without leaving is taken for dead; a broker may refuse less than 6."""
    commit_seconds: float = 1.0
    """How often offsets are committed: what a killed worker does again."""
    drain_seconds: float = 1.0
    """How long events in hand may take to end when the worker is stopped; then they come again, to the next worker."""

    @property
    def rooms(self) -> Rooms:
        """Who the destinations of alerts are."""
        return Rooms.of(self.routes, self.agencies, self.routes_version, self.routes_applied_at)

    def ids(self) -> SchemaIds:
        """Return where schema ids come from."""
        return self.schema_ids or RegistrySchemaIds.of(self.kafka)
