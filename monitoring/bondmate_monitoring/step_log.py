"""The steps of an event on its way: accepted, taken up, sent, confirmed, told to the officer. One log line each.

A step is logged on the way of an alert, so that its line is written past the processors of other lines, at a tenth of
their cost. For that its fields are a closed set of ids and constant words: nothing of a person can be given to it.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Protocol, Self, TextIO

import structlog

from bondmate_monitoring.tracing import TRACEPARENT, TraceParent, of_event, parent_in

__all__ = ["Headers", "LoggedStep", "Spans", "configure_spans", "configure_steps", "log_step"]

Headers = Sequence[tuple[str, bytes | None]]
_LOGGER: Final = "bondmate_step"
_ODD: Final = re.compile(r"[^!-~ ]")
_log = logging.getLogger(_LOGGER)
_as_others = structlog.get_logger(_LOGGER)
_stream: TextIO | None = None
_identity = ""


class Spans(Protocol):
    """What makes a span of each step; see `spans`."""

    def begin(self, name: str, at: TraceParent, *, begins: bool) -> tuple[Any, TraceParent]:
        """Begin a span below the place `at` of a trace, or as that very place; return where it stands itself."""
        ...

    def end(self, span: Any, facts: Mapping[str, Any], *, failed: bool) -> None:
        """End a span with what came of its step."""
        ...


_spans: Spans | None = None


def configure_spans(spans: Spans | None) -> None:
    """Make a span of each step by `spans` from now on; None: of none."""
    global _spans  # noqa: PLW0603  # as above
    _spans = spans


def configure_steps(stream: TextIO | None, identity: Mapping[str, str]) -> None:
    """Write steps to `stream` as JSON, each with `identity`; None: as all other lines."""
    global _stream, _identity  # noqa: PLW0603  # as logging itself: of the process
    _stream = stream
    _identity = "".join(f', "{name}": {json.dumps(value)}' for name, value in identity.items())


class LoggedStep:
    """One step that is being done: a context manager. Its line is logged when it is done, and not when it raises.

    What came of it may be set meanwhile: `outcome` is a name of a closed set or an error code, `level` what was reached
    or reported, `destination` who it is about.
    """

    __slots__ = ("_span", "attempt", "cause", "destination", "event", "event_id", "level", "outcome")

    def __init__(
        self, event: str, event_id: str, cause: Headers = (), *, destination: str = "", begins: bool = False
    ) -> None:
        """Begin.

        Args:
            event: what is done, a constant phrase.
            event_id: the hub's own id of the event.
            cause: headers of the record that led to it; they go on to what the step leads to.
            destination: which destination it is about.
            begins: it is the first of its event, where `cause` names no trace.
        """
        self.event = event
        self.event_id = event_id
        self.cause = cause
        self.destination = destination
        self.level = ""
        self.outcome = ""
        self.attempt = 0
        self._span: Any = None
        if _spans is not None:
            self._begin(_spans, begins=begins)

    def _begin(self, spans: Spans, *, begins: bool) -> None:
        """Begin a span, which is the parent of what the step leads to."""
        parent = parent_in(self.cause)
        at = parent or of_event(self.event_id)
        self._span, here = spans.begin(self.event, at, begins=begins and parent is None)
        kept = (pair for pair in self.cause if pair[0] != TRACEPARENT)
        self.cause = (*kept, (TRACEPARENT, str(here).encode()))

    @property
    def traceparent(self) -> str | None:
        """The trace that goes on from here, as a header; None where none was named and nobody writes spans."""
        found = next((value for name, value in self.cause if name == TRACEPARENT), None)
        return found.decode("ascii", "replace") if found else None

    def __enter__(self) -> Self:
        return self

    def done(self, outcome: str) -> None:
        """Note that it is done, where it ends elsewhere than it began."""
        self.outcome = outcome
        self.__exit__(None, None, None)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            log_step(self)
        if self._span is not None and _spans is not None:
            _spans.end(self._span, _facts(self), failed=error is not None)


def log_step(step: LoggedStep) -> None:
    """Log one step that was done."""
    if not _log.isEnabledFor(logging.INFO):
        return
    trace_id = (parent_in(step.cause) or of_event(step.event_id)).trace_id
    known = {"event_id": step.event_id, "trace_id": trace_id, **_facts(step)}
    if _stream is None:
        _as_others.info(step.event, **{name: value for name, value in known.items() if value})
        return
    told = "".join([f', "{name}": {_json(value)}' for name, value in known.items() if value])
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    about = f'"logger": "{_LOGGER}", "level": "info", "timestamp": "{now}"'
    _stream.write(f'{{"event": "{step.event}"{told}{_identity}, {about}}}\n')


def _facts(step: LoggedStep) -> dict[str, str | int]:
    return {
        "event_id": step.event_id,
        "destination": step.destination,
        "level": step.level,
        "outcome": step.outcome,
        "attempt": step.attempt,
    }


def _json(value: str | int) -> str:
    """Return a value as JSON; an id of somebody else may hold anything."""
    return str(value) if isinstance(value, int) else json.dumps(_ODD.sub(_written_out, value))


def _written_out(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
