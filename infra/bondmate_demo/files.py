"""The demo's files: settings, routes, devices, secrets, in one folder, as an integrator would write them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from bondmate_gateway.enrolment.commands import Enrolment, enrol_many
from bondmate_hub.broker.child import free_port
from bondmate_schemas.ids import pseudonym

from bondmate_demo.plan import DemoPlan
from bondmate_demo.tak_room import CALLSIGN, UID

TAK, CAP, DEVICES, PICKUP = "tak", "cap", "devices", "cap-pickup"
ROLES = ("streams", "lane", "gateway", "runner")


@dataclass(frozen=True, slots=True)
class Files:
    """Where everything of one demo is."""

    folder: Path
    tokens: dict[str, str] = field(repr=False)
    pseudonym_secret: str = field(repr=False)
    broker_port: int = field(default_factory=free_port)
    registry_port: int = field(default_factory=free_port)
    gateway_port: int = field(default_factory=free_port)
    taky_port: int = field(default_factory=free_port)
    cap_room_port: int = field(default_factory=free_port)
    cap_back_port: int = field(default_factory=free_port)
    role_ports: dict[str, int] = field(default_factory=lambda: {role: free_port() for role in ROLES})

    @property
    def config(self) -> Path:
        """The hub's settings."""
        return self.folder / "hub.yaml"

    @property
    def routes(self) -> Path:
        """Routes and agreements."""
        return self.folder / "routes.yaml"

    @property
    def devices(self) -> Path:
        """The device file."""
        return self.folder / "devices.json"

    @property
    def logs(self) -> Path:
        """Logs of the children."""
        return self.folder / "logs"

    @property
    def tak_book(self) -> Path:
        """What the TAK operator's client wrote down."""
        return self.folder / "tak-room.jsonl"

    @property
    def cap_book(self) -> Path:
        """What the CAP room wrote down."""
        return self.folder / "cap-room.jsonl"

    @property
    def cap_secret(self) -> Path:
        """The secret that the hub and the CAP room share."""
        return self.folder / "cap-secret"

    @property
    def gateway_url(self) -> str:
        """Where devices post to."""
        return f"http://127.0.0.1:{self.gateway_port}"

    @property
    def cap_back_url(self) -> str:
        """Where the CAP room posts its answers."""
        return f"http://127.0.0.1:{self.cap_back_port}/cap"

    def tak_uid(self, device_id: str) -> str:
        """Return the uid under which the TAK client knows a device: a pseudonym, as its agreement says."""
        return f"bondmate-{pseudonym(self.pseudonym_secret.encode(), TAK, device_id)}"

    def scrape_targets(self) -> list[dict[str, Any]]:
        """Return where /metrics of each role is, in Prometheus' file_sd form."""
        return [{"targets": [f"127.0.0.1:{port}"], "labels": {"role": role}} for role, port in self.role_ports.items()]


def write_files(folder: Path, plan: DemoPlan) -> Files:
    """Write everything the demo's hub reads."""
    tokens = _enrol(folder / "devices.json", plan.devices)
    files = Files(folder, tokens, secrets.token_hex(16))
    files.logs.mkdir(parents=True, exist_ok=True)
    for book in (files.tak_book, files.cap_book):
        book.unlink(missing_ok=True)
    files.cap_secret.write_text(secrets.token_hex(32), encoding="ascii")
    files.routes.write_text(yaml.safe_dump(ROUTES, sort_keys=False), encoding="utf-8")
    files.config.write_text(yaml.safe_dump(_settings(files, plan), sort_keys=False), encoding="utf-8")
    for secret in (files.config, files.cap_secret):
        secret.chmod(0o600)
    return files


def _enrol(path: Path, count: int) -> dict[str, str]:
    """Enrol the fleet as `hub devices enrol` does; gives the tokens by device."""
    path.unlink(missing_ok=True)
    return enrol_many(path, [
        Enrolment(f"bm-{number:05d}", AGENCY, "EXERCISE", officer_ref=f"o-{number:05d}",
                  unit=f"U{number // 20:03d}", callsign=f"K-{number:05d}")
        for number in range(count)
    ])  # fmt: skip


AGENCY = "demo-police"
_WHO = {"callsign": "plain", "unit": "plain"}
_OF_ITS_POSITION = {"position_origin": "plain", "position_age_seconds": "plain", "position.accuracy_m": "plain"}
ROUTES: dict[str, Any] = {
    "destinations": {
        TAK: {
            "modes": ["EXERCISE"],
            "fields": {
                "alert": {**_WHO, "position": "plain", **_OF_ITS_POSITION, "text": "plain"},
                "incident": {"title": "plain", "description": "plain", "position": "plain",
                             "position.accuracy_m": "plain",
                             "areas": "plain", "statements": "plain", "incident_type": "plain", "status": "plain"},
                "message": {"text": "plain", "callsign": "plain"},
                "location": {**_WHO, "position": "plain", "position.accuracy_m": "plain"},
            },
        },
        CAP: {
            "modes": ["EXERCISE"],
            "agency": AGENCY,
            "says_assigned": True,
            "fields": {
                "alert": {**_WHO, "position": "round:4", **_OF_ITS_POSITION, "text": "plain"},
                "incident": {"title": "plain", "description": "plain", "position": "round:3",
                             "position.accuracy_m": "plain",
                             "statements": "plain", "incident_type": "plain", "status": "plain"},
            },
        },
    },
    "routes": [
        {"name": "alerts", "when": {"record": "alert"}, "to": [TAK, CAP], "refresh_seconds": 20},
        {"name": "reports", "when": {"record": "incident", "source": [DEVICES]}, "to": [TAK, CAP]},
        {"name": "warnings", "when": {"record": "incident", "source": [PICKUP]}, "to": [TAK]},
        {"name": "positions", "when": {"record": "location"}, "to": [TAK], "newest_only": True},
        {"name": "texts", "when": {"record": "message", "direction": ["FROM_DEVICE"]}, "to": [TAK]},
    ],
}  # fmt: skip


def _settings(files: Files, plan: DemoPlan) -> dict[str, Any]:
    secret = files.cap_secret.read_text(encoding="ascii")
    connectors: dict[str, Any] = {
        DEVICES: {"connector": "device_http", "settings": {"host": "127.0.0.1", "port": files.gateway_port,
                                                           "device_file": str(files.devices)}},
        TAK: {"connector": "tak", "settings": {"host": "127.0.0.1", "port": files.taky_port, "mode": "EXERCISE",
                                               "stale_seconds": 60, "duress_contacts": {UID: CALLSIGN}}},
        CAP: {"connector": "cap_webhook", "settings": {
            "deliver": {"url": f"http://127.0.0.1:{files.cap_room_port}/cap", "secrets": [secret]},
            "listen": {"host": "127.0.0.1", "port": files.cap_back_port, "path": "/cap", "secrets": [secret]}}},
    }  # fmt: skip
    if plan.cap_dir:
        folder = str(plan.cap_dir.resolve())
        settings = {"folder": folder, "cursor_file": str(files.folder / "pickup-cursor.json"), "redate": True,
                    "exercise": True}  # fmt: skip
        connectors[PICKUP] = {"connector": "cap_pickup", "settings": settings}
    return {
        "instance": "demo",
        "data_dir": "data",
        "kafka": {"bootstrap": f"127.0.0.1:{files.broker_port}",
                  "registry_url": f"http://127.0.0.1:{files.registry_port}", "partitions": 1},
        "streams": {"routes": "routes.yaml", "pseudonym_secret": files.pseudonym_secret},
        "monitoring": {"ports": files.role_ports, "log_level": "info"},
        "connectors": connectors,
    }  # fmt: skip
