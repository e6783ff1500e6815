"""Ids that leave: one form a destination, read back by us alone, nothing told of what is inside."""

from __future__ import annotations

import re

import pytest
from bondmate_schemas.ids import derived_id
from bondmate_schemas.outside_ids import SHARED, ForeignIdError, OutsideIds, blocks_of, texts_of
from hypothesis import given
from hypothesis import strategies as st

IDS = OutsideIds.of(b"a secret of tests")
ids = st.uuids().map(str) | st.text(max_size=60)


@given(inside=ids)
def test_an_id_reads_back_at_its_destination_and_nowhere_else(inside: str) -> None:
    outside = IDS.of_destination("tak")(inside)

    assert inside == IDS.back("tak", outside)
    assert outside == IDS.of_destination("tak")(inside)
    assert outside != IDS.of_destination("cap")(inside)
    assert re.fullmatch("0-[0-9a-f]{64,}", outside)
    with pytest.raises(ForeignIdError):
        IDS.back("cap", outside)


@given(inside=ids, at=st.integers(2, 65), letter=st.sampled_from("0123456789abcdef"))
def test_an_invented_id_does_not_read(inside: str, at: int, letter: str) -> None:
    outside = IDS.of_destination("tak")(inside)
    other = f"{outside[:at]}{letter}{outside[at + 1 :]}"
    if other != outside:
        with pytest.raises(ForeignIdError):
            IDS.back("tak", other)


def test_what_is_not_of_our_making_is_left_alone() -> None:
    for text in ("", "CR-1", derived_id("a"), "9-" + "a" * 64):
        assert text == IDS.back("tak", text)
    assert not IDS.is_of("tak", "CR-1")


def test_a_key_rotates_and_the_one_before_is_understood() -> None:
    inside = derived_id("alert", "device-1")
    newer = OutsideIds({"b": b"another secret here", **IDS.secrets})
    old, new = IDS.of_destination("tak")(inside), newer.of_destination("tak")(inside)

    assert new.startswith("b-")
    assert {inside} == {newer.back("tak", old), newer.back("tak", new)}
    assert old == newer.of_destination("tak", "0")(inside)
    assert inside == newer.of_destination("tak", "")(inside)
    # A key that is gone is no key: what was told under it is told anew, and not understood any more.
    gone = OutsideIds({"b": b"another secret here"})
    assert new == gone.of_destination("tak", "0")(inside)
    assert old == gone.back("tak", old)


def test_keys_of_one_secret_are_other_keys() -> None:
    both = OutsideIds({"a": b"one secret", "b": b"one secret"})

    assert both.of_destination("tak", "a")("x")[1:] != both.of_destination("tak", "b")("x")[1:]
    assert both.digest("tak", "a")("x") != both.digest("tak", "b")("x")


def test_an_id_that_several_share_reads_back_at_each() -> None:
    outside = IDS.of_destination(SHARED)("incident")

    assert ["incident", "incident"] == [IDS.back(name, outside) for name in ("tak", "cap")]


def test_ids_within_a_text_are_found() -> None:
    outside, foreign = IDS.of_destination("tak")("event"), IDS.of_destination("cap")("event")
    text = f"bondmate:pd,{outside}_{outside},2026 bondmate-{outside}-9-1-1 {foreign}"

    assert f"bondmate:pd,event_event,2026 bondmate-event-9-1-1 {foreign}" == IDS.replaced("tak", text)


@given(st.lists(ids, max_size=20))
def test_what_nobody_answers_is_told_many_at_a_time_as_one_by_one(insides: list[str]) -> None:
    of_tak = IDS.unanswered("tak")

    assert [*map(of_tak.of, insides)] == texts_of(of_tak.of_blocks(blocks_of(insides)))
    assert len({*insides}) == len({*map(of_tak.of, insides)})
    assert not {*map(of_tak.of, insides)} & {*map(IDS.unanswered("cap").of, insides)}


@pytest.mark.parametrize("secrets", [{}, {"A": b"x"}, {"much-too-long": b"x"}, {"": b"x"}])
def test_keys_have_names_that_read_back(secrets: dict[str, bytes]) -> None:
    with pytest.raises(ValueError, match="keys of outside ids"):
        OutsideIds(secrets)
