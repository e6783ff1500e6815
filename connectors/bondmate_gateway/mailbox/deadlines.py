"""When the time of messages runs out, soonest first."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from datetime import datetime


class Deadlines:
    """Holds one entry a message that has a deadline; asking what is due costs nothing while nothing is."""

    def __init__(self) -> None:
        self._times: list[tuple[datetime, str, str]] = []

    def add(self, time: datetime, device_id: str, message_id: str) -> None:
        """Have this message come due at `time`."""
        heapq.heappush(self._times, (time, device_id, message_id))

    def due(self, now: datetime) -> Iterator[tuple[str, str]]:
        """Take out, as device and message, what has come due."""
        while self._times and self._times[0][0] <= now:
            _, device_id, message_id = heapq.heappop(self._times)
            yield device_id, message_id
