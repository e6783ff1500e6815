"""A TCP server of a test, which leaves no connection open behind its event loop."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def listening(serve: Serve, port: int = 0, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Listen on loopback and give the port; in the end every connection is cut, and whoever serves it cancelled.

    `asyncio.Server.close` leaves open what it has accepted (Python before 3.13 knows no `close_clients`).
    """
    writers, tasks = set[asyncio.StreamWriter](), set[asyncio.Task[None]]()

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        writers.add(writer)
        # Ours to cancel, in the end; Python 3.11 would log each.
        with contextlib.suppress(asyncio.CancelledError), contextlib.closing(writer):
            await serve(reader, writer)

    server = await asyncio.start_server(served, "127.0.0.1", port, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:
            with contextlib.suppress(OSError):
                await writer.wait_closed()
