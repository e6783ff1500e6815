"""What a feed's entries lead to, in Atom (RFC 4287) and RSS, whichever of their versions. Pure.

Of an entry the links that say they are CAP are taken; where none does, those that may be: XML by their type, or by the
end of their path where they have none. `xml:base` counts wherever it stands (RFC 4287, 2), as does `content src`
(4.1.3.2). An entry that leads to none of these is counted. The next page is that of RFC 5005, 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lxml import etree
from yarl import URL

from bondmate_connectors.formats.cap.codes import MEDIA_TYPE, NAMESPACES
from bondmate_connectors.formats.xml import local_name, text_of

_FEEDS: Final = frozenset({"feed", "rss", "RDF"})
_RELATIONS: Final = "http://www.iana.org/assignments/relation/"
_BASE: Final = "{http://www.w3.org/XML/1998/namespace}base"
_XML: Final = frozenset({"application/xml", "text/xml"})
_ENDINGS: Final = (".xml", ".cap")
_ALERTS: Final = tuple(f"{{{namespace}}}alert" for namespace in NAMESPACES)
_LEADS_ELSEWHERE: Final = frozenset({"self", "edit", "next", "previous", "first", "last", "via", "related", "replies"})
"""Relations of a link that are not the entry's own content."""


@dataclass(frozen=True, slots=True)
class EntryLink:
    """Where an entry leads; the same entry with another `updated` is another."""

    url: URL
    updated: str


@dataclass(frozen=True, slots=True)
class Entries:
    """What a feed holds beside alerts: links to some in its order, entries that lead to none, and its next page."""

    links: tuple[EntryLink, ...]
    without: int
    next_page: URL | None


@dataclass(frozen=True, slots=True)
class _Target:
    """An address in an entry, and the media type that stands with it."""

    url: URL
    media_type: str


def is_feed(root: etree._Element) -> bool:
    """Whether a document is a feed at all, and not a page that says something else."""
    return local_name(root) in _FEEDS


def entries_of(root: etree._Element, address: URL) -> Entries:
    """Return what the feed `root`, which came from `address`, leads to; a link that is no address is left out."""
    links: list[EntryLink] = []
    without = 0
    for entry in root.iter("{*}entry", "{*}item"):
        if holds_alerts(entry):
            continue
        found = _chosen(list(_targets(entry, address)))
        without += not found
        links += (EntryLink(target.url, _updated(entry)) for target in found)
    return Entries(tuple(dict.fromkeys(links)), without, _next_page(root, address))


def holds_alerts(element: etree._Element) -> bool:
    """Whether an alert stands in it, itself or inside."""
    return next(element.iter(*_ALERTS), None) is not None


def _updated(entry: etree._Element) -> str:
    said = (text_of(entry.find(f"{{*}}{name}")) for name in ("updated", "pubDate", "modified", "date"))
    return next(filter(None, said), "")


def _chosen(targets: list[_Target]) -> list[_Target]:
    said = [target for target in targets if target.media_type == MEDIA_TYPE]
    if said:
        return said
    return [target for target in targets if _may_be_cap(target)][:1]


def _may_be_cap(target: _Target) -> bool:
    if target.media_type:
        return target.media_type in _XML
    return target.url.path.lower().endswith(_ENDINGS)


def _targets(entry: etree._Element, address: URL) -> Iterator[_Target]:
    links = entry.findall("{*}link")
    for link in links:
        if _relation(link) not in _LEADS_ELSEWHERE:
            yield from _target(link, link.get("href"), link.get("type"), address)
    for content in entry.iterfind("{*}content"):
        yield from _target(content, content.get("src"), content.get("type"), address)
    for enclosure in entry.iterfind("{*}enclosure"):
        yield from _target(enclosure, enclosure.get("url"), enclosure.get("type"), address)
    for link in links:
        if link.get("href") is None:
            yield from _target(link, text_of(link), None, address)


def _relation(link: etree._Element) -> str:
    return link.get("rel", "alternate").strip().lower().removeprefix(_RELATIONS)


def _target(element: etree._Element, href: str | None, media_type: str | None, address: URL) -> Iterator[_Target]:
    if href and href.strip():
        url = _joined(_base_of(element, address), href)
        if url is not None:
            yield _Target(url, (media_type or "").partition(";")[0].strip().lower())


def _base_of(element: etree._Element, address: URL) -> URL:
    """Return the address that relative ones in `element` are meant from: each `xml:base` on the way to it."""
    bases = [around.get(_BASE) for around in (element, *element.iterancestors())]
    for base in reversed([base for base in bases if base]):
        address = _joined(address, base) or address
    return address


def _joined(base: URL, href: str) -> URL | None:
    try:
        url = base.join(URL(href.strip()))
        # Only asking for it reads a name of another alphabet (IDNA), which may be none.
        _ = url.host
    except ValueError:
        return None
    return url


def _next_page(root: etree._Element, address: URL) -> URL | None:
    for link in (*root.iterfind("{*}link"), *root.iterfind("{*}channel/{*}link")):
        if "next" in _relation(link).split():
            return next((target.url for target in _target(link, link.get("href"), None, address)), None)
    return None
