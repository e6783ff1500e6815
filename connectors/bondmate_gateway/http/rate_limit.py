"""How often a device may call: a token bucket per device and kind of request. Alerts have none."""

from __future__ import annotations

import math
from collections.abc import Callable

from bondmate_gateway.http.problems import ProblemKind, Refused


class RateLimit:
    """So many requests a minute for each device, saved up for a minute at most."""

    def __init__(self, per_minute: int, clock: Callable[[], float]) -> None:
        self._capacity = float(per_minute)
        self._per_second = per_minute / 60
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, device_id: str) -> None:
        """Count one request.

        Raises:
            Refused: too many; the answer says when to come again.
        """
        now = self._clock()
        left, then = self._buckets.get(device_id, (self._capacity, now))
        left = min(self._capacity, left + (now - then) * self._per_second)
        if left < 1:
            wait = math.ceil((1 - left) / self._per_second)
            raise Refused(ProblemKind.rate_limited, headers={"Retry-After": str(wait)})
        self._buckets[device_id] = (left - 1, now)
