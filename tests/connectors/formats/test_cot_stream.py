"""Framing of the CoT stream: however it is cut into chunks, the same events come out, and garbage stays bounded."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from bondmate_connectors.formats.cot.stream import Frame, Framer
from hypothesis import given
from hypothesis import strategies as st

DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'
PARTS = (b'<event uid="1"/>', b'<event uid="2"><point/></event>', b'<event uid="3"><detail>a > b</detail></event >')


def frames(chunks: list[bytes], max_bytes: int = 1000) -> list[Frame]:
    framer = Framer(max_bytes)
    return [frame for chunk in chunks for frame in framer.feed(chunk)]


@given(
    messages=st.lists(st.tuples(st.booleans(), st.sampled_from(PARTS)), max_size=6),
    cuts=st.lists(st.integers(0, 500), max_size=12),
    gap=st.sampled_from([b"", b"\n", b" \r\n"]),
)
def test_the_same_events_come_out_however_the_stream_is_cut(
    messages: list[tuple[bool, bytes]], cuts: list[int], gap: bytes
) -> None:
    wanted = [(DECLARATION if declared else b"") + body for declared, body in messages]
    stream = b"".join(message + gap for message in wanted)
    places = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    chunks = [stream[start:end] for start, end in itertools.pairwise(places)]

    assert [Frame(message) for message in wanted] == frames(chunks)


def test_garbage_is_given_as_such_and_the_next_event_is_found() -> None:
    auth = DECLARATION + b"<auth><cot/></auth>"

    assert [Frame(b"\xbf\x01rubbish", "not_cot"), Frame(PARTS[1])] == frames([b"\xbf\x01rub", b"bish", PARTS[1]])
    assert [Frame(auth, "not_cot"), Frame(DECLARATION + PARTS[1])] == frames([auth + DECLARATION + PARTS[1]])


def test_a_start_cut_in_half_is_no_garbage() -> None:
    assert [Frame(PARTS[1])] == frames([b"<ev", PARTS[1][3:]])


def test_an_event_without_end_is_cut_at_the_next_start() -> None:
    endless = b'<event uid="x">' + b"y" * 1100
    found = frames([endless, PARTS[1]])

    assert Frame(endless[: len(endless)], "frame_too_large") == found[0]
    assert Frame(PARTS[1]) == found[-1]


ODD = (
    b'<event uid="1"><detail><eventlog/><events a="b">x</events></detail></event>',
    b'<event uid="2"><detail><![CDATA[</event> <event uid="x"> <!-- ]]></detail></event>',
    b'<event uid="3"><detail><!-- <event uid="y"> </event> --> <![CDATA[ ]]></detail></event>',
    b'<event uid="4"><detail><remarks><![CDATA[a]]><!-- </event> --></remarks></detail></event>',
)


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_what_only_looks_like_an_end_or_a_start_cuts_no_event_in_two(size: int) -> None:
    stream = b"\n".join((*ODD, *PARTS, *ODD))
    chunks = [stream[at : at + size] for at in range(0, len(stream), size)]

    assert [Frame(message) for message in (*ODD, *PARTS, *ODD)] == frames(chunks)


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_section_that_never_closes_holds_up_one_event_and_no_more(size: int) -> None:
    open_ = b'<event uid="1"><detail><!-- </detail></event>'
    stream = open_ + PARTS[1] + PARTS[2]
    found = frames([stream[at : at + size] for at in range(0, len(stream), size)])

    assert [Frame(open_), Frame(PARTS[1]), Frame(PARTS[2])] == found


@given(st.lists(st.binary(max_size=400), max_size=20))
def test_any_bytes_are_kept_within_the_bound(chunks: list[bytes]) -> None:
    framer = Framer(500)
    for chunk in chunks:
        list(framer.feed(chunk))

        assert len(framer._buffer) <= 500


def test_every_recorded_event_comes_through(corpus: Path) -> None:
    messages = [path.read_bytes() for path in sorted((corpus / "cot/examples").rglob("*.xml"))]
    stream = b"".join(messages)
    chunks = [stream[at : at + 37] for at in range(0, len(stream), 37)]

    assert [message.strip() for message in messages] == [frame.message.strip() for frame in frames(chunks, 100_000)]
