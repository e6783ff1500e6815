"""The texts of an alert that keeps its schema, in one pass: there the name of an element says what it is in."""

from __future__ import annotations

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
    Attribute,
    InfoTexts,
    Kind,
    Shape,
    attribute,
    names_of,
    numbered,
    resource_name,
)
from bondmate_connectors.formats.xml import namespace_of


def sound_texts(alert: etree._Element, path: str, notes: Notes) -> AlertTexts:
    """Return the texts of an alert that keeps its schema, as `elements.alert_texts` does."""
    pass_ = _Pass(AlertTexts(path, namespace_of(alert)), notes)
    known = names_of(pass_.alert.namespace).get
    texts, take = pass_.alert.texts, pass_.take
    for child in alert:
        if known(child.tag) is None:
            # Nothing in it is looked at: it may hold anything, an alert too.
            pass_.signature()
            continue
        for element in child.iter():
            kind, name = known(element.tag)  # type: ignore[misc]  # the schema knows no other
            text = (element.text or "").strip()
            if kind is Kind.TEXT:
                if text:
                    texts[name] = text
            elif kind is Kind.KEY:
                pass_.key = text
            elif kind is Kind.VALUE:
                pass_.pair(pass_.key, text)
            else:
                take(kind, name, text, element)
                if kind is Kind.INFO:
                    texts = pass_.info.texts
    return pass_.alert


class _Pass:
    """Where in the alert the pass is, and what it has found."""

    __slots__ = ("alert", "area", "in_area", "in_info", "info", "key", "name", "notes")

    def __init__(self, alert: AlertTexts, notes: Notes) -> None:
        self.alert = alert
        self.notes = notes
        self.info, self.area = InfoTexts(""), AreaTexts("")
        self.in_info: dict[str, int] = {}
        self.in_area: dict[str, int] = {}
        """How many elements of a name there were."""
        self.name = self.key = ""
        """Of the pair it is in: the element's name, and the `valueName`."""

    def signature(self) -> None:
        """Note a signature."""
        number = self.in_info["Signature"] = self.in_info.get("Signature", 0) + 1
        self.notes.lose(f"{self.alert.path}/{numbered('Signature', number)}", SIGNATURE)
        self.alert.signed = True

    def take(self, kind: Kind, name: str, text: str, element: etree._Element) -> None:
        """Take an element that is more than a text by its name."""
        if kind is Kind.PAIR:
            counts = self.in_area if name == "geocode" else self.in_info
            counts[name] = counts.get(name, 0) + 1
            self.name = name
            if not len(element):  # CAP 1.0
                key, _, value = text.partition("=")
                self.pair(key.strip(), value.strip())
        elif kind is Kind.LIST:
            number = self.in_info[name] = self.in_info.get(name, 0) + 1
            if text:
                self.info.attributes.append(attribute((f"{codes.ATTRIBUTE}{name}", text, name, number, "")))
        elif kind is Kind.SHAPE:
            number = self.in_area[name] = self.in_area.get(name, 0) + 1
            if text:
                self.area.shapes.append(Shape(name, text, f"{self.area.path}/{numbered(name, number)}"))
        elif kind is Kind.DESCRIPTION:
            self.area.description = text
        elif kind is Kind.CODE:
            self.alert.codes += [text] if text else []
        elif kind in {Kind.INFO, Kind.AREA}:
            self._enter(kind, name)
        else:
            self._other(kind, name, text)

    def pair(self, key: str, value: str) -> None:
        """Take a name and a value."""
        name, within = self.name, self.in_area if self.name == "geocode" else self.in_info
        if not (key and value):
            place = self.area.path if name == "geocode" else self.info.path
            self.notes.lose(f"{place}/{numbered(name, within[name])}", HALF_A_PAIR)
        elif name == "geocode":
            self.area.geocodes.append((key, value))
        else:
            self.info.attributes.append(attribute((f"{codes.ATTRIBUTE}{name}:{key}", value, name, within[name], "")))

    def _enter(self, kind: Kind, name: str) -> None:
        if kind is Kind.INFO:
            self.info = InfoTexts(f"{self.alert.path}/{numbered(name, len(self.alert.infos) + 1)}")
            self.alert.infos.append(self.info)
            self.in_info = {}
        else:
            self.area = AreaTexts(f"{self.info.path}/{numbered(name, len(self.info.areas) + 1)}")
            self.info.areas.append(self.area)
            self.in_area = {}

    def _other(self, kind: Kind, name: str, text: str) -> None:
        if kind is Kind.RESOURCE:
            self.in_info[name] = self.in_info.get(name, 0) + 1
            return
        number = self.in_info.get("resource", 1)
        if kind is Kind.HEIGHT:
            self.notes.lose(f"{self.area.path}/{name}", FEET)
        elif kind is Kind.FILE:
            self.notes.lose(f"{self.info.path}/{numbered('resource', number)}/{name}", INSIDE)
        elif text:
            self.info.attributes.append(Attribute(resource_name(number, name), text, "resource", number, name))
