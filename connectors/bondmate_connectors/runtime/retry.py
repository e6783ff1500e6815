"""When to try again: full-jitter exponential back-off, and a budget for the retries of one destination."""

from __future__ import annotations

import random
from dataclasses import dataclass

_MOST_DOUBLINGS = 30


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that double up to a bound and differ between callers, so that they do not return all at once.

    Source: M. Brooker, "Exponential Backoff And Jitter", 2015 (full jitter, with a `spread` of 1).
    """

    base_seconds: float = 0.2
    cap_seconds: float = 10.0
    longest_asked_seconds: float = 300.0
    """A platform may ask for more with Retry-After; it is not believed beyond this."""
    spread: float = 1.0
    """How much of a wait is left to chance, but at the most all that is longer than half the base."""

    def seconds(self, attempt: int, retry_after: float | None = None) -> float:
        """Return the wait after the `attempt`-th failure in a row (from 1); never less than `retry_after`."""
        if retry_after is not None:
            return min(max(retry_after, 0.0), self.longest_asked_seconds)
        longest: float = min(self.cap_seconds, self.base_seconds * 2 ** min(attempt - 1, _MOST_DOUBLINGS))
        least = max(self.base_seconds / 2, longest * (1 - self.spread))
        return random.uniform(least, longest)  # noqa: S311  # spread, no secret


def pauses(first_seconds: float = 1.0, longest_seconds: float = 60.0) -> Backoff:
    """Return the pauses between two questions of one who is refused: long, and almost the same for all."""
    return Backoff(first_seconds, longest_seconds, spread=0.1)


class Budget:
    """How many retries of one destination may fail: a share of its first attempts, and a floor.

    A retry takes a token and gives it back when it works, so that retries which work are never held up, and those
    which do not are `share` of the first attempts, `floor_per_second` and at first `most`. Times are monotonic seconds.

    Source: the standard retry mode of the AWS SDKs, whose retry quota works so.
    """

    def __init__(self, *, share: float, floor_per_second: float, most: float) -> None:
        self._share = share
        self._floor_per_second = floor_per_second
        self._most = most
        self._tokens = most
        self._at: float | None = None

    def first_attempt(self) -> None:
        """Note an attempt that is no retry."""
        self._add(self._share)

    def take(self, now: float) -> bool:
        """Take a token for a retry; False when there is none, and then the retry has to wait."""
        if self._at is not None:
            self._add((now - self._at) * self._floor_per_second)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def give_back(self) -> None:
        """Note that a retry has worked."""
        self._add(1)

    def _add(self, tokens: float) -> None:
        self._tokens = min(self._most, self._tokens + tokens)
