"""The base event of Cursor on Target (version 2.0): what stands in every message, before anybody says what it means.

Reading is lenient about everything a hub can do without; details are never validated, since the published detail
schemas refuse what real clients send.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from lxml import etree

from bondmate_connectors.contract import Refusal
from bondmate_connectors.formats.cot.types import EXTENSION, FLOW_TAG, UNKNOWN
from bondmate_connectors.formats.times import read_time
from bondmate_connectors.formats.xml import XmlRefused, parse_xml

MAX_BYTES: Final = 1024 * 1024
"""A CoT event is a few kilobytes; images travel elsewhere."""
MAX_DEPTH: Final = 32
MAX_UID: Final = 512

_PLAIN_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", re.ASCII)
"""What nearly every client writes: it is read at a tenth of the cost."""
_ATTRIBUTES: Final = frozenset({"version", "uid", "type", "how", "time", "start", "stale", "opex", "qos"})
_UNKNOWN_FROM: Final = 999999.0
"""9999999 in XML, 999999 in the protobuf definition's comments: from here on, a metre value is not known."""


@dataclass(frozen=True, slots=True)
class Point:
    """The `point` of an event: degrees WGS 84 and metres; None where CoT says not known."""

    latitude: float
    longitude: float
    altitude_hae_m: float | None = None
    accuracy_m: float | None = None
    vertical_accuracy_m: float | None = None

    @property
    def is_nowhere(self) -> bool:
        """Whether it says that there is no fix: clients without one send 0,0 with an unknown error, or with none."""
        return self.latitude == 0 and self.longitude == 0 and not self.accuracy_m


@dataclass(frozen=True, slots=True)
class CotEvent:
    """One event; times are None when absent or unreadable, `point` when absent or not on Earth."""

    uid: str
    type: str
    how: str = ""
    time: datetime | None = None
    start: datetime | None = None
    stale: datetime | None = None
    opex: str | None = None
    qos: str | None = None
    point: Point | None = None
    detail: etree._Element = field(default_factory=lambda: etree.Element("detail"))
    outside: tuple[str, ...] = ()
    """Names of elements that stood beside the detail and were taken as if they stood in it."""
    time_breaches: tuple[str, ...] = ()
    """What its time has that its standard does not allow, and that was let pass."""
    others: tuple[str, ...] = ()
    """Names of its attributes that nobody reads."""

    children: Mapping[str, etree._Element] = field(default_factory=dict)
    """The first element of each name directly in the detail; to search the tree for each costs more than to parse."""

    def child(self, name: str) -> etree._Element | None:
        """Return the first `name` directly inside the detail."""
        return self.children.get(name)

    def attribute(self, name: str, attribute: str) -> str | None:
        """Return an attribute of the first `name` inside the detail, None when there is none or it is blank."""
        child = self.children.get(name)
        return ((child.get(attribute) or "").strip() or None) if child is not None else None

    def text(self, name: str) -> str | None:
        """Return the text of the first `name` inside the detail, None when there is none or it is blank."""
        child = self.children.get(name)
        return ((child.text or "").strip() or None) if child is not None else None

    @property
    def extension(self) -> etree._Element | None:
        """The hub's own element, when the hub wrote the event."""
        return self.children.get(EXTENSION)

    @property
    def passed_a_hub(self) -> bool:
        """Whether a hub has written or carried this event already (MITRE flow tags)."""
        tags = self.children.get("_flow-tags_")
        return EXTENSION in self.children or (tags is not None and tags.get(FLOW_TAG) is not None)


def parse_event(message: bytes) -> CotEvent | Refusal:
    """Parse one CoT message; never raises.

    Refused are: what `parse_xml` refuses, under its codes; `not_cot`, another document; `uid_missing`, `type_missing`,
    `uid_too_long`.
    """
    try:
        root = parse_xml(message, max_bytes=MAX_BYTES, max_depth=MAX_DEPTH)
    except XmlRefused as refused:
        return Refusal(refused.code)
    if root.tag != "event":
        return Refusal("not_cot")
    uid, kind = (root.get("uid") or "").strip(), (root.get("type") or "").partition(";")[0].strip()
    if not uid:
        return Refusal("uid_missing", "event/@uid")
    if len(uid) > MAX_UID:
        return Refusal("uid_too_long", "event/@uid")
    if not kind:
        return Refusal("type_missing", "event/@type")
    point, detail, outside = _parts(root)
    return CotEvent(
        uid=uid, type=kind, how=(root.get("how") or "").strip(), time=parse_time(root.get("time")),
        start=parse_time(root.get("start")), stale=parse_time(root.get("stale")), opex=root.get("opex"),
        qos=root.get("qos"), point=_point(point),
        time_breaches=_time_breaches(root.get("time")),
        detail=detail, outside=outside, children=_children(detail), others=_others(root),
    )  # fmt: skip


def _others(root: etree._Element) -> tuple[str, ...]:
    names = root.keys()
    return () if _ATTRIBUTES.issuperset(names) else tuple([str(name) for name in names if name not in _ATTRIBUTES])


def _children(detail: etree._Element) -> dict[str, etree._Element]:
    found: dict[str, etree._Element] = {}
    for child in detail:
        found.setdefault(child.tag, child)
    return found


def _parts(root: etree._Element) -> tuple[etree._Element | None, etree._Element, tuple[str, ...]]:
    """Return the point, the detail with what some clients write beside it, and the names of that."""
    point, detail, outside = None, None, []
    for child in root:
        if child.tag == "point" and point is None:
            point = child
        elif child.tag == "detail" and detail is None:
            detail = child
        else:
            outside.append(child)
    if detail is None:
        detail = etree.Element("detail")
    for child in outside:
        detail.append(child)
    return point, detail, tuple([str(child.tag) for child in outside])


@lru_cache(maxsize=64)  # an event says the same time as `time` and as `start`
def parse_time(text: str | None) -> datetime | None:
    """Read a CoT time, as leniently as `times.read_time`; without a zone it is UTC. None when it is none."""
    if text and _PLAIN_TIME.fullmatch(text):
        with contextlib.suppress(ValueError):
            return datetime.fromisoformat(text)
    read = read_time((text or "").strip())
    return read.time if read else None


def _time_breaches(text: str | None) -> tuple[str, ...]:
    if text and _PLAIN_TIME.fullmatch(text):
        return ()
    read = read_time((text or "").strip())
    return read.breaches if read else ()


@lru_cache(maxsize=64)  # one event names the same few times again and again
def format_time(time: datetime) -> str:
    """Write `YYYY-MM-DDThh:mm:ss.sssZ`."""
    return time.astimezone(UTC).isoformat("T", "milliseconds")[:-6] + "Z"


def number(text: str | None) -> float | None:
    """Read a finite number; None when it is none."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _point(element: etree._Element | None) -> Point | None:
    if element is None:
        return None
    latitude, longitude = number(element.get("lat")), number(element.get("lon"))
    if latitude is None or longitude is None or abs(latitude) > 90 or abs(longitude) > 180:  # noqa: PLR2004
        return None
    ce, le = _metres(element.get("ce")), _metres(element.get("le"))
    return Point(
        latitude, longitude, _metres(element.get("hae")), ce if ce is None or ce >= 0 else None,
        le if le is None or le >= 0 else None,
    )  # fmt: skip


def _metres(text: str | None) -> float | None:
    value = number(text)
    return None if value is None or abs(value) >= _UNKNOWN_FROM else value


assert _UNKNOWN_FROM < UNKNOWN
