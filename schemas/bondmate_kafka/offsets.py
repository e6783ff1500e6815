"""Which offset of a partition may be committed: the end of the contiguous run of settled records."""

from __future__ import annotations

from collections import deque


class OffsetTracker:
    """Follow one partition from assignment to revocation; pure, not shared between threads.

    Records settle in any order. Offsets may have gaps (compaction, transaction markers): contiguous means that no
    record taken before is still open.
    """

    def __init__(self) -> None:
        self._open: deque[int] = deque()
        self._settled: set[int] = set()
        self._last_taken = -1
        self.committable: int | None = None
        """The offset to commit, that is of the first record a restart must read again; None while nothing settled."""

    def take(self, offset: int) -> None:
        """Note that the record at `offset` was taken from the partition, in order.

        Raises:
            ValueError: `offset` is not greater than the last one; the caller's order is broken.
        """
        if offset <= self._last_taken:
            raise ValueError(f"offset {offset} taken after {self._last_taken}")
        self._last_taken = offset
        self._open.append(offset)

    def settle(self, offset: int) -> bool:
        """Note that the record at `offset` needs no second delivery; return whether `committable` moved.

        Raises:
            ValueError: `offset` was not taken, or is settled already; the caller counts wrongly.
        """
        if offset in self._settled or not self._open or not self._open[0] <= offset <= self._last_taken:
            raise ValueError(f"offset {offset} is not open")
        self._settled.add(offset)
        return self._advance()

    def _advance(self) -> bool:
        moved = False
        while self._open and self._open[0] in self._settled:
            first = self._open.popleft()
            self._settled.remove(first)
            self.committable, moved = first + 1, True
        return moved
