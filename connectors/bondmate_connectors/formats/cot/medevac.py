"""The nine-line request of a casualty evacuation (`_medevac_`), in words and as it was sent.

Its words stand in the description, one line a thing, so that a dispatcher reads them in every dialect; each of its
attributes, and each of its casualties' (ZMIST), stands in the incident's attributes as it was sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bondmate_schemas.models import Code
from lxml import etree

from bondmate_connectors.formats.cot.event import CotEvent
from bondmate_connectors.formats.cot.records import new_code

NAME: Final = "_medevac_"
TAKEN: Final = frozenset({NAME, "zMist"})
"""Elements whose attributes stand in the incident as they were sent."""
_LINES: Final = (
    ("Radio", ("freq",)),
    ("Casualties by urgency", ("urgent", "urgent_surgical", "priority", "routine", "convenience")),
    ("Special equipment", ("none", "hoist", "extraction_equipment", "ventilator", "equipment_other",
                           "equipment_detail")),
    ("Casualties by type", ("litter", "ambulatory")),
    ("Security at the place", ("security",)),
    ("Marking of the place", ("hlz_marking", "marked_by", "hlz_other", "hlz_remarks")),
    ("Casualties by nationality", ("us_military", "us_civilian", "nonus_military", "nonus_civilian", "epw", "child")),
    ("Terrain", ("terrain_none", "terrain_slope", "terrain_slope_dir", "terrain_rough", "terrain_loose",
                 "terrain_other", "terrain_other_detail", "obstacles", "winds_are_from")),
    ("Friendly forces and enemy", ("friendlies", "enemy")),
    ("Remarks", ("medline_remarks", "zone_prot_selection", "zone_protected_coord")),
)  # fmt: skip
"""What stands in which line of the request, in its order."""
_CODED: Final = {
    "security": ("no enemy", "possible enemy", "enemy in the area", "enemy in the area, armed escort needed"),
    "hlz_marking": ("panels", "pyrotechnic signal", "smoke signal", "none", "other"),
}
"""Attributes that ATAK sends as the number of a choice, from 0."""
_SAYS_NOTHING: Final = frozenset({"", "0", "false"})


def described(event: CotEvent) -> str | None:
    """Return the request in words, a line for each thing that it says; None for an event without one."""
    request = event.child(NAME)
    if request is None:
        return None
    lines = [line for title, names in _LINES if (line := _line(request, title, names))]
    lines += (f"Casualty: {text}" for text in map(_casualty, request.iter("zMist")) if text)
    return "\n".join(lines) or None


def attributes_of(event: CotEvent) -> tuple[Code, ...]:
    """Return every attribute of the request and of its casualties, as it was sent."""
    request = event.child(NAME)
    return () if request is None else tuple(_attributes(request))


def _attributes(request: etree._Element) -> Iterator[Code]:
    for number, element in enumerate(request.iter(*TAKEN)):
        place = NAME if element is request else f"{NAME}/zMist[{number}]"
        for name, value in element.attrib.items():
            yield new_code(system=f"cot:{place}/@{name!s}", value=str(value))


def _line(request: etree._Element, title: str, names: tuple[str, ...]) -> str:
    values = ((name, (request.get(name) or "").strip()) for name in names)
    said = [_said(name, value) for name, value in values if value not in _SAYS_NOTHING or (name in _CODED and value)]
    return f"{title}: {', '.join(said)}" if said else ""


def _said(name: str, value: str) -> str:
    choices = _CODED.get(name)
    if choices is not None:
        return choices[int(value)] if value.isdecimal() and int(value) < len(choices) else value
    word = name.replace("_", " ")
    return word if value == "true" else f"{word} {value}"


def _casualty(element: etree._Element) -> str:
    return ", ".join(f"{name!s} {value!s}" for name, value in element.attrib.items() if str(value).strip())
