"""HTTP out: bounded, without redirects, to checked addresses only, and with every failure named by what to do about it.

| what happens | what is raised |
|---|---|
| 2xx, 304 | nothing |
| 401, 402, 403, 407, 451, 511: who we are, or what we may | `AuthFailed("http_<status>")` |
| 3xx, 404, 405, 410, 421: where we ask | `AuthFailed("http_<status>")` |
| 406, 415, 426: what we speak | `AuthFailed("http_<status>")` |
| 2xx with a page for people: a login, a portal, somebody's notice | `AuthFailed("page_for_people")` |
| 408, 409, 425, other 5xx | `Transient`, with `Retry-After` when given |
| 429, and 503 with `Retry-After` | `Throttled`, with `Retry-After` when given |
| 400, 413, 422: this very body | `Rejected("http_<status>")` |
| any other | `AuthFailed("http_<status>")`: it says nothing of the event |
| refused, timed out, no such name | `Transient` |
| the connection was cut after we had written to it | `NotConnected` |
| their certificate is not accepted, or they do not accept ours | `AuthFailed("tls_…")` |
| their name resolves to an address that our policy does not allow now | `AuthFailed("address_refused")` |
| an address in the settings that our policy never allows | `Misconfigured` |
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from bondmate_connectors.errors import (
    AuthFailed,
    ConnectorError,
    Misconfigured,
    NotConnected,
    Rejected,
    Throttled,
    Transient,
)
from bondmate_connectors.transports.addresses import (
    AddressPolicy,
    AddressRefused,
    LiteralRefused,
    check_literal,
)
from bondmate_connectors.transports.checked_resolver import CheckedResolver
from bondmate_connectors.transports.tls import TlsConfig
from bondmate_connectors.transports.tls_errors import tls_refusal

USER_AGENT: Final = "bondmate-hub"
ADDRESS_REFUSED: Final = "address_refused"
"""Code of a name, or of a link, that leads to an address our policy does not allow."""
_LONGEST_WAIT_SECONDS: Final = 3600.0
_OK: Final = range(200, 300)
_NOT_MODIFIED: Final = 304
_REDIRECTS: Final = range(300, 400)
_REFUSALS: Final[Mapping[int, str]] = {
    **dict.fromkeys((401, 402, 403, 407, 451, 511), "they refuse who we are, or what we may: see secrets, tls"),
    **dict.fromkeys((*_REDIRECTS, 404, 405, 410, 421), "not where the service is: see url"),
    **dict.fromkeys((406, 415, 426), "they do not take what we speak"),
}
"""Statuses that say nothing of the event: any other would be refused as well (RFC 9110, section 15; RFC 6585, 7725)."""
_OF_SECRET: Final[Mapping[int, bool | None]] = {401: True, 407: True, 403: None}
"""Whether it is a secret that they refuse; 403 says so of one they know as well, of what it may do."""
_THROTTLED: Final = 429
_UNAVAILABLE: Final = 503
_LATER: Final = frozenset({408, 409, 425})
_FAILING: Final = range(500, 600)
_OF_BODY: Final = frozenset({400, 413, 422})
"""Statuses that say something of the event alone; any other may be given to all of them."""
PAGE_FOR_PEOPLE: Final = "page_for_people"
"""Code of a success whose body is a page: whoever answered so is not the service."""
_PAGE: Final = re.compile(
    # A comment once passed is never looked into again: many of them would else be tried in every combination.
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?><!--.*?-->\s*)*+"
    rb"<(?:!doctype\s+html|html|head|body|form|script|meta|title)\b",
    re.IGNORECASE | re.DOTALL,
)

_ERRORS: Final[tuple[tuple[type[BaseException], Callable[[], ConnectorError]], ...]] = (
    # The first that fits; subclasses before their bases.
    (LiteralRefused, lambda: Misconfigured("url: an address that is not allowed")),
    (AddressRefused, lambda: AuthFailed(ADDRESS_REFUSED, "see url, allow_private_networks", secret=False)),
    (aiohttp.InvalidURL, lambda: Misconfigured("url: not a URL")),
    # A label that is empty, too long or no IDNA (RFC 5890): no name server would ever be asked.
    (UnicodeError, lambda: Misconfigured("url: not a host name")),
    (TimeoutError, lambda: Transient("timeout")),
    # What cuts the connection may be what we wrote to it; who could not connect has written nothing.
    (aiohttp.ClientConnectorError, lambda: Transient("unreachable")),
    (aiohttp.ServerDisconnectedError, lambda: NotConnected("cut")),
    (aiohttp.ClientOSError, lambda: NotConnected("cut")),
    (aiohttp.ClientPayloadError, lambda: NotConnected("cut")),
    (aiohttp.ClientConnectionError, lambda: Transient("unreachable")),
    (aiohttp.ClientError, lambda: Transient("http_error")),
    (OSError, lambda: Transient("unreachable")),
)


@contextmanager
def client_errors() -> Iterator[None]:
    """Turn what the HTTP client raises into what the runner acts upon."""
    try:
        yield
    except tuple(kind for kind, _ in _ERRORS) as error:
        causes = tuple(_causes(error))
        refusals = (refusal for cause in causes if (refusal := tls_refusal(cause)) is not None)
        raise next(refusals, None) or _named(causes) from error


def _named(causes: Sequence[BaseException]) -> ConnectorError:
    return next(make() for kind, make in _ERRORS if any(isinstance(cause, kind) for cause in causes))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what the client made it of: it wraps what the resolver and the TLS layer raise."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


_BAD_REQUEST: Final = 400
_CERTIFICATE_SIGNS: Final = (b"SSL certificate", b"plain HTTP request was sent to HTTPS port")
"""What nginx writes into the 400 by which it refuses our certificate, or the lack of one."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What the platform answered; the body is cut at the client's bound, and `whole` says whether it was."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes = field(repr=False)
    whole: bool = True

    def retry_after(self, now: datetime) -> float | None:
        """Return the wait in seconds that `Retry-After` asks for, both forms (RFC 9110, 10.2.3); None without one."""
        text = self.headers.get("Retry-After", "").strip()
        if text.isascii() and text.isdigit():
            return min(float(text[:9]), _LONGEST_WAIT_SECONDS)
        try:
            at = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        # Without a zone ("-0000") the date is in UTC.
        seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)) - now
        return min(max(seconds.total_seconds(), 0.0), _LONGEST_WAIT_SECONDS)

    def raise_for_status(self, now: datetime) -> None:
        """Raise what the status asks the runner to do; nothing for success."""
        if self.status in _OK or self.status == _NOT_MODIFIED:
            return
        if self.status in _REFUSALS:
            hint, secret = _REFUSALS[self.status], _OF_SECRET.get(self.status, False)
            raise AuthFailed(f"http_{self.status}", hint, secret=secret)
        if self.status == _BAD_REQUEST and any(sign in self.body for sign in _CERTIFICATE_SIGNS):
            raise AuthFailed("tls_own_certificate", "tls", secret=False)
        asked = self.retry_after(now)
        if self.status == _THROTTLED or (self.status == _UNAVAILABLE and asked is not None):
            raise Throttled(f"http_{self.status}", asked)
        if self.status in _LATER or self.status in _FAILING:
            raise Transient(f"http_{self.status}", asked)
        if self.status in _OF_BODY:
            raise Rejected(f"http_{self.status}")
        raise AuthFailed(f"http_{self.status}", "they do not say that it is this event", secret=False)

    def raise_for_page(self) -> None:
        """Raise `AuthFailed` for a page: a portal or a login on the way answers with success, and keeps nothing."""
        if _PAGE.match(self.body):
            raise AuthFailed(PAGE_FOR_PEOPLE, "not the service but a page answers: see url, login", secret=False)


class HttpClient:
    """One session to one platform. Opened and closed by its connector; the errors are mapped here and nowhere else."""

    def __init__(
        self,
        policy: AddressPolicy,
        clock: Callable[[], datetime],
        *,
        timeout_seconds: float = 10.0,
        max_answer_bytes: int = 64 * 1024,
        connections: int = 32,
        tls: TlsConfig | None = None,
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._max_answer_bytes = max_answer_bytes
        self._connections = connections
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make the session; idempotent, connects to nothing.

        Raises:
            Misconfigured: a file of `tls` cannot be used.
        """
        if self._session is not None:
            return
        connector = aiohttp.TCPConnector(
            resolver=CheckedResolver(self._policy),
            use_dns_cache=False,
            limit=self._connections,
            ssl=self._tls.client_context() if self._tls else ssl.create_default_context(),
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=self._timeout_seconds),
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )

    async def close(self) -> None:
        """Close every connection; idempotent."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def request(
        self, method: str, url: URL, *, headers: Mapping[str, str], body: bytes | None = None, pages: bool = False
    ) -> HttpAnswer:
        """Ask once, follow nothing; return the answer when it means success (or 304), a page only with `pages`.

        Raises:
            NotConnected: not open, or cut.
            AuthFailed, Misconfigured, Rejected, Throttled, Transient: by the table at the head of this module.
        """
        answer = await self.ask(method, url, headers=headers, body=body)
        answer.raise_for_status(self._clock())
        if not pages:
            answer.raise_for_page()
        return answer

    async def ask(self, method: str, url: URL, *, headers: Mapping[str, str], body: bytes | None = None) -> HttpAnswer:
        """Ask once, follow nothing; return the answer whatever its status is.

        Raises:
            NotConnected: not open, or cut.
            AuthFailed, Misconfigured, Transient: there was no answer, by the table at the head of this module.
        """
        if self._session is None:
            raise NotConnected("not open")
        with client_errors():
            check_literal(url, self._policy)
            async with self._session.request(
                method,
                url,
                headers=CIMultiDict(headers),
                data=body,
                allow_redirects=False,
                server_hostname=self._tls.server_name if self._tls else None,
            ) as response:
                return await self._read(response)

    async def _read(self, response: aiohttp.ClientResponse) -> HttpAnswer:
        body = bytearray()
        async for chunk in response.content.iter_chunked(16 * 1024):
            body += chunk
            if len(body) > self._max_answer_bytes:
                response.close()
                return HttpAnswer(response.status, response.headers, bytes(body[: self._max_answer_bytes]), whole=False)
        return HttpAnswer(response.status, response.headers, bytes(body))
