"""One point for an incident: its position, else the middle of the first of its areas that has a shape."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bondmate_schemas.models import Area, IncidentEvent, Position

_EARTH_M = 6_371_008.8


def point_of(event: IncidentEvent) -> Position | None:
    """Return where to draw the incident, None when it has no geometry.

    Of an area it is the middle, and the accuracy is the radius in metres of a circle round it that holds the whole.
    """
    if event.position is not None:
        return event.position
    for area in event.areas:
        for latitude, longitude, radius_m in _shapes(area):
            if abs(latitude) <= 90 and abs(longitude) <= 180 and math.isfinite(radius_m) and radius_m >= 0:  # noqa: PLR2004
                return Position(
                    latitude=latitude, longitude=longitude, accuracy_m=radius_m, fixed_at=event.header.occurred_at
                )
    return None


def _shapes(area: Area) -> Iterator[tuple[float, float, float]]:
    for circle in area.circles:
        yield from _circle(circle)
    for polygon in area.polygons:
        yield from _polygon(polygon)


def _circle(text: str) -> Iterator[tuple[float, float, float]]:
    centre, _, radius_km = text.strip().partition(" ")
    for latitude, longitude in _pairs(centre):
        try:
            yield latitude, longitude, float(radius_km) * 1000
        except ValueError:
            return


def _polygon(text: str) -> Iterator[tuple[float, float, float]]:
    """Yield the middle of the ring's bounding box and the distance to its farthest corner; nothing for no ring.

    A ring over the antimeridian (no two neighbours are half the Earth apart) is unrolled first.
    """
    pairs = list(_pairs(text))
    if not pairs:
        return
    unrolled = [pairs[0]]
    for latitude, longitude in pairs[1:]:
        turn = round((unrolled[-1][1] - longitude) / 360)
        unrolled.append((latitude, longitude + 360 * turn))
    latitudes, longitudes = zip(*unrolled, strict=True)
    middle = ((min(latitudes) + max(latitudes)) / 2, (min(longitudes) + max(longitudes)) / 2)
    farthest = max(_distance_m(middle, corner) for corner in unrolled)
    yield middle[0], (middle[1] + 180) % 360 - 180, farthest


def _pairs(text: str) -> Iterator[tuple[float, float]]:
    for word in text.split():
        latitude, _, longitude = word.partition(",")
        try:
            pair = float(latitude), float(longitude)
        except ValueError:
            continue
        if all(math.isfinite(value) for value in pair):
            yield pair


def _distance_m(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Great-circle distance by the haversine formula."""
    (lat1, lon1), (lat2, lon2) = ((math.radians(x), math.radians(y)) for x, y in (one, other))
    half = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * _EARTH_M * math.asin(math.sqrt(min(1.0, max(0.0, half))))
