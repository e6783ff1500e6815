"""Which fixes are superseded: those that their route does not want one by one, and those of an outage."""

from __future__ import annotations

from datetime import datetime, timedelta

from bondmate_schemas.models import Delivery

from bondmate_connectors.runtime.intake import Taken
from bondmate_connectors.runtime.lanes import Lane
from bondmate_connectors.runtime.settings import RunnerSettings


class Superseding:
    """Says of each fix whether a newer one of its device takes its place; pure, times are passed in.

    A route without `newest_only` gets every fix, in order, however slow its destination is for a moment. Of what waited
    in an outage, or for too long, it gets the newest of each device: where somebody was an hour ago helps nobody.
    """

    def __init__(self, settings: RunnerSettings) -> None:
        self._outage = timedelta(seconds=settings.outage_seconds)
        self._longest = timedelta(seconds=settings.fix_waits_seconds)
        self._since: datetime | None = None
        self._until: datetime | None = None

    def see(self, now: datetime, *, out: bool) -> None:
        """Note whether the destination is out of reach."""
        if out:
            self._since = self._since or now
        elif self._since is not None:
            if now - self._since >= self._outage:
                self._until = now
            self._since = None

    def may_drop(self, lane: Lane[Taken], taken: Taken, now: datetime) -> bool:
        """Whether a newer fix of its lane, which has just come, takes the place of `taken`."""
        return (
            self._since is not None
            or lane.attempts > 0
            or now - taken.published_at > self._longest
            or (isinstance(taken.content, Delivery) and taken.content.newest_only)
        )

    def drops_head(self, lane: Lane[Taken], now: datetime) -> bool:
        """Whether a fix that waits behind the head of `lane` takes its place."""
        head = lane.head
        any_newer = self.may_drop(lane, head, now)
        until = self._until
        if not any_newer and (until is None or head.published_at >= until):
            return False
        return any(
            is_newer(later, head)
            for later in list(lane.items)[1:]
            if any_newer or (until is not None and later.published_at < until)
        )


def is_newer(last: Taken, before: Taken) -> bool:
    """Whether the later record has the later fix; such lanes hold positions only."""
    later, earlier = (t.content.location for t in (last, before) if isinstance(t.content, Delivery))
    return later is None or earlier is None or later.position.fixed_at >= earlier.position.fixed_at
