"""Areas of CAP: `latitude,longitude` pairs, circles with a radius in kilometres, and the point that stands for them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import orjson

from bondmate_connectors.formats.cap.values import write_number

if TYPE_CHECKING:
    import shapely

# numpy and shapely are some 20 MiB in each process: loaded with the first polygon.
# ruff: noqa: PLC0415

Point = tuple[float, float]
"""Latitude and longitude, degrees."""

# Possessive quantifiers: a polygon may be ten megabytes of nonsense.
_NUMBER: Final = r"[-+]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][-+]?\d{1,3})?"
_NUMBERS: Final = re.compile(_NUMBER, re.ASCII)
_ONLY_NUMBERS: Final = re.compile(rf"[\s,;]*+(?:{_NUMBER}[\s,;]++)*(?:{_NUMBER})?", re.ASCII)
_AROUND_COMMA: Final = re.compile(r"\s*+[,;][\s,;]*+")
_IN_NUMBERS: Final = b"-.0123456789"
_LONG: Final = re.compile(r"\.\d{8}", re.ASCII)
_NEEDLESS_ZEROS: Final = re.compile(r"\.?0+(?=[, ]|\Z)")
_NOTHING_BELOW: Final = re.compile(r"-0(?=[, ]|\Z)")
_CORNERS: Final = 3
_WITH_ALTITUDE: Final = 3
_MORE_THAN_PAIRS: Final = (3, 4)
_HALF_TURN: Final = 180.0
_NO_AREA: Final = 1e-12
MOST_KM: Final = 20_038.0
"""Half of the equator: no circle on the Earth is larger."""


@dataclass(frozen=True, slots=True, eq=False)
class Ring:
    """A polygon as CAP 1.2, 3.2.4 wants it, and what was wrong with how it was written."""

    numbers: list[float]
    """Latitude and longitude of each corner in turn, the first corner last too."""
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
        return tuple(zip(self.numbers[::2], self.numbers[1::2], strict=True))


def ring_of(text: str) -> Ring | None:
    """Read a polygon, closed when its sender forgot to, without altitudes; None when it is none.

    Lenient: stray commas and spaces between the numbers are let pass as long as it is clear which are pairs.
    """
    plain = " ".join(text.split())
    numbers, had_altitudes = _plain_numbers(plain), False
    is_plain = numbers is not None
    if numbers is None:
        numbers, had_altitudes = _odd_numbers(text)
    if not _has_corners(numbers):
        return None
    was_open = numbers[:2] != numbers[-2:]
    if was_open:
        numbers = numbers + numbers[:2]
    line = line_on_earth(numbers)
    if line is None:
        return None
    as_written = is_plain and not was_open and _is_shortest(plain)
    return Ring(numbers, plain if as_written else _written(numbers), was_open, had_altitudes, line, not line.is_simple)


def _plain_numbers(plain: str) -> list[float] | None:
    """Return the numbers of a polygon that is written as CAP 1.2, 3.2.4 wants it, None of another."""
    between = plain.encode(errors="replace").translate(None, _IN_NUMBERS)
    if between != (b", " * (len(between) // 2 + 1))[:-1]:
        return None
    try:
        # What stands between the commas is then a number of JSON, or it fails.
        numbers: list[float] = orjson.loads("[" + plain.replace(" ", ",") + "]")
    except orjson.JSONDecodeError:
        return None
    return numbers


def _is_shortest(plain: str) -> bool:
    """Whether each of the numbers is certainly as `write_ring` would write it."""
    return not ("0," in plain or "0 " in plain or plain[-1] == "0" or _LONG.search(plain))


def _has_corners(numbers: list[float]) -> bool:
    corners: set[Point] = set()
    one_by_one = iter(numbers)
    for corner in zip(one_by_one, one_by_one, strict=False):
        corners.add(corner)
        if len(corners) == _CORNERS:
            return True
    return False


def line_on_earth(numbers: list[float]) -> shapely.LinearRing | None:
    """Return the sides of a ring, given latitude and longitude of each corner in turn; None of one not on Earth."""
    import numpy as np
    import shapely

    corners = np.fromiter(numbers, float, len(numbers)).reshape(-1, 2)
    line = shapely.linearrings(corners)
    south, west, north, east = line.bounds
    if south < -_HALF_TURN / 2 or north > _HALF_TURN / 2 or west < -_HALF_TURN or east > _HALF_TURN:
        return None
    if east - west > _HALF_TURN:
        corners[corners[:, 1] < 0, 1] += 2 * _HALF_TURN
        line = shapely.linearrings(corners)
    return line


def read_ring(text: str) -> tuple[Point, ...] | None:
    """Read the corners of a polygon, the first one last too; None when it is none."""
    ring = ring_of(text)
    return ring.points if ring else None


def _odd_numbers(text: str) -> tuple[list[float], bool]:
    """Return latitudes and longitudes in turn, and whether altitudes were left out; none when it is not clear which.

    A number belongs to the one before it where a comma stands between them: three so joined are never pairs, and nor
    are four, unless all are in one.
    """
    numbers = _numbers(text)
    if not numbers:
        return [], False
    runs = _runs(text)
    if set(runs) != {2}:
        runs = _runs(_AROUND_COMMA.sub(",", text))
    if set(runs) == {_WITH_ALTITUDE}:
        return [number for place, number in enumerate(numbers) if place % _WITH_ALTITUDE != _WITH_ALTITUDE - 1], True
    pairs = set(runs) == {2} or len(runs) == 1 or set(runs) == {1}
    if not pairs or len(numbers) % 2 or _may_be_more(numbers, runs):
        return [], False
    return numbers, False


def _runs(text: str) -> list[int]:
    """Return how many numbers stand together, each time."""
    return [run.strip(",").count(",") + 1 for run in text.split() if run.strip(",")]


def _may_be_more(numbers: list[float], runs: list[int]) -> bool:
    """Whether numbers of which no comma says how they belong together may be more than pairs: as pairs none close."""
    clear = len(runs) > 1 and set(runs) == {2}
    if clear or numbers[:2] == numbers[-2:]:
        return False
    return any(len(numbers) % size == 0 and len(numbers) >= _CORNERS * size for size in _MORE_THAN_PAIRS)


def read_circle(text: str) -> tuple[Point, float] | None:
    """Read a circle: its centre and its radius in kilometres; None when it is none."""
    match _numbers(text):
        case [latitude, longitude, radius] if _on_earth((latitude, longitude)) and radius >= 0:
            return (latitude, longitude), radius
    return None


def write_ring(points: tuple[Point, ...]) -> str:
    """Write a polygon as CAP 1.2, 3.2.4 wants it."""
    return _written([number for point in points for number in point])


def _written(numbers: list[float]) -> str:
    one_by_one = map(repr, numbers)
    text = " ".join([f"{latitude},{longitude}" for latitude, longitude in zip(one_by_one, one_by_one, strict=True)])
    # The shortest text of a number is most often what is wanted, but for `.0`.
    if "e" not in text and not _LONG.search(text) and "-0.0" not in text:
        return text.replace(".0 ", " ").replace(".0,", ",").removesuffix(".0")
    text = " ".join(["%.7f,%.7f"] * (len(numbers) // 2)) % tuple(numbers)
    return _NOTHING_BELOW.sub("0", _NEEDLESS_ZEROS.sub("", text))


def write_circle(centre: Point, radius_km: float) -> str:
    """Write a circle as CAP 1.2, 3.2.4 wants it; `radius_km` in kilometres."""
    return f"{write_ring((centre,))} {write_number(radius_km, 6)}"


def centre_of(ring: Ring) -> Point:
    """Return a point inside: the centre of its area, or where that lies outside, the nearest middle of a chord.

    Of a ring that crosses itself the halves cancel out, and would throw the centre anywhere: it is that of its corners.
    """
    import shapely

    area = shapely.polygons(ring.line)
    if ring.crosses_itself or area.area < _NO_AREA:
        corners = shapely.get_coordinates(ring.line)[:-1]
        latitude, longitude = map(float, corners.mean(axis=0))
    else:
        centre = area.centroid
        latitude, longitude = centre.x, centre.y
        if not area.contains(centre):
            longitude = _inside(ring, latitude, longitude)
    return latitude, longitude - 2 * _HALF_TURN if longitude > _HALF_TURN else longitude


def _inside(ring: Ring, latitude: float, longitude: float) -> float:
    """Return the longitude, at this latitude, of the middle of the chord that is nearest."""
    import shapely

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
