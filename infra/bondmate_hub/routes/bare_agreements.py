"""Agreements that show nothing of what a route leads to, in words for `hub lint`."""

from __future__ import annotations

from collections.abc import Iterator

from bondmate_streams.logic.policy import is_withheld
from bondmate_streams.logic.routing import RECORD_OF, Kind, Routes

_KINDS: tuple[Kind, ...] = ("alert", "incident", "message")


def bare_agreements(routes: Routes) -> Iterator[str]:
    """Yield a warning for each destination that is led to a kind of event of which its agreement lists no field.

    What is listed as withheld is meant so. Positions are not told of here: without a field none is delivered at all.
    """
    for name, destination in routes.destinations.items():
        for kind in _KINDS:
            listed = destination.fields.get(kind, {})
            if not listed and _is_told(name, kind, routes) and not is_withheld(RECORD_OF[kind], listed):
                yield (
                    f"destinations.{name}.fields.{kind}: it shows nothing of {kind}s but that there is one and of what"
                    " kind: no place, no unit, no text; list what they may see, or a field as withheld where that is"
                    " meant so"
                )


def _is_told(name: str, kind: Kind, routes: Routes) -> bool:
    return any(
        kind in (rule.when.record or (kind,)) and (name in rule.to or any(name in step.to for step in rule.escalate))
        for rule in routes.routes
    )
