"""Plans a replay: which dead letters go, in which order, and which must not."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from bondmate_streams.logic.belonging import MOVED

from bondmate_hub.dlq.model import ERROR, REPLAY, REPLAY_COUNT, REPLAY_OF, DeadLetter, Headers, LetterState

MOST_REPLAYS: Final = 3
"""What came back so often is quarantined, where nobody says otherwise."""
NO_ORIGIN: Final = "no_origin"
"""It never was in Kafka: only its sender can send it again."""
FOREIGN_ORIGIN: Final = "foreign_origin"
"""Its headers name a topic that no stage and no destination of this hub reads."""
T = TypeVar("T")
_OrderingKey = tuple[str, bytes | int]


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What replay would do with the letters that were selected; `replay` in the order in which they go."""

    replay: tuple[DeadLetter, ...]
    quarantine: tuple[DeadLetter, ...]
    """They came back too often, and nobody insists."""
    impossible: tuple[tuple[DeadLetter, str], ...]
    """They cannot be replayed at all, each with the reason."""
    left: int
    """Letters beyond what was asked for at most."""


def standings(
    letters: Iterable[DeadLetter], decisions: Mapping[str, str], most_replays: int = MOST_REPLAYS
) -> dict[str, LetterState]:
    """Return the state of each letter, by its id; `decisions` holds the newest decision by letter id."""
    known = {standing.value for standing in LetterState}
    return {
        letter.id: LetterState(decided) if (decided := decisions.get(letter.id)) in known
        else LetterState.QUARANTINED if letter.replays >= most_replays
        else LetterState.OPEN
        for letter in letters
    }  # fmt: skip


def plan_replay(
    letters: Iterable[DeadLetter],
    standing: Mapping[str, LetterState],
    topics: Collection[str],
    *,
    force: bool = False,
    most: int | None = None,
) -> ReplayPlan:
    """ReplayPlan the replay of `letters`, in the order of their origin so that each key keeps its own.

    Args:
        letters: those that were selected.
        standing: how each stands, by id.
        topics: where replay may write: a header that names another topic is not believed.
        force: replay what is quarantined too.
        most: replay so many at most; the next call goes on with the others.
    """
    going: list[DeadLetter] = []
    quarantine: list[DeadLetter] = []
    impossible: list[tuple[DeadLetter, str]] = []
    for letter in letters:
        if standing[letter.id] in {LetterState.REPLAYED, LetterState.DISCARDED}:
            continue
        if letter.origin is None or letter.origin.topic not in topics:
            impossible.append((letter, FOREIGN_ORIGIN if letter.origin else NO_ORIGIN))
        elif standing[letter.id] is LetterState.QUARANTINED and not force:
            quarantine.append(letter)
        else:
            going.append(letter)
    going.sort(key=_order)
    taken = going if most is None else going[:most]
    return ReplayPlan(tuple(taken), tuple(quarantine), tuple(impossible), len(going) - len(taken))


def replay_headers(headers: Headers, letter: DeadLetter) -> Headers:
    """Return the headers of a replayed record: the original ones, how often it went, and which letter it was."""
    kept = tuple(pair for pair in headers if not pair[0].startswith((ERROR, REPLAY, MOVED)))
    return (*kept, (REPLAY_COUNT, str(letter.replays + 1).encode()), (REPLAY_OF, letter.id.encode()))


class InOrder(Generic[T]):
    """Bring what is read in the order of the dead letters into the order of the plan, key by key.

    The two differ rarely, so little waits here: a stage that writes dead letters beside each other may turn two round.
    """

    def __init__(self, letters: Iterable[DeadLetter]) -> None:
        self._queues: dict[_OrderingKey, deque[DeadLetter]] = {}
        self._queue_of: dict[str, deque[DeadLetter]] = {}
        for letter in letters:
            queue = self._queues.setdefault(ordering_key_of(letter), deque())
            queue.append(letter)
            self._queue_of[letter.id] = queue
        self._waiting: dict[str, T] = {}

    def take(self, letter_id: str, item: T) -> Iterator[tuple[DeadLetter, T]]:
        """Take in one and yield what may go now; what is not in the plan, or was taken before, is passed over."""
        queue = self._queue_of.get(letter_id)
        if queue is None:
            return
        self._waiting[letter_id] = item
        while queue and queue[0].id in self._waiting:
            letter = queue.popleft()
            del self._queue_of[letter.id]
            yield letter, self._waiting.pop(letter.id)

    def rest(self) -> Iterator[tuple[DeadLetter, T]]:
        """Yield what still waits, in order: what it waited for has been deleted meanwhile."""
        for queue in self._queues.values():
            for letter in queue:
                if letter.id in self._waiting:
                    yield letter, self._waiting.pop(letter.id)


def waves(batch: Iterable[tuple[DeadLetter, T]]) -> list[list[tuple[DeadLetter, T]]]:
    """Part a batch so that no wave holds two letters of one key: what fails is not overtaken by its successor."""
    found: list[list[tuple[DeadLetter, T]]] = []
    seen: dict[_OrderingKey, int] = {}
    for letter, item in batch:
        number = seen.get(ordering_key_of(letter), 0)
        seen[ordering_key_of(letter)] = number + 1
        if number == len(found):
            found.append([])
        found[number].append((letter, item))
    return found


def ordering_key_of(letter: DeadLetter) -> _OrderingKey:
    """Name what `letter` must keep its order with: its key, or its partition where it has none."""
    assert letter.origin is not None, "only what has an origin is replayed"
    return letter.origin.topic, letter.origin.partition if letter.key is None else letter.key


def _order(letter: DeadLetter) -> tuple[str, int, int]:
    assert letter.origin is not None, "only what has an origin is replayed"
    return letter.origin.topic, letter.origin.partition, letter.origin.offset
