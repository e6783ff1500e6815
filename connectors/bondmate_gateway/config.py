"""Settings of the gateway."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bondmate_connectors.contract import ConnectorConfig
from bondmate_connectors.transports.tls import ServerTlsConfig
from pydantic import Field


class GatewayConfig(ConnectorConfig):
    """Settings of `device_http`."""

    device_file: Path = Field(
        description="YAML file of the enrolled devices and their profiles, or JSON by its suffix `.json` (use it above "
        "10,000 devices: ten times faster); `hub devices` writes it, the gateway reads it again when it changes."
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on; without `tls` a loopback address only.")
    port: int = Field(default=8080, ge=0, le=65535, description="TCP port to listen on; 0 takes a free one.")
    tls: ServerTlsConfig | None = Field(default=None, description="Certificate and key; needed unless on loopback.")
    settle_timeout_seconds: float = Field(
        default=20.0, gt=0, le=300, description="How long a request waits for Kafka before it is answered 503."
    )
    retry_after_seconds: int = Field(
        default=2, ge=1, le=3600, description="What a 503 tells the device to wait before it sends again."
    )
    read_timeout_seconds: float = Field(
        default=15.0, gt=0, le=300, description="How long a device may take to send the body of a request."
    )
    max_body_bytes: int = Field(
        default=1 << 20, ge=1024, le=1 << 26, description="Largest body taken, unpacked; above it the answer is 413."
    )
    inbox_events: int = Field(
        default=2000, ge=1, le=100_000, description="Events that may wait for Kafka; when full, requests wait."
    )
    location_requests_per_minute: int = Field(
        default=240, ge=1, description="Requests with positions one device may make in a minute; above it 429."
    )
    report_requests_per_minute: int = Field(
        default=60, ge=1, description="Reports one device may make in a minute; above it 429. Alerts have no limit."
    )
    mailbox_messages: int = Field(
        default=100, ge=1, le=10_000, description="Messages kept for a device; read ones give way first."
    )
    long_poll_max_seconds: float = Field(
        default=60.0, gt=0, le=600, description="Longest wait a device may ask for; a longer one is cut to it."
    )
    listeners_per_device: int = Field(
        default=4, ge=1, le=100, description="Streams and long polls one device may hold; the oldest gives way."
    )
    heartbeat_seconds: float = Field(
        default=25.0, gt=0, le=600, description="Pause between pings on a device's stream; one unanswered ends it."
    )
    acknowledge_again_seconds: float = Field(
        default=30.0, gt=0, le=3600, description="Pause after which a device that listens is given a message again "
        "that its officer must confirm and has not."
    )  # fmt: skip
    expiry_seconds: float = Field(
        default=1.0, gt=0, le=60, description="How often to look for messages whose time ran out; senders are told."
    )
    undelivered_after_seconds: float = Field(
        default=300.0, gt=0, le=86_400, description="After how long the sender of a message is told that its device "
        "has not had it; it is kept all the same."
    )  # fmt: skip
    reload_seconds: float = Field(
        default=2.0, gt=0, le=5, description="How often the device file is looked at; a revoked device is out by then."
    )
    drain_seconds: float = Field(
        default=0.5, ge=0, le=60, description="How long a closing gateway waits for devices to take their last answer."
    )

    @property
    def listens(self) -> Mapping[str, tuple[str, int]]:
        """Where devices call."""
        return {"port": (self.host, self.port)}
