"""The texts of any alert, walked level by level; what has no place in CAP is noted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from lxml import etree

from bondmate_connectors.formats.cap import codes
from bondmate_connectors.formats.cap.notes import Notes
from bondmate_connectors.formats.cap.references import references_in
from bondmate_connectors.formats.cap.texts import (
    FEET,
    HALF_A_PAIR,
    INSIDE,
    NESTED,
    SIGNATURE,
    TWICE,
    UNKNOWN,
    AlertTexts,
    AreaTexts,
    Attribute,
    ElementKind,
    InfoTexts,
    Names,
    Shape,
    attribute,
    names_of,
    numbered,
    resource_name,
)
from bondmate_connectors.formats.xml import local_name, namespace_of, text_of

_LISTED: Final = "references"
_TEXT: Final = int(ElementKind.TEXT)
"""A plain number: to look a member of an enumeration up costs as much as what is done then."""


def alert_texts(alert: etree._Element, path: str, notes: Notes) -> AlertTexts:
    """Return the texts of any alert; what has no place in CAP is noted as lost."""
    found = AlertTexts(path, namespace_of(alert))
    names = names_of(found.namespace)
    for kind, name, child, number in _placed(alert, names):
        here = f"{path}/{numbered(name, number)}"
        if kind == _TEXT:
            if name == _LISTED and number > 1:
                found.referring.append(here)
            if number > 1 and name not in found.texts:
                found.steps[name] = numbered(name, number)
            if not _take(found.texts, name, child, here, notes):
                found.contradicted[name] = here
        elif kind == ElementKind.INFO:
            found.infos.append(_info(child, here, names, notes))
        elif kind == ElementKind.CODE:
            found.codes += [text] if (text := _plain(child, here, notes)) else []
        else:
            is_signature = namespace_of(child) == codes.XMLDSIG
            found.signed = found.signed or is_signature
            notes.lose(here, SIGNATURE if is_signature else UNKNOWN)
    return found


def _placed(element: etree._Element, names: Names) -> Iterator[tuple[int | None, str, etree._Element, int]]:
    """Return kind, name, element and number of each child; no kind where CAP does not know it."""
    counts: dict[str, int] = {}
    for child in element:
        kind, name = names.get(child.tag) or (None, local_name(child))
        number = counts[name] = counts.get(name, 0) + 1
        yield kind, name, child, number


def _take(texts: dict[str, str], name: str, element: etree._Element, path: str, notes: Notes) -> bool:
    """Take the first text of a name; return whether another says the same."""
    text = _plain(element, path, notes)
    if text and name in texts and name == _LISTED:
        # What it names must end, whichever of the elements names it.
        texts[name] = f"{texts[name]} {text}"
        read = references_in(text)
        if read.unreadable or not read.found:
            notes.lose(path, TWICE)
        return True
    if text and name in texts:
        notes.lose(path, TWICE)
    elif text:
        texts[name] = text
    return not text or texts[name] == text


def _plain(element: etree._Element, path: str, notes: Notes) -> str:
    if len(element):
        notes.lose(path, NESTED)
        return text_of(element)
    text = element.text
    return text.strip() if text else ""


def _info(info: etree._Element, path: str, names: Names, notes: Notes) -> InfoTexts:
    found = InfoTexts(path)
    for kind, name, child, number in _placed(info, names):
        here = f"{path}/{numbered(name, number)}"
        if kind == _TEXT:
            if number > 1 and name not in found.texts:
                found.steps[name] = numbered(name, number)
            _take(found.texts, name, child, here, notes)
        elif kind == ElementKind.PAIR and name != "geocode":
            for key, value in _pairs(child, here, names, notes):
                found.add(name, number, key, value)
        elif kind == ElementKind.AREA:
            found.areas.append(_area(child, here, names, notes))
        elif kind == ElementKind.RESOURCE:
            found.attributes += _resource(child, here, number, names, notes)
        elif kind == ElementKind.LIST:
            if text := _plain(child, here, notes):
                found.attributes.append(attribute((f"{codes.ATTRIBUTE}{name}", text, name, number, "")))
        else:
            notes.lose(here, UNKNOWN)
    return found


def _resource(
    resource: etree._Element, path: str, number: int, names: Names, notes: Notes
) -> Iterator[Attribute]:  # fmt: skip
    for kind, name, child, place in _placed(resource, names):
        inner = numbered(name, place)
        if kind == ElementKind.IN_RESOURCE:
            if text := _plain(child, f"{path}/{inner}", notes):
                yield Attribute(resource_name(number, name), text, "resource", number, inner)
        else:
            notes.lose(f"{path}/{inner}", INSIDE if kind == ElementKind.FILE else UNKNOWN)


def _area(area: etree._Element, path: str, names: Names, notes: Notes) -> AreaTexts:
    found = AreaTexts(path)
    for kind, name, child, number in _placed(area, names):
        here = f"{path}/{numbered(name, number)}"
        if kind == ElementKind.SHAPE:
            found.shapes += [Shape(name, text, here)] if (text := _plain(child, here, notes)) else []
        elif kind == ElementKind.PAIR:
            found.geocodes += _pairs(child, here, names, notes)
        elif kind == ElementKind.DESCRIPTION and found.description is None:
            found.description = _plain(child, here, notes)
        else:
            notes.lose(
                here, FEET if kind == ElementKind.HEIGHT else TWICE if kind == ElementKind.DESCRIPTION else UNKNOWN
            )
    return found


def _pairs(element: etree._Element, path: str, names: Names, notes: Notes) -> Sequence[tuple[str, str]]:
    """Return name and value of a parameter, eventCode or geocode; CAP 1.0 writes `name=value` as its text.

    Some write several pairs into one, against the schema.
    """
    keys: list[str] = []
    values: list[str] = []
    for child in element:
        kind, name = names.get(child.tag) or (None, local_name(child))
        if kind == ElementKind.KEY:
            keys.append(_plain(child, path, notes))
        elif kind == ElementKind.VALUE:
            values.append(_plain(child, path, notes))
        else:
            notes.lose(f"{path}/{name}", UNKNOWN)
    if not keys and "=" in (text := text_of(element)):
        key, _, value = text.partition("=")
        keys, values = [key.strip()], [value.strip()]
    found = [pair for pair in zip(keys, values, strict=False) if all(pair)]
    if len(found) != max(len(keys), len(values)) or not (keys or values):
        notes.lose(path, HALF_A_PAIR)
    return found
