"""The facts of dead letters, read from their headers, and the selection of some of them; never their content."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from bondmate_schemas.catalogue import dead_letter_topic
from bondmate_schemas.ids import derived_id

Headers = tuple[tuple[str, bytes | None], ...]
ERROR = "bondmate.error."
REPLAY = "bondmate.replay."
REPLAY_COUNT = f"{REPLAY}count"
"""Header of a replayed record: how often it has been replayed, this time included."""
REPLAY_OF = f"{REPLAY}of"
"""Header of a replayed record: the id of its dead letter, by which a repeat is recognised."""
UNKNOWN = "unknown"
_PREFIX = dead_letter_topic("")
_CODE = re.compile(r"[\w.:/-]{1,100}", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class LetterState(StrEnum):
    """What has become of a dead letter; `OPEN` waits for a person, `QUARANTINED` for one who passes `--force`."""

    OPEN = "OPEN"
    QUARANTINED = "QUARANTINED"
    REPLAYED = "REPLAYED"
    DISCARDED = "DISCARDED"


@dataclass(frozen=True, slots=True)
class RecordLocation:
    """Topic, partition and offset of a record."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """The facts of one dead letter. `origin` is None for what never was in Kafka, which only its sender has."""

    id: str
    place: str
    stage: str
    code: str
    at: datetime
    replays: int
    """How often it had been replayed when it was dead-lettered."""
    record: str
    """Name of the record as its sender's headers give it, or `unknown`."""
    size_bytes: int
    key: bytes | None = field(repr=False)
    origin: RecordLocation | None
    lies_at: RecordLocation

    def as_json(self) -> dict[str, Any]:
        """Return what may be shown: keys name devices and incidents, so the key stays out."""
        locations = {name: location and f"{location.topic}/{location.partition}/{location.offset}"
                 for name, location in (("origin", self.origin), ("lies_at", self.lies_at))}  # fmt: skip
        facts = ("id", "place", "stage", "code", "at", "record", "size_bytes", "replays")
        return {**{name: getattr(self, name) for name in facts}, "at": self.at.isoformat(), **locations}


def dead_letter_of(
    lies_at: RecordLocation, key: bytes | None, size_bytes: int, headers: Headers, written_at: datetime
) -> DeadLetter:
    """Read a dead letter's headers; what is missing or wrong in them becomes `unknown`, never an error."""
    text = {name: value.decode(errors="replace") for name, value in headers if value is not None}
    fact = {name.removeprefix(ERROR): value for name, value in text.items() if name.startswith(ERROR)}
    return DeadLetter(
        id=fact.get("id") or derived_id("dead-letter", lies_at.topic, str(lies_at.partition), str(lies_at.offset)),
        place=place_of(lies_at.topic),
        stage=_constant(fact.get("stage")),
        code=_constant(fact.get("code")),
        at=_time(fact.get("at")) or written_at,
        replays=_number(text.get(REPLAY_COUNT)) or 0,
        record=_constant(text.get("ce_type", "").rpartition(".")[2]),
        size_bytes=size_bytes,
        key=key,
        origin=_origin(fact),
        lies_at=lies_at,
    )


def place_of(topic: str) -> str:
    """Name the stage, source or destination whose dead letters lie in `topic`."""
    return topic.removeprefix(_PREFIX)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which letters are meant: all that fit every part that is not None; `since` is included, `until` is not."""

    place: str | None = None
    code: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    id: str | None = None

    def takes(self, letter: DeadLetter) -> bool:
        """Whether `letter` is meant."""
        wanted = ((self.place, letter.place), (self.code, letter.code), (self.id, letter.id))
        return (
            all(asked in {None, found} for asked, found in wanted)
            and (self.since is None or self.since <= letter.at)
            and (self.until is None or letter.at < self.until)
        )

    @property
    def is_all(self) -> bool:
        """Whether nothing narrows it down."""
        return self == Selection()


@dataclass(frozen=True, slots=True)
class Group:
    """How many letters lie at one place for one reason on one day, and how they stand."""

    place: str
    code: str
    day: str
    standing: LetterState
    count: int


def groups(letters: Iterable[DeadLetter], standings: Mapping[str, LetterState]) -> list[Group]:
    """Count letters by place, code, day (UTC) and standing, in that order."""
    counts = Counter(
        (one.place, one.code, one.at.astimezone(UTC).date().isoformat(), standings.get(one.id, LetterState.OPEN))
        for one in letters
    )
    return [Group(*place, count) for place, count in sorted(counts.items())]


def moment(text: str, now: datetime) -> datetime:
    """Return the time that a person wrote: `90m`, `2h`, `7d` ago, or ISO 8601, in UTC where no zone is named.

    Raises:
        ValueError: it is neither; the message says what is allowed.
    """
    if found := re.fullmatch(r"(\d{1,6})([smhd])", text):
        return now - timedelta(**{_UNITS[found[2]]: int(found[1])})
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("allowed: 90m, 2h or 7d (ago), or ISO 8601 such as 2026-11-26T18:00+01:00") from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _constant(text: str | None) -> str:
    """Let through only what looks like a code or a name: headers of others may hold anything."""
    return text if text and _CODE.fullmatch(text) else UNKNOWN


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) <= 18 else None  # noqa: PLR2004


def _time(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found if found.tzinfo else None


def _origin(fact: Mapping[str, str]) -> RecordLocation | None:
    partition, offset = _number(fact.get("partition")), _number(fact.get("offset"))
    if not fact.get("topic") or partition is None or offset is None:
        return None
    return RecordLocation(fact["topic"], partition, offset)
