"""Which values of elements that are read were not taken: said elsewhere too, of something else, or beyond a shape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from bondmate_schemas.enums import AlertAction
from bondmate_schemas.models import DeliveryReceipt, DeviceAlert, DeviceLocation, DeviceMessage, IncidentEvent, Record
from lxml import etree

from bondmate_connectors.contract import Lost
from bondmate_connectors.formats.cot import types
from bondmate_connectors.formats.cot.drawings import ellipse_in
from bondmate_connectors.formats.cot.event import number
from bondmate_connectors.formats.cot.medevac import NAME, TAKEN
from bondmate_connectors.formats.xml import values_of

WHY: Final = "the canonical event has no field for it"
_NOT_TAKEN: Final = "no value that can be taken here"
_FLAT: Final = Lost("event/detail/link/@point", "an area is flat")
_TRUE: Final = frozenset({"true", "1"})
_FALSE: Final = frozenset({"", "false", "0"})
_MEMBERS: Final = frozenset({"uid", "uid0", "uid1", "id", "callsign"})
Check = Callable[[etree._Element, Any], Iterable[Lost]]  # noqa: SLF001  # lxml's stubs have no other name


def has_text(element: etree._Element) -> bool:
    """Whether an element has words of its own."""
    text = element.text
    return text is not None and text != "" and not text.isspace()


def _not_taken(element: etree._Element, name: str, why: str = _NOT_TAKEN) -> tuple[Lost, ...]:
    return (Lost(f"event/detail/{element.tag}/@{name}", why),) if (element.get(name) or "").strip() else ()


def _emergency(element: etree._Element, record: DeviceAlert) -> tuple[Lost, ...]:
    said = (element.get("type") or "").strip()
    kind = types.KIND_OF_TEXT.get(said.lower(), record.kind)
    cancel = (element.get("cancel") or "").lower()
    is_read = cancel in _FALSE or (cancel in _TRUE and record.action is AlertAction.CANCEL)
    other = () if kind is record.kind else _not_taken(element, "type", "its type says another kind")
    return other if is_read else (*other, *_not_taken(element, "cancel"))


def _link_to_device(element: etree._Element, record: DeviceAlert) -> tuple[Lost, ...]:
    uid = element.get("uid")
    if not uid or uid == record.device_id:
        return ()
    ours = types.parse_uid(uid)
    ids = {record.device_id, *(ref.id for ref in record.header.external_refs)}
    return () if uid in ids or (ours is not None and ours.id in ids) else _not_taken(element, "uid")


def _link_to_writer(element: etree._Element, record: DeviceMessage | DeliveryReceipt) -> tuple[Lost, ...]:
    by = record.sender_ref if isinstance(record, DeviceMessage) else record.by_ref
    return () if element.get("uid", "").strip() == by else _not_taken(element, "uid")


def _chat_receipt(element: etree._Element, record: DeliveryReceipt) -> tuple[Lost, ...]:
    return () if element.get("messageId") == record.delivery_id else _not_taken(element, "messageId")


def _link_of_marker(element: etree._Element, record: IncidentEvent) -> tuple[Lost, ...]:
    # Of a deletion it names what is deleted.
    uid = () if record.refers_to else _not_taken(element, "uid", WHY)
    return (*uid, *_corner(element, record))


def _corner(element: etree._Element, record: IncidentEvent) -> tuple[Lost, ...]:
    text = element.get("point")
    if text is None:
        return ()
    if not record.areas or not record.areas[0].polygons:  # of a drawing all corners are taken, or none
        return _not_taken(element, "point")
    altitude = text.partition(",")[2].partition(",")[2]
    return (_FLAT,) if altitude.strip() else ()


def _shape(element: etree._Element, record: IncidentEvent) -> Iterator[Lost]:
    path, detail, drawn = "event/detail/shape", element.getparent(), None
    if detail is not None and record.areas and record.areas[0].circles:
        drawn = ellipse_in(detail)
    yield from (Lost(f"{path}/@{name}", WHY) for name in values_of(element))
    if has_text(element):
        yield Lost(path, WHY)
    for child in element:
        if child is drawn:
            yield from _ellipse(child)
        else:
            yield Lost(f"{path}/{child.tag}", WHY)


def _ellipse(element: etree._Element) -> Iterator[Lost]:
    path = "event/detail/shape/ellipse"
    axes = {name: number(element.get(name), 0) or 0 for name in ("major", "minor")}
    longest = max(axes.values())
    for name in values_of(element):
        if axes.get(name) != longest:
            yield Lost(f"{path}/@{name}", "a circle of the longer half-axis" if name in axes else WHY)
    yield from _inside(element, path)


def _request(element: etree._Element, _: IncidentEvent) -> Iterator[Lost]:
    yield from _in_request(element, f"event/detail/{NAME}")


def _in_request(element: etree._Element, path: str) -> Iterator[Lost]:
    if has_text(element):
        yield Lost(path, WHY)
    if element.tag not in TAKEN:
        yield from (Lost(f"{path}/@{name}", WHY) for name in values_of(element))
    for child in element:
        yield from _in_request(child, f"{path}/{child.tag}")


def _members(element: etree._Element, _: Record) -> Iterator[Lost]:
    for child in element:
        path = f"event/detail/{element.tag}/{child.tag}"
        yield from (Lost(f"{path}/@{name}", WHY) for name in values_of(child) if name not in _MEMBERS)
        yield from _inside(child, path)


def _inside(element: etree._Element, path: str) -> Iterator[Lost]:
    """Name the words of an element, and the elements in it."""
    if has_text(element):
        yield Lost(path, WHY)
    yield from (Lost(f"{path}/{child.tag}", WHY) for child in element)


VALUES: Final[Mapping[type[Record], Mapping[str, Check]]] = {
    DeviceAlert: {"emergency": _emergency, "link": _link_to_device},
    DeviceLocation: {},
    IncidentEvent: {"link": _link_of_marker, "shape": _shape, NAME: _request},
    DeviceMessage: {"link": _link_to_writer},
    DeliveryReceipt: {"link": _link_to_writer, "__chatreceipt": _chat_receipt},
}
"""By kind and element, what names the values of an element that were not taken."""
OF_OURS: Final[Mapping[str, Check]] = {"__chat": _members, "__chatreceipt": _members, "marti": _members}
"""The same for an event with a hub's own element, which says all else."""
