"""Whether a fault did anything, and whether the checker sees what is planted: what a scenario must show of itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.chaos.book import About, Book, Shown, Update, Written
from bench.chaos.checker import check
from bench.chaos.updates import BEHIND_SECONDS, Read, ends, read_by

if TYPE_CHECKING:
    from bench.chaos.lab import Lab

Fault = Callable[["Lab"], Awaitable[None]]
Plant = Callable[[Book], None]
BACK_SECONDS: Final = 60.0
"""Whatever must come, comes within so long."""
_LONG_SECONDS = 3600.0


class NoBiteError(AssertionError):
    """A fault cannot show that it did anything: the scenario proves nothing."""


async def pid_of(lab: Lab, role: str, other_than: int = 0) -> int:
    """Wait until a role runs, under another process id than one; gives its process id."""
    async with asyncio.timeout(BACK_SECONDS):
        while (found := lab.supervisor.pids.get(role)) in {None, other_than}:  # noqa: ASYNC110  # others set it
            await asyncio.sleep(0.02)
    assert found
    return found


def state_of(pid: int) -> str:
    """Give the state of a process, `T` when it is stopped (proc(5))."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]


def must(condition: bool, why: str) -> None:  # noqa: FBT001  # an assertion by another name
    """Raise NoBiteError unless this holds."""
    if not condition:
        raise NoBiteError(why)


def unseen(book: Book, rooms: Sequence[str], help_seconds: float) -> Iterator[str]:
    """Plant each fault in a copy of a book of its own; yield those that the checker does not see there."""
    before = check(book, rooms, help_seconds)
    for name, (kind, plant) in PLANTS.items():
        planted = deepcopy(book)
        try:
            plant(planted)
        except StopIteration:
            yield f"{name} (nothing to plant it in)"
            continue
        if len(getattr(check(planted, rooms, help_seconds), kind)) <= len(getattr(before, kind)):
            yield name


def _followed(book: Book, *, ended: bool) -> Iterator[tuple[str, str, list[Read]]]:
    """Yield rooms and alerts that are followed, with what the room read of it."""
    for room in [*book.arrivals]:
        for event_id, read in read_by(book, room).items():
            if event_id in book.follows and any(map(ends, read)) == ended:
                yield room, event_id, read


def _lose(book: Book, room: str, event_id: str, **lost: object) -> None:
    """Take from all that a room read of an alert what is `lost`: nobody says it there."""
    book.arrivals[room] = [replace(each, **_blank(each, event_id, lost)) for each in book.arrivals[room]]
    book.updates[room] = [replace(each, **_blank(each, event_id, lost)) for each in book.updates[room]]


def _blank(each: Read, event_id: str, lost: dict[str, object]) -> dict[str, Any]:
    meant = each.event_id == event_id
    return {name: type(value)() for name, value in lost.items() if meant and getattr(each, name) == value}


def _lose_the_newest_fix(book: Book) -> None:
    room, event_id, _ = next(_followed(book, ended=False))
    _lose(book, room, event_id, fix=max(book.fixes[book.follows[event_id]]))


def _lose_the_last_word(book: Book) -> None:
    found = _followed(book, ended=False)
    room, event_id, word = next((r, e, each.others) for r, e, read in found for each in reversed(read) if each.others)
    _lose(book, room, event_id, others=word)


def _add(book: Book, room: str, read: list[Read], about: About, fix: int) -> None:
    last = read[-1]
    book.updates[room].append(Update(last.event_id, about, "planted", last.at + 1, fix, "seen"))


def _tell_a_position_after_the_ending(book: Book) -> None:
    room, event_id, read = next(_followed(book, ended=True))
    _add(book, room, read, About.POSITION, max(book.fixes[book.follows[event_id]]))


def _tell_a_state_after_the_ending(book: Book) -> None:
    room, _, read = next(_followed(book, ended=True))
    _add(book, room, read, About.STATE, 0)


def _tell_an_older_fix_last(book: Book) -> None:
    found = _followed(book, ended=False)
    room, read = next((room, read) for room, _, read in found if max(each.fix for each in read) > 1)
    _add(book, room, read, About.POSITION, 1)


def _swap_a_state_with_what_stood_before_it(book: Book) -> None:
    room, state, before = next(
        (room, each, before)
        for room, _, read in _followed(book, ended=False)
        for before, each in pairwise(read)
        if isinstance(each, Update) and each.about is not About.POSITION
    )
    places = {each.delivery_id: place for place, each in reversed([*enumerate(book.written[room])])}
    one, other = places[state.delivery_id], places[before.delivery_id]
    written = book.written[room]
    written[one], written[other] = written[other], written[one]


def _send_a_position_while_a_press_waits(book: Book) -> None:
    told = ((room, each) for room in [*book.updates] for each in book.updates[room])
    room, position = next((room, each) for room, each in told if each.about is About.POSITION)
    written = book.written[room]
    place = next(place for place, each in enumerate(written) if each.delivery_id == position.delivery_id)
    press = Written(position.event_id, "planted", is_position=False, at=position.at - BEHIND_SECONDS - 0.1)
    written.insert(place + 1, press)


def _show_no_level(book: Book) -> None:
    room, event_id, read = next(_followed(book, ended=False))
    book.shown.append(Shown(event_id, room, "SOMETHING", read[-1].at))


def _show_no_word(book: Book) -> None:
    room, event_id, read = next(_followed(book, ended=False))
    book.shown.append(Shown(event_id, room, "DELIVERED", read[-1].at, "PERHAPS"))


def _show_help_that_was_taken_back(book: Book) -> None:
    room, event_id, at = next((room, *taken) for room in [*book.withdrawn] for taken in book.withdrawn[room].items())
    book.shown.append(Shown(event_id, room, "ACKNOWLEDGED", at + _LONG_SECONDS, "ASSIGNED"))


PLANTS: Final[dict[str, tuple[str, Plant]]] = {
    "the newest fix never comes": ("lost", _lose_the_newest_fix),
    "a room's last word never comes": ("lost", _lose_the_last_word),
    "a position after the ending": ("out_of_order", _tell_a_position_after_the_ending),
    "a state after the ending": ("out_of_order", _tell_a_state_after_the_ending),
    "an older fix after a newer one": ("out_of_order", _tell_an_older_fix_last),
    "a state overtakes": ("out_of_order", _swap_a_state_with_what_stood_before_it),
    "a position is sent while a press waits": ("out_of_order", _send_a_position_while_a_press_waits),
    "a level that is none": ("level_too_high", _show_no_level),
    "a word that is none": ("level_too_high", _show_no_word),
    "help that was taken back": ("help_too_long", _show_help_that_was_taken_back),
}
"""What each plant puts into a book, and where the checker must find it."""
