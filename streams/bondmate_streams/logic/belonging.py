"""Where a record belongs: the key and the partition that its content asks for, whoever wrote it and with what client.

Tables, locks and the lane's memory go by partition. The partition is that of the key which the catalogue prescribes,
by the partitioner of `bondmate_schemas.partitions`. A record in its own partition is taken there, under its own key
whatever key it came with: written again it would go behind what came after it. One in another partition is written
again, once, in its own; all that its writer put there for the same key goes the same way, in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from bondmate_kafka.partitions import partition_of
from bondmate_kafka.records import Arrived, Headers, Outgoing
from bondmate_schemas.catalogue import MESSAGES

__all__ = [
    "MOVED",
    "MOVED_FROM",
    "MOVED_TIMES",
    "MOVES",
    "Home",
    "Stay",
    "moved",
    "pause_seconds",
    "stay",
    "times_moved",
]

MOVED: Final = "bondmate.moved."
MOVED_TIMES: Final = MOVED + "times"
"""The hop mark: how often the hub has written the record again."""
MOVED_FROM: Final = MOVED + "from"
"""Where it lay before the last time: topic/partition/offset."""
MOVES: Final = 16
"""So often a record is written again at most. Once is enough where all workers know the same number of partitions."""
_AT_ONCE: Final = 3
_FIRST_PAUSE_SECONDS: Final = 0.25
_LONGEST_PAUSE_SECONDS: Final = 5.0
_ANYWHERE: Final = frozenset({MESSAGES})
"""Topics whose agent keeps nothing by partition: their records are taken wherever they lie."""


class Stay(StrEnum):
    """Whether a record may stay where it lies; the names are those of the metric."""

    AT_HOME = "at_home"
    WRONG_KEY = "wrong_key"
    """In its own partition, under a key that is not its own; taken where it lies."""
    MOVED = "moved"
    """In the partition of another; written again in its own."""
    ASTRAY = "astray"
    """Written again so often that those who write it again cannot agree on its place."""


@dataclass(frozen=True, slots=True)
class Home:
    """The key and the partition of a record's own."""

    key: bytes = field(repr=False)
    partition: int

    @classmethod
    def of(cls, key: str, partitions: int) -> Home:
        """Return the home of what belongs under `key`, where topics have so many partitions."""
        encoded = key.encode()
        return cls(encoded, partition_of(encoded, partitions))


def stay(arrived: Arrived, home: Home) -> Stay:
    """Decide whether a record stays where it arrived."""
    if arrived.partition == home.partition or arrived.topic in _ANYWHERE:
        return Stay.AT_HOME if arrived.key == home.key else Stay.WRONG_KEY
    return Stay.MOVED if times_moved(arrived.headers) < MOVES else Stay.ASTRAY


def times_moved(headers: Headers) -> int:
    """Return how often a record was written again; 0 where a mark is not one of ours."""
    text = next((value for name, value in headers if name == MOVED_TIMES), None) or b""
    return int(text) if text.isdigit() and len(text) <= len(str(MOVES)) else 0


def moved(arrived: Arrived, home: Home) -> Outgoing:
    """Return the record to be written again at `home`: its bytes, its headers and its trace, and the hop mark."""
    kept = tuple(pair for pair in arrived.headers if not pair[0].startswith(MOVED))
    times = str(times_moved(arrived.headers) + 1)
    lay_at = f"{arrived.topic}/{arrived.partition}/{arrived.offset}"
    headers = (*kept, (MOVED_TIMES, times.encode()), (MOVED_FROM, lay_at.encode()))
    return Outgoing(arrived.topic, home.key, arrived.value, headers, home.partition)


def pause_seconds(times: int) -> float:
    """Return how long to wait before a record is written again that was so often: a circle must not be a storm."""
    if times < _AT_ONCE:
        return 0.0
    return min(_FIRST_PAUSE_SECONDS * 2.0 ** (times - _AT_ONCE), _LONGEST_PAUSE_SECONDS)
