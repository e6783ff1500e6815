"""The connector: looks, reads, hands over, and remembers what was settled."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from datetime import datetime
from functools import partial
from typing import Final

from bondmate_schemas.error_codes import NOT_AUTHENTICATED
from bondmate_schemas.models import DeliveryReceipt, IncidentEvent, Record

from bondmate_connectors.contract import Context, Ignored, Incoming, Reading, Refusal, Unreadable
from bondmate_connectors.errors import ConnectorError, NotConnected, Rejected, Transient
from bondmate_connectors.formats.cap import FORMAT
from bondmate_connectors.formats.cap.codes import LEFT_OUT
from bondmate_connectors.platforms.cap_pickup.config import CapPickupConfig
from bondmate_connectors.platforms.cap_pickup.cursor import Cursor
from bondmate_connectors.platforms.cap_pickup.feed import Feed
from bondmate_connectors.platforms.cap_pickup.folder import Folder
from bondmate_connectors.platforms.cap_pickup.found_document import FoundDocument
from bondmate_connectors.platforms.cap_pickup.redate import as_exercise, redated

_MOST_RAW: Final = 900_000
"""Bytes of what is refused that are kept: a record in Kafka has a bound, and `size` says how many there were."""
_KNOWN: Final = "cap_known"
"""All alerts of the document were taken before."""


class _DocumentInHand:
    """One document in hand: how many of its events are not settled yet, and whether one was not taken."""

    def __init__(self, found: FoundDocument, left: int, marks: tuple[str, ...]) -> None:
        self.found = found
        self.left = left
        self.marks = marks
        """What the cursor is to remember of it."""
        self.failed = False


class CapPickup:
    """Picks up CAP from a folder or a feed; each document once, when all its events are settled."""

    def __init__(self, config: CapPickupConfig, context: Context) -> None:
        self._config = config
        self._context = context
        self._cursor = Cursor(config.cursor_file)
        self._point = _pickup_point(config, context)
        self._connected = False
        self._ready: deque[Incoming] = deque()
        self._found: deque[FoundDocument] = deque()
        self._in_hand: set[str] = set()
        self._look_at_once = True
        self.ignored: Counter[str] = Counter()
        """Sound documents with nothing in them for the hub, by code."""

    async def connect(self) -> None:
        """Read the cursor and get ready to look; idempotent. Raises as `Link.connect`."""
        if self._connected:
            return
        await asyncio.to_thread(self._cursor.open)
        await self._point.open()
        self._connected = True
        self._look_at_once = True

    async def check(self) -> None:
        """Prove that the folder or feed can be looked at. Raises as `Link.check`."""
        await self._point.check()

    def is_refused(self) -> bool:
        """Whether what refused our secret last has not taken it since. As `GuardedSource.is_refused`."""
        return self._point.is_refused()

    async def close(self) -> None:
        """Stop looking; what was handed over can still be settled."""
        self._connected = False
        self._ready.clear()
        self._found.clear()
        self._in_hand.clear()
        await self._point.close()

    async def receive(self) -> Incoming:
        """Wait for one event. Raises as `Source.receive`."""
        while True:
            if not self._connected:
                raise NotConnected("not connected")
            if self._ready:
                return self._ready.popleft()
            if self._found:
                await self._take(self._found[0])
            else:
                await self._look()

    async def _look(self) -> None:
        if not self._look_at_once:
            await asyncio.sleep(self._config.poll_seconds)
        self._look_at_once = False
        self._found.extend(await self._point.look(self._is_known))
        # A feed gives a part at a time; the rest is there at once.
        self._look_at_once = bool(self._found)

    def _is_known(self, digest: str) -> bool:
        return digest in self._cursor or digest in self._in_hand

    async def _take(self, found: FoundDocument) -> None:
        """Read the first of what was found. It stays first until its events are ready: a cancellation loses nothing."""
        now = self._context.clock()
        reading = Refusal(found.refused) if found.refused else await asyncio.to_thread(FORMAT.read, found.data, now)
        if isinstance(reading, Ignored):
            await self._ignore(found, reading.code)
            return
        events = self._events(found, reading, now)
        if not events:
            await self._ignore(found, _KNOWN)
            return
        document = _DocumentInHand(found, len(events), (found.digest, *self._marks(reading)))
        self._in_hand.add(found.digest)
        self._ready.extend(Incoming(event, partial(self._settle, document)) for event in events)
        self._found.popleft()

    async def _ignore(self, found: FoundDocument, code: str) -> None:
        await asyncio.to_thread(self._cursor.add, found.name, found.digest)
        self.ignored[code] += 1
        self._found.popleft()

    def _marks(self, reading: Reading | Refusal) -> tuple[str, ...]:
        """Return the ids that mark a feed's alerts as known: every version of the feed repeats them.

        The files of a folder are told apart by their content; a message that several hold is recognised downstream.
        """
        if self._config.feed is None or not isinstance(reading, Reading):
            return ()
        return tuple(_message_id(event) for event in reading.events)

    def _events(self, found: FoundDocument, reading: Reading | Refusal, now: datetime) -> list[Record | Unreadable]:
        if isinstance(reading, Refusal):
            return [_unreadable(found, reading.code)]
        new = (event for event in reading.events if self._config.feed is None or _message_id(event) not in self._cursor)
        # An answer here proves nothing of who gave it: no file is signed so that we could check it.
        events: list[Record | Unreadable] = [
            _unreadable(found, NOT_AUTHENTICATED) if isinstance(event, DeliveryReceipt) else self._ours(event, now)
            for event in new
        ]
        if any(remark.code == LEFT_OUT for remark in reading.warnings):
            # The others are taken; the whole is kept so that a person can see what was not.
            events.append(_unreadable(found, LEFT_OUT))
        return events

    def _ours(self, event: Record, now: datetime) -> Record:
        if isinstance(event, IncidentEvent):
            header = event.header.model_copy(update={"source": self._context.name})
            event = event.model_copy(update={"header": header})
        if isinstance(event, IncidentEvent) and self._config.redate:
            event = redated(event, now)
        if isinstance(event, IncidentEvent) and self._config.exercise:
            event = as_exercise(event)
        return event

    async def _settle(self, document: _DocumentInHand, error: ConnectorError | None) -> None:
        """Count one event; the last one moves the cursor, unless one of them was not taken."""
        document.left -= 1
        document.failed |= error is not None and not isinstance(error, Rejected)
        if document.left:
            return
        if not document.failed:
            try:
                await asyncio.to_thread(self._cursor.add, document.found.name, *document.marks)
            except OSError as refused:
                self._give_again(document)
                raise Transient("cursor_not_written") from refused
        else:
            self._give_again(document)
        self._in_hand.discard(document.found.digest)

    def _give_again(self, document: _DocumentInHand) -> None:
        self._in_hand.discard(document.found.digest)
        self._point.again()
        # Whatever hindered the hub needs a moment.
        self._look_at_once = False


def _message_id(event: Record) -> str:
    return event.header.message_id if isinstance(event, (IncidentEvent, DeliveryReceipt)) else ""


def _pickup_point(config: CapPickupConfig, context: Context) -> Feed | Folder:
    if config.feed is not None:
        return Feed(config.feed, context, max_bytes=config.max_bytes)
    if config.folder is None:  # the settings have seen to it
        raise AssertionError
    return Folder(config.folder, context, max_bytes=config.max_bytes, quiet_seconds=config.quiet_seconds)


def _unreadable(found: FoundDocument, code: str) -> Unreadable:
    headers = {"name": found.name.encode("utf-8", "replace").decode(), "size": str(found.size)}
    return Unreadable(code, found.data[:_MOST_RAW], headers, key=found.digest)
