"""What a failed TLS handshake says, for every transport: who refused whom.

| what happened | code |
|---|---|
| their certificate: of another authority, expired, of another name, not yet valid | `tls_certificate` |
| ours, or that we have none, is refused by an alert (RFC 8446, section 6.2) | `tls_own_certificate` |
| no common version or cipher, no TLS at all, or a name that they do not serve | `tls_refused` |

All else (cut, reset, timed out) is no refusal.
"""

from __future__ import annotations

import ssl
from typing import Final

from bondmate_connectors.errors import AuthFailed

_OUR_CERTIFICATE: Final = ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED", "HANDSHAKE_FAILURE")
"""Parts of the alerts by which a server refuses a client's certificate, or its absence."""
_NO_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "UNSUPPORTED_PROTOCOL", "RECORD_LAYER_FAILURE", "HTTP_REQUEST",
                            "NO_PROTOCOLS_AVAILABLE", "PACKET_LENGTH_TOO_LONG", "UNKNOWN_PROTOCOL",
                            "TLSV1_UNRECOGNIZED_NAME"})  # fmt: skip
_NO_AGREEMENT: Final = ("PROTOCOL_VERSION", "INSUFFICIENT_SECURITY")
"""Parts of the alerts by which a server refuses what we offer, whoever we are."""


def tls_refusal(error: BaseException) -> AuthFailed | None:
    """Return the refusal that a TLS error means; None where it means none."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return AuthFailed("tls_certificate", "not trusted for this name: see ca_file, server_name", secret=False)
    # The HTTP client wraps it in an error of the same class that has no reason of its own.
    reason = (getattr(error, "reason", None) or "") if isinstance(error, ssl.SSLError) else ""
    if "ALERT" in reason and any(part in reason for part in _OUR_CERTIFICATE):
        return AuthFailed("tls_own_certificate", "they refuse ours: see certificate_file, key_file", secret=False)
    if reason in _NO_TLS or ("ALERT" in reason and any(part in reason for part in _NO_AGREEMENT)):
        return AuthFailed(
            "tls_refused",
            "what answers there speaks no TLS 1.2 or newer, or not as this: see port, url",
            secret=False,
        )
    return None
