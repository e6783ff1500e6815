"""Whether a fault did anything, and whether the checker sees what is planted: what a scenario must show of itself."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bondmate_schemas.flags import NOT_RENEWED, SILENCE_OVER

from bench.chaos.book import About, Book, Shown, Started, Update, Written
from bench.chaos.checker import check
from bench.chaos.started import STARTED_PAGE
from bench.chaos.updates import BEHIND_SECONDS, Read, ends, has_lapsed, read_by

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


def unseen(book: Book, rooms: Sequence[str], help_seconds: float, owner: str) -> Iterator[str]:
    """Plant each fault in a copy of a book of its own; yield those that the checker does not see there."""
    before = check(book, rooms, help_seconds, owner)
    for name, (kind, plant) in PLANTS.items():
        planted = deepcopy(book)
        try:
            plant(planted)
        except StopIteration:
            yield f"{name} (nothing to plant it in)"
            continue
        if len(getattr(check(planted, rooms, help_seconds, owner), kind)) <= len(getattr(before, kind)):
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


def _started(book: Book, wanted: Callable[[Started], bool]) -> Iterator[tuple[Started, str, list[Read]]]:
    """Yield the emergencies that a room started of a kind, with what each room read of it."""
    for started in filter(wanted, book.started.values()):
        yield from ((started, room, read_by(book, room).get(started.event_id, [])) for room in [*book.arrivals])


def _is_unconfirmed(started: Started) -> bool:
    return started.known_from == math.inf


def _tell_a_place_before_anybody_confirms(book: Book) -> None:
    # Of whom nobody beyond the owner may know the place, only the other room has read none.
    found = _started(book, _is_unconfirmed)
    room, read = next((room, read) for _, room, read in found if read and not any(each.fix for each in read))
    _add(book, room, read, About.STARTED, 1)


def _follow_what_has_lapsed(book: Book) -> None:
    found = _started(book, _is_unconfirmed)
    room, read = next((room, read) for _, room, read in found if has_lapsed(read))
    _add(book, room, read, About.POSITION, 1)


def _lose_that_it_lapsed(book: Book) -> None:
    found = _started(book, _is_unconfirmed)
    room, event_id = next((room, started.event_id) for started, room, read in found if has_lapsed(read))
    _lose_flag(book, room, event_id, NOT_RENEWED)


def _lose_that_the_silence_is_over(book: Book) -> None:
    found = _started(book, lambda started: started.silent and started.pressed_at > 0)
    started, room, _ = next(found)
    _lose_flag(book, room, started.event_id, SILENCE_OVER)


def _lose_flag(book: Book, room: str, event_id: str, flag: str) -> None:
    def without(each: Any) -> Any:
        return replace(each, flags=each.flags - {flag}) if each.event_id == event_id else each

    book.arrivals[room] = [*map(without, book.arrivals[room])]
    book.updates[room] = [*map(without, book.updates[room])]


def _show_a_silent_one(book: Book) -> None:
    started = next(each for each in book.started.values() if each.silent)
    started.shown.append(started.pressed_at - 1 if started.pressed_at else 1.0)


def _tell_its_officer_nothing(book: Book) -> None:
    next(each for each in book.started.values() if not each.silent).shown.clear()


def _start_nothing(book: Book) -> None:
    next(iter(book.started.values())).event_id = ""


def _page_nobody(book: Book) -> None:
    # Of one that somebody renewed too late there may be a page that nobody waits for.
    book.paged.remove((STARTED_PAGE, next(iter(book.started.values())).event_id))


def _end_it_without_its_owner(book: Book) -> None:
    _, room, read = next(_started(book, lambda started: not started.closed_at))
    last = read[-1]
    book.updates[room].append(Update(last.event_id, About.STARTED, "planted", last.at + 1, ends=True))


def _lose_its_end(book: Book) -> None:
    found = _started(book, lambda started: started.closed_at > 0)
    room, event_id = next((room, started.event_id) for started, room, read in found if any(map(ends, read)))
    book.updates[room] = [each for each in book.updates[room] if not (each.ends and each.event_id == event_id)]


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
    "a place before anybody confirms it": ("told_too_much", _tell_a_place_before_anybody_confirms),
    "a position after nobody renewed it": ("told_too_much", _follow_what_has_lapsed),
    "a silent one is shown at its device": ("told_too_much", _show_a_silent_one),
    "an end without its owner": ("ended_wrongly", _end_it_without_its_owner),
    "what a room starts is told to nobody": ("lost", _start_nothing),
    "an officer does not hear who started it": ("lost", _tell_its_officer_nothing),
    "nobody hears that it was not renewed": ("lost", _lose_that_it_lapsed),
    "nobody hears that the silence is over": ("lost", _lose_that_the_silence_is_over),
    "nobody hears that its owner closed it": ("lost", _lose_its_end),
    "nobody is paged": ("lost", _page_nobody),
}
"""What each plant puts into a book, and where the checker must find it."""
