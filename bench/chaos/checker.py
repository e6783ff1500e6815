"""What was accepted against what arrived and what was shown: the judgement of a scenario. Pure.

An alert is a series: its messages are numbered from 0 in the order its device sent them, each waiting for the 202 of
the one before. A control room must get them in that order, each at least once; the same delivery again is a repeat,
which is allowed and counted; the same number under another delivery id is a second effect, which is not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bench.chaos import started
from bench.chaos.book import About, Arrival, Book, Update
from bench.chaos.updates import misplaced, unheard

LEVELS = ("UNKNOWN", "DELIVERED", "ACCEPTED", "ACKNOWLEDGED", "RESPONDING", "RESOLVED")
"""As devices are shown them, lowest first; endings without delivery are none of them."""
HELP = frozenset({"ASSIGNED", "EN_ROUTE", "ON_SCENE"})
"""What a room has said where a device may show that help is coming from there."""
_WORDS = HELP | {"", "SEEN", "DECLINED", "WITHDRAWN", "CLOSED"}
HELP_SECONDS = 2.0
"""So long after the hub took a withdrawal no device may still show help from there."""
_BESIDE = frozenset({"DECLINED", "CANCELLED", "EXPIRED", "DEAD_LETTERED", "SUPERSEDED", "WITHHELD"})


@dataclass(slots=True)
class Verdict:
    """What the checker found; the promises hold when nothing but repeats was found."""

    lost: list[str] = field(default_factory=list)
    second_effects: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    level_too_high: list[str] = field(default_factory=list)
    help_too_long: list[str] = field(default_factory=list)
    """Help that was taken back and still shown."""
    told_too_much: list[str] = field(default_factory=list)
    """A place, or anything, that was told where it must not be known."""
    ended_wrongly: list[str] = field(default_factory=list)
    """What ended, though nobody who may had ended it."""
    late: list[str] = field(default_factory=list)
    """What came, but only after the time that the scenario gives."""
    repeats: int = 0

    @property
    def broken(self) -> int:
        """Count what breaks a promise."""
        return sum(map(len, self.found.values()))

    @property
    def found(self) -> dict[str, list[str]]:
        """What breaks a promise, by the name of the promise in the table of results."""
        return {
            "lost": self.lost, "2nd effect": self.second_effects, "order": self.out_of_order,
            "level": self.level_too_high, "help": self.help_too_long, "too much": self.told_too_much,
            "ended": self.ended_wrongly, "late": self.late,
        }  # fmt: skip


def check(book: Book, rooms: Iterable[str], help_seconds: float = HELP_SECONDS, owner: str = "") -> Verdict:
    """Judge a book; every room in `rooms` was to get every alert, of which the one of `owner` starts some itself.

    `help_seconds` is longer than `HELP_SECONDS` where the fault stops what stands between a room's word and a device.
    """
    verdict, rooms = Verdict(), tuple(rooms)
    for room in rooms:
        by_event: dict[str, list[Arrival]] = defaultdict(list)
        for arrival in book.arrivals[room]:
            by_event[arrival.event_id].append(arrival)
        refused = book.refused[room]
        # What was refused once and taken when it came again, as the room's trouble ended, is no dead letter.
        gone = set(refused) - {(arrival.event_id, arrival.number) for arrival in book.arrivals[room]}
        if book.dead[room] < len(gone):
            verdict.lost.append(f"{room}: {len(gone)} were refused, {book.dead[room]} lie in the dead-letter topic")
        for event_id, count in book.accepted.items():
            excused = {number for number in range(count) if (event_id, number) in refused}
            _check_alert(verdict, f"{room}: {event_id}", by_event.get(event_id, []), set(range(count)) - excused)
        verdict.lost += [f"{room}: {each}" for each in unheard(book, room, rooms, owner)]
        verdict.out_of_order += [f"{room}: {each}" for each in misplaced(book, room)]
        verdict.second_effects += [
            f"{room}: {arrival.event_id}, {arrival.number} was never accepted"
            for arrival in book.arrivals[room]
            if arrival.number >= book.accepted.get(arrival.event_id, 0)
        ]
    verdict.lost += [*started.awaited(book, rooms, owner), *started.unpaged(book)]
    verdict.told_too_much += started.told_too_much(book, rooms, owner)
    verdict.ended_wrongly += started.ended_wrongly(book, rooms)
    _check_levels(verdict, book)
    _check_help(verdict, book, help_seconds)
    _check_fixes(verdict, book)
    return verdict


def p99_seconds(book: Book, room: str, since: float, until: float) -> float:
    """Give the 99th percentile of the time to a room, of the messages that were posted within these moments."""
    first: dict[tuple[str, int], float] = {}
    for arrival in book.arrivals[room]:
        first.setdefault((arrival.event_id, arrival.number), arrival.at)
    times = sorted(first[key] - at for key, at in book.sent.items() if since <= at < until and key in first)
    return times[min(len(times) - 1, int(len(times) * 0.99))] if times else 0.0


def _check_alert(verdict: Verdict, name: str, arrivals: Sequence[Arrival], wanted: set[int]) -> None:
    ids: dict[int, str] = {}
    newest = -1
    for arrival in arrivals:
        known = ids.get(arrival.number)
        if known is None:
            ids[arrival.number] = arrival.delivery_id
            if arrival.number < newest:
                verdict.out_of_order.append(f"{name}: {arrival.number} after {newest}")
            newest = max(newest, arrival.number)
        elif known == arrival.delivery_id:
            verdict.repeats += 1
        else:
            verdict.second_effects.append(f"{name}: number {arrival.number} came under two ids")
    if missing := sorted(wanted - set(ids)):
        verdict.lost.append(f"{name}: {missing}")


def _check_levels(verdict: Verdict, book: Book) -> None:
    first: dict[tuple[str, str], float] = {}
    for room in {*book.arrivals, *book.updates}:
        # A room that refused a press may take it that it is asked anew; a position proves nothing.
        asked = (each for each in book.updates[room] if each.about is not About.POSITION)
        everything: list[Arrival | Update] = [*book.arrivals[room], *asked]
        for taken in everything:
            key = room, taken.event_id
            first[key] = min(first.get(key, taken.at), taken.at)
    for shown in book.shown:
        if shown.level not in LEVELS and shown.level not in _BESIDE:
            verdict.level_too_high.append(f"{shown.room}: {shown.event_id} was shown {shown.level}, which is no level")
        if shown.says not in _WORDS:
            verdict.level_too_high.append(f"{shown.room}: {shown.event_id} was shown {shown.says}, which is no word")
        rank = LEVELS.index(shown.level) if shown.level in LEVELS else 0
        got = first.get((shown.room, shown.event_id))
        answered = book.acknowledged.get(shown.room, {}).get(shown.event_id)
        too_high = (rank >= 1 and (got is None or got > shown.at)) or (
            rank >= LEVELS.index("ACKNOWLEDGED") and (answered is None or answered > shown.at)
        )
        if too_high:
            verdict.level_too_high.append(f"{shown.room}: {shown.event_id} was shown {shown.level}")


def _check_help(verdict: Verdict, book: Book, help_seconds: float) -> None:
    for shown in book.shown:
        taken = book.withdrawn.get(shown.room, {}).get(shown.event_id)
        if taken is not None and shown.says in HELP and shown.at > taken + help_seconds:
            late = f"{shown.at - taken:.1f} s after it was taken back"
            verdict.help_too_long.append(f"{shown.room}: {shown.event_id} was shown {shown.says} {late}")


def _check_fixes(verdict: Verdict, book: Book) -> None:
    for device, accepted in book.fixes.items():
        mapped = book.mapped.get(device, [])
        there = set(mapped)
        verdict.repeats += len(mapped) - len(there)
        if missing := [number for number in accepted if number not in there]:
            verdict.lost.append(f"{device}: fixes {missing[:5]} and {max(0, len(missing) - 5)} more")
        firsts = list(dict.fromkeys(mapped))
        if firsts != sorted(firsts):
            verdict.out_of_order.append(f"{device}: fixes")
