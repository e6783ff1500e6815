"""What Cursor on Target calls things: event types, emergency texts, modes, priorities, and the uids the hub gives.

| canonical kind | CoT type | `emergency/@type` | why |
|---|---|---|---|
| SOS, DURESS, OFFICER_DOWN | `b-a-o-tbl` | `911 Alert` | the one every client and TAK Server shows as gravest |
| ASSISTANCE | `b-a-o-pan` | `Ring The Bell` | a call for colleagues |
| GEOFENCE | `b-a-g` | `Geo-fence Breached` | |
| TAMPER, LOW_BATTERY, OTHER | `b-a-o-c` | `Custom` | |
| cancel of any | `b-a-o-can` | none | `cancel="true"` |

Only what is ACTUAL, or of unknown mode, is an emergency: EXERCISE, TEST and SYSTEM alerts are a marker (`a-u-G`) and a
chat line, and end by `t-x-d-d`. Clients sound an alarm at `b-a-o-*` whatever its text says, and TAK Server repeats it.

`b-a-o-opn` (`In Contact`, at TAK Server `Troops In Contact`) is read as SOS and never written: it says more than the
hub knows. Which kind it was stands in the remarks and in the hub's own `bondmate` element.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bondmate_schemas.enums import AlertKind, Mode, Priority

UNKNOWN: Final = 9999999.0
"""How CoT says that `hae`, `ce` or `le` is not known."""

UID_PREFIX: Final = "bondmate-"
ALERT_SUFFIX: Final = "-9-1-1"
INCIDENT_SUFFIX: Final = "-incident"
HUB_UID: Final = "bondmate-hub"
FLOW_TAG: Final = "bondmate"
EXTENSION: Final = "bondmate"
ALL_CHAT: Final = "All Chat Rooms"
NEUTRAL_CALLSIGN: Final = "BondMate"
CALLSIGN_SUFFIX: Final = "-Alert"

CANCEL: Final = "b-a-o-can"
CHAT: Final = "b-t-f"
CHAT_DELIVERED: Final = "b-t-f-d"
CHAT_READ: Final = "b-t-f-r"
MESSAGE_SYSTEM: Final = "cot:message"
"""System of the reference that names a chat line by its `messageId`, which receipts of it must carry."""
WRITER_SYSTEM: Final = "cot:writer"
"""System of the reference that names the client that wrote a chat line, by uid; the next names it by callsign."""
CALLSIGN_SYSTEM: Final = "cot:callsign"
CREATOR_SYSTEM: Final = "cot:creator"
"""System of the reference that names the client that placed a marker, by uid."""
DELETE: Final = "t-x-d-d"
PING: Final = "t-x-c-t"
PONG: Final = "t-x-c-t-r"
PROTOCOL_OFFER: Final = "t-x-takp-v"
PROTOCOL_REQUEST: Final = "t-x-takp-q"
PROTOCOL_RESPONSE: Final = "t-x-takp-r"
PLI: Final = "a-f-G-U-C"
MARKER: Final = "a-u-G"
SPOT: Final = "b-m-p-s-m"

EMERGENCY_TYPES: Final[dict[AlertKind, tuple[str, str]]] = {
    AlertKind.SOS: ("b-a-o-tbl", "911 Alert"),
    AlertKind.DURESS: ("b-a-o-tbl", "911 Alert"),
    AlertKind.OFFICER_DOWN: ("b-a-o-tbl", "911 Alert"),
    AlertKind.ASSISTANCE: ("b-a-o-pan", "Ring The Bell"),
    AlertKind.GEOFENCE: ("b-a-g", "Geo-fence Breached"),
    AlertKind.TAMPER: ("b-a-o-c", "Custom"),
    AlertKind.LOW_BATTERY: ("b-a-o-c", "Custom"),
    AlertKind.OTHER: ("b-a-o-c", "Custom"),
}
KIND_OF_TYPE: Final[dict[str, AlertKind]] = {
    "b-a-o-tbl": AlertKind.SOS,
    "b-a-o-opn": AlertKind.SOS,
    "b-a-o-pan": AlertKind.ASSISTANCE,
    "b-a-g": AlertKind.GEOFENCE,
}
KIND_OF_TEXT: Final[dict[str, AlertKind]] = {
    "911 alert": AlertKind.SOS,
    "in contact": AlertKind.SOS,
    "troops in contact": AlertKind.SOS,
    "ring the bell": AlertKind.ASSISTANCE,
    "geo-fence breached": AlertKind.GEOFENCE,
}

QOS: Final[dict[Priority, str]] = {
    # priority - overtaking (replace) - assurance (guaranteed, deadline, congestion), MITRE base event schema
    Priority.IMMEDIATE: "9-r-g",
    Priority.URGENT: "6-r-d",
    Priority.ROUTINE: "1-r-c",
}
OPEX: Final[dict[Mode, str]] = {
    Mode.ACTUAL: "o",
    Mode.EXERCISE: "e",
    Mode.TEST: "s-TEST",
    Mode.SYSTEM: "s-SYSTEM",
}
"""UNKNOWN is written by leaving `opex` out, which the MITRE base schema calls "no statement"."""
DRILLS: Final = frozenset({Mode.EXERCISE, Mode.TEST, Mode.SYSTEM})
"""Modes whose alerts are no emergency on a TAK network, but a marker and a chat line."""


def priority_of(qos: str | None) -> Priority:
    """Return the priority by the first digit of `qos`: 9 to 7 immediate, 6 to 4 urgent, below routine."""
    if not qos:
        return Priority.UNKNOWN
    digit = qos[:1]
    if not digit.isascii() or not digit.isdigit():
        return Priority.UNKNOWN
    if int(digit) >= 7:  # noqa: PLR2004  # the table above
        return Priority.IMMEDIATE
    return Priority.URGENT if int(digit) >= 4 else Priority.ROUTINE  # noqa: PLR2004


def mode_of(opex: str | None) -> Mode:
    """Return the mode by `opex`: `o…` actual, `e…` exercise, `s…` simulation; anything else is UNKNOWN.

    An absent `opex` makes no statement (MITRE base schema), so it is never read as ACTUAL here; the platform's setting
    decides for a connection.
    """
    if not opex:
        return Mode.UNKNOWN
    marker, _, name = opex.partition("-")
    if marker == "s":
        return Mode.SYSTEM if name == "SYSTEM" else Mode.TEST
    return {"o": Mode.ACTUAL, "e": Mode.EXERCISE}.get(marker, Mode.UNKNOWN)


def mode_prefix(mode: Mode) -> str:
    """Return the words before every name and text of an event that is not for real patrols; people must see it."""
    return "" if mode is Mode.ACTUAL else f"{mode.value} "


_ESCAPED: Final = re.compile("%|[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPE: Final = re.compile(r"%([0-9a-f]{1,6});")


def escape_id(text: str) -> str:
    """Write an id so that XML can carry it and no two become one: `%<code point, hex>;` for `%` and what is not XML."""
    # What is printable is XML, and asking is much cheaper.
    plain = text.isprintable() and "%" not in text
    return text if plain else _ESCAPED.sub(lambda found: f"%{ord(found[0]):x};", text)


def unescape_id(text: str) -> str:
    """Return what `escape_id` was given; an escape of no character stays as it is."""
    return _ESCAPE.sub(lambda found: _character(int(found[1], 16)) or found[0], text)


def _character(code: int) -> str | None:
    # Half a surrogate pair is none, and no encoding can carry it.
    return chr(code) if code <= sys.maxunicode and not 0xD800 <= code <= 0xDFFF else None  # noqa: PLR2004


class Ours(StrEnum):
    """What a uid that the hub gave stands for."""

    ALERT = "alert"
    INCIDENT = "incident"
    DEVICE = "device"
    HUB = "hub"


@dataclass(frozen=True, slots=True)
class OurUid:
    """A uid that the hub gave, taken apart: what it stands for and that thing's id."""

    what: Ours
    id: str


def alert_uid(event_id: str) -> str:
    """Return the uid of an alert: its own, not the device's, so that an answer leads back to it without state."""
    return f"{UID_PREFIX}{escape_id(event_id)}{ALERT_SUFFIX}"


def incident_uid(event_id: str) -> str:
    """Return the uid of an incident's marker."""
    return f"{UID_PREFIX}{escape_id(event_id)}"


def incident_chat_uid(event_id: str) -> str:
    """Return the uid an incident speaks as in chat; a device's uid must not be mistaken for it."""
    return f"{UID_PREFIX}{escape_id(event_id)}{INCIDENT_SUFFIX}"


def device_uid(device_id: str) -> str:
    """Return the uid of a device; `device_id` is the id as disclosed to this destination."""
    return f"{UID_PREFIX}{escape_id(device_id)}"


def parse_uid(uid: str | None) -> OurUid | None:
    """Take apart a uid the hub gave; None when somebody else gave it."""
    if not uid or not uid.startswith(UID_PREFIX):
        return None
    if uid == HUB_UID or uid.startswith(HUB_UID + "-"):
        return OurUid(Ours.HUB, uid)
    rest = uid[len(UID_PREFIX) :]
    for suffix, what in ((ALERT_SUFFIX, Ours.ALERT), (INCIDENT_SUFFIX, Ours.INCIDENT)):
        if rest.endswith(suffix) and rest != suffix:
            return OurUid(what, unescape_id(rest[: -len(suffix)]))
    return OurUid(Ours.DEVICE, unescape_id(rest)) if rest else None
