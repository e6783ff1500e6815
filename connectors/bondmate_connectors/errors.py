"""What can go wrong at a platform, named by what the runtime must do about it.

ConnectorError
├── NotConnected                  reconnect with back-off, send again
├── Transient(retry_after)        the same input may succeed later: back off, park the key
│   └── Throttled                 the platform asked for it
├── AuthFailed(code)              they refuse us: the whole link waits, one probe at a time; never final
├── Rejected(code)                the same input will always fail: dead-letter it, go on
├── Misconfigured                 a setting of ours that cannot work: stop until it is mended, page a person
└── EndOfStream                   a finite source is exhausted

Anything else that leaves a connector is a bug: nothing is committed, that connector is built anew after a pause, the
others go on. No message holds personal data: codes and names of settings only.
"""

from __future__ import annotations


class ConnectorError(Exception):
    """Base of all that a connector raises on purpose."""


class NotConnected(ConnectorError):  # the names are the contract's
    """The link is not there: the runtime connects again with back-off and sends again."""


class Transient(ConnectorError):
    """The same input may succeed later: the runtime backs off and parks the key.

    `retry_after` is the wait in seconds that the platform asked for, or None.
    """

    def __init__(self, reason: str = "transient", retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after


class Throttled(Transient):
    """The platform wants us to slow down."""


class AuthFailed(ConnectorError):
    """They refuse us: credentials, privilege, certificate, or the place where we ask.

    Nobody here can know when they mend it, so it is never final. The whole link waits, one probe at a time asks again
    with growing pauses, and operations are paged at once. `code` is a constant (`http_401`, `tls_certificate`) that
    says what they answered; it is shown to people. `secret` says whether they refuse a secret that we offered, so that
    an account is not locked: True, False, or None where it may be that, or what the account may do (403).
    """

    def __init__(self, code: str = "refused", hint: str = "", *, secret: bool | None = True) -> None:
        super().__init__(f"{code}: {hint}" if hint else code)
        self.code = code
        self._secret = secret
        self.hint = hint
        """What a person may look at: settings by name, never a value."""

    def is_of_secret(self, *, proven: bool) -> bool:
        """Whether they refuse the secret itself, which they have taken before if it is `proven`."""
        return not proven if self._secret is None else self._secret


class Rejected(ConnectorError):
    """The same input will always fail: the runtime dead-letters it under `code` and goes on."""

    def __init__(self, code: str, path: str = "") -> None:
        super().__init__(f"{code} at {path}" if path else code)
        self.code = code
        self.path = path


class Misconfigured(ConnectorError):
    """A setting of ours cannot work, whatever the platform does.

    The runtime stops this connector and pages a person; the message names the setting.
    """


class EndOfStream(ConnectorError):
    """A finite source has given everything."""
