"""Who the rooms of an alert are: their agencies, which of them end the whole, what they can say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from bondmate_schemas.enums import Level, Mode
from bondmate_schemas.models import AlertState, DestinationState

from bondmate_streams.logic.levels import stage_of
from bondmate_streams.logic.routing import Routes


@dataclass(frozen=True, slots=True)
class Rooms:
    """What the settings say of the rooms."""

    agencies: Mapping[str, str] = field(default_factory=dict)
    """Agency of a destination, where it is known."""
    enders: frozenset[str] = frozenset()
    """Of an owner's several destinations those that alone end the whole."""
    can_assign: frozenset[str] = frozenset()
    """Destinations that can say that a unit is assigned."""
    assign_after_seconds: float = 180.0
    offer_seconds: float = 120.0
    renew_seconds: float = 1_800.0
    """How long an emergency that a room started goes on before it must be renewed."""
    see: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """What a destination may know of what people at the others say, where its agreement says it."""
    unlisted: frozenset[str] = frozenset()
    """Destinations that nobody may know of."""
    shared: frozenset[str] = frozenset()
    """Maps that many look at."""
    retired: frozenset[str] = frozenset()
    """Destinations that hear the end of what they were told, and nothing else."""
    modes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Of what modes a destination takes alerts; any, where nothing is known."""
    routes_version: int = 0
    routes_applied_at: datetime | None = None
    """When a person applied the version of the routes; None: they are a file's, and tell nobody late."""

    @classmethod
    def of(cls, routes: Routes, agencies: Mapping[str, str], version: int, applied_at: datetime | None) -> Rooms:
        """Return what destinations say of themselves; where they name no agency, `agencies` may."""
        rooms = routes.destinations
        named = {name: at.agency or agencies.get(name, "") for name, at in rooms.items()}
        return cls(
            {name: agency for name, agency in named.items() if agency},
            frozenset(name for name, at in rooms.items() if at.ends_alerts),
            frozenset(name for name, at in rooms.items() if at.says_assigned),
            routes.assign_after_seconds,
            routes.offer_seconds,
            routes.renew_seconds,
            {name: frozenset(at.others) for name, at in rooms.items() if at.others is not None},
            frozenset(name for name, at in rooms.items() if at.unlisted),
            frozenset(name for name, at in rooms.items() if at.tell_own_closing),
            frozenset(name for name, at in rooms.items() if at.retired),
            {name: frozenset(at.modes) for name, at in rooms.items()},
            version,
            applied_at,
        )

    def of_agency(self, state: AlertState, agency_id: str) -> list[str]:
        """Return the destinations of an agency that were told of an alert."""
        told = (name for name, at in state.destinations.items() if at.level is not Level.WITHHELD)
        return [name for name in told if agency_id and self.agencies.get(name) == agency_id]

    def takes(self, name: str, mode: Mode) -> bool:
        """Whether a destination is told of alerts of a mode, now that it may have been told in another."""
        return name not in self.retired and (name not in self.modes or mode.value in self.modes[name])

    def is_ended_by(self, name: str, state: AlertState, to_be_told: Iterable[str] = ()) -> bool:
        """Whether the whole ends by that this room has closed its part.

        A room of the owner ends it; where no room of the owner has it, or may have it yet, all that took it up must
        have closed their part (the right to end another's alert: 3GPP TS 23.280, 10.10.1.1A.3). Where nobody ever took
        it up, all that have it, and nobody is left to be told.
        """
        told, owner, to_be_told = state.destinations, owner_of(state), set(to_be_told)
        owners = self.of_agency(state, owner)
        for group in ([room for room in owners if room in self.enders], owners):
            if name in group or any(self._can_close(room, told[room]) for room in group):
                return name in group
        if any(self.agencies.get(room) == owner for room in to_be_told - told.keys()):
            return False
        if any(at.had_taken_up for at in told.values()):
            return not any(map(is_taken_up, told.values()))
        have_it = (at for room, at in told.items() if self._can_close(room, at))
        return to_be_told <= told.keys() and all(at.closed_as is not Level.UNKNOWN for at in have_it)

    def _can_close(self, name: str, at: DestinationState) -> bool:
        """Whether a room may yet close its part: not one that never got the alert, or is none any more."""
        return name not in self.retired and (at.level is Level.UNKNOWN or stage_of(at).delivered)

    def some_can_assign(self, state: AlertState) -> bool:
        """Whether a room of an alert can say that a unit is assigned."""
        return not self.can_assign.isdisjoint(state.destinations)

    def name_of(self, destination: str) -> str:
        """Return how others are told of a destination: by its agency where that is known."""
        if destination in self.unlisted:
            return UNLISTED
        return self.agencies.get(destination, destination)


UNLISTED: Final = "unlisted"
"""How others are told of a destination that they may not know of."""
ANY_ROOMS: Final = Rooms()
"""Nothing is known of any: all that took an alert up end it."""


def owner_of(state: AlertState) -> str:
    """Return the agency that owns an alert."""
    return state.owner_agency_id or state.header.agency_id


def is_taken_up(at: DestinationState) -> bool:
    """Whether a person there has taken it up and neither took that back nor closed their part."""
    return stage_of(at).answers
