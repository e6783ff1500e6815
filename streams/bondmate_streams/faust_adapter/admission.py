"""The way of events to their agent: straight, while there is room and none waits before them.

faust takes an event through a channel and two generators to its agent. That is needed where an event must wait; where
it need not, what faust would do on the way is done here.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

from faust.streams import _current_event

from bondmate_streams.faust_adapter.in_flight import InFlight


class Admission:
    """Admits the events of one agent, in their order."""

    def __init__(self, app: Any, in_flight: InFlight, work: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
        """Begin events with `work`, which takes a faust event, as long as `in_flight` has room."""
        self._app = app
        self._in_flight = in_flight
        self._work = work
        self._waiting = 0
        self._generation: object = None

    def admit(self, message: Any) -> bool:
        """Begin the event in `message`; False where it must wait, and comes by faust's stream."""
        if message.generation_id != self._generation:
            # What waited before a rebalance is passed over by faust, and read again.
            self._generation, self._waiting = message.generation_id, 0
        if self._waiting or not self._in_flight.has_room or not self._is_current(message):
            self._waiting += 1
            return False
        message.incref()
        message.tracked = True
        self._app.consumer.track_message(message)
        event = self._app.create_event(message.key, message.value, message.headers, message)
        # Tables take the partition from it; the work keeps the event alive until it is acknowledged.
        _current_event.set(weakref.ref(event))
        self._begin(event)
        return True

    def _is_current(self, message: Any) -> bool:
        current: object = self._app.consumer_generation_id
        return bool(self._app.flow_control.is_active()) and message.generation_id == current

    async def admit_waiting(self, event: Any) -> None:
        """Begin an event that came by faust's stream, when there is room."""
        try:
            await self._in_flight.wait_for_room()
            self._begin(event)
        finally:
            self._waiting = max(0, self._waiting - 1)

    async def drain(self, seconds: float) -> None:
        """Begin nothing more, wait for what is in hand, and cancel what takes longer than `seconds`."""
        await self._in_flight.drain(seconds)

    async def give_up(self) -> None:
        """Cancel what is in hand: it comes again, to whoever has its partition then."""
        await self._in_flight.give_up()

    def _begin(self, event: Any) -> None:
        self._app.consumer.begin(event.message)
        self._in_flight.begin_now(self._worked(event))

    async def _worked(self, event: Any) -> None:
        try:
            await self._work(event)
        except asyncio.CancelledError:
            self._app.consumer.give_up(event.message)
            raise
