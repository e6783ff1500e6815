"""The small notations of CAP: times, identifiers, references, numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote

from bondmate_schemas import times
from bondmate_schemas.ids import derived_id

from bondmate_connectors.formats.cap import codes

FEET_PER_METRE: Final = 1 / 0.3048
KILOMETRE_METRES: Final = 1000


@lru_cache(maxsize=1024)  # a time is asked for by the reader, by the schema's tables, by references
def read_time(text: str) -> tuple[datetime, bool] | None:
    """Read a time, and whether it said its offset; without one it is taken as UTC. None when it is no time.

    As lenient as `times.read_time`: CAP 1.2, 3.3.2 allows no `Z`, no fractions, and nothing left out. Cut to the
    milliseconds that a record carries.
    """
    read = times.read_time(text)
    if read is None:
        return None
    time = read.time.replace(microsecond=read.time.microsecond // 1000 * 1000)
    return time, "no_offset" not in read.breaches


def write_time(time: datetime) -> str:
    """Write a time as CAP 1.2, 3.3.2 wants it: UTC is `-00:00`, never `Z`; no fractions."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0") + "-00:00"


def write_number(value: float, places: int = 7) -> str:
    """Write a number without exponent and without needless zeros; seven places of a degree are a centimetre."""
    text = f"{value:.{places}f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


# Our identifiers


@dataclass(frozen=True, slots=True)
class OurIdentifier:
    """What the identifier of a message we wrote says, so that an answer is mapped without any memory."""

    event_id: str
    delivery_id: str


def our_identifier(event_id: str, delivery_id: str) -> str:
    """Return the identifier of what we write: `<event_id>_<delivery_id>`, percent-encoded where CAP would mind."""
    return f"{_plain(event_id)}_{_plain(delivery_id)}"


def parse_our_identifier(identifier: str) -> OurIdentifier | None:
    """Return the ids that `our_identifier` was given; None when it did not write this."""
    parts = identifier.split("_")
    if len(parts) != 2 or not all(parts):  # noqa: PLR2004
        return None
    try:
        event_id, delivery_id = (unquote(part, errors="strict") for part in parts)
    except UnicodeDecodeError:
        return None
    return OurIdentifier(event_id, delivery_id) if our_identifier(event_id, delivery_id) == identifier else None


def first_delivery_id(event_id: str, destination: str) -> str:
    """Return the id of the first Delivery of an event to a destination, derived as the streams derive it."""
    return derived_id("delivery", event_id, destination)


def our_sender(agency_id: str) -> str:
    """Return the sender of what we write for an agency; CAP forbids spaces, commas, `<` and `&` in it."""
    return codes.OUR_SENDER + _plain(agency_id)


def _plain(text: str) -> str:
    return quote(text, safe=":@+", errors="replace").replace("_", "%5F")


def word(text: str) -> str:
    """Return `text` as one member of a space-delimited list: in double quotes when it has spaces (CAP 1.2, 3.2.1)."""
    text = text.replace('"', "'")
    return f'"{text}"' if re.search(r"\s", text) or not text else text


def words(text: str) -> tuple[str, ...]:
    """Read a space-delimited list whose members with spaces stand in double quotes."""
    return tuple(quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|(\S+)', text) if quoted or plain)
