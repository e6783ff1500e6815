"""The compose file says what the hub understands and opens nothing beyond this machine.

No container engine has run the file; what can be known without one is held here.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from bondmate_hub.cli import app
from bondmate_hub.roles.run import ROLES
from bondmate_hub.settings import load
from bondmate_streams.logic.routes_yaml import read_routes
from typer.main import get_command

INFRA = Path(__file__).resolve().parents[2] / "infra"
COMPOSE: dict[str, Any] = yaml.safe_load((INFRA / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
HUB = {name: service for name, service in SERVICES.items() if service.get("image") == "bondmate-hub:local"}


def test_every_role_but_the_embedded_broker_is_run_by_the_service_of_its_name() -> None:
    run = {name: service["command"][1] for name, service in HUB.items() if service["command"][0] == "run"}

    assert {role: role for role in ROLES if role != "broker"} == run


def test_every_command_of_the_hub_is_one_it_has() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for service in HUB.values():
        first, second = service["command"][:2]
        assert first in commands
        assert first == "run" or second in commands[first].commands


def test_the_settings_and_routes_are_ones_the_hub_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BONDMATE__STREAMS__PSEUDONYM_SECRET", "sixteen-or-more-characters")

    settings = load(INFRA / "compose/hub.yaml")
    routes = read_routes((INFRA / "compose/routes.yaml").read_text())

    assert set(settings.monitoring.ports) == set(ROLES) - {"broker"}
    assert not routes.routes


def test_every_service_listens_on_loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BONDMATE__STREAMS__PSEUDONYM_SECRET", "sixteen-or-more-characters")
    settings = load(INFRA / "compose/hub.yaml")

    for service in SERVICES.values():
        assert ("network_mode" in service) != ("ports" in service)
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    assert {"127.0.0.1"} == {
        settings.monitoring.host,
        settings.registry.host,
        settings.connectors["devices"].settings["host"],
        SERVICES["grafana"]["environment"]["GF_SERVER_HTTP_ADDR"],
    }
    assert "--web.listen-address=127.0.0.1:9090" in SERVICES["prometheus"]["command"]


def test_prometheus_looks_where_the_roles_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BONDMATE__STREAMS__PSEUDONYM_SECRET", "sixteen-or-more-characters")
    targets = json.loads((INFRA / "compose/targets/hub.json").read_text())
    ports = load(INFRA / "compose/hub.yaml").monitoring.ports

    assert {f"127.0.0.1:{port}": role for role, port in ports.items()} == {
        target["targets"][0]: target["labels"]["role"] for target in targets
    }
    for role, port in ports.items():
        assert f":{port}/readyz" in SERVICES[role]["healthcheck"]["test"][-1]


def test_what_is_mounted_is_there() -> None:
    mounts = [str(mount) for service in SERVICES.values() for mount in service.get("volumes", ())]
    for mount in mounts:
        source = mount.split(":")[0]
        assert source in COMPOSE["volumes"] or (INFRA / source).exists(), mount


def test_no_secret_stands_in_the_file() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search("SECRET|PASSWORD", name):
                assert value.startswith("${"), name


def test_kafka_is_the_version_the_tests_run_on() -> None:
    version = re.search(r"<version>(\d+\.\d+\.\d+)</version>", (INFRA / "kafka/pom.xml").read_text())

    assert version is not None
    assert f"apache/kafka:{version[1]}" == SERVICES["kafka"]["image"]


def test_it_says_that_nobody_has_tried_it() -> None:
    assert "UNTRIED" in (INFRA / "compose.yaml").read_text()
    assert "UNTRIED" in (INFRA / "Dockerfile").read_text()
