"""Control room to hub: signed CAP by POST, answered when the hub has it durably.

| answer | when |
|---|---|
| 200 | taken; a repeat of what was taken; sound, but with nothing for the hub |
| 401 | signature missing, wrong or old |
| 409 | the id of the message was used for another body |
| 413 | too large |
| 422 | refused, whole or at the place that `detail` names: it lies in the dead-letter topic |
| 503 | the hub cannot keep it now: send it again |
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from bondmate_schemas.error_codes import HUB_CODES, ErrorTable
from bondmate_schemas.models import Record

from bondmate_connectors.contract import Context, Ignored, Incoming, Proof, Reading, Refusal, Unreadable
from bondmate_connectors.errors import ConnectorError, NotConnected, Rejected
from bondmate_connectors.formats.cap import CapFormat
from bondmate_connectors.formats.cap.codes import LEFT_OUT, MEDIA_TYPE, WORD
from bondmate_connectors.formats.error_codes import CAP_CODES, XML_CODES
from bondmate_connectors.platforms.cap_webhook.config import ListenConfig, RepliesConfig
from bondmate_connectors.platforms.cap_webhook.replies import records_of
from bondmate_connectors.transports.handover import Handover
from bondmate_connectors.transports.hmac_signature import MessageState, ReplayMemory, SignatureRefused, verify
from bondmate_connectors.transports.http_server import HttpListener, problem, server_context, trace_of

RETRY_SECONDS: Final = 2
_TABLE: Final = ErrorTable((*HUB_CODES, *XML_CODES, *CAP_CODES))
_PARTLY: Final = frozenset({LEFT_OUT, WORD})
"""Remarks on what does not count, while the rest of its message does: an Error is a no, however it is worded."""
_MOST_RAW: Final = 900_000
"""Bytes of what is refused that are kept: a record in Kafka has a bound, and `size` says how many there were."""
_SMALL: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class _ReceivedBody:
    """What a body says: the events to hand over, and the refusal to answer with when they are settled."""

    events: Sequence[Record | Unreadable]
    refused: str = ""
    path: str = ""
    ignored: str = ""


class CapSource:
    """Listens while open; `receive` gives what came in, in order."""

    def __init__(self, config: ListenConfig, replies: RepliesConfig, context: Context) -> None:
        self._config = config
        self._replies = replies
        self._context = context
        self._format = CapFormat(to_officers=config.messages_to_officers)
        self._keys = config.keys
        self._memory = ReplayMemory(config.tolerance_seconds)
        self._inbox: asyncio.Queue[Incoming | None] = asyncio.Queue(config.pending_events)
        self._open: HttpListener | None = None
        self._waiting: set[Handover] = set()

    @property
    def port(self) -> int:
        """The TCP port it listens on.

        Raises:
            NotConnected: it does not listen.
        """
        if self._open is None:
            raise NotConnected("not listening")
        return self._open.port

    def check(self) -> None:
        """See to it that settings and certificate can be used; raises Misconfigured."""
        server_context(self._config.host, self._config.tls)

    async def open(self) -> None:
        """Listen; idempotent. Raises Misconfigured, or NotConnected when the address cannot be had."""
        if self._open is not None:
            return
        tls = server_context(self._config.host, self._config.tls)
        self._inbox = asyncio.Queue(self._config.pending_events)
        listener = HttpListener(
            [web.post(self._config.path, self._post)],
            self._context,
            max_body_bytes=self._config.max_body_bytes,
            drain_seconds=self._config.drain_seconds,
        )
        await listener.start(self._config.host, self._config.port, tls)
        self._open = listener

    async def close(self) -> None:
        """Stop listening; who still waits for an answer gets 503."""
        listener, self._open = self._open, None
        if listener is None:
            return
        for handover in list(self._waiting):
            handover.give_up()
        self._wake_receiver()
        await listener.stop()

    async def receive(self) -> Incoming:
        """Wait for one event.

        Raises:
            NotConnected: not open, or closed meanwhile.
        """
        if self._open is None:
            raise NotConnected("not listening")
        incoming = await self._inbox.get()
        if incoming is None:
            raise NotConnected("closed")
        return incoming

    def _wake_receiver(self) -> None:
        while not self._inbox.empty():
            self._inbox.get_nowait()
        self._inbox.put_nowait(None)

    # One request

    async def _post(self, request: web.Request) -> web.Response:
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            return problem(415, "content_encoding", "The body must not be compressed: its bytes are signed.")
        try:
            body = await self._body(request)
        except TimeoutError:
            return problem(408, "timeout", "The body did not arrive in time.")
        try:
            message_id = self._verified(request, body)
        except SignatureRefused as refused:
            return problem(401, refused.code, "The signature is missing, wrong or old.")
        return await self._signed(message_id, body, trace_of(request))

    async def _body(self, request: web.Request) -> bytes:
        # Most bodies have come with the head: no timer for what does not wait.
        whole = request.content.is_eof()
        async with asyncio.timeout(None if whole else self._config.read_timeout_seconds):
            return await request.read()

    def _verified(self, request: web.Request, body: bytes) -> str:
        now = self._context.clock()
        return verify(self._keys, request.headers.items(), body, now, self._config.tolerance_seconds)

    async def _signed(self, message_id: str, body: bytes, traceparent: str | None) -> web.Response:
        match self._memory.begin(message_id, body, self._context.clock()):
            case MessageState.NEW:
                return await self._first(message_id, body, traceparent)
            case MessageState.DONE:
                return web.json_response({"status": "repeat"})
            case MessageState.OTHER_CONTENT:
                return problem(409, "id_reused", "The id of this message was used for another body.")
        return _later()

    async def _first(self, message_id: str, body: bytes, traceparent: str | None) -> web.Response:
        """Take a message that is signed and new; remember it only when it is settled for good."""
        try:
            document = await self._understand(body)
            refused = await self._hand_over(document, traceparent)
        except (ConnectorError, TimeoutError):
            return _later()
        else:
            self._memory.finish(message_id)
        finally:
            self._memory.abandon(message_id)
        if refused:
            taken = "no more of this message than the rest" if refused in _PARTLY else "this message"
            return problem(422, refused, f"The hub cannot take {taken}.", path=document.path, table=_TABLE)
        return web.json_response({"status": "ignored" if document.ignored else "taken"})

    async def _understand(self, body: bytes) -> _ReceivedBody:
        """Read a body, beside the event loop when it is large."""
        return self._understood(body) if len(body) < _SMALL else await asyncio.to_thread(self._understood, body)

    def _understood(self, body: bytes) -> _ReceivedBody:
        reading = self._format.read(body, self._context.clock())
        if isinstance(reading, Refusal):
            return _ReceivedBody([self._unreadable(reading.code, body)], reading.code, reading.path)
        if isinstance(reading, Ignored):
            return _ReceivedBody([], ignored=reading.code)
        return self._read(reading, body)

    def _read(self, reading: Reading, body: bytes) -> _ReceivedBody:
        events: list[Record | Unreadable] = [
            record for event in reading.events for record in records_of(event, self._replies, self._context.name)
        ]
        left_out = next((remark for remark in reading.warnings if remark.code in _PARTLY), None)
        if left_out is not None:
            # The rest is taken; the whole is kept so that a person can see what was not.
            return _ReceivedBody([*events, self._unreadable(left_out.code, body)], left_out.code, left_out.path)
        return _ReceivedBody(events, ignored="" if events else "own_message")

    @staticmethod
    def _unreadable(code: str, body: bytes) -> Unreadable:
        return Unreadable(code, body[:_MOST_RAW], {"content-type": MEDIA_TYPE, "size": str(len(body))})

    async def _hand_over(self, document: _ReceivedBody, traceparent: str | None) -> str:
        """Hand over the events and wait until all are settled; return the code of what was refused."""
        if not document.events:
            return document.refused
        handover = Handover(len(document.events))
        self._waiting.add(handover)
        try:
            async with asyncio.timeout(self._config.settle_timeout_seconds):
                for event in document.events:
                    if self._open is None:
                        raise NotConnected("closed")
                    await self._inbox.put(Incoming(event, handover.settle, traceparent, Proof.SIGNED))
                await handover.settled()
        except Rejected as refused:
            return document.refused or refused.code
        finally:
            self._waiting.discard(handover)
        return document.refused


def _later() -> web.Response:
    return problem(
        503,
        "not_durable",
        "The hub cannot keep the message now; send it again.",
        headers={"Retry-After": str(RETRY_SECONDS)},
    )
