"""When to try again: full-jitter exponential back-off, and a breaker that makes one probe stand for all keys."""

from __future__ import annotations

import random
from dataclasses import dataclass

_MOST_DOUBLINGS = 30


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that grow with the attempts and differ between callers, so that they do not return all at once.

    Source: M. Brooker, "Exponential Backoff And Jitter", 2015 (full jitter).
    """

    base_seconds: float = 0.2
    cap_seconds: float = 10.0
    longest_asked_seconds: float = 300.0
    """A platform may ask for more with Retry-After; it is not believed beyond this."""

    def seconds(self, attempt: int, retry_after: float | None = None) -> float:
        """Give the wait after the `attempt`-th failure in a row (from 1); never less than `retry_after`."""
        if retry_after is not None:
            return min(max(retry_after, 0.0), self.longest_asked_seconds)
        bound: float = self.base_seconds * 2 ** min(attempt - 1, _MOST_DOUBLINGS)
        return random.uniform(self.base_seconds / 2, min(self.cap_seconds, bound))  # noqa: S311  # spread, no secret


class Breaker:
    """Open after so many failures in a row, whatever their key; closed by the first success."""

    def __init__(self, opens_after: int) -> None:
        self._opens_after = opens_after
        self.failures = 0

    @property
    def is_open(self) -> bool:
        """Whether the platform as a whole is taken to be down."""
        return self.failures >= self._opens_after

    @property
    def probes(self) -> int:
        """How many times it was probed in vain since it opened, from 1."""
        return self.failures - self._opens_after + 1

    def failed(self) -> bool:
        """Note a failure; tell whether it opened the breaker."""
        self.failures += 1
        return self.failures == self._opens_after

    def worked(self) -> bool:
        """Note a success; tell whether it closed the breaker."""
        was_open, self.failures = self.is_open, 0
        return was_open
