"""Elements of a CoT event, written in one order and with nothing that XML cannot carry."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from bondmate_schemas.models import EventHeader, Position
from lxml import etree

from bondmate_connectors.formats.cot import types
from bondmate_connectors.formats.cot.event import format_time
from bondmate_connectors.formats.xml import legal_text

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
    position: Position | None = None
    drawn: bool = False
    """Whether `position` is only where to draw an area, not a position somebody told."""
    detail: etree._Element = field(default_factory=lambda: etree.Element("detail"))

    def add(self, tag: str, text: str | None = None, /, **attributes: str | None) -> etree._Element:
        """Add an element to the detail; attributes that are None are left out."""
        return add(self.detail, tag, text, **attributes)

    def finish(self, now: datetime, **own: str | None) -> bytes:
        """Close the detail with flow tag and the hub's own element, and give the document.

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
        event = etree.Element("event")
        _set(
            event, version="2.0", uid=self.uid, type=self.type, access="Undefined", qos=self.qos,
            opex=types.OPEX.get(self.header.mode), time=format_time(self.time), start=format_time(self.start),
            stale=format_time(self.stale), how=self.how,
        )  # fmt: skip
        _point(event, self.position)
        event.append(self.detail)
        return DECLARATION + etree.tostring(event, encoding="utf-8")


def add(parent: etree._Element, tag: str, text: str | None = None, /, **attributes: str | None) -> etree._Element:
    """Add an element; attributes that are None are left out."""
    child = etree.SubElement(parent, tag)
    _set(child, **attributes)
    if text:
        child.text = _legal(text)
    return child


def _set(element: etree._Element, /, **attributes: str | None) -> None:
    for name, value in attributes.items():
        if value is not None:
            element.set(name, _legal(value))


def _legal(text: str) -> str:
    # What is printable is legal, and asking is much cheaper; hundreds of positions a second come by here.
    return text if text.isprintable() else legal_text(text)


def _point(event: etree._Element, position: Position | None) -> None:
    if position is None:
        add(event, "point", lat="0.0", lon="0.0", hae=_UNKNOWN, ce=_UNKNOWN, le=_UNKNOWN)
        return
    add(
        event, "point", lat=f"{position.latitude:.7f}", lon=f"{position.longitude:.7f}",
        hae=_metres(position.altitude_hae_m), ce=_metres(position.accuracy_m),
        le=_metres(position.vertical_accuracy_m),
    )  # fmt: skip


def _metres(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{min(value, _HIDDEN_FROM - 1):.2f}"


def later(now: datetime, seconds: float) -> datetime:
    """Give the time `seconds` from `now`."""
    return now + timedelta(seconds=seconds)
