"""What a control room says of help beside the words of its dialect: by name and value, as a message carries them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from bondmate_schemas.enums import EmergencyWord, Ownership, Response, Validity
from bondmate_schemas.models import Code
from bondmate_schemas.times import read_time

RESPONSE: Final = "response"
UNIT: Final = "responding_unit"
ETA: Final = "eta"
VALIDITY: Final = "validity"
OWNERSHIP: Final = "ownership"
OFFERED_TO: Final = "offered_to"
EMERGENCY: Final = "emergency"
LINK: Final = "link"
"""The alert that this one is of one event with, by its event id; `none`: it is of no other's."""
NAMES: Final = frozenset({RESPONSE, UNIT, ETA, VALIDITY, OWNERSHIP, OFFERED_TO, EMERGENCY, LINK})
SYSTEM: Final = "bondmate.says."
"""What the code system of such a value begins with, where it stands among the attributes of an event."""
LINKED: Final = f"{SYSTEM}{LINK}"
_DECISIVE: Final = frozenset({RESPONSE, VALIDITY, OWNERSHIP, EMERGENCY, LINK})
_LONGEST: Final = 100
_NO_OTHER: Final = "none"


def said(values: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of a receipt that `values` say; what cannot be read says nothing."""
    fields = {
        "response": _of(Response, values.get(RESPONSE)),
        "unit": values.get(UNIT, "").strip()[:_LONGEST] or None,
        "eta_at": _time(values.get(ETA)),
        "validity": _of(Validity, values.get(VALIDITY)),
        "ownership": _of(Ownership, values.get(OWNERSHIP)),
        "link_to": _linked(values.get(LINK, "").strip()),
        "emergency": _of(EmergencyWord, values.get(EMERGENCY)),
        "offered_to": values.get(OFFERED_TO, "").strip()[:_LONGEST] or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def unread(values: Mapping[str, str]) -> list[str]:
    """Return the names of `values` that cannot be read."""
    found = said(values)
    fields = {UNIT: "unit", ETA: "eta_at", LINK: "link_to"}
    return [name for name in values if fields.get(name, name) not in found]


def contradicted(values: Iterable[tuple[str, str]]) -> list[str]:
    """Return the names under which `values` say two different things of which one must not count for the other."""
    meant: dict[str, set[str]] = {}
    for name, text in values:
        if name in _DECISIVE and (fields := said({name: text})):
            meant.setdefault(name, set()).add(repr(fields))
    return [name for name, found in meant.items() if len(found) > 1]


def as_attributes(values: Mapping[str, str]) -> list[dict[str, str]]:
    """Return `values` as attributes of an event."""
    return [{"system": f"{SYSTEM}{name}", "value": value} for name, value in values.items()]


def said_by(attributes: Iterable[Code]) -> dict[str, Any]:
    """Return the fields of a receipt that an event's attributes say."""
    return said({one.system.removeprefix(SYSTEM): one.value for one in attributes if one.system.startswith(SYSTEM)})


def _of(kind: type[Any], text: str | None) -> Any:
    name = "_".join((text or "").upper().replace("-", " ").replace("_", " ").split())
    return kind[name] if name in kind.__members__ and name != "UNSTATED" else None


def _linked(text: str) -> str | None:
    return "" if text.casefold() == _NO_OTHER else text or None


def _time(text: str | None) -> datetime | None:
    read = read_time((text or "").strip())
    return None if read is None or "no_offset" in read.breaches else read.time
