"""The register of devices as the lane sees it: the devices of the gateways' files, followed while they change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from bondmate_gateway.enrolment.commands import Enrolment, enrol, revoke
from bondmate_hub.connectors import instances
from bondmate_hub.connectors.instances import Register
from bondmate_hub.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    entry = {"connector": "device_http", "settings": {"device_file": str(tmp_path / "devices.json")}}
    return Settings(connectors={"gateway": entry})


def test_it_follows_the_file_and_keeps_what_it_knew_while_that_is_broken(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instances, "_LOOK_SECONDS", 0.0)
    file, register = tmp_path / "devices.json", Register(settings)
    assert None is register.officers()
    for device, unit in (("device-1", "north"), ("device-2", "south")):
        enrol(file, Enrolment(device, agency="agency-1", mode="EXERCISE", unit=unit))
    both = register.officers()
    assert both is register.officers()
    file.write_text("{")
    os.utime(file, (1, 1))
    broken = register.officers()
    file.unlink()
    enrol(file, Enrolment("device-1", agency="agency-1", mode="EXERCISE", unit="east"))
    enrol(file, Enrolment("device-2", agency="agency-1", mode="EXERCISE", unit="south"))
    revoke(file, "device-2")

    assert {"device-1": "north", "device-2": "south"} == {name: officer.unit for name, officer in (both or {}).items()}
    assert broken is both
    assert {"device-1": "east"} == {name: officer.unit for name, officer in (register.officers() or {}).items()}
