"""The small notations of CAP: times, identifiers, references, numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote

from bondmate_schemas.ids import derived_id

from bondmate_connectors.formats.cap import codes

FEET_PER_METRE: Final = 1 / 0.3048
KILOMETRE_METRES: Final = 1000

_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?(?:(Z)|([+-])(\d\d):?(\d\d))?", re.ASCII
)
_MAX_OFFSET: Final = timedelta(hours=14)


@lru_cache(maxsize=64)  # a document is asked for its few times by the reader, by the schema's tables, by references
def read_time(text: str) -> tuple[datetime, bool] | None:
    """Read a time, and whether it said its offset; without one it is taken as UTC. None when it is no time.

    Lenient: `Z`, fractions and an offset without colon are let pass (CAP 1.2, 3.3.2 allows none of them).
    """
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    *date, fraction, _, sign, hours, minutes = match.groups()
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    if offset > _MAX_OFFSET:
        return None
    micro = int((fraction or "0").ljust(6, "0")[:6])
    try:
        zone = timezone(-offset if sign == "-" else offset)
        time = datetime(*map(int, date), micro, tzinfo=zone).astimezone(UTC)  # type: ignore[misc,arg-type]
    except (ValueError, OverflowError):
        return None
    return time, bool(match[8] or sign)


def write_time(time: datetime) -> str:
    """Write a time as CAP 1.2, 3.3.2 wants it: UTC is `-00:00`, never `Z`; no fractions."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0") + "-00:00"


def write_number(value: float, places: int = 7) -> str:
    """Write a number without exponent and without needless zeros; seven places of a degree are a centimetre."""
    text = f"{value:.{places}f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def alert_id(sender: str, identifier: str, sent: datetime | str) -> str:
    """Give our id of the alert that (sender, identifier, sent) name, however its sender writes the time."""
    time = sent if isinstance(sent, str) else sent.astimezone(UTC).isoformat(timespec="seconds")
    return derived_id("cap", sender, identifier, time)


@dataclass(frozen=True, slots=True)
class Reference:
    """An earlier message: `sender,identifier,sent` (CAP 1.2, 3.2.1 `references`)."""

    sender: str
    identifier: str
    sent: str

    def __str__(self) -> str:
        return f"{self.sender},{self.identifier},{self.sent}"

    @property
    def time(self) -> datetime | None:
        """When it was sent; None when that is no time."""
        read = read_time(self.sent)
        return read[0] if read else None

    @property
    def alert_id(self) -> str:
        """Our id of the alert it names."""
        return alert_id(self.sender, self.identifier, self.time or self.sent)

    @property
    def ours(self) -> OurIdentifier | None:
        """What the identifier says when we wrote the message, else None."""
        return parse_our_identifier(self.identifier) if self.sender.startswith(codes.OUR_SENDER) else None

    @property
    def our_agency(self) -> str | None:
        """The agency whose message it names when we wrote it, else None."""
        if not self.sender.startswith(codes.OUR_SENDER):
            return None
        return unquote(self.sender.removeprefix(codes.OUR_SENDER), errors="replace")


def read_references(text: str) -> tuple[Reference, ...]:
    """Read the references in `text`; what is no triple is left out. An identifier may hold commas, against the rule."""
    parts = (token.split(",") for token in text.split())
    return tuple(Reference(part[0], ",".join(part[1:-1]), part[-1]) for part in parts if len(part) > 2)  # noqa: PLR2004


def first_of(references: Sequence[Reference]) -> Reference | None:
    """Give the reference that names the beginning of the life cycle: ours before theirs, then the earliest."""
    if not references:
        return None
    latest = datetime.max.replace(tzinfo=UTC)
    return min(references, key=lambda reference: (reference.ours is None, reference.time or latest))


# Our identifiers


@dataclass(frozen=True, slots=True)
class OurIdentifier:
    """What the identifier of a message we wrote says, so that an answer is mapped without any memory."""

    event_id: str
    delivery_id: str


def our_identifier(event_id: str, delivery_id: str) -> str:
    """Give the identifier of what we write: `<event_id>_<delivery_id>`, percent-encoded where CAP would mind."""
    return f"{_plain(event_id)}_{_plain(delivery_id)}"


def parse_our_identifier(identifier: str) -> OurIdentifier | None:
    """Give back what `our_identifier` put in; None when it did not write this."""
    parts = identifier.split("_")
    if len(parts) != 2 or not all(parts):  # noqa: PLR2004
        return None
    try:
        event_id, delivery_id = (unquote(part, errors="strict") for part in parts)
    except UnicodeDecodeError:
        return None
    return OurIdentifier(event_id, delivery_id) if our_identifier(event_id, delivery_id) == identifier else None


def first_delivery_id(event_id: str, destination: str) -> str:
    """Give the id of the first Delivery of an event to a destination, as the streams derive it."""
    return derived_id("delivery", event_id, destination)


def our_sender(agency_id: str) -> str:
    """Give the sender of what we write for an agency; CAP forbids spaces, commas, `<` and `&` in it."""
    return codes.OUR_SENDER + _plain(agency_id)


def _plain(text: str) -> str:
    return quote(text, safe=":@+", errors="replace").replace("_", "%5F")


def word(text: str) -> str:
    """Give `text` as one member of a space-delimited list: in double quotes when it has spaces (CAP 1.2, 3.2.1)."""
    text = text.replace('"', "'")
    return f'"{text}"' if re.search(r"\s", text) or not text else text


def words(text: str) -> tuple[str, ...]:
    """Read a space-delimited list whose members with spaces stand in double quotes."""
    return tuple(quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|(\S+)', text) if quoted or plain)
