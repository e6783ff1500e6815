"""How clients are let in, once: TLS and logins, in the words of librdkafka and of Python's `ssl`.

`bondmate_hub` reads the settings under `kafka.client` into a `Security`. The clients of this package take it as they
are built; faust's own consumer gets it by `_credentials` in `bondmate_streams.faust_adapter.application`.
"""

from __future__ import annotations

import base64
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
_PROTOCOL: Final = {
    (False, False): "PLAINTEXT",
    (True, False): "SSL",
    (False, True): "SASL_PLAINTEXT",
    (True, True): "SASL_SSL",
}


@dataclass(frozen=True, slots=True)
class Tls:
    """The authorities we trust, the system's where none is named, and our own certificate where it is asked for."""

    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    key_password: str = field(default="", repr=False)

    def context(self) -> ssl.SSLContext:
        """Return a client's context: TLS 1.2 or newer, the server's name checked.

        Raises:
            OSError: a file cannot be read or used (`ssl.SSLError` is one).
        """
        context = ssl.create_default_context(cafile=self.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.certificate_file:
            # Never asked at a terminal: a key without its password is an error.
            context.load_cert_chain(self.certificate_file, self.key_file, password=self.key_password)
        return context

    def librdkafka(self) -> dict[str, Any]:
        """Return the same in the client library's words."""
        files = {
            "ssl.ca.location": self.ca_file,
            "ssl.certificate.location": self.certificate_file,
            "ssl.key.location": self.key_file or self.certificate_file,
        }
        password = {"ssl.key.password": self.key_password} if self.key_password else {}
        return {name: str(path) for name, path in files.items() if path} | password


@dataclass(frozen=True, slots=True)
class Credentials:
    """A name and its password."""

    username: str
    password: str = field(repr=False)
    mechanism: Mechanism = "SCRAM-SHA-512"

    def librdkafka(self) -> dict[str, Any]:
        """Return the same in the client library's words."""
        return {
            "sasl.mechanism": self.mechanism,
            "sasl.username": self.username,
            "sasl.password": self.password,
        }


@dataclass(frozen=True, slots=True)
class Security:
    """What brokers ask of every client of the hub, whatever its library."""

    tls: Tls | None = None
    login: Credentials | None = None

    @property
    def protocol(self) -> str:
        """Kafka's name for it."""
        return _PROTOCOL[self.tls is not None, self.login is not None]

    def librdkafka(self) -> dict[str, Any]:
        """Return the settings of a client of librdkafka; none where nothing is asked."""
        if self.tls is None and self.login is None:
            return {}
        return {
            "security.protocol": self.protocol,
            **(self.tls.librdkafka() if self.tls else {}),
            **(self.login.librdkafka() if self.login else {}),
        }


@dataclass(frozen=True, slots=True)
class RegistryAccess:
    """What the schema registry asks of us: HTTP's basic login, and TLS where its URL has https."""

    tls: Tls | None = None
    login: Credentials | None = None

    def context(self) -> ssl.SSLContext | None:
        """Return the context of its clients; None: the usual one. Raises as `Tls.context`."""
        return self.tls.context() if self.tls else None

    def headers(self) -> dict[str, str]:
        """Return the headers of a request that logs in."""
        if self.login is None:
            return {}
        told = base64.b64encode(f"{self.login.username}:{self.login.password}".encode()).decode()
        return {"Authorization": f"Basic {told}"}
