"""The texts of an alert by name: what the reader works with, so that no element is looked at twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache, partial
from typing import Final, NamedTuple

from bondmate_schemas.sayings import contradicted

from bondmate_connectors.formats.cap import codes, structure

HALF_A_PAIR: Final = "a name without a value, or a value without a name"
SIGNATURE: Final = "a signature holds for the message as it was sent"
UNKNOWN: Final = "an element that CAP does not know here"
TWICE: Final = "said more than once; the first is taken"
INSIDE: Final = "the file itself stands in the message; events hold references"
FEET: Final = "the hub's areas have no height"
NESTED: Final = "elements where only text may be"
_OURS: Final = codes.PARAMETER
_DECISIVE: Final = ("status", "msgType", "sender", "identifier")
_BEGINNINGS: Final = {name: f"{codes.ATTRIBUTE}{name}:" for name in ("parameter", "eventCode")}


class Attribute(NamedTuple):
    """What has no field of its own in an event: a name for it, its text, and its place: element, number, element in it.

    The name is that of the element after `cap.`, for a parameter or code with the sender's name for it.
    """

    name: str
    text: str
    element: str
    number: int
    inner: str = ""


# There are dozens in a message: made past the `__new__` that named tuples have in Python.
attribute = partial(tuple.__new__, Attribute)


class Shape(NamedTuple):
    """A polygon or circle as written, and where it stands."""

    element: str
    text: str
    path: str


@dataclass(slots=True)
class AreaTexts:
    """One `area`."""

    path: str
    description: str | None = None
    shapes: list[Shape] = field(default_factory=list)
    geocodes: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class InfoTexts:
    """One `info`: `texts` are its single elements, of which the first of a name counts."""

    path: str
    texts: dict[str, str] = field(default_factory=dict)
    attributes: list[Attribute] = field(default_factory=list)
    ours: list[Attribute] = field(default_factory=list)
    """Parameters by which a hub says what CAP cannot, without what their names begin with."""
    areas: list[AreaTexts] = field(default_factory=list)
    steps: dict[str, str] = field(default_factory=dict)
    """Where a single element counts that is not the first of its name, as the first says nothing."""

    def add(self, element: str, number: int, key: str, value: str) -> None:
        """Add a parameter or an eventCode."""
        if element == "parameter" and key.startswith(_OURS):
            self.ours.append(Attribute(key.removeprefix(_OURS), value, element, number))
        else:
            self.attributes.append(attribute((f"{_BEGINNINGS[element]}{key}", value, element, number, "")))

    def path_of(self, one: Attribute) -> str:
        """Return where an attribute stands."""
        inner = f"/{one.inner}" if one.inner else ""
        return f"{self.path}/{numbered(one.element, one.number)}{inner}"


@dataclass(slots=True)
class AlertTexts:
    """One `alert`."""

    path: str
    namespace: str
    texts: dict[str, str] = field(default_factory=dict)
    codes: list[str] = field(default_factory=list)
    infos: list[InfoTexts] = field(default_factory=list)
    signed: bool = False
    referring: list[str] = field(default_factory=list)
    """Where further `references` stand, of which what they name counts too."""
    contradicted: dict[str, str] = field(default_factory=dict)
    """Where a single element is said again with another text, by name."""
    steps: dict[str, str] = field(default_factory=dict)
    """As in `InfoTexts`."""

    def contradiction(self) -> str | None:
        """Return where it says two things of which one must not count for the other; None where it does not."""
        for name in _DECISIVE:
            if name in self.contradicted:
                return self.contradicted[name]
        ours = [(one, info) for info in self.infos for one in info.ours]
        names = contradicted((one.name, one.text) for one, _ in ours) if ours else ()
        return next((info.path_of(one) for one, info in reversed(ours) if one.name in names), None)


def numbered(name: str, number: int) -> str:
    """Return a step of a path: the first of a name has no number."""
    return name if number == 1 else f"{name}[{number}]"


class ElementKind(IntEnum):
    """What is to be done with an element."""

    TEXT = 0
    KEY = 1
    VALUE = 2
    PAIR = 3
    LIST = 4
    INFO = 5
    AREA = 6
    RESOURCE = 7
    IN_RESOURCE = 8
    DESCRIPTION = 9
    SHAPE = 10
    HEIGHT = 11
    CODE = 12
    FILE = 13


_KINDS: Final = {
    "valueName": ElementKind.KEY, "value": ElementKind.VALUE, "parameter": ElementKind.PAIR,
    "eventCode": ElementKind.PAIR, "geocode": ElementKind.PAIR, "category": ElementKind.LIST,
    "responseType": ElementKind.LIST, "info": ElementKind.INFO, "area": ElementKind.AREA,
    "resource": ElementKind.RESOURCE, "resourceDesc": ElementKind.IN_RESOURCE, "mimeType": ElementKind.IN_RESOURCE,
    "size": ElementKind.IN_RESOURCE, "uri": ElementKind.IN_RESOURCE, "digest": ElementKind.IN_RESOURCE,
    "derefUri": ElementKind.FILE, "areaDesc": ElementKind.DESCRIPTION, "polygon": ElementKind.SHAPE,
    "circle": ElementKind.SHAPE, "altitude": ElementKind.HEIGHT, "ceiling": ElementKind.HEIGHT,
    "code": ElementKind.CODE,
}  # fmt: skip
Names = Mapping[str, tuple[int, str]]


@cache
def names_of(namespace: str) -> Names:
    """Return kind and local name of every element that this version of CAP knows anywhere, by tag as lxml spells it."""
    names = {"valueName", "value", *_all(structure.SCHEMAS[namespace])}
    return {f"{{{namespace}}}{name}": (int(_KINDS.get(name, ElementKind.TEXT)), name) for name in names}


def _all(sequence: structure.Sequence) -> Iterator[str]:
    for element in sequence.elements:
        yield element.name
        if isinstance(element.content, structure.Sequence):
            yield from _all(element.content)


def resource_name(number: int, name: str) -> str:
    """Return the name of the attribute for what a resource says."""
    return f"{codes.ATTRIBUTE}resource[{number}].{name}"
