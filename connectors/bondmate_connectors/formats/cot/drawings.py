"""Drawings and routes as areas: what a person drew on a TAK map, in the notation of CAP.

| CoT | area |
|---|---|
| `u-d-p`, `u-d-r`, `u-d-f`: `link point` in a row | a polygon, closed where its writer left it open |
| `u-d-c-c`, `u-d-c-e`, `u-r-b-…`: `shape/ellipse`, metres | a circle of the longer half-axis round the event's point |
| `b-m-r`: way points | a ring that goes there and back, since an area has no lines |
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import orjson
from bondmate_schemas.models import Area
from lxml import etree

from bondmate_connectors.contract import Remark
from bondmate_connectors.formats.cap.geometry import MOST_KM, line_on_earth
from bondmate_connectors.formats.cot.event import CotEvent, number
from bondmate_connectors.formats.cot.records import new_area

DRAWING: Final = re.compile(r"u-d-\w.*|u-r-b-.*|b-m-r(-.*)?")
_ROUTE: Final = "b-m-r"
_RING: Final = 4
_POINT_NUMBERS: Final = (2, 3)
_LINE: Final = 2
_AXES: Final = 2
_CLOSED: Final = Remark("ring_closed", "event/detail/link/@point", "its first point is its last one too")
_THERE_AND_BACK: Final = Remark("line_as_ring", "event/detail/link/@point", "an area has no lines: there and back")
_CROSSES: Final = Remark("ring_crosses", "event/detail/link/@point", "its sides cross; what lies inside is not clear")
_TOO_LARGE: Final = Remark("circle_too_large", "event/detail/shape/ellipse", "larger than the Earth")
_ROUNDED: Final = Remark("ellipse_as_circle", "event/detail/shape/ellipse", "a circle that holds the whole ellipse")
_UNREADABLE: Final = Remark("shape_missing", "event/detail/link/@point", "not all of its points are on Earth")
_NO_SHAPE: Final = Remark("shape_missing", "event/detail", "neither points nor an ellipse that can be read")


@dataclass(frozen=True, slots=True)
class Drawing:
    """The areas of a drawing, and what is to be said of how they were made."""

    areas: tuple[Area, ...]
    remarks: tuple[Remark, ...] = ()


def drawing_of(event: CotEvent) -> Drawing:
    """Return what was drawn; without an area where nothing of it can be read."""
    said = [text for child in event.elements if child.tag == "link" and (text := child.get("point"))]
    corners = [corner for text in said if (corner := _corner(text))]
    if len(corners) < len(said):
        # Without one of its corners it is another shape.
        return Drawing((), (_UNREADABLE,))
    if len(corners) >= _LINE:
        return _ring(event, corners)
    return _circle(event) or Drawing((), (_NO_SHAPE,))


def _corner(text: str) -> tuple[float, float] | None:
    """Return latitude and longitude of a point on Earth; its altitude stands in no area."""
    parts = text.split(",")
    if len(parts) not in _POINT_NUMBERS:
        return None
    latitude, longitude = number(parts[0].strip(), -90, 90), number(parts[1].strip(), -180, 180)
    return None if latitude is None or longitude is None else (latitude, longitude)


def _written(corners: list[tuple[float, float]]) -> list[str]:
    text = orjson.dumps(corners).decode()
    if "e" in text or "0.0000" in text:  # JSON writes an exponent in another way, and later
        return [f"{latitude},{longitude}" for latitude, longitude in corners]
    return text[2:-2].split("],[")


def _ring(event: CotEvent, corners: list[tuple[float, float]]) -> Drawing:
    points = _written(corners)
    is_closed = points[0] == points[-1]
    if event.type.startswith(_ROUTE) or len(points) < _RING - 1 or (len(points) < _RING and is_closed):
        back = points[-2::-1]
        return Drawing((new_area(polygons=(" ".join(_as_ring([*points, *back])),)),), (_THERE_AND_BACK,))
    if not is_closed:
        corners, points = [*corners, corners[0]], [*points, points[0]]
    line = line_on_earth([number for corner in corners for number in corner])
    if line is None or len(set(corners)) < _RING - 1:
        return Drawing((), (_UNREADABLE,))
    told = ((_CLOSED, not is_closed), (_CROSSES, not line.is_simple))
    return Drawing((new_area(polygons=(" ".join(points),)),), tuple([remark for remark, applies in told if applies]))


def _as_ring(points: list[str]) -> list[str]:
    # A ring has four positions at least (CAP 1.2, 3.2.4 `polygon`): of a line of two, its end stands twice.
    return points if len(points) >= _RING else [*points[:2], *points[1:]]


def ellipse_in(detail: etree._Element) -> etree._Element | None:
    """Return the ellipse of which a circle is made."""
    shapes = detail.iterchildren("shape")
    return next((ellipse for shape in shapes for ellipse in shape.iterchildren("ellipse")), None)


def _circle(event: CotEvent) -> Drawing | None:
    ellipse = ellipse_in(event.detail)
    if ellipse is None or event.point is None or event.point.is_nowhere:
        return None
    axes = [value for name in ("major", "minor") if (value := number(ellipse.get(name))) is not None and value >= 0]
    if not axes:
        return None
    radius_km = max(axes) / 1000
    told = ((_ROUNDED, min(axes) != max(axes) or len(axes) < _AXES), (_TOO_LARGE, radius_km > MOST_KM))
    circle = f"{event.point.latitude},{event.point.longitude} {radius_km:.9g}"
    return Drawing((new_area(circles=(circle,)),), tuple(remark for remark, applies in told if applies))
