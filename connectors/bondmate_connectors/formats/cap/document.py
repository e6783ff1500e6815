"""An `alert` element that is built in the order of the schema, and cannot be built in another."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from bondmate_schemas.models import Attachment
from lxml import etree

from bondmate_connectors.formats.cap import codes, structure
from bondmate_connectors.formats.xml import legal_text

Value = str | Iterable[object] | Mapping[str, object] | None
"""A text, several values of one element, the children of one, or nothing."""

_URL: Final = re.compile(
    r"[a-z][a-z0-9+.-]*://[A-Za-z0-9._~-]+(:\d{1,5})?"
    r"(/([A-Za-z0-9._~!$'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*)?"
    r"([?]([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?",
    re.ASCII,
)


def serialised(values: Mapping[str, object]) -> bytes:
    """Give the UTF-8 document of an alert; `values` are its children by name, in any order.

    A value that is None is left out, a list repeats the element, a mapping holds its children.
    """
    # Its own nsmap: ElementTree's table of prefixes is one for the whole process.
    root = etree.Element(f"{{{codes.CAP_12}}}alert", nsmap={None: codes.CAP_12})  # type: ignore[dict-item]
    _fill(root, structure.SCHEMAS[codes.CAP_12], values)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def pair(name: str, value: str) -> Mapping[str, object]:
    """Give the children of a parameter, eventCode or geocode."""
    return {"valueName": name, "value": value}


def resource(attachment: Attachment) -> Mapping[str, object]:
    """Give the children of a resource; the place is left out when it is no plain URL."""
    return {
        "resourceDesc": attachment.description or "Attachment",
        "mimeType": attachment.media_type or "application/octet-stream",
        "size": str(attachment.size_bytes),
        "uri": attachment.url if is_url(attachment.url) else None,
    }


def is_url(text: str) -> bool:
    """Whether `text` can stand where the schema wants a URI."""
    return _URL.fullmatch(text) is not None


def _fill(parent: etree._Element, sequence: structure.Sequence, values: Mapping[str, object]) -> None:
    for element in sequence.elements:
        value = values.get(element.name)
        for one in value if isinstance(value, (list, tuple)) else (value,):
            if one is None:
                continue
            child = etree.SubElement(parent, f"{{{codes.CAP_12}}}{element.name}")
            if isinstance(element.content, structure.Sequence) and isinstance(one, Mapping):
                _fill(child, element.content, one)
            else:
                child.text = legal_text(str(one))
