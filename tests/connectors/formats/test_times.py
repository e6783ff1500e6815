"""Times as strangers write them: read without doubt or not at all, and never an exception."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from bondmate_schemas.times import ReadTime, read_time
from hypothesis import given
from hypothesis import strategies as st


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("text", "time", "breaches"),
    [
        ("2026-11-29T19:00:00Z", at(2026, 11, 29, 19), ()),
        ("2026-11-29T19:00:00.5+01:00", at(2026, 11, 29, 18, 0, 0, 500_000), ()),
        ("2026-11-29T24:00:00-00:00", at(2026, 11, 30), ()),
        ("2016-12-31T23:59:60Z", at(2017, 1, 1), ()),
        ("2026-11-29T19:00:00z", at(2026, 11, 29, 19), ("small_letter",)),
        ("2026-11-29t19:00:00Z", at(2026, 11, 29, 19), ("small_letter",)),
        ("2026-11-29 19:00Z", at(2026, 11, 29, 19), ("no_seconds", "space")),
        ("2026-11-29T19:00:00", at(2026, 11, 29, 19), ("no_offset",)),
        ("2026-11-29T19:00:00.123456789+0100", at(2026, 11, 29, 18, 0, 0, 123_456), ("no_colon",)),
        ("2026-11-29T19:00:00,5Z", at(2026, 11, 29, 19, 0, 0, 500_000), ("comma",)),
        ("2026-11-29T19:00:60Z", at(2026, 11, 29, 19, 1), ("no_leap_second",)),
        ("2017-01-01T00:59:60+01:00", at(2017, 1, 1), ()),
    ],
)
def test_a_time_that_leaves_no_doubt_is_read_and_its_breach_is_named(
    text: str, time: datetime, breaches: tuple[str, ...]
) -> None:
    assert ReadTime(time, breaches) == read_time(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "soon", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-11-29T24:00:01Z", "2026-11-29T24:00:00.5Z", "2026-11-29T19:00:00+05:99",
        "2026-11-29T25:00:00Z",
        "2026-11-29T19:60:00Z", "2026-11-29T19:00:61Z", "2026-11-29T19:00:00+15:00", "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-10:00", "9999-12-31T24:00:00Z", "٢٠٢٦-11-29T19:00:00Z", "2026-11-29", "2" * 10_000,
    ],
)  # fmt: skip
def test_what_is_no_time_is_none(text: str) -> None:
    assert read_time(text) is None


@given(st.datetimes(), st.integers(-14 * 60, 14 * 60))
def test_every_time_of_the_calendar_is_read_or_lies_outside_of_it_in_utc(time: datetime, minutes: int) -> None:
    offset = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    read = read_time(f"{time.isoformat()}{offset}")

    try:
        expected = (time - timedelta(minutes=minutes)).replace(tzinfo=UTC)
    except OverflowError:
        assert read is None
    else:
        assert read is not None
        assert (expected, ()) == (read.time, read.breaches)


@given(st.text(max_size=40) | st.from_regex(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d)?([Zz]|[+-]\d\d:?\d\d)?"))
def test_no_text_raises(text: str) -> None:
    read = read_time(text)

    assert read is None or read.time.utcoffset() == timedelta(0)
