"""A second connection to the same server, which hears whether it passes on what the first one writes, and the reverse.

An answered ping proves that a server has read an event. OpenTAKServer answers it before it has passed anything on, and
passes on nothing of some connections, or nothing to them, though it goes on answering. Only another client can know
that, so the hub is one: each side writes a probe now and then, and what is written to everybody must be heard. A pair
that does not hear each other is given up, whichever of the two is at fault.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bondmate_connectors.contract import Refusal
from bondmate_connectors.errors import NotConnected, Transient
from bondmate_connectors.formats.cot.event import CotEvent, parse_event
from bondmate_connectors.formats.cot.probe import probe
from bondmate_connectors.formats.cot.stream import Frame
from bondmate_connectors.formats.cot.types import HUB_UID
from bondmate_connectors.platforms.tak.session import Session
from bondmate_connectors.platforms.tak.timing import Timing

NOT_PASSED_ON: Final = "the server passes on nothing of this connection, or nothing to it"
SECOND_LOST: Final = "the second connection is lost"
NOT_HEARD: Final = "the server has taken an event, and nobody has heard it"
_FIRST_SECONDS: Final = 2.0
"""How long connecting waits until the two connections hear each other."""
_DIRECTED: Final = b"<marti>"
_UNHEARD_TIMES: Final = 3
_MOST_UNHEARD: Final = 1_000

_PLAIN: Final = re.compile(rb"[\w.-]+")
"""What no server writes otherwise than it came, as it may an ampersand or an umlaut."""


@dataclass(slots=True, eq=False)
class _Awaited:
    """An event that is to be heard, known by uid, type and time."""

    mark: tuple[str, str, datetime | None]
    part: bytes
    """What stands in the message for sure."""
    heard: asyncio.Future[None]


class EchoWaiter:
    """What one connection waits to hear of what another wrote."""

    def __init__(self) -> None:
        self._awaited: list[_Awaited] = []

    @contextlib.contextmanager
    def listening(self, documents: Sequence[bytes]) -> Iterator[list[asyncio.Future[None]]]:
        """Listen for events that are about to be written; each future is done when its event is heard."""
        mine = [_awaited(event) for each in documents if isinstance(event := parse_event(each), CotEvent)]
        self._awaited += mine
        try:
            yield [each.heard for each in mine]
        finally:
            self._awaited = [each for each in self._awaited if each not in mine]

    async def take(self, frame: Frame) -> None:
        """Note what is waited for; all else is passed over."""
        # Most frames are others' positions: first the cheap question, then the exact one.
        if frame.code is not None or not any(each.part in frame.message for each in self._awaited):
            return
        document = frame.xml()
        event = document if isinstance(document, Refusal) else parse_event(document)
        if isinstance(event, CotEvent):
            mark = _mark(event)
            _done(each for each in self._awaited if each.mark == mark)

    def stop(self) -> None:
        """Have nobody wait any longer: the connection is lost."""
        _done(self._awaited)


def _done(found: Iterable[_Awaited]) -> None:
    for each in found:
        if not each.heard.done():
            each.heard.set_result(None)


def _awaited(event: CotEvent) -> _Awaited:
    part = max(_PLAIN.findall(event.uid.encode()), key=len, default=b"")
    return _Awaited(_mark(event), part, asyncio.get_running_loop().create_future())


def _mark(event: CotEvent) -> tuple[str, str, datetime | None]:
    return event.uid, event.type, event.time


class Unheard:
    """Events that the server took and nobody heard, though the connection was heard, and how often in a row.

    Each attempt writes the chat line of an alert again, and people read that where the alert itself is swallowed.
    """

    def __init__(self) -> None:
        self._times: OrderedDict[str, int] = OrderedDict()

    def note(self, event_id: str) -> None:
        """Count one attempt."""
        self._times[event_id] = self._times.pop(event_id, 0) + 1
        if len(self._times) > _MOST_UNHEARD:
            self._times.popitem(last=False)

    def forget(self, event_id: str) -> None:
        """Note that the event was heard."""
        self._times.pop(event_id, None)

    def is_often(self, event_id: str) -> bool:
        """Whether it was so often that from now on the least of the event will do."""
        return self._times.get(event_id, 0) >= _UNHEARD_TIMES


class Witness:
    """A second connection beside the `main` one, and what each of the two is to hear of the other.

    Call `start` when both have said who they are, then `deliver` by it, `close` at the end.
    """

    def __init__(
        self, main: Session, second: Session, echoes: tuple[EchoWaiter, EchoWaiter], clock: Callable[[], datetime]
    ) -> None:
        self._main, self._second, self._clock = main, second, clock
        self._main_echoes, self._second_echoes = echoes
        self._patience = 0.0
        self._hear_each_other = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None

    async def start(self, timing: Timing) -> None:
        """See to it from here on that the two hear each other; return when they do, or might not for long."""
        self._patience = timing.pong
        self._watching = asyncio.create_task(self._watch(timing.ping_after))
        with contextlib.suppress(TimeoutError):
            # An alert that waits goes out even so: what a slow server has passed on by then, others have.
            async with asyncio.timeout(_FIRST_SECONDS):
                await self._hear_each_other.wait()

    async def deliver(self, documents: Sequence[bytes]) -> None:
        """Write, and wait until what is written to everybody was heard, or a probe behind what is not.

        That proves more than any answer to a ping. Where nobody hears the event, the probe shows whether that is its
        own fault or the connection's.

        Raises:
            NotConnected: the connection is lost; the server may or may not have it.
            Transient: the server has it, and nobody heard it. Unlike a lost link that says nothing against the event.
        """
        mine, told = self._probe(), [each for each in documents if _DIRECTED not in each]
        with self._second_echoes.listening([*told, mine]) as heard:
            await self._main.deliver([*documents, mine])
            if not await self._all(heard[:-1] or heard):
                if not heard[-1].done():
                    self._main.lose(NotConnected(NOT_PASSED_ON))
                raise Transient(NOT_HEARD)

    async def close(self) -> None:
        """End the second connection and the watch. Safe twice."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})
        await self._second.close()

    async def _watch(self, every: float) -> None:
        while await self._do_hear_each_other():
            self._hear_each_other.set()
            await asyncio.sleep(every)
        self._main.lose(NotConnected(NOT_PASSED_ON))

    async def _do_hear_each_other(self) -> bool:
        mine, seconds = self._probe(), self._probe()
        with self._second_echoes.listening([mine]) as by_second, self._main_echoes.listening([seconds]) as by_main:
            self._main.write([mine])
            self._second.write([seconds])
            return await self._all([*by_second, *by_main])

    def _probe(self) -> bytes:
        return probe(f"{HUB_UID}-{secrets.token_hex(8)}-probe", self._clock())

    async def _all(self, awaited: list[asyncio.Future[None]]) -> bool:
        _, missing = await asyncio.wait(awaited, timeout=self._patience)
        return not missing and self._main.lost is None
