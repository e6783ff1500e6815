"""What a client must be told."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bondmate_device.listener import Patience
from bondmate_device.outbox import SendingPace


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the hub is, who this device is, where it remembers."""

    url: str
    token: str = field(repr=False)
    queue_file: Path
    tls: ssl.SSLContext | None = None
    """With the device's certificate, or an authority of your own; None: what the system trusts."""
    pace: SendingPace = field(default_factory=SendingPace)
    patience: Patience = field(default_factory=Patience)
    clock: Callable[[], datetime] = _now
    """The device's clock, for `occurred_at`; must know its zone."""
    listen: bool = True
    """False: take no messages and no news of alerts, only send."""
