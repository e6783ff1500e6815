"""Where: the areas of `info` blocks, and the point that stands for them (CAP 1.2, 3.2.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bondmate_schemas.models import Area, Code, Position
from bondmate_schemas.unvalidated import unvalidated, unvalidated_all

from bondmate_connectors.formats.cap import codes, geometry
from bondmate_connectors.formats.cap.notes import Notes
from bondmate_connectors.formats.cap.texts import AreaTexts, Shape
from bondmate_connectors.formats.cap.values import KILOMETRE_METRES, read_time

FIXED_AT: Final = "position.fixed_at"
METHOD: Final = "position.method"
_NO_POSITION: Final = {name: field.default for name, field in Position.model_fields.items()}
_NOWHERE: Final = ((0.0, 0.0), 0.0)
Circle = tuple[geometry.Point, float]
"""Centre, and radius in kilometres."""


@dataclass(frozen=True, slots=True)
class AreaReading:
    """Areas, each once, and the first shape in them."""

    areas: tuple[Area, ...] = ()
    first: geometry.Ring | Circle | None = None


def read_areas(areas: Iterable[AreaTexts], notes: Notes, *, is_fix: bool = False) -> AreaReading:
    """Read the areas; a shape that cannot be read is told, one that looks wrong too; with `is_fix` they are our own."""
    found: list[Area] = []
    first: geometry.Ring | Circle | None = None
    for area in areas:
        rings: list[str] = []
        circles: list[str] = []
        for shape in area.shapes:
            read = _ring(shape, rings, notes) if shape.element == "polygon" else _circle(shape, circles, notes, is_fix)
            first = first or read
        geocodes = unvalidated_all(Code, [{"system": key, "value": value} for key, value in area.geocodes])
        values = {"description": area.description or None, "polygons": tuple(rings), "circles": tuple(circles)}
        found.append(unvalidated(Area, values | {"geocodes": geocodes}))
    return AreaReading(tuple(dict.fromkeys(found)) if len(found) > 1 else tuple(found), first)


def _ring(shape: Shape, rings: list[str], notes: Notes) -> geometry.Ring | None:
    ring = geometry.ring_of(shape.text)
    if ring is None:
        _unreadable(shape, notes)
        return None
    if ring.had_altitudes:
        notes.remark(codes.GEOMETRY, shape.path, "altitudes are left out")
        notes.lose(shape.path, "a polygon has no altitudes")
    if ring.was_open:
        notes.remark(codes.RING_OPEN, shape.path, "closed here; its last corner was not its first")
    if ring.crosses_itself:
        notes.remark(codes.RING_CROSSES, shape.path, "its sides cross; what lies inside is not clear")
    rings.append(ring.text)
    return ring


def _circle(shape: Shape, circles: list[str], notes: Notes, is_fix: bool) -> Circle | None:  # noqa: FBT001
    circle = geometry.read_circle(shape.text)
    if circle is None:
        _unreadable(shape, notes)
        return None
    if circle[1] > geometry.MOST_KM:
        notes.remark(codes.CIRCLE_TOO_LARGE, shape.path, "larger than the Earth; the radius is in kilometres")
    if circle == _NOWHERE and not is_fix:
        notes.remark(codes.GEOMETRY, shape.path, "0,0 without a radius is no place")
        notes.lose(shape.path, "no place")
        return None
    circles.append(geometry.write_circle(*circle))
    return circle


def _unreadable(shape: Shape, notes: Notes) -> None:
    notes.remark(codes.GEOMETRY, shape.path, "cannot be read")
    notes.lose(shape.path, "no shape that can be read")


def position_of(shape: geometry.Ring | Circle, ours: Mapping[str, str], sent: datetime) -> Position:
    """Return the point that stands for the area; of our own messages, the fix they were written from."""
    fixed_at = read_time(ours[FIXED_AT]) if FIXED_AT in ours else None
    method = ours.get(METHOD) if fixed_at else "area"
    if isinstance(shape, geometry.Ring):
        point, radius_m = geometry.centre_of(shape), None
    else:
        # A radius of nothing says no more than that there is one: no place is known so well.
        point, radius_m = shape[0], shape[1] * KILOMETRE_METRES if 0 < shape[1] <= geometry.MOST_KM else None
    values = {"latitude": point[0], "longitude": point[1], "accuracy_m": radius_m, "method": method}
    return unvalidated(Position, {**_NO_POSITION, **values, "fixed_at": fixed_at[0] if fixed_at else sent})
