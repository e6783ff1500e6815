"""Pages as a person asks for them: what is open, and that somebody takes one; audited before it holds."""

from __future__ import annotations

from bondmate_kafka.producer import BlockingWriter, not_written
from bondmate_kafka.records import Envelopes, utc_now
from bondmate_kafka.registry import RegistrySchemaIds
from bondmate_kafka.topic_reader import kept
from bondmate_schemas.catalogue import PAGE_MARKS, PAGES
from bondmate_schemas.codec import Codec, CodecError
from bondmate_schemas.enums import AuditAction
from bondmate_schemas.models import OperationsPage, PageMark
from bondmate_streams.logic.audit import AuditEntry

from bondmate_hub.admin.trail import Trail
from bondmate_hub.operations.marks import alone
from bondmate_hub.pages.book import Mark, PageBook, taken
from bondmate_hub.settings import Settings

__all__ = ["PageNotOpenError", "known_pages", "take_page", "trail_entry"]

_SHORTEST_ID = 6
_ANSWER_SECONDS = 15.0


class PageNotOpenError(LookupError):
    """There is no such page to take; the message says why."""


def known_pages(settings: Settings) -> PageBook:
    """Return all pages that stand on their topic, and what became of them.

    Raises:
        BrokerError: the broker does not answer, or has no such topic: its message says what to do.
        SchemaUnavailableError: the registry does not answer.
    """
    kafka, book = settings.kafka.config(), PageBook()
    codec = Codec(RegistrySchemaIds.of(kafka))
    for message in kept(kafka, PAGES):
        try:
            book.add(codec.decode(message.value() or b"", OperationsPage))
        except CodecError:
            continue  # of another version of the hub
    for message in kept(kafka, PAGE_MARKS):
        try:
            if (value := message.value()) is None:
                book.forget((message.key() or b"").decode(errors="replace"))
            else:
                book.note(codec.decode(value, PageMark))
        except CodecError:
            continue
    return book


def take_page(settings: Settings, page_id: str, operator: str, reason: str) -> PageMark:
    """Take a page by its id, or by the beginning of it that no other open page has.

    Raises:
        PageNotOpenError: there is none, several, or somebody has it.
        TrailError: it cannot be written into the audit trail, so nobody has taken it.
        BrokerError, SchemaUnavailableError: as `known_pages`.
    """
    with alone(settings):
        page = _named(known_pages(settings), page_id)
        mark = taken(page.page_id, utc_now(), operator, reason)
        kafka = settings.kafka.config()
        Trail(kafka, f"hub-pages-{settings.instance}").record(trail_entry(mark))
        packed = Envelopes(Codec(RegistrySchemaIds.of(kafka))).pack(PAGE_MARKS, mark.mark_id, mark)
        if code := BlockingWriter(kafka, "hub-pages", _ANSWER_SECONDS).write([packed])[0]:
            raise not_written(PAGE_MARKS, code)
        return mark


def trail_entry(mark: PageMark) -> AuditEntry:
    """Return what the audit trail has of a page that is taken."""
    how = ("page.taken", f"link/{mark.step}") if mark.step else ("page.taken",)
    return AuditEntry(AuditAction.OTHER, mark.operator, f"page/{mark.page_id}", fields=how, purpose=mark.justification)


def _named(book: PageBook, page_id: str) -> OperationsPage:
    page = book.pages.get(page_id)
    if page is not None and (end := book.end_of(page_id)) is not None:
        by = f" by {end.operator}" if end.mark == Mark.TAKEN else ""
        raise PageNotOpenError(f"{page_id}: {end.mark}{by} at {end.at:%Y-%m-%d %H:%M:%S} UTC")
    if page is not None:
        return page
    found = [each for each in book.open_pages() if each.page_id.startswith(page_id)]
    if len(found) != 1 or len(page_id) < _SHORTEST_ID:
        raise PageNotOpenError(f"{page_id}: no one open page has this id; `hub pages list` shows them")
    return found[0]
