"""Remarks of the hub on an event (`EventHeader.flags`) that destinations must show to a person."""

from __future__ import annotations

from typing import Final

UNANSWERED: Final = "unanswered"
"""Nobody has taken the alert up in the time its route names: shown louder, until somebody does."""

DELIVERED_LATE: Final = "delivered_late"
"""Set by the runner as it sends: it waited here beyond its expiry. Never shown as new. (`late` says that it came to the
hub late, or out of order.)"""
DROP_WHEN_LATE: Final = "drop_when_late"
"""On a Delivery: its destination does not want it after its expiry."""
MARK_WHEN_LATE: Final = "mark_when_late"
"""On a Delivery: its destination wants it after its expiry too, flagged `delivered_late`."""
