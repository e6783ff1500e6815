"""In which district a position lies, by the hub's own map: a GeoJSON FeatureCollection of areas with names.

Where areas overlap, or a position lies on their border, the first of the file has it. Source: RFC 7946; an area across
the antimeridian is cut there (3.1.9).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray

from bondmate_streams.logic.cells import Cells
from bondmate_streams.logic.routes_yaml import RoutesError

__all__ = ["Districts", "DistrictsError", "load_districts", "parse_districts"]

_AREAS: Final = frozenset({"Polygon", "MultiPolygon"})


class DistrictsError(RoutesError):
    """The map cannot be used: a line for every problem, `name: place: what is wrong`.

    Show the lines to the person; nothing was started with this map.
    """


class Districts:
    """Named areas that can be asked for one position or for many."""

    def __init__(self, names: list[str], areas: list[Any]) -> None:
        """Take names and areas (shapely, longitude and latitude in degrees), as many of each."""
        self.names = tuple(names)
        # Prepared, an area of a thousand corners is asked as fast as one of ten.
        shapely.prepare(areas)
        self._tree = shapely.STRtree(areas)
        self._cells = Cells(self._tree)

    def of(self, latitude: float, longitude: float) -> str | None:
        """Give the district of a position, degrees; None where there is none."""
        found = self._tree.query(shapely.Point(longitude, latitude), predicate="intersects")
        return self.names[int(found.min())] if found.size else None

    def of_all(self, latitudes: NDArray[np.float64], longitudes: NDArray[np.float64]) -> NDArray[np.int64]:
        """Give, for each position, the number of its district in `names`, or -1."""
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
    problems += [*_twice([district for district, _ in areas])]
    if not read:
        problems.append("features: holds no area")
    if problems:
        raise DistrictsError([f"{name}: {problem}" for problem in problems])
    return Districts([district for district, _ in areas], [area for _, area in areas])


def _feature(number: int, feature: Any) -> tuple[str, Any] | str:
    """Give name and area, or what is wrong."""
    district = (feature.get("properties") or {}).get("district") or feature.get("id")
    if not isinstance(district, str) or not district:
        return f"features.{number}: needs a text in `properties.district`, or `id`"
    geometry = feature.get("geometry") or {}
    if geometry.get("type") not in _AREAS:
        return f"features.{number}.geometry: a Polygon or MultiPolygon"
    try:
        area = shapely.from_geojson(json.dumps(geometry))
    except (shapely.errors.GEOSException, ValueError):
        return f"features.{number}.geometry.coordinates: rings of four or more positions, first and last the same"
    west, south, east, north = area.bounds
    if not (west >= -180 and south >= -90 and east <= 180 and north <= 90):  # noqa: PLR2004  # degrees
        return f"features.{number}.geometry.coordinates: longitude, latitude, in degrees"
    if not shapely.is_valid(area):
        return f"features.{number}.geometry: crosses itself"
    return district, area


def _twice(names: list[str]) -> Iterator[str]:
    yield from (f"two areas are named {name!r}" for name, count in Counter(names).items() if count > 1)
