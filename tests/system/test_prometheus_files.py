"""Prometheus itself takes our configuration, rule and metrics, and the rule pages when it must and only then."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from bondmate_monitoring import announce, metrics
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics import MetricWrapperBase

pytestmark = pytest.mark.system
ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "monitoring/prometheus"


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed; Debian's package prometheus has it (.ci/need prometheus)")
    return found


def run(*command: str, stdin: bytes = b"", folder: Path = FILES) -> str:
    done = subprocess.run(command, cwd=folder, input=stdin, capture_output=True, timeout=60, check=False)
    text = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, text
    return text


def test_the_configuration_and_the_rule_are_valid(promtool: str) -> None:
    assert "SUCCESS" in run(promtool, "check", "config", "prometheus.yml")
    assert "8 rules found" in run(promtool, "check", "rules", "rules.yml")


def test_the_rule_pages_when_an_alert_does_not_get_through_and_only_then(promtool: str) -> None:
    assert "SUCCESS" in run(promtool, "test", "rules", "rules_test.yml")


@pytest.mark.parametrize(("name", "arms_wanted"), [("AlertNotGettingThrough", 10), ("AlertUnanswered", 3),
                                                   ("ConnectorInTrouble", 2), ("PagesDoNotGoOut", 2),
                                                   ("UnreadTooLong", 3), ("RoleNotWorking", 2)])  # fmt: skip
def test_no_arm_of_a_rule_could_be_left_out(promtool: str, tmp_path: Path, name: str, arms_wanted: int) -> None:
    rules = yaml.safe_load((FILES / "rules.yml").read_text())
    (rule,) = (rule for rule in rules["groups"][0]["rules"] if rule["alert"] == name)
    arms = rule["expr"].split("\nor ")
    shutil.copy(FILES / "rules_test.yml", tmp_path)

    assert arms_wanted == len(arms)
    for number, arm in enumerate(arms):
        rule["expr"] = "\nor ".join(arms[:number] + arms[number + 1 :])
        (tmp_path / "rules.yml").write_text(yaml.safe_dump(rules))
        done = subprocess.run(
            [promtool, "test", "rules", "rules_test.yml"], cwd=tmp_path, capture_output=True, timeout=60, check=False
        )
        assert done.returncode == 1, f"no test needs: {arm}"


def test_every_metric_is_named_and_described_as_prometheus_wants_it(promtool: str) -> None:
    announce.role("test")
    announce.connector("test", kinds=["ALERT"], source=True)
    registry = CollectorRegistry()
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            registry.register(metric)

    assert run(promtool, "check", "metrics", stdin=generate_latest(registry)) == ""


def test_the_runbook_that_each_page_points_to_is_there() -> None:
    found = re.findall(r"runbook_url: (\S+)", (FILES / "rules.yml").read_text())

    assert 8 == len(found)
    for path, _, anchor in (url.partition("#") for url in found):
        headings = re.findall(r"^#+ (.+)$", (ROOT / path).read_text(), re.MULTILINE)
        assert anchor in {heading.lower().replace(" ", "-") for heading in headings}
