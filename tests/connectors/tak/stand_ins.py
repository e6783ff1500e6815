"""TAK servers that cannot be had here, as what was seen or read of them says they behave.

| server | told by |
|---|---|
| OpenTAKServer, FreeTAKServer | `answer="echo"`: they send the ping back as it came |
| OpenTAKServer | `Switchboard`: it passes events on, but nothing of some connections and nothing to others |
| taky-ng, goatak | `answer="named"`: the pong's uid names the ping |
| TAK Server, taky | `answer="pong"`: the pong names nothing |
| TAK Server with its guard against floods | `answer_every`: one ping in so many seconds is answered |
| goatak | `max_bytes=2048` closes the connection; `idle_seconds=300` does so too |
| any that falls over one event | `closes_at`: words in an event at which it closes the connection |
| TAK Server, port 8089 | `offers` protocol 1; `agrees` True, False, or None: says nothing |
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from bondmate_connectors.formats.cot.protobuf import to_protobuf, to_xml
from bondmate_connectors.formats.cot.stream import framed
from bondmate_connectors.formats.cot.wire import read_varint
from tcp_server import listening

OFFER = "0ffe4-0f-pr0t0c01"


def control(kind: str, uid: str, detail: str = "") -> bytes:
    return (
        f'<event version="2.0" uid="{uid}" type="{kind}" how="m-g" time="2026-01-01T00:00:00Z" start="2026-01-01T00:00:00Z"'
        f' stale="2026-01-01T00:00:20Z"><point lat="0" lon="0" hae="0" ce="999999" le="999999"/><detail>{detail}</detail>'
        "</event>"
    ).encode()


@dataclass
class StandIn:
    """One server; `received` holds what came, in order, as XML, `at` when. It talks to one client at a time."""

    answer: str | None = "pong"
    answer_every: float = 0.0
    max_bytes: int | None = None
    idle_seconds: float | None = None
    closes_at: str = ""
    offers: bool = False
    agrees: bool | None = None
    chatter_seconds: float | None = None
    """How often it passes on somebody's position; None: never."""
    port: int = 0
    received: list[str] = field(default_factory=list)
    at: list[float] = field(default_factory=list)
    raw: bytearray = field(default_factory=bytearray)
    connections: int = 0
    closed: int = 0
    _answered_at: float = float("-inf")
    _writer: asyncio.StreamWriter | None = None
    _is_protobuf: bool = False

    def of_type(self, kind: str) -> list[str]:
        return [event for event in self.received if f'type="{kind}"' in event]

    @property
    def pings(self) -> list[str]:
        return self.of_type("t-x-c-t")

    def say(self, event: bytes) -> None:
        assert self._writer is not None
        self._writer.write(framed(to_protobuf(event)) if self._is_protobuf else event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writer, self._is_protobuf = writer, False
        if self.offers:
            self.say(control("t-x-takp-v", OFFER, '<TakControl><TakProtocolSupport version="1"/></TakControl>'))
        chatting = asyncio.create_task(self._chat())
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, OSError, TimeoutError):
                while True:
                    async with asyncio.timeout(self.idle_seconds):
                        event = await self._next(reader)
                    if self.max_bytes and not self._is_protobuf and len(event) > self.max_bytes:
                        break
                    if self.closes_at and self.closes_at in event.decode():
                        break
                    self._take(event.decode())
        finally:
            self.closed += 1
            chatting.cancel()

    async def _next(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readexactly(1)
        if head != b"\xbf":
            event = head + await reader.readuntil(b"</event>")
            self.raw += event
            return event
        head += await reader.readexactly(1)
        while (length := read_varint(head, 1)) is None:
            head += await reader.readexactly(1)
        assert head[:1] == b"\xbf"
        message = await reader.readexactly(length[0])
        self.raw += head + message
        event = to_xml(message)
        assert isinstance(event, bytes)
        return event

    def _take(self, event: str) -> None:
        self.received.append(event)
        self.at.append(time.monotonic())
        if 'type="t-x-takp-q"' in event and self.agrees is not None:
            agrees = str(self.agrees).lower()
            self.say(control("t-x-takp-r", OFFER, f'<TakControl><TakResponse status="{agrees}"/></TakControl>'))
            self._is_protobuf = self.agrees
        if 'type="t-x-c-t"' in event and time.monotonic() - self._answered_at >= self.answer_every:
            self._pong(event)

    def _pong(self, event: str) -> None:
        self._answered_at = time.monotonic()
        if self.answer == "echo":
            self.say(event.partition("?>\n")[2].encode() or event.encode())
        elif self.answer == "named":
            self.say(control("t-x-c-t-r", f"{_uid_of(event)}-pong"))
        elif self.answer == "pong":
            self.say(control("t-x-c-t-r", "takPong"))

    async def _chat(self) -> None:
        while self.chatter_seconds is not None:
            self.say(control("a-f-G-U-C", "somebody"))
            await asyncio.sleep(self.chatter_seconds)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[StandIn]:
        async with listening(self.serve) as self.port:
            yield self


@dataclass
class Switchboard:
    """A server that echoes pings and passes all else on: of who is in `mute` nothing, to who is in `deaf` nothing.

    Clients are known by the uid of their first event, as `connected` lists them; `passed_on` holds what others got.
    Events of the type `swallows` reach nobody.
    """

    mute: set[str] = field(default_factory=set)
    deaf: set[str] = field(default_factory=set)
    swallows: str = ""
    port: int = 0
    connected: list[str] = field(default_factory=list)
    passed_on: list[str] = field(default_factory=list)
    _clients: dict[str, asyncio.StreamWriter] = field(default_factory=dict)

    def drop(self, uid: str) -> None:
        self._clients[uid].close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        uid = ""
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                event = (await reader.readuntil(b"</event>")).decode().strip()
                if 'type="t-x-c-t"' in event:
                    writer.write(event.encode())
                    continue
                if not uid:
                    uid = _uid_of(event)
                    self.connected.append(uid)
                    self._clients[uid] = writer
                if uid not in self.mute:
                    self._pass_on(event, uid)

    def _pass_on(self, event: str, sender: str) -> None:
        if "<marti>" in event or (self.swallows and f' type="{self.swallows}"' in event.partition(">")[0]):
            return
        self.passed_on.append(event)
        for uid, writer in self._clients.items():
            if uid != sender and uid not in self.deaf:
                writer.write(event.encode())

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Switchboard]:
        async with listening(self.serve) as self.port:
            yield self


def _uid_of(event: str) -> str:
    found = re.search('uid="([^"]*)"', event)
    assert found is not None
    return found[1]
