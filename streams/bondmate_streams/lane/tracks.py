"""What is remembered of each device, in arrays: `logic.locations.Track` for hundreds of thousands at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bondmate_streams.logic.locations import NEVER, SEEN_KEPT, Track

__all__ = ["Ints", "Tracks"]

Ints = NDArray[np.int64]
_FIRST_ROOM: Final = 1_024
_TRACK: Final = np.dtype([
    ("partition", np.int32),
    ("at_ms", np.int64), ("at_number", np.int64),
    ("latitude", np.float64), ("longitude", np.float64), ("accuracy_m", np.float64),
    ("has_place", np.bool_), ("sure", np.bool_),
    ("seen_ms", np.int64, SEEN_KEPT), ("seen_number", np.int64, SEEN_KEPT), ("seen", np.int32),
])  # fmt: skip
"""`seen` counts what was ever put into the ring of `seen_ms` and `seen_number`."""
_NOBODY: Final = np.zeros((), _TRACK)
_NOBODY["at_ms"], _NOBODY["at_number"] = NEVER


class Tracks:
    """Tracks by slot: each device has one as long as its partition is ours."""

    def __init__(self) -> None:
        """Remember nobody."""
        self.rows = np.zeros(_FIRST_ROOM, _TRACK)
        self.devices: list[str] = []
        self._slots: dict[str, int] = {}
        self.generation = 0
        """Grows when slots change hands: what somebody else keeps by slot is void."""

    def __len__(self) -> int:
        return len(self.devices)

    def slots(self, devices: Sequence[str], partition: Callable[[int], int]) -> Ints:
        """Give the slot of each device, a new one for who is not known; `partition` gives that of a row."""
        found = [*map(self._slots.get, devices)]
        if None in found:
            self._open([row for row, slot in enumerate(found) if slot is None], devices, partition)
            found = [*map(self._slots.get, devices)]
        return np.array(found, dtype=np.int64)

    def _open(self, rows: Sequence[int], devices: Sequence[str], partition: Callable[[int], int]) -> None:
        """Make slots for the devices in these rows, of which nothing is remembered."""
        new = {devices[row]: partition(row) for row in reversed(rows)}
        first, end = len(self.devices), len(self.devices) + len(new)
        self._slots.update(zip(new, range(first, end), strict=True))
        self.devices += new
        while end > len(self.rows):
            self.rows = np.concatenate([self.rows, np.zeros(len(self.rows), _TRACK)])
        self.rows[first:end] = _NOBODY
        self.rows["partition"][first:end] = list(new.values())

    def forget(self, partition: int) -> None:
        """Forget the devices of a partition."""
        used = self.rows[: len(self)]
        stay = np.flatnonzero(used["partition"] != partition)
        if len(stay) == len(used):
            return
        self.rows[: len(stay)] = used[stay]
        self.devices = [self.devices[slot] for slot in stay.tolist()]
        self._slots = {device: slot for slot, device in enumerate(self.devices)}
        self.generation += 1

    def track(self, slot: int) -> Track:
        """Give one as the reference has it."""
        row = self.rows[slot]
        track = Track()
        if row["at_ms"] != NEVER[0]:
            track.at = int(row["at_ms"]), int(row["at_number"])
        if row["has_place"]:
            track.place = float(row["latitude"]), float(row["longitude"])
        track.accuracy_m, track.sure = float(row["accuracy_m"]), bool(row["sure"])
        track.seen.extend(_seen(row))
        return track

    def put(self, slot: int, track: Track) -> None:
        """Take one over from the reference."""
        row = self.rows[slot : slot + 1]
        row["at_ms"], row["at_number"] = track.at or NEVER
        row["has_place"], row["sure"] = track.place is not None, track.sure
        row["latitude"], row["longitude"] = track.place or (0.0, 0.0)
        row["accuracy_m"] = track.accuracy_m
        row["seen"] = len(track.seen)
        for number, (ms, sequence) in enumerate(track.seen):
            row["seen_ms"][0, number], row["seen_number"][0, number] = ms, sequence

    def restore(self, slots: Ints, columns: Mapping[str, Any]) -> None:
        """Take over the last fixes of devices, one of each; `columns` go by the names of a track's fields."""
        self.rows[slots] = self._emptied(slots)
        self.note(slots, columns)
        self.rows["has_place"][slots] = True

    def note(self, slots: Ints, columns: Mapping[str, Any]) -> None:
        """Write down the newest fixes of devices, one of each; `columns` go by the names of a track's fields."""
        for name, column in columns.items():
            self.rows[name][slots] = column

    def _emptied(self, slots: Ints) -> Any:
        rows = np.full(len(slots), _NOBODY)
        rows["partition"] = self.rows["partition"][slots]
        return rows

    def has_seen(self, slots: Ints, ms: Ints, numbers: Ints) -> NDArray[np.bool_]:
        """Tell for each fix whether its device has lately sent one of its time and number."""
        known = self.rows["seen_ms"][slots] == ms[:, None]
        if not known.any():
            return np.zeros(len(slots), np.bool_)
        known &= self.rows["seen_number"][slots] == numbers[:, None]
        # What was never put there is zero, which is a time like any other.
        known &= np.arange(SEEN_KEPT) < self.rows["seen"][slots][:, None]
        found: NDArray[np.bool_] = known.any(axis=1)
        return found

    def see_first(self, slots: Ints, ms: Ints, numbers: Ints) -> None:
        """Put one fix into the ring, still empty, of each device."""
        self.rows["seen_ms"][slots, 0], self.rows["seen_number"][slots, 0] = ms, numbers
        self.rows["seen"][slots] = 1

    def see(self, slots: Ints, turns: Ints, ms: Ints, numbers: Ints) -> None:
        """Put fixes into the rings of their devices; `turns` counts those of one device, from 0, in their order."""
        places = (self.rows["seen"][slots] + turns) % SEEN_KEPT
        self.rows["seen_ms"][slots, places] = ms
        self.rows["seen_number"][slots, places] = numbers
        np.add.at(self.rows["seen"], slots, 1)


def _seen(row: Any) -> Iterator[tuple[int, int]]:
    """Give what stands in a ring, oldest first."""
    count = int(row["seen"])
    for turn in range(max(0, count - SEEN_KEPT), count):
        yield int(row["seen_ms"][turn % SEEN_KEPT]), int(row["seen_number"][turn % SEEN_KEPT])
