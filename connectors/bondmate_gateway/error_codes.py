"""Codes of what a device is refused: numbers from 7000."""

from __future__ import annotations

from typing import Final

from bondmate_schemas.error_codes import MEND_APP, SEND_AGAIN_LATER, codes

GATEWAY_CODES: Final = codes(
    ("invalid_parameter", 7001, "A parameter of the query is not valid.", MEND_APP),
    ("bad_request", 7002, "The request cannot be understood.", MEND_APP),
    ("unauthorized", 7003, "The token is missing, unknown or revoked.", "Enrol the device (`hub devices enrol`)."),
    ("forbidden", 7004, "This belongs to another device.", MEND_APP),
    ("not_found", 7005, "There is no such thing.", MEND_APP),
    ("method_not_allowed", 7006, "This path does not take this method.", MEND_APP),
    ("body_too_large", 7008, "The body is larger than the gateway takes.", MEND_APP),
    ("unsupported_media_type", 7009, "The body must be application/json.", MEND_APP),
    ("invalid_field", 7010, "A field is missing, unknown or not valid.", MEND_APP),
    ("rejected", 7011, "The hub cannot take this event.", "See its dead letter: `hub dlq list`."),
    ("rate_limited", 7012, "Too many requests of this device.", SEND_AGAIN_LATER),
)  # fmt: skip
