"""Links by which a page is taken: whoever has one may, for a while. Nothing is stored: the link proves itself.

A link names page, step and expiry, under an HMAC (SHA-256, 192 bits of it). That a page is taken once is known by its
mark, not by the link.
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Final

__all__ = ["LinkRefusedError", "Taker", "link_token", "taker_of"]

_MAC_BYTES: Final = 24
_LONGEST: Final = 512
_PARTS: Final = 4


class LinkRefusedError(Exception):
    """Nobody takes a page by this link; `code` says why: `not_a_link` or `expired`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Taker:
    """Which page a link is of, and the step that it was sent to."""

    page_id: str
    step: str


def link_token(key: bytes, page_id: str, step: str, expires_at: datetime) -> str:
    """Return the last part of a link."""
    named = f"{_packed(page_id.encode())}.{step}.{int(expires_at.timestamp()):x}"
    return f"{named}.{_mac(key, named)}"


def taker_of(key: bytes, token: str, now: datetime) -> Taker:
    """Return whose link it is.

    Raises:
        LinkRefusedError: it is none of ours, or was good until a while ago.
    """
    named, _, mac = token.rpartition(".")
    parts = token.split(".")
    if len(token) > _LONGEST or len(parts) != _PARTS or not token.isascii():
        raise LinkRefusedError("not_a_link")
    if not hmac.compare_digest(mac, _mac(key, named)):
        raise LinkRefusedError("not_a_link")
    page_id, step, expires = parts[0], parts[1], int(parts[2], 16)
    if now.timestamp() >= expires:
        raise LinkRefusedError("expired")
    return Taker(_unpacked(page_id), step)


def _mac(key: bytes, named: str) -> str:
    return _packed(hmac.digest(key, f"page-link/{named}".encode(), "sha256")[:_MAC_BYTES])


def _packed(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unpacked(text: str) -> str:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
