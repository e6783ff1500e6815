"""What comes of a batch of positions, whichever way it was worked: by rows or by columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from bondmate_kafka.client import Message
from bondmate_kafka.records import Outgoing

__all__ = [
    "BatchEngine",
    "BatchResult",
    "DestinationRecords",
    "Disclosed",
    "Keyed",
    "Last",
    "NamedPeople",
    "Names",
    "People",
]


Keyed = tuple[bytes, bytes]
"""Key and value of a record."""


@dataclass(frozen=True, slots=True)
class DestinationRecords:
    """Deliveries for one destination, in the order of their fixes: key and value of each."""

    destination: str
    records: Sequence[Keyed] = field(repr=False)


class Last(NamedTuple):
    """The last fix of a device as it came and was written down; no value at the end of its shift.

    `at_ms` is the time of that end, milliseconds since 1970: the record's time, from which it is known again.
    """

    device_id: str
    value: bytes | None
    at_ms: int = 0

    def __repr__(self) -> str:
        """Name nobody."""
        return "Last()"


@dataclass(slots=True)
class NamedPeople:
    """Who was named already, of those a destination got to see something of."""

    names: set[str] = field(default_factory=set, repr=False)
    by_slot: Any = field(default=None, repr=False)
    """What columns remember instead, so that they need not ask for each name."""

    def new(self, people: Iterable[str]) -> list[str]:
        """Return the people not named yet, and note them as named."""
        found = [person for person in dict.fromkeys(people) if person not in self.names]
        self.names.update(found)
        return found


class People(Protocol):
    """Devices and officers, by their ids."""

    def __iter__(self) -> Iterator[str]:
        """Yield all of them; one may come more than once."""
        ...

    def new_to(self, known: NamedPeople) -> list[str]:
        """Return the people not named yet, and note them as named."""
        ...


class Names(tuple[str, ...]):
    """People, one by one."""

    __slots__ = ()

    def new_to(self, known: NamedPeople) -> list[str]:
        """Return the people not named yet, and note them as named."""
        return known.new(self)


@dataclass(frozen=True, slots=True)
class Disclosed:
    """What one destination got to see for one purpose: how many events, of whom (device and officer), which fields."""

    destination: str
    purpose: str
    legal_basis: str
    events: int
    people: People = field(repr=False)
    fields: Iterable[str]


@dataclass(slots=True)
class BatchResult:
    """A batch, worked: what is to be written, and what is to be counted."""

    deliveries: list[DestinationRecords] = field(default_factory=list)
    dead_letters: list[Outgoing] = field(default_factory=list)
    moved: list[Outgoing] = field(default_factory=list)
    """Fixes that lay in the partition of another device, in their order, to be written again in that of their own."""
    last: list[Keyed] = field(default_factory=list)
    """The last fix of each device that has a new one, as it came: whoever reads it asks the register himself."""
    ended_shifts: list[tuple[bytes, int]] = field(default_factory=list)
    """Key of each device whose shift is over, and when it ended, milliseconds since 1970."""
    disclosed: list[Disclosed] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    passed_over: Counter[str] = field(default_factory=Counter)
    withheld: Counter[str] = field(default_factory=Counter)
    """Fixes of which a destination's agreement shows nothing, by destination."""
    unrouted: int = 0
    """Fixes that no route takes."""
    remember: Callable[[], None] = lambda: None
    """Makes the engine remember what it found; until then another batch is judged as if this one had not been."""


class BatchEngine(Protocol):
    """A way to work batches. It remembers of each device what `logic.locations.Track` does."""

    @property
    def most(self) -> int:
        """How many fixes it works together, so that a batch is done within half a second or so."""
        ...

    def work(self, messages: Sequence[Message]) -> BatchResult:
        """Judge a batch, route it, cut it to agreements and write it down; it is remembered when `remember` is called.

        Raises:
            SchemaUnavailableError: the registry does not answer; nothing was done, call again with the same batch.
        """
        ...

    def restore(self, partition: int, lasts: Iterable[Last]) -> None:
        """Remember the devices of a partition, as their last fixes were written down."""
        ...

    def forget(self, partition: int) -> None:
        """Forget the devices of a partition: it is another's now."""
        ...
