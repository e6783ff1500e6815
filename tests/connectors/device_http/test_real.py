"""An officer of an exercise in real need: the gesture makes it real where the profile allows that, and nothing else."""

from __future__ import annotations

import pytest
from bondmate_schemas.enums import Mode
from bondmate_schemas.flags import FROM_EXERCISE, REAL_NOT_ALLOWED

from tests.connectors.device_http.conftest import SMITH, entry


@pytest.mark.parametrize(
    ("mode", "allows", "asked", "becomes", "flags"),
    [
        ("EXERCISE", True, {"real": True}, Mode.ACTUAL, {FROM_EXERCISE}),
        ("EXERCISE", True, {}, Mode.EXERCISE, set()),
        ("EXERCISE", True, {"real": False}, Mode.EXERCISE, set()),
        ("EXERCISE", True, {"real": "yes"}, Mode.EXERCISE, {"real_invalid"}),
        ("EXERCISE", False, {"real": True}, Mode.EXERCISE, {REAL_NOT_ALLOWED}),
        ("TEST", True, {"real": True}, Mode.TEST, {REAL_NOT_ALLOWED}),
        ("SYSTEM", True, {"real": True}, Mode.SYSTEM, {REAL_NOT_ALLOWED}),
        ("ACTUAL", True, {"real": True}, Mode.ACTUAL, set()),
        ("ACTUAL", True, {"real": False}, Mode.ACTUAL, set()),
        ("EXERCISE", True, {"real": True, "action": "update"}, Mode.EXERCISE, set()),
    ],
)
async def test_only_an_exercise_device_whose_profile_allows_it_raises_what_is_real(  # noqa: PLR0917
    bench, until, at, mode, allows, asked, becomes, flags
):
    bench.write({"dev-smith": entry(SMITH, mode=mode)}, {"patrol": {"real_from_exercise": allows}})
    await until(lambda: bench.gateway._register.device("dev-smith").mode == mode
                and bench.gateway._register.device("dev-jones") is None)  # fmt: skip
    status, _ = await bench.device().post(
        "/v1/alerts", {"message_id": "m", "kind": "SOS", "occurred_at": at(), **asked}
    )
    alert = bench.hub.last

    assert (202, becomes) == (status, alert.header.mode)
    assert flags == {flag for flag in alert.header.flags if "real" in flag or "exercise" in flag}
