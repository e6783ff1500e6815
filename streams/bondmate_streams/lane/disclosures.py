"""Disclosures of positions, logged together: by destination and minute, who and how many, not one record a fix.

What is not in the audit trail yet stands in a journal on disk before its fixes are committed, so that killing the lane
loses none. Each person is logged once a minute and destination, under the pseudonym that only the audit trail uses.
"""

from __future__ import annotations

import errno
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

import orjson
from bondmate_schemas.enums import AuditAction

from bondmate_streams.lane.batch import Disclosed, NamedPeople
from bondmate_streams.logic.audit import AuditEntry, audit_names

_SUBJECTS_A_RECORD: Final = 5_000
_Purpose = tuple[str, str, str]
"""Destination, purpose, legal basis."""


@dataclass(slots=True)
class _PendingSum:
    """What one destination got for one purpose, since it was last logged or last kept."""

    events: int = 0
    people: list[str] = field(default_factory=list)
    """Pseudonyms of those it had not got yet."""
    fields: dict[str, None] = field(default_factory=dict)


class Disclosures:
    """Sums of what was disclosed since they were last logged."""

    def __init__(self, journal: Path, secret: bytes) -> None:
        """Go on with what `journal` holds, from a lane that was killed; `secret` is the key of the pseudonyms."""
        self._name_of = audit_names(secret)
        self._known: defaultdict[_Purpose, NamedPeople] = defaultdict(NamedPeople)
        self._fresh: dict[_Purpose, _PendingSum] = {}
        journal.parent.mkdir(parents=True, exist_ok=True)
        self._file = journal.open("a+b", buffering=0)

    def add(self, *disclosed: Disclosed) -> None:
        """Take what destinations got of a batch."""
        name_of = cache(self._name_of)  # most people are new to several destinations together
        for each in disclosed:
            place = (each.destination, each.purpose, each.legal_basis)
            fresh = self._fresh.setdefault(place, _PendingSum())
            fresh.events += each.events
            fresh.fields.update(dict.fromkeys(each.fields))
            fresh.people += map(name_of, each.people.new_to(self._known[place]))

    def keep(self) -> None:
        """Write down what was added, before its fixes are committed.

        Raises:
            OSError: the disk takes nothing now; nothing is forgotten, call again.
        """
        if not self._fresh:
            return
        rows = [[*place, fresh.events, fresh.people, list(fresh.fields)] for place, fresh in self._fresh.items()]
        self._append(orjson.dumps(rows) + b"\n")
        self._fresh.clear()

    def _append(self, line: bytes) -> None:
        end = self._file.seek(0, os.SEEK_END)
        if self._file.write(line) < len(line):
            self._file.truncate(end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def entries(self) -> list[AuditEntry]:
        """Return the audit entries for all that was kept."""
        sums: defaultdict[_Purpose, _PendingSum] = defaultdict(_PendingSum)
        for place, events, people, fields in self._rows():
            total = sums[place]
            total.events += events
            total.people += people
            total.fields.update(dict.fromkeys(fields))
        return [entry for place, total in sums.items() for entry in _entries(place, total)]

    def _rows(self) -> Iterator[tuple[_Purpose, int, list[str], list[str]]]:
        self._file.seek(0)
        for line in self._file.read().splitlines():
            try:
                rows = orjson.loads(line)
            except ValueError:
                continue  # the line that was being written when the lane was killed; its fixes come again
            for destination, purpose, basis, events, people, fields in rows:
                yield (destination, purpose, basis), events, people, fields

    def logged(self) -> None:
        """Forget what the audit trail now has."""
        self._known.clear()
        self._file.truncate(0)

    def close(self) -> None:
        """Close the journal; what it holds stays."""
        self._file.close()


def _entries(place: _Purpose, total: _PendingSum) -> Iterable[AuditEntry]:
    """Yield as many entries as the people need; they share the events evenly, so that none is of no event."""
    people = list(dict.fromkeys(total.people))
    parts = [people[start : start + _SUBJECTS_A_RECORD] for start in range(0, max(len(people), 1), _SUBJECTS_A_RECORD)]
    each, over = divmod(total.events, len(parts))
    for number, part in enumerate(parts):
        yield AuditEntry(
            action=AuditAction.DISCLOSURE,
            recipient=place[0],
            subjects=tuple(part),
            fields=tuple(total.fields),
            event_count=each + (number < over),
            purpose=place[1],
            legal_basis=place[2],
        )
