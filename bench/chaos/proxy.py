"""A TCP proxy between the runner and a control room that does to connections what networks do; seeded, on loopback."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Mode(StrEnum):
    """What happens to connections from now on."""

    PASS = "pass"
    LATENCY = "latency"
    """Every chunk waits."""
    REFUSE = "refuse"
    """A new connection is reset at once, a standing one at its next chunk."""
    HALF_OPEN = "half_open"
    """Everything is taken, nothing passed on and nothing answered."""
    DRIP = "drip"
    """Answers come a byte at a time."""
    SWALLOW = "swallow"
    """The request passes, its answer does not: the connection is reset when it comes."""


@dataclass(slots=True)
class Settings:
    """How the modes do it."""

    latency_seconds: float = 0.3
    drip_seconds: float = 0.05


class Proxy:
    """Listens on a port of its own and passes to `port`; an async context manager."""

    def __init__(self, port: int, settings: Settings | None = None) -> None:
        self._target = port
        self._settings = settings or Settings()
        self._mode = Mode.PASS
        self._open: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self.connections = 0
        """How many were ever made."""
        self.bit: Counter[Mode] = Counter()
        """How often each mode did its harm: the evidence."""

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await self._server.wait_closed()

    def set(self, mode: Mode) -> None:
        """Do so from now on; what hangs is cut when the network is whole again."""
        if self._mode in {Mode.HALF_OPEN, Mode.DRIP} and mode is Mode.PASS:
            self.cut()
        self._mode = mode

    def lead_to(self, port: int) -> None:
        """Pass to another port from now on; what stands is cut."""
        self._target = port
        self.cut()

    def cut(self) -> int:
        """Reset every connection; gives how many there were."""
        found = len(self._open)
        for writer in self._open:
            writer.transport.abort()
        return found

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        self.connections += 1
        try:
            if self._mode is Mode.REFUSE:
                self.bit[Mode.REFUSE] += 1
                return
            there, out = await asyncio.open_connection("127.0.0.1", self._target)
            self._open.add(out)
            try:
                await asyncio.gather(self._carry(reader, out, back=False), self._carry(there, writer, back=True))
            finally:
                self._open.discard(out)
                out.transport.abort()
        except OSError:
            pass
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, back: bool) -> None:
        while chunk := await reader.read(65_536):
            await self._pass_on(chunk, writer, back=back)
        with contextlib.suppress(OSError, RuntimeError):
            writer.write_eof()

    async def _pass_on(self, chunk: bytes, writer: asyncio.StreamWriter, *, back: bool) -> None:
        mode = self._mode
        if mode is Mode.REFUSE or (mode is Mode.SWALLOW and back):
            self.bit[mode] += 1
            raise ConnectionResetError
        if mode is Mode.HALF_OPEN:
            self.bit[mode] += 1
            return
        if mode is Mode.DRIP and back:
            self.bit[mode] += 1
            for position in range(len(chunk)):
                if writer.transport.is_closing():
                    raise ConnectionResetError
                writer.write(chunk[position : position + 1])
                await asyncio.sleep(self._settings.drip_seconds)
            return
        if mode is Mode.LATENCY:
            self.bit[mode] += 1
            await asyncio.sleep(self._settings.latency_seconds)
        writer.write(chunk)
        await writer.drain()
