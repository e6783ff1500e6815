"""An Atom or RSS feed over HTTP whose entries hold alerts or link to them, also in several pages."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lxml import etree
from yarl import URL

from bondmate_connectors.contract import Context, Status
from bondmate_connectors.errors import AuthFailed, ConnectorError, Misconfigured, NotConnected, Rejected, Transient
from bondmate_connectors.formats.xml import XML_TOO_LARGE, XmlRefused, local_name, parse_xml
from bondmate_connectors.platforms.cap_pickup.config import FeedConfig
from bondmate_connectors.platforms.cap_pickup.entries import Entries, entries_of, holds_alerts, is_feed
from bondmate_connectors.platforms.cap_pickup.found_document import FoundDocument
from bondmate_connectors.transports.addresses import AddressPolicy, is_loopback_host, is_plain_beyond_loopback
from bondmate_connectors.transports.http_client import ADDRESS_REFUSED, HttpAnswer, HttpClient

_ACCEPT: Final = "application/atom+xml, application/rss+xml, application/cap+xml, application/xml;q=0.9, text/xml;q=0.8"
_NOT_MODIFIED: Final = 304
_TRIES: Final = 5
"""How often a link may be refused while others are not, before it counts as refused for good."""
_FAILURES_IT_TAKES: Final = 2
"""Links refused, and none given, in one look: then it is not the links, but we."""

_NOT_ALLOWED: Final = "a place that is not allowed, see feed.link_hosts"
_MORE_PAGES: Final = "more pages than feed.most_pages are not read"


@dataclass(slots=True)
class _Trouble:
    """How a link has been refused, and how many others had been given when it first was."""

    refusals: int = 0
    given: int = 0
    code: str = ""
    is_of_secret: bool = False
    """Whether it was our secret that was refused: that is never the link's own trouble."""

    def refused(self, error: AuthFailed, given: int) -> None:
        """Note a refusal, the `given`-th link having been given before it."""
        self.given = self.given if self.refusals else given
        self.refusals += 1
        self.code = error.code
        self.is_of_secret = error.is_of_secret(proven=True)


@dataclass(frozen=True, slots=True)
class _Link:
    """A link of an entry: the same entry with another `updated` is another."""

    url: URL
    digest: str


@dataclass(frozen=True, slots=True)
class _Page:
    """A page of the feed: where it leads, and the page itself where alerts stand inside."""

    entries: Entries
    inside: FoundDocument | None

    @classmethod
    def of(cls, root: etree._Element, address: URL, document: FoundDocument) -> _Page:
        """Return the page `root`, which came from `address` as `document`."""
        return cls(entries_of(root, address), document if holds_alerts(root) else None)


class Feed:
    """Asks with `If-None-Match`, follows what is new, and forgets the ETag when something was not taken."""

    def __init__(self, config: FeedConfig, context: Context, *, max_bytes: int) -> None:
        self._config = config
        self._context = context
        self._url = URL(config.url)
        self._max_bytes = max_bytes
        self._etag = ""
        self._troubles: dict[str, _Trouble] = {}
        """The links of the feed that were not given yet, by their digests."""
        self._given = 0
        self._refused_at: URL | None = None
        """What refused our secret last, until it takes it."""
        self._untold: list[AuthFailed] = []
        """Refusals of our secret in a look that gave something, or met another: the next looks tell them, one each."""
        self._spares_links = False
        """Whether a page refused our secret, and then a link did: that page is asked alone until it takes it."""
        self.without_alert = 0
        """Entries of the newest feed that lead to no CAP, or to where it is not asked for."""
        self._hosts = {self._url.host, *config.link_hosts}
        self._client = self._new_client()

    def _new_client(self) -> HttpClient:
        loopback = is_loopback_host(self._url.host)
        return HttpClient(
            AddressPolicy(private_networks=self._config.allow_private_networks, loopback=loopback),
            self._context.clock,
            timeout_seconds=self._config.timeout_seconds,
            max_answer_bytes=self._max_bytes,
            tls=self._config.tls,
        )

    async def open(self) -> None:
        """Make the session and ask for the whole feed next."""
        self._etag = ""
        await self._client.open()

    async def check(self) -> None:
        """Ask for the feed."""
        client = self._new_client()
        await client.open()
        try:
            await self._get(client, self._url, {})
        finally:
            await client.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()

    def is_refused(self) -> bool:
        """Whether what refused our secret last has not taken it since: the rest of the feed may be open to all."""
        return self._refused_at is not None

    def again(self) -> None:
        """Ask for the whole feed next, also when it has not changed."""
        self._etag = ""

    async def look(self, is_known: Callable[[str], bool]) -> list[FoundDocument]:
        """Return the new alerts of the feed, in order: its own where it holds them, else those it links to.

        Raises:
            NotConnected, Transient: not now.
            AuthFailed: they refuse us.
            Misconfigured: a setting of ours cannot work.
        """
        self._tell()
        answer = await self._get(self._client, self._url, {"If-None-Match": self._etag} if self._etag else {})
        if answer.status == _NOT_MODIFIED:
            return []
        self._etag = ""
        found, complete = await self._found(answer, is_known)
        # Only now: a failure on the way leaves the next look a whole feed.
        self._etag = answer.headers.get("ETag", "") if complete else ""
        return found

    def _tell(self) -> None:
        if self._untold:
            raise self._untold.pop(0)

    async def _found(self, answer: HttpAnswer, is_known: Callable[[str], bool]) -> tuple[list[FoundDocument], bool]:
        whole = _document(answer, self._url.path)
        if whole.refused:
            return [whole] * (not is_known(whole.digest)), True
        root = await asyncio.to_thread(_parsed, answer.body)
        if root is None or (holds_alerts(root) and not is_feed(root)) or local_name(root) == "alert":
            return [whole] * (not is_known(whole.digest)), True
        if not is_feed(root):
            # It must not look like a feed without news.
            self._context.report(Status.RECOVERABLE_ERROR, "what is at `feed.url` is no feed")
            return [], False
        pages, unread = await self._pages(_Page.of(root, self._url, whole))
        allowed = self._links([page.entries for page in pages])
        self._tell_of(pages, len(allowed), unread)
        self._spares_links = self._spares_links and bool(self._untold)
        if self._spares_links:
            self._tell()
        links = [link for link in allowed if not is_known(link.digest)]
        self._troubles = {link.digest: self._troubles.get(link.digest, _Trouble()) for link in links}
        # What was refused before comes last, and so holds nothing back.
        links.sort(key=lambda link: self._troubles[link.digest].refusals)
        inside = [page.inside for page in pages if page.inside is not None and not is_known(page.inside.digest)]
        found = await self._follow_all(links[: self._config.most_entries], inside)
        return found, not unread and len(found) == len(links) + len(inside)

    async def _pages(self, first: _Page) -> tuple[list[_Page], str]:
        """Return the feed and the pages after it, and why those are not all; empty where they are."""
        pages = [first]
        seen = {self._url}
        while (address := pages[-1].entries.next_page) is not None and address not in seen:
            if len(pages) >= self._config.most_pages:
                return pages, _MORE_PAGES
            if not self._may_ask(address):
                return pages, f"a further page is at {_NOT_ALLOWED}"
            seen.add(address)
            try:
                answer = await self._get(self._client, address, {})
            except (AuthFailed, NotConnected, Transient) as error:
                if isinstance(error, AuthFailed) and error.is_of_secret(proven=True):
                    self._untold.append(error)
                # The pages before it are had, and it is asked for again at the next look.
                return pages, f"a further page cannot be had: {_code_of(error)}"
            root = await asyncio.to_thread(_parsed, answer.body) if answer.whole else None
            if root is None or not is_feed(root):
                return pages, "a further page is no feed"
            pages.append(_Page.of(root, address, _document(answer, address.path)))
        return pages, ""

    def _tell_of(self, pages: Sequence[_Page], allowed: int, unread: str) -> None:
        """Log what leads nowhere: a feed of which nothing is understood must not look like one without news."""
        without = sum(page.entries.without for page in pages)
        refused = len({link for page in pages for link in page.entries.links}) - allowed
        self.without_alert = without + refused
        gives_some = allowed or any(page.inside for page in pages)
        nowhere = " lead to no CAP" if gives_some or refused else ", none leads to CAP"
        said = (
            f"{without} entries{nowhere}" * bool(without),
            f"{refused} links to {_NOT_ALLOWED}" * bool(refused),
            unread,
        )
        told = list(filter(None, said))
        is_well = unread in {"", _MORE_PAGES} and (gives_some or not told)
        self._context.report(Status.OK if is_well else Status.RECOVERABLE_ERROR, "; ".join(told))

    async def _follow_all(self, links: Sequence[_Link], inside: Sequence[FoundDocument]) -> list[FoundDocument]:
        """Return what stands `inside` of the feed and what the links lead to.

        Those that fail now are left out: they do not hold back the others.

        Raises:
            AuthFailed, NotConnected, Transient: nothing was given, and this is why.
        """
        found: list[FoundDocument] = [*inside]
        failures: list[AuthFailed | NotConnected | Transient] = []
        for link in links:
            try:
                found.append(await self._follow(link))
                self._given += 1
            except (NotConnected, Transient) as error:
                failures.append(error)
            except AuthFailed as error:
                failures.append(error)
                self._troubles[link.digest].refused(error, self._given)
                if error.is_of_secret(proven=True):
                    # Each other link would be one more offer of it.
                    self._spares_links = bool(self._untold)
                    self._untold.append(error)
                    break
                if not found and len(failures) >= self._failures_it_takes(error) and not self._alone():
                    break
        alone = self._alone()
        found.extend(
            FoundDocument(link.digest, link.url.path, b"", self._troubles[link.digest].code)
            for link in links
            if self._troubles[link.digest] in alone and self._troubles[link.digest].refusals >= _TRIES
        )
        if not found:
            self._tell()
        if failures and not found and not alone:
            raise failures[0]
        return found

    def _failures_it_takes(self, error: AuthFailed) -> int:
        """Return after how many refusals no other link is asked; one where the account may be locked by them."""
        of_account = self._config.login is not None and error.is_of_secret(proven=False)
        return 1 if of_account else _FAILURES_IT_TAKES

    def _alone(self) -> list[_Trouble]:
        """Return the links that are refused while others are given: it is not we who are refused."""
        return [
            trouble
            for trouble in self._troubles.values()
            if trouble.refusals and self._given > trouble.given and not trouble.is_of_secret
        ]

    async def _follow(self, link: _Link) -> FoundDocument:
        """Return what a link leads to; what will never come is refused and ends there.

        Raises:
            AuthFailed, NotConnected, Transient: not now.
        """
        try:
            answer = await self._get(self._client, link.url, {})
        except Misconfigured:
            return FoundDocument(link.digest, link.url.path, b"", ADDRESS_REFUSED)
        return _document(answer, link.url.path, link.digest)

    async def _get(self, client: HttpClient, url: URL, headers: Mapping[str, str]) -> HttpAnswer:
        offered = self._headers(url)
        try:
            answer = await client.request("GET", url, headers={**offered, **headers})
        except AuthFailed as refused:
            if "Authorization" not in offered:
                raise AuthFailed(refused.code, refused.hint, secret=False) from refused
            if refused.is_of_secret(proven=False):
                self._refused_at = url
            raise
        except Rejected as refused:
            # We said nothing that could be wrong for ever: it is not had now, and is asked for again.
            raise AuthFailed(refused.code, "see feed.url", secret=False) from None
        if url == self._refused_at:
            self._refused_at = None
        return answer

    def _headers(self, url: URL) -> dict[str, str]:
        headers = {"Accept": _ACCEPT}
        if url.origin() != self._url.origin():
            return headers
        if self._config.token is not None:
            headers["Authorization"] = f"Bearer {self._config.token.get_secret_value()}"
        elif self._config.login is not None:
            headers["Authorization"] = self._config.login.basic()
        return headers

    def _links(self, pages: Sequence[Entries]) -> list[_Link]:
        """Return the links to CAP of all pages, in the order of the feed, each once, where they are allowed."""
        links = dict.fromkeys(link for page in pages for link in page.links)
        return [
            _Link(link.url, hashlib.sha256(f"{link.url}|{link.updated}".encode()).hexdigest())
            for link in links
            if self._may_ask(link.url)
        ]

    def _may_ask(self, url: URL) -> bool:
        """Whether an address in the feed is one that is asked: of the feed's host, or one that the settings name."""
        sound = url.scheme in {"http", "https"} and url.host in self._hosts and not url.user
        if not sound or is_plain_beyond_loopback(url):
            self._context.log.warning("feed links to a place that is not allowed", setting="feed.link_hosts")
            return False
        return True


def _code_of(error: ConnectorError) -> str:
    return error.code if isinstance(error, AuthFailed) else type(error).__name__


def _document(answer: HttpAnswer, name: str, digest: str = "") -> FoundDocument:
    digest = digest or hashlib.sha256(answer.body).hexdigest()
    return FoundDocument(digest, name, answer.body, "" if answer.whole else XML_TOO_LARGE, len(answer.body))


def _parsed(body: bytes) -> etree._Element | None:
    """Return the feed, or None when it is no XML we take: the reader will report why."""
    try:
        return parse_xml(body)
    except XmlRefused:
        return None
