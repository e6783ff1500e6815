"""A trace goes on where the header is sound and begins anew where it is not."""

from __future__ import annotations

import pytest
from bondmate_monitoring.tracing import TraceParent, continued, new_trace, parse
from hypothesis import given
from hypothesis import strategies as st

HEADER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_header_is_read_and_written_unchanged() -> None:
    assert TraceParent("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", sampled=True) == parse(HEADER)
    assert HEADER == str(parse(HEADER))


def test_a_child_stays_in_its_trace_under_another_parent() -> None:
    child = continued(HEADER.encode())

    assert parse(HEADER).trace_id == child.trace_id
    assert parse(HEADER).parent_id != child.parent_id
    assert child == parse(str(child))


def test_a_later_version_with_more_behind_is_read() -> None:
    assert parse(HEADER) == parse("cc" + HEADER[2:] + "-what-comes-later")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        HEADER + "-more",
        HEADER + "1",
        "ff" + HEADER[2:],
        "00-" + "0" * 32 + "-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-" + "0" * 16 + "-01",
        HEADER.upper(),
    ],
)
def test_what_is_no_trace_begins_one(header: str) -> None:
    with pytest.raises(ValueError, match="traceparent"):
        parse(header)
    assert continued(header).trace_id not in header


def test_nothing_begins_a_trace_and_no_two_are_equal() -> None:
    assert continued(None) != continued(None)
    assert not parse(str(new_trace(sampled=False))).sampled


@given(st.one_of(st.text(), st.binary()))
def test_no_header_raises(header: str | bytes) -> None:
    assert 55 == len(str(continued(header)))
