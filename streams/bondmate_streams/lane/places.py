"""How far the lane is in each partition, and what of it another lane must know that goes on there.

Three offsets. `done`: everything before it is delivered; it is what is committed. `remembered`: the last fixes of
devices are written down as far as here; what lies between is judged again by whoever goes on, and told to nobody.
`reach`: where the batch in hand ends. Of fixes judged together a route may want only the newest: were a lane killed
after it wrote that one, and did its successor judge them in smaller parts, an older one would follow the newest; so
they are taken together again. The last two are the committed offset's metadata, committed before anything of the batch
is written.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from operator import methodcaller
from typing import Final, NamedTuple

from bondmate_kafka.client import OFFSET_BEGINNING, Message, TopicPartition

__all__ = ["Place", "Places", "Read", "partition_of"]

_FORM: Final = "bondmate-lane"


@dataclass(slots=True, eq=False)
class Place:
    """One partition; offsets are of the next record, None where none was read yet."""

    done: int | None = None
    remembered: int | None = None
    reach: int = 0
    read: int = 0
    in_hand: int = 0
    """Where the batch ends that is being written."""
    noted: int | None = None
    """How far the last fixes are known that are being written with it."""
    committed: tuple[int, int | None, int] | None = None

    @property
    def known(self) -> int | None:
        """Where the last fixes end that are known here: of all that is delivered, once that was read."""
        return None if self.done is None else min(self.done, self.read)

    @property
    def state(self) -> tuple[int, int | None, int] | None:
        """Give what is to be committed: `done`, and beside it `remembered` and `reach`."""
        return None if self.done is None else (self.done, self.remembered, self.reach)


class Read(NamedTuple):
    """Records, the first offset of each partition among them, and the partitions that were ours when they were read."""

    messages: list[Message]
    first: dict[int, int]
    places: dict[int, Place]


def _place(committed: TopicPartition) -> Place:
    """Give the place that a committed offset tells of."""
    if committed.offset < 0:
        return Place()
    place = Place(*(committed.offset,) * 6)
    form, *numbers = (committed.metadata or "").split(" ")
    if form == _FORM and len(numbers) == 2 and all(number.isdecimal() for number in numbers):  # noqa: PLR2004
        remembered, reach = map(int, numbers)
        place.read = place.noted = place.remembered = min(remembered, committed.offset)
        place.reach = max(reach, committed.offset)
    return place


def partition_of(message: Message) -> int:
    """Give the partition of a record."""
    return message.partition() or 0


def _offset_of(message: Message) -> int:
    return message.offset() or 0


def _spans(messages: list[Message]) -> dict[int, tuple[int, int]]:
    """Give the first and the last offset of each partition; those of one come in order."""
    partitions = [*map(methodcaller("partition"), messages)]
    last = dict(zip(partitions, messages, strict=True))
    first = dict(zip(reversed(partitions), reversed(messages), strict=True))
    return {partition or 0: (_offset_of(first[partition]), _offset_of(last[partition])) for partition in last}


class Places:
    """The partitions of the topic that are this lane's."""

    def __init__(self, topic: str) -> None:
        """Have none of `topic`."""
        self._topic = topic
        self._places: dict[int, Place] = {}

    @property
    def ours(self) -> frozenset[int]:
        """The partitions that are ours."""
        return frozenset(self._places)

    def take(self, committed: Iterable[TopicPartition]) -> list[TopicPartition]:
        """Take partitions as their group left them; gives where to read on."""
        starts = []
        for each in committed:
            place = self._places[each.partition] = _place(each)
            start = OFFSET_BEGINNING if place.remembered is None else place.remembered
            starts.append(TopicPartition(self._topic, each.partition, start))
        return starts

    def leave(self, partitions: Iterable[int]) -> None:
        """Have them no more."""
        for partition in partitions:
            self._places.pop(partition, None)

    def note_read(self, messages: list[Message]) -> Read:
        """Take note of records that were read, those of a partition in their order."""
        spans = _spans(messages)
        for partition, (first, last) in spans.items():
            if place := self._places.get(partition):
                if place.done is None:
                    place.done = place.remembered = place.noted = first
                place.read = max(place.read, last + 1)
        return Read(messages, {partition: first for partition, (first, _) in spans.items()}, dict(self._places))

    def split(self, reads: Iterable[Read]) -> tuple[list[Message], list[Message]]:
        """Give those of our records that whoever had their partition before has delivered already, and the others."""
        old: list[Message] = []
        new: list[Message] = []
        done = {partition: place.done or 0 for partition, place in self._places.items()}
        for read in reads:
            ours = self._ours(read)
            if all(first >= done.get(partition, 0) for partition, first in read.first.items()):
                new += ours
                continue
            for message in ours:
                (old if _offset_of(message) < done[partition_of(message)] else new).append(message)
        return old, new

    def _ours(self, read: Read) -> list[Message]:
        """Give those of records whose partitions we have, and have had since they were read: others are read again."""
        same = {partition for partition, place in self._places.items() if read.places.get(partition) is place}
        if read.first.keys() <= same:
            return read.messages
        return [message for message in read.messages if partition_of(message) in same]

    def lacks(self) -> bool:
        """Tell whether something was delivered, or a batch was begun, beyond what was read."""
        return any(place.read < place.reach for place in self._places.values())

    def give_up(self) -> None:
        """Take what was read for all there is."""
        for place in self._places.values():
            place.reach = min(place.reach, place.read)

    def begin(self) -> None:
        """Begin a batch of all that was read."""
        for place in self._places.values():
            place.reach = max(place.reach, place.read)

    def write(self) -> None:
        """Note that the batch is being written, and with it the last fixes of all that was delivered."""
        for place in self._places.values():
            place.in_hand, place.noted = place.read, place.known

    def arrive(self) -> None:
        """Note that what was being written has arrived."""
        for place in self._places.values():
            place.remembered = place.noted
            if place.done is not None:
                place.done = max(place.done, place.in_hand)

    def remember(self) -> None:
        """Note that the last fixes of everything delivered are written down."""
        for place in self._places.values():
            place.remembered = place.noted = place.known

    def back(self) -> list[TopicPartition]:
        """Drop the batch that was begun: where each partition of which it has something is to be read from again."""
        begun = {p: place for p, place in self._places.items() if place.done is not None and place.done < place.read}
        for place in begun.values():
            place.read = place.done or 0
        return [TopicPartition(self._topic, partition, place.read) for partition, place in begun.items()]

    def commits(self) -> list[TopicPartition]:
        """Give what is to be committed: of each partition that has gone on since it was."""
        return [
            TopicPartition(self._topic, partition, state[0], f"{_FORM} {state[1]} {state[2]}")
            for partition, place in self._places.items()
            if (state := place.state) is not None and state != place.committed
        ]

    def note_commit(self) -> None:
        """Note that all of it was committed."""
        for place in self._places.values():
            place.committed = place.state
