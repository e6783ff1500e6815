"""What a letter says of itself, what a replay would do, and in which order, without a broker."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from bondmate_hub.dlq.model import LetterState, RecordLocation, Selection, dead_letter_of, groups, moment
from bondmate_hub.dlq.plan import FOREIGN_ORIGIN, NO_ORIGIN, InOrder, plan_replay, replay_headers, standings, waves
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
ALERTS = "bondmate.device.alerts"


def letter(number: int = 1, key: bytes | None = b"key", *, place: str = "tak", count: str | None = None, **facts: str):
    fact = {"id": f"id-{number}", "stage": "send", "code": "http_400", "at": NOW.isoformat(), "topic": ALERTS,
            "partition": "0", "offset": str(number)} | facts  # fmt: skip
    found = [(f"bondmate.error.{name}", text.encode()) for name, text in fact.items()]
    found += [("bondmate.replay.count", count.encode())] if count is not None else []
    return dead_letter_of(RecordLocation(f"bondmate.dlq.{place}", 0, number), key, 3, tuple(found), NOW)


def test_headers_of_others_never_break_and_never_pass_free_text_on():
    found = dead_letter_of(
        RecordLocation("bondmate.dlq.tak", 1, 7), None, 0,
        (("bondmate.error.code", b"Jan Jansen said\x1b[2J"), ("bondmate.error.at", b"\xff"), ("ce_type", b"\xfe\xfe"),
         ("bondmate.error.offset", b"-1"), ("bondmate.replay.count", b"9" * 50), ("other", None)), NOW,
    )  # fmt: skip

    assert ("unknown", "unknown", "unknown", NOW, 0, None) == (
        found.code, found.stage, found.record, found.at, found.replays, found.origin,
    )  # fmt: skip
    assert found.id == dead_letter_of(RecordLocation("bondmate.dlq.tak", 1, 7), None, 0, (), NOW).id
    assert "key" not in found.as_json()
    assert "b'key'" not in repr(letter())


@pytest.mark.parametrize(
    ("selection", "taken"),
    [
        (Selection(), True),
        (Selection(place="tak", code="http_400", id="id-1"), True),
        (Selection(place="cap"), False),
        (Selection(code="http_404"), False),
        (Selection(id="id-2"), False),
        (Selection(since=NOW), True),
        (Selection(until=NOW), False),
        (Selection(since=NOW + timedelta(seconds=1)), False),
    ],
)
def test_a_selection_takes_what_fits_all_its_parts(selection, taken):
    assert taken is selection.takes(letter())


def test_times_are_ago_or_iso_and_utc_where_no_zone_is_named():
    assert NOW - timedelta(minutes=90) == moment("90m", NOW)
    assert datetime(2026, 11, 26, tzinfo=UTC) == moment("2026-11-26", NOW)
    assert datetime(2026, 11, 26, 17, tzinfo=UTC) == moment("2026-11-26T18:00+01:00", NOW)
    with pytest.raises(ValueError, match="allowed: 90m"):
        moment("a while ago", NOW)


def test_groups_count_by_place_code_day_and_standing():
    found = [letter(1), letter(2), letter(3, place="cap"), letter(4, at="2026-11-25T23:59:59+00:00")]

    counted = groups(found, {"id-2": LetterState.DISCARDED})

    assert [
        ("cap", "2026-11-26", "OPEN", 1),
        ("tak", "2026-11-25", "OPEN", 1),
        ("tak", "2026-11-26", "DISCARDED", 1),
        ("tak", "2026-11-26", "OPEN", 1),
    ] == [(g.place, g.day, g.standing.value, g.count) for g in counted]


def test_a_decision_holds_and_an_unknown_one_leaves_a_letter_open():
    found = [letter(1), letter(2), letter(3, count="3"), letter(4, count="2")]

    standing = standings(found, {"id-1": "REPLAYED", "id-2": "FORGOTTEN"})

    assert ["REPLAYED", "OPEN", "QUARANTINED", "OPEN"] == [standing[f"id-{n}"].value for n in (1, 2, 3, 4)]


def test_a_plan_goes_by_origin_leaves_out_what_may_not_go_and_stops_at_most():
    found = [
        letter(5),
        letter(2),
        letter(3, count="3"),
        letter(4, topic="bondmate.audit"),
        letter(6, topic=""),
        letter(7),
    ]
    standing = standings(found, {"id-7": "DISCARDED"})

    plan = plan_replay(found, standing, {ALERTS}, most=1)
    forced = plan_replay(found, standing, {ALERTS}, force=True)

    assert (["id-2"], ["id-3"], 1) == ([x.id for x in plan.replay], [x.id for x in plan.quarantine], plan.left)
    assert [("id-4", FOREIGN_ORIGIN), ("id-6", NO_ORIGIN)] == [(x.id, why) for x, why in plan.impossible]
    assert (["id-2", "id-3", "id-5"], ()) == ([x.id for x in forced.replay], forced.quarantine)


def test_replayed_headers_are_the_original_ones_with_how_often_and_of_which():
    kept = (("ce_id", b"1"), ("nothing", None))
    given_ = (*kept, ("bondmate.error.code", b"x"), ("bondmate.replay.count", b"1"), ("bondmate.replay.of", b"old"),
              ("bondmate.moved.times", b"16"), ("bondmate.moved.from", b"topic/1/2"))  # fmt: skip

    assert (*kept, ("bondmate.replay.count", b"2"), ("bondmate.replay.of", b"id-1")) == replay_headers(
        given_, letter(count="1")
    )


letters = st.lists(st.sampled_from([b"a", b"b", b"c", None]), max_size=30).map(
    lambda keys: [letter(number, key) for number, key in enumerate(keys)]
)


@given(letters, st.data())
def test_whatever_the_order_of_reading_each_key_goes_in_its_own_and_what_has_vanished_stops_nobody(found, data):
    read = data.draw(st.permutations(found))
    read = read[: data.draw(st.integers(0, len(read)))]
    order: InOrder[str] = InOrder(found)

    gone = [one for at in read for one, _ in order.take(at.id, at.id)]
    gone += [one for one, _ in order.rest()]

    assert {one.id for one in read} == {one.id for one in gone}
    assert len(read) == len(gone)
    for key in (b"a", b"b", b"c"):
        offsets = [one.origin.offset for one in gone if one.key == key]
        assert sorted(offsets) == offsets


@given(letters)
def test_no_wave_holds_two_of_one_key_and_waves_keep_its_order(found):
    parted = waves((one, None) for one in found)

    assert sorted(one.id for one in found) == sorted(one.id for wave in parted for one, _ in wave)
    for wave in parted:
        keys = [one.key for one, _ in wave]
        assert len(set(keys)) == len(keys)
    for key in (b"a", b"b", b"c"):
        assert [x.id for x in found if x.key == key] == [x.id for wave in parted for x, _ in wave if x.key == key]
