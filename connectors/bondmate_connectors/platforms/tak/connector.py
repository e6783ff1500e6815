"""The TAK platform: sink and source on one connection."""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import datetime
from functools import partial
from typing import Final

from bondmate_schemas.enums import DeliveryReason, Level
from bondmate_schemas.models import Delivery, DeliveryReceipt, Record
from bondmate_schemas.refusals import refusal_delivery

from bondmate_connectors.contract import Context, Incoming, Receipt, Refusal, Unreadable
from bondmate_connectors.errors import ConnectorError, NotConnected, Rejected, Transient
from bondmate_connectors.formats.cot.geometry import point_of
from bondmate_connectors.formats.cot.kinds_out import Lifetimes, alert_chat, deletion, is_cancel, is_end
from bondmate_connectors.formats.cot.stream import Frame
from bondmate_connectors.formats.cot.types import alert_uid, device_uid, escape_id, incident_uid
from bondmate_connectors.formats.cot.write import compose
from bondmate_connectors.platforms.tak.answers import Terms, understand
from bondmate_connectors.platforms.tak.config import TakConfig
from bondmate_connectors.platforms.tak.session import Session
from bondmate_connectors.transports.tcp import TcpStream

_MAX_WAITING: Final = 10_000
"""Answers kept until the hub takes them; when there are more, nothing is read from the server for a while."""


class Tak:
    """Sends alerts, positions, texts and incidents as CoT; hears operators' chat answers.

    `send` proves DELIVERED: the server answered a ping written after the event. An alert goes out as an emergency and,
    when new or changed, also as a GeoChat line in the name of the alert's uid; what a person writes back to that uid
    comes out of `receive` as ACKNOWLEDGED. There is nothing kept but the connection: the uid says which alert it is.

    An answer the hub could not keep is given again; TAK itself repeats nothing.
    """

    def __init__(self, config: TakConfig, context: Context) -> None:
        self._config = config
        self._clock = context.clock
        self._terms = Terms(
            context.name, config.mode, config.agency_id, config.decline_words, frozenset(config.emit), config.rooms
        )
        self._session: Session | None = None
        self._connecting = asyncio.Lock()
        self._arrived: deque[Record | Unreadable] = deque()
        self._stirred = asyncio.Event()
        self._room = asyncio.Event()

    async def connect(self) -> None:
        """Open the connection and have the server answer a ping on it; does nothing while one stands."""
        async with self._connecting:
            if self._session is not None and self._session.lost is None:
                return
            await self._end_session()
            self._session = session = await self._open()
            try:
                # From here on `receive` works too: answers may come before the answer to the ping.
                await session.deliver(b"")
            except BaseException:
                await self._end_session()
                raise

    async def check(self) -> None:
        """Connect, handshake, ping, on a connection of its own; nothing is created."""
        try:
            session = await self._open()
            try:
                await session.deliver(b"")
            finally:
                await session.close()
        except NotConnected as error:
            raise Transient("the server is not reachable or does not answer") from error

    async def close(self) -> None:
        """End the connection. Answers not yet taken stay until `receive` asks for them again."""
        await self._end_session()

    async def send(self, event: Delivery) -> Receipt:
        """Write the event and wait until the server has taken it."""
        session = self._session
        if session is None:
            raise NotConnected("not connected")
        await session.deliver(self._documents(event))
        return Receipt(Level.DELIVERED, _uid_of(event))

    async def receive(self) -> Incoming:
        """Wait for an answer, or for what else the settings ask for."""
        while not self._arrived:
            if self._session is None:
                raise NotConnected("not connected")
            if self._session.lost is not None:
                raise self._session.lost
            self._stirred.clear()
            await self._stirred.wait()
        # No await from here on: whoever is cancelled has lost nothing.
        record = self._arrived.popleft()
        self._room.set()
        return Incoming(record, partial(self._settle, record), proof=self._config.proof)

    async def _settle(self, record: Record | Unreadable, error: ConnectorError | None) -> None:
        if isinstance(error, Rejected):
            await self._tell_refused(record, error.code)
        elif error is not None:
            self._arrived.append(record)
            self._stirred.set()

    async def _tell_refused(self, record: Record | Unreadable, code: str) -> None:
        """Write to who answered, and to nobody else, that the answer does not count."""
        if isinstance(record, DeliveryReceipt) and self._session is not None:
            await self.send(refusal_delivery(record, code, self._clock()))

    async def _open(self) -> Session:
        stream = await TcpStream.connect(self._config.address(), self._config.connect_timeout_seconds)
        return Session(
            stream, clock=self._clock, take=self._take, on_lost=self._stirred.set,
            pong_timeout_seconds=self._config.pong_timeout_seconds,
        )  # fmt: skip

    async def _end_session(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()
        self._stirred.set()

    async def _take(self, frame: Frame) -> None:
        record = understand(frame, self._terms, self._clock())
        if record is None:
            return
        while len(self._arrived) >= _MAX_WAITING:
            self._room.clear()
            await self._room.wait()
        self._arrived.append(record)
        self._stirred.set()

    def _documents(self, event: Delivery) -> bytes:
        now = self._clock()
        document = compose(event, now, self._config.lifetimes)
        if isinstance(document, Refusal):
            raise Rejected(document.code, document.path)
        return document + _companion(event, now, self._config.lifetimes)


def _companion(event: Delivery, now: datetime, lifetimes: Lifetimes) -> bytes:
    """Give what goes with an event: an alert's chat line; a marker's deletion when its end has no geometry."""
    if event.alert is not None and event.reason is not DeliveryReason.REFRESH and not is_cancel(event):
        return alert_chat(event.alert, event, now, lifetimes)
    if event.incident is not None and is_end(event) and point_of(event.incident) is None:
        return deletion(event.incident, event, now, lifetimes)
    return b""


def _uid_of(event: Delivery) -> str:
    """Give the uid the event has at TAK."""
    if event.location is not None:
        return device_uid(event.location.device_id)
    if event.receipt is not None:
        return escape_id(event.id)
    return alert_uid(event.header.event_id) if event.alert is not None else incident_uid(event.header.event_id)
