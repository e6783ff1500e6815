"""Which device took the place of which: what was for the one before goes to the one that has its place now."""

from __future__ import annotations

from dataclasses import dataclass

from bondmate_schemas.models import DeviceMark
from bondmate_schemas.takeover import before, current


@dataclass(frozen=True, slots=True)
class Handing:
    """What changes with a takeover: the mail and alerts of some devices go from one box to another."""

    of: frozenset[str]
    from_id: str
    to_id: str


class Replacements:
    """The devices that took the place of another, by that other."""

    def __init__(self) -> None:
        self._by_replaced: dict[str, str] = {}
        self._spares: set[str] = set()

    def take(self, mark: DeviceMark) -> Handing | None:
        """Take that another device has the place of one, or that it has its own again; None where nothing changes."""
        had = self.current(mark.device_id)
        self._by_replaced.pop(mark.device_id, None)
        if mark.other_device_id:
            self._by_replaced[mark.device_id] = mark.other_device_id
        self._spares = set(self._by_replaced.values())
        has = self.current(mark.device_id)
        if has == had:
            return None
        return Handing(frozenset({mark.device_id, *before(mark.device_id, self._by_replaced)}), had, has)

    def current(self, device_id: str) -> str:
        """Return the device that has the place of this one now: another, or itself."""
        return current(device_id, self._by_replaced)

    def is_replaced(self, device_id: str) -> bool:
        """Whether another device has taken the place of this one, which is told nothing any more."""
        return device_id in self._by_replaced

    def is_spare(self, device_id: str) -> bool:
        """Whether this device has taken the place of another."""
        return device_id in self._spares

    def with_before(self, device_id: str) -> list[str]:
        """Return a device and those whose place it took."""
        return [device_id, *(before(device_id, self._by_replaced) if self.is_spare(device_id) else ())]
