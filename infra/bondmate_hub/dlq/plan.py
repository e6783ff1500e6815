"""What replay would do: which letters go, in which order, and which must not."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from bondmate_streams.logic.belonging import MOVED

from bondmate_hub.dlq.letters import ERROR, REPLAY, REPLAY_COUNT, REPLAY_OF, Headers, Letter, Standing

MOST_REPLAYS: Final = 3
"""What came back so often is quarantined, where nobody says otherwise."""
NO_ORIGIN: Final = "no_origin"
"""It never was in Kafka: only its sender can send it again."""
FOREIGN_ORIGIN: Final = "foreign_origin"
"""Its headers name a topic that no stage and no destination of this hub reads."""
T = TypeVar("T")
_Lane = tuple[str, bytes | int]


@dataclass(frozen=True, slots=True)
class Plan:
    """What replay would do with the letters that were selected; `replay` in the order in which they go."""

    replay: tuple[Letter, ...]
    quarantine: tuple[Letter, ...]
    """They came back too often, and nobody insists."""
    impossible: tuple[tuple[Letter, str], ...]
    """They cannot be replayed at all, each with the reason."""
    left: int
    """Letters beyond what was asked for at most."""


def standings(
    letters: Iterable[Letter], decisions: Mapping[str, str], most_replays: int = MOST_REPLAYS
) -> dict[str, Standing]:
    """Tell how each letter stands, by its id; `decisions` holds the newest decision by letter id."""
    known = {standing.value for standing in Standing}
    return {
        letter.id: Standing(decided) if (decided := decisions.get(letter.id)) in known
        else Standing.QUARANTINED if letter.replays >= most_replays
        else Standing.OPEN
        for letter in letters
    }  # fmt: skip


def plan_replay(
    letters: Iterable[Letter],
    standing: Mapping[str, Standing],
    topics: Collection[str],
    *,
    force: bool = False,
    most: int | None = None,
) -> Plan:
    """Plan the replay of `letters`, in the order of their origin so that each key keeps its own.

    Args:
        letters: those that were selected.
        standing: how each stands, by id.
        topics: where replay may write: a header that names another topic is not believed.
        force: replay what is quarantined too.
        most: replay so many at most; the next call goes on with the others.
    """
    going: list[Letter] = []
    quarantine: list[Letter] = []
    impossible: list[tuple[Letter, str]] = []
    for letter in letters:
        if standing[letter.id] in {Standing.REPLAYED, Standing.DISCARDED}:
            continue
        if letter.origin is None or letter.origin.topic not in topics:
            impossible.append((letter, FOREIGN_ORIGIN if letter.origin else NO_ORIGIN))
        elif standing[letter.id] is Standing.QUARANTINED and not force:
            quarantine.append(letter)
        else:
            going.append(letter)
    going.sort(key=_order)
    taken = going if most is None else going[:most]
    return Plan(tuple(taken), tuple(quarantine), tuple(impossible), len(going) - len(taken))


def replay_headers(headers: Headers, letter: Letter) -> Headers:
    """Give the headers of the record that is replayed: the original ones, how often, and of which letter."""
    kept = tuple(pair for pair in headers if not pair[0].startswith((ERROR, REPLAY, MOVED)))
    return (*kept, (REPLAY_COUNT, str(letter.replays + 1).encode()), (REPLAY_OF, letter.id.encode()))


class InOrder(Generic[T]):
    """Bring what is read in the order of the dead letters into the order of the plan, key by key.

    The two differ rarely, so little waits here: a stage that writes dead letters beside each other may turn two round.
    """

    def __init__(self, letters: Iterable[Letter]) -> None:
        self._lanes: dict[_Lane, deque[Letter]] = {}
        self._lane_of: dict[str, deque[Letter]] = {}
        for letter in letters:
            lane = self._lanes.setdefault(lane_of(letter), deque())
            lane.append(letter)
            self._lane_of[letter.id] = lane
        self._waiting: dict[str, T] = {}

    def take(self, letter_id: str, item: T) -> Iterator[tuple[Letter, T]]:
        """Take in one and give what may go now; what is not in the plan, or was taken before, is passed over."""
        lane = self._lane_of.get(letter_id)
        if lane is None:
            return
        self._waiting[letter_id] = item
        while lane and lane[0].id in self._waiting:
            letter = lane.popleft()
            del self._lane_of[letter.id]
            yield letter, self._waiting.pop(letter.id)

    def rest(self) -> Iterator[tuple[Letter, T]]:
        """Give what still waits, in order: what it waited for has been deleted meanwhile."""
        for lane in self._lanes.values():
            for letter in lane:
                if letter.id in self._waiting:
                    yield letter, self._waiting.pop(letter.id)


def waves(batch: Iterable[tuple[Letter, T]]) -> list[list[tuple[Letter, T]]]:
    """Part a batch so that no wave holds two letters of one key: what fails is not overtaken by its successor."""
    found: list[list[tuple[Letter, T]]] = []
    seen: dict[_Lane, int] = {}
    for letter, item in batch:
        number = seen.get(lane_of(letter), 0)
        seen[lane_of(letter)] = number + 1
        if number == len(found):
            found.append([])
        found[number].append((letter, item))
    return found


def lane_of(letter: Letter) -> _Lane:
    """Name what `letter` must keep its order with: its key, or its partition where it has none."""
    assert letter.origin is not None, "only what has an origin is replayed"
    return letter.origin.topic, letter.origin.partition if letter.key is None else letter.key


def _order(letter: Letter) -> tuple[str, int, int]:
    assert letter.origin is not None, "only what has an origin is replayed"
    return letter.origin.topic, letter.origin.partition, letter.origin.offset
