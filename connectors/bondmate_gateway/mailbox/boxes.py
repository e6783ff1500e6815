"""The box of every device, and who each message and alert belongs to."""

from __future__ import annotations

from bondmate_gateway.mailbox.box import Box
from bondmate_gateway.mailbox.replacements import Replacements


class Boxes:
    """One box a device; `owners` and `replacements` say into which what is read belongs."""

    def __init__(self) -> None:
        self._boxes: dict[str, Box] = {}
        self.replacements = Replacements()
        self.owners: dict[str, str] = {}
        """Who a message or an alert belongs to, by its id."""

    def box(self, device_id: str) -> Box:
        """Return the box of a device, an empty one when nothing has come yet."""
        return self._boxes.setdefault(device_id, Box())

    def wake_all(self) -> None:
        """Let every listener look again."""
        for box in self._boxes.values():
            box.wake()
