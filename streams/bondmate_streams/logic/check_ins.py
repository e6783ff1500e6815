"""A check-in that is due: told to nobody until its time has come without a word, then an alert of its device."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from bondmate_schemas.flags import UNDER_DURESS
from bondmate_schemas.models import CheckIn, DeviceAlert

ANYBODY_AFTER: Final = timedelta(seconds=1.5)
"""How long the worker of the device's partition may take: then any does it, since that one may be dead or frozen."""


def after(known: CheckIn | None, said: CheckIn) -> CheckIn | None:
    """Return what is due once `said` was heard; None: nothing.

    A repeat does not put it off. Under duress nobody is believed who says that all is well.
    """
    if said.done:
        return known if UNDER_DURESS in said.header.flags else None
    is_repeat = known is not None and known.header.message_id == said.header.message_id
    return known if is_repeat else said


def missed(due: CheckIn, now: datetime) -> DeviceAlert:
    """Return the alert of a check-in that did not come, the same whoever makes it and however often."""
    header = due.alert.header.model_copy(update={"occurred_at": due.due_at, "received_at": now})
    return due.alert.model_copy(update={"header": header})
