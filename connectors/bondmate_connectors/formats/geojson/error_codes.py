"""Codes of what is refused in GeoJSON: numbers from 5000."""

from __future__ import annotations

from typing import Final

from bondmate_schemas.error_codes import ASK_SENDER, MEND_AND_REPLAY, codes

GEOJSON_CODES: Final = codes(
    ("too_large", 5001, "The document is larger than the hub takes.", ASK_SENDER),
    ("not_geojson", 5003, "The JSON is not GeoJSON.", ASK_SENDER),
    ("type_invalid", 5004, "A geometry's type is none that RFC 7946 knows.", ASK_SENDER),
    ("feature_invalid", 5005, "A feature is not as RFC 7946 asks.", ASK_SENDER),
    ("geometry_invalid", 5006, "A geometry is not as RFC 7946 asks.", ASK_SENDER),
    ("coordinates_invalid", 5007, "Coordinates are missing or out of range.", ASK_SENDER),
    ("bbox_invalid", 5008, "A bounding box is not as RFC 7946 asks.", ASK_SENDER),
    ("event_invalid", 5009, "The canonical event in the properties breaks a rule of its record.", ASK_SENDER),
    ("text_invalid", 5010, "A text holds characters that no JSON can carry.", MEND_AND_REPLAY),
    ("no_feature", 5011, "A sound document without a feature.", "Nothing."),
    ("too_deep", 5012, "The members of a feature nest deeper than can be kept.", ASK_SENDER),
)  # fmt: skip
