"""Generated files say all there is to say, and leave what was written by hand alone; `make docs-check` asks if fresh."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from bondmate_hub.docs import generate, stale, write
from bondmate_hub.docs.settings_table import settings_table
from bondmate_monitoring import metrics
from bondmate_schemas.codec import AVRO_FOLDER
from openapi_spec_validator import validate
from prometheus_client.metrics import MetricWrapperBase
from pydantic import BaseModel, Field, SecretStr

ROOT = Path(__file__).resolve().parents[2]
PAGE = Path("connectors/bondmate_gateway/README.md")


@pytest.fixture(scope="module")
def texts() -> dict[Path, str]:
    return generate(ROOT)


def test_a_file_that_is_missing_or_edited_is_stale_and_written_again(tmp_path: Path) -> None:
    assert Path("docs/reference/metrics.md") in write(tmp_path)
    assert [] == stale(tmp_path)
    (tmp_path / "docs/reference/metrics.md").write_text("edited")
    (tmp_path / "docs/reference/asyncapi.yaml").unlink()

    assert [Path("docs/reference/asyncapi.yaml"), Path("docs/reference/metrics.md")] == stale(tmp_path)
    assert [Path("docs/reference/asyncapi.yaml"), Path("docs/reference/metrics.md")] == write(tmp_path)
    assert [] == write(tmp_path)


def test_what_a_connector_s_page_says_by_hand_stays(tmp_path: Path) -> None:
    page = tmp_path / PAGE
    page.parent.mkdir(parents=True)
    (page.parent / "__init__.py").touch()
    write(tmp_path)
    page.write_text(page.read_text().replace("# device_http", "# By hand") + "\nBelow, by hand.\n")

    assert [] == stale(tmp_path)
    page.write_text(page.read_text().replace("`host`", "`hots`").replace("stability", "stabilty"))
    assert [PAGE] == write(tmp_path)
    assert page.read_text().startswith("# By hand")
    assert page.read_text().endswith("Below, by hand.\n")
    assert "`host`" in page.read_text()
    assert "stability: " in page.read_text()


PYPROJECT = (
    '[project]\nname = "acme"\n[project.entry-points."bondmate_hub.connectors"]\nsample = "acme_pages:CONNECTOR"\n'
)
MODULE = "from bondmate_connectors.testing.sample import *\nfrom bondmate_connectors.testing.sample import CONNECTOR\n"
CONFIG = """
from dataclasses import replace
class Config(LedgerConfig):
    {field}: str = Field(default="", description="Where.")
CONNECTOR = replace(CONNECTOR, config=Config)
"""


def docs(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bondmate_hub", "docs", "--package", str(folder), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_page_of_a_package_of_somebody_else_is_written_and_found_stale(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    (tmp_path / "acme_pages.py").write_text(MODULE + CONFIG.format(field="place"))
    (tmp_path / "README.md").write_text("# ACME\n\nBy hand.\n")
    first, again = docs(tmp_path), docs(tmp_path, "--check")
    (tmp_path / "acme_pages.py").write_text(MODULE + CONFIG.format(field="elsewhere"))
    stale_, mended = docs(tmp_path, "--check"), docs(tmp_path)

    assert (0, "README.md\n") == (first.returncode, first.stdout), first.stderr
    assert (0, "") == (again.returncode, again.stdout)
    assert (1, f"README.md: stale; run `hub docs --package {tmp_path}`\n") == (stale_.returncode, stale_.stdout)
    assert 0 == mended.returncode
    page = (tmp_path / "README.md").read_text()
    assert page.startswith("# ACME\n\nBy hand.\n")
    assert "| `elsewhere` | string |" in page
    assert "`place`" not in page


def test_what_is_no_package_of_a_connector_is_said_with_what_to_write(tmp_path: Path) -> None:
    absent = docs(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    empty = docs(tmp_path)
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    (tmp_path / "acme_pages.py").write_text("\n1 / 0\n")
    broken = docs(tmp_path)

    assert [2, 2, 2] == [absent.returncode, empty.returncode, broken.returncode]
    assert "--package names the folder that holds pyproject.toml" in absent.stderr
    assert '[project.entry-points."bondmate_hub.connectors"]' in empty.stderr
    assert f"ZeroDivisionError at {tmp_path / 'acme_pages.py'}:2" in broken.stderr
    assert "Traceback" not in broken.stderr


def test_the_gateway_s_openapi_is_valid(texts: dict[Path, str]) -> None:
    document = yaml.safe_load(texts[Path("docs/reference/gateway-openapi.yaml")])

    validate(document)
    assert document["openapi"].startswith("3.1")
    with pytest.raises(Exception, match="paths"):
        validate(document | {"paths": 1})


def test_the_pages_name_every_type_and_every_metric(texts: dict[Path, str]) -> None:
    schemas, figures = texts[Path("docs/reference/schemas.md")], texts[Path("docs/reference/metrics.md")]

    for path in AVRO_FOLDER.glob("*.avsc"):
        assert f"### {path.stem.rpartition('.')[2]}\n" in schemas
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            assert f"| `{metric._name}" in figures


class Inner(BaseModel):
    pin: SecretStr = Field(description="A secret.", min_length=4)


class Outer(BaseModel):
    mode: str = Field(default="a|b", description="Has | in it.")
    inner: Inner | None = Field(default=None, description="May be there.")
    many: list[Inner] = Field(default_factory=list, description="Some.")
    named: dict[str, Inner] = Field(default_factory=dict, description="By name.")


def test_a_settings_table_shows_nested_settings_and_no_default_of_a_secret() -> None:
    rows = settings_table(Outer).splitlines()[2:]

    assert [
        '| `mode` | string | `"a\\|b"` | Has \\| in it. |',
        "| `inner` | section | - | May be there. |",
        "| `inner.pin` | secret length ≥ 4 | **required** | A secret. |",
        "| `many` | list of section | - | Some. |",
        "| `many[].pin` | secret length ≥ 4 | **required** | A secret. |",
        "| `named` | mapping | - | By name. |",
        "| `named.<name>.pin` | secret length ≥ 4 | **required** | A secret. |",
    ] == rows
