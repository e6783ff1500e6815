"""The texts of an alert that keeps its schema, in one pass: there the name of an element says what it is in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
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
    ElementKind,
    InfoTexts,
    Names,
    Shape,
    attribute,
    names_of,
    numbered,
    resource_name,
)
from bondmate_connectors.formats.xml import namespace_of

_TEXT: Final = int(ElementKind.TEXT)
"""A plain number: to look a member of an enumeration up costs as much as the rest of a turn."""


def sound_texts(alert: etree._Element, path: str, notes: Notes) -> AlertTexts:
    """Return the texts of an alert that keeps its schema, as `elements.alert_texts` does."""
    found = AlertTexts(path, namespace_of(alert))
    known, takers = names_of(found.namespace), _TAKERS
    pass_ = _Pass(found, notes)
    pass_.elements = elements = _elements(alert, known, pass_)
    texts = found.texts
    for element in elements:
        kind, name = known[element.tag]
        if kind == _TEXT:
            text = element.text
            if text and (text := text.strip()):
                texts[name] = text
        else:
            takers[kind](pass_, name, element)
            texts = pass_.texts
    return found


def _elements(alert: etree._Element, known: Names, pass_: _Pass) -> Iterator[etree._Element]:
    """Return every element in `alert`, itself left out; signatures are noted and not looked into."""
    # They stand last.
    if alert[-1].tag in known:
        elements = alert.iter()
        next(elements)
        return elements
    return chain.from_iterable(child.iter() for child in alert if child.tag in known or pass_.signature())


class _Pass:
    """Where in the alert the pass is, and what it has found."""

    __slots__ = ("alert", "area", "elements", "in_area", "in_info", "info", "notes", "texts")

    def __init__(self, alert: AlertTexts, notes: Notes) -> None:
        self.alert = alert
        self.notes = notes
        self.elements: Iterator[etree._Element] = iter(())
        """Those that come."""
        self.texts = alert.texts
        """Where single texts go."""
        self.info, self.area = InfoTexts(""), AreaTexts("")
        self.in_info: dict[str, int] = {}
        self.in_area: dict[str, int] = {}
        """How many elements of a name there were."""

    def signature(self) -> bool:
        """Note a signature; nothing in it is looked at: it may hold anything, an alert too."""
        number = self.in_info["Signature"] = self.in_info.get("Signature", 0) + 1
        self.notes.lose(f"{self.alert.path}/{numbered('Signature', number)}", SIGNATURE)
        self.alert.signed = True
        return False

    def pair(self, name: str, element: etree._Element) -> None:
        """Take a parameter, eventCode or geocode: its name and value come next, or are all of it in CAP 1.0."""
        counts = self.in_area if name == "geocode" else self.in_info
        number = counts[name] = counts.get(name, 0) + 1
        if len(element):
            key, value = next(self.elements).text or "", next(self.elements).text or ""
            key, value = key.strip(), value.strip()
        else:
            key, value = map(str.strip, _text(element).partition("=")[::2])
        if not key or not value:
            place = self.area.path if name == "geocode" else self.info.path
            self.notes.lose(f"{place}/{numbered(name, number)}", HALF_A_PAIR)
        elif name == "geocode":
            self.area.geocodes.append((key, value))
        else:
            self.info.add(name, number, key, value)

    def listed(self, name: str, element: etree._Element) -> None:
        """Take an element that may be repeated."""
        number = self.in_info[name] = self.in_info.get(name, 0) + 1
        if text := _text(element):
            self.info.attributes.append(attribute((f"{codes.ATTRIBUTE}{name}", text, name, number, "")))

    def shape(self, name: str, element: etree._Element) -> None:
        """Take a polygon or circle."""
        number = self.in_area[name] = self.in_area.get(name, 0) + 1
        if text := _text(element):
            self.area.shapes.append(Shape(name, text, f"{self.area.path}/{numbered(name, number)}"))

    def begin_info(self, name: str, _: object) -> None:
        """Begin a block."""
        self.info = InfoTexts(f"{self.alert.path}/{numbered(name, len(self.alert.infos) + 1)}")
        self.alert.infos.append(self.info)
        self.texts = self.info.texts
        self.in_info = {}

    def begin_area(self, name: str, _: object) -> None:
        """Begin an area."""
        self.area = AreaTexts(f"{self.info.path}/{numbered(name, len(self.info.areas) + 1)}")
        self.info.areas.append(self.area)
        self.in_area = {}

    def describe(self, _: str, element: etree._Element) -> None:
        """Take what an area is called."""
        self.area.description = _text(element)

    def code(self, _: str, element: etree._Element) -> None:
        """Take a code of the head."""
        text = _text(element)
        self.alert.codes += [text] if text else []

    def begin_resource(self, name: str, _: object) -> None:
        """Begin a resource."""
        self.in_info[name] = self.in_info.get(name, 0) + 1

    def in_resource(self, name: str, element: etree._Element) -> None:
        """Take what a resource says."""
        if text := _text(element):
            number = self.in_info["resource"]
            self.info.attributes.append(attribute((resource_name(number, name), text, "resource", number, name)))

    def file(self, name: str, _: object) -> None:
        """Pass over the file of a resource."""
        self.notes.lose(f"{self.info.path}/{numbered('resource', self.in_info['resource'])}/{name}", INSIDE)

    def height(self, name: str, _: object) -> None:
        """Pass over a height of an area."""
        self.notes.lose(f"{self.area.path}/{name}", FEET)


def _text(element: etree._Element) -> str:
    text = element.text
    return text.strip() if text else ""


_TAKERS: Final[Mapping[int, Callable[[_Pass, str, etree._Element], object]]] = {
    ElementKind.PAIR: _Pass.pair,
    ElementKind.LIST: _Pass.listed,
    ElementKind.INFO: _Pass.begin_info,
    ElementKind.AREA: _Pass.begin_area,
    ElementKind.RESOURCE: _Pass.begin_resource,
    ElementKind.IN_RESOURCE: _Pass.in_resource,
    ElementKind.DESCRIPTION: _Pass.describe,
    ElementKind.SHAPE: _Pass.shape,
    ElementKind.HEIGHT: _Pass.height,
    ElementKind.CODE: _Pass.code,
    ElementKind.FILE: _Pass.file,
}
"""What is done with elements that are more than a text by their name."""
