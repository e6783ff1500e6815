"""Signed webhooks: Standard Webhooks 1.0.0, both sides, with rotation of secrets and memory against replay.

The signature is HMAC-SHA-256 over `id.timestamp.body`; the body is signed as its bytes, before anything reads it. Two
secrets may be good at a time: the sender signs with both, the receiver takes either, so that neither must change first.

The public package `standardwebhooks` signs and verifies the same, which the tests try both ways, and is not taken: it
knows one secret at a time, reads a body as text, takes one of our headers that comes twice, and remembers no message.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import struct
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Final

ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"
_OURS: Final = (ID, TIMESTAMP, SIGNATURE)
TOLERANCE_SECONDS: Final = 300.0
MOST_SECRETS: Final = 2

_VERSION: Final = "v1"
_ENCODED: Final = "whsec_"
_KEY_BYTES: Final = 24
"""The least that the standard allows, 192 bits; base64 of it needs no padding, on which libraries differ."""
_LONGEST_ID: Final = 512
_MOST_SIGNATURES: Final = 10
_LONGEST_TIMESTAMP: Final = 12
_AT: Final = struct.Struct("d")
_DIGEST_BYTES: Final = 16
"""128 bits: nobody finds a second message to a given one, and who knows the secret need not forge."""


class SignatureRefused(Exception):  # the name is the outcome
    """A message is not from who it says, or not of now; `code` says what is wrong, never a value."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def new_secret() -> str:
    """Return a new secret as every library of the standard takes it: `whsec_` and base64 of 24 random bytes."""
    return _ENCODED + base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()


def key_of(secret: str) -> bytes:
    """Return the key of a secret: base64 after `whsec_`, as the standard writes them, else its UTF-8 bytes.

    Raises:
        ValueError: `whsec_` is followed by something that is not base64, or the secret is empty.
    """
    if not secret.startswith(_ENCODED):
        key = secret.encode()
    else:
        try:
            text = secret.removeprefix(_ENCODED)
            key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except binascii.Error:
            raise ValueError("not base64 after whsec_") from None
    if not key:
        raise ValueError("empty")
    return key


def sign(keys: Sequence[bytes], message_id: str, body: bytes, now: datetime) -> dict[str, str]:
    """Return the three headers of a message, signed with each of `keys`.

    `message_id` is the same at every attempt and is all that a receiver needs to recognise a repeat; visible ASCII.
    """
    stamp = str(int(now.timestamp()))
    signatures = " ".join(f"{_VERSION},{_mac(key, message_id, stamp, body)}" for key in keys)
    return {ID: message_id, TIMESTAMP: stamp, SIGNATURE: signatures}


def verify(
    keys: Sequence[bytes],
    headers: Iterable[tuple[str, str]],
    body: bytes,
    now: datetime,
    tolerance_seconds: float = TOLERANCE_SECONDS,
) -> str:
    """Return the id of a message that is signed with one of `keys` and not older or newer than the tolerance.

    `headers` are the pairs as received: one of ours that comes twice is refused, since two readers might differ.

    Raises:
        SignatureRefused: `signature_missing`, `signature_wrong` or `signature_old`; answer 401.
    """
    given = _given(headers)
    message_id, stamp = given[ID], given[TIMESTAMP]
    signatures = given[SIGNATURE].split()[:_MOST_SIGNATURES]
    wanted = [f"{_VERSION},{_mac(key, message_id, stamp, body)}".encode() for key in keys]
    # No short cut: the time taken says nothing of which secret or how many characters were right.
    right = [hmac.compare_digest(want, have.encode("utf-8", "replace")) for want in wanted for have in signatures]
    if not any(right):
        raise SignatureRefused("signature_wrong")
    if abs(now.timestamp() - int(stamp)) > tolerance_seconds:
        raise SignatureRefused("signature_old")
    return message_id


def _given(headers: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    given: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        if lower not in _OURS:
            continue
        if lower in given:
            raise SignatureRefused("signature_missing")
        given[lower] = value.strip()
    complete = all(given.get(name) for name in _OURS)
    stamp = given.get(TIMESTAMP, "")
    if not complete or len(given[ID]) > _LONGEST_ID or not (stamp.isascii() and stamp.isdigit()):
        raise SignatureRefused("signature_missing")
    if len(stamp) > _LONGEST_TIMESTAMP:
        raise SignatureRefused("signature_old")
    return given


def _mac(key: bytes, message_id: str, stamp: str, body: bytes) -> str:
    signed = _bytes(f"{message_id}.{stamp}.") + body
    return base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


def _bytes(text: str) -> bytes:
    """Return a header's bytes.

    It arrives as text with bytes beyond ASCII escaped; such an id must not raise here.
    """
    return text.encode("utf-8", "surrogateescape")


class MessageState(Enum):
    """What the memory knows of a message."""

    NEW = "new"
    IN_HAND = "in_hand"
    """The same message is being worked on now: let the sender try again later."""
    DONE = "done"
    """Taken before: say so again, and do nothing."""
    OTHER_CONTENT = "other_content"
    """The id was used for another body: refuse."""
    FULL = "full"
    """No room to remember it: let the sender try again later."""


class ReplayMemory:
    """Remembers the ids of signed messages for longer than their timestamps are good.

    A repeat after that is refused as old. Bounded: when full of ids that still matter, nothing new is begun. It starts
    empty with the process; what is repeated then has the same derived ids and is recognised downstream.
    """

    def __init__(self, tolerance_seconds: float = TOLERANCE_SECONDS, limit: int = 100_000) -> None:
        # A timestamp from the near future stays good for twice the tolerance.
        self._keep_seconds = 2 * tolerance_seconds + 1
        self._limit = limit
        self._seen: dict[bytes, bytes] = {}
        """When each was begun and its content's digest, by its id's digest: a busy hour makes a hundred thousand."""
        self._in_hand: set[bytes] = set()

    def begin(self, message_id: str, body: bytes, now: datetime) -> MessageState:
        """Return what is known of the message; a new one is in hand from now on."""
        self._forget(now.timestamp())
        key, digest = _short(_bytes(message_id)), _short(body)
        seen = self._seen.get(key)
        if seen is not None:
            return self._again(key, seen, digest)
        if len(self._seen) >= self._limit:
            return MessageState.FULL
        self._seen[key] = _AT.pack(now.timestamp()) + digest
        self._in_hand.add(key)
        return MessageState.NEW

    def finish(self, message_id: str) -> None:
        """Note that the message was taken, or refused for good: a repeat of it has no effect."""
        self._in_hand.discard(_short(_bytes(message_id)))

    def abandon(self, message_id: str) -> None:
        """Note that the message was not taken: its sender may try again."""
        key = _short(_bytes(message_id))
        if key in self._in_hand:
            self._in_hand.discard(key)
            self._seen.pop(key, None)

    def _again(self, key: bytes, seen: bytes, digest: bytes) -> MessageState:
        if not hmac.compare_digest(seen[_AT.size :], digest):
            return MessageState.OTHER_CONTENT
        return MessageState.IN_HAND if key in self._in_hand else MessageState.DONE

    def _forget(self, now: float) -> None:
        while self._seen:
            key, oldest = next(iter(self._seen.items()))
            if now - _AT.unpack_from(oldest)[0] <= self._keep_seconds:
                return
            del self._seen[key]
            self._in_hand.discard(key)


def _short(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()[:_DIGEST_BYTES]
