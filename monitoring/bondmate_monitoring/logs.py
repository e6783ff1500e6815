"""Logging, configured once and from `main` only: one line of JSON an event, or a readable line on a terminal.

What is logged is a constant phrase with values as keys. Here the last net is spread under that rule: known personal
keys are blanked, control characters are written out, and of an exception its kind and place are kept, its text only
where it is known to hold no values. The standard library's logging (faust, aiohttp, confluent) takes the same way.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Mapping
from datetime import datetime
from pathlib import PurePath
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor

from bondmate_monitoring import step_log
from bondmate_monitoring.few_of_a_kind import FewOfAKind

Renderer = Literal["auto", "json", "console"]

REDACTED = "[redacted]"
PERSONAL_KEYS = frozenset({
    "address", "altitude_hae_m", "applied_by", "areas", "attributes", "author_ref", "battery_percent", "by_ref",
    "by_refs", "callsign", "circles", "course_deg", "description", "device", "device_id", "district", "email",
    "ended_words", "events", "fix", "geocodes", "instruction", "justification", "lat", "latitude", "linked_by",
    "location", "lon", "longitude", "mark_id", "names", "note", "offered_words", "officer", "officer_ref", "on_duty",
    "on_shift", "operator", "other_device_id", "payload", "person", "phone", "polygons", "position", "remote", "sender",
    "sender_ref", "speed_mps", "statements", "subjects", "text", "title", "unit", "units", "url", "words",
})  # fmt: skip
"""Keys whose values are personal data; a test holds them against the tags of the schemas. (An address of ours is an
`endpoint`; `url` is where an attachment lies.)"""
SECRET_KEY = re.compile(
    r"password|passwd|secret|token|authorization|cookie|credential|api_?key|signature", re.IGNORECASE
)

# C0 and C1 controls, line separators, and what turns the direction of a line or hides in it.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_DEEPEST = 6
_LONGEST = 2_000
_FRAMES = 12
_identity: dict[str, str] = {}


def configure(
    level: str = "info",
    *,
    renderer: Renderer = "auto",
    stream: TextIO | None = None,
    identity: Mapping[str, str] | None = None,
) -> None:
    """Send all logs of this process to `stream` (standard error); called again, the last call holds.

    Args:
        level: what the hub itself logs: debug, info, warning or error. Libraries are heard from warning on.
        renderer: `auto` is for people on a terminal, JSON everywhere else.
        stream: where to.
        identity: what stands in every line: role, instance, version.

    Raises:
        ValueError: no such level.
    """
    target = stream or sys.stderr
    handler = logging.StreamHandler(target)
    renderers = _renderers_for(renderer, target)
    handler.setFormatter(_formatter(renderers))
    handler.addFilter(FewOfAKind())
    configure_identity(identity or {})
    step_log.configure_steps(target if _is_json(renderers) else None, _identity)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for room in ("schemas", "kafka", "monitoring", "streams", "connectors", "gateway", "hub", "step"):
        logging.getLogger(f"bondmate_{room}").setLevel(level.upper())
    # When a line cannot be formatted, Python would print the arguments of its message.
    logging.raiseExceptions = False
    # A request's line holds its path, and a path a device.
    logging.getLogger("aiohttp.access").disabled = True
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *_COMMON, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def configure_identity(identity: Mapping[str, str]) -> None:
    """Put into every line from now on who this process is."""
    _identity.clear()
    _identity.update(identity)


def redact(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Blank values under personal and secret keys, at any depth, and write control characters out."""
    return {_safe_text(key): _clean(key, value, 0) for key, value in event.items() if not key.startswith("_")} | {
        key: value for key, value in event.items() if key.startswith("_")
    }


def describe_exception(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Replace `exc_info` by kind and place of the exception and of what caused it."""
    given = event.pop("exc_info", None)
    if not isinstance(given, BaseException):
        given = given[1] if isinstance(given, tuple) else sys.exception() if given else None
    if given is not None:
        event["exception"] = _described(given)
    return event


def _renderers_for(renderer: Renderer, stream: TextIO) -> list[Processor]:
    if renderer == "console" or (renderer == "auto" and stream.isatty()):
        return [_as_lines, structlog.dev.ConsoleRenderer(colors=stream.isatty())]
    return [structlog.processors.JSONRenderer(ensure_ascii=False)]


def _is_json(renderers: list[Processor]) -> bool:
    return isinstance(renderers[-1], structlog.processors.JSONRenderer)


def _identified(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Add who this process is; what a line says itself stays."""
    for name, value in _identity.items():
        event.setdefault(name, value)
    return event


def _as_lines(_logger: Any, _method: str, event: EventDict) -> EventDict:
    if "exception" in event:
        event["exception"] = "\n".join(event["exception"])
    return event


def _formatter(renderers: list[Processor]) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[_describe_arguments, *_COMMON],
        processors=[redact, structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        keep_exc_info=False,
        keep_stack_info=False,
        pass_foreign_args=True,
    )


def _describe_arguments(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Write a library's message anew where an argument is an exception, whose text may hold a value."""
    record: logging.LogRecord = event["_record"]
    arguments = event.pop("positional_args", ())
    if isinstance(arguments, tuple) and any(isinstance(argument, BaseException) for argument in arguments):
        event["event"] = str(record.msg) % tuple(
            _summary(argument) if isinstance(argument, BaseException) else argument for argument in arguments
        )
    return event


def _clean(key: str, value: Any, depth: int) -> Any:
    if key.lower() in PERSONAL_KEYS or SECRET_KEY.search(key):
        return REDACTED
    if isinstance(value, str):
        return _safe_text(value)
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        return _clean_inside(value, depth + 1)
    return _plain(value)


def _clean_inside(value: Any, depth: int) -> Any:
    if depth > _DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return {_safe_text(str(name)): _clean(str(name), inner, depth) for name, inner in value.items()}
    return [_clean("", inner, depth) for inner in value]


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, datetime | PurePath):
        return _safe_text(str(value))
    # A record's repr would print all that it holds.
    return _summary(value) if isinstance(value, BaseException) else type(value).__name__


def _safe_text(text: str) -> str:
    shown = text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
    return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", shown)


def _described(error: BaseException) -> list[str]:
    """Return lines, innermost cause last, each kind followed by its frames."""
    lines: list[str] = []
    at: BaseException | None = error
    while at is not None and len(lines) < _FRAMES * _DEEPEST:
        lines.append(_summary(at))
        frames = traceback.extract_tb(at.__traceback__)[-_FRAMES:]
        lines += [f"  {frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
    return lines


def _summary(error: BaseException) -> str:
    """Return an exception's kind, with its text where the text is constant: ours, and the operating system's."""
    kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    if type(error).__module__.startswith("bondmate_"):
        return f"{kind}: {error}"
    if isinstance(error, OSError) and error.strerror:
        return f"{kind}: {error.strerror}"
    return kind


_COMMON: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    _identified,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    describe_exception,
]


def raised_at(error: BaseException) -> str:
    """Return the file and the line where an error was raised; its text may quote what no log may hold."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
