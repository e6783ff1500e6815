"""When a connection pings, how often, and when it is given up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bondmate_connectors.formats.cot.stream import Frame


REPEAT_SECONDS: Final = 1.0
"""A ping that is unanswered for so long is followed by another, then after twice as long, and so on."""
SLOWEST_SECONDS: Final = 5.0
"""TAK Server's guard against floods, where it is on, answers one ping in so many seconds."""
DROPPED_SECONDS: Final = 2 * SLOWEST_SECONDS
"""A ping that is unanswered for so long while others are answered was dropped by such a guard."""
_QUICK_ANSWERS: Final = 5


@dataclass(frozen=True, slots=True)
class Timing:
    """When to ping and when to give up, in seconds."""

    gap: float = 0.05
    pong: float = 10.0
    ping_after: float = 15.0
    lost_after: float = 25.0
    identity_every: float = 60.0
    protocol_answer: float = 60.0
    longest_hold: float = 3.0
    """How long an event may wait for the answer to our request for another protocol."""


@dataclass(frozen=True, slots=True)
class Ends:
    """Whom a session tells: `take` is awaited with every frame that is not its own business, in order."""

    clock: Callable[[], datetime]
    take: Callable[[Frame], Awaitable[None]]
    identity: Callable[[], bytes]
    on_lost: Callable[[], None]
    on_proof: Callable[[bool], None]
    """Called with whether the server proves what it takes, when that becomes known or changes."""


class PingPace:
    """How soon after a ping the next may go out. `gap` is for new events, `repeat` for a ping that is not answered."""

    def __init__(self, least: float) -> None:
        self._least = self.gap = least
        self.repeat = REPEAT_SECONDS
        self._quick = 0

    def unanswered(self) -> None:
        """Go slower: a ping was not answered in time."""
        self.repeat = min(self.repeat * 2, SLOWEST_SECONDS)
        self.gap, self._quick = max(self.gap, SLOWEST_SECONDS), 0

    def mute(self) -> None:
        """Go on asking now and then a server that has never answered: nobody need wait for the next ping for long."""
        self.gap = min(self.gap, REPEAT_SECONDS)

    def answered(self, seconds: float, *, none_dropped: bool) -> None:
        """Go faster again: at once when what seemed dropped was only late, else after some quick answers in a row."""
        self.repeat = REPEAT_SECONDS
        if none_dropped:
            self.gap, self._quick = self._least, 0
            return
        self._quick = self._quick + 1 if seconds < REPEAT_SECONDS else 0
        if self._quick >= _QUICK_ANSWERS:
            self.gap, self._quick = max(self._least, self.gap / 4), 0

    @property
    def is_slow(self) -> bool:
        """Whether pings go out less often than the settings ask for."""
        return self.gap > self._least


class Times:
    """When what happened on a connection, in seconds of the loop's clock, and what is due by that."""

    def __init__(self, timing: Timing, now: float) -> None:
        self._timing = timing
        self.read_at = self.written_at = self.identified_at = now
        self.pinged_at = self.answered_at = self.resumed_at = float("-inf")

    @property
    def alive_until(self) -> float:
        """When the link is given up, if nothing comes."""
        return max(self.read_at, self.resumed_at) + self._timing.lost_after

    @property
    def silent_at(self) -> float:
        """When either side has been silent for so long that it is time for a ping."""
        least = min(self._timing.ping_after, SLOWEST_SECONDS)
        return max(min(self.read_at, self.written_at) + self._timing.ping_after, self.pinged_at + least)

    @property
    def identity_due_at(self) -> float:
        """When to say again who we are."""
        return self.identified_at + self._timing.identity_every

    def overdue_at(self, written_at: float, *, is_mute: bool) -> float:
        """When what waits for a ping counts as not proven; a server that proves nothing need not be waited for."""
        patience = min(self._timing.pong, REPEAT_SECONDS) if is_mute else self._timing.pong
        return max(written_at, self.answered_at) + patience

    def is_reading_on_time(self, now: float) -> bool:
        """Whether what has not come was not sent: while we do not read, the answer may be waiting there."""
        return now - self.resumed_at >= min(self._timing.pong, self._timing.lost_after)
