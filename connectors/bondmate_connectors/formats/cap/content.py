"""What `info` blocks say, as the body of a canonical event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self, TypeVar

from bondmate_schemas.enums import IncidentAction, IncidentCategory, Priority, StatementNature
from bondmate_schemas.models import Area, Code, EventHeader, IncidentEvent, Position, Statement
from lxml import etree

from bondmate_connectors.contract import Remark
from bondmate_connectors.formats.cap import codes, geometry, structure
from bondmate_connectors.formats.cap.values import KILOMETRE_METRES, read_time
from bondmate_connectors.formats.xml import local_name, namespace_of, text_of

_DEFAULT_LANGUAGE: Final = "en-US"
"""CAP 1.2, 3.2.2 `language`: what an info without one is written in."""
_FIXED_AT: Final = f"{codes.PARAMETER}position.fixed_at"
E = TypeVar("E", IncidentAction, IncidentCategory, Priority)


@dataclass(frozen=True, slots=True)
class Content:
    """The first info, with the areas of all infos in its language; empty where there is none."""

    texts: Mapping[str, str]
    parameters: tuple[tuple[str, str], ...]
    areas: tuple[Area, ...]
    position: Position | None
    language: str | None
    is_ours: bool
    """Whether a hub like this one wrote it."""

    @classmethod
    def of(cls, alert: etree._Element, path: str, sent: datetime, remarks: list[Remark]) -> Self:
        """Gather the content of `alert`; adds a remark for each geometry that cannot be read."""
        infos = list(_children(alert, "info"))
        language = _language(infos[0]) if infos else None
        # Senders split one warning over several infos of a language; other languages repeat it.
        same = [info for info in infos if _language(info) == language]
        parameters = tuple(pair for info in same for pair in _pairs(info, "parameter"))
        areas, position = _areas(same, path, dict(parameters), sent, remarks)
        # What we wrote of an event without a position has areas, and still none.
        is_ours = _is_ours(alert)
        position = None if is_ours and not dict(parameters).get(_FIXED_AT) else position
        texts = _texts(infos[0]) if infos else {}
        return cls(texts, parameters, areas, position, language, is_ours)

    @property
    def expires(self) -> datetime | None:
        """When it must not be presented as new any more."""
        time = read_time(self.texts.get("expires", ""))
        return time[0] if time else None

    def occurred_at(self, sent: datetime) -> datetime:
        """Return when it happened: what our own messages say beside `sent`, else `sent`."""
        time = read_time(self.ours("occurred_at")) if self.is_ours else None
        return time[0] if time else sent

    def ours(self, name: str) -> str:
        """Give the value of our own parameter `name`, or nothing."""
        return dict(self.parameters).get(codes.PARAMETER + name, "")


def incident_event(
    header: EventHeader, action: IncidentAction, content: Content, *, references: tuple[str, ...], note: str | None
) -> IncidentEvent:
    """Build the event: a public warning, unless our own parameters say otherwise."""
    texts = content.texts
    urgency = _from_list(texts, "urgency", codes.URGENCIES)
    return IncidentEvent(
        header=header,
        action=_our_own(content, "action", action),
        category=_our_own(content, "category", IncidentCategory.PUBLIC_WARNING),
        incident_type=_incident_type(content),
        priority=_our_own(content, "priority", codes.PRIORITY_OF.get(urgency or "", Priority.UNKNOWN)),
        urgency=urgency,
        severity=_from_list(texts, "severity", codes.SEVERITIES),
        certainty=_from_list(texts, "certainty", codes.CERTAINTIES),
        title=texts.get("headline") or texts.get("event") or None,
        description=texts.get("description") or None,
        instruction=texts.get("instruction") or None,
        statements=tuple(_statements(content)),
        position=content.position,
        areas=content.areas,
        references=references,
        note=note,
    )


def _our_own(content: Content, name: str, default: E) -> E:
    kind = type(default)
    value = content.ours(name)
    return kind(value) if value in kind.__members__ else default


def _from_list(texts: Mapping[str, str], name: str, values: tuple[str, ...]) -> str | None:
    """Give the value of the list; None when there is no info, `Unknown` when it says nothing that is listed."""
    if not texts:
        return None
    text = texts.get(name, "").casefold()
    if text == "very likely":  # CAP 1.0's, which CAP 1.1 says to take as Likely
        return "Likely"
    return next((value for value in values if value.casefold() == text), "Unknown")


def _incident_type(content: Content) -> Code | None:
    event = content.texts.get("event")
    return Code(system=codes.EVENT_CODES, value=event) if event else None


def _statements(content: Content) -> Iterator[Statement]:
    for name, value in content.parameters:
        nature = name.removeprefix(codes.PARAMETER + "statement.").upper()
        if nature in StatementNature.__members__:
            yield Statement(nature=StatementNature(nature), text=value)


# Elements


def _is_ours(alert: etree._Element) -> bool:
    return text_of(next(_children(alert, "sender"), None)).startswith(codes.OUR_SENDER)


def _children(element: etree._Element, name: str) -> Iterator[etree._Element]:
    return element.iterchildren(f"{{{namespace_of(element)}}}{name}")


def _texts(element: etree._Element) -> dict[str, str]:
    texts: dict[str, str] = {}
    for child in element:
        if namespace_of(child) == namespace_of(element):
            texts.setdefault(local_name(child), text_of(child))
    return texts


def _language(info: etree._Element) -> str:
    return text_of(next(_children(info, "language"), None)).replace("_", "-") or _DEFAULT_LANGUAGE


def _pairs(element: etree._Element, name: str) -> Iterator[tuple[str, str]]:
    """Give name and value of each such child; CAP 1.0 writes `name=value`."""
    for child in _children(element, name):
        names, values = list(_children(child, "valueName")), list(_children(child, "value"))
        if not names and "=" in text_of(child):
            key, _, value = text_of(child).partition("=")
            yield key.strip(), value.strip()
        # Some write several pairs into one, against the schema.
        yield from zip(map(text_of, names), map(text_of, values), strict=False)


# Areas


def _areas(
    infos: list[etree._Element], path: str, parameters: Mapping[str, str], sent: datetime, remarks: list[Remark]
) -> tuple[tuple[Area, ...], Position | None]:
    areas: dict[Area, None] = {}
    position: Position | None = None
    for number, element in enumerate((area for info in infos for area in _children(info, "area")), 1):
        shapes = [shape for shape in element if _is_shape(shape, element) and text_of(shape)]
        rings: list[str] = []
        circles: list[str] = []
        for shape in shapes:
            found = _circle(shape, circles) if local_name(shape) == "circle" else _ring(shape, rings)
            if found is None and len(remarks) <= structure.MAX_REMARKS:
                remarks.append(Remark(codes.GEOMETRY, f"{path}/area[{number}]/{local_name(shape)}", "cannot be read"))
            elif found is not None and position is None:
                position = _position(*found, parameters, sent)
        geocodes = tuple(Code(system=key, value=value) for key, value in _pairs(element, "geocode") if key and value)
        description = text_of(next(_children(element, "areaDesc"), None)) or None
        area = Area(description=description, polygons=tuple(rings), circles=tuple(circles), geocodes=geocodes)
        areas[area] = None
    return tuple(areas), position


def _is_shape(shape: etree._Element, area: etree._Element) -> bool:
    return namespace_of(shape) == namespace_of(area) and local_name(shape) in {"polygon", "circle"}


def _circle(shape: etree._Element, circles: list[str]) -> tuple[geometry.Point, float | None] | None:
    circle = geometry.read_circle(text_of(shape))
    if circle is None:
        return None
    centre, radius_km = circle
    circles.append(geometry.write_circle(centre, radius_km))
    return centre, radius_km * KILOMETRE_METRES


def _ring(shape: etree._Element, rings: list[str]) -> tuple[geometry.Point, float | None] | None:
    ring = geometry.read_ring(text_of(shape))
    if ring is None:
        return None
    rings.append(geometry.write_ring(ring))
    return geometry.centre_of(ring), None


def _position(point: geometry.Point, radius_m: float | None, parameters: Mapping[str, str], sent: datetime) -> Position:
    """Give the point that stands for the area; of our own messages, the fix they were written from."""
    fixed_at = read_time(parameters.get(_FIXED_AT, ""))
    method = parameters.get(f"{codes.PARAMETER}position.method") if fixed_at else "area"
    return Position(
        latitude=point[0],
        longitude=point[1],
        accuracy_m=radius_m,
        fixed_at=fixed_at[0] if fixed_at else sent,
        method=method,
    )
