"""What of a stranger's event no canonical event carries: each element and attribute that nobody reads.

`_TAKEN` says by element what is read, of whichever kind of event; `_BY_KIND` what is read of some kinds only. Whatever
stands in neither is lost, also what a later version of a client adds.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from bondmate_schemas.models import DeliveryReceipt, DeviceAlert, DeviceLocation, DeviceMessage, IncidentEvent, Record
from lxml import etree

from bondmate_connectors.contract import Lost
from bondmate_connectors.formats.cot import types
from bondmate_connectors.formats.cot.event import CotEvent

_WHY: Final = "the canonical event has no field for it"
_TEXT: Final = "#text"
_ALL: Final = frozenset({"*"})
_NOTHING: Final[frozenset[str]] = frozenset()
_TAKEN: Final = {
    "contact": frozenset({"callsign"}),
    "bondmate": _ALL,
    "_flow-tags_": frozenset({types.FLOW_TAG}),
}
_BY_KIND: Final[dict[type[Record], dict[str, frozenset[str]]]] = {
    DeviceAlert: {
        "emergency": frozenset({"type", "cancel", _TEXT}),
        "link": frozenset({"uid"}),
        "remarks": frozenset({_TEXT}),
        "status": frozenset({"battery"}),
        "track": frozenset({"speed", "course"}),
    },
    DeviceLocation: {"status": frozenset({"battery"}), "track": frozenset({"speed", "course"})},
    IncidentEvent: {
        "remarks": frozenset({_TEXT}),
        "_medevac_": _ALL,
        "link": frozenset({"point"}),
        "shape": _NOTHING,
        "track": frozenset({"speed", "course"}),
    },
    DeviceMessage: {
        "__chat": frozenset({"senderCallsign"}),
        "link": frozenset({"uid"}),
        "remarks": frozenset({_TEXT}),
    },
    DeliveryReceipt: {"__chatreceipt": frozenset({"messageId"}), "link": frozenset({"uid"})},
}


@lru_cache(maxsize=4096)  # clients write the same elements for ever
def _lost(path: str) -> Lost:
    return Lost(path, _WHY)


def lost_of(event: CotEvent, record: Record) -> tuple[Lost, ...]:
    """Name what of `event` the record made of it does not carry; nothing of an event that the hub wrote."""
    if event.extension is not None:
        return ()
    taken = _BY_KIND[type(record)]
    found: list[Lost] = []
    for child in event.detail:
        tag = str(child.tag)
        known = taken.get(tag) or _TAKEN.get(tag)
        if known is None:
            if child.attrib or len(child) or (child.text or "").strip():
                found.append(_lost(f"event/detail/{tag}"))
        elif known is not _ALL:
            found += _lost_in(child, f"event/detail/{tag}", known)
    return (*_lost_of_event(event, record), *found)


def _lost_in(element: etree._Element, path: str, known: frozenset[str]) -> list[Lost]:
    found = [_lost(f"{path}/@{name!s}") for name in element.attrib if name not in known]
    if _TEXT not in known and (element.text or "").strip():
        found.append(_lost(path))
    found += (_lost(f"{path}/{child.tag}") for child in element if child.tag != "ellipse")
    return found


def _lost_of_event(event: CotEvent, record: Record) -> list[Lost]:
    """Name what of the event's own attributes and point is lost in this kind of record."""
    found = []
    if event.start is not None and event.start != event.time:
        found.append(_lost("event/@start"))
    if event.stale is not None and not isinstance(record, DeviceLocation | IncidentEvent):
        found.append(_lost("event/@stale"))
    if event.qos is not None and isinstance(record, DeviceLocation | DeliveryReceipt):
        found.append(_lost("event/@qos"))
    if isinstance(record, DeviceLocation) and event.type != types.PLI:
        found.append(_lost("event/@type"))
    found += (_lost(f"event/@{name}") for name in event.others)
    if event.point is not None and getattr(record, "position", None) is None and not event.point.is_nowhere:
        found.append(Lost("event/point", "a drawing's own point" if isinstance(record, IncidentEvent) else _WHY))
    return found
