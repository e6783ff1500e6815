"""How far the lane is in each partition, and what the next lane must know that goes on there.

Three offsets are kept. Everything before `delivered_offset` is delivered; this offset is committed. The last fixes of
devices are written down up to `snapshot_offset`. The next lane judges what lies between the two again, to know the
devices, and delivers none of it. The batch in hand ends at `batch_end_offset`. Of fixes judged together a route may
want only the newest. If a lane were killed after it wrote that one, and the next lane judged them in smaller parts, an
older fix would follow the newest. So the next lane takes the same batch together. The last two offsets are the
committed offset's metadata, and are committed before anything of the batch is written.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from operator import methodcaller
from typing import Final, NamedTuple

from bondmate_kafka.client import OFFSET_BEGINNING, Message, TopicPartition

__all__ = ["Checkpoint", "Checkpoints", "ReadRecords", "partition_of"]

_FORM: Final = "bondmate-lane"


@dataclass(slots=True, eq=False)
class Checkpoint:
    """How far the lane is in one partition; offsets are of the next record, None where none was read yet."""

    delivered_offset: int | None = None
    snapshot_offset: int | None = None
    batch_end_offset: int = 0
    read_offset: int = 0
    writing_offset: int = 0
    """Where the batch ends that is being written."""
    writing_snapshot_offset: int | None = None
    """How far the last fixes are known that are being written with it."""
    committed: tuple[int, int | None, int] | None = None

    @property
    def known_offset(self) -> int | None:
        """Where the last fixes end that are known here: of all that is delivered, once that was read."""
        return None if self.delivered_offset is None else min(self.delivered_offset, self.read_offset)

    @property
    def state(self) -> tuple[int, int | None, int] | None:
        """What is to be committed: the delivered offset, and beside it the snapshot's and the batch's end."""
        delivered = self.delivered_offset
        return None if delivered is None else (delivered, self.snapshot_offset, self.batch_end_offset)


class ReadRecords(NamedTuple):
    """Records, the first offset of each partition among them, and the checkpoints of all partitions owned then."""

    messages: list[Message]
    first: dict[int, int]
    checkpoints: dict[int, Checkpoint]


def _checkpoint(committed: TopicPartition) -> Checkpoint:
    """Return the checkpoint that a committed offset and its metadata hold."""
    if committed.offset < 0:
        return Checkpoint()
    checkpoint = Checkpoint(*(committed.offset,) * 6)
    form, *numbers = (committed.metadata or "").split(" ")
    if form == _FORM and len(numbers) == 2 and all(number.isdecimal() for number in numbers):  # noqa: PLR2004
        snapshot, batch_end = map(int, numbers)
        checkpoint.snapshot_offset = checkpoint.writing_snapshot_offset = min(snapshot, committed.offset)
        checkpoint.read_offset = checkpoint.snapshot_offset
        checkpoint.batch_end_offset = max(batch_end, committed.offset)
    return checkpoint


def partition_of(message: Message) -> int:
    """Return the partition of a record."""
    return message.partition() or 0


def _offset_of(message: Message) -> int:
    return message.offset() or 0


def _spans(messages: list[Message]) -> dict[int, tuple[int, int]]:
    """Return the first and the last offset of each partition; those of one come in order."""
    partitions = [*map(methodcaller("partition"), messages)]
    last = dict(zip(partitions, messages, strict=True))
    first = dict(zip(reversed(partitions), reversed(messages), strict=True))
    return {partition or 0: (_offset_of(first[partition]), _offset_of(last[partition])) for partition in last}


class Checkpoints:
    """The checkpoints of the partitions that this lane owns."""

    def __init__(self, topic: str) -> None:
        """Own no partition of `topic`."""
        self._topic = topic
        self._checkpoints: dict[int, Checkpoint] = {}

    @property
    def owned(self) -> frozenset[int]:
        """The partitions that this lane owns."""
        return frozenset(self._checkpoints)

    def assign(self, committed: Iterable[TopicPartition]) -> list[TopicPartition]:
        """Take partitions as their group left them; return where to read on."""
        starts = []
        for each in committed:
            checkpoint = self._checkpoints[each.partition] = _checkpoint(each)
            start = OFFSET_BEGINNING if checkpoint.snapshot_offset is None else checkpoint.snapshot_offset
            starts.append(TopicPartition(self._topic, each.partition, start))
        return starts

    def revoke(self, partitions: Iterable[int]) -> None:
        """Own them no more."""
        for partition in partitions:
            self._checkpoints.pop(partition, None)

    def note_read(self, messages: list[Message]) -> ReadRecords:
        """Take note of records that were read, those of a partition in their order."""
        spans = _spans(messages)
        for partition, (first, last) in spans.items():
            if checkpoint := self._checkpoints.get(partition):
                if checkpoint.delivered_offset is None:
                    checkpoint.delivered_offset = first
                    checkpoint.snapshot_offset = checkpoint.writing_snapshot_offset = first
                checkpoint.read_offset = max(checkpoint.read_offset, last + 1)
        starts = {partition: first for partition, (first, _) in spans.items()}
        return ReadRecords(messages, starts, dict(self._checkpoints))

    def split(self, reads: Iterable[ReadRecords]) -> tuple[list[Message], list[Message]]:
        """Return the records of owned partitions that an earlier owner has delivered already, and the others."""
        old: list[Message] = []
        new: list[Message] = []
        done = {partition: checkpoint.delivered_offset or 0 for partition, checkpoint in self._checkpoints.items()}
        for read in reads:
            ours = self._still_owned(read)
            if all(first >= done.get(partition, 0) for partition, first in read.first.items()):
                new += ours
                continue
            for message in ours:
                (old if _offset_of(message) < done[partition_of(message)] else new).append(message)
        return old, new

    def _still_owned(self, read: ReadRecords) -> list[Message]:
        """Return the records of partitions owned without a break since they were read: others are read again."""
        same = {number for number, owned in self._checkpoints.items() if read.checkpoints.get(number) is owned}
        if read.first.keys() <= same:
            return read.messages
        return [message for message in read.messages if partition_of(message) in same]

    def is_behind(self) -> bool:
        """Whether something was delivered, or a batch was begun, beyond what was read."""
        return any(checkpoint.read_offset < checkpoint.batch_end_offset for checkpoint in self._checkpoints.values())

    def accept_what_was_read(self) -> None:
        """Take what was read for all there is: the broker may have lost the rest."""
        for checkpoint in self._checkpoints.values():
            checkpoint.batch_end_offset = min(checkpoint.batch_end_offset, checkpoint.read_offset)

    def begin_batch(self) -> None:
        """Begin a batch of all that was read."""
        for checkpoint in self._checkpoints.values():
            checkpoint.batch_end_offset = max(checkpoint.batch_end_offset, checkpoint.read_offset)

    def note_writing(self) -> None:
        """Note that the batch is being written, and with it the last fixes of all that was delivered."""
        for checkpoint in self._checkpoints.values():
            checkpoint.writing_offset = checkpoint.read_offset
            checkpoint.writing_snapshot_offset = checkpoint.known_offset

    def note_delivered(self) -> None:
        """Note that what was being written has arrived."""
        for checkpoint in self._checkpoints.values():
            checkpoint.snapshot_offset = checkpoint.writing_snapshot_offset
            if checkpoint.delivered_offset is not None:
                checkpoint.delivered_offset = max(checkpoint.delivered_offset, checkpoint.writing_offset)

    def note_snapshot(self) -> None:
        """Note that the last fixes of everything delivered are written down."""
        for checkpoint in self._checkpoints.values():
            checkpoint.snapshot_offset = checkpoint.writing_snapshot_offset = checkpoint.known_offset

    def drop_batch(self) -> list[TopicPartition]:
        """Drop the batch that was begun; return where each of its partitions is to be read from again."""
        starts = []
        for partition, checkpoint in self._checkpoints.items():
            delivered = checkpoint.delivered_offset
            if delivered is not None and delivered < checkpoint.read_offset:
                checkpoint.read_offset = delivered
                starts.append(TopicPartition(self._topic, partition, delivered))
        return starts

    def to_commit(self) -> list[TopicPartition]:
        """Return what is to be committed: the state of each partition that has changed since it was."""
        return [
            TopicPartition(self._topic, partition, state[0], f"{_FORM} {state[1]} {state[2]}")
            for partition, checkpoint in self._checkpoints.items()
            if (state := checkpoint.state) is not None and state != checkpoint.committed
        ]

    def note_committed(self) -> None:
        """Note that all of it was committed."""
        for checkpoint in self._checkpoints.values():
            checkpoint.committed = checkpoint.state
