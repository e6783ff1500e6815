"""An `alert` element that is built in the order of the schema, and cannot be built in another."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from bondmate_schemas.labels import ENGLISH, Labels
from bondmate_schemas.models import Attachment

from bondmate_connectors.formats.cap import codes, structure
from bondmate_connectors.formats.xml import written

Value = str | Iterable[object] | Mapping[str, object] | None
"""A text, several values of one element, the children of one, or nothing."""

_DECLARATION: Final = "<?xml version='1.0' encoding='UTF-8'?>\n"
_URL: Final = re.compile(
    r"[a-z][a-z0-9+.-]*://[A-Za-z0-9._~-]+(:\d{1,5})?"
    r"(/([A-Za-z0-9._~!$'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*)?"
    r"([?]([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?",
    re.ASCII,
)


def serialised(values: Mapping[str, object]) -> bytes:
    """Return the UTF-8 document of an alert; `values` are its children by name, in any order.

    A value that is None is left out, a list repeats the element, a mapping holds its children.
    """
    children = _children(structure.SCHEMAS[codes.CAP_12], values)
    return f'{_DECLARATION}<alert xmlns="{codes.CAP_12}">{children}</alert>'.encode()


def pair(name: str, value: str) -> Mapping[str, object]:
    """Return the children of a parameter, eventCode or geocode."""
    return {"valueName": name, "value": value}


def resource(attachment: Attachment, labels: Labels = ENGLISH) -> Mapping[str, object]:
    """Return the children of a resource; the place is left out when it is no plain URL."""
    return {
        "resourceDesc": attachment.description or labels("Attachment"),
        "mimeType": attachment.media_type or "application/octet-stream",
        "size": str(attachment.size_bytes),
        "uri": attachment.url if is_url(attachment.url) else None,
    }


def is_url(text: str) -> bool:
    """Whether `text` can stand where the schema wants a URI."""
    return _URL.fullmatch(text) is not None


def _children(sequence: structure.Sequence, values: Mapping[str, object]) -> str:
    return "".join(
        [
            f"<{element.name}>{_content(element, one)}</{element.name}>"
            for element in sequence.elements
            if (value := values.get(element.name)) is not None
            for one in (value if isinstance(value, (list, tuple)) else (value,))
            if one is not None
        ]
    )


def _content(element: structure.Element, value: object) -> str:
    if isinstance(element.content, structure.Sequence) and isinstance(value, Mapping):
        return _children(element.content, value)
    return written(str(value))
