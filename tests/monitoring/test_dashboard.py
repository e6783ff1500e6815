"""The dashboard asks for metrics that exist, by labels they have, and hides no empty answer."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from bondmate_monitoring import metrics
from bondmate_monitoring.dashboard import UID, dashboard_json
from prometheus_client.metrics import MetricWrapperBase

BOARD: dict[str, Any] = json.loads(dashboard_json())
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]
TARGET_LABELS = {"job", "instance", "role", "le"}
SUFFIXES = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"], "gauge": [""]}
LABELS = {
    metric._name + suffix: {*metric._labelnames, *TARGET_LABELS}
    for metric in vars(metrics).values()
    if isinstance(metric, MetricWrapperBase)
    for suffix in SUFFIXES[metric._type]
} | dict.fromkeys(("up", "process_start_time_seconds", "process_resident_memory_bytes"), TARGET_LABELS)


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_asks_for_metrics_and_labels_that_exist(query: str) -> None:
    names = set(
        re.findall(r"\b(?:hub|connector|process)_[a-z_]+\b|\bup\b", re.sub(r"by \([^)]*\)|\{[^}]*\}", "", query))
    )
    asked = {label for inside in re.findall(r"\{([^}]*)\}", query) for label in re.findall(r"(\w+)=", inside)}
    kept = {label.strip() for inside in re.findall(r"by \(([^)]*)\)", query) for label in inside.split(",")}

    assert names
    assert names <= set(LABELS)
    assert asked | kept <= {label for name in names for label in LABELS[name]}


@pytest.mark.parametrize("query", QUERIES)
def test_no_query_hides_that_there_is_no_data(query: str) -> None:
    assert "vector" not in query
    assert " or " not in query


def test_it_is_one_dashboard_of_grafana_11_with_the_rows_people_ask_for() -> None:
    rows = [panel["title"].split(":")[0] for panel in BOARD["panels"] if panel["type"] == "row"]

    assert (UID, 41) == (BOARD["uid"], BOARD["schemaVersion"])
    assert [
        "Alerts",
        "Unread",
        "Speed",
        "Destinations",
        "Pages",
        "Drills",
        "Devices and positions",
        "Hub roles",
    ] == rows


def test_panels_do_not_overlap_and_their_queries_have_names() -> None:
    seen: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & seen
        assert place["x"] + place["w"] <= 24
        seen |= cells
        names = [target["refId"] for target in panel.get("targets", ())]
        assert len(names) == len(set(filter(None, names)))


def test_grafana_finds_dashboard_and_data_where_compose_mounts_them() -> None:
    root = Path(__file__).resolve().parents[2]
    compose = (root / "infra/compose.yaml").read_text()
    provider = (root / "monitoring/grafana/provisioning/dashboards/bondmate.yaml").read_text()

    path = re.findall(r"path: (\S+)", provider)[0]
    assert f"../monitoring/grafana/dashboards:{path}:ro" in compose
