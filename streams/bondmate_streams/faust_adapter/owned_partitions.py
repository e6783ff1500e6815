"""Work on a table without an event: as if one of its partition were at hand, where that partition is ours.

faust's tables take the partition from the event that is being handled. What time brings, and what is handed over
locally, has no event of its own there.
"""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

import faust
from bondmate_kafka.partitions import partition_of
from faust.streams import _current_event
from faust.types import TP, Message

_END_SECONDS: Final = 3.0
"""How long a revocation waits for what is begun, for each topic in turn; together less than a session."""


class OwnedPartitions:
    """The partitions of one topic that this worker has."""

    def __init__(self, app: faust.App, topic: str) -> None:
        """Follow which partitions of `topic` the group gives to `app`."""
        self._app = app
        self._topic = topic
        self._given: frozenset[TP] = frozenset()
        self._ours: frozenset[TP] = frozenset()
        """What was given, once its tables are rebuilt: before, they hold what was true when we had them last."""
        self._at_work = 0
        self._idle = asyncio.Event()
        self._idle.set()
        app.on_partitions_assigned.connect(self._take)
        app.on_rebalance_complete.connect(self._begin_with)
        app.on_partitions_revoked.connect(self._taken_away)

    def _take(self, *given: Any, **_: object) -> None:
        # The sender, the partitions.
        self._given = frozenset(tp for tp in given[1] if tp.topic == self._topic)

    def _begin_with(self, *_: object, **__: object) -> None:
        self._ours = self._given

    async def _taken_away(self, *_: object, **__: object) -> None:
        self._given = self._ours = frozenset()
        # What is begun is ended before another worker has them, or its writes would come after that one's. A broker
        # that does not answer must not cost us the group: the other worker then waits for the same broker.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), _END_SECONDS)

    @property
    def has_first(self) -> bool:
        """Whether the first partition is ours: that worker does what one must do for all."""
        return TP(self._topic, 0) in self._ours

    @property
    def share(self) -> float:
        """The part of all partitions that is ours."""
        return len(self._ours) / int(self._app.conf.topic_partitions)

    @contextmanager
    def in_partition_of(self, key: str, partition: int | None = None) -> Iterator[bool]:
        """Work as if an event with this key were at hand; False, and nothing may be done, where it is not ours.

        `partition` is that of the key, unless another is named.
        """
        if partition is None:
            partition = partition_of(key.encode(), self._app.conf.topic_partitions)
        place = TP(self._topic, partition)
        if place not in self._ours:
            yield False
            return
        message = Message(place.topic, place.partition, -1, 0.0, 0, None, key.encode(), None, None, tp=place)
        event = self._app.create_event(key.encode(), None, None, cast("Any", message))
        before = _current_event.set(cast("Any", weakref.ref(event)))
        self._at_work += 1
        self._idle.clear()
        try:
            yield True
        finally:
            self._at_work -= 1
            if not self._at_work:
                self._idle.set()
            _current_event.reset(before)
