"""What a view has not been shown of its topics: how many records, and for how long; as metrics."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from typing import Final

from bondmate_kafka.client import Consumer, Message, Place, is_end_of_partition
from bondmate_kafka.consumer import end_as_known
from bondmate_monitoring import metrics

__all__ = ["ViewLag"]

_CONSUMER: Final = "mailboxes"


class ViewLag:
    """Kept by the thread that reads; anybody may ask for the metrics."""

    def __init__(self, topics: Iterable[str]) -> None:
        """Count from now on: what stood on the topics before is as old as this reading of it."""
        began = time.time()
        self._next: dict[Place, int] = {}
        self._events = dict.fromkeys(topics, 0)
        self._since: dict[str, float | None] = dict.fromkeys(self._events, began)
        self._caught_up = False
        for topic in self._events:
            metrics.CONSUMER_LAG_EVENTS.labels(_CONSUMER, topic).set_function(partial(self._events.__getitem__, topic))
            metrics.CONSUMER_LAG_SECONDS.labels(_CONSUMER, topic).set_function(partial(self._seconds, topic))

    def taken(self, messages: Sequence[Message]) -> None:
        """Note records that are about to be shown."""
        for message in messages if self._caught_up else ():
            topic, at = str(message.topic()), message.timestamp()[1] / 1_000
            since = self._since[topic]
            self._since[topic] = at if since is None else min(since, at)

    def shown(self, consumer: Consumer, places: Collection[Place], messages: Sequence[Message]) -> None:
        """Note what was shown, or that an end was reached, and count what is left as the client has heard of it."""
        for message in messages:
            # Behind the last record may lie offsets that hold none: the end itself says how far it is.
            step = 0 if is_end_of_partition(message) else 1
            self._next[str(message.topic()), message.partition() or 0] = (message.offset() or 0) + step
        counts = dict.fromkeys(self._events, 0)
        for place in places:
            counts[place[0]] += max(end_as_known(consumer, place) - self._next.get(place, 0), 0)
        self._events.update(counts)
        if self._caught_up:
            self._since.update(dict.fromkeys(self._since, None))

    def caught_up(self) -> None:
        """Note that all that stood there at the start was shown."""
        self._caught_up = True

    def _seconds(self, topic: str) -> float:
        since = self._since[topic]
        return 0.0 if since is None else max(time.time() - since, 0.0)
