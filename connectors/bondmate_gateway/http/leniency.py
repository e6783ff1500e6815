"""Reads an alert whatever is wrong with it: what does not fit is left out and flagged, the alert goes on.

STANDARDS, trap 3: every filter has swallowed an SOS somewhere.
"""

from __future__ import annotations

import hashlib
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bondmate_gateway.http.problems import ProblemKind, Refused, field, invalid
from bondmate_gateway.http.requests import MAX_ATTACHMENTS, MAX_TEXT, AlertRequest

_FLAGS = {"kind": "kind_unknown", "action": "action_unknown"}
_POSITION_ITSELF = frozenset({"latitude", "longitude"})


def read_alert(value: Any) -> tuple[AlertRequest, tuple[str, ...]]:
    """Return the alert in `value` and the flags for what was left out of it.

    Raises:
        Refused: not an object, or without a `message_id`.
    """
    if not isinstance(value, dict):
        raise Refused(ProblemKind.invalid_field, fields=[("#", "must be an object")])
    fields = {name: value[name] for name in AlertRequest.model_fields if value.get(name) is not None}
    flags = {"unknown_field"} if value.keys() - AlertRequest.model_fields.keys() else set()
    if "message_id" not in fields:
        raise field("message_id", "Field required")
    if "kind" not in fields:
        flags.add("kind_missing")  # OTHER then means "not said": an update must not take it for a change of kind
    while True:
        try:
            return AlertRequest.model_validate(fields), tuple(sorted(flags))
        except ValidationError as error:
            # Each turn takes away or mends at least one thing for good, so it ends.
            for place in {item["loc"][:2]: item for item in error.errors(include_url=False)}.values():
                _mend(fields, flags, place, error)
            _compact(fields)


def _mend(fields: dict[str, Any], flags: set[str], item: ErrorDetails, error: ValidationError) -> None:
    name = str(item["loc"][0])
    if name == "message_id":
        fields[name] = _shortened(item, error)
        flags.add("message_id_shortened")
    elif name == "position":
        _mend_position(fields, flags, item)
    elif name == "attachments" and isinstance(fields[name], list):
        fields[name] = _attachments(fields[name], item)
        flags.add("attachments_invalid")
    elif name == "text" and item["type"] == "string_too_long":
        fields[name] = fields[name][:MAX_TEXT]
        flags.add("text_truncated")
    elif name == "silent":
        fields[name] = True  # it asked for something: a device that stays quiet endangers nobody
        flags.add("silent_invalid")
    else:
        fields.pop(name, None)
        flags.add(_FLAGS.get(name, f"{name}_invalid"))


def _shortened(item: ErrorDetails, error: ValidationError) -> str:
    value = item["input"]
    if not isinstance(value, str) or not value:
        raise invalid(error) from None
    return hashlib.sha256(value.encode("utf-8", "replace")).hexdigest()


def _mend_position(fields: dict[str, Any], flags: set[str], item: ErrorDetails) -> None:
    position = fields.get("position")
    if not isinstance(position, dict) or len(item["loc"]) == 1:
        fields.pop("position", None)
        flags.add("position_invalid")
        return
    name = item["loc"][1]
    if isinstance(number := _number(position.get(name)), float):
        fields["position"] = {**position, name: number}
    elif name in _POSITION_ITSELF:
        fields.pop("position")
        flags.add("position_invalid")
    else:
        fields["position"] = {inner: value for inner, value in position.items() if inner != name}
        flags.add("position_partly_invalid")


def _attachments(given: list[Any], item: ErrorDetails) -> list[Any]:
    if len(item["loc"]) == 1:
        return given[:MAX_ATTACHMENTS]
    return [None if at == item["loc"][1] else kept for at, kept in enumerate(given)]


def _number(value: Any) -> Any:
    """Return the number a text holds, else the value as it is."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return None


def _compact(fields: dict[str, Any]) -> None:
    if isinstance(attachments := fields.get("attachments"), list):
        fields["attachments"] = [kept for kept in attachments if kept is not None]
