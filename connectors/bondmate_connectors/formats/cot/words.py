"""Words that several kinds of events share."""

from __future__ import annotations

from typing import Final

from bondmate_schemas.enums import Mode
from bondmate_schemas.labels import Labels, msgid
from bondmate_schemas.models import EventHeader

from bondmate_connectors.formats.cot import types

MOST_CALLSIGN: Final = 80
LATE: Final = msgid("LATE: no longer new when it was delivered")
_MODES: Final = {
    Mode.EXERCISE: msgid("EXERCISE"),
    Mode.TEST: msgid("TEST"),
    Mode.SYSTEM: msgid("SYSTEM"),
    Mode.UNKNOWN: msgid("UNKNOWN"),
}


def mode_words(mode: Mode, labels: Labels) -> str:
    """Return the words before a text that is not for real patrols; nothing where it is."""
    return f"{labels(_MODES[mode])} " if mode in _MODES else ""


def callsign_of(header: EventHeader, callsign: str | None) -> str:
    """Return the name that clients show: the callsign when it is disclosed, else a neutral one; the mode before it.

    The mode is in no language there: a callsign is a name, which the hub must know again when somebody writes to it.
    A label on a map has room for `MOST_CALLSIGN` characters, and an event for not many more.
    """
    name = (callsign or "").strip() or types.NEUTRAL_CALLSIGN
    shown = name if len(name) <= MOST_CALLSIGN else name[: MOST_CALLSIGN - 1] + "…"
    return types.mode_prefix(header.mode) + shown
