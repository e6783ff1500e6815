"""`hub drill` on a whole hub: the room has it, a person answers, the room is dead and it says where, it is back."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bondmate_demo.cap_room import CAP, signature
from bondmate_gateway.enrolment.commands import Enrolment, enrol
from bondmate_hub.broker.child import free_port
from bondmate_schemas.catalogue import PAGES, dead_letter_topic, destination_topic
from bondmate_schemas.models import Delivery, OperationsPage
from lxml import etree
from page_receivers import Inbox, inbox

SECONDS = 120
SECRET = "secret-of-the-drills"  # pragma: allowlist secret
ROUTES = """\
destinations:
  room: {drill: true, fields: {alert: {text: plain}}}
  other: {modes: [ACTUAL, TEST], fields: {alert: {text: plain}}}
routes:
  - {name: all, when: {record: alert}, to: [other, room], escalate: [{after_seconds: 1, page: true}]}
page_after_seconds: 1
"""
HUB = """\
streams: {{routes: routes.yaml, pseudonym_secret: a-secret-of-tests-only}}
monitoring: {{ports: {{drills: {metrics}}}}}
connectors:
  devices: {{connector: device_http, settings: {{device_file: devices.yaml, port: {gateway}}}}}
  room:
    connector: cap_webhook
    agency: pd-north
    settings:
      deliver: {{url: "http://127.0.0.1:{room}/cap", secrets: [{secret}]}}
      listen: {{port: {back}, secrets: [{secret}]}}
drills:
  url: http://127.0.0.1:{gateway}
  rooms: {{room: {{token: {token}, every_seconds: 120}}, other: {{token: {other}}}}}
"""
ACK = """<?xml version="1.0" encoding="UTF-8"?>
<alert xmlns="{ns}"><identifier>ack-1</identifier><sender>room@x</sender><sent>{sent}</sent><status>Test</status>\
<msgType>Ack</msgType><scope>Private</scope><addresses>hub</addresses><references>{about}</references></alert>"""
pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(600),
    pytest.mark.parametrize("new_broker", ["embedded"], indirect=True),
]


def until(look: Callable[[], Any], what: str) -> Any:
    end = time.monotonic() + SECONDS
    while not (found := look()):
        assert time.monotonic() < end, f"not within {SECONDS} s: {what}"
        time.sleep(0.2)
    return found


@dataclass
class Stage:
    """A hub with a room of CAP that takes drills, and a destination that takes none."""

    hub: Any
    room: Inbox
    ports: dict[str, int]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "bondmate_hub", "drill", *arguments, "--config", "hub.yaml", "--json"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=self.hub.folder)

    def drill(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        child = self.start(*arguments)
        told, _ = child.communicate(timeout=SECONDS)
        return child.returncode, json.loads(told)

    def alerts(self) -> list[Any]:
        return [etree.fromstring(body) for _, body in self.room.posts]

    def acknowledge(self, alert: Any) -> None:
        """Post the Ack of a person at the room."""
        about = ",".join(alert.findtext(f"{{{CAP}}}{tag}") for tag in ("sender", "identifier", "sent"))
        sent = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S-00:00")
        body, stamp = ACK.format(ns=CAP, sent=sent, about=about).encode(), str(int(time.time()))
        headers = {"webhook-id": "ack-1", "webhook-timestamp": stamp, "content-type": "application/cap+xml",
                   "webhook-signature": signature(SECRET.encode(), "ack-1", stamp, body)}  # fmt: skip
        request = urllib.request.Request(f"http://127.0.0.1:{self.ports['back']}/cap", body, headers)
        with urllib.request.urlopen(request) as answer:
            assert 200 == answer.status

    def metric(self, name: str) -> float:
        """Return the sum of all samples whose line begins with `name`; -1: there is none."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['metrics']}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        found = [float(line.split()[-1]) for line in lines if line.startswith(name)]
        return sum(found) if found else -1.0


@pytest.fixture
def stage(dlq_hub: Any, tmp_path: Path) -> Iterator[Stage]:
    (tmp_path / "routes.yaml").write_text(ROUTES, encoding="utf-8")
    known = {"agency": "pd-north", "mode": "TEST"}
    tokens = [enrol(tmp_path / "devices.yaml", Enrolment(f"drill-{n}", **known, drill=n)) for n in ("room", "other")]
    ports = {name: free_port() for name in ("gateway", "back", "metrics")}
    with ExitStack() as stack:
        room = stack.enter_context(inbox())
        text = HUB.format(room=room.port, secret=SECRET, token=tokens[0], other=tokens[1], **ports)
        hub = dlq_hub(text)
        stack.enter_context(hub.running("streams", "gateway", "runner", "drills"))
        yield Stage(hub, room, ports)


def test_a_drill_says_how_far_it_came_and_a_dead_room_is_known_before_an_officer_needs_it(stage: Stage) -> None:
    until(lambda: stage.drill("room", "--seconds", "20")[0] == 0, "the hub is up and a drill arrives")
    _arrives_in_order_marked_as_a_test(stage)
    _claims_a_person_only_when_one_answers(stage)
    _goes_nowhere_else(stage)
    _dead_room(stage)
    until(lambda: stage.metric('hub_drills_total{destination="room"') > 0, "the role has sent one")
    _is_back(stage)


def _arrives_in_order_marked_as_a_test(stage: Stage) -> None:
    code, told = stage.drill("room")

    hops = [(hop["hop"], hop["seconds"]) for hop in told["hops"]]
    assert (0, True, None) == (code, told["ok"], told["stopped_at"])
    assert ["received", "routed", "delivered"] == [name for name, _ in hops]
    assert sorted(seconds for _, seconds in hops) == [seconds for _, seconds in hops]
    assert {"Test"} == {alert.findtext(f"{{{CAP}}}status") for alert in stage.alerts()}


def _claims_a_person_only_when_one_answers(stage: Stage) -> None:
    code, told = stage.drill("room", "--until", "answered", "--seconds", "3")
    assert (1, "answered") == (code, told["stopped_at"])

    before = len(stage.room.posts)
    child = stage.start("room", "--until", "answered", "--seconds", "40")
    until(lambda: len(stage.room.posts) > before, "the room has it")
    stage.acknowledge(stage.alerts()[-1])
    answer = json.loads(child.communicate(timeout=SECONDS)[0])
    assert (0, "seen") == (child.returncode, answer["hops"][-1]["said"])


def _goes_nowhere_else(stage: Stage) -> None:
    """It went to the room alone though a route names both, and where no drills are taken it is over at once."""
    code, told = stage.drill("other")

    assert (1, "routed", True) == (code, told["stopped_at"], "`drill: true`" in told["hint"])
    assert [] == stage.hub.records(destination_topic("other"), Delivery)


def _dead_room(stage: Stage) -> None:
    stage.room.status = 503
    code, told = stage.drill("room", "--seconds", "5")

    assert (1, "delivered") == (code, told["stopped_at"])
    assert ["received", "routed"] == [hop["hop"] for hop in told["hops"]]
    until(lambda: ("drill_failed", "room") in _pages(stage), "the hub has ended it, and pages")


def _pages(stage: Stage) -> set[tuple[str, str]]:
    return {(page.reason, page.subject) for page in stage.hub.records(PAGES, OperationsPage)}


def _is_back(stage: Stage) -> None:
    stage.room.status = 200
    until(lambda: stage.drill("room", "--seconds", "30")[0] == 0, "a drill arrives again")
    until(lambda: stage.metric('hub_drill_failed{destination="room"}') == 0, "the role's last drill arrived")

    # What the connector itself has to say of a room that is away is not the drill's.
    assert {("drill_failed", "room")} == _pages(stage) - {("connector_down", "room")}
    assert [] == stage.hub.read(dead_letter_topic("room"))
