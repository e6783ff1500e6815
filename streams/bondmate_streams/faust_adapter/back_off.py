"""Waits between attempts, which grow; the first of them is logged."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

_log = structlog.get_logger(__name__)
_FIRST_SECONDS: Final = 0.05
_LONGEST_SECONDS: Final = 5.0


class BackOff:
    """The waits of one piece of work that is tried again until it succeeds."""

    def __init__(self, stage: str) -> None:
        """Wait on behalf of `stage`, which the log names."""
        self._stage = stage
        self._seconds = _FIRST_SECONDS

    async def wait(self, event: str, error: str) -> None:
        """Wait before the next attempt; the first wait is logged as `event`."""
        if self._seconds == _FIRST_SECONDS:
            _log.warning(event, stage=self._stage, error=error)
        await asyncio.sleep(self._seconds)
        self._seconds = min(self._seconds * 2, _LONGEST_SECONDS)
