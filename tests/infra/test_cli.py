"""The command line: every command explains itself with an example; wrong use and wrong settings exit with 2."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer
from bondmate_hub.cli import app


def commands(command: typer.core.TyperCommand | typer.core.TyperGroup, name: str):
    if isinstance(command, typer.core.TyperGroup):
        for child, inner in command.commands.items():
            yield from commands(inner, f"{name} {child}")
    else:
        yield name, command


COMMANDS = dict(commands(typer.main.get_command(app), "hub"))


def hub(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bondmate_hub", *arguments], capture_output=True, text=True, check=False, cwd=cwd
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_an_example_of_itself(name):
    assert f"Example: {name}" in (COMMANDS[name].help or "")


def test_an_unknown_role_is_a_usage_error_that_names_the_roles(tmp_path):
    done = hub("run", "gatway", cwd=tmp_path)

    assert 2 == done.returncode
    assert "gateway" in done.stderr


def test_wrong_settings_are_told_line_by_line_and_then_right_ones_work(tmp_path):
    config = tmp_path / "hub.yaml"
    config.write_text("instance: A B\nkafka: {replication_factor: 0}\n", encoding="utf-8")
    wrong = hub("topics", "list", "--config", str(config), cwd=tmp_path)
    config.write_text("instance: a\n", encoding="utf-8")
    right = hub("topics", "list", "--config", str(config), cwd=tmp_path)

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

    assert 2 == broken.returncode
    assert "map.geojson: no GeoJSON FeatureCollection" in broken.stderr
    assert 1 == found.returncode, found.stderr
    assert "routes.0.when.district: no district `old-town` on the map" in found.stdout
    assert "harbour" not in found.stdout
