"""Requests of the simulated fleet and control room: HTTP/1.1 over connections that stay open, and nothing else.

The load is made on the processors that it measures: at 50 alerts and 500 positions a second the fleet took 12 % of a
core with aiohttp's client, about 5 % with this. That its devices decide by the core of their reference client costs
about one in a hundred of a core more (six runs before, the last after).
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Mapping
from typing import Final, NamedTuple, Self

_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_RETRY_AFTER: Final = re.compile(rb"\r\nretry-after: *(\d+)", re.IGNORECASE)
_STATUS: Final = slice(9, 12)


class HttpReply(NamedTuple):
    """What came back."""

    status: int
    body: bytes
    retry_after_seconds: float


class _Connection(asyncio.Protocol):
    """One connection with at most one request on it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._buffer = b""
        self._answer: asyncio.Future[HttpReply] | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # that of a TCP connection

    def ask(self, request: bytes) -> asyncio.Future[HttpReply]:
        assert self.transport is not None
        self._answer = self._loop.create_future()
        self.transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, body = self._buffer.partition(_HEAD_END)
        length = _LENGTH.search(head)
        if not end or (length and len(body) < int(length[1])):
            return
        self._buffer = b""
        if self._answer and not self._answer.done():
            wait = _RETRY_AFTER.search(head)
            self._answer.set_result(HttpReply(int(head[_STATUS]), body, float(wait[1]) if wait else 0.0))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        self.transport = None
        if self._answer and not self._answer.done():
            self._answer.set_exception(ConnectionResetError())


class Posts:
    """Asks one server; an async context manager. Answers must name their length, as the gateway's do."""

    def __init__(self, host: str, port: int, *, connections: int = 64, timeout_seconds: float = 30.0) -> None:
        self._place = host, port
        self._timeout = timeout_seconds
        self._room = asyncio.Semaphore(connections)
        self._idle: deque[_Connection] = deque()

    async def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> HttpReply:
        """Send one request and give its answer.

        Raises:
            OSError: no connection, or it was lost before the answer.
            TimeoutError: no answer in time.
        """
        told = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._place[0]}\r\n{told}Content-Length: {len(body)}\r\n\r\n"
        async with self._room:
            connection = await self._connected()
            try:
                async with asyncio.timeout(self._timeout):
                    answer = await connection.ask(head.encode() + body)
            except BaseException:
                self._drop(connection)
                raise
            self._idle.append(connection)
            return answer

    async def _connected(self) -> _Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.transport is not None:
                return connection
        _, made = await asyncio.get_running_loop().create_connection(_Connection, *self._place)
        return made

    @staticmethod
    def _drop(connection: _Connection) -> None:
        if connection.transport is not None:
            connection.transport.abort()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that wait for a request."""
        while self._idle:
            self._drop(self._idle.pop())
