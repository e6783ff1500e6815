"""The command line: every command explains itself with an example; wrong use and wrong settings exit with 2."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import typer
from bondmate_connectors.runtime.control import Pause
from bondmate_hub.admin.pauses import PausedConnectors
from bondmate_hub.cli import add_outside_command, app
from bondmate_hub.doctor import examine
from bondmate_hub.routes.destination_view import views_of
from bondmate_hub.routes.findings import not_responsible, ownerless, unknown_agencies
from bondmate_hub.settings import load
from bondmate_schemas.error_codes import HUB_CODES, ErrorCode, ErrorTable
from bondmate_schemas.models import DeviceAlert
from bondmate_streams.logic.routes_yaml import parse_routes
from bondmate_streams.logic.routing import explain
from command_line import hub
from typer.testing import CliRunner


def commands(command: typer.core.TyperCommand | typer.core.TyperGroup, name: str):
    if isinstance(command, typer.core.TyperGroup):
        for child, inner in command.commands.items():
            yield from commands(inner, f"{name} {child}")
    else:
        yield name, command


COMMANDS = dict(commands(typer.main.get_command(app), "hub"))


def hub_alone(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "bondmate_hub", *arguments], capture_output=True, text=True, check=False, cwd=cwd
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_an_example_of_itself(name):
    assert f"Example: {name}" in (COMMANDS[name].help or "")


def test_the_version_and_the_commit_are_said(tmp_path):
    done = hub_alone("--version", cwd=tmp_path)

    assert 0 == done.returncode
    assert re.fullmatch(r"hub \d+\.\d+\.\d+\S* \(commit ([0-9a-f]{12}(-dirty)?|unknown)\)\n", done.stdout)


def test_a_package_above_the_hub_brings_its_command_by_an_entry_point():
    assert "bondmate_demo.command" == COMMANDS["hub demo"].callback.__module__


def test_a_command_of_a_package_that_cannot_be_imported_says_so_and_stops_no_other():
    to = typer.Typer()
    add_outside_command(to, EntryPoint("fair", "no_such_module:fair", "bondmate_hub.commands"))
    add_outside_command(to, EntryPoint("other", "bondmate_hub.cli.doctor:doctor", "bondmate_hub.commands"))
    broken = CliRunner().invoke(to, ["fair", "--seconds", "5"])

    assert 2 == broken.exit_code
    assert "hub fair: no_such_module:fair cannot be imported (ModuleNotFoundError)" in broken.stderr
    assert 0 == CliRunner().invoke(to, ["other", "--help"]).exit_code


def test_a_format_that_cannot_be_imported_stops_no_translation_of_another(tmp_path, monkeypatch):
    group = "bondmate_hub.formats"
    points = [
        EntryPoint("geojson", "bondmate_connectors.formats.geojson:FORMAT", group),
        EntryPoint("fair", "no_such_module:FORMAT", group),
    ]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: points)
    (tmp_path / "a").write_text("{}")

    assert 0 == CliRunner().invoke(app, ["translate", str(tmp_path / "a"), "--from", "geojson"]).exit_code
    unknown = CliRunner().invoke(app, ["translate", str(tmp_path / "a"), "--from", "nope"])
    assert (2, True) == (unknown.exit_code, "there are fair, geojson" in unknown.output)


def test_an_unknown_role_is_a_usage_error_that_names_the_roles(tmp_path):
    done = hub_alone("run", "gatway", cwd=tmp_path)

    assert 2 == done.returncode
    assert "gateway" in done.stderr


def test_wrong_settings_are_told_line_by_line_and_then_right_ones_work(tmp_path):
    config = tmp_path / "hub.yaml"
    config.write_text("instance: A B\nkafka: {replication_factor: 0}\n", encoding="utf-8")
    wrong = hub_alone("topics", "list", "--config", str(config), cwd=tmp_path)
    config.write_text("instance: a\n", encoding="utf-8")
    right = hub_alone("topics", "list", "--config", str(config), cwd=tmp_path)

    assert 2 == wrong.returncode
    assert ["1:1", "2:9"] == [
        line.split("hub.yaml:")[1].rsplit(": ", 2)[0].split(": ")[0] for line in wrong.stderr.splitlines()
    ]
    assert "Traceback" not in wrong.stderr
    assert 0 == right.returncode
    assert "bondmate.device.alerts" in right.stdout


def test_a_district_that_is_on_no_map_is_found(tmp_path):
    (tmp_path / "hub.yaml").write_text(
        "streams: {routes: routes.yaml, districts: map.geojson, pseudonym_secret: 0123456789abcdef}\n"
        "connectors: {map: {connector: tak, settings: {host: 127.0.0.1}}}\n"
    )
    (tmp_path / "routes.yaml").write_text(
        "destinations: {map: {}}\n"
        "routes: [{name: a, when: {record: location, district: [harbour, old-town]}, to: map, every_seconds: 10}]\n"
    )
    ring = "[[4, 52], [5, 52], [5, 53], [4, 52]]"
    area = f'{{"properties": {{"district": "harbour"}}, "geometry": {{"type": "Polygon", "coordinates": [{ring}]}}}}'
    (tmp_path / "map.geojson").write_text("{}")
    broken = hub("lint", "--config", "hub.yaml", cwd=tmp_path)
    (tmp_path / "map.geojson").write_text(f'{{"features": [{area}]}}')
    found = hub("lint", "--config", "hub.yaml", cwd=tmp_path)

    assert 1 == broken.returncode
    assert "map.geojson: no GeoJSON FeatureCollection" in broken.stdout
    assert 1 == found.returncode, found.stderr
    assert "routes.0.when.district: no district `old-town` on the map" in found.stdout
    assert "harbour" not in found.stdout


LONE = "routes: [{name: all, when: {record: alert}, to: desk}]"
ROOM = """\
streams: {routes: routes.yaml, pseudonym_secret: 0123456789abcdef}
connectors:
  room: {connector: cap_webhook, settings: {deliver: {url: 'http://127.0.0.1:9/cap', secrets: [for-tests-only]}}}
  hears: {connector: cap_webhook, settings: {listen: {port: 0, secrets: [for-tests-only]}}}
"""


def test_a_route_that_can_deliver_nothing_is_found_with_its_line_and_a_part_of_one_is_a_warning(tmp_path):
    (tmp_path / "hub.yaml").write_text(ROOM)
    (tmp_path / "routes.yaml").write_text("""\
destinations:
  room: {fields: {location: {position: plain}}}
  hears: {}
routes:
  - name: positions
    when: {record: location}
    to: room
  - name: deaf
    when: {record: alert}
    to: hears
  - name: rest
    to: room
""")
    found = hub("lint", "--config", "hub.yaml", cwd=tmp_path)
    (tmp_path / "routes.yaml").write_text("""\
destinations: {room: {}}
routes: [{name: rest, when: {record: alert}, to: room}]
""")
    mended = hub("lint", "--config", "hub.yaml", cwd=tmp_path)

    assert 1 == found.returncode
    assert [
        "routes.yaml:7:5: routes.0.to: the connector of `room` takes no positions",
        "routes.yaml:10:5: routes.1.to: the connector of `hears` takes no alerts",
    ] == found.stdout.splitlines()
    assert "warning: routes.yaml:12:5: routes.2.to: the connector of `room` takes no positions" in found.stderr
    assert (0, "") == (mended.returncode, mended.stdout)


def test_lint_warns_that_the_broker_is_trusted_and_leaves_its_exit_code(tmp_path):
    (tmp_path / "hub.yaml").write_text(ROOM.replace("  hears: {connector", "  # hears: {connector"))
    (tmp_path / "routes.yaml").write_text(
        "destinations: {room: {fields: {alert: {position: withheld, position_origin: withheld,"
        " position_age_seconds: withheld, header.flags: withheld}}}}\n"
        "routes: [{name: all, when: {record: alert}, to: room}]\n"
    )
    done = hub("lint", "--config", "hub.yaml", cwd=tmp_path)
    only_routes = hub("lint", "--routes", "routes.yaml", cwd=tmp_path)

    assert (0, "") == (done.returncode, done.stdout)
    warning = next(line for line in done.stderr.splitlines() if "broker" in line)
    assert warning.startswith(
        "warning: hub.yaml: kafka.bootstrap: whoever can write to the broker (`kafka.bootstrap`) can speak for a control"
    )
    assert all(word in warning for word in ("bondmate.receipts", "bondmate.messages", "Mend:", "ACLs", "kafka.client"))
    assert (0, "") == (only_routes.returncode, only_routes.stderr.replace("", ""))


def test_lint_warns_where_no_room_that_is_told_of_alerts_has_an_agency():
    routes = parse_routes(
        "destinations: {desk: {}, county: {}, cad: {}, map: {agency: pd-north}}\n"
        "routes:\n"
        "- {name: alerts, when: {record: alert}, to: desk, escalate: [{after_seconds: 60, to: [county]}]}\n"
        "- {name: rest, when: {record: location}, to: [cad, map]}\n"
    )

    (warning,) = ownerless(routes, {"cad": "pd-north"})
    assert warning.startswith("destinations: none that is told of alerts (county, desk) has an `agency`")
    assert [] == ownerless(routes, {"county": "sheriff"})
    assert [] == ownerless(parse_routes("destinations: {desk: {agency: pd-north}}\n" + LONE), {})
    assert [] == ownerless(parse_routes("destinations: {desk: {}}\n" + LONE.replace("alert", "location")), {})


def test_the_warning_that_nobody_owns_alerts_is_one_of_lint(tmp_path):
    (tmp_path / "hub.yaml").write_text(ROOM.replace("  hears: {connector", "  # hears: {connector"))
    (tmp_path / "routes.yaml").write_text("destinations: {room: {}}\n" + LONE.replace("desk", "room"))
    done = hub("lint", "--config", "hub.yaml", cwd=tmp_path)
    (tmp_path / "hub.yaml").write_text((tmp_path / "hub.yaml").read_text().replace("room: {", "room: {agency: n, "))
    mended = hub("lint", "--config", "hub.yaml", cwd=tmp_path)

    assert 0 == done.returncode
    assert 1 == done.stderr.count("has an `agency`")
    assert "has an `agency`" not in mended.stderr


def test_explain_says_that_the_connector_does_not_take_such_events(tmp_path):
    (tmp_path / "hub.yaml").write_text(ROOM)
    (tmp_path / "routes.yaml").write_text(
        "destinations: {room: {fields: {location: {position: plain}}}}\nroutes: [{name: all, to: room}]\n"
    )
    header = {"message_id": "m", "event_id": "e", "origin_message_id": "o", "agency_id": "a", "mode": "ACTUAL",
              "occurred_at": "2026-11-30T00:00:00Z", "received_at": "2026-11-30T00:00:00Z", "source": "s"}  # fmt: skip
    position = {"latitude": 52.0, "longitude": 4.0, "fixed_at": "2026-11-30T00:00:00Z"}
    (tmp_path / "fix.json").write_text(json.dumps({"header": header, "device_id": "d", "position": position}))
    explain = ("route", "explain", "fix.json", "--record", "DeviceLocation")

    known = hub(*explain, "--config", "hub.yaml", cwd=tmp_path)
    unknown = hub(*explain, "--routes", "routes.yaml", cwd=tmp_path)

    assert (0, "all -> room: connector takes none\n") == (known.returncode, known.stdout), known.stderr
    assert (0, ["all -> room: taken", "  room sees beside the envelope: device_id (pseudonym), position (plain);"]) == (
        unknown.returncode,
        [line.partition(" withheld")[0] for line in unknown.stdout.splitlines()[:2]],
    )
    at = '{"latitude": 52.0, "longitude": 4.0, "fixed_at": "2026-11-30T00:00:00Z"} (plain)'
    assert [
        "    header.origin_message_id: withheld, by destinations.room.fields.location (routes.yaml:1:32), which does not list it",
        "    device_id: a name of its own (pseudonym), by the schema",
        f"    position: {at}, by destinations.room.fields.location.position (routes.yaml:1:43)",
    ] == unknown.stdout.splitlines()[2:]


HEADER = {"message_id": "m", "event_id": "e", "origin_message_id": "o", "agency_id": "a", "mode": "ACTUAL",
          "occurred_at": "2026-11-30T00:00:00Z", "received_at": "2026-11-30T00:00:00Z", "source": "s"}  # fmt: skip


def test_explain_shows_what_each_destination_would_see_and_what_is_withheld_from_it():
    routes = parse_routes("""\
destinations:
  full: {fields: {alert: {position: plain, officer_ref: plain}}, others: [level, unit], may_message: {known: false}}
  bare: {}
  elsewhere: {}
routes:
- {name: all, when: {record: alert}, to: [full, bare]}
- {name: again, when: {record: alert}, to: full}
- {name: positions, when: {record: location}, to: elsewhere}
""")
    position = {"latitude": 52.0, "longitude": 4.0, "fixed_at": "2026-11-30T00:00:00Z"}
    values = {"header": HEADER, "device_id": "d", "kind": "SOS", "position": position, "officer_ref": "o"}
    alert = DeviceAlert.model_validate(values)

    full, bare = views_of(alert, routes, explain(alert, routes))

    assert ("full", "bare") == (full.destination, bare.destination)
    assert {"position": "plain", "officer_ref": "plain", "device_id": "pseudonym"} == dict(full.fields)
    assert (("header.origin_message_id", "position_origin"), ("level", "unit"), False) == (
        full.withheld,
        full.others,
        full.receipts,
    )
    assert {"device_id": "pseudonym"} == dict(bare.fields)
    assert {"position", "officer_ref"} <= set(bare.withheld)
    assert (None, True) == (bare.others, bare.receipts)
    assert "of other rooms: all if its agency owns the alert; receipts: of messages" in str(bare)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read: FileNotFoundError"),
        ("{", "not JSON"),
        ('{"file": "a.xml", "events": []}', "a line of `hub translate`"),
        ('{"header": {}}', "not a DeviceAlert: header.message_id"),
    ],
)
def test_explain_says_what_is_wrong_with_its_file_and_shows_no_trace(tmp_path, content, problem):
    (tmp_path / "routes.yaml").write_text("destinations: {room: {}}\nroutes: [{name: all, to: room}]\n")
    event, arguments = tmp_path / "event.json", ["--record", "DeviceAlert", "--routes", str(tmp_path / "routes.yaml")]
    if content is not None:
        event.write_text(content)
    wrong = CliRunner().invoke(app, ["route", "explain", str(event), *arguments], env={"COLUMNS": "1000"})
    event.write_text(json.dumps({"header": HEADER, "device_id": "d", "kind": "SOS"}))
    mended = CliRunner().invoke(app, ["route", "explain", str(event), *arguments])

    assert (2, True) == (wrong.exit_code, problem in wrong.output), wrong.output
    assert 0 == mended.exit_code, mended.output


def test_lint_finds_agencies_that_nobody_has():
    routes = parse_routes("""\
destinations:
  room: {agency: county, may_message: {agencies: [pd-north, pd-nroth]}}
routes:
- {name: here, when: {record: alert, responsible: [pd-north, pd-south]}, to: room}
- {name: own, when: {record: alert, agency: [pd-north, county, pd-east]}, to: room}
""")

    assert ["routes.0.when.responsible: no area of the map (`streams.districts`) has `pd-south`"] == [
        line[:82] for line in not_responsible(routes, {"pd-north"})
    ]
    assert [
        "routes.1.when.agency: nobody has the agency `pd-east`",
        "destinations.room.may_message.agencies: nobody has the agency `pd-nroth`",
    ] == [line.partition(": no enrolled")[0] for line in unknown_agencies(routes, {}, {"pd-north"})]
    assert [] == list(unknown_agencies(routes, {"cad": "pd-east", "tak": "pd-nroth"}, {"pd-north"}))
    assert [] == list(unknown_agencies(routes, {}, ()))


def test_explain_says_where_an_alert_is_and_writes_a_map_of_who_is_told(tmp_path):
    ring = [[4, 52], [5, 52], [5, 53], [4, 53], [4, 52]]
    geometry = {"type": "Polygon", "coordinates": [ring]}
    feature = {"properties": {"district": "north", "agency": "pd-north"}, "geometry": geometry}
    (tmp_path / "map.json").write_text(json.dumps({"features": [feature]}))
    (tmp_path / "routes.yaml").write_text(
        "destinations: {room: {}}\nroutes: [{name: in-north, when: {record: alert, responsible: pd-north}, to: room}]\n"
    )
    header = {"message_id": "m", "event_id": "e", "agency_id": "a", "mode": "ACTUAL",
              "occurred_at": "2026-11-30T00:00:00Z", "received_at": "2026-11-30T00:00:00Z", "source": "s"}  # fmt: skip
    position = {"latitude": 52.5, "longitude": 4.5, "fixed_at": "2026-11-30T00:00:00Z"}
    alert = {"header": header, "device_id": "d", "kind": "SOS"}
    (tmp_path / "here.json").write_text(json.dumps({**alert, "position": position}))
    (tmp_path / "nowhere.json").write_text(json.dumps(alert))
    explain = ("route", "explain", "--record", "DeviceAlert", "--routes", "routes.yaml")

    here = hub(*explain, "here.json", "--districts", "map.json", "--map", "told.geojson", cwd=tmp_path)
    nowhere = hub(*explain, "nowhere.json", "--districts", "map.json", cwd=tmp_path)
    without = hub(*explain, "here.json", "--map", "none.geojson", cwd=tmp_path)

    assert here.stdout.startswith("in district north, responsible pd-north (position none"), here.stderr
    assert "in-north -> room: taken" in here.stdout
    assert "in-north: no place (responsible)" in nowhere.stdout
    told = json.loads((tmp_path / "told.geojson").read_text())
    assert [["room"], ["room"]] == [found["properties"]["told"] for found in told["features"]]
    assert (2, False) == (without.returncode, (tmp_path / "none.geojson").exists())


def test_a_file_of_routes_with_findings_is_not_applied_and_asks_nothing_of_the_broker(tmp_path):
    (tmp_path / "hub.yaml").write_text("instance: a\nstreams: {pseudonym_secret: sixteen characters}\n")
    (tmp_path / "routes.yaml").write_text("destinations: {}\nroutes: [{name: all, to: nobody}]\n")
    found = hub("routes", "apply", "--config", "hub.yaml", "--yes", cwd=tmp_path)
    (tmp_path / "routes.yaml").write_text("routes: [")
    broken = hub("routes", "apply", "--config", "hub.yaml", "--yes", cwd=tmp_path)

    assert (1, True) == (found.returncode, "no destination `nobody`" in found.stdout), found.stderr
    assert (1, True) == (broken.returncode, "not YAML" in broken.stdout)


def test_check_says_what_was_answered_and_a_server_of_python_that_takes_only_post_passes(tmp_path):
    class Room(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    Room.do_GET = lambda self: self.send_error(503)
    server = HTTPServer(("127.0.0.1", 0), Room)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (tmp_path / "hub.yaml").write_text(f"""\
instance: a
connectors:
  cap-room:
    connector: cap_webhook
    settings: {{deliver: {{url: "http://127.0.0.1:{server.server_port}/cap", secrets: [shared-with-them]}}}}
""")
    failing = hub("check", "--config", "hub.yaml", cwd=tmp_path)
    told = json.loads(hub("check", "--config", "hub.yaml", "--json", cwd=tmp_path).stdout)
    del Room.do_GET
    well = hub("check", "--config", "hub.yaml", cwd=tmp_path)
    server.shutdown()
    server.server_close()

    assert (1, 0) == (failing.returncode, well.returncode)
    assert failing.stdout.startswith("cap-room: not_reachable: ")
    assert "http_503" in failing.stdout
    assert told["hint"].startswith("not there for us now (http_503")
    assert told["mend"] == told["hint"], "until release 0.3 under its former key too"
    assert "cap-room: ok\n" == well.stdout


@pytest.fixture
def kafka(embedded_broker, registry) -> str:
    """The settings of a broker and a registry that answer: doctor waits long for those that do not."""
    return f"kafka: {{bootstrap: '{embedded_broker.bootstrap}', registry_url: '{registry}'}}\n"


def test_doctor_warns_of_pauses_and_of_who_is_trusted(tmp_path, kafka):
    (tmp_path / "hub.yaml").write_text(kafka + ROOM)
    (tmp_path / "routes.yaml").write_text(
        "destinations: {room: {}}\nroutes: [{name: all, when: {record: location}, to: room}]\n"
    )
    now = datetime.now(UTC)
    PausedConnectors(tmp_path / "data").save("room", Pause(now + timedelta(hours=1), now, "alex", "ticket 4711"))
    findings = {found.check: found for found in examine(load(tmp_path / "hub.yaml"))}
    listed = hub("connectors", "list", "--config", "hub.yaml", cwd=tmp_path)

    assert findings["who is trusted"].ok
    assert "speak for a control room" in findings["who is trusted"].warning
    assert str(findings["who is trusted"]).startswith("warn  who is trusted: ")
    assert "by alex (ticket 4711)" in findings["pause of room"].warning
    assert not findings["routes"].ok
    assert "routes.0.to: the connector of `room` takes no positions" in findings["routes"].hint
    assert "room: paused until" in listed.stdout


def test_doctor_names_the_error_codes_that_were_left_out(tmp_path, monkeypatch, kafka):
    (tmp_path / "hub.yaml").write_text(kafka)
    taken = ErrorCode("acme_busy", 2001, "Their desk is full.", "Call them.")
    monkeypatch.setattr("bondmate_hub.doctor.error_table", lambda: ErrorTable(HUB_CODES, [taken]))
    told = {found.check: found for found in examine(load(tmp_path / "hub.yaml"))}["error codes"]

    assert (True, True) == (told.ok, "acme_busy (2001)" in told.warning)


def test_an_id_that_a_room_reads_out_is_found_inside_and_one_of_another_room_is_not(tmp_path: Path) -> None:
    config = tmp_path / "hub.yaml"
    config.write_text("streams: {pseudonym_secret: sixteen-letters-1}\n", encoding="utf-8")
    given = ("--destination", "cap", "--config", str(config))
    out = hub("ids", "outside", "event-1", *given, cwd=tmp_path)
    known = out.stdout.strip()

    back = hub("ids", "inside", f"bondmate:pd,{known},now", *given, cwd=tmp_path)
    assert (0, "bondmate:pd,event-1,now\n") == (back.returncode, back.stdout)
    assert 1 == hub("ids", "inside", known, "--destination", "tak", "--config", str(config), cwd=tmp_path).returncode
    assert 2 == hub("ids", "outside", "event-1", "--key", "gone", *given, cwd=tmp_path).returncode
