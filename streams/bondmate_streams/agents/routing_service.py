"""Where alerts, incidents and messages go by the routes: decided once for events that look alike to every rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import structlog
from bondmate_monitoring.metrics import UNROUTED
from bondmate_schemas.enums import Mode
from bondmate_schemas.models import AlertState, DeviceAlert, Payload

from bondmate_streams.logic.real import is_for_owner_alone, of_owner
from bondmate_streams.logic.routing import (
    Decision,
    Escalation,
    Ground,
    Held,
    Routes,
    decisions,
    escalation,
    explain,
    facts_of,
    held,
    told_by_place,
    why_nowhere,
)

_log = structlog.get_logger(__name__)
_MOST_DECIDED: Final = 4_000


class RoutingService:
    """The routes of one worker, with its map and the last answers."""

    def __init__(
        self, routes: Routes, *, agencies: Mapping[str, str] | None = None, ground: Ground | None = None
    ) -> None:
        """Route by `routes`.

        Args:
            routes: rules and agreements.
            agencies: agency of a destination, where it is known.
            ground: the map, where rules ask where alerts and incidents are.
        """
        self.routes = routes
        self.agencies = agencies or {}
        """Agency of a destination, where it is known."""
        self.ground = ground
        """The map, where rules ask where alerts and incidents are."""
        self.by_place = told_by_place(routes)
        """Destinations that are told for where an event is."""
        self._decided: dict[tuple[object, ...], tuple[list[Decision], list[Escalation]]] = {}

    def route(self, event: Payload) -> list[Decision]:
        """Decide where an event goes; one that goes nowhere is counted, an alert is logged for a person to see."""
        found = self.route_again(event)
        if not found:
            self._note_nowhere(event, why_nowhere(explain(event, self.routes, self.ground)))
        return found

    def _note_nowhere(self, event: Payload, why: str) -> None:
        why = "unknown_mode" if event.header.mode is Mode.UNKNOWN else why
        UNROUTED.labels(type(event).__name__, why).inc()
        if isinstance(event, DeviceAlert):
            _log.error("alert goes nowhere", event_id=event.header.event_id, why=why)

    def route_again(self, event: Payload) -> list[Decision]:
        """Decide where an event goes that was counted before."""
        return self._decide(event, self.ground)[0]

    def of_known(self, state: AlertState) -> tuple[list[Decision], list[Escalation]]:
        """Return where a known alert goes, and what happens while nobody takes it up.

        Where it was raised, and came to, counts, and not where a press was since: that moves nothing that is due.
        """
        return self._decide(state.alert, self._held_by(state))

    def held(self, alert: DeviceAlert) -> tuple[str, ...]:
        """Return the rules that ask where an alert is and match."""
        return held(alert, self.routes, self.ground) if self.ground else ()

    def at(self, alert: DeviceAlert, ground: Ground) -> list[Decision]:
        """Return who is told for where an alert is, as `ground` has it."""
        return [one for one in self._decide(alert, ground)[0] if one.destination in self.by_place]

    def _held_by(self, state: AlertState) -> Ground | Held | None:
        if self.ground is None:
            return None
        return state.others.held if state.others else ()

    def _decide(self, event: Payload, ground: Ground | Held | None) -> tuple[list[Decision], list[Escalation]]:
        # Rules look at nothing else of an event.
        is_held = is_for_owner_alone(event)
        known, asked = (ground, None) if isinstance(ground, tuple) else (None, ground)
        facts = (known, *facts_of(event, asked).items(), *event.header.hops, is_held)
        if facts not in self._decided:
            if len(self._decided) >= _MOST_DECIDED:
                self._decided.pop(next(iter(self._decided)))
            verdicts = explain(event, self.routes, ground)
            found = decisions(verdicts), escalation(event, self.routes, ground)
            if is_held:
                owner = event.header.agency_id
                found = of_owner(found, owner, self.routes.destinations, self.agencies)
            self._decided[facts] = found
        return self._decided[facts]
