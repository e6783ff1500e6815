"""The ciphers behind the ids outside, in a module of its own: the library takes 8 MiB, and most roles never need it."""

from __future__ import annotations

from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def derived(secret: bytes, info: str, length: int) -> bytes:
    """Return a key of `length` bytes for one use (HKDF with SHA-256, RFC 5869)."""
    return HKDF(SHA256(), length, None, info.encode()).derive(secret)


@lru_cache(maxsize=64)
def _siv(key: bytes) -> AESSIV:
    return AESSIV(key)


def sealed(key: bytes, plain: bytes, scope: str) -> bytes:
    """Return `plain` enciphered for `scope` (AES-SIV, RFC 5297): equal for equal plain texts of one scope."""
    return _siv(key).encrypt(plain, [scope.encode()])


def opened(key: bytes, text: bytes, scope: str) -> bytes | None:
    """Return the plain text, or None where `text` was not sealed under this key for this scope."""
    try:
        return _siv(key).decrypt(text, [scope.encode()])
    except (InvalidTag, ValueError):
        return None


def permuted(secret: bytes, blocks: bytes) -> bytes:
    """Return blocks of 16 bytes, each replaced by its own (AES)."""
    # The mode that hides no repeats is meant: equal ids shall be equal.
    return Cipher(algorithms.AES(secret), modes.ECB()).encryptor().update(blocks)  # noqa: S305


def permuted_back(secret: bytes, blocks: bytes) -> bytes:
    """Return what `permuted` was given."""
    return Cipher(algorithms.AES(secret), modes.ECB()).decryptor().update(blocks)  # noqa: S305
