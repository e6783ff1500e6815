"""What was accepted against what arrived: the far ends' own books, never the hub's receipts."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from bondmate_demo.fleet import AcceptedEvent

TAK, CAP = "tak", "cap"
_HUB_PREFIX = "bondmate-hub"
_PREFIX, _ALERT_SUFFIX = "bondmate-", "-9-1-1"
_FORM_BITS = 32
_PERCENTILES = (50, 95, 99)


@dataclass(slots=True)
class FarEndEntry:
    """What one far end has of one event."""

    first_at: float
    times_new: int = 0
    accepted: bool = False
    acknowledged: bool = False
    told: tuple[int, ...] = ()
    """The messages about it: a hash of the hub's message id, and of the form it came in; ten minutes make 100,000."""
    repeats: int = 0
    """How many messages came again."""

    def tell(self, message: str, form: str) -> None:
        """Take a message about it."""
        short = hash(message) << _FORM_BITS | hash(form) & (1 << _FORM_BITS) - 1
        if short in self.told:
            self.repeats += 1
        else:
            self.told += (short,)

    @property
    def messages(self) -> int:
        """How many different messages came, whatever the form."""
        return len({short >> _FORM_BITS for short in self.told})


@dataclass(slots=True)
class Book:
    """All that one far end wrote down: events by the hub's id, positions by the uid they came under."""

    inside: Callable[[str], str] = str
    """Gives the hub's own id for the one that the far end knows."""
    events: dict[str, FarEndEntry] = field(default_factory=dict)
    last_fix: dict[str, float] = field(default_factory=dict)
    positions: int = 0

    def seen(self, outside: str, at: float) -> FarEndEntry:
        """Return the entry of an event by the id that the far end knows it by; made at its first sight."""
        event_id = self.inside(outside)
        # The books of both far ends and the fleet's have the same ids.
        return self.events.get(event_id) or self.events.setdefault(sys.intern(event_id), FarEndEntry(at))


class Tail:
    """The lines a file has got since the last look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield the new whole lines; one that is still being written is left for the next time."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._offset += len(line)
                yield json.loads(line)


class CapBook(Book):
    """The CAP room's book: one line a document received, or an answer the hub took."""

    def read(self, tail: Tail) -> None:
        """Take in what is new."""
        for line in tail.lines():
            event_id, _, _ = line["identifier"].partition("_")
            seen = self.seen(event_id, line["at"])
            if line["what"] == "received" and line["msgType"] == "Alert":
                seen.accepted = True
                # The same identifier again is the repeat that at-least-once allows; the room made one record of it.
                seen.times_new += 0 if line.get("repeated") else 1
            elif line["what"] == "acknowledged":
                seen.acknowledged = True


class TakBook(Book):
    """The TAK operator's book: one line an event that the client's socket gave, one an answer typed."""

    def read(self, tail: Tail) -> None:
        """Take in what is new."""
        for line in tail.lines():
            self._take(line)

    def _take(self, line: dict[str, Any]) -> None:
        uid = str(line["uid"])
        if line.get("answers"):
            answered = str(line["answers"]).removeprefix(_PREFIX).removesuffix(_ALERT_SUFFIX)
            self.seen(answered, line["at"]).acknowledged = True
        elif uid.startswith(_HUB_PREFIX):
            return  # the hub as a contact, where it is nobody's position
        elif line["type"].startswith("a-f"):
            self.positions += 1
            self.last_fix[uid] = max(self.last_fix.get(uid, 0.0), datetime.fromisoformat(line["start"]).timestamp())
        elif line.get("message"):
            seen = self.seen(str(line["event"]), line["at"])
            # A message comes as a marker and chat lines, each under its own uid; the same of one twice is a duplicate.
            seen.tell(line["message"], uid)


def percentiles(seconds: Iterable[float]) -> dict[str, float]:
    """Return p50, p95, p99 in milliseconds (nearest rank); empty when there is nothing to rank."""
    ranked = sorted(seconds)
    if not ranked:
        return {}
    return {f"p{p}": round(1000 * ranked[max(0, math.ceil(len(ranked) * p / 100) - 1)], 1) for p in _PERCENTILES}


@dataclass(slots=True)
class Count:
    """One destination's figures, in events."""

    delivered: int = 0
    accepted: int = 0
    acknowledged: int = 0
    dead_lettered: int = 0


def count(accepted: Iterable[AcceptedEvent], book: Book, dead: frozenset[str]) -> tuple[Count, list[AcceptedEvent]]:
    """Count what of `accepted` a far end has, and name what it lacks and no dead-letter topic holds."""
    figures, lost = Count(), []
    for event in accepted:
        seen = book.events.get(event.event_id)
        if seen is not None:
            figures.delivered += 1
            figures.accepted += seen.accepted
            figures.acknowledged += seen.acknowledged
        elif event.event_id in dead:
            figures.dead_lettered += 1
        else:
            lost.append(event)
    return figures, lost


def latencies(accepted: Iterable[AcceptedEvent], books: dict[str, Book]) -> dict[str, dict[str, float]]:
    """Return the latencies of alerts from the device's POST to each hop, in milliseconds."""
    alerts = [event for event in accepted if event.kind == "alert"]
    found = {"post_to_accepted": percentiles(event.answered_at - event.posted_at for event in alerts)}
    for name, book in books.items():
        arrived = ((book.events.get(event.event_id), event) for event in alerts)
        found[f"post_to_{name}"] = percentiles(seen.first_at - event.posted_at for seen, event in arrived if seen)
    return found


def duplicates(books: Iterable[Book]) -> int:
    """Count what a far end got more than once: records made twice, messages told twice."""
    total = 0
    for book in books:
        total += sum(max(0, seen.times_new - 1) for seen in book.events.values())
        total += sum(seen.repeats for seen in book.events.values())
    return total
