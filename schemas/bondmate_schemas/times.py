"""The one reader of times that strangers write: lenient, and it never raises.

RFC 3339 and ISO 8601 in their extended form, as far as messages of the field use them. What breaks the letter of a
standard and leaves no doubt is read all the same, and the breach is named, so that a format can remark on it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final

_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)([Tt ])(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?(?:([Zz])|([+-])(\d\d):?([0-5]\d))?", re.ASCII
)
_LONGEST: Final = 64
_LARGEST_OFFSET: Final = timedelta(hours=14)


@dataclass(frozen=True, slots=True)
class ReadTime:
    """A time that was read: aware, in UTC, to the microsecond."""

    time: datetime
    breaches: tuple[str, ...] = ()
    """What RFC 3339, 5.6 does not allow: `no_offset` (taken as UTC), `no_seconds`, `small_letter`, `space`, `comma`,
    `no_colon` in the offset, `no_leap_second` (a 60th second where no day ends)."""


def read_time(text: str) -> ReadTime | None:
    """Read a time; None when it is none, or lies outside of the years 1 to 9999 in UTC.

    Midnight at the end of a day may be `24:00:00` (XML Schema 1.0 part 2, 3.2.7), and a leap second is the second
    after it (RFC 3339, 5.7). An offset of more than 14 hours is none.
    """
    return _read_time(text) if len(text) <= _LONGEST else None


@lru_cache(maxsize=256)  # the same few times stand again and again in one message
def _read_time(text: str) -> ReadTime | None:
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    year, month, day, separator, hour, minute, second, fraction, zulu, sign, hours, minutes = match.groups()
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    if offset > _LARGEST_OFFSET:
        return None
    if hour == "24" and int(fraction or 0):
        return None
    clock, more = _on_the_clock(int(hour), int(minute), int(second or 0))
    try:
        zone = timezone(-offset if sign == "-" else offset)
        time = datetime(int(year), int(month), int(day), *clock, int((fraction or "0")[:6].ljust(6, "0")), tzinfo=zone)
        time = time.astimezone(UTC) + more
    except (ValueError, OverflowError):
        return None
    found = {"no_offset": not zulu and not sign, "no_seconds": second is None, "space": separator == " ",
             "small_letter": zulu == "z" or separator == "t", "comma": "," in text,
             "no_colon": bool(sign) and text[-3] != ":",
             "no_leap_second": second == "60" and (time.hour, time.minute) != (0, 0)}  # fmt: skip
    return ReadTime(time, tuple(breach for breach, is_there in found.items() if is_there))


def _on_the_clock(hour: int, minute: int, second: int) -> tuple[tuple[int, int, int], timedelta]:
    """Return a time of day that `datetime` knows, and what is to be added to it."""
    if (hour, minute, second) == (24, 0, 0):
        return (0, 0, 0), timedelta(days=1)
    if second == 60:  # noqa: PLR2004  # a leap second
        return (hour, minute, 59), timedelta(seconds=1)
    return (hour, minute, second), timedelta(0)
