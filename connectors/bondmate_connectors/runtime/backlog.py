"""How old the oldest undelivered event of a connector is, computed when somebody looks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial

from bondmate_monitoring import metrics
from bondmate_schemas.models import Delivery

from bondmate_connectors.runtime.intake import Slot, Taken


class Backlog:
    """The slots of all consumers of one connector; keeps telling their age after the connector has stopped."""

    def __init__(
        self,
        name: str,
        kinds: Iterable[str],
        clock: Callable[[], datetime],
        unread_seconds: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._clock = clock
        self._unread_seconds = unread_seconds
        self._slots: list[Slot] = []
        metrics.CONNECTOR_LAG_SECONDS.labels(name).set_function(self.lag_seconds)
        metrics.CONNECTOR_HELD.labels(name).set_function(self.held)
        for kind in kinds:
            metrics.CONNECTOR_OLDEST_UNDELIVERED.labels(name, kind).set_function(partial(self.oldest_seconds, kind))

    def add(self, slot: Slot) -> None:
        """Count what `slot` holds from now on."""
        if slot not in self._slots:
            self._slots.append(slot)

    def remove(self, slot: Slot) -> None:
        """Count `slot` no longer: another process has its partition."""
        if slot in self._slots:
            self._slots.remove(slot)

    def forget(self, topic: str) -> None:
        """Count no longer what was taken of `topic` until now: it is taken again."""
        self._slots = [slot for slot in self._slots if slot.topic != topic]

    def held(self) -> int:
        """Return how many events were taken and are not settled."""
        return sum(len(slot.held) for slot in list(self._slots))

    def lag_seconds(self) -> float:
        """Return the age of the oldest record at a committed offset, 0 when all is settled.

        What was taken knows its age; of what nobody takes, since a consumer stands still, the broker is asked.
        """
        return max(self._age(self._held()), self._unread_seconds())

    def oldest_seconds(self, kind: str) -> float:
        """Return the age of the oldest undelivered event of `kind`, 0 when there is none."""
        return self._age(t for t in self._held() if isinstance(t.content, Delivery) and t.content.kind.value == kind)

    def _held(self) -> Iterator[Taken]:
        for slot in list(self._slots):
            yield from list(slot.held.values())

    def _age(self, held: Iterable[Taken]) -> float:
        oldest = min((taken.published_at for taken in held), default=None)
        return 0.0 if oldest is None else max((self._clock() - oldest).total_seconds(), 0.0)
