"""One line a key: order within it, concurrency across, and waiting for the next attempt beside the road."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import count, islice
from typing import Generic, TypeVar

T = TypeVar("T")


class _State(Enum):
    READY = auto()
    BUSY = auto()
    PARKED = auto()
    GONE = auto()


@dataclass(slots=True, eq=False)
class KeyLine(Generic[T]):
    """The items of one key in order; the head is the one to work on."""

    key: str
    items: deque[T] = field(default_factory=deque)
    attempts: int = 0
    """Failed attempts of the head so far."""
    vain_turns: int = 0
    """How often the head was to go alone, and others were under way all the time."""
    rank: int = 0
    """That of its most urgent item, lowest first: what stands before an alert of its key is as urgent as that."""
    ticket: int = 0
    """Its place in the queue of those that are ready; earlier ones are void."""
    state: _State = _State.READY
    timer: asyncio.TimerHandle | None = None
    may_wake: bool = True

    @property
    def head(self) -> T:
        """The item to work on."""
        return self.items[0]


class KeyedQueue(Generic[T]):
    """The lines that wait for workers; each is handed to one worker at a time.

    Of those that are ready, the one of the lowest rank (`rank` gives an item's), then that with the fewest failed
    attempts, then that which became ready first.

    `newer`, when given, makes a line keep only the newest item that waits: it says whether its first argument is to be
    kept rather than its second; `may_drop` says of an item whether it may be dropped for a newer one of its line.
    `outdates`, when given, says whether an item leaves nothing to say to one that stands before it in its line.
    """

    def __init__(
        self,
        newer: Callable[[T, T], bool] | None = None,
        rank: Callable[[T], int] = lambda _: 0,
        may_drop: Callable[[KeyLine[T], T], bool] = lambda *_: True,
        outdates: Callable[[T, T], bool] | None = None,
    ) -> None:
        self._newer = newer
        self._outdates = outdates
        self._may_drop = may_drop
        self._rank = rank
        self._lines: dict[str, KeyLine[T]] = {}
        self._ready: asyncio.PriorityQueue[tuple[int, int, int, KeyLine[T]]] = asyncio.PriorityQueue()
        self._tickets = count(1)
        self.parked = 0
        """Lines that wait for their next attempt."""

    def put(self, key: str, item: T) -> list[T]:
        """Add `item` at the end of its line and return the items that are superseded by that, perhaps itself."""
        line, rank = self._lines.get(key), self._rank(item)
        if line is None:
            line = self._lines[key] = KeyLine(key, rank=rank)
            self._queue(line)
        elif rank < line.rank:
            line.rank = rank
            if line.state is _State.READY:
                self._queue(line)
        line.items.append(item)
        if self._outdates is not None and len(line.items) > 1:
            return self._drop_outdated(line, item, self._outdates)
        return [] if self._newer is None else list(self._keep_newest(line, self._newer))

    def _drop_outdated(self, line: KeyLine[T], last: T, outdates: Callable[[T, T], bool]) -> list[T]:
        """Drop what `last` outdates; a head that is being sent stays, one that waits for its next attempt does not."""
        items = list(line.items)
        held = items[: int(line.state is _State.BUSY)]
        waiting = items[len(held) : -1]
        dropped = [item for item in waiting if outdates(last, item)]
        if not dropped:
            return []
        is_same_head = held or not outdates(last, waiting[0])
        line.items = deque([*held, *(item for item in waiting if not outdates(last, item)), last])
        if not is_same_head:
            line.attempts = line.vain_turns = 0
            if line.state is _State.PARKED:
                self._unpark(line)
        return dropped

    def is_outdated(self, line: KeyLine[T]) -> bool:
        """Whether something behind the head of a line makes the head superfluous."""
        outdates = self._outdates
        return outdates is not None and any(outdates(item, line.head) for item in islice(line.items, 1, None))

    def _keep_newest(self, line: KeyLine[T], newer: Callable[[T, T], bool]) -> Iterator[T]:
        """Drop from the end what is superseded; a head that is being sent does not wait."""
        while len(line.items) > (2 if line.state is _State.BUSY else 1):
            last, before = line.items.pop(), line.items.pop()
            keep, drop = (last, before) if newer(last, before) else (before, last)
            if not self._may_drop(line, drop):
                line.items.extend((before, last))
                return
            line.items.append(keep)
            yield drop

    async def take(self) -> KeyLine[T]:
        """Wait for a line that is ready; it is the caller's until `finish`, `park` or `again`."""
        while True:
            *_, ticket, line = await self._ready.get()
            if line.state is _State.READY and ticket == line.ticket:
                line.state = _State.BUSY
                return line

    def instead(self, line: KeyLine[T], fits: Callable[[T], bool]) -> KeyLine[T]:
        """Return the first line that is ready and whose head `fits`, for `line`, which is queued again; else `line`."""
        ready = (one for one in self._lines.values() if one.state is _State.READY and fits(one.head))
        other = min(ready, key=lambda one: (one.rank, one.attempts, one.ticket), default=None)
        if other is None:
            return line
        other.state = _State.BUSY
        self.again(line)
        return other

    def finish(self, line: KeyLine[T]) -> None:
        """Drop the head, which is done, and queue the line for its next item."""
        line.items.popleft()
        line.attempts = line.vain_turns = 0
        line.rank = min(map(self._rank, line.items), default=0)
        self.again(line)

    def again(self, line: KeyLine[T]) -> None:
        """Queue the line with the head it has."""
        if not line.items:
            self._remove(line)
            return
        line.state = _State.READY
        self._queue(line)

    def _queue(self, line: KeyLine[T]) -> None:
        line.ticket = next(self._tickets)
        self._ready.put_nowait((line.rank, line.attempts, line.ticket, line))

    def park(self, line: KeyLine[T], seconds: float, *, may_wake: bool) -> None:
        """Set the line aside; it is ready again after `seconds`, or at `wake` when it `may_wake`."""
        if not line.items:
            self._remove(line)
            return
        line.state, line.may_wake = _State.PARKED, may_wake
        line.timer = asyncio.get_running_loop().call_later(seconds, self._unpark, line)
        self.parked += 1

    def wake(self) -> None:
        """Make ready all parked lines that may wake: the platform is back."""
        for line in tuple(self._lines.values()):
            if line.state is _State.PARKED and line.may_wake:
                self._unpark(line)

    def _unpark(self, line: KeyLine[T]) -> None:
        self._stop_timer(line)
        self.again(line)

    def _stop_timer(self, line: KeyLine[T]) -> None:
        if line.timer is not None:
            line.timer.cancel()
            line.timer = None
            self.parked -= 1

    def _remove(self, line: KeyLine[T]) -> None:
        line.state = _State.GONE
        if self._lines.get(line.key) is line:
            del self._lines[line.key]

    def discard(self, unwanted: Callable[[T], bool]) -> None:
        """Forget all items that are `unwanted`, except heads somebody works on."""
        for line in tuple(self._lines.values()):
            held = [line.items.popleft()] if line.state is _State.BUSY and line.items else []
            line.items = deque([*held, *(item for item in line.items if not unwanted(item))])
            if not line.items and line.state is not _State.BUSY:
                self._stop_timer(line)
                self._remove(line)

    def waiting(self) -> Iterator[T]:
        """Yield every item of every line that is ready and not handed out."""
        for line in self._lines.values():
            if line.state is _State.READY:
                yield from line.items
