"""The fault laboratory works: a few of its scenarios, on the embedded broker, hold every promise and can show it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]


def test_a_kill_and_a_lost_answer_break_no_promise_and_their_faults_bit(tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    command = [sys.executable, "-m", "bench.chaos", "--broker", "embedded", "--json", str(found)]
    done = subprocess.run(
        [*command, "--only", "streams killed", "swallow", "runner killed"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )

    results = json.loads(found.read_text(encoding="utf-8"))
    assert 0 == done.returncode, done.stdout
    assert 3 == len(results)
    assert all(result["accepted"] >= 2_000 and result["evidence"] for result in results)
    assert all(result["verdict"]["repeats"] > 0 for result in results), "each of these faults makes repeats"


def test_what_spoiled_roles_do_is_found(tmp_path: Path) -> None:
    """A hub that breaks five rules; that nothing is found in a sound one shows the other test."""
    found = tmp_path / "found.json"
    done = subprocess.run(
        [sys.executable, "-m", "bench.chaos", "--spoiled", "--only", "five at once", "--json", str(found)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )

    (result,) = json.loads(found.read_text(encoding="utf-8"))
    assert 0 == done.returncode, done.stdout
    assert 5 == len(result["meant"])
    assert all(result["verdict"][finding] for finding in result["meant"])
