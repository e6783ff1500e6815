"""Framing of a CoT stream: XML, which has none of its own (an event ends right after `</event>`), and TAK protocol 1.

Of the protocol a message is `0xbf`, its length as a varint, and the message. It is looked for only where `Framer` was
told so: until a server has been asked for it, that byte is garbage. XML is read all the same, since a server may send
some until it switches.

Pure: bytes in, whole messages and unreadable stretches out. Bounded: what grows beyond the bound without ending is cut
off as unreadable, and reading goes on at the next start of an event.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from bondmate_connectors.contract import Refusal
from bondmate_connectors.formats.cot.event import MAX_BYTES
from bondmate_connectors.formats.cot.protobuf import to_xml
from bondmate_connectors.formats.cot.wire import Malformed, read_varint, varint

TOO_LARGE: Final = "frame_too_large"
GARBAGE: Final = "not_cot"

_MAGIC: Final = b"\xbf"
_DECLARATION: Final = re.compile(rb"<\?xml\s[^<>]*\?>\s*$")
_DECLARATION_BYTES: Final = 200
# In a well-formed event text or an attribute holds this in a section alone, so it is an end, also `</event >`.
# Possessive: a start tag that ends otherwise is not gone over again from behind.
_END: Final = re.compile(rb"<(?:/event\s*+>|event\s[^<>]*+(?<=/)>)")
_AFTER_NAME: Final = (b"", b" ", b"\t", b"\r", b"\n", b">", b"/")
_SECTIONS: Final = {b"<![CDATA[": b"]]>", b"<!--": b"-->"}
_SECTION: Final = re.compile(rb"<!\[CDATA\[|<!--")
_OVERLAP: Final = 2048
"""Bytes looked at again with the next ones: an end may have been cut in two."""


class OutOfStep(ValueError):
    """The stream cannot be cut into messages any more."""


def framed(message: bytes) -> bytes:
    """Return a message of TAK protocol 1 as it stands in a stream."""
    return _MAGIC + varint(len(message)) + message


@dataclass(frozen=True, slots=True)
class Frame:
    """One whole message, or (`code` set) a stretch of bytes that is none."""

    message: bytes
    code: str | None = None
    is_protobuf: bool = False

    def xml(self) -> bytes | Refusal:
        """Return the message as XML, or why it is none."""
        return to_xml(self.message) if self.is_protobuf else self.message


@dataclass(slots=True)
class Framer:
    """Cut a stream into frames. `feed` it bytes as they come; it keeps at most `max_bytes` of an unfinished event."""

    max_bytes: int = MAX_BYTES
    takes_protobuf: bool = False
    """Whether messages of TAK protocol 1 may come."""
    is_switched: bool = False
    """Whether the server has agreed to them, so that nothing else may stand between them."""
    _buffer: bytearray = field(default_factory=bytearray)
    _searched: int = 0
    _undecided: int | None = None
    """Where an end stands that may be none."""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take the next bytes of the stream and return the frames they complete, in order."""
        self._buffer += data
        while (found := self._next()) is not None:
            yield from found
        if self.takes_protobuf and self._buffer.startswith(_MAGIC):
            return
        self._searched = max(0, len(self._buffer) - _OVERLAP) if self._undecided is None else self._undecided
        if len(self._buffer) > self.max_bytes:
            yield from self._overflow()

    def _next(self) -> Iterator[Frame] | None:
        """Return what comes next in the buffer, None when that is not whole yet."""
        if self.takes_protobuf:
            self._skip_space()
            if self._buffer.startswith(_MAGIC):
                return self._message()
            if self.is_switched and self._buffer and not self._buffer.startswith(b"<"):
                raise OutOfStep
        end = _END.search(self._buffer, self._searched)
        closed = self._closed(end.end()) if end is not None else None
        self._undecided = None if end is None or closed is not None else end.start()
        return None if closed is None else self._cut(closed)

    def _closed(self, end: int) -> int | None:
        """Return where the event ends of which an end stands before `end`; None when that is not known yet.

        In a CDATA section or a comment it is none. One that does not close before the next event has ended, never will.
        """
        while (section := self._section(end)) is not None:
            after = self._buffer.find(section, end)
            following = _END.search(self._buffer, end if after < 0 else after)
            if following is None:
                return None
            if after < 0:
                return end
            end = following.end()
        return end

    def _section(self, end: int) -> bytes | None:
        """Return what closes the section that is open at `end`, None where none is."""
        first = self._buffer.find(b"<event", 0, end)
        if first < 0 or self._buffer.find(b"<!", first, end) < 0:
            return None
        while opened := _SECTION.search(self._buffer, first, end):
            shut = _SECTIONS[opened[0]]
            first = self._buffer.find(shut, opened.end(), end)
            if first < 0:
                return shut
        return None

    def _skip_space(self) -> None:
        space = len(self._buffer) - len(self._buffer.lstrip())
        if space:
            self._take(space)

    def _message(self) -> Iterator[Frame] | None:
        """Return the message of the protocol that the buffer begins with, None when it is not whole yet.

        Raises:
            OutOfStep: it cannot be one, so that nobody knows where the next begins.
        """
        try:
            length = read_varint(self._buffer, 1)
        except Malformed as error:
            raise OutOfStep from error
        if length is None:
            return None
        size, start = length
        if size > self.max_bytes:
            raise OutOfStep
        if len(self._buffer) < start + size:
            return None
        return iter((Frame(self._take(start + size)[start:], is_protobuf=True),))

    def _cut(self, end: int) -> Iterator[Frame]:
        """Take what ends at `end`: the event from its start, and before it what belongs to none."""
        start = self._start(end)
        garbage = self._take(end if start < 0 else start).strip()
        if garbage:
            yield Frame(garbage, GARBAGE)
        if start >= 0:
            yield Frame(self._take(end - start))

    def _overflow(self) -> Iterator[Frame]:
        """Yield what has grown too large as refused; an event that began later may still end."""
        start = self._start(len(self._buffer))
        if garbage := self._take(start if start > 0 else len(self._buffer)).strip():
            yield Frame(garbage, TOO_LARGE)

    def _start(self, end: int) -> int:
        """Return where the last event before `end` starts, with its XML declaration; -1 when none does."""
        start = end
        while (start := self._buffer.rfind(b"<event", 0, start)) >= 0:
            if bytes(self._buffer[start + 6 : start + 7]) in _AFTER_NAME and self._section(start) is None:
                break
        if start < 0:
            return -1
        declaration = _DECLARATION.search(self._buffer, max(0, start - _DECLARATION_BYTES), start)
        return declaration.start() if declaration else start

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        self._searched = 0
        return taken
