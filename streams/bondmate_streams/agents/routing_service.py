"""Where alerts, incidents and messages go by the routes: decided once for events that look alike to every rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
    drill_of,
    escalation,
    explain,
    facts_of,
    held,
    told_by_place,
    why_nowhere,
)

_log = structlog.get_logger(__name__)
_MOST_DECIDED: Final = 4_000


@dataclass(eq=False)
class RoutingService:
    """The routes of one worker, with its map and the last answers."""

    routes: Routes
    agencies: Mapping[str, str] = field(default_factory=dict)
    """Agency of a destination, where it is known."""
    ground: Ground | None = None
    """The map, where rules ask where alerts and incidents are."""
    _decided: dict[tuple[object, ...], tuple[list[Decision], list[Escalation]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.by_place = told_by_place(self.routes)
        """Destinations that are told for where an event is."""

    def route(self, event: Payload) -> list[Decision]:
        """Decide where an event goes; one that goes nowhere is counted, an alert is logged for a person to see."""
        if not (found := self.route_again(event)):
            nowhere = why_nowhere(explain(event, self.routes, self.ground))
            why = "unknown_mode" if event.header.mode is Mode.UNKNOWN else nowhere
            if not drill_of(event):
                UNROUTED.labels(type(event).__name__, why).inc()
            if isinstance(event, DeviceAlert):
                _log.error("alert goes nowhere", event_id=event.header.event_id, why=why)
        return found

    def route_again(self, event: Payload) -> list[Decision]:
        """Decide where an event goes that was counted before."""
        return self._decide(event, self.ground)[0]

    def of_known(self, state: AlertState) -> tuple[list[Decision], list[Escalation]]:
        """Return where a known alert goes, and what happens while nobody takes it up.

        Where it was raised, and came to, counts, and not where a press was since: that moves nothing that is due.
        """
        held_by = state.others.held if state.others else ()
        return self._decide(state.alert, held_by if self.ground else None)

    def held(self, alert: DeviceAlert) -> tuple[str, ...]:
        """Return the rules that ask where an alert is and match."""
        return held(alert, self.routes, self.ground) if self.ground else ()

    def at(self, alert: DeviceAlert, ground: Ground) -> list[Decision]:
        """Return who is told for where an alert is, as `ground` has it."""
        return [one for one in self._decide(alert, ground)[0] if one.destination in self.by_place]

    def _decide(self, event: Payload, ground: Ground | Held | None) -> tuple[list[Decision], list[Escalation]]:
        # Rules look at nothing else of an event.
        is_held = is_for_owner_alone(event)
        known, asked = (ground, None) if isinstance(ground, tuple) else (None, ground)
        facts = (known, *facts_of(event, asked).items(), *event.header.hops, is_held, drill_of(event))
        if facts not in self._decided:
            if len(self._decided) >= _MOST_DECIDED:
                self._decided.pop(next(iter(self._decided)))
            verdicts = explain(event, self.routes, ground)
            found = decisions(verdicts), escalation(event, self.routes, ground)
            if is_held:
                found = of_owner(found, event.header.agency_id, self.routes.destinations, self.agencies)
            self._decided[facts] = found
        return self._decided[facts]
