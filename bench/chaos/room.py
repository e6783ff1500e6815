"""A control room of the laboratory: takes CAP over HTTP, notes in which order, and answers as a person would."""

from __future__ import annotations

import asyncio
import itertools
import ssl
import time
from collections import defaultdict
from datetime import UTC, datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Self
from xml.sax.saxutils import escape
from zlib import crc32

from aiohttp import BasicAuth, web
from bondmate_demo.cap_room import CAP, SENDER, signature
from bondmate_demo.posts import Posts
from bondmate_schemas.outside_ids import OutsideIds
from bondmate_streams.logic.deliveries import round_id

from bench.chaos.book import About, Arrival, Book, Update
from bench.chaos.document import Document

_SAID = """<?xml version="1.0" encoding="UTF-8"?>
<alert xmlns="{ns}"><identifier>{identifier}</identifier><sender>{sender}</sender><sent>{sent}</sent>\
<status>Exercise</status><msgType>{kind}</msgType><scope>Private</scope><addresses>{to}</addresses>{references}{info}\
</alert>"""
_INFO = """<info><category>Security</category><event>{event}</event><urgency>Immediate</urgency>\
<severity>Severe</severity><certainty>Observed</certainty>{parameters}</info>"""
_PARAMETER = "<parameter><valueName>bondmate:{name}</valueName><value>{value}</value></parameter>"
_ROUNDS = range(1, 9)
"""Numbers of rounds of escalation that an alert of the laboratory comes to at most."""
_LOOK_SECONDS = 0.1


class Odd(StrEnum):
    """What happens to one document that the room never takes."""

    FORBIDDEN = "forbidden"
    """403."""
    CUTS = "cut the line"
    """All connections are cut when it comes, without an answer."""


class Room:
    """One room; an async context manager. `answers_every`: of so many alerts a person answers one.

    Every second answer promises help, and a second later takes it back.
    """

    def __init__(
        self, name: str, book: Book, secret: bytes, back_port: int, *, answers_every: int = 4,
        tls: ssl.SSLContext | None = None, stranger: ssl.SSLContext | None = None,
    ) -> None:  # fmt: skip
        self._tls, self._stranger = tls, stranger
        self._name, self._book, self._secret, self._back_port = name, book, secret, back_port
        self._outside = OutsideIds.of(secret)
        """The lab has one secret for everything."""
        self._answers_every = answers_every
        self._taken: set[str] = set()
        self.started: dict[int, Document] = {}
        """The first document of each emergency that a room started."""
        self._of_started: set[str] = set()
        self._sayings = itertools.count()
        self._answers: defaultdict[str, list[str]] = defaultdict(list)
        """What the hub answered to what a person here ordered, by its identifier."""
        self._answering: set[asyncio.Task[None]] = set()
        self.status: HTTPStatus = HTTPStatus.CREATED
        """What it answers; another one is its trouble."""
        self.refuses_every = 0
        """Refuse for good one alert in so many; 0: none."""
        self.slow_seconds = 0.0
        self.login: BasicAuth | None = None
        """Who may post, where it asks for an account."""
        self.locked = False
        """Whether it knows another password now."""
        self.odd: Odd | None = None
        """What becomes of the first document that comes from now on, however often it comes."""
        self._odd_one = ""
        self._lines: set[asyncio.Transport] = set()
        self.troubled = 0
        """How many documents it did not take: the evidence."""

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=4 << 20)
        app.router.add_post("/cap", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls).start()
        if self._stranger:
            await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._stranger).start()
        self._posts = Posts("127.0.0.1", self._back_port, timeout_seconds=10)
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._answering:
            task.cancel()
        await asyncio.gather(*self._answering, return_exceptions=True)
        self._posts.close()
        await self._runner.cleanup()

    @property
    def is_answering(self) -> bool:
        """Whether a person there has still to say something."""
        return bool(self._answering)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._runner.addresses[0][1])

    @property
    def stranger_port(self) -> int:
        """Where a stranger listens, with a certificate that nobody trusts."""
        return int(self._runner.addresses[1][1])

    async def _take(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        self._lines.add(request.transport)
        try:
            return await self._answered(request)
        finally:
            self._lines.discard(request.transport)

    async def _answered(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self.login and (self.locked or BasicAuth.decode(request.headers["Authorization"]) != self.login):
            self.troubled += 1
            return web.Response(status=HTTPStatus.UNAUTHORIZED)
        if self.slow_seconds:
            self.troubled += 1
            await asyncio.sleep(self.slow_seconds)
        if self.status is not HTTPStatus.CREATED:
            self.troubled += 1
            retry = {"Retry-After": "1"} if self.status is HTTPStatus.SERVICE_UNAVAILABLE else {}
            return web.Response(status=self.status, headers=retry)
        found = Document.of(body)
        if found.kind in {"Ack", "Error"}:
            self._answers[found.references.split(",")[1]].append(found.kind)
            return web.Response(status=HTTPStatus.CREATED)
        event_id, delivery_id = (self._outside.back(self._name, part) for part in found.identifier.split("_"))
        if status := self._refusal(event_id, delivery_id):
            self.troubled += 1
            refused = self._book.refused[self._name]
            if delivery_id not in refused.values():  # in its leanest form it comes again, without words or number
                refused[event_id, found.number] = delivery_id
            return web.Response(status=status)
        self._note(found, event_id, delivery_id)
        return web.json_response({"id": f"CR-{event_id}"}, status=HTTPStatus.CREATED)

    def _note(self, found: Document, event_id: str, delivery_id: str) -> None:
        """Write a document that was taken into the book, and let a person answer it."""
        self._note_started(event_id, found)
        ends = found.kind == "Cancel"
        if (about := self._about(found, event_id, delivery_id)) is not None:
            update = Update(event_id, about, delivery_id, time.time(), found.fix, found.others, found.flags, ends=ends)
            self._book.updates[self._name].append(update)
            return
        self._book.arrivals[self._name].append(
            Arrival(event_id, found.number, delivery_id, time.time(), ends, found.fix, found.others, found.flags)
        )
        if event_id in self._of_started:
            return
        if found.number == 0 and event_id not in self._taken and len(self._taken) % self._answers_every == 0:
            task = asyncio.create_task(self._answer(event_id, found))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
        self._taken.add(event_id)

    def _about(self, found: Document, event_id: str, delivery_id: str) -> About | None:
        """Return what a document is about that nobody pressed; None: of a press."""
        if found.position_only:
            return About.POSITION
        if delivery_id in {round_id(event_id, self._name, each, "round") for each in _ROUNDS}:
            return About.ROUND
        if found.others_only:
            return About.STATE
        return About.STARTED if self._is_of_started(found, event_id, delivery_id) else None

    def _is_of_started(self, found: Document, event_id: str, delivery_id: str) -> bool:
        """Return whether a document says what became of an emergency that a room started, and nothing was pressed."""
        if event_id not in self._of_started:
            return False
        arrivals = (each for each in self._book.arrivals[self._name] if each.event_id == event_id)
        told = {arrival.number: arrival.delivery_id for arrival in arrivals}
        return found.kind == "Cancel" or told.get(found.number, delivery_id) != delivery_id

    def _note_started(self, event_id: str, found: Document) -> None:
        if found.started is not None:
            self._of_started.add(event_id)
            self.started.setdefault(found.started, found)
            self._book.started[found.started].event_id = event_id

    def _refusal(self, event_id: str, delivery_id: str) -> HTTPStatus | None:
        """Return with what a document is refused, if it is."""
        if self.odd is not None:
            self._odd_one = self._odd_one or delivery_id
        if delivery_id == self._odd_one:
            for line in self._lines if self.odd is Odd.CUTS else ():
                line.abort()
            return HTTPStatus.FORBIDDEN
        refused = self.refuses_every and crc32(event_id.encode()) % self.refuses_every == 0
        return HTTPStatus.BAD_REQUEST if refused else None

    async def _answer(self, event_id: str, alert: Document) -> None:
        """Say that it was seen; of every second alert that a unit is assigned, and then that it is not any more."""
        promises = len(self._book.acknowledged[self._name]) % 2 == 1
        await asyncio.sleep(1)
        self._book.acknowledged[self._name][event_id] = time.time()
        taken = await self.say("Ack", alert, **({"response": "assigned"} if promises else {}))
        if taken:
            self._book.said[self._name][event_id] = "assigned" if promises else "seen"
        if not (promises and taken):
            return
        await asyncio.sleep(1)
        if await self.say("Error", alert, response="withdrawn"):
            self._book.said[self._name][event_id] = "withdrawn"
            self._book.withdrawn[self._name][event_id] = time.time()

    async def say(self, kind: str, alert: Document, **parameters: str) -> bool:
        """Post a statement of an alert until the hub answers it for good; whether it took it."""
        identifier = f"{SENDER}-{alert.identifier}-{kind}-{next(self._sayings)}"
        references = f"{alert.sender},{alert.identifier},{alert.sent}"
        return await self._post(identifier, kind, alert.sender, parameters, references=references)

    async def order(self, number: int, to: str, **parameters: str) -> str:
        """Order an emergency of one officer and wait until it has begun, or the hub has said `Ack` or `Error` to it.

        However long that takes: the same order anew would be another emergency once the first is over.
        """
        identifier = f"{SENDER}-order-{next(self._sayings)}"
        await self._post(identifier, "Alert", to, parameters, event=f"n=0 k={number}")
        while not self._answers[identifier] and number not in self.started:  # noqa: ASYNC110  # documents change both
            await asyncio.sleep(_LOOK_SECONDS)
        return next(iter(self._answers[identifier]), "")

    async def _post(
        self, identifier: str, kind: str, to: str, parameters: dict[str, str], *, event: str = "Answer",
        references: str = "",
    ) -> bool:  # fmt: skip
        given = "".join(_PARAMETER.format(name=name, value=escape(value)) for name, value in parameters.items())
        body = _SAID.format(
            ns=CAP, identifier=escape(identifier), sender=SENDER, to=escape(to), kind=kind,
            sent=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S-00:00"),
            references=f"<references>{escape(references)}</references>" if references else "",
            info=_INFO.format(event=escape(event), parameters=given) if given else "",
        ).encode()  # fmt: skip
        for attempt in range(100):
            stamp = str(int(time.time()))
            headers = {"webhook-id": identifier, "webhook-timestamp": stamp, "content-type": "application/cap+xml",
                       "webhook-signature": signature(self._secret, identifier, stamp, body)}  # fmt: skip
            try:
                status = (await self._posts.ask("POST", "/cap", headers, body))[0]
            except OSError:
                status = HTTPStatus.SERVICE_UNAVAILABLE
            if status < HTTPStatus.INTERNAL_SERVER_ERROR:
                return status == HTTPStatus.OK
            await asyncio.sleep(min(0.2 * 2**attempt, 2))
        return False
