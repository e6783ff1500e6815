"""Records of foreign writers that lie where they do not belong: counted, and said once a topic while they come."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import structlog
from bondmate_kafka.records import Arrived
from bondmate_monitoring.metrics import MISPLACED

from bondmate_streams.errors import BadEventError
from bondmate_streams.logic.belonging import Home, Stay, stay

__all__ = ["Misplaced"]

_log = structlog.get_logger(__name__)
_QUIET_SECONDS: Final = 3_600.0
"""After so long without one, the next is news."""
_SAID: Final = {
    Stay.MOVED: "somebody writes with a foreign partitioner",
    Stay.WRONG_KEY: "somebody writes under foreign keys",
    Stay.ASTRAY: "workers do not agree where records belong",
}
_HINT: Final = {
    Stay.MOVED: "set partitioner=murmur2_random, and the key that docs/reference/topics.md names",
    Stay.WRONG_KEY: "write the key that docs/reference/topics.md names",
    Stay.ASTRAY: "restart every streams worker and lane: the number of partitions has changed; then hub dlq replay",
}


class Misplaced:
    """The edge of `logic.belonging`: what it decides is counted and said here."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Go by the monotonic `clock`."""
        self._clock = clock
        self._seen_at: dict[tuple[str, Stay], float] = {}

    def may_stay(self, arrived: Arrived, home: Home, *, as_told: bool = False) -> bool:
        """Whether a record is taken where it lies; else it is written again.

        `as_told`: it lies where its writer was told to put it, so that nobody is to be told of it.

        Raises:
            BadEventError: it was written again too often.
        """
        found = stay(arrived, home)
        if found is Stay.AT_HOME:
            return True
        if not as_told or found is Stay.ASTRAY:
            self._note(arrived.topic, found)
        if found is Stay.ASTRAY:
            raise BadEventError("misplaced")
        return found is Stay.WRONG_KEY

    def _note(self, topic: str, found: Stay) -> None:
        MISPLACED.labels(topic, found.value).inc()
        now, place = self._clock(), (topic, found)
        if now - self._seen_at.get(place, float("-inf")) > _QUIET_SECONDS:
            _log.warning(_SAID[found], topic=topic, hint=_HINT[found])
        self._seen_at[place] = now
