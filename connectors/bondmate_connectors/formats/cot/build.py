"""Elements of a CoT event, written in one order and with nothing that XML cannot carry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from bondmate_schemas.models import EventHeader, Position

from bondmate_connectors.formats.cot import types
from bondmate_connectors.formats.cot.event import format_time
from bondmate_connectors.formats.cot.options import Contact
from bondmate_connectors.formats.xml import attributes, written

DECLARATION: Final = b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_UNKNOWN: Final = "9999999.0"
_HIDDEN_FROM: Final = 999999.0
"""From here on a metre value reads as "not known"; a larger one is written just below."""


@dataclass(slots=True)
class Draft:
    """An event being written. `detail` is filled by the caller, in the order it is to stand."""

    uid: str
    type: str
    time: datetime
    start: datetime
    stale: datetime
    how: str
    header: EventHeader
    message_id: str
    qos: str | None = None
    opex: str | None = None
    position: Position | None = None
    drawn: bool = False
    """Whether `position` is only where to draw an area, not a position somebody told."""
    detail: list[str] = field(default_factory=list)
    """Its elements, as they are written."""

    def add(self, tag: str, text: str = "", /, **values: str | None) -> None:
        """Add an element to the detail; attributes that are None are left out."""
        self.detail.append(element(tag, written(text), **values))

    def only_to(self, contacts: Sequence[Contact]) -> None:
        """Name the only receivers that servers shall pass it on to; without a name it goes to everybody."""
        if contacts:
            self.detail.append(element("marti", "".join(map(_destination, contacts))))

    def finish(self, now: datetime, **own: str | None) -> bytes:
        """Close the detail with flow tag and the hub's own element, and return the document.

        There is nothing after `</event>`: TAK Server refuses a stray newline there.
        """
        self.add("_flow-tags_", **{types.FLOW_TAG: format_time(now)})
        fixed = format_time(self.position.fixed_at) if self.position and not self.drawn else None
        ids = {"message": self.message_id, "event": self.header.event_id, "incident": self.header.incident_id, **own}
        escaped = {name: types.escape_id(value) for name, value in ids.items() if value is not None}
        self.add(
            types.EXTENSION, mode=self.header.mode.value, occurred=format_time(self.header.occurred_at), fixed=fixed,
            **escaped,
        )  # fmt: skip
        return DECLARATION + element(
            "event", f"{_point(self.position)}<detail>{''.join(self.detail)}</detail>", version="2.0", uid=self.uid,
            type=self.type, access="Undefined", qos=self.qos, opex=self.opex,
            # What begins in the future, by a clock that is fast, is not valid yet.
            time=format_time(self.time), start=format_time(min(self.start, self.time)), stale=format_time(self.stale),
            how=self.how,
        ).encode()  # fmt: skip


CUT: Final = " … [cut]"
"""Stands where a text was cut."""


def fitted(write: Callable[[str], bytes], text: str, max_bytes: int | None) -> tuple[bytes, str]:
    """Return the document that `write` makes of as much of `text` as fits into `max_bytes`, and what it holds of it.

    A text that is cut ends in `CUT`; a document that is too large without any text is returned so.
    """
    document = write(text)
    if max_bytes is None or len(document) <= max_bytes:
        return document, text
    fits, too_long = 0, len(text)
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if len(write(text[:middle] + CUT)) <= max_bytes:
            fits = middle
        else:
            too_long = middle
    kept = text[:fits].rstrip()
    return write(kept + CUT), kept


def element(tag: str, content: str = "", /, **values: str | None) -> str:
    """Write an element whose `content` is written already; attributes that are None are left out.

    Text, not a tree: hundreds of positions a second are built here, and a tree costs twice as much.
    """
    return f"<{tag}{attributes(values)}>{content}</{tag}>" if content else f"<{tag}{attributes(values)}/>"


def _destination(contact: Contact) -> str:
    """Write one receiver: servers know contacts by callsign, by uid, or by both."""
    by_uid = element("dest", uid=contact.uid)
    return element("dest", callsign=contact.callsign) + by_uid if contact.callsign else by_uid


def _point(position: Position | None) -> str:
    if position is None:
        return element("point", lat="0.0", lon="0.0", hae=_UNKNOWN, ce=_UNKNOWN, le=_UNKNOWN)
    return element(
        "point", lat=f"{position.latitude:.7f}", lon=f"{position.longitude:.7f}",
        hae=_metres(position.altitude_hae_m), ce=_metres(position.accuracy_m),
        le=_metres(position.vertical_accuracy_m),
    )  # fmt: skip


def _metres(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{min(value, _HIDDEN_FROM - 1):.2f}"


def later(now: datetime, seconds: float) -> datetime:
    """Return the time `seconds` after `now`."""
    return now + timedelta(seconds=seconds)
