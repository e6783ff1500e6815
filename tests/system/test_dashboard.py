"""The whole hub runs, real Prometheus scrapes it, and every query of the dashboard has data."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bondmate_hub.broker.child import free_port

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]
ROOT = Path(__file__).resolve().parents[2]
MONITORING = ROOT / "monitoring"
READY_SECONDS, DATA_SECONDS, STOP_SECONDS = 90, 90, 60
# What Grafana would put in, at a scrape every five seconds and the last five minutes shown.
NOT_OF_THE_DEMO = re.compile(r"hub_(open_pages|oldest_open_page|page_|drill)")
"""The demo has nobody to page and no room that takes drills, so it runs neither pager nor drills."""
VARIABLES = {"$__rate_interval": "30s", "$__range": "5m", "$destination": ".+"}


@dataclass
class Prometheus:
    url: str

    def ask(self, path: str, **parameters: str) -> Any:
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=10) as answer:
            return json.load(answer)["data"]

    def values(self, expression: str) -> list[str]:
        """Give the values that are numbers; a quantile of nothing is none."""
        result = self.ask("query", query=expression)["result"]
        return [value for _, value in (series["value"] for series in result) if value != "NaN"]

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError):
            return False


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("prometheus")
    for name in ("prometheus.yml", "rules.yml"):
        shutil.copy(MONITORING / "prometheus" / name, found)
    (found / "targets").mkdir()
    return found


@pytest.fixture(scope="module")
def prometheus(folder: Path) -> Iterator[Prometheus]:
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed; Debian has it (.ci/need prometheus)")
    address = f"127.0.0.1:{free_port()}"
    command = [program, "--config.file=prometheus.yml", "--storage.tsdb.path=data", f"--web.listen-address={address}"]
    with running(command, folder, folder / "prometheus.log"):
        found = Prometheus(f"http://{address}")
        wait(found.answers, 30, folder / "prometheus.log")
        yield found


@pytest.fixture(scope="module")
def hub(folder: Path, prometheus: Prometheus) -> Iterator[subprocess.Popen[bytes]]:
    targets = folder / "targets/demo.json"
    command = [sys.executable, "-m", "bondmate_hub", "demo", "--seconds", "120", "--devices", "100", "--alerts", "5",
               "--positions", "50", "--json", "--metrics-targets", str(targets)]  # fmt: skip
    with running(command, folder, folder / "hub.log") as child:
        wait(lambda: targets.exists() or child.poll() is not None, READY_SECONDS, folder / "hub.log")
        assert child.poll() is None, (folder / "hub.log").read_text()[-4000:]
        yield child


@contextmanager
def running(command: list[str], folder: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        child = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield child
        finally:
            child.terminate()
            try:
                child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def wait(condition: Callable[[], bool], seconds: float, log: Path) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s; {log.read_text()[-4000:]}"
        time.sleep(0.5)


def queries() -> dict[str, str]:
    """Give the dashboard's queries as Grafana would send them, by panel."""
    board = json.loads((MONITORING / "grafana/dashboards/bondmate-alerts.json").read_text())
    found = {}
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"]
            for name, value in VARIABLES.items():
                expression = expression.replace(name, value)
            assert "$" not in expression
            found[f"{panel['title']} {target['refId']}"] = expression
    return found


def test_every_query_of_the_dashboard_has_data_and_nobody_is_paged(
    hub: subprocess.Popen[bytes], prometheus: Prometheus, folder: Path
) -> None:
    waiting = {panel: query for panel, query in queries().items() if not NOT_OF_THE_DEMO.search(query)}
    assert len(waiting) > 20
    end = time.monotonic() + DATA_SECONDS
    while waiting and time.monotonic() < end and hub.poll() is None:
        waiting = {panel: query for panel, query in waiting.items() if not prometheus.values(query)}
        time.sleep(2)

    assert {} == waiting, (folder / "hub.log").read_text()[-2000:]
    firing = [alert for alert in prometheus.ask("alerts")["alerts"] if alert["state"] == "firing"]
    assert [] == firing
