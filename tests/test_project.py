"""What the project says of itself in several files says the same everywhere."""

from __future__ import annotations

import re
import runpy
import subprocess
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
LOCKED_EXTRAS = ("embedded", "columns", "dev")


def wanted() -> list[Requirement]:
    extras = PROJECT["optional-dependencies"]
    return [Requirement(text) for text in [*PROJECT["dependencies"], *(x for e in LOCKED_EXTRAS for x in extras[e])]]


def pinned() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==(\S+)", LOCK, re.MULTILINE):
        found.setdefault(canonicalize_name(name), []).append(version)
    return found


def test_the_lock_file_holds_a_version_of_each_dependency_that_is_allowed() -> None:
    versions = pinned()

    assert [] == [
        f"{requirement}: run `make lock`"
        for requirement in wanted()
        if not any(requirement.specifier.contains(v) for v in versions.get(canonicalize_name(requirement.name), []))
    ]


def test_the_lock_file_holds_nothing_for_a_dependency_that_is_gone() -> None:
    for_us = re.findall(r"^([\w.-]+)==(?:(?!^[\w.-]+==).)*?# *(?:via)? *bondmate-hub", LOCK, re.MULTILINE | re.DOTALL)

    assert {canonicalize_name(r.name) for r in wanted()} == {canonicalize_name(name) for name in for_us}


def test_the_lock_file_pins_what_was_downloaded_and_names_no_index() -> None:
    assert len(re.findall(r"^[\w.-]+==", LOCK, re.MULTILINE)) == len(re.findall(r"==\S+.*\\\n    --hash", LOCK))
    assert not re.search(r"https?://|--index-url|--find-links", LOCK)


def test_no_link_of_the_documents_leads_nowhere(tmp_path: Path) -> None:
    site = runpy.run_path(str(ROOT / ".ci" / "build_site.py"))
    pages = site["tracked"]()
    lay_out = site["lay_out"]
    lay_out.__globals__["SOURCE"] = tmp_path / "site"

    assert {"README.md", "docs/index.md"} < pages
    assert [] == lay_out(pages)


def test_each_release_is_a_commit_of_the_history_that_says_its_version_and_what_changed() -> None:
    page = (ROOT / "docs" / "releases.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\S+) \| (\d{4}-\d\d-\d\d) \| `?([0-9a-f]{40})`? \|$", page, re.MULTILINE)

    assert page.count("\n| ") - 1 == len(rows)
    for version, date, commit in rows:
        assert f'version = "{version}"' in at(commit, "pyproject.toml")
        assert f"## {version} ({date})" in at(commit, "CHANGELOG.md")


def at(commit: str, path: str) -> str:
    command = ["git", "show", f"{commit}:{path}"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def test_each_fragment_of_the_changelog_has_a_name_that_towncrier_reads_as_it_is_meant() -> None:
    named = re.compile(r"(\d+|\+[\w-]+)\.(feature|bugfix|doc|removal|misc)(\.\d+)?\.md|README\.md")

    assert [] == [path.name for path in (ROOT / "changelog.d").iterdir() if not named.fullmatch(path.name)]
