"""`hub lint`: each rule finds what it is for and nothing else, all at once, and stops no hub that ran yesterday."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from bondmate_hub.cli import app
from bondmate_hub.lint import LintFinding, Severity, lint
from bondmate_hub.settings import SettingsError, load
from bondmate_streams.logic.routes_yaml import RoutesError
from bondmate_streams.routes_file import load_routes
from typer.testing import CliRunner

HUB = """\
instance: hub-1
kafka: {bootstrap: '127.0.0.1:9092', registry_url: 'http://127.0.0.1:8081'}
streams: {routes: routes.yaml, pseudonym_secret: !file secret}
connectors:
  devices: {connector: device_http, settings: {device_file: devices.yaml, port: 8080}}
  room:
    connector: cap_webhook
    agency: pd-north
    settings: {deliver: {url: 'http://127.0.0.1:9000/cap', secrets: [!file secret]}}
"""
ROUTES = """\
destinations:
  room:
    fields:
      alert: {position: plain, position_origin: plain, position_age_seconds: plain, header.flags: plain,
              position.accuracy_m: plain}
routes:
- {name: all, when: {record: alert}, to: room}
"""
DEVICES = "devices:\n  bm-1: {agency: pd-north, mode: ACTUAL, unit: 12}\n".replace("12", "K12")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_text("sixteen-letters-1")
    (tmp_path / "secret").chmod(0o600)
    for name, text in {"hub.yaml": HUB, "routes.yaml": ROUTES, "devices.yaml": DEVICES}.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def found() -> list[LintFinding]:
    return lint(Path("hub.yaml"), None)


def change(name: str, *pairs: tuple[str, str]) -> None:
    """Change a file of this folder."""
    text = Path(name).read_text()
    for before, after in pairs:
        assert before in text
        text = text.replace(before, after)
    Path(name).write_text(text)


def test_files_that_are_right_draw_the_one_warning_that_every_hub_has(folder):
    assert ["broker-trusted"] == [each.rule for each in found()]


RULES = [
    # rule, severity, file, (before, after), what is told with its place
    ("key-twice", "error", "hub.yaml", ("instance: hub-1", "instance: hub-1\ninstance: hub-2"), "hub.yaml:2:1: instance: stands at line 1"),
    ("key-twice", "error", "routes.yaml", ("{record: alert}", "{record: alert, record: alert}"), "routes.yaml:7:37: routes.0.when.record:"),
    ("unreadable", "error", "hub.yaml", ("instance: hub-1", "instance: [hub"), "hub.yaml:2:6: not YAML: expected ',' or ']'"),
    ("unreadable", "error", "hub.yaml", ("instance: hub-1", "\tinstance: hub-1"), "hub.yaml:1:1: not YAML: found character '\\t' that cannot start any token; indent"),
    ("unreadable", "error", "routes.yaml", ("- {name", "- {{name"), "routes.yaml:8:1: not YAML: expected"),
    ("setting", "error", "hub.yaml", ("instance: hub-1", "instance: Hub 1"), "hub.yaml:1:1: instance: String should match"),
    ("setting", "error", "hub.yaml", ("routes: routes.yaml, ", "route: routes.yaml, "), "hub.yaml:3:11: streams.route: no such setting; did you mean `routes`?"),
    ("setting", "error", "hub.yaml", ("port: 8080", "prot: 8080"), "hub.yaml:5:75: connectors.devices.settings.prot: no such setting; did you mean `port`?"),
    ("setting", "error", "hub.yaml", ("cap_webhook", "cap_webhok"), "did you mean `cap_webhook`?"),
    ("setting", "error", "hub.yaml", ("http://127.0.0.1:9000", "http://10.0.0.1:9000"), "hub.yaml:9:26: connectors.room.settings.deliver.url: https, unless"),
    ("setting", "error", "hub.yaml", (", pseudonym_secret: !file secret", ""), "hub.yaml:3:1: streams.pseudonym_secret: required, and missing"),
    ("file-unreadable", "error", "hub.yaml", ("[!file secret]", "[!file nowhere]"), "hub.yaml:9:70: connectors.room.settings.deliver.secrets.0: the file named behind `!file` cannot be read: FileNotFoundError"),
    ("address", "error", "hub.yaml", ("127.0.0.1:9092", "127.0.0.1:kafka"), "hub.yaml:2:9: kafka.bootstrap: host:port"),
    ("address", "error", "hub.yaml", ("http://127.0.0.1:8081", "127.0.0.1:8081"), "kafka.registry_url: begins with http"),
    ("no-port", "warning", "hub.yaml", ("127.0.0.1:9092", "127.0.0.1"), "kafka.bootstrap: an address without a port: 9092 is taken"),
    ("data-dir", "error", "hub.yaml", ("instance: hub-1", "data_dir: secret"), "hub.yaml:1:1: data_dir: secret is no folder"),
    ("unknown-role", "warning", "hub.yaml", ("instance: hub-1", "monitoring: {ports: {runer: 9100}}"), "monitoring.ports.runer: no such role, so that nobody takes this port; did you mean `runner`?"),
    ("port-twice", "warning", "hub.yaml", ("instance: hub-1", "monitoring: {ports: {lane: 8080}}"), "connectors.devices.settings.port: `monitoring.ports.lane` listens on port 8080 too"),
    ("port-twice", "warning", "hub.yaml", ("port: 8080", "port: 9092"), "hub.yaml:5:75: connectors.devices.settings.port: `broker.port` listens on port 9092 too"),
    ("answers-do-not-count", "warning", "hub.yaml", ("agency: pd-north", "agency: ''"), "connectors.room.agency: not set"),
    ("old-name", "warning", "hub.yaml", ("bootstrap: ", "client: {socket.keepalive.enable: true}, bootstrap: "), "kafka.client.socket.keepalive.enable is now"),
    ("no-streams", "warning", "hub.yaml", ("streams: {routes: routes.yaml, pseudonym_secret: !file secret}", ""), "streams: not there"),
    ("secret-readable", "warning", "hub.yaml", ("[!file secret]", "[for-tests-only]"), "hub.yaml:9:70: connectors.room.settings.deliver.secrets.0: a secret in the settings themselves"),
    ("certificate", "error", "hub.yaml", ("deliver: {", "deliver: {tls: {ca_file: none.pem}, "), "connectors.room.settings.deliver.tls: none.pem: cannot be read"),
    ("no-device-file", "warning", "hub.yaml", ("devices.yaml", "devises.yaml"), "hub.yaml:5:48: connectors.devices.settings.device_file: devises.yaml is not there yet"),
    ("device-file", "error", "devices.yaml", ("ACTUAL", "ACTAUL"), "devices.yaml:2:28: devices[#1].mode: Input should be 'ACTUAL'"),
    ("device-file", "error", "devices.yaml", ("unit: K12", "language: german"), "devices[#1].language: must be a language as BCP 47 writes it, as `de` or `el-GR`; did you mean `de`?"),
    ("setting", "error", "hub.yaml", ("deliver: {", "deliver: {language: deu, "), "connectors.room.settings.deliver.language: Input should be 'en', 'de', 'el', 'es', 'fr', 'it', 'pl' or 'ro'; did you mean `de`?"),
    ("map", "error", "hub.yaml", ("routes: routes.yaml", "districts: secret, routes: routes.yaml"), "secret: no GeoJSON FeatureCollection"),
    ("route-shape", "error", "routes.yaml", ("when: {record", "when: {recrod"), "routes.yaml:7:22: routes.0.when.recrod: no such setting; did you mean `record`?"),
    ("route-shape", "error", "routes.yaml", ("record: alert", "record: alrt"), "did you mean `alert`?"),
    ("route", "error", "routes.yaml", ("to: room", "to: rom"), "routes.yaml:7:38: routes.0.to: no destination `rom` is described under `destinations`; did you mean `room`?"),
    ("route", "error", "routes.yaml", ("position: plain", "positoin: plain"), "destinations.room.fields.alert.positoin: no such field: positoin; did you mean `position`?"),
    ("delivers-nothing", "error", "routes.yaml", ("record: alert", "record: location"), "routes.yaml:7:41: routes.0.to: the connector of `room` takes no positions"),
    ("delivers-nothing", "error", "routes.yaml", ("record: alert", "record: alert, mode: EXERCISE"), "`room` takes ACTUAL and nothing of EXERCISE"),
    ("delivers-nothing", "error", "routes.yaml", ("record: alert", "record: alert, direction: TO_DEVICE"), "routes.0.when.direction: no alerts can meet this"),
    ("delivers-nothing", "error", "routes.yaml", ("routes:\n", "routes:\n- {name: first, to: room, stop: true, when: {record: alert}}\n"), "routes.1: never tried: `first` before it stops all"),
    ("kind-not-taken", "warning", "routes.yaml", ("record: alert", "record: [alert, location]"), "routes.0.to: the connector of `room` takes no positions: its positions would be written"),
    ("shows-less", "warning", "routes.yaml", ("position_origin: plain, ", ""), "destinations.room.fields.alert: not shown any more: `position_origin`"),
    ("shows-nothing", "warning", "routes.yaml", ("record: alert", "record: [alert, incident]"), "destinations.room.fields.incident: it shows nothing of incidents"),
    ("needs-a-place", "warning", "routes.yaml", ("record: alert", "record: alert, district: x"), "SOS without a place goes nowhere"),
    ("no-connector", "warning", "routes.yaml", ("  room:\n", "  cad: {}\n  room:\n"), "destinations.cad: no connector has this name"),
    ("ownerless", "warning", "hub.yaml", ("agency: pd-north", "agency: ''"), "none that is told of alerts (room) has an `agency`"),
    ("unknown-agency", "warning", "routes.yaml", ("record: alert", "record: alert, agency: pd-nroth"), "routes.0.when.agency: nobody has the agency `pd-nroth`"),
    ("unknown-agency", "warning", "hub.yaml", ("agency: pd-north", "agency: county"), ""),
    ("never-matches", "warning", "routes.yaml", ("record: alert", "source: devises"), "routes.0.when.source: never matches: no connector is called `devises`"),
    ("never-matches", "warning", "routes.yaml", ("record: alert", "record: alert, unit: K13"), "routes.0.when.unit: never matches: no enrolled device has the unit `K13`; did you mean `K12`?"),
    ("never-matches", "warning", "hub.yaml", ("  devices: {connector", "  # {connector"), "routes.0.when.record: never matches: no connector of these settings brings in `alert`"),
    ("open-room", "warning", "hub.yaml", ("  room:\n    connector: cap_webhook\n", "  room: {connector: tak, settings: {host: 127.0.0.1}}\n  cad:\n    connector: cap_webhook\n"), "hub.yaml:6:26: connectors.room.settings.duress_contacts: nobody is named"),
    ("no-routes", "warning", "routes.yaml", (ROUTES, ""), "routes: there is none, so that nothing goes anywhere"),
]  # fmt: skip


@pytest.mark.parametrize("case", RULES, ids=lambda case: f"{case[0]} {case[4][:40]}")
def test_each_rule_finds_what_it_is_for_with_its_place_and_is_silent_once_that_is_mended(folder, case):
    rule, severity, file, pair, told = case
    if (rule, file) == ("secret-readable", "hub.yaml"):
        (folder / file).chmod(0o644)
    if told == "":  # an agency that a control room has, and no device
        change("routes.yaml", ("record: alert", "record: alert, agency: county"))
        told = "routes.0.when.agency: never matches: no enrolled device has the agency `county`"
    before = (folder / file).read_text()
    change(file, pair)
    hits = [each for each in found() if each.rule == rule and told in str(each)]
    (folder / file).write_text(before)
    mended = [each for each in found() if told in str(each) and pair[0] != "agency: pd-north"]

    assert [severity] == [each.severity for each in hits], [*map(str, found())]
    assert [] == mended


def test_errors_of_all_files_are_told_at_once_each_with_line_and_column(folder):
    change(
        "hub.yaml", ("instance: hub-1", "instance: Hub 1"), ("port: 8080", "prot: 8080"), ("cap_webhook", "cap_webhok")
    )
    change(
        "routes.yaml",
        ("position: plain", "positoin: plain"),
        ("to: room", "to: rom"),
        ("record: alert", "recrod: alert"),
    )
    change("devices.yaml", ("ACTUAL", "ACTAUL"))
    errors = [each for each in found() if each.severity is Severity.ERROR]

    assert ["hub.yaml"] * 3 + ["devices.yaml"] + ["routes.yaml"] * 3 == [each.file for each in errors]
    assert all(each.line and each.column for each in errors)


def test_no_value_is_told_since_it_may_be_a_secret(folder):
    for value in ("*hunter2", "!hunter2 x", "[hunter2", "{hunter2: 1}", "hunter2", "'hunter2\n"):
        change("hub.yaml", ("!file secret}", f"{value}}}"))
        said = "".join(map(str, found()))
        (folder / "hub.yaml").write_text(HUB)

        assert said
        assert "hunter2" not in said or value == "{hunter2: 1}", said


def test_what_aliases_blow_up_is_refused_at_once_and_honest_aliases_are_not(folder):
    bomb = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    (folder / "routes.yaml").write_text(f"a0: &a0 [x]\n{bomb}")
    (refused,) = [each for each in found() if each.file == "routes.yaml"]
    (folder / "routes.yaml").write_text(
        ROUTES.replace("alert: {", "alert: &shown {header.incident_id: plain, ").replace("routes:\n", "  cad: {agency: x, fields: {alert: *shown}}\nroutes:\n")
        .replace("to: room", "to: [room, cad]")
    )  # fmt: skip

    assert "routes.yaml:1:1: its aliases stand for more than 100,000 values" in str(refused)
    assert ["broker-trusted"] == [each.rule for each in found()]


def test_a_file_in_another_encoding_or_beyond_yaml_is_told_in_words(folder):
    for data, told in (
        ("a: 1".encode("utf-16"), "routes.yaml:1:1: not UTF-8 text, but UTF-16; save it as UTF-8"),
        (b"a: 1\nb: \xff", "routes.yaml:2:1: not UTF-8 text; save it"),
        (b"a: \x00", "routes.yaml:1:4: not YAML: character #x0000 is not allowed"),
        (b"a: 2026-02-31", "routes.yaml:1:4: not YAML: found what has the form of a date or number and is none"),
        (b"[" * 5000, "routes.yaml: nested too deeply"),
    ):
        (folder / "routes.yaml").write_bytes(data)
        assert told in str(found()[-1])
    (folder / "routes.yaml").write_bytes(b"\xef\xbb\xbf" + ROUTES.encode())

    assert ["broker-trusted"] == [each.rule for each in found()]


def test_a_secret_that_all_can_read_is_told_until_its_mode_is_mended(folder):
    (folder / "secret").chmod(0o644)
    told = [str(each) for each in found() if each.rule == "secret-readable"]
    (folder / "secret").chmod(0o640)

    assert (
        "hub.yaml:3:32: streams.pseudonym_secret: secret: everybody on this machine can read it; mend: chmod 600 secret"
        == told[0]
    )
    assert [] == [each for each in found() if each.rule == "secret-readable"]


def test_a_hub_that_ran_yesterday_starts_today_with_its_keys_that_stand_twice(folder):
    change("hub.yaml", ("instance: hub-1", "instance: hub-2\ninstance: hub-1"), ("127.0.0.1:9092", "127.0.0.1"))
    change("routes.yaml", ("{record: alert}", "{record: location, record: alert, agency: nobody}"))
    settings = load(folder / "hub.yaml")

    assert "hub-1" == settings.instance
    assert [f"{folder / 'hub.yaml'}:2:1: instance"] == [each.partition(": stands")[0] for each in settings.twice]
    assert ("alert",) == load_routes(folder / "routes.yaml").routes[0].when.record
    assert "error" in {each.severity for each in found()}


def test_what_cannot_be_read_at_all_still_stops_a_start(folder):
    (folder / "hub.yaml").write_text("kafka: [")
    (folder / "routes.yaml").write_text("destinations: [")

    with pytest.raises(SettingsError, match=r"hub.yaml:1:9: not YAML: expected the node content"):
        load(folder / "hub.yaml")
    with pytest.raises(RoutesError, match=r"routes.yaml:1:16: not YAML"):
        load_routes(folder / "routes.yaml")


def test_settings_beside_are_found_and_a_folder_without_is_a_usage_error(folder, tmp_path_factory, monkeypatch):
    beside = CliRunner().invoke(app, ["lint"])
    monkeypatch.chdir(tmp_path_factory.mktemp("empty"))
    nothing = CliRunner().invoke(app, ["lint"], env={"COLUMNS": "1000"})

    assert (0, "") == (beside.exit_code, beside.stdout)
    assert "kafka.bootstrap: whoever can write" in beside.stderr
    assert (2, True) == (nothing.exit_code, "hub init" in nothing.output)


def test_strict_makes_warnings_count_and_json_has_every_part(folder):
    calm = CliRunner().invoke(app, ["lint", "--json"])
    strict = CliRunner().invoke(app, ["lint", "--strict"])
    change("routes.yaml", ("to: room", "to: rom"))
    wrong = CliRunner().invoke(app, ["lint", "--json"])
    first = json.loads(wrong.stdout.splitlines()[-1])

    assert (0, 1, 1) == (calm.exit_code, strict.exit_code, wrong.exit_code)
    assert {"severity": "error", "rule": "route", "file": "routes.yaml", "line": 7, "column": 38, "place": "routes.0.to"} == {
        name: value for name, value in first.items() if name != "message"
    }  # fmt: skip


def test_a_wrong_variable_is_told_as_what_it_is(folder, monkeypatch):
    monkeypatch.setenv("BONDMATE__KAFKA__BOTSTRAP", "x:1")
    monkeypatch.setenv("BONDMATE__KAFFKA__BOOTSTRAP", "x:1")
    told = [str(each) for each in found() if each.severity is Severity.ERROR]

    assert [
        "environment: BONDMATE__KAFFKA__BOOTSTRAP: no such setting; remove it or correct its name; did you mean `kafka`?",
        "environment: BONDMATE__KAFKA__BOTSTRAP: no such setting; did you mean `bootstrap`?",
    ] == told


def test_its_first_line_costs_no_library_that_only_running_needs(folder):
    code = (
        "import sys; from pathlib import Path; from bondmate_hub.lint import lint; lint(Path('hub.yaml'), None);"
        "print(*{'aiohttp', 'confluent_kafka', 'structlog', 'faust', 'numpy', 'shapely', 'rich.console'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "\n" == done.stdout
