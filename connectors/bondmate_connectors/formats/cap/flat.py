"""The texts of an alert that keeps its schema, in one pass: there the name of an element says what it is in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from lxml import etree

from bondmate_connectors.formats.cap import codes
from bondmate_connectors.formats.cap.notes import Notes
from bondmate_connectors.formats.cap.texts import (
    FEET,
    HALF_A_PAIR,
    INSIDE,
    SIGNATURE,
    AlertTexts,
    AreaTexts,
    InfoTexts,
    Kind,
    Shape,
    attribute,
    names_of,
    numbered,
    resource_name,
)
from bondmate_connectors.formats.xml import namespace_of

_TEXT, _KEY, _VALUE = int(Kind.TEXT), int(Kind.KEY), int(Kind.VALUE)
"""Plain numbers: to look a member of an enumeration up costs as much as the rest of a turn."""


def sound_texts(alert: etree._Element, path: str, notes: Notes) -> AlertTexts:
    """Return the texts of an alert that keeps its schema, as `elements.alert_texts` does."""
    pass_ = _Pass(AlertTexts(path, namespace_of(alert)), notes)
    known, taker = names_of(pass_.alert.namespace), _TAKERS
    texts, pair = pass_.alert.texts, pass_.pair
    key = ""
    for child in alert:
        if child.tag not in known:
            # Nothing in it is looked at: it may hold anything, an alert too.
            pass_.signature()
            continue
        for element in child.iter():
            kind, name = known[element.tag]
            text = element.text
            text = text.strip() if text else ""
            if kind == _TEXT:
                if text:
                    texts[name] = text
            elif kind == _KEY:
                key = text
            elif kind == _VALUE:
                pair(key, text)
            else:
                taker[kind](pass_, name, text, element)
                texts = pass_.texts
    return pass_.alert


class _Pass:
    """Where in the alert the pass is, and what it has found."""

    __slots__ = ("alert", "area", "in_area", "in_info", "info", "name", "notes", "texts")

    def __init__(self, alert: AlertTexts, notes: Notes) -> None:
        self.alert = alert
        self.notes = notes
        self.texts = alert.texts
        """Where single texts go."""
        self.info, self.area = InfoTexts(""), AreaTexts("")
        self.in_info: dict[str, int] = {}
        self.in_area: dict[str, int] = {}
        """How many elements of a name there were."""
        self.name = ""
        """That of the pair it is in."""

    def signature(self) -> None:
        """Note a signature."""
        number = self.in_info["Signature"] = self.in_info.get("Signature", 0) + 1
        self.notes.lose(f"{self.alert.path}/{numbered('Signature', number)}", SIGNATURE)
        self.alert.signed = True

    def begin_pair(self, name: str, text: str, element: etree._Element) -> None:
        """Begin a parameter, eventCode or geocode; of CAP 1.0 it is the whole."""
        counts = self.in_area if name == "geocode" else self.in_info
        counts[name] = counts.get(name, 0) + 1
        self.name = name
        if text or not len(element):
            key, _, value = text.partition("=")
            self.pair(key.strip(), value.strip())

    def pair(self, key: str, value: str) -> None:
        """Take a name and a value."""
        name = self.name
        if key and value and name != "geocode":
            self.info.add(name, self.in_info[name], key, value)
        elif key and value:
            self.area.geocodes.append((key, value))
        else:
            within, place = (self.in_area, self.area.path) if name == "geocode" else (self.in_info, self.info.path)
            self.notes.lose(f"{place}/{numbered(name, within[name])}", HALF_A_PAIR)

    def listed(self, name: str, text: str, _: object) -> None:
        """Take an element that may be repeated."""
        number = self.in_info[name] = self.in_info.get(name, 0) + 1
        if text:
            self.info.attributes.append(attribute((f"{codes.ATTRIBUTE}{name}", text, name, number, "")))

    def shape(self, name: str, text: str, _: object) -> None:
        """Take a polygon or circle."""
        number = self.in_area[name] = self.in_area.get(name, 0) + 1
        if text:
            self.area.shapes.append(Shape(name, text, f"{self.area.path}/{numbered(name, number)}"))

    def begin_info(self, name: str, _text: str, _: object) -> None:
        """Begin a block."""
        self.info = InfoTexts(f"{self.alert.path}/{numbered(name, len(self.alert.infos) + 1)}")
        self.alert.infos.append(self.info)
        self.texts = self.info.texts
        self.in_info = {}

    def begin_area(self, name: str, _text: str, _: object) -> None:
        """Begin an area."""
        self.area = AreaTexts(f"{self.info.path}/{numbered(name, len(self.info.areas) + 1)}")
        self.info.areas.append(self.area)
        self.in_area = {}

    def describe(self, _name: str, text: str, _: object) -> None:
        """Take what an area is called."""
        self.area.description = text

    def code(self, _name: str, text: str, _: object) -> None:
        """Take a code of the head."""
        self.alert.codes += [text] if text else []

    def begin_resource(self, name: str, _text: str, _: object) -> None:
        """Begin a resource."""
        self.in_info[name] = self.in_info.get(name, 0) + 1

    def in_resource(self, name: str, text: str, _: object) -> None:
        """Take what a resource says."""
        if text:
            number = self.in_info["resource"]
            self.info.attributes.append(attribute((resource_name(number, name), text, "resource", number, name)))

    def file(self, name: str, _text: str, _: object) -> None:
        """Pass over the file of a resource."""
        self.notes.lose(f"{self.info.path}/{numbered('resource', self.in_info['resource'])}/{name}", INSIDE)

    def height(self, name: str, _text: str, _: object) -> None:
        """Pass over a height of an area."""
        self.notes.lose(f"{self.area.path}/{name}", FEET)


_TAKERS: Final[Mapping[int, Callable[[_Pass, str, str, etree._Element], None]]] = {
    Kind.PAIR: _Pass.begin_pair,
    Kind.LIST: _Pass.listed,
    Kind.INFO: _Pass.begin_info,
    Kind.AREA: _Pass.begin_area,
    Kind.RESOURCE: _Pass.begin_resource,
    Kind.IN_RESOURCE: _Pass.in_resource,
    Kind.DESCRIPTION: _Pass.describe,
    Kind.SHAPE: _Pass.shape,
    Kind.HEIGHT: _Pass.height,
    Kind.CODE: _Pass.code,
    Kind.FILE: _Pass.file,
}
"""What is done with elements that are more than a text by their name."""
