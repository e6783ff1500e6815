"""Disclosures of positions, logged together: by destination and minute, who and how many, not one record a fix.

What is not in the audit trail yet stands in a journal on disk before its fixes are committed, so that killing the lane
loses none.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bondmate_schemas.enums import AuditAction

from bondmate_streams.logic.audit import Entry

_SUBJECTS_A_RECORD: Final = 5_000
_Place = tuple[str, str, str]


@dataclass(slots=True)
class _Sum:
    """What one destination got for one purpose."""

    events: int = 0
    subjects: dict[str, None] = field(default_factory=dict)
    fields: dict[str, None] = field(default_factory=dict)


class Disclosures:
    """Sums of what was disclosed since they were last logged."""

    def __init__(self, journal: Path) -> None:
        """Go on with what `journal` holds, from a lane that was killed."""
        self._journal = journal
        self._sums: dict[_Place, _Sum] = {}
        self._fresh: dict[_Place, _Sum] = {}
        journal.parent.mkdir(parents=True, exist_ok=True)
        if journal.exists():
            self._load(journal.read_text(encoding="utf-8").splitlines())
        self._file = journal.open("ab", buffering=0)

    def _load(self, lines: Iterable[str]) -> None:
        for line in lines:
            try:
                rows = json.loads(line)
            except ValueError:
                continue  # the line that was being written when the lane was killed; its fixes come again
            for destination, purpose, basis, events, subjects, fields in rows:
                _add(self._sums, (destination, purpose, basis), events, subjects, fields)

    def add(self, entry: Entry) -> None:
        """Take one disclosure."""
        place = (entry.recipient or "", entry.purpose, entry.legal_basis)
        _add(self._fresh, place, 1, entry.subjects, entry.fields)

    def keep(self) -> None:
        """Write down what was added, before its fixes are committed.

        Raises:
            OSError: the disk takes nothing now; nothing is forgotten, call again.
        """
        if not self._fresh:
            return
        rows = [
            [*place, fresh.events, list(fresh.subjects), list(fresh.fields)] for place, fresh in self._fresh.items()
        ]
        self._append(json.dumps(rows).encode() + b"\n")
        for place, fresh in self._fresh.items():
            _add(self._sums, place, fresh.events, fresh.subjects, fresh.fields)
        self._fresh.clear()

    def _append(self, line: bytes) -> None:
        end = self._file.seek(0, os.SEEK_END)
        if self._file.write(line) < len(line):
            self._file.truncate(end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def entries(self) -> list[Entry]:
        """Give what is to be logged for all that was kept."""
        return [entry for place, total in self._sums.items() for entry in _entries(place, total)]

    def logged(self) -> None:
        """Forget what the audit trail now has."""
        self._sums.clear()
        self._file.truncate(0)

    def close(self) -> None:
        """Close the journal; what it holds stays."""
        self._file.close()


def _entries(place: _Place, total: _Sum) -> Iterator[Entry]:
    subjects = list(total.subjects)
    for start in range(0, max(len(subjects), 1), _SUBJECTS_A_RECORD):
        yield Entry(
            action=AuditAction.DISCLOSURE,
            recipient=place[0],
            subjects=tuple(subjects[start : start + _SUBJECTS_A_RECORD]),
            fields=tuple(total.fields),
            event_count=total.events if start == 0 else 0,
            purpose=place[1],
            legal_basis=place[2],
        )


def _add(sums: dict[_Place, _Sum], place: _Place, events: int, subjects: Iterable[str], fields: Iterable[str]) -> None:
    total = sums.setdefault(place, _Sum())
    total.events += events
    total.subjects.update(dict.fromkeys(subjects))
    total.fields.update(dict.fromkeys(fields))
