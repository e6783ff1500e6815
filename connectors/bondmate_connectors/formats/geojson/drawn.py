"""What a geometry draws: the outer rings of its polygons as one area, and what of it no event carries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from bondmate_schemas.models import Area

from bondmate_connectors.contract import Lost, Remark
from bondmate_connectors.formats.cap.geometry import ring_of
from bondmate_connectors.formats.geojson.geometry import pointer

_PLANE: Final = 2
_ALTITUDE: Final = 3
_NO_FIELD: Final = "the canonical event has no field for it"
_NOT_DRAWN: Final = "neither a position nor an area"
_MEMBERS: Final = frozenset({"type", "coordinates", "geometries"})


@dataclass(slots=True)
class Drawn:
    """The rings of a geometry, and what is to be said of it."""

    rings: list[str] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)

    @property
    def areas(self) -> tuple[Area, ...]:
        """The rings as an area, where there are any."""
        return (Area(polygons=tuple(self.rings)),) if self.rings else ()


def drawn_in(geometry: dict[str, Any] | None, path: str) -> Drawn:
    """Return what a geometry that was checked, of the feature at `path`, draws beside a position."""
    drawn, place = Drawn(), f"{path}geometry"
    if geometry is None:
        return drawn
    _draw(drawn, geometry, pointer(path, "geometry"), is_whole=True)
    if any(lost.why == _NOT_DRAWN for lost in drawn.lost):
        drawn.remarks.append(Remark("geometry_not_taken", place, _NOT_DRAWN))
    if geometry["type"] == "Point" and geometry["coordinates"][:2] == [0, 0]:
        drawn.remarks.append(Remark("position_zero", place, "0,0 is most often no place"))
    return drawn


def _draw(drawn: Drawn, geometry: dict[str, Any], path: str, *, is_whole: bool) -> None:
    drawn.lost += (Lost(f"{path}/{name}", _NO_FIELD) for name in geometry if name not in _MEMBERS)
    match geometry["type"]:
        case "Point" if is_whole:
            drawn.lost += _beyond(geometry["coordinates"], _ALTITUDE, f"{path}/coordinates")
        case "GeometryCollection":
            # Of a collection the areas are taken; a point among them is no position of the whole.
            for index, part in enumerate(geometry["geometries"]):
                _draw(drawn, part, f"{path}/geometries/{index}", is_whole=False)
        case "Polygon":
            _polygon(drawn, geometry["coordinates"], f"{path}/coordinates")
        case "MultiPolygon":
            for number, rings in enumerate(geometry["coordinates"]):
                _polygon(drawn, rings, f"{path}/coordinates/{number}")
        case _:
            drawn.lost.append(Lost(path, _NOT_DRAWN))


def _polygon(drawn: Drawn, rings: list[Any], path: str) -> None:
    for outer in rings[:1]:
        text = " ".join(f"{latitude},{longitude}" for longitude, latitude, *_ in outer)
        ring = ring_of(text)
        if ring is None:
            drawn.lost.append(Lost(f"{path}/0", _NOT_DRAWN))
            continue
        if ring.crosses_itself:
            drawn.remarks.append(Remark("ring_crosses", f"{path}/0", "its sides cross; what lies inside is not clear"))
        drawn.rings.append(text)
        for number, position in enumerate(outer):
            drawn.lost += _beyond(position, _PLANE, f"{path}/0/{number}")
    drawn.lost += (Lost(f"{path}/{number}", "an area has no holes") for number in range(1, len(rings)))


def _beyond(position: list[float], taken: int, path: str) -> Iterator[Lost]:
    for number in range(taken, len(position)):
        yield Lost(f"{path}/{number}", "an area is flat, a position has three numbers")
