"""What the schemas of CAP 1.0, 1.1 and 1.2 demand, as tables, so that every breach becomes a remark and none a refusal.

An XSD validator stops making sense of a document at its first fault and quotes what it found; here each fault is named
by place, and no value is repeated. The tests hold the verdicts against the published schemas.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from lxml import etree

from bondmate_connectors.contract import Remark
from bondmate_connectors.formats.cap import codes
from bondmate_connectors.formats.cap.values import read_time
from bondmate_connectors.formats.xml import namespace_of

Check = Callable[[str], bool]

_XSI: Final = "{http://www.w3.org/2001/XMLSchema-instance}"
_LANGUAGE: Final = re.compile(r"[a-zA-Z]{1,8}(-[a-zA-Z0-9]{1,8})*")
_INTEGER: Final = re.compile(r"[-+]?\d+", re.ASCII)
_DECIMAL: Final = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)", re.ASCII)
_URI: Final = re.compile(r"(?:[^\s%#]|%[0-9a-fA-F]{2})*(?:#(?:[^\s%#]|%[0-9a-fA-F]{2})*)?")
_STRICT_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\d[-+]\d\d:\d\d", re.ASCII)
_SCHEMA_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\d(\.\d+)?(Z|[-+]\d\d:\d\d)?", re.ASCII)


def anything(_text: str) -> bool:
    """Whether a text is a text."""
    return True


@dataclass(frozen=True, slots=True)
class OneOf:
    """Whether a text is one of a list, to the letter."""

    values: frozenset[str]

    def __call__(self, text: str) -> bool:
        """Look it up."""
        return text in self.values


def _one_of(*values: str) -> OneOf:
    return OneOf(frozenset(values))


def _collapsed(check: Check) -> Check:
    """Return `check` of the text with white space as XSD collapses it."""
    return lambda text: check(" ".join(text.split()))


def _matches(pattern: re.Pattern[str]) -> Check:
    return _collapsed(lambda text: pattern.fullmatch(text) is not None)


STRICT_TIME: Final = _collapsed(lambda text: _STRICT_TIME.fullmatch(text) is not None and read_time(text) is not None)
SCHEMA_TIME: Final = _collapsed(lambda text: _SCHEMA_TIME.fullmatch(text) is not None and read_time(text) is not None)
# An empty element with a default has the default.
LANGUAGE: Final = _collapsed(lambda text: not text or _LANGUAGE.fullmatch(text) is not None)
INTEGER: Final = _matches(_INTEGER)
DECIMAL: Final = _matches(_DECIMAL)
URI: Final = _matches(_URI)


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a sequence: how often, and what is in it: a check of its text, or a sequence."""

    name: str
    least: int
    most: int | None
    content: Check | Sequence


@dataclass(frozen=True)
class Sequence:
    """Elements in their order, and whether signatures may follow."""

    elements: tuple[Element, ...]
    signed: bool = False

    @cached_property
    def places(self) -> dict[str, int]:
        """Return the index of each element by its name."""
        return {element.name: place for place, element in enumerate(self.elements)}


def _must(name: str, content: Check | Sequence = anything) -> Element:
    return Element(name, 1, 1, content)


def _may(name: str, content: Check | Sequence = anything) -> Element:
    return Element(name, 0, 1, content)


def _any(name: str, content: Check | Sequence = anything) -> Element:
    return Element(name, 0, None, content)


_PAIR: Final = Sequence((_must("valueName"), _must("value")))
_STATUSES_10: Final = codes.STATUSES[:4]
_RESPONSES_11: Final = tuple(name for name in codes.RESPONSE_TYPES if name not in {"Avoid", "AllClear"})
_CATEGORIES_10: Final = tuple(name for name in codes.CATEGORIES if name != "CBRNE")
_CERTAINTIES_10: Final = ("Very Likely", *codes.CERTAINTIES[1:])


def _alert(version: str) -> Sequence:  # the three differ in details only
    old, new = version == "1.0", version == "1.2"
    time = STRICT_TIME if new else SCHEMA_TIME
    pair: Check | Sequence = anything if old else _PAIR
    decimal: Check = DECIMAL if new else anything
    resource = (
        _must("resourceDesc"), (_must if new else _may)("mimeType"), _may("size", INTEGER),
        _may("uri", URI), *(() if old else (_may("derefUri"),)), _may("digest"),
    )  # fmt: skip
    area = (
        _must("areaDesc"), _any("polygon"), _any("circle"), _any("geocode", pair), _may("altitude", decimal),
        _may("ceiling", decimal),
    )  # fmt: skip
    info = (
        _may("language", LANGUAGE),
        Element("category", 0 if old else 1, None, _one_of(*(_CATEGORIES_10 if old else codes.CATEGORIES))),
        _must("event"),
        *(() if old else (_any("responseType", _one_of(*(codes.RESPONSE_TYPES if new else _RESPONSES_11))),)),
        _must("urgency", _one_of(*codes.URGENCIES)),
        _must("severity", _one_of(*codes.SEVERITIES)),
        _must("certainty", _one_of(*(_CERTAINTIES_10 if old else codes.CERTAINTIES))),
        _may("audience"), _any("eventCode", pair), _may("effective", time), _may("onset", time), _may("expires", time),
        _may("senderName"), _may("headline"), _may("description"), _may("instruction"), _may("web", URI),
        _may("contact"), _any("parameter", pair), _any("resource", Sequence(resource)), _any("area", Sequence(area)),
    )  # fmt: skip
    alert = (
        _must("identifier"), _must("sender"), _must("sent", time),
        _must("status", _one_of(*(_STATUSES_10 if old else codes.STATUSES))),
        _must("msgType", _one_of(*codes.MSG_TYPES)), *((_may("password"),) if old else ()), _may("source"),
        (_may if old else _must)("scope", _one_of(*codes.SCOPES)), _may("restriction"), _may("addresses"), _any("code"),
        _may("note"), _may("references"), _may("incidents"), _any("info", Sequence(info)),
    )  # fmt: skip
    return Sequence(alert, signed=new)


FOREIGN_ATTRIBUTE: Final = "an attribute that the schema does not know"
TEXT_BETWEEN: Final = "text between the elements"
NOT_TAKEN: Final = {FOREIGN_ATTRIBUTE: "@*", TEXT_BETWEEN: "text()"}
"""What a breach says that is in no element, and what of the place no event carries."""
SCHEMAS: Final = {codes.CAP_10: _alert("1.0"), codes.CAP_11: _alert("1.1"), codes.CAP_12: _alert("1.2")}
"""The content of `alert`, by namespace."""


def breaches(alert: etree._Element, path: str) -> Iterator[Remark]:
    """Return a remark for each breach of the schema of the alert's own version, in the order of the document."""
    namespace = namespace_of(alert)
    return _sequence(alert, SCHEMAS[namespace], f"{{{namespace}}}", path)


def _sequence(element: etree._Element, sequence: Sequence, own: str, path: str) -> Iterator[Remark]:
    """Return the remarks on what is in `element`; `own` is what the tags of CAP begin with."""
    places, elements, reached = sequence.places, sequence.elements, 0
    seen = [0] * len(elements)
    yield from _nothing_beside(element, path)
    for child in element:
        tag = child.tag
        place = places.get(tag[len(own) :]) if tag.startswith(own) else None
        if place is None:
            if sequence.signed and namespace_of(child) == codes.XMLDSIG:
                # A signature before the last info is as good as one after it; validators in use take both.
                reached = len(places) - 1
                continue
            yield Remark(codes.UNEXPECTED, path, "an element that the schema does not know here")
            continue
        declared, number = elements[place], seen[place] + 1
        seen[place] = number
        in_order, once = place >= reached, declared.most is None or number <= declared.most
        reached = max(reached, place)
        if in_order and once and _is_sound_text(child, declared.content):
            continue
        here = _here(path, declared.name, number)
        if not in_order:
            yield Remark(codes.ORDER, here, "stands after what it must stand before")
        if not once:
            yield Remark(codes.REPEATED, here, "may stand once only")
        yield from _content(child, declared, own, here)
    for declared, number in zip(elements, seen, strict=True):
        if number < declared.least:
            yield Remark(codes.ABSENT, f"{path}/{declared.name}", "must be there")


def _is_sound_text(element: etree._Element, content: Check | Sequence) -> bool:
    """Whether it holds a text that may be there, and nothing else; most do."""
    if isinstance(content, Sequence) or len(element) or element.keys():
        return False
    return content is anything or content(element.text or "")


def _content(element: etree._Element, declared: Element, own: str, path: str) -> Iterator[Remark]:
    if isinstance(declared.content, Sequence):
        yield from _sequence(element, declared.content, own, path)
    elif len(element):
        yield Remark(codes.CONTENT, path, "holds elements where only text may be")
    elif not declared.content(element.text or ""):
        yield Remark(codes.VALUE, path, "not one of the allowed values" if element.text else "empty")
    elif _foreign_attributes(element):
        yield Remark(codes.CONTENT, path, FOREIGN_ATTRIBUTE)


def _nothing_beside(element: etree._Element, path: str) -> Iterator[Remark]:
    if _foreign_attributes(element):
        yield Remark(codes.CONTENT, path, FOREIGN_ATTRIBUTE)
    if _is_written(element.text) or any(_is_written(child.tail) for child in element):
        yield Remark(codes.CONTENT, path, TEXT_BETWEEN)


def _is_written(text: str | None) -> bool:
    return text is not None and text.strip() != ""


def _foreign_attributes(element: etree._Element) -> bool:
    names = element.keys()
    return bool(names) and any(not str(name).startswith(_XSI) for name in names)


def _here(path: str, name: str, number: int) -> str:
    return f"{path}/{name}" if number == 1 else f"{path}/{name}[{number}]"
