"""A TAK desk over mutual TLS: keeps every event in order, writes chat lines. It shares no code with the hub."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
import uuid
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from bondmate_demo.tak_room import chat, hello
from scenarios.waiting import SECONDS, eventually
from tak_servers.authority import Enrolled
from tak_servers.takys import TakyLike

_END: Final = b"</event>"
_ALARM: Final = "b-a-o-"
ENDED: Final = "b-a-o-can"


@dataclass(frozen=True, slots=True)
class Event:
    """One event as the client has it."""

    uid: str
    type: str
    callsign: str
    text: str
    latitude: float
    longitude: float

    @property
    def has_place(self) -> bool:
        """Whether it says where; CoT writes an unknown place as 0, 0 with a circle without bounds."""
        return (self.latitude, self.longitude) != (0.0, 0.0)


@dataclass(slots=True)
class Desk:
    """One client."""

    events: list[Event] = field(default_factory=list)
    _lines: list[str] = field(default_factory=list)
    _by_label: dict[str, list[Event]] = field(default_factory=lambda: defaultdict(list))
    _writer: asyncio.StreamWriter | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, server: TakyLike, own: Enrolled) -> AsyncIterator[Desk]:
        """Connect and listen."""
        desk = cls()
        tls = ssl.create_default_context(cafile=str(own.ca))
        tls.load_cert_chain(own.certificate, own.key)
        reader, desk._writer = await asyncio.open_connection(server.host, server.tls_port, ssl=tls)
        desk._writer.write(hello())
        listening = asyncio.create_task(desk._listen(reader))
        try:
            yield desk
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            desk._writer.close()
            with contextlib.suppress(OSError):
                await desk._writer.wait_closed()

    def writes(self, text: str) -> None:
        """Write a line to all."""
        assert self._writer is not None
        self._writer.write(chat(str(uuid.uuid4()), text))

    async def knows(self, callsign: str) -> None:
        """Wait until a contact is there."""
        await eventually(lambda: any(each.callsign == callsign for each in self.events), f"{callsign} is a contact")

    def lines(self, callsign: str) -> list[str]:
        """Return what the hub has written about an officer's alerts, in order."""
        name = re.compile(rf"(?<![\w-]){re.escape(callsign)}(?![\w-])")
        return [line for line in self._lines if callsign in line and name.search(line)]

    def on_map(self, callsign: str) -> list[Event]:
        """Return what was shown on the map of an officer: emergencies, markers, their ends, positions."""
        return self._by_label[callsign]

    def alarms(self, callsign: str) -> list[Event]:
        """Return the emergencies of an officer that were shown, not their ends."""
        return [each for each in self.on_map(callsign) if each.type.startswith(_ALARM) and each.type != ENDED]

    async def reads(self, callsign: str, *words: str, seconds: float = SECONDS) -> list[str]:
        """Wait until lines that match `words`, each a regular expression, have come in that order; return them."""
        found: list[str] = []

        def all_there() -> bool:
            rest = iter(self.lines(callsign))
            found[:] = []
            for wanted in words:
                line = next((each for each in rest if re.search(wanted, each)), None)
                if line is None:
                    return False
                found.append(line)
            return True

        try:
            await eventually(all_there, f"the TAK desk reads of {callsign} {words[len(found) :]}", seconds)
        except AssertionError as error:
            error.add_note("\n".join(f"  {each}" for each in self.lines(callsign)))
            raise
        return found

    async def sees(self, callsign: str, kind: str) -> Event:
        """Wait until something of a type is on the map for an officer; return the first."""

        def seen() -> list[Event]:
            return [each for each in self.on_map(callsign) if each.type.startswith(kind)]

        await eventually(lambda: bool(seen()), f"{kind} of {callsign} on the map")
        return seen()[0]

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        buffer = b""
        while data := await reader.read(1 << 16):
            *whole, buffer = (buffer + data).split(_END)
            for text in whole:
                self._take(_read(text[text.find(b"<event") :] + _END))

    def _take(self, event: Event) -> None:
        self.events.append(event)
        if event.type == "b-t-f":
            self._lines.append(event.text)
        else:
            self._by_label[event.callsign.removeprefix("EXERCISE ").removesuffix("-Alert")].append(event)


def _read(data: bytes) -> Event:
    event = ET.fromstring(data)  # what our own server on this machine sends
    point, contact = event.find("point"), event.find("detail/contact")
    where = point.attrib if point is not None else {}
    return Event(
        event.get("uid", ""), event.get("type", ""), contact.get("callsign", "") if contact is not None else "",
        event.findtext("detail/remarks") or "", float(where.get("lat", 0)), float(where.get("lon", 0)),
    )  # fmt: skip
