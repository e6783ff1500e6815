"""Connectors are found by entry point; a broken one fails alone."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest
from bondmate_connectors.runtime.registry import GROUP, Broken, DuplicateConnectorError, load, names
from bondmate_connectors.testing import sample

GOOD = EntryPoint("sample", "bondmate_connectors.testing.sample:CONNECTOR", GROUP)


def point(name, value):
    return EntryPoint(name, value, GROUP)


def test_names_are_listed_without_importing(tmp_path, monkeypatch):
    (tmp_path / "never_imported.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)

    assert ("never_imported", "sample") == names([GOOD, point("never_imported", "never_imported:CONNECTOR")])
    assert "never_imported" not in sys.modules


def test_a_good_one_is_loaded_beside_a_broken_one(tmp_path, monkeypatch):
    (tmp_path / "breaks_at_import.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    points = [GOOD, point("breaks_at_import", "breaks_at_import:CONNECTOR")]
    broken = load("breaks_at_import", points)

    assert isinstance(broken, Broken)
    assert ("import_failed", True) == (broken.code, "ZeroDivisionError" in broken.reason)
    assert sample.CONNECTOR is load("sample", points)


def test_an_import_that_fails_names_file_and_line_and_no_value(tmp_path, monkeypatch):
    (tmp_path / "needs_more.py").write_text("\nimport json\nimport not_installed_anywhere\n")
    (tmp_path / "mistyped.py").write_text("x = 1\ny = = 2\n")
    (tmp_path / "of_a_value.py").write_text("import json\nint('secret-of-somebody')\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = {name: load(name, [point(name, f"{name}:CONNECTOR")]).reason
             for name in ("needs_more", "mistyped", "of_a_value")}  # fmt: skip

    assert f"ModuleNotFoundError at {tmp_path / 'needs_more.py'}:3: No module" in found["needs_more"]
    assert f"SyntaxError at {tmp_path / 'mistyped.py'}:2: invalid syntax" in found["mistyped"]
    assert f"of_a_value:CONNECTOR: ValueError at {tmp_path / 'of_a_value.py'}:2" == found["of_a_value"]


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("absent", "", "not_found"),
        ("sample", "bondmate_connectors.testing.sample:TOKEN", "no_spec"),
        ("sample", "bondmate_connectors.testing.sample:no_such", "import_failed"),
        ("other", "bondmate_connectors.testing.sample:CONNECTOR", "wrong_name"),
        ("other", "bondmate_connectors.platforms.tak:CONNECTOR", "wrong_name"),
    ],
)
def test_what_is_wrong_with_a_connector_is_said(name, value, code):
    broken = load(name, [point(name, value)] if value else [])

    assert isinstance(broken, Broken)
    assert code == broken.code


def test_two_of_one_name_are_an_error():
    with pytest.raises(DuplicateConnectorError, match="sample"):
        names([GOOD, GOOD])


def test_the_hubs_own_connectors_are_installed():
    assert {"device_http", "tak", "cap_webhook", "cap_pickup"} <= set(names())


def test_what_only_polygons_need_is_not_loaded_by_every_process():
    loads = "import bondmate_connectors.platforms.tak, bondmate_connectors.platforms.cap_webhook, sys"
    heavy = "print(*sorted({'shapely', 'numpy', 'cryptography'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", f"{loads}; {heavy}"], capture_output=True, text=True, check=True)

    assert "" == done.stdout.strip()
