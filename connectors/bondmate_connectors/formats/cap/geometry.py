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
_CORNERS: Final = 3
_WITH_ALTITUDE: Final = 3
_HALF_TURN: Final = 180.0
_NO_AREA: Final = 1e-12
MOST_KM: Final = 20_038.0
"""Half of the equator: no circle on the Earth is larger."""


@dataclass(frozen=True, slots=True, eq=False)
class Ring:
    """A polygon as CAP 1.2, 3.2.4 wants it, and what was wrong with how it was written."""

    points: tuple[Point, ...]
    text: str
    was_open: bool
    had_altitudes: bool
    line: shapely.LinearRing
    """Its sides, latitude and longitude; laid open where it crosses the antimeridian."""

    @property
    def crosses_itself(self) -> bool:
        """Whether two of its sides meet elsewhere than in a common corner."""
        return not shapely.is_simple(self.line)


def ring_of(text: str) -> Ring | None:
    """Read a polygon, closed when its sender forgot to, without altitudes; None when it is none.

    Lenient: stray commas and spaces between the numbers are let pass as long as it is clear which are pairs.
    """
    plain = _plain(text)
    if plain:
        numbers, had_altitudes = [*map(float, plain.replace(",", " ").split())], False
    elif found := _pairs(text):
        numbers, had_altitudes = found
    else:
        return None
    was_open = numbers[:2] != numbers[-2:]
    if was_open:
        numbers += numbers[:2]
    latitudes, longitudes = numbers[::2], numbers[1::2]
    points = tuple(zip(latitudes, longitudes, strict=True))
    if not _are_on_earth(latitudes, longitudes) or len(set(points)) < _CORNERS:
        return None
    text = write_ring(points) if was_open or not plain else plain
    return Ring(points, text, was_open, had_altitudes, _laid_open(numbers, longitudes))


def _laid_open(numbers: list[float], longitudes: list[float]) -> shapely.LinearRing:
    corners = np.array(numbers).reshape(-1, 2)
    if max(longitudes) - min(longitudes) > _HALF_TURN:
        corners[corners[:, 1] < 0, 1] += 2 * _HALF_TURN
    return shapely.linearrings(corners)


def _plain(text: str) -> str:
    """Return a ring as `write_ring` would write it where that takes no arithmetic; else nothing."""
    text = " ".join(text.split())
    if _PLAIN_RING.fullmatch(text):
        return text
    # Zeros at the end of a fraction are most often all that is between the two.
    words = [[_without_zeros(number) for number in pair.split(",")] for pair in text.split(" ")]
    text = " ".join([",".join(pair) for pair in words])
    return text if _PLAIN_RING.fullmatch(text) else ""


def _without_zeros(number: str) -> str:
    return number.rstrip("0").rstrip(".") if "." in number else number


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


def _pairs(text: str) -> tuple[list[float], bool] | None:
    """Return latitudes and longitudes in turn, and whether altitudes were left out; None when that is not clear.

    A number belongs to the one before it where a comma stands between them: three so joined are never pairs.
    """
    numbers = _numbers(text)
    if not numbers:
        return None
    runs = [run.strip(",").count(",") + 1 for run in _AROUND_COMMA.sub(",", text).split() if run.strip(",")]
    if set(runs) == {_WITH_ALTITUDE}:
        return [number for place, number in enumerate(numbers) if place % _WITH_ALTITUDE < 2], True  # noqa: PLR2004
    joined = any(run > 1 for run in runs)
    if len(numbers) % 2 or (joined and any(run % 2 for run in runs)) or _may_be_triples(numbers, runs):
        return None
    return numbers, False


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
    return " ".join(f"{write_number(latitude)},{write_number(longitude)}" for latitude, longitude in points)


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
