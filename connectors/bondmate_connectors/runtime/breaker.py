"""Whether a destination as a whole is tried: closed, open, or half-open with one probe. Pure; times are monotonic."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from enum import StrEnum

from bondmate_connectors.runtime.retry import Backoff

_KEYS_IT_TAKES = 2
_SPREAD = 0.1


class BreakerState(StrEnum):
    """How a destination is tried."""

    CLOSED = "closed"
    """All keys, side by side."""
    OPEN = "open"
    """Not at all until the next probe is due."""
    HALF_OPEN = "half_open"
    """By one probe."""


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """When it opens, and how long it stays so. All times in seconds."""

    failures: int = 5
    """Failures in a row that open it, when more than one key is among them: one key alone is its own trouble."""
    probe: Backoff = field(default_factory=lambda: Backoff(cap_seconds=2.0))
    """Between two probes."""
    longest_pause_seconds: float = 60.0
    """A platform may ask everybody to wait (429, 503 with Retry-After); beyond this one probe asks whether it still
    does, since an SOS may be waiting."""


class Breaker:
    """Open after so many failures in a row, or when the platform asks for a pause; closed by a probe that works.

    `epoch` grows with every change of the state. An attempt is judged by the epoch it began in: what began before the
    last change neither closes the breaker nor lengthens its waits.
    """

    def __init__(self, settings: BreakerSettings) -> None:
        self._settings = settings
        self._failures = 0
        self._keys: set[str] = set()
        self._vain_probes = 0
        self._until = 0.0
        self._lent = False
        """Whether it is open only because another part of the connector was asked to wait."""
        self.state = BreakerState.CLOSED
        self.epoch = 0

    @property
    def is_closed(self) -> bool:
        """Whether all keys may be sent."""
        return self.state is BreakerState.CLOSED

    def wait_seconds(self, now: float) -> float:
        """Return how long it is until a probe may be made; 0 when it is due."""
        return 0.0 if self.is_closed else max(0.0, self._until - now)

    def probe(self) -> None:
        """Note that a probe begins; does nothing while the breaker is closed."""
        if not self.is_closed:
            self._go(BreakerState.HALF_OPEN)

    def withdrawn(self, epoch: int) -> None:
        """Note that an attempt of `epoch` ended and says nothing of the platform."""
        if epoch == self.epoch and self.state is BreakerState.HALF_OPEN:
            self._go(BreakerState.OPEN)

    def failed(self, key: str, epoch: int, now: float) -> None:
        """Note that an attempt with `key` failed."""
        if epoch != self.epoch:
            return
        if self.state is BreakerState.HALF_OPEN:
            self._vain_probes += 1
            self._open(now)
        elif self.is_closed:
            self._failures += 1
            # Two are enough to tell that it is not one key's own trouble.
            if len(self._keys) < _KEYS_IT_TAKES:
                self._keys.add(key)
            if self._failures >= self._settings.failures and len(self._keys) == _KEYS_IT_TAKES:
                self._open(now)

    def throttled(self, seconds: float, epoch: int, now: float, *, lent: bool = False) -> None:
        """Note that the platform wants no request for so many seconds; what it said before it recovered is passed.

        `lent` says that it asked another part of the connector.
        """
        if epoch != self.epoch and self.is_closed:
            return
        self._lent = lent and (self.is_closed or self._lent)
        asked = min(max(seconds, 0.0), self._settings.longest_pause_seconds)
        until = now + asked + random.uniform(0, _SPREAD * asked)  # noqa: S311  # spread, no secret
        self._until = max(self._until, until) if self.state is BreakerState.OPEN else until
        if self.state is not BreakerState.OPEN:
            self._go(BreakerState.OPEN)

    def worked(self, epoch: int) -> bool:
        """Note a success; return whether it closed the breaker."""
        if self.state is BreakerState.HALF_OPEN and epoch == self.epoch:
            self._vain_probes = 0
            self._forget()
            self._go(BreakerState.CLOSED)
            return True
        if self.is_closed:
            self._forget()
        return False

    def relieved(self) -> None:
        """Note that the part which was asked to wait is taken again: this one has nothing of its own to prove."""
        if self._lent and self.state is BreakerState.OPEN:
            self._go(BreakerState.CLOSED)

    def _open(self, now: float) -> None:
        self._lent = False
        self._until = now + self._settings.probe.seconds(self._vain_probes + 1)
        self._go(BreakerState.OPEN)

    def _forget(self) -> None:
        self._failures = 0
        self._keys.clear()

    def _go(self, state: BreakerState) -> None:
        self.state = state
        self.epoch += 1
