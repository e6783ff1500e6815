"""In which district a position lies, by the hub's own map: a GeoJSON FeatureCollection of areas with names.

`properties.agency` names who is responsible for an area. Where areas overlap, or a position lies on their border, the
first of the file has it. Source: RFC 7946; an area across the antimeridian is cut there (3.1.9).
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray

from bondmate_streams.logic.cells import Cells
from bondmate_streams.logic.routes_yaml import RoutesError

__all__ = ["Districts", "DistrictsError", "load_districts", "parse_districts"]

_AREAS: Final = frozenset({"Polygon", "MultiPolygon"})
_DEGREE_M: Final = 111_195.0
"""Metres in a degree of latitude, on a sphere."""
_LEAST_COSINE: Final = 0.01
"""Nearer to a pole a degree of longitude counts as this much of one of latitude."""


class DistrictsError(RoutesError):
    """The map cannot be used: a line for every problem, `name: place: what is wrong`.

    Show the lines to the person; nothing was started with this map.
    """


class Districts:
    """Named areas that can be asked for one position or for many."""

    def __init__(self, names: list[str], areas: list[Any], agencies: Sequence[str] = ()) -> None:
        """Take names and areas (shapely, longitude and latitude in degrees), as many of each.

        `agencies` are those responsible, in the same order, an empty text where none is named.
        """
        self.names = tuple(names)
        self.areas = tuple(areas)
        self.agencies = tuple(agencies) or ("",) * len(names)
        # Prepared, an area of a thousand corners is asked as fast as one of ten.
        shapely.prepare(areas)
        self._tree = shapely.STRtree(areas)
        self._cells = Cells(self._tree)

    def of(self, latitude: float, longitude: float) -> str | None:
        """Return the district of a position, degrees; None where there is none."""
        found = self._tree.query(shapely.Point(longitude, latitude), predicate="intersects")
        return self.names[int(found.min())] if found.size else None

    def near(self, shape: Any, metres: float) -> list[int]:
        """Return the numbers, in `names`, of the districts that lie within `metres` of a shape as `areas` are.

        Reckoned on a plane about the shape: off by a metre in a kilometre or less, a hundred kilometres away by more.
        """
        middle = shapely.centroid(shape)
        plane = _plane(middle.y)
        west, south, east, north = shape.bounds
        beside, above = metres / plane
        found = set()
        # Areas are cut at the antimeridian: what reaches across it is beside others there.
        shifts = [0.0, *([360.0] if west - beside < -180 else []), *([-360.0] if east + beside > 180 else [])]  # noqa: PLR2004  # degrees
        for shift in shifts:
            box = shapely.box(west - beside + shift, south - above, east + beside + shift, north + above)
            here = _moved(shape, shift, plane)
            for number in self._tree.query(box).tolist():
                if shapely.dwithin(here, _moved(self.areas[number], 0.0, plane), metres):
                    found.add(number)
        return sorted(found)

    def holds(self, number: int, point: Any, metres: float) -> bool:
        """Whether a point lies in a district, and its border no nearer than `metres`."""
        plane = _plane(point.y)
        area, here = _moved(self.areas[number], 0.0, plane), _moved(point, 0.0, plane)
        return bool(shapely.intersects(area, here)) and shapely.distance(area.boundary, here) >= metres

    def of_all(self, latitudes: NDArray[np.float64], longitudes: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return, for each position, the number of its district in `names`, or -1."""
        return self._cells.of_all(latitudes, longitudes)


def load_districts(path: Path) -> Districts:
    """Read the map in the file at `path`.

    Raises:
        DistrictsError: it cannot be read or used; its lines name the places.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DistrictsError([f"{path}: cannot be read: {type(error).__name__}"]) from None
    return parse_districts(text, str(path))


def parse_districts(text: str, name: str = "districts") -> Districts:
    """Read a map; `name` is the file as the person knows it.

    Raises:
        DistrictsError: no FeatureCollection, or an area without a name of its own, or one that is none.
    """
    try:
        features = json.loads(text)["features"]
        read = [_feature(number, feature) for number, feature in enumerate(features)]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise DistrictsError([f"{name}: no GeoJSON FeatureCollection (RFC 7946)"]) from None
    problems = [problem for each in read if isinstance(each, str) for problem in [each]]
    areas = [each for each in read if not isinstance(each, str)]
    counts = Counter(district for district, _, _ in areas)
    problems += [f"two areas are named {district!r}" for district, count in counts.items() if count > 1]
    if not read:
        problems.append("features: holds no area")
    if problems:
        raise DistrictsError([f"{name}: {problem}" for problem in problems])
    names, shapes, agencies = zip(*areas, strict=True)
    return Districts([*names], [*shapes], agencies)


def _plane(latitude: float) -> NDArray[np.float64]:
    """Return the metres of a degree of longitude and of latitude."""
    return np.array([_DEGREE_M * max(math.cos(math.radians(latitude)), _LEAST_COSINE), _DEGREE_M])


def _moved(shape: Any, shift: float, plane: NDArray[np.float64]) -> Any:
    return shapely.transform(shape, lambda corners: (corners + np.array([shift, 0.0])) * plane)


def _feature(number: int, feature: Any) -> tuple[str, Any, str] | str:
    """Return name, area and who is responsible, or what is wrong."""
    properties = feature.get("properties") or {}
    district, agency = properties.get("district") or feature.get("id"), properties.get("agency") or ""
    if not isinstance(district, str) or not district:
        return f"features.{number}: needs a text in `properties.district`, or `id`"
    if not isinstance(agency, str):
        return f"features.{number}.properties.agency: a text, the agency that is responsible there"
    try:
        return district, _area(feature.get("geometry") or {}), agency
    except _NotAnAreaError as error:
        return f"features.{number}.geometry{error}"


class _NotAnAreaError(ValueError):
    """Where in a geometry something is wrong, and what."""


def _area(geometry: Any) -> Any:
    if geometry.get("type") not in _AREAS:
        raise _NotAnAreaError(": a Polygon or MultiPolygon")
    try:
        area = shapely.from_geojson(json.dumps(geometry))
    except (shapely.errors.GEOSException, ValueError):
        raise _NotAnAreaError(".coordinates: rings of four or more positions, first and last the same") from None
    west, south, east, north = area.bounds
    if not (west >= -180 and south >= -90 and east <= 180 and north <= 90):  # noqa: PLR2004  # degrees
        raise _NotAnAreaError(".coordinates: longitude, latitude, in degrees")
    if not shapely.is_valid(area):
        raise _NotAnAreaError(": crosses itself")
    return area
