"""What is said about one message while it is read: what was let pass, and what no event carries."""

from __future__ import annotations

from typing import Final

from bondmate_connectors.contract import Lost, Remark
from bondmate_connectors.formats.cap import codes

MAX_REMARKS: Final = 100
MAX_LOST: Final = 1000


class Notes:
    """Bounded: ten megabytes of breaches are three million."""

    def __init__(self) -> None:
        self.remarks: list[Remark] = []
        self.lost: list[Lost] = []
        self._more_remarks = self._more_lost = 0

    def remark(self, code: str, path: str, detail: str) -> None:
        """Note what was let pass."""
        self.add(Remark(code, path, detail))

    def add(self, remark: Remark) -> None:
        """Note what was let pass."""
        if len(self.remarks) < MAX_REMARKS:
            self.remarks.append(remark)
        else:
            self._more_remarks += 1

    def lose(self, path: str, why: str) -> None:
        """Note an element that no event carries."""
        if len(self.lost) < MAX_LOST:
            self.lost.append(Lost(path, why))
        else:
            self._more_lost += 1

    def all_remarks(self) -> tuple[Remark, ...]:
        """Return the remarks, the last of which says how many more there were."""
        more = self._more_remarks
        return (*self.remarks, Remark(codes.TOO_MANY, "", f"{more} more")) if more else tuple(self.remarks)

    def all_lost(self) -> tuple[Lost, ...]:
        """Return what was lost, each once, the last of which says how much more there was."""
        more, lost = self._more_lost, tuple(dict.fromkeys(self.lost))
        return (*lost, Lost("alert/", f"{more} more elements like these")) if more else lost
