"""Agreements that show less since nothing means nothing: what was envelope until then and is listed by itself now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from bondmate_streams.logic.routing import Destination, Kind, Routes

_WITH_POSITION: Final[Mapping[Kind, tuple[str, ...]]] = {
    "alert": ("position_origin", "position_age_seconds", "position.accuracy_m"),
    "incident": ("position.accuracy_m",),
    "location": ("position.accuracy_m",),
}
"""Beside a position that is listed."""
_ALONE: Final[Mapping[Kind, tuple[str, ...]]] = {"incident": ("incident_type", "status", "references")}


def shrunk(routes: Routes) -> list[str]:
    """Return a warning for each destination and kind of event of which it saw more before, with its place and mend.

    One that says `withheld` of a path has decided.
    """
    return [line for name in sorted(routes.destinations) for line in _of(name, routes.destinations[name], routes)]


def _of(name: str, destination: Destination, routes: Routes) -> Iterator[str]:
    for kind in sorted(_kinds_to(name, routes)):
        listed = destination.fields.get(kind, {})
        place = f"destinations.{name}.fields.{kind}"
        if kind == "location" and "position" not in listed:
            yield (
                f"{place}: positions do not go there any more, since `position` is not listed;"
                " list `position: plain` (or round:N, coarse:M), or say `position: withheld`"
            )
            continue
        gone = [path for path in _once_envelope(kind, listed) if path not in listed]
        if gone:
            which = ", ".join(f"`{path}`" for path in gone)
            yield f"{place}: not shown any more: {which}; list each as plain, or as withheld"


def _once_envelope(kind: Kind, listed: Mapping[str, str]) -> Iterator[str]:
    yield from _ALONE.get(kind, ())
    if kind == "alert" and "position" not in listed:
        yield from ("position_origin", "position_age_seconds")
    if listed.get("position", "withheld") != "withheld":
        yield from _WITH_POSITION.get(kind, ())


def _kinds_to(name: str, routes: Routes) -> set[Kind]:
    """Return the kinds of events that some route leads to a destination."""
    everything: tuple[Kind, ...] = ("alert", "incident", "message", "location")
    return {
        kind
        for rule in routes.routes
        if name in rule.to or any(name in step.to for step in rule.escalate)
        for kind in rule.when.record or everything
    }
