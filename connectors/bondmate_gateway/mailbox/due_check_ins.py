"""The check-ins that the hub waits for, by device: a spare ends and moves those of the device before it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from bondmate_schemas.check_ins import after
from bondmate_schemas.device_alert_ids import own_ids
from bondmate_schemas.models import CheckIn

NOTHING_DUE: Final = "nothing_due"
"""What a device reads that checks in under an id of which the hub waits for nothing: most likely it meant another."""


class DueCheckIns:
    """What is due, by the id of the alert that it becomes; rebuilt from its topic at each start."""

    def __init__(self) -> None:
        self._due: dict[str, CheckIn] = {}
        self._of: dict[str, set[str]] = {}

    def take(self, event_id: str, said: CheckIn | None) -> None:
        """Take what was said of a check-in; None: its alert was raised."""
        known = self._due.pop(event_id, None)
        if known is not None:
            self._of[known.device_id].discard(event_id)
        left = after(known, said) if said else None
        if left is not None:
            self._due[event_id] = left
            self._of.setdefault(left.device_id, set()).add(event_id)

    def of(self, devices: Iterable[str]) -> list[CheckIn]:
        """Return what is due from any of these devices, the next first."""
        due = (self._due[event_id] for device in devices for event_id in self._of.get(device, ()))
        return sorted(due, key=lambda one: one.due_at)

    def named(self, devices: Iterable[str], check_in_id: str) -> CheckIn | None:
        """Return what is due from one of these devices under an id, which is its own or the hub's."""
        return next((one for one in self.of(devices) if check_in_id in names_of(one)), None)


def names_of(due: CheckIn) -> tuple[str, ...]:
    """Return the ids by which a device may speak of a check-in, its own first."""
    return (*own_ids(due.alert), due.header.event_id)
