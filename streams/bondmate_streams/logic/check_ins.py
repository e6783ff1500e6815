"""A check-in that is due: told to nobody until its time has come without a word, then an alert of its device."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from bondmate_schemas.models import CheckIn, DeviceAlert

from bondmate_streams.logic.headers import with_header

ANYBODY_AFTER: Final = timedelta(seconds=1.5)
"""How long the worker of the device's partition may take: then any does it, since that one may be dead or frozen."""

DONE_KEPT: Final = timedelta(minutes=15)
"""How long a check-in that came is known: so long another gateway may have had what was said before."""


@dataclass(frozen=True, slots=True)
class Done:
    """A check-in that came, as it was written, when it was said at its device, and when the hub had it."""

    device_id: str
    made_at: datetime
    at: datetime
    record: bytes

    @classmethod
    def of(cls, said: CheckIn, record: bytes) -> Done:
        """Return what is known of one that came by what was said, and as it was written."""
        return cls(said.device_id, said.header.occurred_at, said.header.received_at, record)

    def overtook(self, said: CheckIn) -> bool:
        """Whether what is due was said before this and comes only now: a gateway was stuck with it.

        By the clock of the device as well: one gateway's may be behind another's, and what is said anew must be heard.
        """
        header = said.header
        return not said.done and header.received_at < self.at and header.occurred_at <= self.made_at


def missed(due: CheckIn, now: datetime) -> DeviceAlert:
    """Return the alert of a check-in that did not come, the same whoever makes it and however often."""
    return with_header(due.alert, occurred_at=due.due_at, received_at=now)
