"""What a folder of recorded CAP alerts must become at the TAK client, worked out from the files alone."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from bondmate_connectors.contract import Reading, Refusal
from bondmate_connectors.formats.cap import FORMAT
from bondmate_schemas.enums import Mode
from bondmate_schemas.models import IncidentEvent

from bondmate_demo.dead_letters import DeadLetters
from bondmate_demo.ledger import TakBook


class CapFolder:
    """The folder's alerts, by event: how many distinct messages of status Actual each thread holds."""

    def __init__(self, folder: Path) -> None:
        self._outcomes: Counter[str] = Counter()
        self._refused: set[str] = set()
        self._actual: dict[str, set[str]] = {}
        self._others: set[str] = set()
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            self._add(path.read_bytes())

    def _add(self, data: bytes) -> None:
        reading = FORMAT.read(data, datetime.now(UTC))
        if isinstance(reading, Reading):
            self._outcomes["accepted_with_warnings" if reading.warnings else "accepted"] += 1
            for event in reading.events:
                if isinstance(event, IncidentEvent):
                    self._take(event)
        elif isinstance(reading, Refusal):
            self._outcomes["rejected"] += 1
            self._refused.add(hashlib.sha256(data).hexdigest())
        else:
            self._outcomes["ignored"] += 1

    def _take(self, event: IncidentEvent) -> None:
        if event.header.mode is Mode.ACTUAL:
            self._actual.setdefault(event.header.event_id, set()).add(event.header.message_id)
        else:
            self._others.add(event.header.event_id)

    def arrived(self, book: TakBook) -> bool:
        """Whether every distinct message of status Actual is at the client."""
        return not self._missing(book)

    def lost(self, book: TakBook, dead: DeadLetters) -> int:
        """Count messages that did not arrive, refused files no dead-letter topic holds, and what must not have come."""
        return self._missing(book) + len(self._refused - dead.digests) + len(self._strays(book))

    def outcomes(self, book: TakBook, dead: DeadLetters) -> dict[str, int]:
        """Return the outcome of the files, and of the distinct messages of status Actual."""
        actual = {event: (len(messages), *_seen(book, event)) for event, messages in self._actual.items()}
        return {
            **self._outcomes,
            "actual_messages": sum(wanted for wanted, _, _ in actual.values()),
            "arrived_once": sum(messages for wanted, messages, repeats in actual.values()
                                if messages == wanted and not repeats),
            "arrived_more_than_once": sum(repeats for _, _, repeats in actual.values()),
            "not_actual_arrived": len(self._strays(book)),
            "refused_in_dead_letters": len(self._refused & dead.digests),
        }  # fmt: skip

    def _missing(self, book: TakBook) -> int:
        return sum(max(0, len(messages) - _seen(book, event)[0]) for event, messages in self._actual.items())

    def _strays(self, book: TakBook) -> set[str]:
        return {event for event in self._others - set(self._actual) if event in book.events}


def _seen(book: TakBook, event: str) -> tuple[int, int]:
    """Count the distinct messages about an event at the client, and those that came again in the same form.

    The end of an event is told in two forms, a chat line and the deletion of its marker: that is no repeat.
    """
    seen = book.events.get(event)
    if seen is None:
        return 0, 0
    return seen.messages, seen.repeats
