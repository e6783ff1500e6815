"""One feature: the hub's own event in it, or a stranger's marker, and what of it no event carries."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import orjson
from bondmate_schemas.enums import DeliveryKind, IncidentAction, IncidentCategory
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import (
    Code,
    DeviceAlert,
    DeviceLocation,
    DeviceMessage,
    EventHeader,
    ExternalRef,
    IncidentEvent,
    Record,
)
from bondmate_schemas.times import read_time
from pydantic import ValidationError

from bondmate_connectors.contract import Lost, Reading, Remark
from bondmate_connectors.formats.geojson.drawn import drawn_in
from bondmate_connectors.formats.geojson.geometry import (
    InvalidGeoJsonError,
    check_geometry,
    odd_boxes,
    pointer,
    position_of,
)

SYSTEM: Final = "geojson"
KINDS: Final[dict[str, type[Record]]] = {
    DeliveryKind.ALERT: DeviceAlert,
    DeliveryKind.INCIDENT: IncidentEvent,
    DeliveryKind.MESSAGE: DeviceMessage,
    DeliveryKind.LOCATION: DeviceLocation,
}
_WGS_84: Final = ("CRS84", "EPSG::4326", "EPSG:4326", ":4326")
_NO_FIELD: Final = "the canonical event has no field for it"
_MEMBERS: Final = frozenset({"type", "id", "geometry", "properties"})
_OWN: Final = frozenset({"kind", "mode", "callsign", "time", "late", "event"})
"""Properties that the hub writes; all that they say is in `event`."""
_TITLES: Final = ("callsign", "title", "name")
_TEXTS: Final = ("remarks", "description")


def read_feature(feature: Any, received_at: datetime, path: str, *, is_foreign: bool) -> Reading:
    """Read one feature at `path`; with `is_foreign` its coordinates are of another system than WGS 84.

    Raises:
        InvalidGeoJsonError: it is none, or a part of it breaks RFC 7946.
    """
    if isinstance(feature, dict) and feature.get("id", "") is None:
        # That there is none; some writers have a member for all that they could say.
        feature = {name: value for name, value in feature.items() if name != "id"}
    reading = _of_feature(feature, _checked(feature, path), received_at, path, is_foreign=is_foreign)
    boxes = [
        Remark("bbox_invalid", place, "it bounds nothing; the feature is taken") for place in odd_boxes(feature, path)
    ]
    return replace(reading, warnings=(*boxes, *reading.warnings)) if boxes else reading


def _of_feature(
    feature: dict[str, Any], properties: dict[str, Any], received_at: datetime, path: str, *, is_foreign: bool
) -> Reading:
    geometry = feature["geometry"]
    if is_foreign or has_foreign_crs(feature) or has_foreign_crs(geometry):
        remark = Remark("crs_not_wgs84", path + "geometry", "RFC 7946, 4: coordinates are WGS 84; it is left out")
        reading = _read(feature, properties, None, received_at, path)
        lost = (Lost(pointer(path, "geometry"), "of another coordinate system"), *reading.lost)
        return Reading(reading.events, (remark, *reading.warnings), lost)
    if geometry is not None:
        check_geometry(geometry, path + "geometry")
    return _read(feature, properties, geometry, received_at, path)


def _checked(feature: Any, path: str) -> dict[str, Any]:
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        raise InvalidGeoJsonError("feature_invalid", path + "type")
    for name in ("geometry", "properties"):
        if name not in feature:
            raise InvalidGeoJsonError("feature_invalid", path + name)
    if not isinstance(feature.get("id", ""), str | int | float) or isinstance(feature.get("id"), bool):
        raise InvalidGeoJsonError("feature_invalid", path + "id")
    properties = feature["properties"]
    if not isinstance(properties, dict | None):
        raise InvalidGeoJsonError("feature_invalid", path + "properties")
    return properties or {}


def has_foreign_crs(thing: Any) -> bool:
    """Whether a document, feature or geometry says that its coordinates are not WGS 84 (GeoJSON 2008, 3).

    Null says that nothing is known of them.
    """
    if not isinstance(thing, dict) or "crs" not in thing:
        return False
    crs = thing["crs"]
    properties = crs.get("properties") if isinstance(crs, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    return not isinstance(name, str) or not name.endswith(_WGS_84)


def foreign_members(thing: dict[str, Any], known: Collection[str], *place: str) -> list[Lost]:
    """Name the members of the object at `place` that nobody reads (RFC 7946, 6.1: foreign members)."""
    return [Lost(pointer(*place, name), _NO_FIELD) for name in thing if name not in known]


def _read(
    feature: dict[str, Any], properties: dict[str, Any], geometry: Any, received_at: datetime, path: str
) -> Reading:  # fmt: skip
    if _is_own(properties):
        lost = foreign_members(properties, _OWN, path, "properties") + foreign_members(feature, _MEMBERS, path)
        return Reading((_own_event(properties, path),), (), tuple(lost))
    return _marker(feature, properties, geometry, received_at, path)


def _is_own(properties: dict[str, Any]) -> bool:
    """Whether the hub wrote it, by its shape: others too call a property `kind` or `event`."""
    event = properties.get("event")
    kind = properties.get("kind")
    return isinstance(kind, str) and kind in KINDS and isinstance(event, dict) and isinstance(event.get("header"), dict)


def _own_event(properties: dict[str, Any], path: str) -> Record:
    try:
        return KINDS[properties["kind"]].model_validate(properties["event"])
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors(include_input=False, include_url=False)[0]["loc"])
        raise InvalidGeoJsonError("event_invalid", f"{path}properties.event.{place}") from None


def _marker(
    feature: dict[str, Any], properties: dict[str, Any], geometry: Any, received_at: datetime, path: str
) -> Reading:
    remarks = [] if "id" in feature else [Remark("id_missing", path + "id", "the content stands for it")]
    taken = {"time", "type"} if isinstance(properties.get("type"), str) else {"time"}
    title, description = (_first(properties, names, taken) for names in (_TITLES, _TEXTS))
    occurred, lost = _time(properties, path, remarks)
    content = _content(feature, path)
    drawn = drawn_in(geometry, path)
    remarks += drawn.remarks
    life = str(feature.get("id", content))
    header = EventHeader(
        message_id=derived_id(SYSTEM, life, content),
        event_id=derived_id(SYSTEM, life),
        external_refs=(ExternalRef(system=SYSTEM, id=str(feature["id"])),) if "id" in feature else (),
        agency_id="",
        occurred_at=occurred or received_at,
        received_at=received_at,
        source=SYSTEM,
    )
    event = IncidentEvent(
        header=header,
        action=IncidentAction.OPENED,
        category=IncidentCategory.MARKER,
        incident_type=Code(system="cot", value=properties["type"]) if "type" in taken else None,
        title=title,
        description=description,
        position=position_of(geometry, header.occurred_at),
        areas=drawn.areas,
    )
    lost += foreign_members(properties, taken, path, "properties")
    lost += foreign_members(feature, _MEMBERS, path)
    lost += drawn.lost
    return Reading((event,), tuple(remarks), tuple(lost))


def _content(feature: dict[str, Any], path: str) -> str:
    try:
        return orjson.dumps(feature, option=orjson.OPT_SORT_KEYS).decode()
    except orjson.JSONEncodeError:
        # What is read may be four times as deep as what is written.
        raise InvalidGeoJsonError("too_deep", path) from None


def _first(properties: dict[str, Any], names: Collection[str], taken: set[str]) -> str | None:
    """Return the text of the first of these properties that says something, and note that it is taken."""
    for name in names:
        if isinstance(text := properties.get(name), str) and text.strip():
            taken.add(name)
            return text
    return None


def _time(properties: dict[str, Any], path: str, remarks: list[Remark]) -> tuple[datetime | None, list[Lost]]:
    """Return when it happened; None where it does not say so, and the time of receipt stands for it."""
    place = f"{path}properties.time"
    text = properties.get("time")
    if text is None:
        remarks.append(Remark("time_missing", place, "the time of receipt stands for it"))
        return None, []
    read = read_time(text.strip()) if isinstance(text, str) else None
    if read is None:
        remarks.append(Remark("time_invalid", place, "the time of receipt stands for it"))
        return None, [Lost(pointer(path, "properties", "time"), "not a time")]
    if read.breaches:
        remarks.append(Remark("time_lenient", place, ", ".join(read.breaches)))
    return read.time, []
