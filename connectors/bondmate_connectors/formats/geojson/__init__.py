"""GeoJSON (RFC 7946): features to canonical events and back.

A feature carries the canonical event whole, in `properties.event`, with `properties.kind` naming the record; the
geometry is that of the event, for whoever only draws it. A feature of anybody else becomes a MARKER (one the hub cannot
tell more about), with the `id`, `callsign`, `time` and `remarks` that TAK tools write when they are there. A document
that is only a geometry, or an empty collection, holds no event and is ignored.

Coordinates are longitude, latitude, altitude in metres above the ellipsoid.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import orjson
from bondmate_schemas.enums import DeliveryKind, IncidentAction, IncidentCategory
from bondmate_schemas.ids import derived_id
from bondmate_schemas.lateness import was_marked_late
from bondmate_schemas.models import (
    Code,
    Delivery,
    DeviceAlert,
    DeviceLocation,
    DeviceMessage,
    EventHeader,
    ExternalRef,
    IncidentEvent,
    Record,
)
from pydantic import TypeAdapter, ValidationError

from bondmate_connectors.contract import Ignored, Reading, Refusal, Remark, Writing
from bondmate_connectors.formats.geojson.geometry import (
    InvalidGeoJsonError,
    areas_of,
    check_bbox,
    check_geometry,
    geometry_of,
    position_of,
)

SYSTEM: Final = "geojson"
MAX_BYTES: Final = 10 * 1024 * 1024
MAX_FEATURES: Final = 10_000

_KINDS: Final[dict[str, type[Record]]] = {
    DeliveryKind.ALERT: DeviceAlert,
    DeliveryKind.INCIDENT: IncidentEvent,
    DeliveryKind.MESSAGE: DeviceMessage,
    DeliveryKind.LOCATION: DeviceLocation,
}
_TIME: Final = TypeAdapter(datetime)


class GeoJsonFormat:
    """The format as the contract wants it."""

    name = "geojson"
    media_type = "application/geo+json"

    def read(self, message: bytes, received_at: datetime) -> Reading | Ignored | Refusal:
        """Translate a document; never raises.

        Refused are `too_large`, `not_json`, and what RFC 7946 forbids: `not_geojson`, `type_invalid`,
        `feature_invalid`, `geometry_invalid`, `coordinates_invalid`, `bbox_invalid`; and `event_invalid`, a canonical
        event in the properties that is none.
        """
        if len(message) > MAX_BYTES:
            return Refusal("too_large")
        try:
            return _read(orjson.loads(message), received_at)
        except orjson.JSONDecodeError:
            return Refusal("not_json")
        except InvalidGeoJsonError as invalid:
            return Refusal(*invalid.args)
        except RecursionError:
            return Refusal("geometry_invalid")

    def write(self, event: Delivery, now: datetime) -> Writing | Refusal:
        """Translate an event to one Feature; never raises."""
        del now
        payload = event.event
        feature = {
            "type": "Feature",
            "id": payload.header.event_id,
            "geometry": geometry_of(payload),
            "properties": {
                "kind": event.kind.value,
                "mode": payload.header.mode.value,
                "callsign": getattr(payload, "callsign", None),
                "time": payload.header.occurred_at,
                **({"late": True} if was_marked_late(event) else {}),
                "event": payload.model_dump(mode="json"),
            },
        }
        try:
            return Writing(orjson.dumps(feature))
        except orjson.JSONEncodeError:
            # Half a surrogate pair: no encoding of JSON can carry it.
            return Refusal("text_invalid")


FORMAT: Final = GeoJsonFormat()


def _read(document: Any, received_at: datetime) -> Reading | Ignored:
    if not isinstance(document, dict):
        raise InvalidGeoJsonError("not_geojson")
    kind = document.get("type")
    check_bbox(document, "")
    if kind == "FeatureCollection":
        features = document.get("features")
        if not isinstance(features, list) or len(features) > MAX_FEATURES:
            raise InvalidGeoJsonError("feature_invalid", "features")
    elif kind == "Feature":
        features = [document]
    else:
        check_geometry(document, "")
        return Ignored("no_feature")
    if not features:
        return Ignored("no_feature")
    events, warnings = [], []
    for index, feature in enumerate(features):
        path = f"features[{index}]." if kind == "FeatureCollection" else ""
        event, remarks = _read_feature(feature, received_at, path)
        events.append(event)
        warnings += remarks
    return Reading(tuple(events), tuple(warnings))


def _read_feature(feature: Any, received_at: datetime, path: str) -> tuple[Record, list[Remark]]:
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
    check_bbox(feature, path)
    if feature["geometry"] is not None:
        check_geometry(feature["geometry"], path + "geometry")
    properties = properties or {}
    if isinstance(properties.get("kind"), str) and properties["kind"] in _KINDS and "event" in properties:
        return _own_event(properties, path), []
    return _marker(feature, properties, received_at, path)


def _own_event(properties: dict[str, Any], path: str) -> Record:
    try:
        return _KINDS[properties["kind"]].model_validate(properties["event"])
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors(include_input=False, include_url=False)[0]["loc"])
        raise InvalidGeoJsonError("event_invalid", f"{path}properties.event.{place}") from None


def _marker(
    feature: dict[str, Any], properties: dict[str, Any], received_at: datetime, path: str
) -> tuple[Record, list[Remark]]:
    remarks = [] if "id" in feature else [Remark("id_missing", path + "id", "the content stands for it")]
    occurred = _time(properties.get("time"))
    if occurred is None:
        remarks.append(Remark("time_missing", path + "properties.time", "the time of receipt stands for it"))
    content = orjson.dumps(feature, option=orjson.OPT_SORT_KEYS).decode()
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
    kind = properties.get("type")
    event = IncidentEvent(
        header=header,
        action=IncidentAction.OPENED,
        category=IncidentCategory.MARKER,
        incident_type=Code(system="cot", value=kind) if isinstance(kind, str) else None,
        title=_text(properties, "callsign", "title", "name"),
        description=_text(properties, "remarks", "description"),
        position=position_of(feature["geometry"], header.occurred_at),
        areas=areas_of(feature["geometry"]),
    )
    return event, remarks


def _text(properties: dict[str, Any], *names: str) -> str | None:
    return next((properties[name] for name in names if isinstance(properties.get(name), str)), None)


def _time(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        time = _TIME.validate_python(value)
    except ValidationError:
        return None
    return time if time.tzinfo is not None else None
