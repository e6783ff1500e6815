"""Derived ids: every step derives the ids of what it emits from what it read, so that a repeat is recognised."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from collections.abc import Callable
from functools import lru_cache

_NAMESPACE = uuid.UUID("6f1b2f0e-53c5-5d0c-9c0b-0c0f7a1d8a11")
_BEGUN = hashlib.sha1(_NAMESPACE.bytes, usedforsecurity=False)
_VARIANT = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}
"""The hash's digit that becomes the UUID's variant: its upper two bits are then 10."""


def derived_id(*parts: str) -> str:
    """Return the UUID (version 5, RFC 9562) that belongs to `parts`: equal parts, equal id, on every machine."""
    # The length before each part keeps ("ab", "c") and ("a", "bc") apart.
    name = "".join([f"{len(part)}:{part}" for part in parts])
    # `uuid.uuid5` and the text of what it gives take three times as long, and every event asks for several.
    named = _BEGUN.copy()
    named.update(name.encode())
    found = named.hexdigest()
    return f"{found[:8]}-{found[8:12]}-5{found[13:16]}-{_VARIANT[found[16]]}{found[17:20]}-{found[20:32]}"


def numbered_id(number: int, *parts: str) -> str:
    """Return the UUID (version 8, RFC 9562) that belongs to `parts` and `number`, which ends in the number itself."""
    found = derived_id(*parts, str(number))
    return f"{found[:14]}8{found[15:28]}{number:08x}"


def number_of(found: str, *parts: str) -> int | None:
    """Return the number of an id that was numbered under `parts`; None for any other."""
    try:
        number = int(found[28:36], 16)
    except ValueError:
        return None
    return number if found == numbered_id(number, *parts) else None


def pseudonym(secret: bytes, scope: str, value: str) -> str:
    """Return the keyed pseudonym of `value` within `scope` (a destination): 32 hex digits of HMAC-SHA-256.

    Two scopes cannot compare what they got, and nobody without the secret can go back.
    """
    return pseudonyms(secret, scope)(value)


@lru_cache(maxsize=256)
def pseudonyms(secret: bytes, scope: str) -> Callable[[str], str]:
    """Return a function that returns pseudonyms of one scope; cheaper where many are needed."""
    # To copy what key and scope begin costs a third of beginning anew.
    begun = hmac.new(secret, f"{len(scope)}:{scope}".encode(), hashlib.sha256)

    def of(value: str) -> str:
        named = begun.copy()
        named.update(value.encode())
        return named.hexdigest()[:32]

    return of


def content_digest(content: bytes) -> str:
    """Return the SHA-256 of `content`, hex."""
    return hashlib.sha256(content).hexdigest()
