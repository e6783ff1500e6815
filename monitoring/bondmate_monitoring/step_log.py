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
from typing import Final, Self, TextIO

import structlog

from bondmate_monitoring.tracing import trace_of

__all__ = ["Headers", "LoggedStep", "configure_steps", "log_step"]

Headers = Sequence[tuple[str, bytes | None]]
_LOGGER: Final = "bondmate_step"
_ODD: Final = re.compile(r"[^!-~ ]")
_log = logging.getLogger(_LOGGER)
_as_others = structlog.get_logger(_LOGGER)
_stream: TextIO | None = None
_identity = ""


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

    __slots__ = ("attempt", "cause", "destination", "event", "event_id", "level", "outcome")

    def __init__(self, event: str, event_id: str, cause: Headers = (), *, destination: str = "") -> None:
        """Begin.

        Args:
            event: what is done, a constant phrase.
            event_id: the hub's own id of the event.
            cause: headers of the record that led to it; they go on to what the step leads to.
            destination: which destination it is about.
        """
        self.event = event
        self.event_id = event_id
        self.cause = cause
        self.destination = destination
        self.level = ""
        self.outcome = ""
        self.attempt = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            log_step(self)


def log_step(step: LoggedStep) -> None:
    """Log one step that was done."""
    if not _log.isEnabledFor(logging.INFO):
        return
    known = (
        ("event_id", step.event_id),
        ("trace_id", trace_of(step.cause, step.event_id)),
        ("destination", step.destination),
        ("level", step.level),
        ("outcome", step.outcome),
        ("attempt", step.attempt),
    )
    if _stream is None:
        _as_others.info(step.event, **{name: value for name, value in known if value})
        return
    told = "".join([f', "{name}": {_json(value)}' for name, value in known if value])
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    about = f'"logger": "{_LOGGER}", "level": "info", "timestamp": "{now}"'
    _stream.write(f'{{"event": "{step.event}"{told}{_identity}, {about}}}\n')


def _json(value: str | int) -> str:
    """Return a value as JSON; an id of somebody else may hold anything."""
    return str(value) if isinstance(value, int) else json.dumps(_ODD.sub(_written_out, value))


def _written_out(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
