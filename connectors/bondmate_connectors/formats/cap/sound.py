"""Alerts that keep their schema, read by regular expressions that are made from the tables of `structure`.

Nothing in a sound alert stands in its own kind, so it is a regular language: what matches is well-formed and has no
breach, and the groups of the match are its texts. It is taken out of the document, and only what is around it is left
to the parser. All alerts of a document must match, or none is taken: then the parser sees the whole, and `elements` and
`structure` look at each element. They may find it sound all the same; the expressions are nowhere more lenient.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from lxml import etree

from bondmate_connectors.formats.cap import codes, structure
from bondmate_connectors.formats.cap.elements import alerts_in
from bondmate_connectors.formats.cap.notes import Notes
from bondmate_connectors.formats.cap.structure import Check, Element, Sequence
from bondmate_connectors.formats.cap.texts import (
    FEET,
    HALF_A_PAIR,
    INSIDE,
    SIGNATURE,
    AlertTexts,
    AreaTexts,
    InfoTexts,
    Shape,
    attribute,
    numbered,
    resource_name,
)
from bondmate_connectors.formats.cap.values import read_time
from bondmate_connectors.formats.xml import MAX_DEPTH, XmlRefused, local_name, namespace_of, parse_text

_LONGEST: Final = 2_000_000
"""Of longer documents a text may be beyond the bounds of libxml2."""
_DEPTH: Final = 4
"""How deep an alert is below its own tag."""
_LEGAL: Final = bytes({*b"\t\n\r", *range(0x20, 0x100)})
_REFERENCES: Final = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'", "&amp;": "&"}
_REFERENCE: Final = re.compile("|".join(_REFERENCES))
# Possessive are single characters only: of groups CPython before 3.11.5 is wrong (gh-106052). What a stranger might
# repeat a million times has a bound: to go back, each time is remembered.
_STYLESHEET: Final = re.compile(r"<\?xml-stylesheet[ \t\n][^?<]*+\?>")
_TAG: Final = re.compile(r"<(cap:)?alert(?=[ \t\n>])(?:[^<>\"'/]++|\"[^\"<]*+\"|'[^'<]*+'){0,99}>")
"""A tag that an alert may have here."""
_ANY_TAG: Final = re.compile(r"<(?:[^\s<>/]*:)?alert[\s>/]")
_NO_COMMENT: Final = "<!---->"
"""What is left of a comment: where none may be, none may be still."""
_BLANK: Final = r"[ \t\n]*+"
_CLOCK: Final = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-5][0-9]"
_URI_PART: Final = "(?:[!\"$'-;=-~]++|%[0-9a-fA-F]{2}|&[a-z]++;){0,999}"
_COLLAPSED: Final = {
    structure.STRICT_TIME: f"{_CLOCK}[-+][0-9]{{2}}:[0-9]{{2}}",
    structure.SCHEMA_TIME: rf"{_CLOCK}(?:\.[0-9]+)?(?:Z|[-+][0-9]{{2}}:[0-9]{{2}})?",
    structure.LANGUAGE: "(?:[a-zA-Z]{1,8}(?:-[a-zA-Z0-9]{1,8}){0,9})?",
    structure.INTEGER: "[-+]?[0-9]+",
    structure.DECIMAL: r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)",
    structure.URI: f"{_URI_PART}(?:#{_URI_PART})?",
}
"""Values around which white space may stand."""
_TIMES: Final = (structure.STRICT_TIME, structure.SCHEMA_TIME)
_PAIRS: Final = frozenset({"parameter", "eventCode", "geocode"})
_BLOCKS: Final = frozenset({"info", "resource", "area"})
"""What may be repeated at the end of what it stands in, and has an expression of its own."""
_LOST_WHERE_EMPTY: Final = frozenset({"derefUri", "altitude", "ceiling"})
_HOW_OFTEN: Final = {(1, 1): "", (0, 1): "?", (0, None): "*", (1, None): "+"}


class _Unsound(Exception):  # no error: another way is taken
    """Something does not match."""


def sound_alerts(message: bytes, text: str) -> tuple[etree._Element, list[tuple[AlertTexts, Notes]]] | None:
    """Return the root and the texts of each alert, where all are certainly sound; None says nothing."""
    plain = _plain(message, text) if len(text) < _LONGEST else None
    tag = plain and _TAG.search(plain)
    if not plain or not tag:
        return None
    namespace = next((one for place in (tag[0], plain) for one in codes.NAMESPACES if one in place), None)
    if namespace is None:
        return None
    around = _Pass(
        plain, _expressions(namespace, _Spelling(tag[1] or "", _holds(plain, _NO_COMMENT, "!"), "/>" in plain))
    )
    try:
        found = list(around.alerts())
        root = parse_text(around.rest, max_depth=MAX_DEPTH - _DEPTH)
        alerts = list(alerts_in(root))
    except (_Unsound, XmlRefused):
        return None
    # Each tag of an alert is then one of those found, none of them stands in a comment or in another alert.
    if not len(found) == len(alerts) == len(_ANY_TAG.findall(around.rest)):
        return None
    if any(namespace_of(alert) != namespace for alert in alerts):
        return None
    is_rest_sound = all(_take_signatures(one, *texts) for one, texts in zip(alerts, found, strict=True))
    return (root, found) if is_rest_sound else None


def _plain(message: bytes, text: str) -> str | None:
    """Return the text so that all there is in it are tags and legal characters; None where there is more."""
    if message.translate(None, _LEGAL) or _holds(text, "]]>", "]") or "\ufffe" in text or "\uffff" in text:
        return None
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if _holds(text, "<!", "!"):
        text = _STYLESHEET.sub(_NO_COMMENT, _without_comments(text))
        if text.count("<!") != text.count(_NO_COMMENT) or text.find("<?", 1) > 0:
            return None
    return None if "&" in text and len(_REFERENCE.findall(text)) != text.count("&") else text


def _holds(text: str, mark: str, rare: str) -> bool:
    # A single character is found at a tenth of the cost.
    return rare in text and mark in text


def _without_comments(text: str) -> str:
    """Return the text with nothing in its comments; they stay as they are where one of them is none."""
    first, *others = text.split("<!--")
    after = [other.partition("--")[2] for other in others]
    return _NO_COMMENT.join([first, *(one[1:] for one in after)]) if all(one[:1] == ">" for one in after) else text


def _take_signatures(alert: etree._Element, texts: AlertTexts, notes: Notes) -> bool:
    """Note the signatures, of which nothing is read; return whether they are all that is left in the alert."""
    if any(structure.nothing_beside(alert, "")):
        return False
    counts: dict[str, int] = {}
    for child in alert:
        name = local_name(child)
        number = counts[name] = counts.get(name, 0) + 1
        notes.lose(f"{texts.path}/{numbered(name, number)}", SIGNATURE)
        texts.signed = True
    may_be_signed = structure.SCHEMAS[texts.namespace].signed
    return not counts or (may_be_signed and all(namespace_of(child) == codes.XMLDSIG for child in alert))


# The expressions


@dataclass(frozen=True, slots=True)
class _Block:
    """An element that holds others: what matches it up to the blocks in it, and the groups of the match."""

    tag: str
    match: Callable[[str, int], re.Match[str] | None]
    single: tuple[str, ...]
    groups: tuple[int, ...]
    """Those of the single ones."""
    repeated: tuple[tuple[str, int, Callable[[str], list[Any]]], ...]
    """Name, group, and what finds each text, or each pair of them, in the group."""
    times: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Expressions:
    """What matches the alerts of one version in one spelling."""

    namespace: str
    end_tag: str
    alert: _Block
    info: _Block
    resource: _Block
    area: _Block
    info_end: _Block


@dataclass(frozen=True, slots=True)
class _Spelling:
    """How the elements of a document are written: what few do costs the others nothing."""

    prefix: str
    has_comments: bool
    has_empty: bool
    """Whether there are tags of empty elements."""

    @property
    def space(self) -> str:
        """What matches what may stand between two elements."""
        return f"{_BLANK}(?:{_NO_COMMENT}{_BLANK}){{0,9}}" if self.has_comments else _BLANK

    def begin(self, name: str) -> str:
        """Return the tag that begins an element."""
        return f"<{self.prefix}{name}>"

    def end(self, name: str) -> str:
        """Return the tag that ends an element."""
        return f"</{self.prefix}{name}>"

    def element(self, name: str, value: str, *, empty: bool = False) -> str:
        """Return what matches an element and the space after it."""
        if empty and self.has_empty:
            return f"<{self.prefix}{name}(?:>{value}{self.end(name)}|[ ]?/>){self.space}"
        return f"{self.begin(name)}{value}{self.end(name)}{self.space}"

    def pair(self, value: str) -> str:
        """Return what matches the content of a parameter, eventCode or geocode."""
        return self.space + self.element("valueName", value, empty=True) + self.element("value", value, empty=True)


@cache
def _expressions(namespace: str, spelling: _Spelling) -> _Expressions:
    alert = structure.SCHEMAS[namespace]
    info = _inside(alert, "info")
    return _Expressions(
        namespace,
        spelling.end("alert"),
        _block(alert, spelling, "", ""),
        _block(info, spelling, spelling.begin("info"), ""),
        _block(
            _inside(info, "resource"), spelling, spelling.begin("resource"), spelling.end("resource") + spelling.space
        ),
        _block(_inside(info, "area"), spelling, spelling.begin("area"), spelling.end("area") + spelling.space),
        _block(Sequence(()), spelling, spelling.end("info"), ""),
    )


def _inside(sequence: Sequence, name: str) -> Sequence:
    content = sequence.elements[sequence.places[name]].content
    assert isinstance(content, Sequence)
    return content


def _block(sequence: Sequence, spelling: _Spelling, begin: str, end: str) -> _Block:
    elements = [element for element in sequence.elements if element.name not in _BLOCKS]
    grouped = list(enumerate(elements, 1))
    inside = "".join([_expression(element, spelling) for element in elements])
    return _Block(
        begin,
        re.compile(begin + spelling.space + inside + end).match,
        tuple(element.name for element in elements if element.most == 1),
        tuple(group for group, element in grouped if element.most == 1),
        tuple((one.name, group, _finder(one, spelling)) for group, one in grouped if one.most is None),
        tuple(element.name for element in elements if element.content in _TIMES),
    )


def _expression(element: Element, spelling: _Spelling) -> str:
    often, value = _HOW_OFTEN[element.least, element.most], _value(element.content, spelling)
    empty = element.content is structure.anything and element.name not in _LOST_WHERE_EMPTY
    if element.most is None:
        return f"((?:{spelling.element(element.name, value, empty=empty)}){often})"
    return f"(?:{spelling.element(element.name, f'({value})', empty=empty)}){often}"


def _finder(element: Element, spelling: _Spelling) -> Callable[[str], list[Any]]:
    is_pair = isinstance(element.content, Sequence)
    value = spelling.pair("([^<]*+)") if is_pair else "([^<]*+)"
    return re.compile(spelling.element(element.name, value, empty=not is_pair)).findall


def _value(content: Check | Sequence, spelling: _Spelling) -> str:
    if isinstance(content, Sequence):
        return spelling.pair("[^<]*+")
    if isinstance(content, structure.OneOf):
        return f"(?:{'|'.join(sorted(content.values))})"
    return "[^<]*+" if content is structure.anything else f"{_BLANK}{_COLLAPSED[content]}{_BLANK}"


# The texts


class _Pass:
    """One way through a document."""

    __slots__ = ("at", "expressions", "notes", "rest", "strip", "text")

    def __init__(self, text: str, expressions: _Expressions) -> None:
        self.text, self.at = text, 0
        self.expressions = expressions
        self.strip = _said if "&" in text else str.strip
        self.notes = Notes()
        self.rest = ""
        """What is around the alerts, their own tags with it."""

    def alerts(self) -> Iterator[tuple[AlertTexts, Notes]]:
        """Return the texts of each alert, and what of it no event carries."""
        rest, end = [], 0
        count = self.text.count(self.expressions.end_tag)
        for number in range(1, count + 1):
            tag = _TAG.search(self.text, end)
            if tag is None:
                raise _Unsound
            self.at, self.notes = tag.end(), Notes()
            yield self._alert("alert" if count == 1 else f"alert[{number}]"), self.notes
            rest.append(self.text[end : tag.end()])
            end = self.at
        self.rest = "".join([*rest, self.text[end:]])

    def _alert(self, path: str) -> AlertTexts:
        found, block = AlertTexts(path, self.expressions.namespace), self.expressions.alert
        match = self._match(block)
        found.texts = self._texts(match, block)
        for _, group, each in block.repeated:
            found.codes += filter(None, map(self.strip, each(match[group])))
        while self.text.startswith(self.expressions.info.tag, self.at):
            found.infos.append(self._info(f"{path}/{numbered('info', len(found.infos) + 1)}"))
        return found

    def _match(self, block: _Block) -> re.Match[str]:
        match = block.match(self.text, self.at)
        if match is None:
            raise _Unsound
        self.at = match.end()
        return match

    def _texts(self, match: re.Match[str], block: _Block) -> dict[str, str]:
        strip = self.strip
        texts = {
            name: said
            for name, text in zip(block.single, match.group(*block.groups), strict=True)
            if text and (said := strip(text))
        }
        for name in block.times:
            if name in texts and read_time(texts[name]) is None:
                raise _Unsound
        return texts

    def _info(self, path: str) -> InfoTexts:
        block = self.expressions.info
        match = self._match(block)
        found = InfoTexts(path, self._texts(match, block))
        for name, group, each in block.repeated:
            if text := match[group]:
                self._add(found, name, each(text), ours=codes.PARAMETER in text)
        starts = self.text.startswith
        number = 0
        while starts(self.expressions.resource.tag, self.at):
            number += 1
            self._add_resource(found, number)
        while starts(self.expressions.area.tag, self.at):
            found.areas.append(self._area(f"{path}/{numbered('area', len(found.areas) + 1)}"))
        self._match(self.expressions.info_end)
        return found

    def _add(self, info: InfoTexts, name: str, said: list[Any], *, ours: bool) -> None:
        if name not in _PAIRS:
            begin, texts = f"{codes.ATTRIBUTE}{name}", enumerate(map(self.strip, said), 1)
            info.attributes += [attribute((begin, text, name, number, "")) for number, text in texts if text]
            return
        pairs = self._pairs(said, f"{info.path}/{name}")
        if ours:
            for number, key, value in pairs:
                info.add(name, number, key, value)
        else:
            begin = f"{codes.ATTRIBUTE}{name}:"
            info.attributes += [attribute((begin + key, value, name, number, "")) for number, key, value in pairs]

    def _add_resource(self, info: InfoTexts, number: int) -> None:
        block = self.expressions.resource
        begin = resource_name(number, "")
        for name, text in zip(block.single, self._match(block).group(*block.groups), strict=True):
            if name == "derefUri" and text is not None:
                self.notes.lose(f"{info.path}/{numbered('resource', number)}/{name}", INSIDE)
            elif text and (said := self.strip(text)):
                info.attributes.append(attribute((begin + name, said, "resource", number, name)))

    def _area(self, path: str) -> AreaTexts:
        block, strip = self.expressions.area, self.strip
        match = self._match(block)
        found = AreaTexts(path)
        description, *heights = zip(block.single, match.group(*block.groups), strict=True)
        found.description = strip(description[1] or "")
        for name, group, each in block.repeated:
            if not (text := match[group]):
                continue
            if name in _PAIRS:
                found.geocodes = [(key, value) for _, key, value in self._pairs(each(text), f"{path}/{name}")]
            else:
                said = enumerate(map(strip, each(text)), 1)
                found.shapes += [Shape(name, one, f"{path}/{numbered(name, number)}") for number, one in said if one]
        for name, height in heights:
            if height is not None:
                self.notes.lose(f"{path}/{name}", FEET)
        return found

    def _pairs(self, said: list[Any], path: str) -> list[tuple[int, str, str]]:
        """Return number, name and value of each of the pairs of one kind; CAP 1.0 writes `name=value`."""
        strip = self.strip
        if self.expressions.namespace == codes.CAP_10:
            said = [one.partition("=")[::2] for one in said]
        found = [(number, strip(key), strip(value)) for number, (key, value) in enumerate(said, 1)]
        if all(map(all, found)):
            return found
        for number, key, value in found:
            if not (key and value):
                self.notes.lose(numbered(path, number), HALF_A_PAIR)
        return [one for one in found if all(one)]


def _said(text: str) -> str:
    for reference, character in _REFERENCES.items():
        text = text.replace(reference, character)
    return text.strip()
