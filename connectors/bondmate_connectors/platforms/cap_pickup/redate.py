"""Recorded alerts as if they were of now, and of an exercise: for demonstrations."""

from __future__ import annotations

from datetime import datetime, timedelta

from bondmate_schemas.enums import Mode
from bondmate_schemas.models import IncidentEvent


def redated(event: IncidentEvent, now: datetime) -> IncidentEvent:
    """Return `event` as if it occurred at `now`: all its times move by the same span, its ids stay."""
    shift = now - event.header.occurred_at
    expires, position = event.header.expires_at, event.position
    header = event.header.model_copy(
        update={"occurred_at": now, "expires_at": _moved(expires, shift)},
    )
    moved = position.model_copy(update={"fixed_at": _moved(position.fixed_at, shift)}) if position else None
    statements = tuple(
        each.model_copy(update={"stated_at": _moved(each.stated_at, shift)}) for each in event.statements
    )
    return event.model_copy(update={"header": header, "position": moved, "statements": statements})


def _moved(time: datetime | None, shift: timedelta) -> datetime | None:
    """Return `time` later by `shift`; unchanged where that does not exist (a sender's "for ever" is the year 9999)."""
    try:
        return time + shift if time else None
    except OverflowError:
        return time


def as_exercise(event: IncidentEvent) -> IncidentEvent:
    """Return `event` as EXERCISE where it was ACTUAL; every other mode stays."""
    if event.header.mode is not Mode.ACTUAL:
        return event
    return event.model_copy(update={"header": event.header.model_copy(update={"mode": Mode.EXERCISE})})
