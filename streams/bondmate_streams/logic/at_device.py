"""Who did what an alert says: somebody at its device, or the hub on behalf of the officer."""

from __future__ import annotations

from typing import Final

from bondmate_schemas.flags import CHECK_IN_MISSED, DEVICE_REVOKED
from bondmate_schemas.models import DeviceAlert

from bondmate_streams.logic.headers import SOURCE

_THE_HUBS: Final = frozenset({CHECK_IN_MISSED, DEVICE_REVOKED})


def is_pressed_there(alert: DeviceAlert) -> bool:
    """Whether somebody did it at the device, and not the hub, or a gateway, on behalf of its officer."""
    return alert.header.source != SOURCE and _THE_HUBS.isdisjoint(alert.header.flags)
