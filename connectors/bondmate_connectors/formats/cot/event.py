"""The base event of Cursor on Target (version 2.0): what stands in every message, before anybody says what it means.

Reading is lenient about everything a hub can do without; details are never validated, since the published detail
schemas refuse what real clients send.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple

from bondmate_schemas.times import read_time
from lxml import etree

from bondmate_connectors.contract import Refusal
from bondmate_connectors.formats.cot.types import EXTENSION, FLOW_TAG, UNKNOWN, unescape_id
from bondmate_connectors.formats.xml import XmlRefused, parse_xml, values_of

MAX_BYTES: Final = 1024 * 1024
"""A CoT event is a few kilobytes; images travel elsewhere."""
MAX_DEPTH: Final = 32
MAX_UID: Final = 512

_PLAIN_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", re.ASCII)
"""What nearly every client writes: it is read at a tenth of the cost."""
_UNKNOWN_FROM: Final = 999999.0
"""9999999 in XML, 999999 in the protobuf definition's comments: from here on, a metre value is not known."""
_MOST_METRES: Final = math.nextafter(_UNKNOWN_FROM, 0)
UNKNOWNS: Final = frozenset({None, "9999999.0", "9999999", "999999.0", "999999"})
"""How clients write metres that are not known."""
_NOTHING: Final[Mapping[str, str]] = {}


class Point(NamedTuple):
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


_Moment = tuple[datetime | None, str, tuple[str, ...]]
"""A time, its `str`, of which ids are made, and what of it its standard does not allow."""
_NO_TIME: Final[_Moment] = (None, "None", ())


class CotEvent(NamedTuple):  # made for every message: a frozen dataclass of so many fields takes five times as long
    """One event; times are in UTC, None when absent or unreadable; `point` is None when absent or not on Earth."""

    uid: str
    type: str
    how: str
    time: datetime | None
    """To the milliseconds of the wire, as its other times."""
    start: datetime | None
    stale: datetime | None
    moments: tuple[str, str]
    """`time` and `start` as ids are made of them."""
    time_breaches: tuple[str, ...]
    """What its time has that its standard does not allow, and that was let pass."""
    opex: str | None
    qos: str | None
    point: Point | None
    detail: etree._Element
    children: Mapping[str, etree._Element]
    """The first element of each name directly in the detail; to search the tree for each costs more than to parse."""
    elements: Sequence[etree._Element]
    """All that stand directly in the detail."""
    words: str
    """All texts of the event in one, without what is white around them: mostly none, or the remarks alone."""
    own: Mapping[str, str]
    """What the hub's own element says; empty when a stranger wrote the event."""
    outside: tuple[str, ...]
    """Names of elements that stood beside the detail and were taken as if they stood in it."""
    said: Mapping[str, str]
    """Its attributes as they were written."""
    has_odd_times: bool
    """Whether one of its times cannot be read, or its start or stale breaks the letter of its standard."""
    root: etree._Element
    place: etree._Element | None
    """Its `point`; `where` are its attributes as they were written."""
    where: Mapping[str, str]

    def child(self, name: str) -> etree._Element | None:
        """Return the first `name` directly inside the detail."""
        return self.children.get(name)

    def attribute(self, name: str, attribute: str) -> str | None:
        """Return an attribute of the first `name` inside the detail, None when there is none or it is blank."""
        child = self.children.get(name)
        value = child.get(attribute) if child is not None else None
        return (value.strip() or None) if value else None

    def text(self, name: str) -> str | None:
        """Return the text of the first `name` inside the detail, None when there is none or it is blank."""
        child = self.children.get(name)
        text = child.text if child is not None else None
        return (text.strip() or None) if text else None

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
    values = values_of(root)
    said = values.get
    uid, kind = said("uid", "").strip(), said("type", "").partition(";")[0].strip()
    if not uid:
        return Refusal("uid_missing", "event/@uid")
    if len(uid) > MAX_UID:
        return Refusal("uid_too_long", "event/@uid")
    if not kind:
        return Refusal("type_missing", "event/@type")
    point, detail, outside = _parts(root)
    elements = list(detail)
    children = {child.tag: child for child in reversed(elements)}
    where = values_of(point) if point is not None else _NOTHING
    time, time_text, time_breaches = read = _time(said("time"))
    start, start_text, start_breaches = read if said("start") == said("time") else _time(said("start"))
    stale, _, stale_breaches = _time(said("stale"))
    return CotEvent(
        uid, kind, said("how", "").strip(),
        time, start, stale, (time_text, start_text), time_breaches,
        said("opex"), said("qos"), _point(where),
        detail, children, elements, etree.tostring(root, encoding="unicode", method="text").strip(),
        _own(children[EXTENSION]) if EXTENSION in children else _NOTHING, outside, values,
        not (time and start and stale) or bool(start_breaches or stale_breaches), root, point, where,
    )  # fmt: skip


def _own(element: etree._Element) -> Mapping[str, str]:
    return {key: unescape_id(value) for key, value in values_of(element).items()}


def _parts(root: etree._Element) -> tuple[etree._Element | None, etree._Element, tuple[str, ...]]:
    """Return the point, the detail with what some clients write beside it, and the names of that."""
    point, detail = None, None
    outside: list[etree._Element] = []
    for child in root:
        if child.tag == "point" and point is None:
            point = child
        elif child.tag == "detail" and detail is None:
            detail = child
        elif child.tag == "detail":
            outside += child
        else:
            outside.append(child)
    if detail is None:
        detail = etree.SubElement(root, "detail")
    if not outside:
        return point, detail, ()
    detail.extend(outside)
    return point, detail, tuple([str(child.tag) for child in outside])


def parse_time(text: str | None) -> datetime | None:
    """Read a CoT time, as leniently as `times.read_time`; without a zone it is UTC. None when it is none."""
    return _time(text)[0]


def _time(text: str | None) -> _Moment:
    if not text:
        return _NO_TIME
    if not _PLAIN_TIME.fullmatch(text):
        return _any_time(text)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:  # the end of a day, a leap second
        return _any_time(text)
    fraction = f".{time.microsecond:06}" if time.microsecond else ""
    return to_millis(time), f"{text[:10]} {text[11:19]}{fraction}+00:00", ()  # its `str`, at half of the cost


def _any_time(text: str) -> _Moment:
    read = read_time(text.strip())
    return (to_millis(read.time), str(read.time), read.breaches) if read else _NO_TIME


def to_millis(time: datetime) -> datetime:
    """Return a time in UTC as records hold it: to the milliseconds of the wire."""
    return time.replace(microsecond=time.microsecond // 1000 * 1000) if time.microsecond % 1000 else time


@lru_cache(maxsize=64)  # one event names the same few times again and again
def format_time(time: datetime) -> str:
    """Write `YYYY-MM-DDThh:mm:ss.sssZ`."""
    return time.astimezone(UTC).isoformat("T", "milliseconds")[:-6] + "Z"


def number(text: str | None, least: float = -sys.float_info.max, most: float = sys.float_info.max) -> float | None:
    """Read a finite number in these bounds; None when it is none."""
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    # Python reads more digits than XML has, and groups of them.
    return value if least <= value <= most and text.isascii() and "_" not in text else None


def _point(values: Mapping[str, str]) -> Point | None:
    said = values.get
    latitude, longitude = number(said("lat"), -90, 90), number(said("lon"), -180, 180)
    if latitude is None or longitude is None:
        return None
    most = _MOST_METRES  # what is not known is more
    return Point(
        latitude, longitude, number(said("hae"), -most, most), number(said("ce"), 0, most), number(said("le"), 0, most)
    )


assert _UNKNOWN_FROM < UNKNOWN
