"""A client's byte stream over TCP or TLS: connect, write, read in chunks, close; it knows no protocol.

Every error leaves as the connector error that says what to do:

| what happened | raised |
|---|---|
| refused, unreachable, no such name, reset, timed out, ended | NotConnected |
| the server's certificate is not the one we trust, it speaks no TLS, or it refuses our certificate | AuthFailed |
| no name that a name server could be asked for | Misconfigured |
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bondmate_connectors.errors import ConnectorError, Misconfigured, NotConnected
from bondmate_connectors.transports.tls_errors import tls_refusal

_CHUNK: Final = 64 * 1024
_CLOSE_SECONDS: Final = 1.0
_REFUSAL_SECONDS: Final = 0.2
"""How long a server is given to refuse our certificate before anything is written. With TLS 1.3 it does so only after
the handshake, and who writes meanwhile may hear of a broken pipe instead of why."""


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """Where to connect. `tls` is None for plain TCP; `server_name` is the name in the certificate when not `host`."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    server_name: str | None = None


class TcpStream:
    """An open stream; made by `connect`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._first = b""

    @classmethod
    async def connect(cls, address: TcpAddress, timeout_seconds: float) -> TcpStream:
        """Open a stream; for TLS the handshake is done and the server's name checked.

        Raises:
            NotConnected, AuthFailed: see the table above.
        """
        name = (address.server_name or address.host) if address.tls else None
        with _mapped():
            async with asyncio.timeout(timeout_seconds):
                reader, writer = await asyncio.open_connection(
                    address.host, address.port, ssl=address.tls, server_hostname=name
                )
        stream = cls(reader, writer)
        if address.tls:
            await stream._hear_a_refusal()
        return stream

    async def _hear_a_refusal(self) -> None:
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_REFUSAL_SECONDS):
                    self._first = await self.read()
        except ConnectorError:
            self.abort()
            raise

    def write(self, data: bytes) -> None:
        """Queue bytes to be sent; wait here while the server does not read. `read` raises when the link is broken."""
        self._writer.write(data)

    async def read(self) -> bytes:
        """Wait for the next bytes.

        Raises:
            NotConnected: the stream has ended or is broken.
            AuthFailed: the server refused our certificate; with TLS 1.3 it says so only after the handshake.
        """
        data, self._first = self._first, b""
        if not data:
            with _mapped():
                data = await self._reader.read(_CHUNK)
        if not data:
            raise NotConnected("the server ended the connection")
        return data

    def abort(self) -> None:
        """Cut the stream at once; who reads gets NotConnected."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """End the stream: politely within a second, else by cutting it. Safe twice."""
        self._writer.close()
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._writer.wait_closed()
        except (TimeoutError, OSError):
            self.abort()


@contextlib.contextmanager
def _mapped() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise NotConnected("timed out") from error
    except ssl.SSLError as error:
        raise tls_refusal(error) or NotConnected(error.reason or "tls") from error
    except OSError as error:
        raise NotConnected(type(error).__name__) from error
    except UnicodeError as error:
        raise Misconfigured("host: not a host name") from error
