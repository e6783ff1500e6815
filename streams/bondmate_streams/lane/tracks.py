"""What is remembered of each device, in arrays: `logic.locations.Track` for hundreds of thousands at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bondmate_streams.lane.device_index import DeviceIndex, Ints, doubled, words_of
from bondmate_streams.logic.locations import NEVER, SEEN_KEPT, Track

__all__ = ["Ints", "Tracks"]

_FIRST_ROOM: Final = 1_024
_TRACK: Final = np.dtype([
    ("at_ms", np.int64), ("at_number", np.int64),
    ("latitude", np.float64), ("longitude", np.float64), ("accuracy_m", np.float64),
    ("seen_until_ms", np.int64), ("partition", np.int32), ("seen", np.int32),
    ("has_place", np.bool_), ("sure", np.bool_), ("", np.void, 6),
])  # fmt: skip
"""A line of the processor's cache. `seen` counts what was ever put into a ring, nothing in it is newer than
`seen_until_ms`."""
_RING: Final = np.dtype([("ms", np.int64), ("number", np.int64)])
_NOBODY: Final = np.zeros((), _TRACK)
_NOBODY["at_ms"], _NOBODY["at_number"] = NEVER
_NOBODY["seen_until_ms"] = np.iinfo(np.int64).min


class Tracks:
    """Tracks by slot: each device has one as long as its partition is ours."""

    def __init__(self) -> None:
        """Create an empty table."""
        self.rows = np.zeros(_FIRST_ROOM, _TRACK)
        self._rings = np.zeros((_FIRST_ROOM, SEEN_KEPT), _RING)
        """Time and number of the fixes that a device has sent last."""
        self._devices = DeviceIndex()
        self.generation = 0
        """Grows when slots change hands: what somebody else keeps by slot is void."""

    def __len__(self) -> int:
        return len(self._devices)

    def slots(
        self,
        devices: pa.StringArray,
        partition: Callable[[int], int],
        is_home: Callable[[str, int], bool] = lambda *_: True,
    ) -> Ints:
        """Return the slot of each device, a new one for a device not known; `partition` maps a row to its partition.

        A device that is not at home in that partition, as `is_home` decides, gets no new slot but -1.
        """
        words = words_of(devices)
        found = self._devices.find(words)
        new = np.flatnonzero(found < 0)
        names = devices.take(pa.array(new)).to_pylist() if len(new) else []
        here = [is_home(name, partition(row)) for name, row in zip(names, new.tolist(), strict=True)]
        if not all(here):
            new, names = new[here], [name for name, stays in zip(names, here, strict=True) if stays]
        if len(new):
            first = new[[*dict(zip(reversed(names), reversed(range(len(new))), strict=True)).values()]]
            self._open(self._devices.add(words[first]), [partition(row) for row in first.tolist()])
            found[new] = self._devices.find(words[new])
        return found

    def slot(self, device: str, partition: int) -> int:
        """Return the slot of one device."""
        return int(self.slots(pa.array([device], pa.string()), lambda _: partition)[0])

    def _open(self, slots: Ints, partitions: Sequence[int]) -> None:
        """Make room for slots of which nothing is remembered."""
        while len(self) > len(self.rows):
            self.rows, self._rings = doubled(self.rows), doubled(self._rings)
        self.rows[slots] = _NOBODY
        self.rows["partition"][slots] = partitions

    def forget(self, partition: int) -> None:
        """Forget the devices of a partition."""
        used = self.rows[: len(self)]
        stay = np.flatnonzero(used["partition"] != partition)
        if len(stay) == len(used):
            return
        self.rows[: len(stay)], self._rings[: len(stay)] = used[stay], self._rings[stay]
        self._devices.keep(stay)
        self.generation += 1

    def track(self, slot: int) -> Track:
        """Return one track as the row-wise reference holds it."""
        row = self.rows[slot]
        track = Track()
        if row["at_ms"] != NEVER[0]:
            track.at = int(row["at_ms"]), int(row["at_number"])
        if row["has_place"]:
            track.place = float(row["latitude"]), float(row["longitude"])
        track.accuracy_m, track.sure = float(row["accuracy_m"]), bool(row["sure"])
        track.seen.extend(self._seen(slot))
        return track

    def put(self, slot: int, track: Track) -> None:
        """Take one over from the reference."""
        self.put_all(np.array([slot]), [track])

    def put_all(self, slots: Ints, tracks: Sequence[Track]) -> None:
        """Take many over from the reference, of a slot each."""
        rows = self._emptied(slots)
        rows["at_ms"], rows["at_number"] = np.array([track.at or NEVER for track in tracks], np.int64).reshape(-1, 2).T
        rows["has_place"] = [track.place is not None for track in tracks]
        rows["latitude"], rows["longitude"] = np.array([track.place or (0.0, 0.0) for track in tracks]).reshape(-1, 2).T
        rows["accuracy_m"] = [track.accuracy_m for track in tracks]
        rows["sure"] = [track.sure for track in tracks]
        self.rows[slots] = rows
        seen = [(slot, turn, *at) for slot, track in zip(slots.tolist(), tracks, strict=True)
                for turn, at in enumerate(track.seen)]  # fmt: skip
        if seen:
            self.see(*np.array(seen, np.int64).T)

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
        """Whether the device of each fix has lately sent another of its time and number."""
        found = np.zeros(len(slots), np.bool_)
        rows = np.flatnonzero(self.rows["seen_until_ms"][slots] >= ms)
        if len(rows):
            rings = self._rings[slots[rows]]
            known = (rings["ms"] == ms[rows, None]) & (rings["number"] == numbers[rows, None])
            # What was never put there is zero, which is a time like any other.
            known &= np.arange(SEEN_KEPT) < self.rows["seen"][slots[rows]][:, None]
            found[rows] = known.any(axis=1)
        return found

    def see(self, slots: Ints, turns: Ints, ms: Ints, numbers: Ints) -> None:
        """Put fixes into the rings of their devices; `turns` counts those of one device, from 0, in their order."""
        seen = self.rows["seen"][slots] + turns
        cells = slots, seen % SEEN_KEPT
        self._rings["ms"][cells], self._rings["number"][cells] = ms, numbers
        self.rows["seen"][slots] = seen + 1  # of several of one device the last counts
        np.maximum.at(self.rows["seen_until_ms"], slots, ms)

    def _seen(self, slot: int) -> Iterator[tuple[int, int]]:
        """Yield what is in a ring, oldest first."""
        count = int(self.rows["seen"][slot])
        for turn in range(max(0, count - SEEN_KEPT), count):
            ms, number = self._rings[slot, turn % SEEN_KEPT].tolist()
            yield ms, number
