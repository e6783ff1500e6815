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

from bondmate_schemas.models import Area

from bondmate_connectors.contract import Remark
from bondmate_connectors.formats.cap.geometry import MOST_KM, ring_of
from bondmate_connectors.formats.cot.event import CotEvent, number
from bondmate_connectors.formats.cot.records import new_area

DRAWING: Final = re.compile(r"u-d-\w.*|u-r-b-.*|b-m-r(-.*)?")
_ROUTE: Final = "b-m-r"
_RING: Final = 4
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
    said = [text for link in event.detail.iterfind("link") if (text := link.get("point"))]
    points = [point for text in said if (point := _point(text))]
    if len(points) < len(said):
        # Without one of its corners it is another shape.
        return Drawing((), (_UNREADABLE,))
    if len(points) >= _LINE:
        return _ring(event, points)
    return _circle(event) or Drawing((), (_NO_SHAPE,))


def _point(text: str) -> str | None:
    """Return `lat,lon` of a point on Earth; its altitude stands in no area."""
    numbers = [number(part.strip()) for part in text.split(",")]
    match numbers:
        case [float(latitude), float(longitude)] | [float(latitude), float(longitude), _]:
            return f"{latitude},{longitude}" if abs(latitude) <= 90 and abs(longitude) <= 180 else None  # noqa: PLR2004
    return None


def _ring(event: CotEvent, points: list[str]) -> Drawing:
    is_closed = points[0] == points[-1]
    if event.type.startswith(_ROUTE) or len(points) < _RING - 1 or (len(points) < _RING and is_closed):
        back = points[-2::-1]
        return Drawing((new_area(polygons=(" ".join(_as_ring([*points, *back])),)),), (_THERE_AND_BACK,))
    text = " ".join(points if is_closed else [*points, points[0]])
    ring = ring_of(text)
    if ring is None:
        return Drawing((), (_UNREADABLE,))
    told = ((_CLOSED, not is_closed), (_CROSSES, ring.crosses_itself))
    return Drawing((new_area(polygons=(text,)),), tuple(remark for remark, applies in told if applies))


def _as_ring(points: list[str]) -> list[str]:
    # A ring has four positions at least (CAP 1.2, 3.2.4 `polygon`): of a line of two, its end stands twice.
    return points if len(points) >= _RING else [*points[:2], *points[1:]]


def _circle(event: CotEvent) -> Drawing | None:
    ellipse = event.detail.find("shape/ellipse")
    if ellipse is None or event.point is None:
        return None
    axes = [value for name in ("major", "minor") if (value := number(ellipse.get(name))) is not None and value >= 0]
    if not axes:
        return None
    radius_km = max(axes) / 1000
    told = ((_ROUNDED, min(axes) != max(axes) or len(axes) < _AXES), (_TOO_LARGE, radius_km > MOST_KM))
    circle = f"{event.point.latitude},{event.point.longitude} {radius_km:.9g}"
    return Drawing((new_area(circles=(circle,)),), tuple(remark for remark, applies in told if applies))
