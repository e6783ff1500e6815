"""What a control room says of help beside the words of its dialect: by name and value, as a message carries them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from bondmate_schemas.enums import EmergencyWord, Ownership, Response, Validity
from bondmate_schemas.models import Code, to_utc

RESPONSE: Final = "response"
UNIT: Final = "responding_unit"
ETA: Final = "eta"
VALIDITY: Final = "validity"
OWNERSHIP: Final = "ownership"
OFFERED_TO: Final = "offered_to"
EMERGENCY: Final = "emergency"
NAMES: Final = frozenset({RESPONSE, UNIT, ETA, VALIDITY, OWNERSHIP, OFFERED_TO, EMERGENCY})
SYSTEM: Final = "bondmate.says."
"""What the code system of such a value begins with, where it stands among the attributes of an event."""
_LONGEST: Final = 100


def said(values: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of a receipt that `values` say; what cannot be read says nothing."""
    fields = {
        "response": _of(Response, values.get(RESPONSE)),
        "unit": values.get(UNIT, "").strip()[:_LONGEST] or None,
        "eta_at": _time(values.get(ETA)),
        "validity": _of(Validity, values.get(VALIDITY)),
        "ownership": _of(Ownership, values.get(OWNERSHIP)),
        "emergency": _of(EmergencyWord, values.get(EMERGENCY)),
        "offered_to": values.get(OFFERED_TO, "").strip()[:_LONGEST] or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def unread(values: Mapping[str, str]) -> list[str]:
    """Return the names of `values` that cannot be read."""
    found = said(values)
    fields = {RESPONSE: "response", UNIT: "unit", ETA: "eta_at", VALIDITY: "validity", OWNERSHIP: "ownership"}
    return [name for name in values if fields.get(name, name) not in found]


def as_attributes(values: Mapping[str, str]) -> list[dict[str, str]]:
    """Return `values` as attributes of an event."""
    return [{"system": f"{SYSTEM}{name}", "value": value} for name, value in values.items()]


def said_by(attributes: Iterable[Code]) -> dict[str, Any]:
    """Return the fields of a receipt that an event's attributes say."""
    return said({one.system.removeprefix(SYSTEM): one.value for one in attributes if one.system.startswith(SYSTEM)})


def _of(kind: type[Any], text: str | None) -> Any:
    name = "_".join((text or "").upper().replace("-", " ").replace("_", " ").split())
    return kind[name] if name in kind.__members__ and name != "UNSTATED" else None


def _time(text: str | None) -> datetime | None:
    try:
        time = datetime.fromisoformat((text or "").strip())
        return to_utc(time) if time.tzinfo else None
    except ValueError:
        return None
