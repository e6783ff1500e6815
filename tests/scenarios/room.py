"""A control room that takes signed CAP 1.2 over HTTP, keeps what it was sent in order, and answers as its people do."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from xml.sax.saxutils import escape

import aiohttp
from aiohttp import web
from bondmate_demo.cap_room import CAP, signature, signed
from lxml import etree
from scenarios.waiting import SECONDS, eventually

_OURS: Final = "bondmate:"
_SAID: Final = """<?xml version="1.0" encoding="UTF-8"?>
<alert xmlns="{ns}"><identifier>{identifier}</identifier><sender>{sender}</sender><sent>{sent}</sent>\
<status>{status}</status><msgType>{kind}</msgType>{to}{note}{references}{info}</alert>"""
_PRIVATE: Final = "<scope>Private</scope><addresses>{to}</addresses>"
_RESTRICTED: Final = "<scope>Restricted</scope><restriction>law enforcement</restriction>"
_INFO: Final = """<info><language>en-GB</language><category>Security</category><event>{event}</event>\
<urgency>Immediate</urgency><severity>Unknown</severity><certainty>Unknown</certainty>{more}</info>"""


@dataclass(frozen=True, slots=True)
class Document:
    """One document as a dispatcher has it before them."""

    kind: str
    status: str
    reference: str
    """How an answer names it: sender, identifier, time."""
    sender: str
    about: str
    """The document that it refers to, by identifier."""
    incidents: str
    note: str
    headline: str
    description: str
    instruction: str
    area: str
    circle: str
    parameters: Mapping[str, str]

    @property
    def sent(self) -> datetime:
        """When the hub made it."""
        return datetime.fromisoformat(self.reference.rsplit(",", 1)[1])

    @property
    def words(self) -> str:
        """All that is read: kind first."""
        return " | ".join(
            filter(None, (self.kind, self.headline, self.description, self.instruction, self.area, self.note))
        )

    @property
    def identifier(self) -> str:
        """Its identifier."""
        return self.reference.split(",")[1]

    @property
    def alert(self) -> str:
        """Which alert it is of, as the room knows it."""
        return self.identifier.split("_")[0]

    @property
    def callsign(self) -> str:
        """Whose alert it is."""
        return self.parameters.get("callsign", "")


@dataclass(frozen=True, slots=True)
class Said:
    """What a room has posted: to be posted again as a retry does."""

    identifier: str
    body: bytes


@dataclass(slots=True)
class Room:
    """One room."""

    name: str
    port: int
    documents: list[Document] = field(default_factory=list)
    _by_callsign: dict[str, list[Document]] = field(default_factory=lambda: defaultdict(list))
    acknowledges_updates: set[str] = field(default_factory=set)
    """Callsigns of whose alerts a machine here acknowledges every update."""
    _secret: bytes = field(default=b"", repr=False)
    _back: str = ""
    _session: aiohttp.ClientSession | None = None
    _seconds: dict[str, int] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _machine: set[asyncio.Task[Said]] = field(default_factory=set)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, name: str, secret: bytes, back_port: int) -> AsyncIterator[Room]:
        """Open the room; the hub takes CAP back at `back_port`."""
        room = cls(name, 0, _secret=secret, _back=f"http://127.0.0.1:{back_port}/cap")
        app = web.Application(client_max_size=4 << 20)
        app.router.add_post("/cap", room.take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        room.port = int(runner.addresses[0][1])
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as room._session:
            try:
                yield room
            finally:
                for task in room._machine:
                    task.cancel()
                await asyncio.gather(*room._machine, return_exceptions=True)
                await runner.cleanup()

    async def take(self, request: web.Request) -> web.Response:
        """Take one document."""
        body = await request.read()
        if not signed(self._secret, request.headers, body):
            return web.Response(status=401)
        document = _read(body)
        self.documents.append(document)
        self._by_callsign[document.callsign].append(document)
        if document.kind == "Update" and document.callsign in self.acknowledges_updates:
            self._machine.add(asyncio.create_task(self.says("Ack", document)))
        return web.json_response({"id": f"{self.name}-{len(self.documents)}"}, status=201)

    # What is read.

    def of(self, callsign: str) -> list[Document]:
        """Return the documents about an officer's alerts, in order."""
        return self._by_callsign[callsign]

    async def reads(self, callsign: str, *words: str, seconds: float = SECONDS) -> list[Document]:
        """Wait until documents that match `words`, each a regular expression, have come in that order; return them."""
        found: list[Document] = []

        def all_there() -> bool:
            found[:] = _in_order(self.of(callsign), words)
            return len(found) == len(words)

        try:
            await eventually(all_there, f"{self.name} reads of {callsign} {words[len(found) :]}", seconds)
        except AssertionError as error:
            error.add_note("\n".join(f"  {each.words}" for each in self.of(callsign)))
            raise
        return found

    async def answers_of(self, said: Said, count: int) -> list[tuple[str, str]]:
        """Wait until the hub has answered what was said so often; return kind and note of the answers, in order."""

        def answers() -> list[tuple[str, str]]:
            return [(each.kind, each.note) for each in self.documents if each.about == said.identifier]

        await eventually(lambda: len(answers()) >= count, f"{count} answers to {said.identifier} at {self.name}")
        return answers()

    # What its people say.

    async def says(
        self, kind: str, about: Document, note: str = "", *, also: Document | None = None, response: str = "", unit: str = "", eta: datetime | None = None,
        **parameters: str,
    ) -> Said:  # fmt: skip
        """Answer a document, and wait until the hub has the answer."""
        given = {"response": response, "responding_unit": unit, "eta": _time(eta) if eta else "", **parameters}
        pairs = "".join(
            f"<parameter><valueName>{_OURS}{name}</valueName><value>{escape(value)}</value></parameter>"
            for name, value in given.items()
            if value
        )
        info = _INFO.format(event="Answer", more=pairs) if pairs else ""
        named = " ".join(each.reference for each in (about, also) if each)
        references = f"<references>{escape(named)}</references>"
        return await self._say(
            kind, status=about.status, to=escape(about.sender), note=note, references=references, info=info
        )

    async def orders(self, to: str, text: str, *, seconds: float = 600, area: str = "") -> Said:
        """Write to officers: by device, `unit` or area; they must acknowledge."""
        more = f"<expires>{_time(datetime.now(UTC) + timedelta(seconds=seconds))}</expires><headline>{escape(text)}</headline>"
        more += f"<parameter><valueName>{_OURS}requires_acknowledgement</valueName><value>true</value></parameter>"
        more += f"<area><areaDesc>Area</areaDesc><circle>{area}</circle></area>" if area else ""
        return await self._say("Alert", status="Actual", to=to, info=_INFO.format(event="Order", more=more))

    async def starts(self, officer: str, why: str, *, by: str, kind: str = "SOS", silent: bool = False) -> Said:
        """Start an emergency of an officer who has not pressed."""
        given = {"emergency": kind, "by": by, **({"silent": "true"} if silent else {})}
        more = f"<headline>{escape(why)}</headline>" + "".join(
            f"<parameter><valueName>{_OURS}{name}</valueName><value>{value}</value></parameter>"
            for name, value in given.items()
        )
        return await self._say("Alert", status="Actual", to=officer, info=_INFO.format(event="Emergency", more=more))

    async def emits(self, about: Document | None, headline: str) -> Said:
        """Emit an alert of its own; with `about` what it was told itself, as a CAD does that takes all for its own."""
        info = _INFO.format(event="Officer emergency", more=f"<headline>{escape(headline)}</headline>")
        references = f"<references>{escape(about.reference)}</references>" if about else ""
        return await self._say("Alert", status="Actual", to="", references=references, info=info)

    async def repeats(self, said: Said) -> None:
        """Post again what was said before, as a retry that comes late does."""
        await self._post(said)

    async def _say(self, kind: str, *, status: str, to: str, info: str, note: str = "", references: str = "") -> Said:
        identifier = f"{self.name}-{next(self._numbers)}"
        body = _SAID.format(
            ns=CAP, identifier=identifier, sender=f"{self.name}@rooms.example", sent=await self._next_second(to, references), kind=kind,
            status=status, to=_PRIVATE.format(to=to) if to else _RESTRICTED, note=f"<note>{escape(note)}</note>" if note else "", references=references, info=info,
        )  # fmt: skip
        said = Said(identifier, body.encode())
        await self._post(said)
        return said

    async def _next_second(self, *about: str) -> str:
        """Return the time for the next message of a kind: CAP's has whole seconds, and a room's messages have an order."""
        now, known = time.time(), "".join(about)
        self._seconds[known] = second = max(int(now), self._seconds.get(known, 0) + 1)
        await asyncio.sleep(max(0.0, second - now))
        return _time(datetime.fromtimestamp(second, UTC))

    async def _post(self, said: Said) -> None:
        assert self._session is not None
        for _ in range(50):
            stamp = str(int(time.time()))
            headers = {"webhook-id": said.identifier, "webhook-timestamp": stamp, "content-type": "application/cap+xml",
                       "webhook-signature": signature(self._secret, said.identifier, stamp, said.body)}  # fmt: skip
            async with self._session.post(self._back, data=said.body, headers=headers) as answer:
                if answer.status < 500:
                    assert answer.status == 200, await answer.text()
                    return
            await asyncio.sleep(0.3)
        raise AssertionError("the hub takes nothing")


def _in_order(documents: list[Document], words: tuple[str, ...]) -> list[Document]:
    """Return the first document for each of `words`, each later than that of the one before, as far as there are any."""
    found, rest = [], iter(documents)
    for wanted in words:
        document = next((each for each in rest if re.search(wanted, each.words)), None)
        if document is None:
            break
        found.append(document)
    return found


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S-00:00")


def _read(body: bytes) -> Document:
    root = etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))

    def text(path: str) -> str:
        return root.findtext("/".join(f"{{{CAP}}}{step}" for step in path.split("/"))) or ""

    pairs = {
        each.findtext(f"{{{CAP}}}valueName") or "": each.findtext(f"{{{CAP}}}value") or ""
        for each in root.iterfind(f"{{{CAP}}}info/{{{CAP}}}parameter")
    }
    references = text("references").split()
    return Document(
        kind=text("msgType"), status=text("status"), sender=text("sender"),
        reference=",".join((text("sender"), text("identifier"), text("sent"))),
        about=references[0].split(",")[1] if references else "", incidents=text("incidents"), note=text("note"),
        headline=text("info/headline"),
        description=text("info/description"),
        instruction=text("info/instruction"), area=text("info/area/areaDesc"), circle=text("info/area/circle"),
        parameters={name.removeprefix(_OURS): value for name, value in pairs.items() if name.startswith(_OURS)},
    )  # fmt: skip
