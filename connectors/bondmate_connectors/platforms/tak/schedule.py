"""When a connection pings, says who it is, and is given up: its pings, their pace and its times together."""

from __future__ import annotations

import asyncio
import secrets
from datetime import datetime

from bondmate_connectors.formats.cot.types import HUB_UID
from bondmate_connectors.platforms.tak.negotiation import Protocol, Upgrade
from bondmate_connectors.platforms.tak.pings import Ping, Pings
from bondmate_connectors.platforms.tak.timing import DROPPED_SECONDS, PingPace, Times, Timing


class Schedule:
    """What is due on one connection; all times are seconds of the loop's clock."""

    def __init__(self, timing: Timing, upgrade: Upgrade, now: float) -> None:
        self._timing = timing
        self._upgrade = upgrade
        self._name = f"{HUB_UID}-{secrets.token_hex(4)}"
        self._count = 0
        self.pings = Pings()
        self.pace = PingPace(timing.gap)
        self.times = Times(timing, now)
        self.is_handing_over = False
        """Whether a frame is being worked on, so that nothing is read."""
        self.is_introduced = False
        self.proves: bool | None = None
        """Whether the server answers pings; None while nobody knows."""

    def next_due(self, now: float, *, holds: bool, is_awaited: bool) -> float:
        """Return when something is due next.

        `holds`: something waits to be written; `is_awaited`: somebody waits for a ping that is not written yet.
        """
        if self._upgrade.protocol is Protocol.ASKED:
            return self._upgrade.asked_at + (self._timing.longest_hold if holds else self._timing.protocol_answer)
        awaited, newest = self.pings.first_awaited, self.pings.newest
        due = [self.times.alive_until, self.times.silent_at]
        if self.is_introduced:
            due.append(self.times.identity_due_at)
        if newest is not None and awaited is not None:
            due.append(newest.written_at + self.pace.repeat)
        elif is_awaited:
            due.append(self.times.pinged_at + self.pace.gap)
        if awaited is not None and self._overdue_at(awaited) > now:
            due.append(self._overdue_at(awaited))
        return min(due)

    def may_ping(self, now: float) -> bool:
        """Whether a ping may go out for new events: none is under way, and the last was long enough ago."""
        return self.pings.first_awaited is None and self.times.pinged_at + self.pace.gap <= now

    def pinged(self, time: datetime, now: float, waiting: list[asyncio.Future[bool]]) -> Ping:
        """Note a ping that is written now, at `time` by the wall clock, and that `waiting` wait for."""
        self._count += 1
        self.times.pinged_at = now
        # CoT has milliseconds: an echo brings back no more.
        time = time.replace(microsecond=time.microsecond // 1000 * 1000)
        written = Ping(f"{self._name}-{self._count}-ping", time, now, waiting)
        self.pings.written(written)
        return written

    def must_repeat(self, now: float) -> bool:
        """Whether a ping that somebody waits for must be followed by another."""
        newest = self.pings.newest
        if newest is None or self.pings.first_awaited is None:
            return False
        return now >= newest.written_at + self.pace.repeat

    def is_identity_due(self, now: float) -> bool:
        """Whether it is time to say again who we are."""
        return self.is_introduced and now >= self.times.identity_due_at

    def is_reading_on_time(self, now: float) -> bool:
        """Whether what has not come was not sent: while a frame is worked on, nothing is read."""
        if self.is_handing_over:
            self.times.resumed_at = now
        return not self.is_handing_over and self.times.is_reading_on_time(now)

    def overdue(self, now: float) -> Ping | None:
        """Return the ping that was not answered in time, if there is one."""
        awaited = self.pings.first_awaited
        return None if awaited is None or now < self._overdue_at(awaited) else awaited

    def _overdue_at(self, awaited: Ping) -> float:
        return self.times.overdue_at(awaited.written_at, is_mute=self.proves is False)

    def answered(self, pings: list[Ping], now: float) -> None:
        """Note the answer to `pings`: the pace follows it."""
        self.times.answered_at = now
        self.pace.answered(now - pings[-1].written_at, none_dropped=self.pings.are_all_answered)
        if not self.pace.is_slow:
            self.pings.forgive()

    def drop_lost_pings(self) -> None:
        """Have nobody wait any longer for a ping that the server dropped."""
        if self.is_reading_on_time(self.times.read_at):
            self.pings.drop_before(self.times.read_at - DROPPED_SECONDS)
