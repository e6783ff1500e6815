"""W3C Trace Context: one trace from the device's request to the last receipt, carried as `traceparent` in headers."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

_FORM = re.compile(r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<parent>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})")
_LONGEST = 128
TRACEPARENT = "traceparent"
_TRACE_ID = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class TraceParent:
    """A place in a trace (W3C Trace Context, "traceparent Header"): `str()` gives the header."""

    trace_id: str
    parent_id: str
    sampled: bool = True

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.parent_id}-{self.sampled:02x}"

    def child(self) -> TraceParent:
        """Return a new span of the same trace."""
        return replace(self, parent_id=secrets.token_hex(8))


def new_trace(*, sampled: bool = True) -> TraceParent:
    """Begin a trace."""
    return TraceParent(secrets.token_hex(16), secrets.token_hex(8), sampled)


def of_event(event_id: str) -> TraceParent:
    """Return the beginning of the trace of an event whose device named none: always the same, wherever it is asked."""
    digits = event_id.replace("-", "")
    if not _TRACE_ID.fullmatch(digits) or not int(digits, 16):
        digits = hashlib.sha256(event_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return TraceParent(digits, hashlib.sha256(digits.encode()).hexdigest()[:16])


def parent_in(headers: Sequence[tuple[str, bytes | None]]) -> TraceParent | None:
    """Return the place in a trace that the headers of a record name; None where they name none."""
    for name, value in headers:
        if name == TRACEPARENT and value:
            try:
                return parse(value.decode("ascii", "replace"))
            except ValueError:
                return None
    return None


_carried: ContextVar[bytes | None] = ContextVar("traceparent", default=None)


@contextmanager
def carrying(traceparent: bytes | None) -> Iterator[None]:
    """Have `carried` return the trace of a record while that is seen, by whoever sees it."""
    before = _carried.set(traceparent)
    try:
        yield
    finally:
        _carried.reset(before)


def carried() -> tuple[tuple[str, bytes | None], ...]:
    """Return the trace of the record that is seen now, as headers; none where it named none."""
    found = _carried.get()
    return ((TRACEPARENT, found),) if found else ()


def parse(header: str) -> TraceParent:
    """Read a `traceparent` header; later versions may hold more behind the flags.

    Raises:
        ValueError: it is none; begin a new trace.
    """
    found = _FORM.match(header[:_LONGEST].strip())
    if found is None or found["version"] == "ff" or not _ends_well(header.strip(), found):
        raise ValueError("not a traceparent")
    if not int(found["trace"], 16) or not int(found["parent"], 16):
        raise ValueError("a traceparent of zeros")
    return TraceParent(found["trace"], found["parent"], bool(int(found["flags"], 16) & 1))


def _ends_well(header: str, found: re.Match[str]) -> bool:
    rest = header[found.end() :]
    return not rest or (found["version"] != "00" and rest.startswith("-"))


def continued(header: str | bytes | None) -> TraceParent:
    """Return a new span of the trace that `header` names, or begin a trace where it names none."""
    text = header.decode("ascii", "replace") if isinstance(header, bytes) else header or ""
    try:
        return parse(text).child()
    except ValueError:
        return new_trace()
