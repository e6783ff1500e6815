"""The demo's count: it must see what is missing, what came twice, and tell it from what was dead-lettered."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from bondmate_demo.fleet import AcceptedEvent
from bondmate_demo.ledger import CapBook, Tail, TakBook, count, duplicates, latencies, percentiles
from bondmate_demo.main import _folder, drained
from bondmate_demo.running import Running
from bondmate_demo.show import Screen
from bondmate_demo.summary import Summary


def accepted(*events: str) -> list[AcceptedEvent]:
    return [AcceptedEvent("alert", "bm-1", event, posted_at=100.0, answered_at=100.01) for event in events]


def book(path: Path, *lines: dict) -> Tail:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return Tail(path)


def received(event: str, **more) -> dict:
    return {"what": "received", "at": 100.05, "identifier": f"{event}_d", "msgType": "Alert", **more}


def test_what_a_far_end_lacks_is_lost_unless_a_dead_letter_holds_it(tmp_path):
    cap = CapBook()
    cap.read(book(tmp_path / "cap", received("e1"), {**received("e1"), "what": "acknowledged"}))

    figures, lost = count(accepted("e1", "e2", "e3"), cap, frozenset({"e2"}))

    assert (1, 1, 1, 1) == (figures.delivered, figures.accepted, figures.acknowledged, figures.dead_lettered)
    assert ["e3"] == [event.event_id for event in lost]


def test_a_repeat_that_shows_by_its_id_is_no_duplicate_and_a_second_record_is(tmp_path):
    repeated, twice = CapBook(), CapBook()
    repeated.read(book(tmp_path / "a", received("e1"), received("e1", repeated=True)))
    twice.read(book(tmp_path / "b", received("e1"), received("e1")))

    assert 0 == duplicates([repeated])
    assert 1 == duplicates([twice])


def test_a_tail_gives_whole_lines_once(tmp_path):
    path = tmp_path / "book"
    path.write_text('{"a": 1}\n{"b"', encoding="utf-8")
    tail = Tail(path)

    first = list(tail.lines())
    path.write_text('{"a": 1}\n{"b": 2}\n', encoding="utf-8")

    assert [{"a": 1}] == first
    assert [{"b": 2}] == list(tail.lines())


def test_percentiles_are_by_nearest_rank_in_milliseconds():
    assert {"p50": 50.0, "p95": 95.0, "p99": 99.0} == percentiles(n / 1000 for n in range(1, 101))
    assert {} == percentiles([])


def test_latency_counts_from_the_post(tmp_path):
    tak = TakBook()
    tak.read(
        book(
            tmp_path / "tak",
            {"uid": "bondmate-e1-9-1-1", "event": "e1", "message": "m", "type": "b-a-o-tbl", "at": 100.02},
        )
    )

    found = latencies(accepted("e1"), {"tak": tak})

    assert {"p50": 10.0, "p95": 10.0, "p99": 10.0} == found["post_to_accepted"]
    assert {"p50": 20.0, "p95": 20.0, "p99": 20.0} == found["post_to_tak"]


def test_two_that_look_at_once_take_each_line_once(tmp_path, monkeypatch):
    monkeypatch.setattr("bondmate_demo.running._supervisor", lambda _: None)
    files = SimpleNamespace(tak_book=tmp_path / "tak", cap_book=tmp_path / "cap", pseudonym_secret="x" * 16)
    fix = json.dumps({"uid": "u", "type": "a-f-G-U-C", "start": "2026-12-01T12:00:00+00:00"}) + "\n"
    files.tak_book.write_text(fix * 20_000)
    running = Running(None, files, None, None)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: running.look(), range(8)))

    assert 20_000 == running.tak.positions


async def test_the_demo_waits_for_the_newest_positions_too_and_says_what_was_lost(capsys):
    """On a busy machine alerts come first: what is still on its way is not lost."""

    class Far(SimpleNamespace):
        def look(self):
            self.behind -= 1

        def outstanding(self):
            return self.behind

    far = Far(behind=6)
    await drained(far, 1.5)
    assert 0 == far.behind, "what still comes is waited for"
    stuck = SimpleNamespace(look=lambda: None, outstanding=lambda: 1)
    await drained(stuck, 0.6)

    summary = Summary({}, {}, 3, 0, {}, 0, 1.0, 1.0, lost_of={"newest positions at tak": 3}, logs=Path("kept/logs"))
    Screen().summary(summary)
    said = capsys.readouterr().err

    assert "lost: 3 newest positions at tak" in said
    assert "kept/logs" in said


def test_logs_stay_when_something_was_lost_or_failed_and_go_otherwise():
    with _folder(None) as (gone, _):
        pass
    with _folder(None) as (lost, keep):
        keep()
    with pytest.raises(TimeoutError), _folder(None) as (failed, _):
        raise TimeoutError

    assert (False, True, True) == (gone.exists(), lost.exists(), failed.exists())
    shutil.rmtree(lost)
    shutil.rmtree(failed)
