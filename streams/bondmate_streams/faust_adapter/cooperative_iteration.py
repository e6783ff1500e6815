"""Long work in the event loop, a little at a time.

Whoever computes for longer than a session is counted out of its group, joins anew, and begins the same work again. An
alert comes back to the loop many times on its way: each time it would wait until the loop is left to it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final, TypeVar

T = TypeVar("T")
_SLICE_SECONDS: Final = 0.005


async def cooperatively(items: Iterable[T], clock: Callable[[], float] = time.monotonic) -> AsyncIterator[T]:
    """Yield `items`; after each 5 ms the loop is left to other work for as long."""
    ends = clock() + _SLICE_SECONDS
    for item in items:
        yield item
        if clock() >= ends:
            await asyncio.sleep(_SLICE_SECONDS)
            ends = clock() + _SLICE_SECONDS
