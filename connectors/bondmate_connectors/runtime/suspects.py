"""Distinguish an event that is itself the trouble from a platform, or a link, that has trouble. Pure: it counts.

Nothing is proved by what one event meets alone. Only when others are taken meanwhile is it the event: it alone is
refused, or the link breaks whenever it alone is on it. While nothing else passes it may be the platform, and then the
event waits, for ever if need be. For a refusal only others of the same kind count: a platform that takes positions and
no alerts refuses all alerts, not this one.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

_DOUBT: Final = 0.0001
"""How likely it may be that an event which is found guilty was only unlucky: the link breaks, or the platform refuses,
now and then whatever comes (one of two machines behind one address has no valid key of ours)."""
KILLS_THE_LINK: Final = "kills_the_link"
"""Code of an event at which the link breaks."""


class SuspectVerdict(Enum):
    """What is to be done with an event that was not taken."""

    OPEN = auto()
    """It may be the platform."""
    ALONE = auto()
    """It is this event, which waits for another try while others go on."""
    LEAN = auto()
    """It is to be tried once more, in its leanest form."""
    GUILTY = auto()
    """It is this event, and it has had its tries: `code_of` says what it is guilty of."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """An event as far as suspicion goes."""

    event_id: str
    key: str
    kind: str


@dataclass(slots=True)
class _Record:
    """What became of an event since it first failed."""

    kind: str
    taken: int
    """Events that had been taken when it first failed, of any kind."""
    taken_alike: int
    """Events of its kind that had been taken then, or when it was last seen that it was not refused alone."""
    taken_before: int = 0
    """Events of its kind that had been taken when it first failed."""
    unbroken: int = 0
    """Events that had been taken until then without a break at which they were alone."""
    broken: int = 0
    """Events that had been alone at a break until then."""
    innocent: int = 0
    """Refusals until then of events of its kind that were taken after all."""
    met: int = 0
    """As `refusals`, but over all times: an outage, which refuses everybody, tells nothing."""
    refusals: int = 0
    """How often it was refused while others were taken."""
    breaks: int = 0
    """At how many breaks of the link it alone was on it."""
    is_suspect: bool = False
    """Whether the link broke while it was under way."""
    was_lean: bool = False
    """Whether it has been given its leanest form."""
    is_lean: bool = False
    """Whether it is in its leanest form now."""
    code: str = ""


class Suspects:
    """The events of one connector that were refused, or at which its link broke.

    What comes after a guilty event under its key is likely to meet the same: it inherits what others have proved.
    """

    def __init__(self, *, refusals: int, breaks: int) -> None:
        self._refusals = refusals
        self._breaks = breaks
        self._taken = 0
        self._taken_alike: Counter[str] = Counter()
        self._innocent: Counter[str] = Counter()
        """Refusals of events that were taken after all, by kind."""
        self._unbroken = 0
        self._broken = 0
        self._records: dict[str, _Record] = {}
        self._guilty: dict[str, _Record] = {}
        """The last event of each key that was guilty, until one of that key is taken."""

    def goes_alone(self, event_id: str) -> bool:
        """Whether the event must be under way alone, so that the next break says whose fault it is."""
        record = self._records.get(event_id)
        return record is not None and record.is_suspect

    def goes_lean(self, event_id: str) -> bool:
        """Whether the event is to be sent in its leanest form."""
        record = self._records.get(event_id)
        return record is not None and record.is_lean

    def tries(self, event_id: str) -> int:
        """Return how often the event was refused while others were taken."""
        record = self._records.get(event_id)
        return 0 if record is None else record.refusals

    def code_of(self, event_id: str) -> str:
        """Return the code of what the event met last."""
        return self._records[event_id].code

    def taken(self, who: Suspect) -> None:
        """Note that the platform has taken the event."""
        self._taken += 1
        self._taken_alike[who.kind] += 1
        record = self._records.pop(who.event_id, None)
        self._innocent[who.kind] += 0 if record is None else record.met
        self._unbroken += record is None or not record.breaks
        self._guilty.pop(who.key, None)

    def forget(self, event_id: str) -> None:
        """Forget an event that will not be sent again."""
        self._records.pop(event_id, None)

    def clear(self) -> None:
        """Forget all: they have gone to another process."""
        self._records.clear()
        self._guilty.clear()

    def refused(self, who: Suspect, code: str, *, may_lean: bool) -> SuspectVerdict:
        """Note that the platform refused us with this event."""
        record = self._record(who)
        if self._taken_alike[record.kind] <= record.taken_alike:
            # Two are refused, and nothing was taken between: then the other may not be alone either.
            self._guilty.clear()
            for other in self._records.values():
                other.taken_alike, other.refusals = self._taken_alike[other.kind], 0
            return SuspectVerdict.OPEN
        record.refusals += 1
        record.met += 1
        if record.refusals < max(self._refusals, self._refusals_it_takes(record)):
            return SuspectVerdict.ALONE
        return self._lean_or_guilty(who, record, code, may_lean=may_lean)

    def rejected(self, who: Suspect, code: str, *, may_lean: bool) -> SuspectVerdict:
        """Note that the platform will never take this event as it is."""
        return self._lean_or_guilty(who, self._record(who), code, may_lean=may_lean)

    def broke(self, who: Suspect, *, alone: bool, may_lean: bool) -> SuspectVerdict:
        """Note that the link broke with this event on it, `alone` or beside others."""
        record = self._record(who)
        record.is_suspect = True
        record.is_lean = False
        self._broken += alone and not record.breaks
        record.breaks += alone
        if record.breaks < self._breaks:
            return SuspectVerdict.OPEN
        may_lean = may_lean and not record.was_lean
        if not may_lean and (self._taken == record.taken or record.breaks < self._breaks_it_takes(record)):
            return SuspectVerdict.OPEN
        return self._lean_or_guilty(who, record, KILLS_THE_LINK, may_lean=may_lean)

    def _refusals_it_takes(self, record: _Record) -> float:
        """Return after how many refusals it is no bad luck any more, where others met some too and were taken then.

        As `_breaks_it_takes`, by all that were ever taken and by those since it first failed, whichever fared worse.
        While nobody innocent was refused, the settings' number is enough.
        """
        all_innocent, all_taken = self._innocent[record.kind], self._taken_alike[record.kind]
        if not all_innocent:
            return 0.0
        shares = (
            (innocent + 1) / (innocent + taken + 2)
            for innocent, taken in (
                (all_innocent, all_taken), (all_innocent - record.innocent, all_taken - record.taken_before),
            )
        )  # fmt: skip
        return math.log(_DOUBT) / math.log(max(shares))

    def _breaks_it_takes(self, record: _Record) -> float:
        """Return after how many breaks it is no bad luck any more, by how the others have fared since its first.

        Where one in `n` of the others meets a break by itself, `k` breaks in a row happen to an innocent event by
        `1 / n ** k` (the share by Laplace's rule of succession).
        """
        broken = self._broken - record.broken - 1  # itself
        unbroken = self._unbroken - record.unbroken
        return math.log(_DOUBT) / math.log((broken + 1) / (broken + unbroken + 2))

    def _lean_or_guilty(self, who: Suspect, record: _Record, code: str, *, may_lean: bool) -> SuspectVerdict:
        record.code = record.code or code
        if may_lean and not record.was_lean:
            record.was_lean = record.is_lean = True
            return SuspectVerdict.LEAN
        if record.refusals or record.breaks:
            self._guilty[who.key] = record
        return SuspectVerdict.GUILTY

    def _record(self, who: Suspect) -> _Record:
        if who.event_id not in self._records:
            self._records[who.event_id] = self._new(who)
        return self._records[who.event_id]

    def _new(self, who: Suspect) -> _Record:
        before = self._guilty.get(who.key)
        if before is not None:
            return _Record(
                who.kind, before.taken, before.taken_alike, before.taken_before, unbroken=before.unbroken,
                broken=self._broken, innocent=before.innocent, is_suspect=before.is_suspect,
            )  # fmt: skip
        alike = self._taken_alike[who.kind]
        return _Record(
            who.kind, self._taken, alike, alike, self._unbroken, self._broken, innocent=self._innocent[who.kind]
        )  # fmt: skip
