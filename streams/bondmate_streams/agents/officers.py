"""Who carries which device, from the device files, and where they were last, from the location lane."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from bondmate_streams.agents.last_locations import LastLocations
from bondmate_streams.logic.addressing import Officer

_FRESH_SECONDS: Final = 5.0
"""How long what the device files say is used; the gateway itself refuses a device that was revoked since."""


class KnownOfficers:
    """Blocks while it reads files and decodes positions: call it beside the event loop."""

    def __init__(self, enrolled: Callable[[], Iterable[Officer]], last: LastLocations) -> None:
        """Find officers among those that `enrolled` returns, and those whose positions `last` has."""
        self._read = enrolled
        self._last = last
        self._enrolled: Mapping[str, Officer] = {}
        self._read_at = float("-inf")

    def wait_caught_up(self, seconds: float) -> bool:
        """Wait until everybody on shift has been read; False after `seconds`."""
        return self._last.view.wait_caught_up(seconds)

    def of(self, device_id: str) -> Officer:
        """Return what is known of a device."""
        officer, fix = self._files().get(device_id), self._last.of(device_id)
        if fix is None:
            return officer or Officer(device_id)
        header = fix.header
        # What a device was enrolled as counts for more than what its last position said.
        known = officer or Officer(device_id, header.agency_id, header.mode, fix.unit, fix.callsign)
        who = known.officer_ref or fix.officer_ref
        return replace(known, seen_at=header.received_at, position=fix.position, officer_ref=who)

    def all(self) -> Iterator[Officer]:
        """Yield everybody enrolled or heard of."""
        for device_id in dict.fromkeys((*self._files(), *self._last.devices())):
            yield self.of(device_id)

    def _files(self) -> Mapping[str, Officer]:
        now = time.monotonic()
        if now - self._read_at > _FRESH_SECONDS:
            self._enrolled = {officer.device_id: officer for officer in self._read()}
            self._read_at = now
        return self._enrolled
