"""Emergencies that a room started, judged by their rules (ADR 29). Pure.

A room of the owner starts one. Rooms beyond the owner's get no place of it before a person of the owner confirms it or
its officer presses. Nothing of a silent one is shown at its device before its officer presses aloud; then every room
hears that the silence is over. One that nobody renews stays open, all hear so, and nobody hears where it is any more.
Only the owner ends it. Operations are paged that it was started, and that nobody renewed it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from bondmate_schemas.flags import NOT_RENEWED, SILENCE_OVER, UNDER_DURESS

from bench.chaos.book import About, Book, Started, Update
from bench.chaos.updates import Read, ends, has_lapsed, read_by

STARTED_PAGE, LAPSED_PAGE = "alert_started_by_room", "alert_not_renewed"


def awaited(book: Book, rooms: Sequence[str], owner: str) -> Iterator[str]:
    """Yield what was to be told of these emergencies and was not."""
    for number, started in book.started.items():
        if not started.event_id:
            yield f"no room was told of emergency {number} that a room started"
        elif not started.silent and not started.shown:
            yield f"{started.event_id}: its officer was not told that a room started it"
    for room in rooms:
        read_of = read_by(book, room)
        for started in book.started.values():
            if read := read_of.get(started.event_id):
                yield from (f"{room}: {started.event_id}: {what}" for what in _unread(started, read, room == owner))


def _unread(started: Started, read: Sequence[Read], is_owner: bool) -> Iterator[str]:  # noqa: FBT001  # one call, above
    if started.closed_at:
        # Who closed it knows.
        if not is_owner and not any(map(ends, read)):
            yield "not told that its owner closed it"
    elif started.renews or started.known_from < math.inf:
        if has_lapsed(read):
            yield "read last that nobody renewed it, and somebody has"
    elif not has_lapsed(read):
        yield "not told that nobody renewed it"
    if started.silent and started.pressed_at and not any(SILENCE_OVER in each.flags for each in read):
        yield "not told that the silence is over"


def unpaged(book: Book) -> Iterator[str]:
    """Yield of what operations were not paged; to be asked when all is read."""
    for started in book.started.values():
        is_lapsed = not (started.renews or started.closed_at or started.known_from < math.inf)
        for reason in (STARTED_PAGE, LAPSED_PAGE) if is_lapsed else (STARTED_PAGE,):
            if started.event_id and (reason, started.event_id) not in book.paged:
                yield f"{started.event_id}: operations were not paged, {reason}"


def told_too_much(book: Book, rooms: Sequence[str], owner: str) -> Iterator[str]:
    """Yield what was told, of such an emergency, to who must not know it."""
    for started in book.started.values():
        allowed_from = started.pressed_at or math.inf
        if started.silent and (early := [at for at in started.shown if at < allowed_from]):
            yield f"{started.event_id}: its device was shown it {len(early)} times, and it is silent"
    for room in rooms:
        read_of = read_by(book, room)
        for started in book.started.values():
            read = read_of.get(started.event_id, [])
            yield from (f"{room}: {started.event_id}: {what}" for what in _too_much(started, read, room == owner))


def _too_much(started: Started, read: Sequence[Read], is_owner: bool) -> Iterator[str]:  # noqa: FBT001  # as above
    known, lapsed = set[str](), False
    for each in read:
        if each.fix and not is_owner and each.at < started.known_from:
            yield f"fix {each.fix} before anybody confirmed it"
        is_position = isinstance(each, Update) and each.about is About.POSITION
        # What was told before a crash may come again.
        if is_position and lapsed and each.delivery_id not in known:
            yield f"fix {each.fix} after nobody had renewed it"
        lapsed = NOT_RENEWED in each.flags if not is_position else lapsed
        known.add(each.delivery_id)
        if SILENCE_OVER in each.flags and UNDER_DURESS in each.flags:
            yield "silent, and not silent any more, in one document"


def ended_wrongly(book: Book, rooms: Sequence[str]) -> Iterator[str]:
    """Yield which of these emergencies ended without that its owner had closed them."""
    for room in rooms:
        read_of = read_by(book, room)
        for started in book.started.values():
            ended = [each.at for each in read_of.get(started.event_id, []) if ends(each)]
            if ended and ended[0] < (started.closed_at or math.inf):
                yield f"{room}: {started.event_id} ended, and its owner had not closed it"
