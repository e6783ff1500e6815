"""Which canonical fields CAP carries, and how: an element, one of our parameters, or not at all.

Whatever field of a record is set and stands in none of these tables is lost, and said to be: also one that a later
version of the schemas adds.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Final

from bondmate_schemas.models import Record

from bondmate_connectors.contract import Lost

_HEADER: Final = frozenset(
    f"header.{name}"
    for name in (
        "event_id", "incident_id", "agency_id", "mode", "language", "occurred_at", "source", "expires_at",
        "handling.classification",
    )
)  # fmt: skip
_POSITION: Final = frozenset(f"position.{name}" for name in ("latitude", "longitude", "altitude_hae_m", "accuracy_m"))
_ATTACHMENTS: Final = frozenset(f"attachments[].{name}" for name in ("media_type", "size_bytes", "url", "description"))
_AREAS: Final = frozenset(
    f"areas[].{name}" for name in ("description", "polygons", "circles", "geocodes[].system", "geocodes[].value")
)

ELEMENTS: Final = {
    "DeviceAlert": _HEADER | _POSITION | _ATTACHMENTS | {"text"},
    "IncidentEvent": _HEADER
    | _POSITION
    | _ATTACHMENTS
    | _AREAS
    | {
        "incident_type.system", "incident_type.value", "urgency", "severity", "certainty", "title", "description",
        "instruction", "statements[].nature", "statements[].text", "references", "note", "effective_at", "onset_at",
        "attributes[].system", "attributes[].value",
    },
    "DeviceMessage": _HEADER | _ATTACHMENTS | {"text"},
    "DeliveryReceipt": {
        "header.event_id", "header.agency_id", "header.mode", "header.occurred_at", "header.external_refs[].system",
        "header.external_refs[].id", "level", "code", "device_id", "platform_id",
    },
}  # fmt: skip
"""Fields that have an element of their own, by record."""

PARAMETERS: Final = (
    "header.message_id", "header.origin_message_id", "header.hops", "header.flags", "header.handling.purpose",
    "header.handling.legal_basis", "header.handling.retention_days",
    "action", "category", "kind", "priority", "silent", "device_id", "officer_ref", "unit", "callsign", "press_count",
    "battery_percent", "position_origin", "position_age_seconds", "position.fixed_at", "position.method",
    "position.speed_mps", "position.course_deg", "position.vertical_accuracy_m", "status.system", "status.value",
    "alert_id", "direction", "sender", "sender_ref", "in_reply_to", "requires_acknowledgement",
    "whole.owner_agency_id", "whole.offered_to", "whole.reopens", "whole.ended_by", "whole.ended_why",
    "whole.ended_words", "whole.raised_at", "whole.group_id",
    "whole.linked_to", "whole.linked_by", "whole.renew_by", "whole.offered_words",
)  # fmt: skip
"""Fields written as a parameter named `bondmate:` and the path without `header.`, of whichever record has them."""
LEAN_PARAMETERS: Final = frozenset({"kind", "silent", "device_id", "position_age_seconds"})
"""Those that an alert keeps in its leanest form: what nobody can act rightly without."""

_WHY: Final = {
    "header.published_at": "CAP has one time, that of sending",
    "header.received_at": "CAP has one time, that of sending",
    "attachments[].sha256": "digests in CAP are SHA-1",
    "position.altitude_hae_m": "CAP counts from mean sea level and in feet",
    "refers_to": "the hub's own ids of what `references` names",
    "effective_at": "CAP has no fractions of a second",
    "onset_at": "CAP has no fractions of a second",
    "attributes[cap.source]": "the hub names its own source",
    "attributes[cap.code]": "what the hub writes follows no profile",
    "attributes[cap.scope]": "the hub sets scope, restriction and addresses itself",
    "attributes[cap.restriction]": "the hub sets scope, restriction and addresses itself",
    "attributes[cap.addresses]": "the hub sets scope, restriction and addresses itself",
    "attributes[cap.status]": "the hub sets the status by the event's mode",
}
_NO_PLACE: Final = "CAP 1.2 has no place for it"


def parameters_of(event: Record, only: Container[str] = PARAMETERS) -> Iterator[tuple[str, str]]:
    """Return name and value of each of our parameters that `event` sets, of those in `only`."""
    for parameter, names in _parameters(type(event)):
        if ".".join(names) not in only:
            continue
        value: object = event
        for name in names:
            value = getattr(value, name, None)
        if value not in (None, (), ""):
            yield parameter, _text(value)


@cache
def _parameters(kind: type[Record]) -> tuple[tuple[str, list[str]], ...]:
    """Return our parameters that a record of this kind may set, each with the path of names that leads to it."""
    paths = ((path.removeprefix("header."), path.split(".")) for path in PARAMETERS)
    return tuple((parameter, names) for parameter, names in paths if names[0] in kind.model_fields)


def lost_of(event: Record, *more: str) -> tuple[Lost, ...]:
    """Name each field of `event` that is set but not carried; `more` are paths whose value does not fit this time."""
    carried = (ELEMENTS[type(event).__name__] | set(PARAMETERS)) - set(more)
    paths = sorted({path for path in _set_paths(event) if path not in carried} | set(more))
    return tuple(Lost(path, _WHY.get(path, _NO_PLACE)) for path in paths)


def _set_paths(record: Record, prefix: str = "") -> Iterator[str]:
    for name, field in type(record).model_fields.items():
        value = getattr(record, name)
        if value is None or value == () or (not field.is_required() and value == field.default):
            continue
        if isinstance(value, Record):
            yield from _set_paths(value, f"{prefix}{name}.")
        elif isinstance(value, tuple) and isinstance(value[0], Record):
            for item in value:
                yield from _set_paths(item, f"{prefix}{name}[].")
        else:
            yield prefix + name


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, Enum):
        return str(value.value)
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
