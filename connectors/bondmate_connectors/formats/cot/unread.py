"""What stands in a stranger's event and could not be taken for what it is meant to be: told, and named as lost.

`lost_in` goes by the shape of an event, this by its values: no number, no time, no word that CoT knows, an element said
twice, words between elements. What says "not known" in CoT's own way (9999999, a speed of -1) is no surprise.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bondmate_schemas.enums import Mode, Priority
from bondmate_schemas.models import DeviceAlert, DeviceLocation, IncidentEvent, Position, Record
from lxml import etree

from bondmate_connectors.contract import Lost, Remark
from bondmate_connectors.formats.cot import types
from bondmate_connectors.formats.cot.event import CotEvent, number
from bondmate_connectors.formats.times import read_time

_POINT: Final = frozenset({"lat", "lon", "hae", "ce", "le"})
_METRES: Final = (("hae", "altitude_hae_m"), ("ce", "accuracy_m"), ("le", "vertical_accuracy_m"))
_PLACED: Final = (DeviceAlert, DeviceLocation, IncidentEvent)
_TRACK: Final = (("speed", "speed_mps"), ("course", "course_deg"))
_NOT_KNOWN: Final = 999999.0
_SAYS_CANCEL: Final = frozenset({"", "true", "false", "0", "1"})
_REPEATED: Final = frozenset({"link"})
"""Elements of which every one is read."""
_MEDEVAC: Final = frozenset({"_medevac_", "zMist", "zMistsMap"})
Unread = tuple[str, str, str]
"""A code, a place, and why; without a code it is no surprise."""


def unread_of(event: CotEvent, record: Record) -> tuple[tuple[Remark, ...], tuple[Lost, ...]]:
    """Return what is to be said of `event`, of which `record` was made; nothing of one that the hub wrote."""
    if event.own:
        return (), ()
    parent = event.detail.getparent()
    root = event.detail if parent is None else parent
    found: list[Unread] = []
    found += _of_times(event, root)
    found += _of_words(event, root)
    found += _of_point(event, root, record)
    found += _of_detail(event, record)
    found += _of_texts(event, root)
    if not found:
        return (), ()
    lost = tuple(Lost(place, why) for code, place, why in found if code != "time_lenient")
    return tuple(Remark(code, place, why) for code, place, why in found if code), lost


def _of_times(event: CotEvent, root: etree._Element) -> Iterator[Unread]:
    if event.time is None and root.get("time"):
        yield "", "event/@time", "not a time"
    for name, time in (("start", event.start), ("stale", event.stale)):
        text = (root.get(name) or "").strip()
        if text and time is None:
            yield "time_unreadable", f"event/@{name}", "not a time"
        elif text and not _is_plain(text) and (read := read_time(text)) and read.breaches:
            yield "time_lenient", f"event/@{name}", ", ".join(read.breaches)


def _is_plain(text: str) -> bool:
    return text[-1] == "Z" and text[10:11] == "T" and len(text) > len("2026-05-01T10:00Z")


def _of_words(event: CotEvent, root: etree._Element) -> Iterator[Unread]:
    if ";" in (root.get("type") or ""):
        yield "", "event/@type", "of several types the first is taken"
    if event.qos and event.qos.strip() and types.priority_of(event.qos) is Priority.UNKNOWN:
        yield "value_unknown", "event/@qos", "no quality of service that CoT knows"
    if event.opex and event.opex.strip() and types.mode_of(event.opex) is Mode.UNKNOWN:
        yield "value_unknown", "event/@opex", "neither operation, exercise nor simulation"
    if (event.attribute("emergency", "cancel") or "").lower() not in _SAYS_CANCEL:
        yield "value_unknown", "event/detail/emergency/@cancel", "neither true nor false"


def _of_point(event: CotEvent, root: etree._Element, record: Record) -> Iterator[Unread]:
    element = next(root.iterchildren("point"), None)
    if element is None or not isinstance(record, _PLACED):
        return
    names = element.keys()
    if not _POINT.issuperset(names):
        for name in names:
            if name not in _POINT:
                yield "", f"event/point/@{name!s}", "the canonical event has no field for it"
    if len(element) or _is_said(element.text):
        yield "text_unexpected", "event/point", "a point has attributes alone"
    if event.point is None:
        yield "", "event/point", "no point on Earth"
    elif not event.point.is_nowhere:
        yield from _of_numbers(element, event, getattr(record, "position", None))
    elif event.point.accuracy_m == 0:
        told = "" if isinstance(record, DeviceAlert) else "position_zero"
        yield told, "event/point", "0,0 without an error is no place"


def _of_numbers(element: etree._Element, event: CotEvent, where: Position | None) -> Iterator[Unread]:
    for name, field in _METRES:
        value = element.get(name)
        if value and getattr(event.point, field) is None and abs(number(value) or 0) < _NOT_KNOWN:
            yield "value_unreadable", f"event/point/@{name}", "no such number of metres"
    if event.how and where is not None and not where.method:
        yield "", "event/@how", "no way of fixing a position that the hub knows"


def _of_detail(event: CotEvent, record: Record) -> Iterator[Unread]:
    yield from _of_track(event, record)
    battery = event.attribute("status", "battery")
    if battery and isinstance(record, DeviceAlert | DeviceLocation) and record.battery_percent is None:
        yield "value_unreadable", "event/detail/status/@battery", "no percentage"
    if isinstance(record, IncidentEvent) and not record.areas and _has_points(event):
        yield "", "event/detail/link/@point", "a point of a drawing that cannot be taken"
    if len(event.children) != len(event.detail):
        yield from _of_repeated(event)
    if (request := event.child("_medevac_")) is not None:
        for child in request.iter():
            if (child.tag not in _MEDEVAC and (child.attrib or (child.text or "").strip())) or _is_said(child.text):
                yield "", f"event/detail/_medevac_/{child.tag}", "the request has its attributes alone"


def _has_points(event: CotEvent) -> bool:
    return event.child("link") is not None and event.detail.find("link[@point]") is not None


def _of_track(event: CotEvent, record: Record) -> Iterator[Unread]:
    where = getattr(record, "position", None)
    for name, field in _TRACK if where is not None else ():
        text = event.attribute("track", name)
        if text and getattr(where, field) is None and number(text) != -1:
            yield "value_unreadable", f"event/detail/track/@{name}", "no such speed or course"


def _of_repeated(event: CotEvent) -> Iterator[Unread]:
    seen: dict[str, int] = {}
    for child in event.detail:
        tag = str(child.tag)
        seen[tag] = seen.get(tag, 0) + 1
        if seen[tag] > 1 and tag not in _REPEATED and (child.attrib or len(child) or _is_said(child.text)):
            place = f"event/detail/{tag}[{seen[tag]}]"
            yield "element_repeated", place, "said more than once; the first is taken"


def _of_texts(event: CotEvent, root: etree._Element) -> Iterator[Unread]:
    detail = event.detail
    if root is not detail and _are_said([root.text, *[child.tail for child in root]]):
        yield "text_unexpected", "event", "words between the elements"
    if _are_said([detail.text, *[child.tail for child in detail]]):
        yield "text_unexpected", "event/detail", "words between the elements"
    for child in event.children.values():
        if len(child) and _are_said([inner.tail for inner in child]):
            yield "text_unexpected", f"event/detail/{child.tag}", "words between the elements"


def _are_said(texts: list[str | None]) -> bool:
    return any(texts) and any(map(_is_said, texts))


def _is_said(text: str | None) -> bool:
    return text is not None and bool(text.strip())
