"""What the suite says to who has never seen it: what is missing, what that is, and what to do."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

INI = '[tool.pytest.ini_options]\nasyncio_mode = "auto"\n'
SINK = """
import pytest
from bondmate_connectors.testing import SinkContract
from bondmate_connectors.testing.sample import CONNECTOR

class TestAcmeSink(SinkContract):
    @pytest.fixture
    def spec(self):
        return CONNECTOR
"""
FORMAT = """
from pathlib import Path
from bondmate_connectors.formats.geojson import FORMAT
from bondmate_connectors.testing import FormatContract, sos

class TestAcmeFormat(FormatContract):
    format = FORMAT
    golden = Path(__file__).with_name("golden")
    examples = {"sos": sos()}
"""
CONFORMANCE = """
import pytest
from dataclasses import replace
from bondmate_connectors.contract import ConnectorConfig
from bondmate_connectors.testing.conformance import ConformanceContract
from bondmate_connectors.testing.sample import CONNECTOR
from pydantic import Field, SecretStr

class Config(ConnectorConfig):
    token: SecretStr = Field(description="Ours.")
    token_url: str = Field(default="", description="Where tokens are had.")
    keyboard: str = Field(default="", description="No key.")
    token_lives: int = Field(default=1, description="A number.")
    secretary: str = Field(default="", description="A person.", json_schema_extra={"secret": False})
    %s

class TestAcme(ConformanceContract):
    @pytest.fixture
    def name(self):
        return "sample"

    @pytest.fixture
    def spec(self):
        return replace(CONNECTOR, config=Config)
"""


def suite(folder: Path, code: str, *options: str, ini: str = INI) -> str:
    """Run a test's file in a project of its own, with nothing but the hub installed; return what pytest prints."""
    (folder / "pyproject.toml").write_text(ini)
    (folder / "test_acme.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return re.sub(r"\s+", " ", done.stdout + done.stderr)


def test_a_fixture_that_is_missing_is_described_with_the_way_out(tmp_path: Path) -> None:
    told = suite(tmp_path, SINK, "-k", "close_without_connect")

    assert "give the fixture `sink`: a method under @pytest.fixture" in told
    assert "A new sink for the healthy platform, not connected" in told
    assert "ConnectorSpec(waivers={" in told


def test_the_setting_that_the_suite_needs_is_named_and_then_it_runs(tmp_path: Path) -> None:
    without = suite(tmp_path, SINK, ini="")
    with_it = suite(tmp_path, SINK, "-k", "close_without_connect")

    assert "[tool.pytest.ini_options]" in without
    assert 'asyncio_mode = "auto"' in without
    assert "give the fixture" in with_it


def test_golden_files_that_are_missing_are_written_by_the_option_and_hold_from_then_on(tmp_path: Path) -> None:
    golden = ("-k", "golden")
    missing = suite(tmp_path, FORMAT, *golden)
    written = suite(tmp_path, FORMAT, *golden, "--refresh-golden")
    held = suite(tmp_path, FORMAT, *golden)
    (tmp_path / "golden" / "sos.platform.json").write_text('{"type": "Feature"}')
    differs = suite(tmp_path, FORMAT, *golden)

    assert "sos.event.json" in missing
    assert "pytest --refresh-golden" in missing
    assert "3 passed" in written
    assert "3 passed" in held
    assert "sos.platform.json: not what the format makes of it now" in differs


def test_a_message_without_a_sheet_gets_one(tmp_path: Path) -> None:
    (tmp_path / "golden").mkdir()
    (tmp_path / "golden" / "odd.platform.json").write_text('{"type": "FeatureCollection", "features": []}')
    options = ("-k", "read_as_written_down")
    missing = suite(tmp_path, FORMAT, *options)
    written = suite(tmp_path, FORMAT, *options, "--refresh-golden")

    assert "odd.event.json is missing: write it with `pytest --refresh-golden`" in missing
    assert "1 passed" in written
    assert (tmp_path / "golden" / "odd.event.json").is_file()


@pytest.mark.parametrize(
    ("setting", "is_found"),
    [
        ('api_key: str = Field(default="", description="Theirs.")', True),
        ('api_key: SecretStr = Field(default="", description="Theirs.")', False),
        ('api_key_file: str = Field(default="", description="Where it lies.")', False),
    ],
)
def test_a_setting_that_looks_like_a_secret_is_named_with_what_is_none(
    tmp_path: Path, setting: str, is_found: bool
) -> None:
    told = suite(tmp_path, CONFORMANCE % setting, "-k", "secrets_are_secret")

    assert is_found == ("make each of them a pydantic SecretStr" in told)
    assert is_found == ("['api_key']" in told)
    assert not is_found or 'Field(json_schema_extra={"secret": False})' in told
    assert is_found == ("1 passed" not in told)


def test_an_example_that_is_missing_is_asked_for_where_it_has_to_lie(tmp_path: Path) -> None:
    told = suite(tmp_path, CONFORMANCE % "", "-k", "unknown_setting")

    assert f"write {tmp_path / 'example.json'}: settings that are right" in told


def test_a_name_that_two_packages_give_fails_its_own_rule_and_stops_no_other(tmp_path: Path) -> None:
    for package in ("acme_a", "acme_b"):
        facts = tmp_path / f"{package}-1.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1\n")
        (facts / "entry_points.txt").write_text("[bondmate_hub.connectors]\nsample = acme:CONNECTOR\n")
    (tmp_path / "acme.py").write_text("from bondmate_connectors.testing.sample import CONNECTOR\n")
    code = "from bondmate_connectors.testing.conformance import ConformanceContract as Suite\n"
    said = suite(tmp_path, f"{code}class TestAll(Suite): ...\n", "-k", "names_agree")

    assert "two packages give a connector of this name" in said
    assert re.search(r"1 failed, [4-9] passed", said), said
