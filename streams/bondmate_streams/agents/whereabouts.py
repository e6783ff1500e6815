"""Where an officer was last, by the fixes of whichever device was theirs at the time."""

from __future__ import annotations

from collections.abc import Callable

from bondmate_schemas.models import DeviceLocation

from bondmate_streams.agents.device_marks import DeviceMarks
from bondmate_streams.agents.last_locations import LastLocations
from bondmate_streams.logic.following import is_officers


class Whereabouts:
    """The last fixes and the takeovers, together."""

    def __init__(self, last: LastLocations, marks: DeviceMarks) -> None:
        self._last = last
        self._marks = marks

    def on_change(self, call: Callable[[str], None]) -> None:
        """Call `call` with the device of each fix and of each takeover, in the thread that reads them."""
        self._last.on_fix = self._marks.on_replaced = call

    def before(self, device_id: str) -> list[str]:
        """Return the devices whose place one took."""
        return self._marks.before(device_id)

    def at_device(self, device_id: str) -> DeviceLocation | None:
        """Return the newest fix of one device, whoever has it."""
        return self._last.of(device_id)

    def of(self, device_id: str) -> DeviceLocation | None:
        """Return the newest fix of the officer of a device; a spare may have been elsewhere until it took over."""
        current = self._marks.current(device_id)
        theirs = (self._officers(device) for device in (current, *self._marks.before(current)))
        return next((fix for fix in theirs if fix), None)

    def _officers(self, device_id: str) -> DeviceLocation | None:
        fix = self._last.of(device_id)
        took, replaced = self._marks.took(device_id), self._marks.replaced(device_id)
        return fix if fix and is_officers(fix, took, replaced) else None
