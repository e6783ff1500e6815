"""Waiting for what is to be seen, with a deadline that a loaded machine keeps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

SECONDS: Final = 45.0


async def eventually(
    holds: Callable[[], bool | Awaitable[bool]], what: str, seconds: float = SECONDS, *, pause: float = 0.2
) -> None:
    """Return when `holds`; fail with `what` when it does not in time."""
    end = time.monotonic() + seconds
    while True:
        held = holds()
        if await held if isinstance(held, Awaitable) else held:
            return
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(pause)
