"""Geometries of GeoJSON: checked on the way in, made on the way out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from bondmate_schemas.models import Position, Record

MAX_DEPTH: Final = 8
"""Geometry collections in geometry collections; RFC 7946 section 3.1.8 advises against any."""

_LEVELS: Final = {"Point": 0, "MultiPoint": 1, "LineString": 1, "MultiLineString": 2, "Polygon": 2, "MultiPolygon": 3}
"""How many arrays stand round a position, by geometry."""
_RING: Final = 4


class InvalidGeoJsonError(ValueError):
    """Not RFC 7946; `args` are code and path."""

    @property
    def code(self) -> str:
        """What is wrong."""
        return str(self.args[0])

    @property
    def path(self) -> str:
        """Where; empty for the whole."""
        return str(self.args[1]) if len(self.args) > 1 else ""

    @property
    def feature(self) -> str:
        """The feature it is in, as a JSON pointer."""
        return pointer(self.path.partition("].")[0])


def pointer(*place: str) -> str:
    """Return the JSON pointer (RFC 6901) to a place: first a path such as `features[0].`, then names of members."""
    first, *names = place
    steps = [step for step in first.replace("[", ".").replace("]", "").split(".") if step]
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in (*steps, *names))


def check_bbox(thing: dict[str, Any], path: str) -> None:
    """Check a bounding box, if there is one: RFC 7946 section 5, four numbers, or six with altitudes.

    Raises:
        InvalidGeoJsonError: `bbox_invalid`.
    """
    if "bbox" not in thing:
        return
    box = thing["bbox"]
    if not isinstance(box, list) or len(box) not in {4, 6} or not all(_is_number(value) for value in box):
        raise InvalidGeoJsonError("bbox_invalid", path + "bbox")


def odd_boxes(thing: Any, path: str, depth: int = MAX_DEPTH) -> Iterator[str]:
    """Yield the places of boxes that are none, of a feature or geometry and all within it: nobody reads them."""
    if not isinstance(thing, dict) or depth == 0:
        return
    try:
        check_bbox(thing, path)
    except InvalidGeoJsonError as invalid:
        yield invalid.path
    if "geometry" in thing:
        yield from odd_boxes(thing["geometry"], f"{path}geometry.", depth - 1)
    parts = thing.get("geometries")
    for index, part in enumerate(parts if isinstance(parts, list) else ()):
        yield from odd_boxes(part, f"{path}geometries[{index}].", depth - 1)


def check_geometry(geometry: Any, path: str, depth: int = MAX_DEPTH) -> None:
    """Check a geometry and all within it.

    Raises:
        InvalidGeoJsonError: `geometry_invalid`, `type_invalid` or `coordinates_invalid`.
    """
    if not isinstance(geometry, dict) or depth == 0:
        raise InvalidGeoJsonError("geometry_invalid", path)
    kind = geometry.get("type")
    if kind == "GeometryCollection":
        parts = geometry.get("geometries")
        if not isinstance(parts, list):
            raise InvalidGeoJsonError("geometry_invalid", path)
        for part in parts:
            check_geometry(part, path, depth - 1)
    elif not isinstance(kind, str) or kind not in _LEVELS:
        raise InvalidGeoJsonError("type_invalid", path)
    elif "coordinates" not in geometry or not _are_positions(geometry["coordinates"], _LEVELS[kind]):
        raise InvalidGeoJsonError("coordinates_invalid", path)
    else:
        _check_shape(kind, geometry["coordinates"], path)


def _are_positions(value: Any, level: int) -> bool:
    if not isinstance(value, list):
        return False
    if level:
        return all(_are_positions(part, level - 1) for part in value)
    # Section 3.1.1: two elements, an altitude, and more that should not be there and may be ignored.
    return len(value) >= 2 and all(_is_number(part) for part in value) and _on_earth(value)  # noqa: PLR2004


def _check_shape(kind: str, coordinates: list[Any], path: str) -> None:
    """Section 3.1.4 and 3.1.6: a line has two positions, a ring four of which the last is the first."""
    lines = {"LineString": [coordinates], "MultiLineString": coordinates}.get(kind, [])
    polygons = {"Polygon": [coordinates], "MultiPolygon": coordinates}.get(kind, [])
    rings = [ring for polygon in polygons for ring in polygon]
    if any(len(line) == 1 for line in lines) or any(len(ring) < _RING or ring[0] != ring[-1] for ring in rings):
        raise InvalidGeoJsonError("coordinates_invalid", path)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _on_earth(position: list[float]) -> bool:
    return abs(position[0]) <= 180 and abs(position[1]) <= 90  # noqa: PLR2004


def position_of(geometry: dict[str, Any] | None, at: datetime) -> Position | None:
    """Return the position of a Point; None of any other geometry."""
    if geometry is None or geometry["type"] != "Point":
        return None
    longitude, latitude, *more = geometry["coordinates"]
    return Position(
        latitude=latitude, longitude=longitude, altitude_hae_m=float(more[0]) if more else None, fixed_at=at
    )


def geometry_of(payload: Record) -> dict[str, Any] | None:
    """Return the geometry to draw: the position, else the polygons of the areas, else None."""
    position = getattr(payload, "position", None)
    if position is not None:
        altitude = [] if position.altitude_hae_m is None else [position.altitude_hae_m]
        return {"type": "Point", "coordinates": [position.longitude, position.latitude, *altitude]}
    rings = [
        ring for area in getattr(payload, "areas", ()) for polygon in area.polygons if (ring := list(_ring(polygon)))
    ]
    if not rings:
        return None
    return {"type": "MultiPolygon", "coordinates": [[_right_handed(ring)] for ring in rings]}


def _ring(text: str) -> Iterator[list[float]]:
    """Yield the `longitude, latitude` positions of a ring; nothing when it is not a ring on Earth."""
    positions = []
    for word in text.split():
        latitude, _, longitude = word.partition(",")
        try:
            positions.append([float(longitude), float(latitude)])
        except ValueError:
            return
    finite = all(_is_number(value) for position in positions for value in position)
    if len(positions) >= _RING and positions[0] == positions[-1] and finite and all(map(_on_earth, positions)):
        yield from positions


def _right_handed(ring: list[list[float]]) -> list[list[float]]:
    """Section 3.1.6: an outer ring goes counter-clockwise."""
    area = sum(a[0] * b[1] - b[0] * a[1] for a, b in itertools.pairwise(ring))
    return ring if area >= 0 else ring[::-1]
