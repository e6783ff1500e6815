"""What a server waits for before it answers: that every event of a request is settled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from bondmate_connectors.contract import SETTLED
from bondmate_connectors.errors import ConnectorError, NotConnected, Rejected


class Handover:
    """The events of one request and what became of them; give `settle` to each `Incoming`, then await `settled`."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._error: ConnectorError | None = None
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def settle(self, error: ConnectorError | None) -> Awaitable[None]:
        """Count one event as durable (None) or not.

        The worst error counts: who is refused for one event would not send the other again, which nobody has.
        """
        self._left -= 1
        if self._error is None or isinstance(self._error, Rejected):
            self._error = error or self._error
        if self._left <= 0 and not self._done.done():
            self._done.set_result(None)
        return SETTLED

    def give_up(self) -> None:
        """Note that nobody will settle what is left; what is settled stays so."""
        if not self._done.done():
            self._error = NotConnected("closed")
            self._done.set_result(None)

    async def settled(self) -> None:
        """Wait for all of them.

        Raises:
            ConnectorError: what one of them was settled with.
        """
        await self._done
        if self._error is not None:
            raise self._error
