"""What a release hands out works without the source tree: the wheel, made of the sdist, in an empty environment."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from bondmate_monitoring import build

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]
UV = Path(sys.executable).with_name("uv")


def run(*command: object, cwd: Path, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False, env=environment
    )
    assert 0 == done.returncode, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(UV, "build", "--quiet", "--python", sys.executable, "--out-dir", folder, ROOT, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("empty")
    run(UV, "venv", "--quiet", "--python", sys.executable, folder / "venv", cwd=folder)
    wheel = next(built.glob("*.whl"))
    python = folder / "venv/bin/python"
    run(UV, "pip", "install", "--quiet", "--python", python, f"{wheel}[embedded,columns]", cwd=folder)
    return folder


def outside() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}


def test_the_wheel_made_of_the_sdist_holds_every_file_of_the_packages(built: Path) -> None:
    tracked = run("git", "ls-files", "*/bondmate_*", cwd=ROOT).split()
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        sources = {name.partition("/")[2] for name in sdist.getnames()}

    packages = {path for path in tracked if path.split("/")[1].startswith("bondmate_") and not path.startswith("tests")}
    assert {path.partition("/")[2] for path in packages} | {"bondmate_monitoring/COMMIT"} <= names
    assert {"README.md", "LICENSE", "pyproject.toml", "requirements.lock", ".ci/build_hook.py"} <= sources


def test_the_installed_hub_knows_its_version_and_commit_without_the_source(built: Path, installed: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        commit = wheel.read("bondmate_monitoring/COMMIT").decode().strip()

    said = run(installed / "venv/bin/hub", "--version", cwd=installed, environment=outside())

    assert f"hub {build.version_of_hub()} (commit {commit})\n" == said
    assert re.fullmatch("[0-9a-f]{12}(-dirty)?", commit)


def test_the_demo_runs_from_the_wheel_and_nothing_is_lost(installed: Path) -> None:
    arguments = ("demo", "--json", "--seconds", "10", "--devices", "200", "--alerts", "5", "--positions", "50")
    said = run(installed / "venv/bin/hub", *arguments, cwd=installed, environment=outside())

    summary = json.loads(said.splitlines()[-1])
    assert 0 == summary["lost"]
    assert summary["sent"]["alert"] > 0
    assert summary["destinations"]["tak"]["acknowledged"] > 0
    assert summary["destinations"]["cap"]["acknowledged"] > 0
