"""One lane a key: order within it, concurrency across, and waiting for the next attempt beside the road."""

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
class Lane(Generic[T]):
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


class Lanes(Generic[T]):
    """The lanes that wait for workers; each is handed to one worker at a time.

    Of those that are ready, the one of the lowest rank (`rank` gives an item's), then that with the fewest failed
    attempts, then that which became ready first.

    `newer`, when given, makes a lane keep only the newest item that waits: it says whether its first argument is to be
    kept rather than its second; `may_drop` says of an item whether it may be dropped for a newer one of its lane.
    `outdates`, when given, says whether an item leaves nothing to say to one that stands before it in its lane.
    """

    def __init__(
        self,
        newer: Callable[[T, T], bool] | None = None,
        rank: Callable[[T], int] = lambda _: 0,
        may_drop: Callable[[Lane[T], T], bool] = lambda *_: True,
        outdates: Callable[[T, T], bool] | None = None,
    ) -> None:
        self._newer = newer
        self._outdates = outdates
        self._may_drop = may_drop
        self._rank = rank
        self._lanes: dict[str, Lane[T]] = {}
        self._ready: asyncio.PriorityQueue[tuple[int, int, int, Lane[T]]] = asyncio.PriorityQueue()
        self._tickets = count(1)
        self.parked = 0
        """Lanes that wait for their next attempt."""

    def put(self, key: str, item: T) -> list[T]:
        """Add `item` at the end of its lane and give the items that are superseded by that, perhaps itself."""
        lane, rank = self._lanes.get(key), self._rank(item)
        if lane is None:
            lane = self._lanes[key] = Lane(key, rank=rank)
            self._queue(lane)
        elif rank < lane.rank:
            lane.rank = rank
            if lane.state is _State.READY:
                self._queue(lane)
        lane.items.append(item)
        if self._outdates is not None and len(lane.items) > 1:
            return self._drop_outdated(lane, item, self._outdates)
        return [] if self._newer is None else list(self._keep_newest(lane, self._newer))

    def _drop_outdated(self, lane: Lane[T], last: T, outdates: Callable[[T, T], bool]) -> list[T]:
        """Drop what `last` outdates; a head that is being sent stays, one that waits for its next attempt does not."""
        items = list(lane.items)
        held = items[: int(lane.state is _State.BUSY)]
        waiting = items[len(held) : -1]
        dropped = [item for item in waiting if outdates(last, item)]
        if not dropped:
            return []
        is_same_head = held or not outdates(last, waiting[0])
        lane.items = deque([*held, *(item for item in waiting if not outdates(last, item)), last])
        if not is_same_head:
            lane.attempts = lane.vain_turns = 0
            if lane.state is _State.PARKED:
                self._unpark(lane)
        return dropped

    def is_outdated(self, lane: Lane[T]) -> bool:
        """Whether something behind the head of a lane makes the head superfluous."""
        outdates = self._outdates
        return outdates is not None and any(outdates(item, lane.head) for item in islice(lane.items, 1, None))

    def _keep_newest(self, lane: Lane[T], newer: Callable[[T, T], bool]) -> Iterator[T]:
        """Drop from the end what is superseded; a head that is being sent does not wait."""
        while len(lane.items) > (2 if lane.state is _State.BUSY else 1):
            last, before = lane.items.pop(), lane.items.pop()
            keep, drop = (last, before) if newer(last, before) else (before, last)
            if not self._may_drop(lane, drop):
                lane.items.extend((before, last))
                return
            lane.items.append(keep)
            yield drop

    async def take(self) -> Lane[T]:
        """Wait for a lane that is ready; it is the caller's until `finish`, `park` or `again`."""
        while True:
            *_, ticket, lane = await self._ready.get()
            if lane.state is _State.READY and ticket == lane.ticket:
                lane.state = _State.BUSY
                return lane

    def instead(self, lane: Lane[T], fits: Callable[[T], bool]) -> Lane[T]:
        """Return the first lane that is ready and whose head `fits`, for `lane`, which is queued again; else `lane`."""
        ready = (one for one in self._lanes.values() if one.state is _State.READY and fits(one.head))
        other = min(ready, key=lambda one: (one.rank, one.attempts, one.ticket), default=None)
        if other is None:
            return lane
        other.state = _State.BUSY
        self.again(lane)
        return other

    def finish(self, lane: Lane[T]) -> None:
        """Drop the head, which is done, and queue the lane for its next item."""
        lane.items.popleft()
        lane.attempts = lane.vain_turns = 0
        lane.rank = min(map(self._rank, lane.items), default=0)
        self.again(lane)

    def again(self, lane: Lane[T]) -> None:
        """Queue the lane with the head it has."""
        if not lane.items:
            self._remove(lane)
            return
        lane.state = _State.READY
        self._queue(lane)

    def _queue(self, lane: Lane[T]) -> None:
        lane.ticket = next(self._tickets)
        self._ready.put_nowait((lane.rank, lane.attempts, lane.ticket, lane))

    def park(self, lane: Lane[T], seconds: float, *, may_wake: bool) -> None:
        """Set the lane aside; it is ready again after `seconds`, or at `wake` when it `may_wake`."""
        if not lane.items:
            self._remove(lane)
            return
        lane.state, lane.may_wake = _State.PARKED, may_wake
        lane.timer = asyncio.get_running_loop().call_later(seconds, self._unpark, lane)
        self.parked += 1

    def wake(self) -> None:
        """Make ready all parked lanes that may wake: the platform is back."""
        for lane in tuple(self._lanes.values()):
            if lane.state is _State.PARKED and lane.may_wake:
                self._unpark(lane)

    def _unpark(self, lane: Lane[T]) -> None:
        self._stop_timer(lane)
        self.again(lane)

    def _stop_timer(self, lane: Lane[T]) -> None:
        if lane.timer is not None:
            lane.timer.cancel()
            lane.timer = None
            self.parked -= 1

    def _remove(self, lane: Lane[T]) -> None:
        lane.state = _State.GONE
        if self._lanes.get(lane.key) is lane:
            del self._lanes[lane.key]

    def discard(self, unwanted: Callable[[T], bool]) -> None:
        """Forget all items that are `unwanted`, except heads somebody works on."""
        for lane in tuple(self._lanes.values()):
            held = [lane.items.popleft()] if lane.state is _State.BUSY and lane.items else []
            lane.items = deque([*held, *(item for item in lane.items if not unwanted(item))])
            if not lane.items and lane.state is not _State.BUSY:
                self._stop_timer(lane)
                self._remove(lane)

    def waiting(self) -> Iterator[T]:
        """Yield every item of every lane that is ready and not handed out."""
        for lane in self._lanes.values():
            if lane.state is _State.READY:
                yield from lane.items
