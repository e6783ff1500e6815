"""Which device a destination means by the pseudonym it was given."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bondmate_streams.logic.deliveries import Agreements


class KnownDevices:
    """Devices heard of, and for each destination that answers, their pseudonyms."""

    def __init__(self, agreements: Agreements, enrolled: Callable[[], Iterable[str]]) -> None:
        """Begin with the devices that `enrolled` returns."""
        self._agreements = agreements
        self._enrolled = enrolled
        self._devices: dict[str, None] = {}
        self._names: dict[str, dict[str, str]] = {}
        self._named: dict[str, int] = {}

    def add(self, device_id: str) -> None:
        """Remember a device; safe from another thread."""
        self._devices.setdefault(device_id, None)

    def meant(self, destination: str, name: str) -> str | None:
        """Return the device that `destination` calls `name`: its pseudonym there, or the device's own id."""
        names = self._names.setdefault(destination, {})
        if name in self._devices or name in names:
            return names.get(name, name)
        for device in self._enrolled():
            self.add(device)
        self._learn(destination, names)
        return name if name in self._devices else names.get(name)

    def _learn(self, destination: str, names: dict[str, str]) -> None:
        # Only what came since the last time: a name costs a hash, and there may be tens of thousands.
        devices = list(self._devices)
        for device in devices[self._named.get(destination, 0) :]:
            name = self._agreements.name_of(destination, device)
            if name is not None:
                names[name] = device
        self._named[destination] = len(devices)
