"""What of an event no canonical event carries: each element and attribute that nobody reads.

`_TAKEN` says by element what is read, of whichever kind of event; `_BY_KIND` what is read of some kinds only. Whatever
stands in neither is lost, also what a later version of a client adds. Who writes the hub's own element hides nothing
behind it: then taken is what the hub itself writes, and no more.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from bondmate_schemas.models import DeliveryReceipt, DeviceAlert, DeviceLocation, DeviceMessage, IncidentEvent, Record

from bondmate_connectors.contract import Lost
from bondmate_connectors.formats.cot import types
from bondmate_connectors.formats.cot.event import CotEvent
from bondmate_connectors.formats.cot.lost_values import OF_OURS, VALUES, has_text

_WHY: Final = "the canonical event has no field for it"
_START, _STALE, _QOS, _TYPE = (Lost(f"event/@{name}", _WHY) for name in ("start", "stale", "qos", "type"))
_READ: Final = frozenset({"version", "uid", "type", "how", "time", "start", "stale", "opex", "qos"})
_READ_OF_OURS: Final = _READ | {"access"}
_TEXT: Final = "#text"
_ALL: Final = frozenset({"*"})
_TAKEN: Final = {
    "_flow-tags_": frozenset({types.FLOW_TAG}),
    types.EXTENSION: frozenset({
        "mode", "occurred", "fixed", "message", "event", "incident", "kind", "priority", "device", "method",
        "direction", "alert", "category", "action", "level", "about",
    }),
}  # fmt: skip
_BY_KIND: Final[dict[type[Record], dict[str, frozenset[str]]]] = {
    DeviceAlert: {
        "contact": frozenset({"callsign"}),
        "emergency": frozenset({"type", "cancel", _TEXT}),
        "link": frozenset({"uid"}),
        "remarks": frozenset({_TEXT}),
        "status": frozenset({"battery"}),
        "track": frozenset({"speed", "course"}),
    },
    DeviceLocation: {
        "contact": frozenset({"callsign"}),
        "status": frozenset({"battery"}),
        "track": frozenset({"speed", "course"}),
    },
    IncidentEvent: {
        "contact": frozenset({"callsign"}),
        "remarks": frozenset({_TEXT}),
        "_medevac_": _ALL,
        "link": frozenset({"point", "uid"}),
        "shape": _ALL,
        "track": frozenset({"speed", "course"}),
    },
    DeviceMessage: {
        "__chat": frozenset({"senderCallsign"}),
        "link": frozenset({"uid"}),
        "remarks": frozenset({_TEXT}),
    },
    DeliveryReceipt: {"__chatreceipt": frozenset({"messageId"}), "link": frozenset({"uid"})},
}

_CHAT: Final = frozenset({"parent", "groupOwner", "messageId", "chatroom", "id", "senderCallsign", "/chatgrp"})
_WRITTEN: Final = {
    "contact": frozenset({"callsign"}),
    "emergency": frozenset({"type", "cancel", _TEXT}),
    "link": frozenset({"uid", "type", "relation"}),
    "remarks": frozenset({_TEXT, "time", "source", "to"}),
    "status": frozenset({"battery"}),
    "track": frozenset({"speed", "course"}),
    "__chat": _CHAT,
    "__chatreceipt": _CHAT,
    "marti": frozenset({"/dest"}),
}
"""What the hub itself writes beside its own element, which says the same; of elements in it after a slash."""
_USUAL_BYTES: Final = 8192
"""Of larger messages no shape is kept: it may be nearly as large."""
_Shape = tuple[str, tuple[str, ...], bool, *tuple[str, ...]]
"""A tag, the tags in it, whether it has text (few events have any), and the names of its attributes."""
_KEEP_STALE: Final = frozenset({DeviceLocation, IncidentEvent})
_LOSE_QOS: Final = frozenset({DeviceLocation, DeliveryReceipt})


def lost_of(event: CotEvent, record: Record, message_bytes: int) -> tuple[Lost, ...]:
    """Name what of `event` the record made of it does not carry; of one with a hub's element, what no hub writes."""
    kind, ours, said = type(record), types.EXTENSION in event.children, event.words != ""
    checks = OF_OURS if ours else VALUES[kind]
    found = _lost_of_event(event, record, ours=ours)
    shapes: list[_Shape] = []
    for child in event.elements:
        tag = child.tag
        if tag in checks:
            found += checks[tag](child, record)
        inner = tuple([each.tag for each in child]) if len(child) else ()
        names: Iterable[str] = child.keys()  # type: ignore[assignment]  # bytes, say the stubs: of HTML in Python 2
        shapes.append((tag, inner, said and has_text(child), *names))
    lost_in = _lost_in_detail if message_bytes <= _USUAL_BYTES else _lost_in_detail.__wrapped__
    return (*found, *lost_in(kind, tuple(shapes), ours))


@lru_cache(maxsize=1024)  # clients write the same elements for ever
def _lost_in_detail(kind: type[Record], shapes: tuple[_Shape, ...], ours: bool) -> tuple[Lost, ...]:  # noqa: FBT001
    """Name what of the detail's elements is lost in records of `kind`; by their shapes alone, never by their values."""
    return tuple([lost for shape in shapes for lost in _lost_in(_known(kind, shape[0], ours=ours), *shape)])


def _known(kind: type[Record], tag: str, *, ours: bool) -> frozenset[str] | None:
    known = _BY_KIND[kind].get(tag, _TAKEN.get(tag))
    return _WRITTEN.get(tag, known) if ours else known


def _lost_in(
    known: frozenset[str] | None,
    tag: str,
    inner: tuple[str, ...],
    has_text: bool,  # noqa: FBT001
    *attributes: str,
) -> tuple[Lost, ...]:
    path = f"event/detail/{tag}"
    if known is None:
        return (Lost(path, _WHY),) if attributes or inner or has_text else ()
    if known is _ALL:
        return ()
    found = [Lost(f"{path}/@{name}", _WHY) for name in attributes if name not in known]
    if has_text and _TEXT not in known:
        found.append(Lost(path, _WHY))
    found += (Lost(f"{path}/{name}", _WHY) for name in inner if f"/{name}" not in known)
    return tuple(found)


def _lost_of_event(event: CotEvent, record: Record, *, ours: bool) -> list[Lost]:
    """Name what of the event's own attributes and point is lost in this kind of record."""
    kind, point, read, found = type(record), event.point, _READ_OF_OURS if ours else _READ, []
    if not read.issuperset(event.said):
        found += [Lost(f"event/@{name}", _WHY) for name in event.said if name not in read]
    if point is not None and vars(record).get("position") is None and not point.is_nowhere:
        found.append(Lost("event/point", "a drawing's own point" if kind is IncidentEvent else _WHY))
    if ours:
        return found
    if event.start is not None and event.moments[0] != event.moments[1]:
        found.append(_START)
    if event.stale is not None and kind not in _KEEP_STALE:
        found.append(_STALE)
    if event.qos is not None and kind in _LOSE_QOS:
        found.append(_QOS)
    if kind is DeviceLocation and event.type != types.PLI:
        found.append(_TYPE)
    return found
