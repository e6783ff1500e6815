"""The role `pager`: sends each page to one step after the other, again and again, until somebody takes it.

What was sent is remembered on a topic, written after it was sent: a pager that dies in between sends once more.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import structlog
from bondmate_connectors.errors import Misconfigured, NotConnected
from bondmate_kafka.client import KafkaException
from bondmate_kafka.config import QUIET
from bondmate_kafka.errors import NO_ANSWER, BrokerError
from bondmate_kafka.producer import NotWritten, Outbox
from bondmate_kafka.records import Envelopes, utc_now
from bondmate_kafka.registry import RegistrySchemaIds
from bondmate_kafka.topic_reader import names
from bondmate_monitoring import announce
from bondmate_monitoring.health import RoleHealth
from bondmate_monitoring.metrics import OLDEST_OPEN_PAGE_SECONDS, OPEN_PAGES
from bondmate_schemas.catalogue import PAGE_MARKS, PAGES, STATE_ALERTS, STATE_CONNECTORS
from bondmate_schemas.codec import Codec, SchemaUnavailableError
from bondmate_schemas.enums import Mode
from bondmate_schemas.models import OperationsPage, PageMark
from bondmate_streams.logic.pages import OF_CONNECTORS, is_over_at_alert, is_over_at_connector
from yarl import URL

from bondmate_hub.admin.trail import Trail, TrailError
from bondmate_hub.pages.book import Due, Happened, PageBook, PagingStep, began, over, sent_marks, taken
from bondmate_hub.pages.channels import channel_of
from bondmate_hub.pages.link_server import LinkServer, NotTakenError
from bondmate_hub.pages.links import Taker, link_token
from bondmate_hub.pages.notices import Notice
from bondmate_hub.pages.steps import LOOK_SECONDS, StepRunner
from bondmate_hub.pages.taking import trail_entry
from bondmate_hub.pages.topics import AlertsOfPages, PageTopics

if TYPE_CHECKING:
    from bondmate_hub.settings import Settings

__all__ = ["Pager"]

_log = structlog.get_logger(__name__)
_READ: Final = (PAGES, PAGE_MARKS, STATE_CONNECTORS, STATE_ALERTS)
_BY_LINK: Final = "by link"
_LINKS, _TOPICS = "links", "topics"
_AGAIN_SECONDS: Final = 2.0
_WRITE_SECONDS: Final = 0.1
_FAREWELL_SECONDS: Final = 2.0
_ANSWER_MS: Final = 10_000


class Pager:
    """One pager, for as long as its settings are the same."""

    def __init__(self, settings: Settings, health: RoleHealth) -> None:
        self._settings = settings
        self._health = health
        self._config = settings.pages
        self._kafka = settings.kafka.config()
        self._codec = Codec(RegistrySchemaIds.of(self._kafka))
        self._envelopes = Envelopes(self._codec)
        name = f"bondmate-pager-{settings.instance}"
        self._book = PageBook()
        self._topics = PageTopics(self._kafka, name, self._codec, self._book)
        self._alerts = AlertsOfPages(self._kafka, name, self._codec)
        self._trail = Trail(self._kafka, f"pager-{settings.instance}")
        self._outbox = Outbox({**self._kafka.producer(name), **QUIET, "message.timeout.ms": _ANSWER_MS})
        self._unwritten: dict[str, PageMark] = {}
        """Marks that are not on the topic yet, by id; the newest of an id is enough."""
        self._knows = False
        self._one_take = asyncio.Lock()

    async def run(self) -> None:
        """Page, until cancelled."""
        announce.pager(self._config.steps, [mode.value for mode in Mode])
        async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            if self._config.link:
                # Listened on from the beginning: a link is answered with "later" until the book is known.
                group.create_task(self._serve_links(LinkServer(self._config.link, self)))
            await self._until_topics_are_there()
            await stack.enter_async_context(self._outbox)
            await stack.enter_async_context(self._reading())
            self._health.started()
            group.create_task(self._write())
            group.create_task(self._watch([self._runner(step) for step in self._config.steps], group))

    # What the links ask.

    def look(self, page_id: str) -> tuple[OperationsPage | None, PageMark | None]:
        """Return a page and what ended it; see `Takes.look`."""
        if not self._knows:
            raise NotTakenError
        return self._book.pages.get(page_id), self._book.end_of(page_id)

    async def take(self, taker: Taker, name: str) -> bool:
        """Write down that a page was taken by the link of a step; see `Takes.take`."""
        async with self._one_take:
            if self._book.end_of(taker.page_id) is not None:
                return False
            mark = taken(taker.page_id, utc_now(), name or f"link/{taker.step}", _BY_LINK, taker.step)
            try:
                # In the trail before it holds.
                await asyncio.to_thread(self._trail.record, trail_entry(mark))
                await self._outbox.send(self._envelopes.pack(PAGE_MARKS, mark.mark_id, mark))
            except (TrailError, NotWritten, SchemaUnavailableError) as error:
                _log.warning("page not taken", page_id=taker.page_id, error=type(error).__name__)
                raise NotTakenError from error
            self._book.note(mark)
            return True

    async def _serve_links(self, server: LinkServer) -> None:
        while True:
            try:
                async with server.serving():
                    self._health.report(_LINKS, ok=True)
                    await asyncio.Event().wait()
            except (OSError, Misconfigured, NotConnected) as error:
                why = f"pages.link: cannot be served ({type(error).__name__}): see host, port, certificate_file"
                self._health.report(_LINKS, ok=False, reason=why)
                _log.error("links of pages are not served", error=type(error).__name__, setting="pages.link")
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _until_topics_are_there(self) -> None:
        """Wait for broker, registry and topics; each is said once."""
        said = ""
        while True:
            try:
                await asyncio.to_thread(self._learn)
            except (BrokerError, KafkaException, SchemaUnavailableError) as error:
                why = str(error) if isinstance(error, BrokerError | SchemaUnavailableError) else NO_ANSWER
                if why != said:
                    _log.warning("pager waits", why=why)
                said = why
                self._health.report(_TOPICS, ok=False, reason=why)
            else:
                self._health.report(_TOPICS, ok=True)
                return
            await asyncio.sleep(_AGAIN_SECONDS)

    def _learn(self) -> None:
        there = names(self._kafka.client())
        if missing := [topic for topic in _READ if topic not in there]:
            raise BrokerError(f"topics {', '.join(missing)} are not there: run `hub topics apply`")
        self._codec.learn(PageMark.__name__)

    @contextlib.asynccontextmanager
    async def _reading(self) -> AsyncIterator[None]:
        self._topics.start()
        try:
            yield
        finally:
            await self._topics.stop()
            await self._alerts.stop()

    async def _watch(self, runners: Sequence[StepRunner], group: asyncio.TaskGroup) -> None:
        """Take what comes, end pages whose cause is over, measure; the steps begin once the book is known."""
        while True:
            if self._topics.catch_up() and not self._knows:
                self._begin()
                for runner in runners:
                    group.create_task(runner.run())
            if self._knows:
                self._end_what_is_over()
                self._measure()
                for runner in runners:
                    self._health.report(f"step {runner.step.name}", ok=not runner.trouble, reason=runner.trouble)
            await asyncio.sleep(LOOK_SECONDS)

    def _begin(self) -> None:
        if self._config.steps and not self._book.marks:
            self._note(began(utc_now()))
        self._alerts.start(self._subjects())
        self._knows = True

    def _subjects(self) -> list[str]:
        return [page.subject for page in self._book.open_pages()]

    def _end_what_is_over(self) -> None:
        now, open_pages = utc_now(), list(self._book.open_pages())
        states = {state.header.event_id: state for state in self._alerts.changed(page.subject for page in open_pages)}
        for page in open_pages:
            status = self._topics.statuses.get(page.subject) if page.reason in OF_CONNECTORS else None
            state = states.get(page.subject)
            if (status and is_over_at_connector(page, status, now)) or (state and is_over_at_alert(page, state)):
                self._note(over(page, now))
                _log.info("page is over", page_id=page.page_id, reason=page.reason)

    def _measure(self) -> None:
        open_pages = list(self._book.open_pages())
        by_mode = Counter(page.mode.value for page in open_pages)
        for mode in Mode:
            OPEN_PAGES.labels(mode.value).set(by_mode[mode.value])
        age = (utc_now() - open_pages[0].raised_at).total_seconds() if open_pages else 0.0
        OLDEST_OPEN_PAGE_SECONDS.set(max(0.0, age))

    def _runner(self, name: str) -> StepRunner:
        section = self._config.steps[name]
        step = PagingStep(name, section.after_seconds, self._config.repeat_of(name), self._config.level_of(name))
        return StepRunner(step, channel_of(section, utc_now), self._book, utc_now, self._notice, self._sent)

    def _notice(self, step: PagingStep, due: Due) -> Notice:
        now = utc_now()
        link = self._link(due.page.page_id, step.name, now) if due.happened is Happened.RAISED else ""
        return Notice(due.page, due.happened, due.number, step.level, now, self._settings.instance, link)

    def _link(self, page_id: str, step: str, now: datetime) -> str:
        config = self._config.link
        if config is None:
            return ""
        key = config.secret.get_secret_value().encode()
        token = link_token(key, page_id, step, now + timedelta(minutes=config.valid_minutes))
        return str(URL(config.url) / token)

    def _sent(self, step: PagingStep, due: Sequence[Due]) -> None:
        for mark in sent_marks(due, step.name, utc_now()):
            self._note(mark)
        for each in due:
            page = each.page
            _log.info("page sent", page_id=page.page_id, reason=page.reason, happened=each.happened.value,
                      step=step.name, number=each.number)  # fmt: skip

    def _note(self, mark: PageMark) -> None:
        self._book.note(mark)
        self._unwritten[mark.mark_id] = mark

    async def _write(self) -> None:
        """Write marks; what a broker that is away does not take is tried again, and nothing waits for it."""
        try:
            while True:
                await self._write_all()
                await asyncio.sleep(_WRITE_SECONDS)
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FAREWELL_SECONDS):
                    await self._write_all()

    async def _write_all(self) -> None:
        for mark_id, mark in list(self._unwritten.items()):
            await self._outbox.persist(self._envelopes.pack(PAGE_MARKS, mark_id, mark))
            if self._unwritten.get(mark_id) is mark:
                del self._unwritten[mark_id]
