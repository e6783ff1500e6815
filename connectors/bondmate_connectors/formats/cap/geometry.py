"""Areas of CAP: `latitude,longitude` pairs, circles with a radius in kilometres, and the point that stands for them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Final

from bondmate_connectors.formats.cap.values import write_number

Point = tuple[float, float]
"""Latitude and longitude, degrees."""

# Possessive quantifiers: a polygon may be ten megabytes of nonsense.
_NUMBER: Final = r"[-+]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][-+]?\d{1,3})?"
_NUMBERS: Final = re.compile(_NUMBER, re.ASCII)
_ONLY_NUMBERS: Final = re.compile(rf"[\s,;]*+(?:{_NUMBER}[\s,;]++)*+(?:{_NUMBER})?", re.ASCII)
_CORNERS: Final = 3
_HALF_TURN: Final = 180.0
_NO_AREA: Final = 1e-12


def read_ring(text: str) -> tuple[Point, ...] | None:
    """Read a polygon, closed when its sender forgot to; None when it is none.

    Lenient: stray commas and spaces between the numbers are let pass as long as they stay pairs.
    """
    numbers = _numbers(text)
    if numbers is None or len(numbers) % 2:
        return None
    points = tuple(zip(numbers[::2], numbers[1::2], strict=True))
    if len(set(points)) < _CORNERS or not all(map(_on_earth, points)):
        return None
    return points if points[0] == points[-1] else (*points, points[0])


def read_circle(text: str) -> tuple[Point, float] | None:
    """Read a circle: its centre and its radius in kilometres; None when it is none."""
    match _numbers(text):
        case [latitude, longitude, radius] if _on_earth((latitude, longitude)) and radius >= 0:
            return (latitude, longitude), radius
    return None


def write_ring(points: tuple[Point, ...]) -> str:
    """Write a polygon as CAP 1.2, 3.2.4 wants it."""
    return " ".join(f"{write_number(latitude)},{write_number(longitude)}" for latitude, longitude in points)


def write_circle(centre: Point, radius_km: float) -> str:
    """Write a circle as CAP 1.2, 3.2.4 wants it; `radius_km` in kilometres."""
    return f"{write_ring((centre,))} {write_number(radius_km, 6)}"


def centre_of(ring: tuple[Point, ...]) -> Point:
    """Give a point inside the ring: the centre of its area, or where that lies outside, the nearest middle of a chord.

    A ring that crosses the antimeridian is laid open first.
    """
    longitudes = [longitude for _, longitude in ring]
    crosses = max(longitudes) - min(longitudes) > _HALF_TURN
    open_ring = [(lat, lon + 2 * _HALF_TURN if crosses and lon < 0 else lon) for lat, lon in ring]
    latitude, longitude = _inside(open_ring, _centroid(open_ring))
    return latitude, longitude - 2 * _HALF_TURN if longitude > _HALF_TURN else longitude


def _numbers(text: str) -> list[float] | None:
    if not _ONLY_NUMBERS.fullmatch(text):
        return None
    numbers = [float(number) for number in _NUMBERS.findall(text)]
    return numbers if all(map(math.isfinite, numbers)) else None


def _on_earth(point: Point) -> bool:
    return abs(point[0]) <= _HALF_TURN / 2 and abs(point[1]) <= _HALF_TURN


def _centroid(ring: list[Point]) -> Point:
    # Relative to the first corner: small areas far from 0,0 would lose their digits.
    lat0, lon0 = ring[0]
    relative = [(latitude - lat0, longitude - lon0) for latitude, longitude in ring]
    crosses = [(a, b, a[1] * b[0] - b[1] * a[0]) for a, b in pairwise(relative)]
    area = math.fsum(cross for *_, cross in crosses) * 3
    if abs(area) > _NO_AREA:
        latitude = lat0 + math.fsum((a[0] + b[0]) * cross for a, b, cross in crosses) / area
        longitude = lon0 + math.fsum((a[1] + b[1]) * cross for a, b, cross in crosses) / area
        # The halves of a ring that crosses itself cancel out, and throw the centre anywhere.
        if _between(latitude, (p[0] for p in ring)) and _between(longitude, (p[1] for p in ring)):
            return latitude, longitude
    corners = ring[:-1]
    return math.fsum(p[0] for p in corners) / len(corners), math.fsum(p[1] for p in corners) / len(corners)


def _between(value: float, values: Iterable[float]) -> bool:
    spread = sorted(values)
    return spread[0] <= value <= spread[-1]


def _inside(ring: list[Point], point: Point) -> Point:
    latitude, longitude = point
    crossings = sorted(
        a[1] + (latitude - a[0]) / (b[0] - a[0]) * (b[1] - a[1])
        for a, b in pairwise(ring)
        if (a[0] <= latitude) != (b[0] <= latitude)
    )
    chords = list(zip(crossings[::2], crossings[1::2], strict=False))
    if not chords or any(west <= longitude <= east for west, east in chords):
        return point
    west, east = min(chords, key=lambda chord: min(abs(chord[0] - longitude), abs(chord[1] - longitude)))
    return latitude, (west + east) / 2
