"""What an event still knows in the words of the CAP message it was read from, for when it is written as CAP again.

An attribute whose name begins with `cap.` stands for an element (`texts.Attribute`). It goes into the new message where
its value keeps the schema and the hub does not say the same itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from bondmate_schemas.labels import Labels
from bondmate_schemas.models import Code, IncidentEvent

from bondmate_connectors.formats.cap import codes
from bondmate_connectors.formats.cap.document import is_url, pair

_LISTED: Final = {"category": codes.CATEGORIES, "responseType": codes.RESPONSE_TYPES}
_TEXTS: Final = frozenset({"audience", "senderName", "contact"})
_PAIRS: Final = frozenset({"parameter", "eventCode"})
_RESOURCE: Final = re.compile(r"resource\[(\d{1,9})\]\.(resourceDesc|mimeType|size|uri|digest)", re.ASCII)
_SIZE: Final = re.compile(r"\d{1,18}", re.ASCII)
Body = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Given:
    """The attributes of one event, sorted by where they go."""

    texts: dict[str, str] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)
    pairs: dict[str, list[Body]] = field(default_factory=dict)
    files: dict[int, dict[str, str]] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    """Paths of what goes nowhere."""

    def of_list(self, name: str) -> list[str] | None:
        """Return the values of an element that may be repeated, None where there are none."""
        return self.lists.get(name)

    def resources(self, labels: Labels) -> Iterator[Body]:
        """Return the children of each resource, in their order."""
        for _, said in sorted(self.files.items()):
            yield {"resourceDesc": labels("Attachment"), "mimeType": "application/octet-stream", **said}


def given_of(incident: IncidentEvent) -> Given:
    """Sort the attributes of `incident`."""
    given = Given()
    for attribute in incident.attributes:
        if not _take(given, attribute):
            given.lost.append(_path(attribute))
    return given


def _take(given: Given, attribute: Code) -> bool:
    name, text = attribute.system.removeprefix(codes.ATTRIBUTE), attribute.value
    element, _, key = name.partition(":")
    if not attribute.system.startswith(codes.ATTRIBUTE) or not text:
        return False
    if element in _PAIRS and key and not key.startswith(codes.PARAMETER):
        given.pairs.setdefault(element, []).append(pair(key, text))
        return True
    if text in _LISTED.get(name, ()):
        given.lists.setdefault(name, []).append(text)
        return True
    if name in _TEXTS or (name == "web" and is_url(text)):
        return given.texts.setdefault(name, text) == text
    return _take_resource(given, name, text)


def _take_resource(given: Given, name: str, text: str) -> bool:
    match = _RESOURCE.fullmatch(name)
    if match is None or (match[2] == "size" and not _SIZE.fullmatch(text)) or (match[2] == "uri" and not is_url(text)):
        return False
    return given.files.setdefault(int(match[1]), {}).setdefault(match[2], text) == text


def _path(attribute: Code) -> str:
    """Return the path of what is lost: named where the name is one of CAP's, and not its sender's."""
    name = attribute.system.removeprefix(codes.ATTRIBUTE)
    known = attribute.system.startswith(codes.ATTRIBUTE) and re.fullmatch(r"[A-Za-z.\[\]0-9]{1,40}", name)
    return f"attributes[{attribute.system}]" if known else "attributes"
