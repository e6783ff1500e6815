"""How old the oldest undelivered event of a connector is, computed when somebody looks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial

from bondmate_monitoring import metrics
from bondmate_schemas.models import Delivery

from bondmate_connectors.runtime.intake import ConsumedRecord, PartitionState


class Backlog:
    """The partitions of all consumers of one connector; keeps telling their age after the connector has stopped."""

    def __init__(
        self,
        name: str,
        kinds: Iterable[str],
        clock: Callable[[], datetime],
        waiting_seconds: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._clock = clock
        self._waiting_seconds = waiting_seconds
        self._partitions: list[PartitionState] = []
        metrics.CONNECTOR_LAG_SECONDS.labels(name).set_function(self.lag_seconds)
        metrics.CONNECTOR_HELD.labels(name).set_function(self.held)
        for kind in kinds:
            metrics.CONNECTOR_OLDEST_UNDELIVERED.labels(name, kind).set_function(partial(self.oldest_seconds, kind))

    def add(self, partition: PartitionState) -> None:
        """Count what `partition` holds from now on."""
        if partition not in self._partitions:
            self._partitions.append(partition)

    def remove(self, partition: PartitionState) -> None:
        """Count `partition` no longer: another process has its partition."""
        if partition in self._partitions:
            self._partitions.remove(partition)

    def forget(self, topic: str) -> None:
        """Count no longer what was taken of `topic` until now: it is taken again."""
        self._partitions = [partition for partition in self._partitions if partition.topic != topic]

    def held(self) -> int:
        """Return how many events were taken and are not settled."""
        return sum(len(partition.held) for partition in list(self._partitions))

    def lag_seconds(self) -> float:
        """Return the age of the oldest record at a committed offset, 0 when all is settled.

        What was taken knows its age; of what nobody takes, since a consumer stands still, the broker is asked.
        """
        return max(self._age(self._held()), self._waiting_seconds())

    def oldest_seconds(self, kind: str) -> float:
        """Return the age of the oldest undelivered event of `kind`, 0 when there is none."""
        return self._age(t for t in self._held() if isinstance(t.content, Delivery) and t.content.kind.value == kind)

    def _held(self) -> Iterator[ConsumedRecord]:
        for partition in list(self._partitions):
            yield from list(partition.held.values())

    def _age(self, held: Iterable[ConsumedRecord]) -> float:
        oldest = min((record.published_at for record in held), default=None)
        return 0.0 if oldest is None else max((self._clock() - oldest).total_seconds(), 0.0)
