"""How often a secret of an account has been offered in vain, so that we never lock an account out.

Where a credential names an account (a password, a client secret), a platform may lock it after some failures, for
everybody who uses it. So the same refused secret is offered few times, and then seldom: also by a connector that was
built anew after a crash, and by a process that was (`account_file`). A changed secret, or a person who says that
something was mended, begins anew.

Source: OWASP Authentication Cheat Sheet, account lockout; NIST SP 800-63B, 5.2.2 (throttling).
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from bondmate_connectors.contract import Login
from bondmate_connectors.errors import AuthFailed
from bondmate_connectors.runtime.account_file import AccountFile, Tries

TRIES = 3
"""How often a refused secret is offered before it is offered seldom; so many may be on their way with it at once."""


class Account:
    """The account of one connector, if its credentials name one; it outlives the connector."""

    def __init__(self, retry_seconds: float, file: AccountFile | None = None) -> None:
        """Offer a refused secret each `retry_seconds` at last; `file` keeps how often it was, None: nothing does."""
        self._retry_seconds = retry_seconds
        self._file = file
        self._kept: Tries | None = None
        # Of this process: what is kept of a secret is of no use to anybody else.
        self._key = secrets.token_bytes(32)
        self._mark = b""
        self._vain = 0
        self._heard = 0
        """How many of those were answered by a refusal; of the others nobody knows."""
        self._proven = False
        self._due_at = 0.0
        self.code = ""
        """What they answered when it was refused last."""
        self._roles: set[str] = set()
        """The roles that it was refused to: the others may offer nothing."""
        self._aloft = 0
        self._changed = asyncio.Event()

    def use(self, login: Login | None) -> None:
        """Take note of what a connector that is built now will offer; the same as before is not new."""
        mark = b"" if login is None else hmac.digest(self._key, _said(login), hashlib.sha256)
        if mark != self._mark:
            self._mark = mark
            self._vain, self._heard, self._proven, self._due_at = 0, 0, False, 0.0
            self._roles.clear()
            self._remember(login)
        self._aloft = 0

    def _remember(self, login: Login | None) -> None:
        """Go on with the tries of an earlier process."""
        tries = self._file.tries(_said(login), self._retry_seconds) if self._file and login else None
        if tries is not None:
            self._vain, self._heard, self.code = tries.vain, tries.vain, tries.code
            self._roles.update(tries.roles)
            self._due_at = time.monotonic() + tries.wait_seconds

    def _keep(self) -> None:
        """Keep how often it was offered in vain, or may have been when this process ends now."""
        if self._file is None or not self._mark:
            return
        # What nobody knows of must not have the next process wait: an alert would, for a secret that may be right.
        vain = max(self._heard, min(self._vain + (0 if self._proven else self._aloft), TRIES - 1))
        wait = max(0.0, self._due_at - time.monotonic()) or self._retry_seconds
        tries = Tries(vain, wait if vain >= TRIES else 0.0, self.code, sorted(self._roles)) if vain else None
        if tries is None:
            self._file.forget()
        elif self._kept is None or replace(self._kept, wait_seconds=tries.wait_seconds) != tries:
            self._file.keep(tries)
        self._kept = tries

    @property
    def is_named(self) -> bool:
        """Whether the credentials name an account."""
        return bool(self._mark)

    @property
    def is_unproven(self) -> bool:
        """Whether nobody knows yet that the secret is right: it is then offered by one at a time."""
        return bool(self._mark) and not self._proven

    @asynccontextmanager
    async def offer(self) -> AsyncIterator[None]:
        """Wait until the secret may be offered once more, whatever becomes of those that are on their way with it."""
        while not self._may_be_offered():
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, self._due_at - time.monotonic()) or None):
                    await self._changed.wait()
        self._aloft += 1
        self._keep()
        try:
            yield
        except BaseException:
            # Nobody knows what they answered: a bug, or an end in the middle. Better once too seldom than locked.
            if not self._proven:
                self.refused("sink", AuthFailed(self.code or "refused"), heard=False)
            raise
        finally:
            self._aloft -= 1
            self._keep()
            self._changed.set()

    def _may_be_offered(self) -> bool:
        if not self._mark:
            return True
        if self._vain < TRIES:
            return self._aloft + self._vain < TRIES
        return not self._aloft and time.monotonic() >= self._due_at

    def wait_seconds(self, role: str) -> float:
        """Return how long `role` must not offer the secret; 0 when it may, or where there is no account."""
        return max(0.0, self._due_at - time.monotonic()) if role in self._roles else 0.0

    def is_refused(self, role: str) -> bool:
        """Whether it was refused to `role`, and nothing has proved since that it is right."""
        return role in self._roles

    def refused(self, role: str, error: AuthFailed, *, heard: bool = True) -> None:
        """Note that `role` offered it and it was refused, if `error` says that; where not `heard`, it may have been."""
        if not self._mark or not error.is_of_secret(proven=self._proven):
            return
        self._proven = False
        self._roles.add(role)
        self.code = error.code
        self._vain += 1
        self._heard += heard
        if self._vain >= TRIES:
            self._due_at = time.monotonic() + self._retry_seconds
        self._keep()

    def passed(self) -> None:
        """Note that it was offered and taken."""
        self._vain, self._heard, self._proven, self._due_at = 0, 0, bool(self._mark), 0.0
        self._roles.clear()
        self._keep()
        self._changed.set()

    def once_more(self) -> None:
        """Allow it to be offered once more at once: a person says that something was mended."""
        self._due_at = 0.0
        self._changed.set()


def _said(login: Login) -> bytes:
    return f"{len(login.user)}:{login.user}{login.password.get_secret_value()}".encode()
