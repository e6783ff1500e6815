"""Framing of a CoT XML stream, which has none of its own: one event ends right after `</event>`.

Pure: bytes in, whole messages and unreadable stretches out. Bounded: what grows beyond the bound without ending is cut
off as unreadable, and reading goes on at the next start of an event.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from bondmate_connectors.formats.cot.event import MAX_BYTES

TOO_LARGE: Final = "frame_too_large"
GARBAGE: Final = "not_cot"

_START: Final = re.compile(rb"<\?xml[\s?]|<event[\s>/]")
# In a well-formed event neither text nor an attribute can hold this, so it is an end, also `</event >`.
_END: Final = re.compile(rb"</event\s*>|<event\s[^<>]*/>")
_TAIL: Final = 16
"""Bytes that may be the first part of a start or an end and are looked at again with the next ones."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One whole message, or (`code` set) a stretch of bytes that is none."""

    message: bytes
    code: str | None = None


@dataclass(slots=True)
class Framer:
    """Cut a stream into frames. `feed` it bytes as they come; it keeps at most `max_bytes` of an unfinished event."""

    max_bytes: int = MAX_BYTES
    _buffer: bytearray = field(default_factory=bytearray)
    _searched: int = 0

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take the next bytes of the stream and give the frames they complete, in order."""
        self._buffer += data
        while (frame := self._next()) is not None:
            yield frame

    def _next(self) -> Frame | None:
        start = self._start()
        if start:
            garbage = self._take(start).strip()
            # White space between events is let pass.
            return Frame(bytes(garbage), GARBAGE) if garbage else self._next()
        end = _END.search(self._buffer, self._searched) if self._started() else None
        if end is not None:
            return Frame(bytes(self._take(end.end())))
        if len(self._buffer) > self.max_bytes:
            # Cut at the next start, if there is one; a lost end must not swallow the events after it.
            following = _START.search(self._buffer, 1)
            return Frame(bytes(self._take(following.start() if following else len(self._buffer))), TOO_LARGE)
        self._searched = max(0, len(self._buffer) - _TAIL) if self._started() else 0
        return None

    def _started(self) -> bool:
        return _START.match(self._buffer) is not None

    def _start(self) -> int:
        """Give how many bytes stand before the first start of an event; bytes that may become one are kept."""
        found = _START.search(self._buffer)
        if found is not None:
            return found.start()
        last = self._buffer.rfind(b"<", -_TAIL)
        return last if last >= 0 else len(self._buffer)

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        self._searched = 0
        return taken
