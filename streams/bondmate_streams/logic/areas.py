"""Whether a position lies in an area, as the schema `Area` writes polygons and circles."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from bondmate_schemas.models import Area

_EARTH_KM = 6371.0088
"""Mean radius of the earth (IUGG); the sphere is off by 0.5 % at most, far less than a message's area is exact."""
_LEAST_CORNERS = 3
Contains = Callable[[float, float], bool]
"""From latitude and longitude, degrees."""


def shapes_of(areas: Iterable[Area]) -> tuple[Contains, ...]:
    """Return a test for each polygon and circle of `areas`.

    Raises:
        ValueError: one of them cannot be read.
    """
    return tuple(shape for area in areas for shape in (*map(_polygon, area.polygons), *map(_circle, area.circles)))


def _circle(text: str) -> Contains:
    centre, _, radius = text.strip().partition(" ")
    (latitude, longitude), radius_km = _pair(centre), float(radius)
    if not 0 <= radius_km < math.inf:
        raise ValueError("radius")
    return lambda lat, lon: _distance_km(latitude, longitude, lat, lon) <= radius_km


def _distance_km(lat: float, lon: float, to_lat: float, to_lon: float) -> float:
    """Return the great-circle distance (haversine)."""
    north, east = math.radians(to_lat - lat) / 2, math.radians(to_lon - lon) / 2
    across = math.cos(math.radians(lat)) * math.cos(math.radians(to_lat)) * math.sin(east) ** 2
    return 2 * _EARTH_KM * math.asin(min(1.0, math.sqrt(math.sin(north) ** 2 + across)))


def _polygon(text: str) -> Contains:
    corners = [_pair(pair) for pair in text.split()]
    if len(set(corners)) < _LEAST_CORNERS:
        raise ValueError("corners")
    # Counted from the first corner, so that a ring across the antimeridian is one piece.
    reference = corners[0][1]
    ring = [(lat, _from(reference, lon)) for lat, lon in corners]
    south, north = min(lat for lat, _ in ring), max(lat for lat, _ in ring)
    edges = list(zip(ring, (*ring[1:], ring[0]), strict=True))

    def contains(lat: float, lon: float) -> bool:
        if not south <= lat <= north:
            return False
        # Inside is where a ray to the east crosses the ring an odd number of times.
        x = _from(reference, lon)
        crossed = [
            x < (b_lon - a_lon) * (lat - a_lat) / (b_lat - a_lat) + a_lon
            for (a_lat, a_lon), (b_lat, b_lon) in edges
            if (a_lat > lat) is not (b_lat > lat)
        ]
        return sum(crossed) % 2 == 1

    return contains


def _from(reference: float, longitude: float) -> float:
    return (longitude - reference + 180) % 360 - 180


def _pair(text: str) -> tuple[float, float]:
    latitude, longitude = map(float, text.split(","))
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):  # noqa: PLR2004  # degrees
        raise ValueError("degrees")
    return latitude, longitude
