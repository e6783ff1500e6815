"""The device file: enrolled, revoked, reloaded while running, and wrong in every way."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from bondmate_connectors.contract import Status
from bondmate_gateway.enrolment.commands import (
    DeviceFileError,
    Enrolment,
    EnrolmentError,
    enrol,
    enrol_many,
    list_devices,
    revoke,
    token_hash,
)
from bondmate_gateway.enrolment.directory import UnauthenticatedError, load
from bondmate_gateway.http.records.arrival import Arrival, event_header
from bondmate_schemas.enums import Mode

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(params=["devices.yaml", "devices.json"])
def path(request, tmp_path):
    return tmp_path / request.param


def enrolled(path: Path, device_id: str = "d-1", **more: str) -> str:
    return enrol(path, Enrolment(device_id, **{"agency": "police-a", "mode": "ACTUAL", **more}))


def test_an_enrolled_device_proves_itself_by_its_token_which_the_file_does_not_hold(path):
    token = enrolled(path, callsign="Kilo", unit="u", officer_ref="o")

    device = load(path).holder(token_hash(token))

    assert ("d-1", "police-a", Mode.ACTUAL, "Kilo", "u", "o") == (
        device.device_id, device.agency, device.mode, device.callsign, device.unit, device.officer_ref,
    )  # fmt: skip
    assert token not in path.read_text()
    assert token_hash(token) in path.read_text()
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("token", ["", "x", "bmd_", "é", "\udcff"])
def test_a_token_of_nobody_is_refused(path, token):
    enrolled(path)

    with pytest.raises(UnauthenticatedError):
        load(path).holder(token_hash(token))


def test_a_revoked_device_is_refused_until_it_is_enrolled_anew(path):
    old = enrolled(path)
    revoke(path, "d-1")
    with pytest.raises(UnauthenticatedError):
        load(path).holder(token_hash(old))
    assert [("d-1", True)] == [(device["device_id"], device["revoked"]) for device in list_devices(path)]

    new = enrol(path, Enrolment("d-1", agency="police-b", mode="TEST", replace=True))

    assert "police-b" == load(path).holder(token_hash(new)).agency
    with pytest.raises(UnauthenticatedError):
        load(path).holder(token_hash(old))


def test_enrolling_keeps_what_stands_in_the_file(path):
    text = {"profiles": {"p": {"duress_silent": False}}, "devices": {"d-0": {"agency": "a", "mode": "TEST"}}}
    path.write_text(json.dumps(text))

    token = enrolled(path, profile="p")

    assert ["d-0", "d-1"] == [device["device_id"] for device in list_devices(path)]
    assert load(path).holder(token_hash(token)).profile.duress_silent is False


@pytest.mark.parametrize(("own", "taken"), [({"language": "el-GR"}, "el-GR"), ({}, "de")])
def test_the_language_of_a_device_goes_before_that_of_its_profile(path, own, taken):
    path.write_text(json.dumps({"profiles": {"p": {"language": "de"}}}))

    token = enrolled(path, profile="p", **own)
    device = load(path).holder(token_hash(token))

    assert taken == device.language
    assert taken == event_header(Arrival(device, NOW, "devices", "digest"), event_id="e", occurred_at=NOW).language


def test_what_is_listed_holds_no_token(path):
    enrolled(path)

    listed = json.dumps(list_devices(path))

    assert "token" not in listed
    assert "police-a" in listed


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({}, "device_id"),
        ({"device_id": "d 2\n"}, "device_id"),
        ({"device_id": "d-2", "mode": "REAL"}, "mode"),
        ({"device_id": "d-2", "mode": "UNKNOWN"}, "mode"),
        ({"device_id": "d-2", "agency": ""}, "agency"),
        ({"device_id": "d-2", "profile": "none"}, "profile"),
        ({"device_id": "d-2", "language": "Greek"}, "language: must be a language as BCP 47 .*did you mean `el`"),
    ],
)
def test_an_enrolment_that_is_not_valid_changes_nothing_and_names_the_setting(path, change, named):
    enrolled(path)
    before = path.read_bytes()

    with pytest.raises(EnrolmentError, match=f"^{named}") as refused:
        enrolled(path, **{"device_id": "d-1", **change})

    assert before == path.read_bytes()
    assert "REAL" not in str(refused.value)


def test_revoking_an_unknown_device_says_so(path):
    enrolled(path)

    with pytest.raises(EnrolmentError, match="no such device"):
        revoke(path, "d-9")


def test_a_broken_file_is_not_overwritten(path):
    path.write_text("{")

    with pytest.raises(DeviceFileError):
        enrolled(path)

    assert path.read_text() == "{"


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DeviceFileError, match="folder"):
        enrolled(tmp_path / "none" / "devices.yaml")
    with pytest.raises(DeviceFileError, match="cannot be read"):
        list_devices(tmp_path / "devices.yaml")


def test_enrolments_at_the_same_time_all_stand_in_the_file(path):
    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(lambda number: enrolled(path, f"d-{number}"), range(24)))

    directory = load(path)

    assert {f"d-{number}" for number in range(24)} == {
        directory.holder(token_hash(token)).device_id for token in tokens
    }
    assert {path.name, f".{path.name}.lock"} == {found.name for found in path.parent.iterdir()}


def test_a_fleet_is_enrolled_in_one_writing(path):
    tokens = enrol_many(path, [Enrolment(f"d-{n}", "police-a", Mode.EXERCISE) for n in range(500)])

    directory = load(path)

    assert {d: d for d in tokens} == {
        device: directory.holder(token_hash(token)).device_id for device, token in tokens.items()
    }


WRONG = f"""\
profiles:
  patrol: {{duress_silent: perhaps}}
devices:
  canary-id-1:
    agency: canary-agency
    mode: CANARY-MODE
    callsign: 007
  canary-id-2:
    agency: a
    mode: ACTUAL
    shoe: canary-shoe
    token_sha256: [canary-token]
  4711: {{agency: a, mode: ACTUAL}}
  canary id 3: {{agency: a, mode: ACTUAL}}
  d-ok: {{agency: a, mode: ACTUAL, token_sha256: [{"a" * 64}]}}
"""


def test_every_error_of_a_file_is_told_at_once_by_place_and_never_by_value(tmp_path):
    path = tmp_path / "devices.yaml"
    path.write_text(WRONG)

    with pytest.raises(DeviceFileError) as refused:
        load(path)
    told = [problem.split(":")[0] for problem in refused.value.problems]

    assert {
        "profiles.patrol.duress_silent (line 2)",
        "devices[#1].mode (line 6)",
        "devices[#1].callsign (line 7)",
        "devices[#2].shoe (line 11)",
        "devices[#2].token_sha256.0 (line 12)",
        "devices[#3] (line 13)",
        "devices[#4] (line 14)",
    } == set(told)
    assert "canary" not in str(refused.value).lower()


def test_errors_between_devices_are_told_by_place(tmp_path):
    path = tmp_path / "devices.json"
    both = {"agency": "a", "mode": "ACTUAL", "token_sha256": ["a" * 64]}
    path.write_text(json.dumps({"devices": {"d-1": both, "d-2": both, "d-3": {**both, "profile": "none"}}}))

    with pytest.raises(DeviceFileError) as refused:
        load(path)

    assert [
        "devices[#2].token_sha256: is the token of another device too",
        "devices[#3].profile: names no profile of this file",
        "devices[#3].token_sha256: is the token of another device too",
    ] == list(refused.value.problems)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("d.yaml", "devices:\n  d-1: {agency: a, mode: ACTUAL}\n  d-1: {agency: b, mode: TEST}\n", "twice"),
        ("d.json", '{"devices": {"d-1": {}, "d-1": {}}}', "twice"),
        ("d.yaml", "devices: [", "not YAML"),
        ("d.yaml", "devices: !!python/object:os.system {}", "not YAML"),
        ("d.yaml", "- 1\n- 2\n", "the file"),
        ("d.yaml", "{1: 2}", "1"),
        ("d.yaml", "[" * 5000, ""),
        ("d.json", "[" * 100_000, ""),
        ("d.json", "{", "not JSON"),
        ("d.yaml", "devices: 5", "devices"),
    ],
)
def test_what_is_no_device_file_is_refused_with_a_place(tmp_path, name, text, told):
    path = tmp_path / name
    path.write_text(text)

    with pytest.raises(DeviceFileError) as refused:
        load(path)

    assert told in str(refused.value)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "d.yaml"
    path.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(DeviceFileError, match="line 1: not UTF-8 text"):
        load(path)


def test_an_empty_file_has_no_devices(tmp_path):
    path = tmp_path / "d.yaml"
    path.write_text("")

    assert {} == load(path).devices


# While the gateway runs


async def raises_alarm(bench, token: str) -> int:
    status, _ = await bench.device(token).post("/v1/alerts", {"message_id": "m", "kind": "SOS"})
    return status


async def test_a_device_enrolled_or_revoked_while_the_gateway_runs_is_known_soon(bench, until):
    token = enrol(bench.file, Enrolment("dev-new", agency="police-a", mode="ACTUAL"))

    async def answers(expected: int) -> bool:
        return await raises_alarm(bench, token) == expected

    await until(lambda: answers(202))
    revoke(bench.file, "dev-new")
    await until(lambda: answers(401))

    assert 202 == await raises_alarm(bench, "token-smith")


async def test_a_broken_file_keeps_the_old_one_says_so_and_is_taken_once_mended(bench, until):
    good = bench.file.read_text()
    bench.file.write_text(good.replace("ACTUAL", "CANARY-MODE"))
    await until(lambda: bench.reports)
    kept = await raises_alarm(bench, "token-smith")
    bench.file.unlink()
    await until(lambda: len(bench.reports) == 2)
    still_kept = await raises_alarm(bench, "token-smith")

    content = yaml.safe_load(good)
    content["devices"]["dev-smith"]["revoked"] = True
    bench.file.write_text(json.dumps(content))
    await until(lambda: len(bench.reports) == 3)
    mended = await raises_alarm(bench, "token-smith")

    assert (202, 202, 401) == (kept, still_kept, mended)
    assert [Status.RECOVERABLE_ERROR, Status.RECOVERABLE_ERROR, Status.OK] == [status for status, _ in bench.reports]
    assert ["device_file_broken", "device_file_broken", "device_file_mended"] == [event for event, _ in bench.log.lines]
    assert "CANARY" not in str(bench.log.lines)
