"""Where an event is and who is told of it, in words and as a map: GeoJSON (RFC 7946) that any viewer opens.

Colours and titles are those of simplestyle 1.1, which geojson.io, GitHub, QGIS and others show.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import shapely
from bondmate_schemas.models import DeviceAlert, IncidentEvent, Payload

from bondmate_streams.logic.districts import Districts
from bondmate_streams.logic.ground import MapGround, spots_of
from bondmate_streams.logic.routing import Routes, RouteVerdict, distances, fact_within

_TOLD: Final = "#c62828"
_ASKED: Final = "#ef6c00"
_OTHER: Final = "#78909c"


@dataclass(frozen=True, slots=True)
class Where:
    """Where an event is, as the rules see it."""

    district: str | None
    responsible: tuple[str, ...]
    near: tuple[tuple[float, tuple[str, ...]], ...]
    """Districts within each distance that rules ask for."""
    position: str
    """What kind of position it is, with age and accuracy; empty where the event has no place."""

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        near = {f"{metres:g}": [*names] for metres, names in self.near}
        return {"district": self.district, "responsible": [*self.responsible], "near": near, "position": self.position}

    def __str__(self) -> str:
        if not self.position:
            return "no place: rules that ask for one do not hold, and it falls through to the others"
        who = f", responsible {', '.join(self.responsible)}" if self.responsible else ""
        near = "".join(f"; within {metres:g} m: {', '.join(names) or 'none'}" for metres, names in self.near)
        return f"in {f'district {self.district}' if self.district else 'no district'}{who}{near} ({self.position})"


def where(event: Payload, districts: Districts, routes: Routes) -> Where:
    """Return where an alert or incident is."""
    assert isinstance(event, DeviceAlert | IncidentEvent)
    near = sorted(distances(routes) - {0.0})
    facts = MapGround(districts, {0.0, *near}).facts(event)
    if not facts:
        return Where(None, (), (), "")
    names = ", ".join(sorted(facts["district"])) or None
    around = tuple((metres, tuple(sorted(facts[fact_within("district", metres)]))) for metres in near)
    return Where(names, tuple(sorted(facts["responsible"])), around, _position(event))


def _position(event: DeviceAlert | IncidentEvent) -> str:
    if event.position is None:
        return "its areas"
    origin = event.position_origin.value.lower() if isinstance(event, DeviceAlert) else "its own"
    age = event.position_age_seconds if isinstance(event, DeviceAlert) else None
    old, metres = "" if age is None else f", {age:g} s old", event.position.accuracy_m
    accuracy = "accuracy unknown" if metres is None else f"accurate to {metres:g} m"
    return f"position {origin}{old}, {accuracy}"


def told_map(event: Payload, districts: Districts, routes: Routes, verdicts: Sequence[RouteVerdict]) -> dict[str, Any]:
    """Return districts, place and who is told as a FeatureCollection."""
    assert isinstance(event, DeviceAlert | IncidentEvent)
    features = [*_districts(event, districts, routes, verdicts), *_places(event, verdicts)]
    return {"type": "FeatureCollection", "features": features}


def _districts(
    event: DeviceAlert | IncidentEvent, districts: Districts, routes: Routes, verdicts: Sequence[RouteVerdict]
) -> Iterator[dict[str, Any]]:
    facts = MapGround(districts, {0.0, *distances(routes)}).facts(event)
    for number, (name, area) in enumerate(zip(districts.names, districts.areas, strict=True)):
        agency = districts.agencies[number]
        rules = [
            rule
            for rule in routes.routes
            if name in (rule.when.district or ()) or (agency and agency in (rule.when.responsible or ()))
        ]
        near = [rule.name for rule in rules if name in facts.get(rule.when.asked("district"), ())]
        told = sorted({v.destination for v in _taken(verdicts) if v.route in near and v.destination})
        is_here = name in facts.get("district", ())
        colour = _TOLD if told else _ASKED if rules else _OTHER
        yield _feature(area, {
            "title": name, "agency": agency, "is_here": is_here, "told": told,
            "asked_by": [rule.name for rule in rules],
            "description": f"told for this district: {', '.join(told) or 'nobody'}",
            "stroke": colour, "fill": colour, "fill-opacity": 0.35 if is_here else 0.15,
        })  # fmt: skip


def _taken(verdicts: Sequence[RouteVerdict]) -> Iterator[RouteVerdict]:
    return (verdict for verdict in verdicts if verdict.why == "taken")


def _places(event: DeviceAlert | IncidentEvent, verdicts: Sequence[RouteVerdict]) -> Iterator[dict[str, Any]]:
    told = sorted({v.destination for v in _taken(verdicts) if v.destination})
    title = event.kind.value if isinstance(event, DeviceAlert) else event.category.value
    told_words = f"told: {', '.join(told) or 'nobody'}"
    for spot in spots_of(event):
        yield _feature(spot.shape, {
            "title": title, "told": told, "radius_m": spot.radius_m, "marker-color": _TOLD, "stroke": _TOLD,
            "description": f"{told_words}; {_position(event)}", "why": [str(verdict) for verdict in verdicts],
        })  # fmt: skip


def _feature(shape: Any, properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Feature", "properties": properties, "geometry": json.loads(shapely.to_geojson(shape))}
