"""Which fixes are superseded: those that their route does not want one by one, and those of an outage."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import reduce

from bondmate_schemas.enums import DeliveryKind
from bondmate_schemas.models import Delivery

from bondmate_connectors.runtime.intake import ConsumedRecord
from bondmate_connectors.runtime.keyed_queue import KeyLine
from bondmate_connectors.runtime.settings import RunnerSettings


class Superseding:
    """Which fixes need not be sent since a newer one of their device takes their place; pure, times are passed in.

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

    def may_drop(self, line: KeyLine[ConsumedRecord], record: ConsumedRecord, now: datetime) -> bool:
        """Whether a newer fix of its line, which has just come, takes the place of `record`."""
        return (
            self._since is not None
            or line.attempts > 0
            or now - record.published_at > self._longest
            or (isinstance(record.content, Delivery) and record.content.newest_only)
        )

    def superseded(self, line: KeyLine[ConsumedRecord], now: datetime) -> list[ConsumedRecord]:
        """Return the fixes in a line whose place another one takes, which may have come before them."""
        if not self.may_drop(line, line.head, now) and not self._waited_in_outage(line.head):
            # Those behind it have waited less.
            return []
        items = list(line.items)
        newest, newest_of_outage = _newest(items), _newest([each for each in items if self._waited_in_outage(each)])
        return [
            each
            for each in items
            if (each is not newest and self.may_drop(line, each, now))
            or (each is not newest_of_outage and self._waited_in_outage(each))
        ]

    def _waited_in_outage(self, record: ConsumedRecord) -> bool:
        return self._until is not None and record.published_at < self._until


def _newest(items: Sequence[ConsumedRecord]) -> ConsumedRecord | None:
    return reduce(lambda before, last: last if is_newer(last, before) else before, items) if items else None


def is_newer(last: ConsumedRecord, before: ConsumedRecord) -> bool:
    """Whether the later record has the later fix; such lines hold positions only."""
    later, earlier = (t.content.location for t in (last, before) if isinstance(t.content, Delivery))
    return later is None or earlier is None or later.position.fixed_at >= earlier.position.fixed_at


def outdates(last: ConsumedRecord, before: ConsumedRecord) -> bool:
    """Whether a record that stands before another of its key is only a position update that needs no sending any more.

    A newer one of the same alert takes its place, and so does whatever else is told of that alert: nothing of its life
    waits for a position, and none comes after the end. A message says nothing of where the officer is.
    """
    if not isinstance(before.content, Delivery) or not before.content.position_only:
        return False
    if not isinstance(last.content, Delivery) or last.content.kind is not DeliveryKind.ALERT:
        return False
    return last.content.header.event_id == before.content.header.event_id
