"""Conditions that nothing of this hub ever meets, in words for `hub lint`: such a rule never matches."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from bondmate_schemas.validation_messages import did_you_mean
from bondmate_streams.logic.headers import SOURCE
from bondmate_streams.logic.routing import RECORD_OF, Kind, Route, Routes

OF_DEVICES: Final[frozenset[Kind]] = frozenset({"alert", "location"})
"""Kinds of event that only devices give."""


def is_of_devices(rule: Route) -> bool:
    """Whether a rule matches nothing but what devices give."""
    return rule.when.record is not None and OF_DEVICES.issuperset(rule.when.record)


def unknown_sources(routes: Routes, connectors: Collection[str]) -> Iterator[str]:
    """Yield a warning for each source that a rule asks for and no connector has as its name."""
    known = [*connectors, SOURCE]
    for number, rule in enumerate(routes.routes):
        for source in rule.when.source or ():
            if source not in known:
                yield (
                    f"routes.{number}.when.source: never matches: no connector is called `{source}`, and what the hub"
                    f" raises itself comes from `{SOURCE}`{did_you_mean(source, known)}"
                )


def unknown_units(routes: Routes, units: Iterable[str | None]) -> Iterator[str]:
    """Yield a warning for each unit that a rule of devices' events asks for and no enrolled device has.

    Where no device has a unit, nothing is known of them, and nothing is found.
    """
    known = {unit for unit in units if unit}
    for number, rule in enumerate(routes.routes):
        for unit in rule.when.unit or ():
            if known and is_of_devices(rule) and unit not in known:
                yield (
                    f"routes.{number}.when.unit: never matches: no enrolled device has the unit"
                    f" `{unit}`{did_you_mean(unit, known)}"
                )


def unsent_kinds(routes: Routes, emitted: Collection[str]) -> Iterator[str]:
    """Yield a warning for each kind of event that a rule asks for and no connector of the settings brings in."""
    sent: Mapping[Kind, bool] = {kind: record in emitted for kind, record in RECORD_OF.items()}
    for number, rule in enumerate(routes.routes):
        for kind in rule.when.record or ():
            if not sent[kind]:
                yield (
                    f"routes.{number}.when.record: never matches: no connector of these settings brings in `{kind}`;"
                    " devices come in by one of `device_http`"
                )
