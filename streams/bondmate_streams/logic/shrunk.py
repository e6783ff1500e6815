"""Agreements that show less since nothing means nothing: what was envelope until then and is listed by itself now."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from bondmate_schemas.compatibility_check import released

from bondmate_streams.logic.fields import Field, fields_of, records_in
from bondmate_streams.logic.policy import BY_FLAG, CODE, INCIDENT_ID, is_withheld, shown_of, shown_paths
from bondmate_streams.logic.routing import RECORD_OF, Destination, Kind, Routes

_BEFORE: Final = 1
"""Version of the released schemas until which an agreement that lists nothing showed more than it says."""
_OF: Final[Mapping[str | None, str]] = {BY_FLAG: "remarks on what is withheld in ", CODE: "free words in "}


def shrunk(routes: Routes) -> list[str]:
    """Return a warning for each destination and kind of event of which it saw more before, with its place and mend.

    One that says `withheld` of a path has decided.
    """
    return [line for name in sorted(routes.destinations) for line in _of(name, routes.destinations[name], routes)]


def _of(name: str, destination: Destination, routes: Routes) -> Iterator[str]:
    for kind in sorted(_kinds_to(name, routes)):
        listed = destination.fields.get(kind, {})
        place = f"destinations.{name}.fields.{kind}"
        if is_withheld(RECORD_OF[kind], listed):
            if "position" not in listed:
                yield (
                    f"{place}: positions do not go there any more, since `position` is not listed;"
                    " list `position: plain` (or round:N, coarse:M), or say `position: withheld`"
                )
            continue
        if gone := [*_gone(RECORD_OF[kind], listed)]:
            yield f"{place}: not shown any more: {', '.join(gone)}; list each as plain, or as withheld"
        if kind != "location" and INCIDENT_ID not in listed and len(routes.destinations) > 1:
            yield (
                f"{place}: `{INCIDENT_ID}` is another at each destination now;"
                " list it as plain at all that are to share it, or as withheld"
            )


def _gone(record: str, listed: Mapping[str, str], prefix: str = "") -> Iterator[str]:
    """Return what of a record was shown before and is not now, as words with the paths."""
    shown = shown_of(record, shown_paths(listed), prefix)
    for field in fields_of(record):
        path = prefix + field.name
        if path not in listed and _was_envelope(record, field):
            yield f"{_OF.get(field.disclosure, '')}`{path}`"
        elif field.record and field.name in shown:
            yield from _gone(field.record, listed, path + ".")


def _was_envelope(record: str, field: Field) -> bool:
    return field.disclosure != "always" and (record, field.name) in _envelope_before()


@cache
def _envelope_before() -> frozenset[tuple[str, str]]:
    """Return record and name of each field that showed whatever an agreement listed."""
    found: dict[str, Any] = {}
    for record in RECORD_OF.values():
        found |= records_in(json.loads(released(record)[_BEFORE]))
    return frozenset(
        (name, field["name"])
        for name, record in found.items()
        for field in record["fields"]
        if field.get("bondmate:disclosure") == "always"
    )


def _kinds_to(name: str, routes: Routes) -> set[Kind]:
    """Return the kinds of events that some route leads to a destination."""
    everything: tuple[Kind, ...] = ("alert", "incident", "message", "location")
    return {
        kind
        for rule in routes.routes
        if name in rule.to or any(name in step.to for step in rule.escalate)
        for kind in rule.when.record or everything
    }
