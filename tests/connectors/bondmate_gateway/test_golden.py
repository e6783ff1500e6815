"""Golden files: what a device posts, and the event it becomes, to the last field.

`golden/<case>.platform.json` is the body, the first word of its name the path; `golden/<case>.event.json` the event. Written anew only
with BONDMATE_REFRESH_GOLDEN=1.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(path.name.removesuffix(".platform.json") for path in GOLDEN.glob("*.platform.json"))


@pytest.mark.parametrize("case", CASES)
async def test_a_request_becomes_exactly_this_event(bench, case):
    body = (GOLDEN / f"{case}.platform.json").read_bytes()
    expected = GOLDEN / f"{case}.event.json"

    status, answer = await bench.device().post_bytes(f"/v1/{case.split('-')[0]}", body)
    event = json.dumps(bench.hub.last.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
    if os.environ.get("BONDMATE_REFRESH_GOLDEN") == "1":
        expected.write_text(event)

    assert status == 202, answer
    assert expected.read_text() == event


def test_there_is_a_golden_case_for_every_route():
    routes = {"alerts", "locations", "reports", "messages", "status"}

    assert routes <= {case.split("-")[0] for case in CASES}
