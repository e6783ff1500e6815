"""Updates of position and of state, judged apart from presses. Pure.

An alert that is followed has a newest fix and, of each room, a last word. Of what lies between, a room may miss as much
as it likes: what is newer takes its place. The newest must come, unless the alert ended; nothing of the kind comes
after the ending; what comes keeps the order in which it was written and never goes back to an older fix; and no
position update is sent while a press, a withdrawal or an ending of its alert waits behind it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from bondmate_schemas.flags import NOT_RENEWED

from bench.chaos.book import About, Arrival, Book, Started, Update, Written

BEHIND_SECONDS = 2.0
"""What was written so long before a position update was taken was known to stand behind it."""
Read = Arrival | Update
"""What a room reads of an alert."""


def misplaced(book: Book, room: str) -> Iterator[str]:
    """Yield which updates a room read out of their place."""
    written = _by_alert(book.written[room])
    for event_id, read in read_by(book, room).items():
        yield from (f"{event_id}: {what}" for what in _misplaced(read, written.get(event_id, [])))


def read_by(book: Book, room: str) -> dict[str, list[Read]]:
    """Return all that a room read of each alert, in order."""
    found: defaultdict[str, list[Read]] = defaultdict(list)
    everything: list[Read] = [*book.arrivals[room], *book.updates[room]]
    for each in sorted(everything, key=lambda it: it.at):
        found[each.event_id].append(each)
    return found


def unheard(book: Book, room: str, rooms: Sequence[str], owner: str = "") -> Iterator[str]:
    """Yield what a room has not heard of the newest of the alerts that are followed and, for it, not ended."""
    if not book.follows:
        return
    read_of, started = read_by(book, room), {each.event_id: each for each in book.started.values()}
    for event_id, device in book.follows.items():
        read = read_of.get(event_id, [])
        if any(ends(each) for each in read):
            continue
        newest, known = max(book.fixes[device], default=0), max((each.fix for each in read), default=0)
        if known != newest and may_know_place(started.get(event_id), read, is_owner=room == owner):
            yield f"{event_id}: its newest fix is {newest}, the room knows {known}"
        words = {book.said[other][event_id] for other in rooms if other != room and event_id in book.said[other]}
        heard = next((each.others for each in reversed(read) if each.others), "")
        if words and heard not in words:
            yield f"{event_id}: the other room has {'/'.join(words)}, this one reads {heard or 'nothing'}"


def may_know_place(started: Started | None, read: Sequence[Read], *, is_owner: bool) -> bool:
    """Return whether a room is to hear where the officer of an alert is: not of every one that a room started."""
    if started is None:
        return True
    # The owner hears no more of what it has closed itself: it is sent no end either.
    return not has_lapsed(read) and (started.known_from < math.inf or (is_owner and not started.closed_at))


def has_lapsed(read: Sequence[Read]) -> bool:
    """Return whether a room read last that nobody had renewed what a room started."""
    return bool(read) and NOT_RENEWED in read[-1].flags


def _misplaced(read: Sequence[Read], written: Sequence[Written]) -> Iterator[str]:
    yield from _after_the_ending(read)
    firsts: dict[str, Read] = {}
    for each in read:
        firsts.setdefault(each.delivery_id, each)
    fixes = [each.fix for each in firsts.values() if each.fix and not ends(each)]
    yield from (f"fix {fix} after fix {before}" for before, fix in pairwise(fixes) if fix < before)
    places = {each.delivery_id: place for place, each in reversed([*enumerate(written)])}
    order = [places[delivery_id] for delivery_id in firsts if delivery_id in places]
    yield from (f"record {after} after record {before}" for before, after in pairwise(order) if after < before)
    for each in firsts.values():
        if isinstance(each, Update) and each.about is About.POSITION and each.delivery_id in places:
            behind = written[places[each.delivery_id] + 1 :]
            if any(not other.is_position and other.at < each.at - BEHIND_SECONDS for other in behind):
                yield f"fix {each.fix} while other news waited behind it"


def _after_the_ending(read: Sequence[Read]) -> Iterator[str]:
    known, ended = set[str](), False
    for each in read:
        # What was told before a crash may come again, and then its ending does too; no position waits for that.
        if ended and isinstance(each, Update) and (each.about is About.POSITION or each.delivery_id not in known):
            yield f"an update of {each.about} after the ending"
        ended = ended or ends(each)
        known.add(each.delivery_id)


def ends(each: Read) -> bool:
    """Return whether the alert ends with it."""
    return each.ends


def _by_alert(written: Sequence[Written]) -> dict[str, list[Written]]:
    found: defaultdict[str, list[Written]] = defaultdict(list)
    for each in written:
        found[each.event_id].append(each)
    return found
