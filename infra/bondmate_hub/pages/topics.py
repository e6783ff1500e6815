"""What the pager reads: pages and their marks, and how the connectors and alerts are that pages are of.

Views read in threads of their own. What they see is queued, and worked on in the event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import structlog
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.topic_view import Seen, TopicView
from bondmate_schemas.catalogue import PAGE_MARKS, PAGES, STATE_ALERTS, STATE_CONNECTORS
from bondmate_schemas.codec import Codec, CodecError, SchemaUnavailableError
from bondmate_schemas.models import AlertState, ConnectorStatus, OperationsPage, PageMark

from bondmate_hub.pages.book import PageBook

__all__ = ["AlertsOfPages", "PageTopics"]

_log = structlog.get_logger(__name__)
_MOST_RECENT: Final = 1000


class PageTopics:
    """Fills a book from the topics of pages, and keeps the last status of each connector."""

    def __init__(self, kafka: KafkaConfig, name: str, codec: Codec, book: PageBook) -> None:
        self._codec = codec
        self._book = book
        self._queue: deque[Seen] = deque()
        self._view = TopicView(kafka, name, (PAGES, PAGE_MARKS, STATE_CONNECTORS), self._queue.append)
        self._take: dict[str, Callable[[Seen], None]] = {
            PAGES: self._page, PAGE_MARKS: self._mark, STATE_CONNECTORS: self._status,
        }  # fmt: skip
        self.statuses: dict[str, ConnectorStatus] = {}

    def start(self) -> None:
        """Begin to read."""
        self._view.start()

    async def stop(self) -> None:
        """End."""
        await asyncio.to_thread(self._view.stop)

    def catch_up(self) -> bool:
        """Take what was seen; return whether all there was at the start has been taken."""
        # Asked first: what is seen from now on is no part of that.
        caught_up = self._view.caught_up
        while self._queue:
            seen = self._queue[0]
            try:
                self._take[seen.topic](seen)
            except SchemaUnavailableError:
                return False  # the registry is away: again at the next look
            except CodecError as error:
                _log.warning("record passed over", topic=seen.topic, code=error.code)
            self._queue.popleft()
        return caught_up

    def _page(self, seen: Seen) -> None:
        if seen.value is not None:
            self._book.add(self._codec.decode(seen.value, OperationsPage))

    def _mark(self, seen: Seen) -> None:
        if seen.value is None:
            self._book.forget(seen.key)
        else:
            self._book.note(self._codec.decode(seen.value, PageMark))

    def _status(self, seen: Seen) -> None:
        if seen.value is None:
            self.statuses.pop(seen.key, None)
        else:
            self.statuses[seen.key] = self._codec.decode(seen.value, ConnectorStatus)


class AlertsOfPages:
    """The states of the alerts that open pages are of; no other is decoded."""

    def __init__(self, kafka: KafkaConfig, name: str, codec: Codec) -> None:
        self._codec = codec
        self._wanted: frozenset[str] = frozenset()
        self._queue: deque[Seen] = deque()
        self._recent: dict[str, bytes | None] = {}
        """What came last, undecoded, by alert: the page of one may be read after it."""
        self._view = TopicView(kafka, f"{name}-alerts", (STATE_ALERTS,), self._see)

    def start(self, wanted: Iterable[str]) -> None:
        """Begin to read; `wanted` are the alerts of the pages that are open already."""
        self._wanted = frozenset(wanted)
        self._view.start()

    async def stop(self) -> None:
        """End."""
        await asyncio.to_thread(self._view.stop)

    def changed(self, wanted: Iterable[str]) -> Iterator[AlertState]:
        """Yield the states of alerts that are `wanted` now and that were not yielded yet."""
        self._wanted = frozenset(wanted)
        while self._queue:
            seen = self._queue.popleft()
            self._recent.pop(seen.key, None)
            self._recent[seen.key] = seen.value
        for key in self._wanted & self._recent.keys():
            try:
                yield from self._decoded(self._recent[key])
            except SchemaUnavailableError:
                return  # the registry is away: again at the next look
            del self._recent[key]
        while len(self._recent) > _MOST_RECENT:
            del self._recent[next(iter(self._recent))]

    def _decoded(self, value: bytes | None) -> Iterator[AlertState]:
        try:
            if value is not None:
                yield self._codec.decode(value, AlertState)
        except CodecError as error:
            _log.warning("record passed over", topic=STATE_ALERTS, code=error.code)

    def _see(self, seen: Seen) -> None:
        if seen.key in self._wanted or self._view.caught_up:
            self._queue.append(seen)
