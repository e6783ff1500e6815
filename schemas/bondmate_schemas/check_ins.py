"""A check-in that a device owes: what becomes of it as more is said of it, for whoever reads the topic."""

from __future__ import annotations

from bondmate_schemas.flags import UNDER_DURESS
from bondmate_schemas.models import CheckIn


def is_believed(known: CheckIn | None, said: CheckIn) -> bool:
    """Return whether what was said counts: under duress nobody is believed who says that all is well, or will be."""
    if UNDER_DURESS not in said.header.flags:
        return True
    return not said.done and (known is None or said.due_at <= known.due_at)


def after(known: CheckIn | None, said: CheckIn) -> CheckIn | None:
    """Return what is due once `said` was heard; None: nothing. A repeat does not put it off."""
    if not is_believed(known, said):
        return known
    if said.done:
        return None
    is_repeat = known is not None and known.header.message_id == said.header.message_id
    return known if is_repeat else said
