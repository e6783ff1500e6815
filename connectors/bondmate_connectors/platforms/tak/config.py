"""Settings of one TAK server."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Mapping
from typing import Literal, Self

from bondmate_schemas.enums import Mode
from pydantic import Field, model_validator

from bondmate_connectors.contract import ConnectorConfig, Proof, TlsConfig
from bondmate_connectors.errors import Misconfigured
from bondmate_connectors.formats.cot.kinds_out import Lifetimes
from bondmate_connectors.transports.tcp import Address


class TakConfig(ConnectorConfig):
    """How to reach a TAK server, and what to take from it."""

    host: str = Field(description="Name or address of the TAK server.")
    port: int = Field(default=8089, ge=1, le=65535, description="Port of its CoT stream: usually 8089 TLS, 8087 plain.")
    tls: TlsConfig | None = Field(
        default=None, description="Mutual TLS. May be left out only where `host` is this machine (loopback)."
    )
    mode: Mode = Field(
        default=Mode.UNKNOWN,
        description="What all that comes from this server is for; CoT itself does not say so reliably.",
    )
    agency_id: str = Field(default="", description="Agency that owns what comes from this server.")
    stale_seconds: float = Field(
        default=30.0,
        gt=0,
        description="How long clients show an alert that is not refreshed; more than the route's refresh.",
    )
    position_stale_seconds: float = Field(default=120.0, gt=0, description="How long clients show a position, seconds.")
    other_stale_seconds: float = Field(
        default=86400.0, gt=0, description="How long clients keep a marker without an expiry, or a chat line, seconds."
    )
    connect_timeout_seconds: float = Field(default=10.0, gt=0, description="How long connecting may take.")
    pong_timeout_seconds: float = Field(
        default=10.0, gt=0, description="How long the answer to a ping may take before the connection counts as lost."
    )
    decline_words: tuple[str, ...] = Field(
        default=(), description="An answer that begins with one of these declines the alert; any other acknowledges it."
    )
    rooms: Mapping[str, str] = Field(
        default_factory=dict,
        description="Chat rooms that officers hear, by their id (`All Chat Rooms` is one), each with the agency whose"
        " devices on shift get what is written there; the destination's `may_message` must name that agency.",
    )
    emit: tuple[Literal["DeviceMessage", "IncidentEvent"], ...] = Field(
        default=(),
        description="What to take besides answers to us: DeviceMessage, chat among TAK users; IncidentEvent, markers"
        " and casualty evacuations.",
    )

    @model_validator(mode="after")
    def _encrypted_unless_local(self) -> Self:
        if self.tls is None and not _is_loopback(self.host):
            raise ValueError("tls: must be set, since host is not this machine")
        return self

    @property
    def lifetimes(self) -> Lifetimes:
        """When what we send goes stale."""
        return Lifetimes(self.stale_seconds, self.position_stale_seconds, self.other_stale_seconds)

    @property
    def proof(self) -> Proof:
        """How the server proves who it is: by mutual TLS, else by nothing but being on this machine."""
        if self.tls is not None and self.tls.certificate_file:
            return Proof.MUTUAL_TLS
        return Proof.LOOPBACK if _is_loopback(self.host) else Proof.NONE

    def address(self) -> Address:
        """Return where to connect, with the certificates that these settings stand for.

        Raises:
            Misconfigured: a certificate or key file cannot be read.
        """
        if self.tls is None:
            return Address(self.host, self.port)
        try:
            return Address(self.host, self.port, self.tls.client_context(), self.tls.server_name)
        except (OSError, ssl.SSLError) as error:
            raise Misconfigured("tls: ca_file, certificate_file or key_file cannot be loaded") from error


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
