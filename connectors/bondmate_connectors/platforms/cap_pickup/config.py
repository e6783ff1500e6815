"""Settings of `cap_pickup`."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator

from bondmate_connectors.contract import ConnectorConfig, Login
from bondmate_connectors.transports.addresses import WebAddress
from bondmate_connectors.transports.tls import TlsConfig


class FeedConfig(ConnectorConfig):
    """An Atom or RSS 2.0 feed whose entries hold alerts or link to them."""

    url: WebAddress = Field(description="Address of the feed; https unless on loopback.")
    token: SecretStr | None = Field(default=None, description="Bearer token, where the feed asks for one.")
    login: Login | None = Field(default=None, description="Account at the feed, where it asks for one (HTTP Basic).")
    link_hosts: tuple[str, ...] = Field(
        default=(), description="Hosts beside the feed's own that its entries may link to; the token never goes there."
    )
    most_entries: int = Field(default=500, ge=1, le=10_000, description="Entries followed of one version of the feed.")
    most_pages: int = Field(
        default=10, ge=1, le=100, description="Pages followed of a feed that comes in several (RFC 5005)."
    )
    timeout_seconds: float = Field(default=15.0, gt=0, le=300, description="How long one request may take.")
    allow_private_networks: bool = Field(
        default=False, description="Whether feed and links may resolve to a private address (RFC 1918, RFC 4193)."
    )
    tls: TlsConfig | None = Field(
        default=None, description="Authority to trust and own certificate; the system's when not set."
    )

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        if self.token is not None and self.login is not None:
            raise ValueError("either `token` or `login` may be set, not both")
        return self


class CapPickupConfig(ConnectorConfig):
    """Settings of `cap_pickup`: a folder or a feed."""

    folder: Path | None = Field(
        default=None,
        description="Folder whose files are picked up, those in its folders too; nothing in it is changed.",
    )
    feed: FeedConfig | None = Field(default=None, description="Atom or RSS feed that is polled.")
    cursor_file: Path = Field(description="File that remembers what was taken; it is written on settling only.")
    poll_seconds: float = Field(default=5.0, gt=0, le=3600, description="Pause between two looks.")
    quiet_seconds: float = Field(
        default=0.5, ge=0, le=60, description="How long a file must not have changed before it is read."
    )
    max_bytes: int = Field(
        default=10 << 20, ge=1024, le=10 << 20, description="Largest file, feed or linked alert that is read."
    )
    redate: bool = Field(
        default=False, description="Whether alerts are moved to the time they are picked up, with all their times: for "
        "demonstrations with recorded alerts.",
    )  # fmt: skip
    exercise: bool = Field(
        default=False, description="Whether alerts of status Actual become EXERCISE; Test stays TEST."
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.folder is None) == (self.feed is None):
            raise ValueError("either `folder` or `feed` must be set")
        if self.folder is not None and self.cursor_file.absolute().is_relative_to(self.folder.absolute()):
            raise ValueError("`cursor_file` must not lie in `folder`")
        return self
