"""Reads a JSON body and gives the digest of what it says, however it was written."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import orjson

from bondmate_gateway.http.problems import ProblemKind, Refused

_LONGEST_INTEGER = 300
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_EXPONENT = re.compile(rb"[0-9]e")
_PLAIN = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_RESENT_DIFFERENTLY = frozenset({"sent_at"})
"""Fields a device may change when it sends the same message again."""


class _DuplicateKeyError(ValueError):
    """An object names a member twice: readers would not agree on what it says (RFC 8259, section 4)."""


def parse(data: bytes) -> Any:
    """Read a body as strict JSON.

    Raises:
        Refused: not UTF-8, not JSON, NaN or Infinity, a member twice, too deep, or half a surrogate pair in a text.
    """
    try:
        value = _STRICT.decode(data.decode())
        _check_texts(data, value)
    except _DuplicateKeyError:
        raise Refused(ProblemKind.not_json, "An object names a member twice.") from None
    except RecursionError:
        raise Refused(ProblemKind.not_json, "The body is nested too deep.") from None
    except ValueError:
        raise Refused(ProblemKind.not_json) from None
    return value


def parse_leniently(data: bytes) -> tuple[Any, tuple[str, ...]]:
    """Read an alert's body, letting pass what strict JSON does not: give the value and the flags to set.

    Raises:
        Refused: nothing can be made of it.
    """
    flags: list[str] = []
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("utf-8-sig", "replace")
        flags.append("text_repaired")
    try:
        value = json.loads(text, parse_int=_integer, strict=False)
        if _SURROGATE.search(data):
            value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except RecursionError:
        raise Refused(ProblemKind.not_json, "The body is nested too deep.") from None
    except ValueError:
        raise Refused(ProblemKind.not_json) from None
    return value, tuple(flags)


def digest(value: Any) -> str:
    """Return the SHA-256 (hex) of what `value` says: order of members, spaces and escapes do not matter.

    Raises:
        Refused: nested too deep.
    """
    if isinstance(value, dict):
        value = {name: inner for name, inner in value.items() if name not in _RESENT_DIFFERENTLY}
    try:
        return hashlib.sha256(_canonical(value)).hexdigest()
    except RecursionError:
        raise Refused(ProblemKind.not_json, "The body is nested too deep.") from None


def _canonical(value: Any) -> bytes:
    """Return what `json` writes with sorted members, by orjson wherever both write the same.

    It must stay the same for ever: a repeat from before an upgrade is recognised by it.
    """
    try:
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # an integer beyond 64 bits, half a surrogate pair, nested deep
        return _PLAIN.encode(value).encode()
    # Not the same: what is not ASCII, DEL, very large and small numbers, and the infinities, which become null.
    if not text.isascii() or _EXPONENT.search(text) or b"\x7f" in text or b"null" in text or b"0.0000" in text:
        return _PLAIN.encode(value).encode()
    return text


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _DuplicateKeyError
    return found


def _no_constant(_: str) -> float:
    raise ValueError("not a number of JSON")


def _integer(text: str) -> int | float:
    # Python refuses, and slowly reads, integers of thousands of digits; as a float it fails its field's bounds.
    return int(text) if len(text) <= _LONGEST_INTEGER else float("inf")


_STRICT = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_integer)


def _check_texts(data: bytes, value: Any) -> None:
    """Half a surrogate pair parses but cannot be written as UTF-8."""
    if _SURROGATE.search(data):
        json.dumps(value, ensure_ascii=False).encode()
