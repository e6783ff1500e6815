"""What stands in a stranger's event and could not be taken for what it is meant to be: told, and named as lost.

`lost_in` goes by the shape of an event, this by its values: no number, no time, no word that CoT knows, an element said
twice, words between elements. What says "not known" in CoT's own way (9999999, a speed of -1) is no surprise.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bondmate_schemas.enums import Mode, Priority
from bondmate_schemas.models import DeliveryReceipt, DeviceAlert, DeviceLocation, IncidentEvent, Position, Record
from bondmate_schemas.times import read_time
from lxml import etree

from bondmate_connectors.contract import Lost, Remark
from bondmate_connectors.formats.cot import types
from bondmate_connectors.formats.cot.event import UNKNOWNS, CotEvent, number

_POINT: Final = frozenset({"lat", "lon", "hae", "ce", "le"})
_METRES: Final = (("hae", "altitude_hae_m"), ("ce", "accuracy_m"), ("le", "vertical_accuracy_m"))
_WITHOUT_PRIORITY: Final = frozenset({DeviceLocation, DeliveryReceipt})
_OPEX: Final = frozenset({"", "s", *types.OPEX.values()})
_PLACED: Final = frozenset({DeviceAlert, DeviceLocation, IncidentEvent})
_NOTHING: Final[tuple[tuple[Remark, ...], tuple[Lost, ...]]] = ((), ())
_TRACK: Final = (("speed", "speed_mps"), ("course", "course_deg"))
_NOT_KNOWN: Final = 999999.0
_SAYS_CANCEL: Final = frozenset({"", "true", "false", "0", "1"})
_REPEATED: Final = frozenset({"link"})
"""Elements of which every one is read."""
NotTaken = tuple[str, str, str]
"""A code, a place, and why; without a code it is no surprise."""


def remainder_of(event: CotEvent, record: Record) -> tuple[tuple[Remark, ...], tuple[Lost, ...]]:
    """Return what is to be said of `event`, of which `record` was made; nothing of one that the hub wrote."""
    if event.own:
        return _NOTHING
    found = _found(event, record)
    if not found:
        return _NOTHING
    lost = tuple(Lost(place, why) for code, place, why in found if code != "time_lenient")
    return tuple(Remark(code, place, why) for code, place, why in found if code), lost


def _found(event: CotEvent, record: Record) -> list[NotTaken]:
    # Asked of every event: what is looked at closely is only what may be a surprise.
    children, kind = event.children, type(record)
    found: list[NotTaken] = []
    if event.has_odd_times:
        found += _of_times(event)
    if event.qos or event.opex or event.type != event.said["type"] or "emergency" in children:
        found += _of_words(event, kind)
    if kind in _PLACED:
        where = getattr(record, "position", None)
        place, point = event.place, event.point
        is_vague = point is None or point.is_nowhere if where is None else not where.method
        if place is not None and (is_vague or place.text or len(place) or _is_odd(event)):
            found += _of_point(event, place, where, kind)
        if "track" in children and (where is None or where.speed_mps is None or where.course_deg is None):
            found += _of_track(event, where)
        if "status" in children and kind is not IncidentEvent and getattr(record, "battery_percent", None) is None:
            found += _of_battery(event)
    elif event.where and _is_odd(event):
        found.append(("", "event/point", "no position is taken of it"))
    if len(children) != len(event.elements):
        found += _of_repeated(event)
    if event.words and event.words != event.text("remarks"):
        found += _of_texts(event)
    return found


def _is_odd(event: CotEvent) -> bool:
    point, where = event.point, event.where
    if point is None or len(where) != len(_POINT) or not _POINT.issuperset(where):
        return True
    return None in point and (
        (point.altitude_hae_m is None and where["hae"] not in UNKNOWNS)
        or (point.accuracy_m is None and where["ce"] not in UNKNOWNS)
        or (point.vertical_accuracy_m is None and where["le"] not in UNKNOWNS)
    )


def _of_times(event: CotEvent) -> Iterator[NotTaken]:
    if event.time is None and event.said.get("time"):
        yield "", "event/@time", "not a time"
    for name, time in (("start", event.start), ("stale", event.stale)):
        text = event.said.get(name, "").strip()
        if text and time is None:
            yield "time_unreadable", f"event/@{name}", "not a time"
        elif text and (read := read_time(text)) and read.breaches:
            yield "time_lenient", f"event/@{name}", ", ".join(read.breaches)


def _of_words(event: CotEvent, kind: type[Record]) -> Iterator[NotTaken]:
    if ";" in event.said.get("type", ""):
        yield "", "event/@type", "of several types the first is taken"
    if event.qos and event.qos.strip() and types.priority_of(event.qos) is Priority.UNKNOWN:
        yield "value_unknown", "event/@qos", "no quality of service that CoT knows"
    elif event.qos and len(event.qos) > 1 and kind not in _WITHOUT_PRIORITY:
        yield "", "event/@qos", "its first digit is the priority; the rest says how to send"
    if event.opex and event.opex.strip() and types.mode_of(event.opex) is Mode.UNKNOWN:
        yield "value_unknown", "event/@opex", "neither operation, exercise nor simulation"
    elif event.opex and event.opex.strip() not in _OPEX:
        yield "", "event/@opex", "a mode has no name"
    if (event.attribute("emergency", "cancel") or "").lower() not in _SAYS_CANCEL:
        yield "value_unknown", "event/detail/emergency/@cancel", "neither true nor false"


def _of_point(event: CotEvent, place: etree._Element, where: Position | None, kind: type[Record]) -> Iterator[NotTaken]:
    for name in event.where:
        if name not in _POINT:
            yield "", f"event/point/@{name}", "the canonical event has no field for it"
    if len(place) or _is_said(place.text):
        yield "text_unexpected", "event/point", "a point has attributes alone"
    if event.point is None:
        yield "", "event/point", "no point on Earth"
    elif not event.point.is_nowhere:
        yield from _of_numbers(event, where)
    elif event.point.accuracy_m == 0:
        yield "" if kind is DeviceAlert else "position_zero", "event/point", "0,0 without an error is no place"


def _of_numbers(event: CotEvent, where: Position | None) -> Iterator[NotTaken]:
    for name, field in _METRES:
        value = event.where.get(name)
        if value and getattr(event.point, field) is None and abs(number(value) or 0) < _NOT_KNOWN:
            yield "value_unreadable", f"event/point/@{name}", "no such number of metres"
    if event.how and where is not None and not where.method:
        yield "", "event/@how", "no way of fixing a position that the hub knows"


def _of_battery(event: CotEvent) -> Iterator[NotTaken]:
    if event.attribute("status", "battery"):
        yield "value_unreadable", "event/detail/status/@battery", "no percentage"


def _of_track(event: CotEvent, where: Position | None) -> Iterator[NotTaken]:
    code, why = ("", "stands in a position alone") if where is None else ("value_unreadable", "no such speed or course")
    for name, field in _TRACK:
        text = event.attribute("track", name)
        if text and getattr(where, field, None) is None and number(text) != -1:
            yield code, f"event/detail/track/@{name}", why


def _of_repeated(event: CotEvent) -> Iterator[NotTaken]:
    seen: dict[str, int] = {}
    for child in event.elements:
        tag = child.tag
        if tag in _REPEATED or event.children[tag] is child:
            continue
        seen[tag] = seen.get(tag, 1) + 1
        if child.attrib or len(child) or _is_said(child.text):
            place = f"event/detail/{tag}[{seen[tag]}]"
            yield "element_repeated", place, "said more than once; the first is taken"


def _of_texts(event: CotEvent) -> Iterator[NotTaken]:
    root, detail = event.root, event.detail
    if _are_said([root.text, *[child.tail for child in root]]):
        yield "text_unexpected", "event/text()", "words between the elements"
    if _are_said([detail.text, *[child.tail for child in detail]]):
        yield "text_unexpected", "event/detail", "words between the elements"
    for name, child in event.children.items():
        if len(child) and _are_said([inner.tail for inner in child]):
            yield "text_unexpected", f"event/detail/{name}", "words between the elements"


def _are_said(texts: list[str | None]) -> bool:
    return _is_said("".join([text for text in texts if text]))


def _is_said(text: str | None) -> bool:
    return text is not None and text != "" and not text.isspace()
