"""Long work in the event loop, a little at a time.

Whoever computes for longer than a session is counted out of its group, joins anew, and begins the same work again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final, TypeVar

T = TypeVar("T")
_TURN_SECONDS: Final = 0.02


async def in_turns(items: Iterable[T], clock: Callable[[], float] = time.monotonic) -> AsyncIterator[T]:
    """Give `items`; the loop's other work is done in between as often as a turn of 20 ms is over."""
    ends = clock() + _TURN_SECONDS
    for item in items:
        yield item
        if clock() >= ends:
            await asyncio.sleep(0)
            ends = clock() + _TURN_SECONDS
