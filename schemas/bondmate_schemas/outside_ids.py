"""Ids as they leave the hub: enciphered for each destination, so that nobody outside can go back or compare.

Inside, ids are derived without a key from what devices send, so that every gateway makes the same. Outside that would
give device, time and place to whoever guesses well. An id that leaves is therefore AES-SIV (RFC 5297) of the id inside,
with the destination as associated data: always the same for one destination, another for every other one, and read back
without any memory, by this hub alone. An id that somebody invents, or that is another destination's, does not read.

An outside id is `<name of the key>-<hex digits>`: safe in XML, URLs, file names and Kafka keys.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any, Final

AS_INSIDE: Final = ""
"""In place of a key's name: ids go out as they are inside. So did those of hubs that had no keys for them."""
FIRST_KEY: Final = "0"
"""Name of the key that there is without any setting."""
KEY_NAME: Final = "[a-z0-9]{1,8}"
SHARED: Final = "\0shared"
"""In place of a destination: for ids that several of them may compare."""
BLOCK_BYTES: Final = 16
_TOKEN: Final = re.compile(rf"(?<![A-Za-z0-9])({KEY_NAME})-((?:[0-9a-f]{{2}}){{32,}})(?![A-Za-z0-9])")
_KEY_BYTES: Final = 64
_DIGEST_BYTES: Final = 32
_END: Final = b"\x80"
_KEPT: Final = 2_000
"""Ids remembered in either direction: one that is told is told to several, and answered within seconds."""
_UUID: Final = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class ForeignIdError(ValueError):
    """An id that looks like one of ours and was not given to this destination."""


@dataclass(frozen=True)
class OutsideIds:
    """Ids as they leave, under the newest key or the one that is asked for, and read back under any."""

    secrets: Mapping[str, bytes] = field(repr=False)
    """By the name of the key, the newest first."""

    def __post_init__(self) -> None:
        """Refuse names that would not read back."""
        if not self.secrets or any(not re.fullmatch(KEY_NAME, name) for name in self.secrets):
            raise ValueError(f"keys of outside ids: at least one, with names of {KEY_NAME}")

    @classmethod
    def of(cls, secret: bytes) -> OutsideIds:
        """Return the ids of a hub whose settings name no key for them: it follows from that of the pseudonyms."""
        return cls({FIRST_KEY: secret})

    @property
    def newest(self) -> str:
        """The name of the key for what is told from now on."""
        return next(iter(self.secrets))

    def usable(self, key: str | None) -> str:
        """Return `key` where it is still there, else the newest: who was told under one that is gone hears anew."""
        return self.newest if key is None or (key and key not in self.secrets) else key

    def of_destination(self, destination: str, key: str | None = None) -> Callable[[str], str]:
        """Return what turns ids into those that a destination is told, under `key` or the newest."""
        name = self.usable(key)
        if name == AS_INSIDE:
            return _same
        secret = self.secrets[name]
        return lambda inside: f"{name}-{_sealed(secret, name, destination, inside)}"

    def digest(self, destination: str, key: str | None = None) -> Callable[[str], str]:
        """Return what turns digests into keyed ones, equal for equal ones at one destination."""
        name = self.usable(key)
        if name == AS_INSIDE:
            return _same
        secret = _derived(self.secrets[name], "digests", f"{name} {destination}", _DIGEST_BYTES)
        return lambda text: hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()

    def back(self, destination: str, text: str) -> str:
        """Return the id inside for one that a destination gives; one that is not of our making is returned as it is.

        Raises:
            ForeignIdError: it is of our making, and not for this destination; or somebody has invented it.
        """
        found = _TOKEN.fullmatch(text)
        if found is None or found[1] not in self.secrets:
            return text
        for scope in (destination, SHARED):
            inside = _opened(self.secrets[found[1]], found[1], scope, found[2])
            if inside is not None:
                return inside
        raise ForeignIdError

    def is_of(self, destination: str, text: str) -> bool:
        """Whether an id was given to this destination."""
        try:
            return self.back(destination, text) != text
        except ForeignIdError:
            return False

    def replaced(self, destination: str, text: str, change: Callable[[str], str] = lambda inside: inside) -> str:
        """Return a text in which each id that a destination was given is put as `change` makes it of the one inside."""

        def put(found: re.Match[str]) -> str:
            try:
                inside = self.back(destination, found[0])
            except ForeignIdError:
                return found[0]
            return found[0] if inside == found[0] else change(inside)

        return _TOKEN.sub(put, text) if "-" in text else text

    def unanswered(self, destination: str) -> Unanswered:
        """Return the ids for what nobody ever answers, of which there are many."""
        return Unanswered(_derived(self.secrets[self.newest], "unanswered", f"{self.newest} {destination}", 32))


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Ids of positions for one destination: a keyed permutation of 16 bytes, as 32 hex digits.

    Each block stands for itself and no two are equal unless the ids are, so that nothing is lost by enciphering them
    one by one; many at a time cost next to nothing.
    """

    secret: bytes = field(repr=False)

    def of(self, inside: str) -> str:
        """Return the id for one id."""
        return self.of_blocks(block_of(inside)).hex()

    def uuid_of(self, outside: str) -> str:
        """Return the UUID that an id stands for, for whoever has the key and knows that it was one."""
        return _text(_ciphers().permuted_back(self.secret, bytes.fromhex(outside)))

    def of_blocks(self, blocks: bytes) -> bytes:
        """Return the blocks for the blocks of many ids, one after another."""
        found: bytes = _ciphers().permuted(self.secret, blocks)
        return found


def block_of(inside: str) -> bytes:
    """Return 16 bytes for an id: those of a UUID, else the beginning of a digest, which no UUID has."""
    if _UUID.fullmatch(inside):
        return bytes.fromhex(inside.replace("-", ""))
    return hashlib.sha256(inside.encode("utf-8", "surrogatepass")).digest()[:BLOCK_BYTES]


def blocks_of(insides: Sequence[str]) -> bytes:
    """Return the blocks of many ids."""
    return b"".join(map(block_of, insides))


def texts_of(blocks: bytes) -> list[str]:
    """Return the texts of many blocks."""
    text = blocks.hex()
    return [text[at : at + 2 * BLOCK_BYTES] for at in range(0, len(text), 2 * BLOCK_BYTES)]


def _same(inside: str) -> str:
    return inside


@lru_cache(_KEPT)
def _sealed(secret: bytes, name: str, scope: str, inside: str) -> str:
    found: str = _ciphers().sealed(_key(secret, name), _plain(inside), scope).hex()
    return found


@lru_cache(_KEPT)
def _opened(secret: bytes, name: str, scope: str, text: str) -> str | None:
    plain = _ciphers().opened(_key(secret, name), bytes.fromhex(text), scope)
    return None if plain is None else _text(plain)


@cache
def _ciphers() -> Any:
    # Loaded with the first id that leaves: most roles have none.
    from bondmate_schemas import ciphers as loaded  # noqa: PLC0415

    return loaded


def _key(secret: bytes, name: str) -> bytes:
    return _derived(secret, "ids", name, _KEY_BYTES)


@lru_cache(maxsize=1024)
def _derived(secret: bytes, use: str, of: str, length: int) -> bytes:
    found: bytes = _ciphers().derived(secret, f"bondmate outside ids 1 {use} {of}", length)
    return found


def _plain(inside: str) -> bytes:
    """Return the 16 bytes of a UUID; of any other id its text, in steps of 16, so that its length does not show."""
    if _UUID.fullmatch(inside):
        return bytes.fromhex(inside.replace("-", ""))
    text = inside.encode("utf-8", "surrogatepass") + _END
    return b"\0" + text.ljust(-(-len(text) // BLOCK_BYTES) * BLOCK_BYTES, b"\0")


def _text(plain: bytes) -> str:
    if len(plain) == BLOCK_BYTES:
        found = plain.hex()
        return "-".join((found[:8], found[8:12], found[12:16], found[16:20], found[20:]))
    return plain[1:].rstrip(b"\0")[: -len(_END)].decode("utf-8", "surrogatepass")
