"""Geometries of GeoJSON: checked on the way in, made on the way out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from bondmate_schemas.models import Area, Position, Record

from bondmate_connectors.contract import Lost

MAX_DEPTH: Final = 8
"""Geometry collections in geometry collections; RFC 7946 section 3.1.8 advises against any."""

_LEVELS: Final = {"Point": 0, "MultiPoint": 1, "LineString": 1, "MultiLineString": 2, "Polygon": 2, "MultiPolygon": 3}
"""How many arrays stand round a position, by geometry."""
_RING: Final = 4
_PLANE: Final = 2
_ALTITUDE: Final = 3
_NO_FIELD: Final = "the canonical event has no field for it"
_NOT_DRAWN: Final = "neither a position nor an area"


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


def check_geometry(geometry: Any, path: str, depth: int = MAX_DEPTH) -> None:
    """Check a geometry and all within it.

    Raises:
        InvalidGeoJsonError: `geometry_invalid`, `type_invalid`, `coordinates_invalid` or `bbox_invalid`.
    """
    if not isinstance(geometry, dict) or depth == 0:
        raise InvalidGeoJsonError("geometry_invalid", path)
    kind = geometry.get("type")
    check_bbox(geometry, f"{path}." if path else "")
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
    """Give the position of a Point; None of any other geometry."""
    if geometry is None or geometry["type"] != "Point":
        return None
    longitude, latitude, *more = geometry["coordinates"]
    return Position(
        latitude=latitude, longitude=longitude, altitude_hae_m=float(more[0]) if more else None, fixed_at=at
    )


def areas_of(geometry: dict[str, Any] | None) -> tuple[Area, ...]:
    """Give the outer rings of all polygons as one area."""
    polygons = tuple(
        " ".join(f"{latitude},{longitude}" for longitude, latitude, *_ in polygon[0])
        for polygon in _polygons(geometry)
        if polygon
    )
    return (Area(polygons=polygons),) if polygons else ()


def lost_of_geometry(geometry: dict[str, Any] | None, path: str) -> list[Lost]:
    """Name what of a geometry that was checked neither `position_of` nor `areas_of` takes."""
    if geometry is None:
        return []
    found = [
        Lost(f"{path}/{name}", _NO_FIELD) for name in geometry if name not in {"type", "coordinates", "geometries"}
    ]
    if geometry["type"] == "Point":
        return found + _beyond(geometry["coordinates"], _ALTITUDE, f"{path}/coordinates")
    if geometry["type"] == "GeometryCollection":
        for index, part in enumerate(geometry["geometries"]):
            found += _lost_of_part(part, f"{path}/geometries/{index}")
        return found
    return found + _lost_of_shape(geometry, path)


def _lost_of_part(part: dict[str, Any], path: str) -> list[Lost]:
    # Of a collection the areas are taken; a point among them is no position of the whole.
    return [Lost(path, _NOT_DRAWN)] if part["type"] == "Point" else lost_of_geometry(part, path)


def _lost_of_shape(geometry: dict[str, Any], path: str) -> list[Lost]:
    place, coordinates = f"{path}/coordinates", geometry["coordinates"]
    if geometry["type"] == "Polygon":
        return _lost_of_polygon(coordinates, place)
    if geometry["type"] == "MultiPolygon":
        return [lost for n, each in enumerate(coordinates) for lost in _lost_of_polygon(each, f"{place}/{n}")]
    return [Lost(path, _NOT_DRAWN)]


def _lost_of_polygon(rings: list[Any], path: str) -> list[Lost]:
    found = [Lost(f"{path}/{number}", "an area has no holes") for number in range(1, len(rings))]
    for ring in rings[:1]:
        found += [lost for n, place in enumerate(ring) for lost in _beyond(place, _PLANE, f"{path}/0/{n}")]
    return found


def _beyond(position: list[float], taken: int, path: str) -> list[Lost]:
    return [Lost(f"{path}/{number}", "an area is flat, a position has three numbers")
            for number in range(taken, len(position))]  # fmt: skip


def _polygons(geometry: dict[str, Any] | None) -> Iterator[list[Any]]:
    if geometry is None:
        return
    if geometry["type"] == "GeometryCollection":
        for part in geometry["geometries"]:
            yield from _polygons(part)
    elif geometry["type"] == "Polygon":
        yield geometry["coordinates"]
    elif geometry["type"] == "MultiPolygon":
        yield from geometry["coordinates"]


def geometry_of(payload: Record) -> dict[str, Any] | None:
    """Give the geometry to draw: the position, else the polygons of the areas, else None."""
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
    """Give the `longitude, latitude` positions of a ring; nothing when it is not a ring on Earth."""
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
