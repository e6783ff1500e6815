"""A quick look, by libxml2, whether an alert breaks its schema at all: most do not, and need no table read in Python.

The schema is made from the tables of `structure`, and is nowhere more lenient than they are: what passes here has no
remark there. What does not pass is looked at there, and may have none.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import Final
from xml.sax.saxutils import quoteattr

from lxml import etree

from bondmate_connectors.formats.cap import codes, structure
from bondmate_connectors.formats.cap.structure import Check, Element, Sequence
from bondmate_connectors.formats.xml import namespace_of

_SMALL_BYTES: Final = 200_000
_MOST_ELEMENTS: Final = 5_000
"""Of more, libxml2 would note each of a million faults before it stops."""
_TEXTS: Final = "http://www.w3.org/2001/XMLSchema"
_YEAR: Final = "([1-8][0-9]{3}|9[0-8][0-9]{2}|99[0-8][0-9])"
"""Years at whose ends no offset leads out of what a `datetime` holds."""
_CLOCK: Final = "-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}"
_URI_PART: Final = '([!-"$&-~]|%[0-9a-fA-F]{2})*'
_PATTERNS: Final = {
    structure.STRICT_TIME: ("dateTime", f"{_YEAR}{_CLOCK}[-+][0-9]{{2}}:[0-9]{{2}}"),
    structure.SCHEMA_TIME: ("dateTime", rf"{_YEAR}{_CLOCK}(\.[0-9]+)?(Z|[-+][0-9]{{2}}:[0-9]{{2}})?"),
    structure.LANGUAGE: ("token", "([a-zA-Z]{1,8}(-[a-zA-Z0-9]{1,8})*)?"),
    structure.INTEGER: ("token", "[-+]?[0-9]+"),
    structure.DECIMAL: ("token", r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)"),
    structure.URI: ("token", f"{_URI_PART}(#{_URI_PART})?"),
}
_has_many = etree.XPath(f"count(.//*) > {_MOST_ELEMENTS}")
_local = threading.local()


def has_many_elements(element: etree._Element, size: int) -> bool:
    """Whether more are in it than is wise to ask libxml2 about; `size` is that of its document, in bytes."""
    return size > _SMALL_BYTES and bool(_has_many(element))


def is_sound(alert: etree._Element) -> bool:
    """Whether `alert`, which has not many elements, certainly has no breach; False says nothing."""
    return _schema(namespace_of(alert)).validate(alert)


def _schema(namespace: str) -> etree.XMLSchema:
    # libxml2 notes faults in the schema object: one a thread.
    known: dict[str, etree.XMLSchema] = _local.__dict__
    if namespace not in known:
        known[namespace] = etree.XMLSchema(etree.fromstring(_text(namespace)))
    return known[namespace]


@cache
def _text(namespace: str) -> str:
    content = _content(structure.SCHEMAS[namespace])
    return (
        f'<xs:schema xmlns:xs="{_TEXTS}" targetNamespace="{namespace}" elementFormDefault="qualified">'
        f'<xs:element name="alert">{content}</xs:element></xs:schema>'
    )


def _content(content: Check | Sequence) -> str:
    if not isinstance(content, Sequence):
        return _simple(content)
    signed = f'<xs:any namespace="{codes.XMLDSIG}" processContents="skip" minOccurs="0" maxOccurs="unbounded"/>'
    inside = "".join(map(_element, content.elements)) + (signed if content.signed else "")
    return f"<xs:complexType><xs:sequence>{inside}</xs:sequence></xs:complexType>"


def _element(element: Element) -> str:
    most = "unbounded" if element.most is None else str(element.most)
    occurs = f'minOccurs="{element.least}" maxOccurs="{most}"'
    return f'<xs:element name="{element.name}" {occurs}>{_content(element.content)}</xs:element>'


def _simple(check: Check) -> str:
    if isinstance(check, structure.OneOf):
        facets = "".join(f"<xs:enumeration value={quoteattr(value)}/>" for value in check.values)
        return _restricted("string", facets)
    if check is structure.anything:
        return _restricted("string", "")
    base, pattern = _PATTERNS[check]
    return _restricted(base, f"<xs:pattern value={quoteattr(pattern)}/>")


def _restricted(base: str, facets: str) -> str:
    return f'<xs:simpleType><xs:restriction base="xs:{base}">{facets}</xs:restriction></xs:simpleType>'
