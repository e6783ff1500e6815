"""Keeps libraries from filling the log: of what one repeats a few lines a minute, and how many were left out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

__all__ = ["FewOfAKind"]

_KINDS_KEPT: Final = 1_000


class FewOfAKind(logging.Filter):
    """Lets `most` lines of a kind through in `seconds`; the first one after that says how many were left out.

    Of a kind are lines of one logger, level and message with other values. The hub's own lines all pass: they log
    changes. librdkafka gives every line the same form, so that its facility tells its lines apart.
    """

    def __init__(self, most: int = 5, seconds: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._kinds: dict[tuple[object, ...], list[float]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line passes."""
        if not isinstance(record.msg, str):  # structlog's lines are mappings
            return True
        now = self._clock()
        begun, count = self._kinds.get(kind := _kind(record), (now, 0.0))
        if now - begun >= self._seconds:
            left_out = int(count) - self._most
            if left_out > 0:
                record.msg = f"{record.msg} (and {left_out} more like this before)"
            begun, count = now, 0.0
        if len(self._kinds) >= _KINDS_KEPT and kind not in self._kinds:
            self._kinds.pop(next(iter(self._kinds)))
        self._kinds[kind] = [begun, count + 1]
        return count < self._most


def _kind(record: logging.LogRecord) -> tuple[object, ...]:
    first = record.args[0] if isinstance(record.args, tuple) and record.args else None
    return record.name, record.levelno, record.msg, first if isinstance(first, str) else None
