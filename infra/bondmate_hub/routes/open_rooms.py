"""Connectors that would write to open rooms, in words for `hub lint`: under duress nothing goes there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bondmate_connectors.runtime.run import Instance
from bondmate_schemas.enums import AlertKind
from bondmate_streams.logic.routing import Route, Routes

from bondmate_hub.routes.ownerless import told_of_alerts


def open_rooms(routes: Routes, instances: Iterable[Instance]) -> list[str]:
    """Word which destinations get alerts of duress by the routes and have nobody named who alone may read them."""
    told = set(_told_of_duress(routes.routes))
    return [
        f"connectors.{each.name}.settings.duress_contacts: nobody is named, so that an alert of duress is dead-lettered"
        " there (`open_room`) and a person paged. Mend: name who alone gets it, or let the route leave DURESS out"
        for each in instances
        if each.name in told and getattr(each.config, "duress_contacts", None) == {}
    ]


def _told_of_duress(rules: Iterable[Route]) -> Iterator[str]:
    for rule in rules:
        kinds = rule.when.kind or (AlertKind.DURESS,)
        if AlertKind.DURESS in kinds:
            yield from told_of_alerts(rule)
