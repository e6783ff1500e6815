"""A check-in that is due: told to nobody until its time has come without a word, then an alert of its device."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from bondmate_schemas.models import CheckIn, DeviceAlert

ANYBODY_AFTER: Final = timedelta(seconds=1.5)
"""How long the worker of the device's partition may take: then any does it, since that one may be dead or frozen."""

DONE_KEPT: Final = timedelta(minutes=15)
"""How long a check-in that came is known: so long another gateway may have had what was said before."""


@dataclass(frozen=True, slots=True)
class Done:
    """A check-in that came, as it was written, and when the hub had it."""

    device_id: str
    at: datetime
    record: bytes

    def overtook(self, said: CheckIn) -> bool:
        """Return whether what is due was said before this and comes only now: a gateway was stuck with it."""
        return not said.done and said.header.received_at < self.at


def missed(due: CheckIn, now: datetime) -> DeviceAlert:
    """Return the alert of a check-in that did not come, the same whoever makes it and however often."""
    header = due.alert.header.model_copy(update={"occurred_at": due.due_at, "received_at": now})
    return due.alert.model_copy(update={"header": header})
