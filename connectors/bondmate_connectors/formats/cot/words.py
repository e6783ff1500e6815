"""Words that several kinds of events share."""

from __future__ import annotations

from typing import Final

from bondmate_schemas.models import EventHeader

from bondmate_connectors.formats.cot import types

MOST_CALLSIGN: Final = 80
LATE: Final = "LATE: no longer new when it was delivered"


def callsign_of(header: EventHeader, callsign: str | None) -> str:
    """Return the name that clients show: the callsign when it is disclosed, else a neutral one; the mode before it.

    A label on a map has room for `MOST_CALLSIGN` characters, and an event for not many more.
    """
    name = (callsign or "").strip() or types.NEUTRAL_CALLSIGN
    shown = name if len(name) <= MOST_CALLSIGN else name[: MOST_CALLSIGN - 1] + "…"
    return types.mode_prefix(header.mode) + shown
