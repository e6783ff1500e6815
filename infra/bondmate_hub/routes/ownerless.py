"""Alerts that no room owns, in words for `hub lint`: then whoever took one up must close its part before it ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from bondmate_streams.logic.routing import Route, Routes

_SO: Final = (
    "so no room owns an alert, an alert ends when all that took it up have, none can be handed"
    " over, and what its owner alone may hear goes to nobody. Mend: `agency` at the connector of each room, or at"
    " the destination where it has none"
)


def ownerless(routes: Routes, agencies: Mapping[str, str]) -> list[str]:
    """Word that nobody says whose room any of those is that are told of alerts.

    `agencies` are those of connectors, by name.
    """
    told = {name for rule in routes.routes for name in told_of_alerts(rule) if name in routes.destinations}
    if not told or any(routes.destinations[name].agency or agencies.get(name) for name in told):
        return []
    names = ", ".join(sorted(told))
    return [f"destinations: none that is told of alerts ({names}) has an `agency`: {_SO}"]


def told_of_alerts(rule: Route) -> Iterator[str]:
    """Yield the destinations that a rule tells of alerts, at once or while nobody answers."""
    if "alert" in (rule.when.record or ("alert",)):
        yield from rule.to
        yield from (name for step in rule.escalate for name in step.to)
