"""The gateway as the device reaches it: one request or one stream at a time, over aiohttp."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from ipaddress import ip_address
from typing import Any, Final, Self
from urllib.parse import quote, urlsplit

import aiohttp

from bondmate_device.answers import NO_ANSWER, AnswerVerdict, object_in, verdict
from bondmate_device.outbox import Sending

_JSON: Final = {"Content-Type": "application/json"}
_OK, _UNAUTHORIZED, _NOT_FOUND = 200, 401, 404
_HEARTBEAT_SECONDS: Final = 30.0
"""A stream whose other end went away without a word is found dead within this, and half of it."""
_LARGEST_NEWS: Final = 16 << 20
_PATIENCE_SECONDS: Final = 5.0
"""How much longer than asked for a long poll may take."""


class NotEnrolledError(Exception):
    """The gateway does not know the token."""


class UnreachableError(Exception):
    """There is no gateway there now: try again later."""


class NoStreamError(Exception):
    """Something answered, but gave no stream: use the long poll."""


class Gateway:
    """One gateway and this device's token; an async context manager."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        clock: Callable[[], datetime],
        tls: ssl.SSLContext | None = None,
        connect_seconds: float = 5.0,
        answer_seconds: float = 30.0,
    ) -> None:
        """Look at the settings; nothing is connected yet.

        Raises:
            ValueError: the URL is not one, or would carry the token over a network in clear.
        """
        self._url = _checked(url)
        self._headers = {"Authorization": f"Bearer {token}"}
        self._clock = clock
        self._tls: ssl.SSLContext | bool = tls if tls is not None else True
        self._timeout = aiohttp.ClientTimeout(total=answer_seconds, sock_connect=connect_seconds)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(ssl=self._tls)
        self._session = aiohttp.ClientSession(
            headers=self._headers, connector=connector, timeout=self._timeout, auto_decompress=True
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._session.close()

    async def post(self, sending: Sending) -> AnswerVerdict:
        """Make one request and tell what its answer means; never raises for what the network does."""
        # A body is sent again as it was: by when it is sent the hub tells a wrong clock from what had to wait.
        headers = {**_JSON, "Date": format_datetime(self._clock().astimezone(UTC), usegmt=True)}
        try:
            async with self._opened.post(
                self._url + sending.path, data=sending.body, headers=headers, allow_redirects=False
            ) as answer:
                wait = _retry_after(answer.headers.get("Retry-After"))
                return verdict(sending.kind, answer.status, await answer.read(), wait)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return NO_ANSWER

    async def status(self, alert_id: str) -> dict[str, Any] | None:
        """Ask where an alert stands; None when the gateway no longer knows it.

        Raises:
            NotEnrolledError, UnreachableError: see there.
        """
        status, told = await self._get(f"/v1/alerts/{quote(alert_id, safe='')}", {}, self._timeout)
        return None if status == _NOT_FOUND else told

    async def poll(self, wait_seconds: float, after: str) -> dict[str, Any]:
        """Wait for news by long poll, and return it.

        Raises:
            NotEnrolledError, UnreachableError: see there.
        """
        asked = {"wait_seconds": f"{wait_seconds:g}"} | ({"after": after} if after else {})
        limits = aiohttp.ClientTimeout(total=wait_seconds + _PATIENCE_SECONDS, sock_connect=self._timeout.sock_connect)
        _, told = await self._get("/v1/messages", asked, limits)
        return told

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """Open the stream; gives an iterator of news, which ends when the stream does.

        Raises:
            NotEnrolledError, UnreachableError, NoStreamError: see there.
        """
        try:
            async with self._opened.ws_connect(
                f"{self._url}/v1/stream", heartbeat=_HEARTBEAT_SECONDS, max_msg_size=_LARGEST_NEWS
            ) as socket:
                yield _news(socket)
        except aiohttp.WSServerHandshakeError as error:
            if error.status == _UNAUTHORIZED:
                raise NotEnrolledError from None
            raise NoStreamError from None
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise UnreachableError from None

    async def _get(self, path: str, query: dict[str, str], limits: aiohttp.ClientTimeout) -> tuple[int, dict[str, Any]]:
        try:
            async with self._opened.get(
                self._url + path, params=query, timeout=limits, allow_redirects=False
            ) as answer:
                body = await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise UnreachableError from None
        if answer.status == _UNAUTHORIZED:
            raise NotEnrolledError
        if answer.status not in {_OK, _NOT_FOUND} or not (told := object_in(body)):
            raise UnreachableError
        return answer.status, told

    @property
    def _opened(self) -> aiohttp.ClientSession:
        assert self._session is not None
        return self._session


async def _news(socket: aiohttp.ClientWebSocketResponse) -> AsyncIterator[dict[str, Any]]:
    async for message in socket:
        if message.type is aiohttp.WSMsgType.TEXT and (told := object_in(message.data.encode())):
            yield told


def _retry_after(told: str | None) -> float:
    """Return the seconds of a Retry-After (RFC 9110, 10.2.3), 0 for none or one that cannot be read."""
    if not told:
        return 0.0
    if told.strip().isdecimal():
        return float(told)
    try:
        then = parsedate_to_datetime(told)
    except (ValueError, OverflowError):
        return 0.0
    return max(0.0, (then.replace(tzinfo=then.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("url: must be the gateway's address, for example https://gateway.example:8443")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ValueError("url: must begin with https unless it is this machine: the token would be readable on its way")
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
