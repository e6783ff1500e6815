"""What an answer of the gateway means for the event that was sent. Pure.

Between a device and its gateway stand proxies, captive portals and firewalls, which answer too. So an event counts as
taken only when the answer is the gateway's own, and as refused only by one of its own problems.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from bondmate_device.model import EventKind

PROBLEM: Final = "urn:bondmate:problem:"
_CODE: Final = re.compile(r"[a-z0-9_]{1,64}\Z")
_ACCEPTED, _UNAUTHORIZED, _TIMEOUT, _TOO_MANY = 202, 401, 408, 429
_REFUSALS: Final = range(400, 500)
_NOT_FINAL: Final = frozenset({_TIMEOUT, 425, _TOO_MANY})


class NextStep(Enum):
    """What the device does next."""

    ACCEPTED = "forget the event: the hub has it"
    REFUSED = "record the refusal and forget the event"
    NOT_ENROLLED = "keep everything, tell the user, try again slowly"
    LATER = "send it again, after a while; others of its kind wait with it"
    STRANGE = "send it again, after a while; others may go before it"


class AnswerVerdict(NamedTuple):
    """What an answer means; `code` says why it is no success."""

    meaning: NextStep
    code: str = ""
    retry_after_seconds: float = 0.0
    answer: Mapping[str, Any] = MappingProxyType({})


NO_ANSWER: Final = AnswerVerdict(NextStep.LATER, "no_answer")


def verdict(kind: EventKind, status: int, body: bytes, retry_after_seconds: float = 0.0) -> AnswerVerdict:
    """Return what an answer to an event of this kind means."""
    told = object_in(body)
    if status == _ACCEPTED and _is_ours(kind, told):
        return AnswerVerdict(NextStep.ACCEPTED, answer=told)
    code = _problem(told)
    if status == _UNAUTHORIZED and code:
        return AnswerVerdict(NextStep.NOT_ENROLLED, code, retry_after_seconds)
    if status in _REFUSALS and status not in _NOT_FINAL:
        return AnswerVerdict(NextStep.REFUSED, code) if code else AnswerVerdict(NextStep.STRANGE, f"http_{status}")
    return AnswerVerdict(NextStep.LATER, code or f"http_{status}", retry_after_seconds)


def _is_ours(kind: EventKind, told: Mapping[str, Any]) -> bool:
    if kind is EventKind.FIX:
        return isinstance(told.get("accepted"), int)
    return isinstance(told.get("message_id"), str) and isinstance(told.get("event_id"), str)


def _problem(told: Mapping[str, Any]) -> str:
    """Return the code of a problem of the gateway, or nothing."""
    kind = told.get("type")
    if not isinstance(kind, str) or not kind.startswith(PROBLEM):
        return ""
    code = kind.removeprefix(PROBLEM)
    return code if _CODE.match(code) else ""


def object_in(body: bytes) -> dict[str, Any]:
    """Return the object of JSON that a body is; an empty one where it is none."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
