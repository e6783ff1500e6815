"""What people at the control rooms said last of an alert, as its device is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from bondmate_schemas.enums import Level, Response
from bondmate_schemas.models import AlertState, DestinationState


class Word(StrEnum):
    """What a person said. Help is coming from ASSIGNED on, and from nobody who is not among them now."""

    SEEN = "SEEN"
    ASSIGNED = "ASSIGNED"
    EN_ROUTE = "EN_ROUTE"
    ON_SCENE = "ON_SCENE"
    DECLINED = "DECLINED"
    WITHDRAWN = "WITHDRAWN"
    CLOSED = "CLOSED"


_OF_RESPONSE: Final[Mapping[Response, Word]] = {
    Response.ASSIGNED: Word.ASSIGNED,
    Response.EN_ROUTE: Word.EN_ROUTE,
    Response.ON_SCENE: Word.ON_SCENE,
    Response.WITHDRAWN: Word.WITHDRAWN,
}
_OF_LEVEL: Final[Mapping[Level, Word]] = {
    Level.ACKNOWLEDGED: Word.SEEN,
    Level.RESPONDING: Word.EN_ROUTE,
    Level.DECLINED: Word.DECLINED,
    Level.CANCELLED: Word.CLOSED,
    Level.RESOLVED: Word.CLOSED,
}


@dataclass(frozen=True, slots=True)
class RoomStatement:
    """What a person at one control room said last."""

    destination: str
    word: Word
    unit: str | None
    eta_at: datetime | None


def listed(state: AlertState) -> Iterator[tuple[str, DestinationState]]:
    """Yield the control rooms that a device may know of, with what each has."""
    hidden = state.others.unlisted if state.others else ()
    return ((name, at) for name, at in state.destinations.items() if name not in hidden)


def statements_of(state: AlertState) -> tuple[RoomStatement, ...]:
    """Return what was said of an alert, room by room; nothing of rooms where nobody has spoken."""
    return tuple(
        RoomStatement(
            name, _OF_RESPONSE.get(at.response, word) if word is not Word.CLOSED else word, at.unit, at.eta_at
        )
        for name, at in listed(state)
        if (word := _OF_LEVEL.get(at.level_said))
    )
