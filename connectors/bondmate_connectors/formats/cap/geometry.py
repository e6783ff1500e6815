"""Areas of CAP: `latitude,longitude` pairs, circles with a radius in kilometres, and the point that stands for them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

import numpy as np
import shapely

from bondmate_connectors.formats.cap.values import write_number

Point = tuple[float, float]
"""Latitude and longitude, degrees."""

# Possessive quantifiers: a polygon may be ten megabytes of nonsense.
_NUMBER: Final = r"[-+]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][-+]?\d{1,3})?"
_NUMBERS: Final = re.compile(_NUMBER, re.ASCII)
_ONLY_NUMBERS: Final = re.compile(rf"[\s,;]*+(?:{_NUMBER}[\s,;]++)*+(?:{_NUMBER})?", re.ASCII)
_AROUND_COMMA: Final = re.compile(r"\s*+[,;][\s,;]*+")
_PLAIN_NUMBER: Final = r"(?:-(?=[1-9]|0\.\d*[1-9]))?(?:0|[1-9]\d{0,2})(?:\.\d{0,6}[1-9])?"
_PLAIN_RING: Final = re.compile(rf"{_PLAIN_NUMBER},{_PLAIN_NUMBER}(?: {_PLAIN_NUMBER},{_PLAIN_NUMBER})*+", re.ASCII)
"""A ring as `write_ring` writes it."""
_LONG: Final = re.compile(r"\.\d{8}", re.ASCII)
_PLAIN: Final = re.compile(r"[-+0-9.,\s]*+", re.ASCII)
_CORNERS: Final = 3
_WITH_ALTITUDE: Final = 3
_HALF_TURN: Final = 180.0
_NO_AREA: Final = 1e-12
MOST_KM: Final = 20_038.0
"""Half of the equator: no circle on the Earth is larger."""


@dataclass(frozen=True, slots=True, eq=False)
class Ring:
    """A polygon as CAP 1.2, 3.2.4 wants it, and what was wrong with how it was written."""

    latitudes: list[float]
    longitudes: list[float]
    text: str
    was_open: bool
    had_altitudes: bool
    line: shapely.LinearRing
    """Its sides, latitude and longitude; laid open where it crosses the antimeridian."""
    crosses_itself: bool
    """Whether two of its sides meet elsewhere than in a common corner."""

    @property
    def points(self) -> tuple[Point, ...]:
        """Its corners, the first one last too."""
        return tuple(zip(self.latitudes, self.longitudes, strict=True))


def ring_of(text: str) -> Ring | None:
    """Read a polygon, closed when its sender forgot to, without altitudes; None when it is none.

    Lenient: stray commas and spaces between the numbers are let pass as long as it is clear which are pairs.
    """
    plain = " ".join(text.split())
    is_plain = _PLAIN_RING.fullmatch(plain) is not None
    pairs = _plain_pairs(plain) if is_plain else _pairs(plain)
    had_altitudes = False
    if pairs is None:
        found = _odd_pairs(text)
        if found is None:
            return None
        pairs, had_altitudes = found
    latitudes, longitudes = pairs
    was_open = latitudes[0] != latitudes[-1] or longitudes[0] != longitudes[-1]
    if was_open:
        latitudes, longitudes = [*latitudes, latitudes[0]], [*longitudes, longitudes[0]]
    if not _are_on_earth(latitudes, longitudes) or not _has_corners(latitudes, longitudes):
        return None
    line = _laid_open(latitudes, longitudes)
    text = plain if is_plain and not was_open else write_ring(tuple(zip(latitudes, longitudes, strict=True)))
    return Ring(latitudes, longitudes, text, was_open, had_altitudes, line, not shapely.is_simple(line))


def _plain_pairs(plain: str) -> tuple[list[float], list[float]]:
    words = plain.replace(",", " ").split()
    return [*map(float, words[::2])], [*map(float, words[1::2])]


def _has_corners(latitudes: list[float], longitudes: list[float]) -> bool:
    corners: set[Point] = set()
    for corner in zip(latitudes, longitudes, strict=True):
        corners.add(corner)
        if len(corners) == _CORNERS:
            return True
    return False


def _laid_open(latitudes: list[float], longitudes: list[float]) -> shapely.LinearRing:
    corners = np.array([latitudes, longitudes])
    if max(longitudes) - min(longitudes) > _HALF_TURN:
        corners[1, corners[1] < 0] += 2 * _HALF_TURN
    return shapely.linearrings(corners.T)


def _pairs(text: str) -> tuple[list[float], list[float]] | None:
    """Return latitudes and longitudes of a polygon that is written as CAP 1.2, 3.2.4 wants it, None of another."""
    if not _PLAIN.fullmatch(text):
        return None
    words = text.replace(",", " , ").split()
    # Every third is a comma: then every pair has one, and between the pairs there is none.
    if len(words) % 3 or words[1::3].count(",") != len(words) // 3 or not words:
        return None
    try:
        return [*map(float, words[::3])], [*map(float, words[2::3])]
    except ValueError:
        return None


def _are_on_earth(latitudes: list[float], longitudes: list[float]) -> bool:
    return (
        min(latitudes) >= -_HALF_TURN / 2
        and max(latitudes) <= _HALF_TURN / 2
        and min(longitudes) >= -_HALF_TURN
        and max(longitudes) <= _HALF_TURN
    )


def read_ring(text: str) -> tuple[Point, ...] | None:
    """Read the corners of a polygon, the first one last too; None when it is none."""
    ring = ring_of(text)
    return ring.points if ring else None


def _odd_pairs(text: str) -> tuple[tuple[list[float], list[float]], bool] | None:
    """Return latitudes, longitudes, and whether altitudes were left out; None when it is not clear which is which.

    A number belongs to the one before it where a comma stands between them: three so joined are never pairs.
    """
    numbers = _numbers(text)
    if not numbers:
        return None
    runs = [run.strip(",").count(",") + 1 for run in _AROUND_COMMA.sub(",", text).split() if run.strip(",")]
    if set(runs) == {_WITH_ALTITUDE}:
        return (numbers[::3], numbers[1::3]), True
    joined = any(run > 1 for run in runs)
    if len(numbers) % 2 or (joined and any(run % 2 for run in runs)) or _may_be_triples(numbers, runs):
        return None
    return (numbers[::2], numbers[1::2]), False


def _may_be_triples(numbers: list[float], runs: list[int]) -> bool:
    """Whether numbers of which no comma says how they belong together close as triples, and not as pairs."""
    clear = len(runs) > 1 and set(runs) == {2}
    triples = len(numbers) % _WITH_ALTITUDE == 0 and len(numbers) > _WITH_ALTITUDE
    if clear or not triples:
        return False
    return numbers[:2] == numbers[-3:-1] and numbers[:2] != numbers[-2:]


def read_circle(text: str) -> tuple[Point, float] | None:
    """Read a circle: its centre and its radius in kilometres; None when it is none."""
    match _numbers(text):
        case [latitude, longitude, radius] if _on_earth((latitude, longitude)) and radius >= 0:
            return (latitude, longitude), radius
    return None


def write_ring(points: tuple[Point, ...]) -> str:
    """Write a polygon as CAP 1.2, 3.2.4 wants it."""
    text = " ".join([f"{latitude!r},{longitude!r}" for latitude, longitude in points])
    # The shortest text of a number is most often what is wanted, but for `.0`.
    if "e" not in text and not _LONG.search(text) and "-0.0" not in text:
        return text.replace(".0 ", " ").replace(".0,", ",").removesuffix(".0")
    return " ".join([f"{write_number(latitude)},{write_number(longitude)}" for latitude, longitude in points])


def write_circle(centre: Point, radius_km: float) -> str:
    """Write a circle as CAP 1.2, 3.2.4 wants it; `radius_km` in kilometres."""
    return f"{write_ring((centre,))} {write_number(radius_km, 6)}"


def centre_of(ring: Ring) -> Point:
    """Return a point inside: the centre of its area, or where that lies outside, the nearest middle of a chord.

    Of a ring that crosses itself the halves cancel out, and would throw the centre anywhere: it is that of its corners.
    """
    area = shapely.polygons(ring.line)
    if ring.crosses_itself or shapely.area(area) < _NO_AREA:
        corners = shapely.get_coordinates(ring.line)[:-1]
        latitude, longitude = map(float, corners.mean(axis=0))
    else:
        centre = shapely.centroid(area)
        latitude, longitude = float(shapely.get_x(centre)), float(shapely.get_y(centre))
        if not shapely.contains_xy(area, latitude, longitude):
            longitude = _inside(ring, latitude, longitude)
    return latitude, longitude - 2 * _HALF_TURN if longitude > _HALF_TURN else longitude


def _inside(ring: Ring, latitude: float, longitude: float) -> float:
    """Return the longitude, at this latitude, of the middle of the chord that is nearest."""
    corners = shapely.get_coordinates(ring.line)
    (from_lat, from_lon), (to_lat, to_lon) = corners[:-1].T, corners[1:].T
    cut = (from_lat <= latitude) != (to_lat <= latitude)
    part = (latitude - from_lat[cut]) / (to_lat[cut] - from_lat[cut])
    crossings = sorted((from_lon[cut] + part * (to_lon[cut] - from_lon[cut])).tolist())
    chords = list(zip(crossings[::2], crossings[1::2], strict=False))
    if not chords or any(west <= longitude <= east for west, east in chords):
        return longitude
    west, east = min(chords, key=lambda chord: min(abs(chord[0] - longitude), abs(chord[1] - longitude)))
    return float((west + east) / 2)


def _numbers(text: str) -> list[float] | None:
    if not _ONLY_NUMBERS.fullmatch(text):
        return None
    numbers = [float(number) for number in _NUMBERS.findall(text)]
    return numbers if all(map(math.isfinite, numbers)) else None


def _on_earth(point: Point) -> bool:
    return abs(point[0]) <= _HALF_TURN / 2 and abs(point[1]) <= _HALF_TURN
