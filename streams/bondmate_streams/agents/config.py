"""What the agents need to be told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bondmate_streams.config import WorkerConfig
from bondmate_streams.logic.addressing import Officer
from bondmate_streams.logic.following import UpdatePace
from bondmate_streams.logic.rooms import Rooms
from bondmate_streams.logic.routing import Ground


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamsConfig(WorkerConfig):
    """Settings of the stream processors; `data_dir` has the tables, and may be wiped: the changelogs have them too."""

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
