"""How often an account's secret was offered in vain, on disk: a process that is started again does not begin anew.

Of user and secret nothing is kept but a fingerprint under a key of that file (scrypt, RFC 7914, made to be slow), by
which the same ones are known again. Who may read the file (600, in a folder of 700) may read the secret's as well.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

import structlog

_log = structlog.get_logger(__name__)
_SCRYPT: Final = {"n": 1 << 12, "r": 8, "p": 1}
"""About ten milliseconds, at each start of a connector."""


@dataclass(frozen=True, slots=True)
class Tries:
    """What became of an account's secret until now."""

    vain: int
    """How often it was offered in vain, or was on its way."""
    wait_seconds: float
    """How long it must not be offered."""
    code: str
    roles: Sequence[str]


class AccountFile:
    """The file of one connector; not on the disk while nothing was offered in vain."""

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / f"{quote(name, safe='')}.json"
        self._key = secrets.token_bytes(32)
        self._mark = b""
        self._is_there = True

    def tries(self, said: bytes, longest_seconds: float) -> Tries | None:
        """Return what is known of what a login says, None where nothing; what is kept from now on is of that login."""
        try:
            kept = json.loads(self._path.read_bytes())
            self._key = bytes.fromhex(kept["key"])
            mark = bytes.fromhex(kept["mark"])
            # By a clock that was set meanwhile nobody waits longer.
            wait = min(max(0.0, float(kept["until"]) - time.time()), longest_seconds)
            found = Tries(int(kept["vain"]), wait, str(kept["code"]), [str(role) for role in kept["roles"]])
        except FileNotFoundError:
            mark, found = b"", None
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            _log.error("tries of a secret cannot be read", file=str(self._path), error=type(error).__name__)
            mark, found = b"", None
        self._mark = hashlib.scrypt(said, salt=self._key, dklen=32, **_SCRYPT)
        return found if hmac.compare_digest(mark, self._mark) else None

    def keep(self, tries: Tries) -> None:
        """Keep them; where the disk does not, that is said, and the connector works."""
        kept = {
            "key": self._key.hex(), "mark": self._mark.hex(), "vain": tries.vain, "code": tries.code,
            "until": time.time() + tries.wait_seconds, "roles": list(tries.roles),
        }  # fmt: skip
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            whole = self._path.with_suffix(".new")
            with os.fdopen(os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                json.dump(kept, file)
            whole.rename(self._path)
            self._is_there = True
        except OSError as error:
            _log.error("tries of a secret cannot be kept", file=str(self._path), error=type(error).__name__)

    def forget(self) -> None:
        """Keep nothing."""
        if self._is_there:
            try:
                self._path.unlink(missing_ok=True)
                self._is_there = False
            except OSError as error:
                _log.error("tries of a secret cannot be forgotten", file=str(self._path), error=type(error).__name__)
