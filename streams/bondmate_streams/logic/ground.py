"""Where alerts and incidents are, by the hub's map: which districts they are in or near, and who is responsible there.

An alert is where it says, be that its own fix or the last one known, however old; 0,0 is no place. An incident is at
its position, else in its areas. Without a place an event meets no rule that asks for one, and falls through to those
that do not.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import shapely
from bondmate_schemas.models import Area, DeviceAlert, IncidentEvent

from bondmate_streams.logic.districts import Districts
from bondmate_streams.logic.routing import Routes, distances, fact_within

_NOWHERE: Final = (0.0, 0.0)
_LEAST_CORNERS: Final = 3


@dataclass(frozen=True, slots=True)
class Spot:
    """A place: a shape of shapely (longitude, latitude, degrees), and how far around it is meant too."""

    shape: Any
    radius_m: float = 0.0


class MapGround:
    """The map, asked for what the rules need to know."""

    def __init__(self, districts: Districts, asked: Iterable[float]) -> None:
        """Answer from `districts`, for each of the distances `asked`, metres."""
        self.districts = districts
        self._asked = sorted(asked)

    @classmethod
    def of(cls, districts: Districts | None, routes: Routes) -> MapGround | None:
        """Return the map as `routes` ask for it; None where there is none, or nobody asks."""
        asked = distances(routes)
        return cls(districts, asked) if districts is not None and asked else None

    def facts(self, event: DeviceAlert | IncidentEvent) -> Mapping[str, frozenset[str]]:
        """Return districts and who is responsible, by fact; nothing where the event has no place."""
        return self._facts(event, self._numbers)

    def surely(self, accuracy_m: float) -> Within:
        """Return what asks where a position of this accuracy is for certain."""
        return Within(self, -accuracy_m)

    def perhaps(self, accuracy_m: float) -> Within:
        """Return what asks where a position of this accuracy may be."""
        return Within(self, accuracy_m)

    def facts_within(self, event: DeviceAlert | IncidentEvent, more_m: float) -> Mapping[str, frozenset[str]]:
        """Return the facts as if borders were so much farther out, or, less than nothing, farther in."""
        return self._facts(event, lambda spot, metres: self._within(spot, metres, more_m))

    def _facts(
        self, event: DeviceAlert | IncidentEvent, numbers_of: Callable[[Spot, float], list[int]]
    ) -> Mapping[str, frozenset[str]]:
        spots, names, agencies = [*spots_of(event)], self.districts.names, self.districts.agencies
        found = {}
        for metres in self._asked if spots else ():
            here = {number for spot in spots for number in numbers_of(spot, metres)}
            found[fact_within("district", metres)] = frozenset(names[n] for n in here)
            found[fact_within("responsible", metres)] = frozenset(agencies[n] for n in here if agencies[n])
        return found

    def _within(self, spot: Spot, metres: float, more_m: float) -> list[int]:
        if metres or more_m >= 0:
            return self.districts.near(spot.shape, metres + more_m) if metres + more_m >= 0 else []
        return [number for number in self._numbers(spot, 0.0) if self.districts.holds(number, spot.shape, -more_m)]

    def _numbers(self, spot: Spot, metres: float) -> list[int]:
        found = self.districts.near(spot.shape, metres + spot.radius_m)
        # Of areas that overlap the first has a point, as it has a position.
        is_point = not metres and not spot.radius_m and spot.shape.geom_type == "Point"
        return found[:1] if is_point else found


@dataclass(frozen=True, slots=True)
class Within:
    """The map with its borders moved by so many metres, outwards or inwards."""

    ground: MapGround
    more_m: float

    def facts(self, event: DeviceAlert | IncidentEvent) -> Mapping[str, frozenset[str]]:
        """Return districts and who is responsible, by fact."""
        return self.ground.facts_within(event, self.more_m)


def spots_of(event: DeviceAlert | IncidentEvent) -> Iterator[Spot]:
    """Yield where an event is; nothing where it has no place."""
    if (position := event.position) is not None:
        if (position.latitude, position.longitude) != _NOWHERE:
            yield Spot(shapely.Point(position.longitude, position.latitude))
    elif isinstance(event, IncidentEvent):
        for area in event.areas:
            yield from _of_area(area)


def has_place(event: DeviceAlert | IncidentEvent) -> bool:
    """Whether it is known where an event is."""
    return next(spots_of(event), None) is not None


def _of_area(area: Area) -> Iterator[Spot]:
    # What cannot be read as a shape is no place.
    for text in area.polygons:
        with contextlib.suppress(ValueError, shapely.errors.GEOSException):
            yield Spot(_polygon(text))
    for text in area.circles:
        with contextlib.suppress(ValueError):
            centre, _, radius_km = text.strip().partition(" ")
            yield Spot(shapely.Point(*_pair(centre)), float(radius_km) * 1000)


def _polygon(text: str) -> Any:
    corners = [_pair(pair) for pair in text.split()]
    if len(set(corners)) < _LEAST_CORNERS:
        raise ValueError("corners")
    # Counted from the first corner, so that a ring across the antimeridian is one piece.
    west = corners[0][0]
    return shapely.make_valid(shapely.Polygon([((lon - west + 180) % 360 - 180 + west, lat) for lon, lat in corners]))


def _pair(text: str) -> tuple[float, float]:
    """Return longitude and latitude."""
    latitude, longitude = map(float, text.split(","))
    return longitude, latitude
