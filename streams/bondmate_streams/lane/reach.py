"""How far the last batch reached, on disk before anything of it is written.

Of fixes judged together a route may want only the newest. Were a lane killed after it wrote that one, and did its
successor judge them in smaller parts, then an older one would follow the newest; so it takes them together again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from confluent_kafka import Message, TopicPartition

_LONGEST: Final = 1 << 20


def ends_of(messages: Iterable[Message]) -> list[TopicPartition]:
    """Give, by partition, the offset after the last of `messages`."""
    last = {(message.topic(), message.partition()): message.offset() for message in messages}
    return [
        TopicPartition(topic or "", partition or 0, (offset or 0) + 1) for (topic, partition), offset in last.items()
    ]


class Reach:
    """Where each partition's last batch ended."""

    def __init__(self, path: Path) -> None:
        """Go on with what `path` holds, from a lane that was killed."""
        self._ends: dict[str, int] = {}
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        # Without it (a new lane, a disk that lost it) a batch is as good as any other.
        with suppress(ValueError):
            self._ends = json.loads(os.read(self._file, _LONGEST).partition(b"\n")[0])

    def lacks(self, messages: Iterable[Message]) -> bool:
        """Tell whether a partition's last batch went on after `messages`."""
        return any(end.offset < self._ends.get(str(end.partition), 0) for end in ends_of(messages))

    def keep(self, messages: Iterable[Message]) -> None:
        """Write down where `messages` end."""
        self._ends |= {str(end.partition): end.offset for end in ends_of(messages)}
        # One write, so that a kill leaves the old line or the new one; what stands behind its end is never read.
        os.pwrite(self._file, json.dumps(self._ends).encode() + b"\n", 0)

    def close(self) -> None:
        """Close the file; what it holds stays."""
        os.close(self._file)
