"""Pings that wait for their answer, and which of them an answer proves. Pure: times are given.

TAK acknowledges nothing, but a server works off a connection in order: when it answers a ping, it has taken all that
was written before. An answer is the pong (`t-x-c-t-r`), or the ping sent back as it was. Some pongs name their ping
(`<uid>-pong`); one that names none is taken for the oldest, which never claims too much. A server whose answers name
their pings is believed by those alone, since it may answer twice.
"""

from __future__ import annotations

from asyncio import Future
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from bondmate_connectors.formats.cot import types
from bondmate_connectors.formats.cot.event import CotEvent

_PONG_SUFFIX = "-pong"
_MOST_IGNORED: Final = 2
"""After so many connections that lived and left a ping unanswered, it is another server, or it answers no more."""


@dataclass(slots=True)
class Ping:
    """One ping: how it is known again, when it was written, and who waits for it."""

    uid: str
    time: datetime
    written_at: float
    waiting: list[Future[bool]] = field(default_factory=list)


def resolve(waiting: Iterable[Future[bool]], *, proven: bool) -> None:
    """Wake those who wait, with whether what they wrote is proven to have arrived."""
    for confirmed in waiting:
        if not confirmed.done():
            confirmed.set_result(proven)


def fail(waiting: Iterable[Future[bool]], error: BaseException) -> None:
    """Wake those who wait: nobody will know any more."""
    for confirmed in waiting:
        if not confirmed.done():
            confirmed.set_exception(error)
            # Somebody who was cancelled meanwhile does not ask for it.
            confirmed.exception()


class Pings:
    """The pings of one connection that are not answered yet, the oldest first."""

    def __init__(self) -> None:
        self._open: deque[Ping] = deque()
        self._are_named = False
        self._unanswered = 0

    def written(self, ping: Ping) -> None:
        """Note a ping that was written."""
        self._open.append(ping)
        self._unanswered += 1

    @property
    def are_all_answered(self) -> bool:
        """Whether each ping written so far has had its own answer, so that none was dropped."""
        return self._unanswered == 0

    @property
    def newest(self) -> Ping | None:
        """The last that was written and waits."""
        return self._open[-1] if self._open else None

    @property
    def first_awaited(self) -> Ping | None:
        """The first that anybody still waits for."""
        return next((ping for ping in self._open if any(not each.done() for each in ping.waiting)), None)

    def forgive(self) -> None:
        """Forget what was dropped: the server has answered all that it was asked for a while."""
        self._unanswered = len(self._open)

    def answered(self, event: CotEvent) -> list[Ping] | None:
        """Return the pings that `event` answers; None when it is no answer to any of them."""
        if event.type == types.PING:
            return self._named(event.uid, event.time)
        if event.type != types.PONG:
            return None
        found = self._named(event.uid.removesuffix(_PONG_SUFFIX), None)
        if found is not None or self._are_named or not self._open:
            return found
        self._unanswered -= 1
        return [self._open.popleft()]

    def _named(self, uid: str, time: datetime | None) -> list[Ping] | None:
        """Take the ping of that uid (and time, where one is given), and with it all before it."""
        for index, ping in enumerate(self._open):
            if ping.uid == uid and (time is None or ping.time == time):
                self._are_named = True
                self._unanswered -= 1
                return [self._open.popleft() for _ in range(index + 1)]
        return None

    def drop_before(self, time: float) -> None:
        """Have who waits for a ping that was written before `time` wait for the next one: the server dropped it."""
        while len(self._open) > 1 and self._open[0].written_at < time:
            dropped = self._open.popleft()
            self._open[0].waiting[:0] = dropped.waiting

    def take_all(self) -> list[Ping]:
        """Take all that wait."""
        found = list(self._open)
        self._open.clear()
        return found


class Answering:
    """Whether the server is known to answer pings, from all connections to it.

    A server may be replaced by one that answers none: what one answer showed holds until connections on which other
    data came left a ping unanswered. A silent connection shows nothing, since a server that hangs is silent too.
    """

    def __init__(self) -> None:
        self.is_known = False
        self._ignored = 0

    def answered(self) -> None:
        """Note that a ping was answered."""
        self.is_known, self._ignored = True, 0

    def ignored(self) -> None:
        """Note that a connection was lost on which data came behind a ping, and no answer to it."""
        self._ignored += 1
        if self._ignored >= _MOST_IGNORED:
            self.is_known = False
