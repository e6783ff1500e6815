"""An officer of an exercise in real need: the gesture makes it real where the profile allows that, and nothing else."""

from __future__ import annotations

import pytest
from bondmate_gateway.mailbox.mailboxes import Mailboxes
from bondmate_schemas.catalogue import STATE_ALERTS
from bondmate_schemas.device_alert_ids import alert_event_id, real_event_id
from bondmate_schemas.enums import AlertStatus, Mode
from bondmate_schemas.flags import FROM_EXERCISE, REAL_NOT_ALLOWED

from tests.connectors.bondmate_gateway.conftest import SMITH, entry
from tests.connectors.bondmate_gateway.events import state


async def exercise(bench, until, *, mode="EXERCISE", allows=True):
    bench.write({"dev-smith": entry(SMITH, mode=mode)}, {"patrol": {"real_from_exercise": allows}})
    await until(lambda: bench.gateway._register.directory.devices["dev-smith"].mode == mode
                and "dev-jones" not in bench.gateway._register.directory.devices)  # fmt: skip


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
        ("EXERCISE", True, {"real": True, "action": "update"}, Mode.ACTUAL, {FROM_EXERCISE}),
        ("EXERCISE", False, {"real": True, "action": "update"}, Mode.EXERCISE, {REAL_NOT_ALLOWED}),
        ("EXERCISE", True, {"real": True, "action": "cancel"}, Mode.EXERCISE, set()),
    ],
)
async def test_only_an_exercise_device_whose_profile_allows_it_raises_what_is_real(  # noqa: PLR0917
    bench, until, at, mode, allows, asked, becomes, flags
):
    await exercise(bench, until, mode=mode, allows=allows)
    status, _ = await bench.device().post(
        "/v1/alerts", {"message_id": "m", "kind": "SOS", "occurred_at": at(), **asked}
    )
    alert = bench.hub.last

    assert (202, becomes) == (status, alert.header.mode)
    assert flags == {flag for flag in alert.header.flags if "real" in flag or "exercise" in flag}


async def test_the_gesture_on_an_alert_that_is_open_as_an_exercise_is_an_alert_of_its_own(bench, until, at):
    await exercise(bench, until)
    device, body = bench.device(), {"message_id": "m", "alert_id": "a", "kind": "SOS", "occurred_at": at()}
    await device.post("/v1/alerts", body)
    drill = bench.hub.last.header
    _, answer = await device.post("/v1/alerts", {**body, "real": True})
    real = bench.hub.last.header

    ids = [(h.message_id, h.event_id, h.incident_id) for h in (drill, real)]
    assert not set(ids[0]) & set(ids[1])
    assert (Mode.ACTUAL, real.event_id) == (real.mode, answer["event_id"])


@pytest.mark.parametrize("real_first", [True, False])
def test_the_end_of_the_exercise_is_none_of_the_real_emergency_that_its_device_went_on_with(real_first):
    exercise_id = alert_event_id("dev-smith", "a")
    real_id = real_event_id(exercise_id)
    drill = state(AlertStatus.ROUTED, exercise_id, own=("a",))
    real = state(AlertStatus.ROUTED, real_id, own=("a",))
    boxes = Mailboxes(10, lambda: None)
    for one in (real, drill) if real_first else (drill, real):
        boxes.see(STATE_ALERTS, one.header.event_id, one)
    ended = drill.model_copy(update={"status": AlertStatus.RESOLVED})
    boxes.see(STATE_ALERTS, ended.header.event_id, ended)
    box = boxes.box("dev-smith")

    assert [real_id] == [one.event_id for one in box.alerts.values()]
    assert real_id == box.event_of(exercise_id)


@pytest.mark.parametrize("ended_first", [True, False])
def test_what_was_part_of_an_alert_that_ended_and_is_pressed_again_is_shown_as_an_emergency_of_its_own(ended_first):
    again_id = alert_event_id("dev-smith", "b")
    ended = state(AlertStatus.RESOLVED, alert_event_id("dev-smith", "a"), own=("a", "b"))
    again = state(AlertStatus.ROUTED, again_id, own=("b",))
    boxes = Mailboxes(10, lambda: None)
    for one in (ended, again) if ended_first else (again, ended):
        boxes.see(STATE_ALERTS, one.header.event_id, one)
    box = boxes.box("dev-smith")

    assert {ended.header.event_id: True, again_id: False} == {one.event_id: one.closed for one in box.alerts.values()}
    assert again_id == box.event_of(again_id)
