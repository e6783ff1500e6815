"""The ids a device gives its own alerts, and the hub's ids that belong to them.

A further press may become part of an alert that is open; its device still asks by the id it gave the press.
"""

from __future__ import annotations

from typing import Final

from bondmate_schemas.flags import STARTED_BY_ROOM
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import DeviceAlert

DEVICE_ALERT_SYSTEM: Final = "device"
"""`system` of the external reference under which an alert carries the device's own id of it."""


def alert_event_id(device_id: str, alert_id: str) -> str:
    """Return the hub's id of a device's own alert; `alert_id` of one raised without is its `message_id`."""
    return derived_id("alert", device_id, alert_id)


def real_event_id(event_id: str) -> str:
    """Return the hub's id of what its device goes on with as real, out of an exercise of this id."""
    return derived_id("alert", "real", event_id)


def own_ids(alert: DeviceAlert) -> tuple[str, ...]:
    """Return the ids its device gave the alert and the presses that became part of it, the newest last."""
    return tuple(ref.id for ref in alert.header.external_refs if ref.system == DEVICE_ALERT_SYSTEM)


def is_hidden(alert: DeviceAlert) -> bool:
    """Whether nothing of it may be shown on its device: a room started it silently, its officer has not pressed."""
    return STARTED_BY_ROOM in alert.header.flags and alert.silent and not own_ids(alert)
