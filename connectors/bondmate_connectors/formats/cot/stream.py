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

_DECLARATION: Final = re.compile(rb"<\?xml\s[^<>]*\?>\s*$")
_DECLARATION_BYTES: Final = 200
# In a well-formed event neither text nor an attribute can hold this, so it is an end, also `</event >`.
# Possessive: a start tag that ends otherwise is not gone over again from behind.
_END: Final = re.compile(rb"<(?:/event\s*+>|event\s[^<>]*+(?<=/)>)")
_OVERLAP: Final = 2048
"""Bytes looked at again with the next ones: an end may have been cut in two."""


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
        while (end := _END.search(self._buffer, self._searched)) is not None:
            yield from self._cut(end.end())
        self._searched = max(0, len(self._buffer) - _OVERLAP)
        if len(self._buffer) > self.max_bytes:
            yield from self._overflow()

    def _cut(self, end: int) -> Iterator[Frame]:
        """Take what ends at `end`: the event from its start, and before it what belongs to none."""
        start = self._start(end)
        garbage = self._take(end if start < 0 else start).strip()
        if garbage:
            yield Frame(garbage, GARBAGE)
        if start >= 0:
            yield Frame(self._take(end - start))

    def _overflow(self) -> Iterator[Frame]:
        """Give up what has grown too large; an event that began later may still end."""
        start = self._start(len(self._buffer))
        if garbage := self._take(start if start > 0 else len(self._buffer)).strip():
            yield Frame(garbage, TOO_LARGE)

    def _start(self, end: int) -> int:
        """Give where the last event before `end` starts, with its XML declaration; -1 when none does."""
        start = self._buffer.rfind(b"<event", 0, end)
        if start < 0:
            return -1
        declaration = _DECLARATION.search(self._buffer, max(0, start - _DECLARATION_BYTES), start)
        return declaration.start() if declaration else start

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        self._searched = 0
        return taken
