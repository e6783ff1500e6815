"""`hub connectors new` writes a package that passes the contract suite as it stands, and refuses what cannot be one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from bondmate_hub.new_connector import KINDS
from command_line import hub

TRIED = {"both": "not test_any_ and not damaged and not round_trip"}
"""All but what tries the format with anything. The whole, of every kind, runs in an environment of its own."""
BRIEFLY = "TestConformance or golden or event_gives_receipt or emits_what_it_says or without_an_id"


def run(*command: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **env},
    )


def new(folder: Path, name: str, *options: str) -> subprocess.CompletedProcess[str]:
    return run("bondmate_hub", "connectors", "new", name, *options, cwd=folder)


def refused(folder: Path, name: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run what writes nothing and so imports no package into this process."""
    return hub("connectors", "new", name, *options, cwd=folder)


def words(done: subprocess.CompletedProcess[str]) -> str:
    """Return what was said on standard error, without the frame that breaks its lines."""
    return " ".join(done.stderr.replace("│", " ").split())


def installed(package: Path) -> None:
    """Make a package found by its entry points without pip, as an editable install does."""
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    facts = package / f"{package.name}-{project['version']}.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in named.items())
        for group, named in project["entry-points"].items()
    ]
    (facts / "entry_points.txt").write_text("".join(points))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_passes_its_tests_as_it_stands(tmp_path: Path, kind: str) -> None:
    written = new(tmp_path, "acme-dispatch", "--kind", kind)
    package = tmp_path / "acme_dispatch"
    installed(package)

    options = ("-q", "-p", "no:cacheprovider", "-k", TRIED.get(kind, BRIEFLY))
    done = run("pytest", *options, cwd=package, PYTHONPATH=str(package), PYTHONDONTWRITEBYTECODE="1")

    assert 0 == written.returncode, written.stderr
    assert "Next: cd acme_dispatch; pip install" in written.stdout
    assert 0 == done.returncode, done.stdout[-3000:]
    text = "".join(path.read_text() for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc")
    assert [] == [word for word in ("acme_cad", "AcmeCad", "acme-cad", "TODO", "# <", "@acme") if word in text]


def test_what_is_written_is_in_the_house_s_form(tmp_path: Path) -> None:
    for kind in KINDS:
        new(tmp_path, f"room-{kind}", "--kind", kind)
        package = tmp_path / f"room_{kind}"
        form = run("ruff", "format", "--isolated", "--line-length", "120", "--diff", ".", cwd=package)
        rules = ("check", "--isolated", "--line-length", "120", "--select", "I,F,E4,E7,E9,UP,B,RET,SIM,PLC,PLE,PLW")
        faults = run("ruff", *rules, ".", cwd=package)

        assert (0, "") == (form.returncode, form.stdout), kind
        assert (0, kind) == (faults.returncode, kind), faults.stdout


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Acme", "is no name for a connector"),
        ("7th-room", "a letter first"),
        ("acme--cad", "single hyphens"),
        ("acme/cad", "is no name for a connector"),
        ("../acme", "is no name for a connector"),
        ("class", "choose another name, as `class_cad`"),
        ("json", "Python has a module `json` already"),
        ("x" * 41, "at most 40"),
        ("tak", "`tak` is installed already: choose another name, as `tak_of_ours`"),
        ("geojson", "`geojson` is installed already"),
        ("room", "the package has another `room` of its own"),
        ("tests", "the package has another `tests` of its own"),
    ],
)
def test_a_name_that_will_not_do_is_refused_with_one_that_would(tmp_path: Path, name: str, said: str) -> None:
    done = refused(tmp_path, name)

    assert 2 == done.returncode
    assert said in words(done)
    assert [] == list(tmp_path.iterdir())


def test_a_folder_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "acme_cad").mkdir()
    (tmp_path / "acme_cad" / "mine.txt").write_text("mine")
    there = refused(tmp_path, "acme-cad")
    elsewhere = new(tmp_path, "acme-cad", "--folder", str(tmp_path / "acme_cad"))

    assert 2 == there.returncode
    assert "is there already: choose another name" in words(there)
    assert 0 == elsewhere.returncode
    assert "mine" == (tmp_path / "acme_cad" / "mine.txt").read_text()


def test_a_kind_and_a_folder_that_are_not_there_are_refused(tmp_path: Path) -> None:
    kind = refused(tmp_path, "acme-cad", "--kind", "pump")
    folder = refused(tmp_path, "acme-cad", "--folder", "nowhere")

    assert [2, 2] == [kind.returncode, folder.returncode]
    assert "sink, source, both, format" in words(kind)
    assert "nowhere" in folder.stderr
    assert [] == list(tmp_path.iterdir())


def test_json_names_each_file(tmp_path: Path) -> None:
    told = new(tmp_path, "acme-cad", "--kind", "format", "--json")
    files = {json.loads(line)["file"] for line in told.stdout.splitlines()}

    assert {"acme_cad/pyproject.toml", "acme_cad/acme_cad/format.py", "acme_cad/tests/golden/sos.event.json"} <= files
    assert files == {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
