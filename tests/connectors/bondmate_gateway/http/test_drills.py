"""A device for drills: its alerts are drills of one destination, and it can do nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from bondmate_gateway.enrolment.commands import Enrolment, EnrolmentError, enrol
from bondmate_gateway.enrolment.device_file import DeviceFileError, read
from bondmate_schemas.enums import AlertKind, Mode


async def test_its_alert_is_a_drill_of_the_enrolled_destination_whatever_it_says(bench: Any, at: Any) -> None:
    body = {"message_id": "m", "kind": "DURESS", "silent": True, "occurred_at": at(), "real": True, "drill": "other"}

    status, _ = await bench.device("token-drill").post("/v1/alerts", body)
    alert = bench.hub.last

    assert 202 == status
    assert ("cap-room", Mode.TEST, AlertKind.OTHER, False) == (
        alert.drill, alert.header.mode, alert.kind, alert.silent,
    )  # fmt: skip
    assert alert.header.received_at + timedelta(seconds=60) == alert.header.expires_at


async def test_no_other_device_can_make_one(bench: Any, at: Any) -> None:
    body = {"message_id": "m", "kind": "SOS", "occurred_at": at(), "drill": "cap-room"}

    for token in ("token-smith", "token-trainee"):
        await bench.device(token).post("/v1/alerts", body)
        assert ("", None, AlertKind.SOS) == (
            bench.hub.last.drill,
            bench.hub.last.header.expires_at,
            bench.hub.last.kind,
        )


@pytest.mark.parametrize("path", ["check-ins", "locations", "reports", "messages", "status", "receipts"])
async def test_all_else_that_it_sends_is_refused(bench: Any, path: str) -> None:
    status, problem = await bench.device("token-drill").post(f"/v1/{path}", {"message_id": "m"})

    assert (403, "urn:bondmate:problem:forbidden") == (status, problem["type"])
    assert [] == bench.hub.events


@pytest.mark.parametrize("wrong", [{"mode": "ACTUAL"}, {"mode": "EXERCISE"}, {"officer_ref": "o-1"}, {"unit": "K12"}])
def test_it_is_of_mode_test_and_no_officers(tmp_path: Any, wrong: dict[str, str]) -> None:
    file = tmp_path / "devices.yaml"
    entry = ", ".join(f"{name}: {value}" for name, value in {"agency": "a", "mode": "TEST", **wrong}.items())
    file.write_text(f"devices: {{d: {{{entry}, drill: cap-room}}}}", encoding="utf-8")
    known = {"agency": "a", "mode": "TEST"}

    with pytest.raises(DeviceFileError, match="of mode TEST, and no officer's"):
        read(file)
    file.unlink()
    with pytest.raises(EnrolmentError, match="drill: a device for drills is of mode TEST"):
        enrol(file, Enrolment("d", **{**known, **wrong}, drill="cap-room"))
    assert "bmd_" in enrol(file, Enrolment("d", **known, drill="cap-room"))
    assert "cap-room" == read(file).devices["d"].drill
