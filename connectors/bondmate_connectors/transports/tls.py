"""Settings that name certificates, and the contexts made of their files, for calling and for being called."""

from __future__ import annotations

import ssl
from abc import ABC, abstractmethod
from pathlib import Path

from pydantic import Field, PrivateAttr

from bondmate_connectors.contract import ConnectorConfig
from bondmate_connectors.errors import Misconfigured


class TlsFiles(ConnectorConfig, ABC):
    """Base of the settings that name certificates: each `…_file` of them is watched while the connector runs.

    The context is loaded once, so that a file which is half written later does no harm; what changed comes with new
    settings, when all of it can be used.
    """

    _context: ssl.SSLContext | None = PrivateAttr(None)

    def context(self) -> ssl.SSLContext:
        """Return the context of the files as they were when this was first asked for.

        Raises:
            Misconfigured: a file cannot be read or used.
        """
        if self._context is None:
            self._context = self._load()
        return self._context

    @abstractmethod
    def _load(self) -> ssl.SSLContext: ...


class TlsConfig(TlsFiles):
    """Mutual TLS: the authority we trust and, where the platform asks for it, our certificate and key."""

    ca_file: str = Field(description="PEM file of the authority that signed the platform's certificate.")
    certificate_file: str | None = Field(default=None, description="PEM file of our certificate, for mutual TLS.")
    key_file: str | None = Field(default=None, description="PEM file of our private key.")
    server_name: str | None = Field(default=None, description="Name in the platform's certificate, when not the host.")

    def client_context(self) -> ssl.SSLContext:
        """Return the client side's context: TLS 1.2 or newer, the name checked. Raises as `context`."""
        return self.context()

    def _load(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.certificate_file:
                context.load_cert_chain(self.certificate_file, self.key_file, password="")
        except (OSError, ssl.SSLError) as error:
            raise Misconfigured("tls: ca_file, certificate_file or key_file cannot be loaded") from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


class ServerTlsConfig(TlsFiles):
    """How we prove ourselves to who calls, and whether they must bring a certificate."""

    certificate_file: Path = Field(description="PEM file of our certificate, with its chain.")
    key_file: Path = Field(description="PEM file of our private key.")
    client_ca_file: Path | None = Field(
        default=None,
        description="PEM file of the authority of the callers' certificates; when set they must bring one (mTLS).",
    )

    def server_context(self) -> ssl.SSLContext:
        """Return the server side's context: TLS 1.2 or newer.

        Raises:
            Misconfigured: a file is missing or holds no usable certificate or key.
        """
        return self.context()

    def _load(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.certificate_file, self.key_file, password="")
        except (OSError, ssl.SSLError) as error:
            raise Misconfigured("tls.certificate_file and tls.key_file: not readable, or not a pair") from error
        if self.client_ca_file is not None:
            self._ask_for_certificates(context, self.client_ca_file)
        return context

    @staticmethod
    def _ask_for_certificates(context: ssl.SSLContext, authority: Path) -> None:
        try:
            context.load_verify_locations(authority)
        except (OSError, ssl.SSLError) as error:
            raise Misconfigured("tls.client_ca_file: not readable, or no certificate in it") from error
        context.verify_mode = ssl.CERT_REQUIRED
