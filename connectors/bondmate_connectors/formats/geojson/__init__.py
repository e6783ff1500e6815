"""GeoJSON (RFC 7946): features to canonical events and back.

A feature carries the canonical event whole, in `properties.event`, with `properties.kind` naming the record; the
geometry is that of the event, for whoever only draws it. A feature of anybody else becomes a MARKER (one the hub cannot
tell more about), with the `id`, `callsign`, `time` and `remarks` that TAK tools write when they are there; what else it
says stands in the reading's `lost`. A document that is only a geometry, or an empty collection, holds no event and is
ignored.

Features are read one by one: what one of them breaks costs the others nothing. Coordinates are longitude, latitude,
altitude in metres above the ellipsoid (section 4); a document that says that its are of another system (`crs`, GeoJSON
2008) is read without its geometries.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

import orjson
from bondmate_schemas.lateness import was_marked_late
from bondmate_schemas.models import Delivery

from bondmate_connectors.contract import Ignored, Lost, Reading, Refusal, Remark, Writing
from bondmate_connectors.formats.geojson.error_codes import GEOJSON_CODES
from bondmate_connectors.formats.geojson.feature import SYSTEM, foreign_members, has_foreign_crs, read_feature
from bondmate_connectors.formats.geojson.geometry import (
    InvalidGeoJsonError,
    check_bbox,
    check_geometry,
    geometry_of,
)
from bondmate_connectors.formats.geojson.repeated import repeated

__all__ = ["FORMAT", "SYSTEM", "GeoJsonFormat"]

MAX_BYTES: Final = 10 * 1024 * 1024
MAX_FEATURES: Final = 10_000

_BOM: Final = b"\xef\xbb\xbf"
_EXACT: Final = 2.0**53
"""From here on a float is not every integer."""


class GeoJsonFormat:
    """The format as the contract wants it."""

    name = "geojson"
    media_type = "application/geo+json"
    error_codes = GEOJSON_CODES

    def read(self, message: bytes, received_at: datetime) -> Reading | Ignored | Refusal:
        """Translate a document; never raises.

        Refused are `too_large`, `not_json`, and what RFC 7946 forbids: `not_geojson`, `type_invalid`,
        `feature_invalid`, `geometry_invalid`, `coordinates_invalid`, `bbox_invalid`; and `event_invalid`, a canonical
        event in the properties that is none, `too_deep`. Where some features are refused the others are taken: a remark
        (`feature_left_out`) and an entry in `lost` name each that was not.
        """
        if len(message) > MAX_BYTES:
            return Refusal("too_large")
        try:
            return _read(message, received_at)
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


def _read(message: bytes, received_at: datetime) -> Reading | Ignored:
    document = orjson.loads(message.removeprefix(_BOM))
    remarks = [Remark("byte_order_mark", "", "RFC 8259, 8.1 allows none")] if message.startswith(_BOM) else []
    if not isinstance(document, dict):
        raise InvalidGeoJsonError("not_geojson")
    twice = repeated(message, document)
    remarks += [Remark("member_repeated", lost.path, "RFC 8259, 4: names should be unique") for lost in twice]
    kind = document.get("type")
    if kind == "FeatureCollection":
        remarks += _odd_bbox(document)
        features = document.get("features")
        if not isinstance(features, list) or len(features) > MAX_FEATURES:
            raise InvalidGeoJsonError("feature_invalid", "features")
        lost = foreign_members(document, {"type", "features"}, "")
    elif kind == "Feature":
        features, lost = [document], []
    else:
        check_bbox(document, "")
        check_geometry(document, "")
        return Ignored("no_feature")
    if not features:
        return Ignored("no_feature")
    if any(map(_is_rounded, features)):
        features = _with_exact_ids(features, message)
    paths = [f"features[{index}]." for index in range(len(features))] if kind == "FeatureCollection" else [""]
    return _joined(
        [_feature(feature, document, received_at, path) for feature, path in zip(features, paths, strict=True)],
        remarks, [*twice, *lost],
    )  # fmt: skip


def _is_rounded(feature: Any) -> bool:
    """Whether the id of a feature is a number that was too large to be read as it is written."""
    id_ = feature.get("id") if isinstance(feature, dict) else None
    return isinstance(id_, float) and abs(id_) >= _EXACT


def _with_exact_ids(features: list[Any], message: bytes) -> list[Any]:
    """Return features whose ids stand as they are written: two that are rounded to one are not of one event."""
    try:
        document = json.loads(message.removeprefix(_BOM), parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return features
    written = document["features"] if document.get("type") == "FeatureCollection" else [document]
    pairs = zip(features, written, strict=True)
    return [{**feature, "id": said["id"]} if _is_rounded(feature) else feature for feature, said in pairs]


def _odd_bbox(document: dict[str, Any]) -> list[Remark]:
    """Return what is wrong with the box around all features: it is of none of them, and nobody reads it."""
    try:
        check_bbox(document, "")
    except InvalidGeoJsonError as invalid:
        return [Remark(invalid.code, invalid.path, "it bounds nothing; the features are taken")]
    return []


def _feature(
    feature: Any, document: dict[str, Any], received_at: datetime, path: str
) -> Reading | InvalidGeoJsonError:  # fmt: skip
    try:
        return read_feature(feature, received_at, path, is_foreign=has_foreign_crs(document))
    except InvalidGeoJsonError as invalid:
        return invalid


def _joined(found: list[Reading | InvalidGeoJsonError], remarks: list[Remark], lost: list[Lost]) -> Reading:
    """Join what each feature gave: refused only when none could be taken."""
    taken = [reading for reading in found if isinstance(reading, Reading)]
    refused = [invalid for invalid in found if isinstance(invalid, InvalidGeoJsonError)]
    if not taken:
        raise refused[0]
    for invalid in refused:
        remarks.append(Remark("feature_left_out", invalid.path, f"this feature was refused: {invalid.code}"))
        lost.append(Lost(invalid.feature, invalid.code))
    for reading in taken:
        remarks += reading.warnings
        lost += reading.lost
    events = tuple(event for reading in taken for event in reading.events)
    return Reading(events, tuple(remarks), tuple(dict.fromkeys(lost)))
