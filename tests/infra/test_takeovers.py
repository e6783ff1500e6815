"""`hub devices takeover`: by a spare that may, corrected by another, and undone; the duress goes with the place."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta

import command_line
import pytest
from bondmate_hub.operations.marks import MarksError
from bondmate_hub.operations.takeovers import marks_of, take_over
from bondmate_hub.settings import load
from bondmate_schemas.catalogue import AUDIT, DEVICE_MARKS
from bondmate_schemas.codec import Codec
from bondmate_schemas.duress import BEGUN, ENDED, is_under, mark_id
from bondmate_schemas.models import AuditRecord, DeviceMark
from bondmate_schemas.takeover import REPLACED, places_of, replaced_by
from bondmate_streams.logic.audit import breaks
from confluent_kafka import Producer

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
DEVICES = """
devices:
  bm-1: {agency: north, mode: ACTUAL, revoked: true}
  spare: {agency: north, mode: ACTUAL}
  right: {agency: north, mode: ACTUAL}
  drill: {agency: north, mode: EXERCISE}
  path: {agency: north, mode: TEST, drill: room}
  souths: {agency: south, mode: ACTUAL}
  gone: {agency: north, mode: ACTUAL, revoked: true}
"""
GATEWAY = "connectors: {gate: {connector: device_http, settings: {device_file: devices.yaml, port: 0}}}"


def taking(hub, *arguments: str) -> subprocess.CompletedProcess[str]:
    given = ("--operator", "inspector 4711", "--reason", "lost", "--config", str(hub.folder / "hub.yaml"))
    return command_line.hub("devices", "takeover", *arguments, *given, cwd=hub.folder)


@pytest.mark.parametrize("new_broker", ["embedded"], indirect=True)
def test_a_takeover_is_corrected_and_undone_and_a_replaced_device_is_no_spare(dlq_hub):
    hub = dlq_hub(GATEWAY)
    (hub.folder / "devices.yaml").write_text(DEVICES)
    begun = duress("bm-1", 0)
    producer = Producer(hub.kafka.producer("test"))
    producer.produce(DEVICE_MARKS, Codec(hub.ids).encode(begun), begun.mark_id)
    assert producer.flush(30) == 0
    done, back = taking(hub, "bm-1", "spare"), taking(hub, "spare", "bm-1")
    corrected = taking(hub, "bm-1", "right", "--file", "devices.yaml")
    undone, twice = taking(hub, "bm-1", "--undo"), taking(hub, "bm-1", "--undo")
    marks = {mark.mark_id: mark for mark in hub.records(DEVICE_MARKS, DeviceMark)}
    logged = hub.records(AUDIT, AuditRecord)

    assert (0, 0, 0) == (done.returncode, corrected.returncode, undone.returncode), done.stderr + undone.stderr
    assert (1, 1) == (back.returncode, twice.returncode)
    assert {} == places_of(marks.values())
    assert [False, False, True] == [
        is_under(marks[mark_id(BEGUN, device)], marks.get(mark_id(ENDED, device)))
        for device in ("spare", "right", "bm-1")
    ]
    told = ["duress", "replaced", "duress", "replaced", "duress_end", "duress", "replaced_undone", "duress_end"]
    assert told == [one.fields[0] for one in logged]
    assert [] == breaks(logged)


@pytest.mark.parametrize(
    ("old", "spare", "why"),
    [
        ("bm-1", "typo", "typo stands in no device file"),
        ("typo", "spare", "typo stands in no device file"),
        ("bm-1", "gone", "gone is revoked"),
        ("bm-1", "drill", "drill is of mode EXERCISE, bm-1 of ACTUAL"),
        ("bm-1", "path", "path is a device for drills"),
        ("bm-1", "souths", "souths is of agency south, bm-1 of north"),
    ],
)
def test_a_spare_that_may_not_is_refused_before_anything_is_written(tmp_path, monkeypatch, old, spare, why):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hub.yaml").write_text(f"instance: test\n{GATEWAY}")
    (tmp_path / "devices.yaml").write_text(DEVICES)

    with pytest.raises(MarksError, match=why):
        take_over(load(tmp_path / "hub.yaml"), old, spare, "inspector", "lost")


def duress(device: str, minutes: int, mark: str = BEGUN, operator: str = "") -> DeviceMark:
    since = NOW + timedelta(minutes=minutes)
    return DeviceMark(mark_id=mark_id(mark, device), device_id=device, mark=mark, since=since, operator=operator)


def place(old: str, spare: str, minutes: int) -> DeviceMark:
    return replaced_by(old, spare, "inspector", "lost", NOW + timedelta(minutes=minutes))


@pytest.mark.parametrize(
    ("known", "mark", "names"),
    [
        ([], place("a", "b", 9), [(REPLACED, "a")]),
        ([duress("a", 1)], place("a", "b", 9), [(BEGUN, "b"), (REPLACED, "a")]),
        # Whoever pressed it at the wrong spare is another officer, who stays under duress.
        ([duress("b", 3), place("a", "b", 2)], place("a", "c", 9), [(BEGUN, "c"), (REPLACED, "a")]),
        # What a person ended at the spare has ended; what was pressed at the device since has not.
        (
            [duress("a", 1), place("a", "b", 2), duress("b", 2, operator="x"), duress("b", 3, ENDED)],
            place("a", "", 9),
            [(ENDED, "a"), (REPLACED, "a")],
        ),
        ([duress("a", 4), place("a", "b", 2)], place("a", "", 9), [(REPLACED, "a")]),
    ],
)
def test_the_duress_goes_with_the_place(known, mark, names):
    marks = marks_of(mark, {each.mark_id: each for each in known})

    assert names == [(each.mark, each.device_id) for each in marks]
