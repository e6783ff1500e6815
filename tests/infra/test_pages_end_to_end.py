"""Pages reach a person: the streams page, and a webhook, Debian's Exim and its Alertmanager have it until it is taken."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bondmate_hub.broker.child import free_port
from bondmate_schemas.catalogue import AUDIT, DEVICE_ALERTS, STATE_CONNECTORS
from bondmate_schemas.codec import Codec
from bondmate_schemas.enums import AlertAction, AlertKind, Mode
from bondmate_schemas.models import AuditRecord, ConnectorStatus, DeviceAlert, EventHeader
from confluent_kafka import Producer
from page_receivers import Alertmanager, Inbox, MailServer, alertmanager, inbox, mail_server
from standardwebhooks import Webhook

SECONDS = 120
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # pragma: allowlist secret
ROUTES = "destinations: {room: {modes: [ACTUAL]}}\nroutes: [{name: incidents, when: {record: incident}, to: room}]\n"
pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(900),
    pytest.mark.parametrize("new_broker", ["embedded"], indirect=True),
]


def until(look: Callable[[], Any], what: str) -> Any:
    end = time.monotonic() + SECONDS
    while not (found := look()):
        assert time.monotonic() < end, f"not within {SECONDS} s: {what}"
        time.sleep(0.1)
    return found


def settings(mail: Any, hook: int, manager: str, ports: dict[str, int]) -> str:
    return f"""
streams: {{routes: routes.yaml, pseudonym_secret: a-secret-of-tests-only}}
monitoring: {{ports: {{pager: {ports["metrics"]}}}}}
pages:
  repeat_seconds: 2
  steps:
    room: {{webhook: {{url: "http://127.0.0.1:{hook}/pages", secrets: ["{SECRET}"]}}}}
    prometheus: {{alertmanager: {{url: "{manager}", labels: {{team: duty}}}}}}
    duty:
      after_seconds: 1
      mail:
        host: 127.0.0.1
        port: {mail.port}
        login: {{username: bondmate, password: {mail.password}}}
        sender: hub@ops.example
        to: [duty@ops.example]
        ca_file: {mail.folder}/mail.pem
  link: {{url: "http://127.0.0.1:{ports["link"]}/pages", secret: another-secret-of-tests, port: {ports["link"]}}}
"""


def sos() -> DeviceAlert:
    now = datetime.now(UTC)
    header = EventHeader(message_id="m-1", event_id="alert-1", agency_id="agency", mode=Mode.ACTUAL, occurred_at=now,
                         received_at=now, source="device_http")  # fmt: skip
    return DeviceAlert(header=header, device_id="device-1", action=AlertAction.RAISE, kind=AlertKind.SOS)


def status(state: str) -> ConnectorStatus:
    now = datetime.now(UTC)
    return ConnectorStatus(connector="cad", reported_at=now, interval_seconds=3600, status=state, since=now)


class Pager:
    """The role as a process, and what it and `hub pages` say."""

    def __init__(self, hub: Any, ports: dict[str, int]) -> None:
        self.hub, self.ports, self.child = hub, ports, None

    def start(self) -> None:
        with (self.hub.folder / "pager.log").open("a") as log:
            command = [sys.executable, "-m", "bondmate_hub", "run", "pager", "--config", "hub.yaml"]
            self.child = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.hub.folder)

    def metric(self, name: str) -> float:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['metrics']}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return next(float(line.split()[-1]) for line in lines if line.startswith(name))

    def pages(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "bondmate_hub", "pages", *arguments, "--config", "hub.yaml"]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.hub.folder)


@contextmanager
def pager_of(hub: Any, ports: dict[str, int]) -> Iterator[Pager]:
    pager = Pager(hub, ports)
    pager.start()
    try:
        yield pager
    finally:
        pager.child.terminate()
        assert 0 == pager.child.wait(SECONDS)


def asked(method: str, link: str) -> int:
    try:
        with urllib.request.urlopen(
            urllib.request.Request(link, method=method, data=b"" if method == "POST" else None)
        ) as a:
            return int(a.status)
    except urllib.error.HTTPError as error:
        return error.code


@dataclass
class Stage:
    """A hub that pages, and everybody whom it pages."""

    hub: Any
    pager: Pager
    mail: MailServer
    room: Inbox
    manager: Alertmanager
    from_manager: Inbox

    def say(self, topic: str, key: str, record: Any) -> None:
        producer = Producer(self.hub.kafka.producer("test"))
        producer.produce(topic, Codec(self.hub.ids).encode(record), key.encode())
        assert producer.flush(SECONDS) == 0

    def told(self, kind: str, reason: str) -> list[dict[str, Any]]:
        """What the webhook was told of pages of this reason."""
        return [d["data"] for d in self.room.documents() if d["type"] == kind and d["data"]["reason"] == reason]

    def trail(self) -> list[tuple[str, tuple[str, ...]]]:
        """Who took pages, as the audit trail has it; the embedded broker keeps it for two minutes only."""
        found = self.hub.records(AUDIT, AuditRecord)
        return [(record.recipient, record.fields) for record in found if "page.taken" in record.fields]


@pytest.fixture
def stage(dlq_hub: Any, tmp_path: Path) -> Iterator[Stage]:
    (tmp_path / "routes.yaml").write_text(ROUTES, encoding="utf-8")
    ports = {"metrics": free_port(), "link": free_port()}
    with ExitStack() as stack:
        mail, room, from_manager = (stack.enter_context(each()) for each in (mail_server, inbox, inbox))
        manager = stack.enter_context(alertmanager(tmp_path / "alertmanager", from_manager))
        hub = dlq_hub(settings(mail, room.port, manager.url, ports))
        stack.enter_context(hub.running("streams"))
        yield Stage(hub, stack.enter_context(pager_of(hub, ports)), mail, room, manager, from_manager)


def test_pages_reach_people_through_refusals_and_a_killed_pager_until_somebody_takes_them(stage: Stage) -> None:
    _refused_and_taken_up_again(stage)
    _killed_and_knowing_what_was_sent(stage)
    _taken_by_link(stage)
    _taken_by_command(stage)
    _over_by_itself(stage)

    for headers, body in stage.room.posts:
        Webhook(SECRET).verify(body, {name.lower(): value for name, value in headers.items()})
    assert all("device" not in body.decode() for _, body in stage.room.posts)
    assert all("device" not in mail.as_string() for mail in stage.mail.mails())


def _refused_and_taken_up_again(stage: Stage) -> None:
    pager = stage.pager
    stage.room.status = 503
    stage.say(DEVICE_ALERTS, "device-1", sos())
    until(stage.manager.active, "Alertmanager has the page, though the webhook refuses and no mail server is there")
    until(lambda: stage.room.refused and pager.metric('hub_page_step_failing_seconds{step="duty"}'), "two steps fail")
    assert 1.0 == pager.metric('hub_open_pages{mode="ACTUAL"}')
    stage.room.status = 200
    stage.mail.start()
    until(stage.mail.mails, "a mail")
    until(lambda: stage.told("page.raised", "alert_unrouted"), "the webhook has it")


def _killed_and_knowing_what_was_sent(stage: Stage) -> None:
    stage.pager.child.kill()
    stage.pager.child.wait(SECONDS)
    before = len(stage.told("page.raised", "alert_unrouted"))
    stage.pager.start()
    until(lambda: len(stage.told("page.raised", "alert_unrouted")) > before, "it is repeated")

    numbers = [found["number"] for found in stage.told("page.raised", "alert_unrouted")]
    assert sorted(numbers) == numbers
    assert 1 == numbers.count(1)


def _taken_by_link(stage: Stage) -> None:
    (mail,) = until(lambda: stage.mail.mails()[-1:], "a mail")
    link = re.search(r"http://127\S+", mail.get_payload())[0]
    looks = [asked("GET", link), asked("HEAD", link), asked("PUT", link), asked("GET", link + "x")]
    still_open = stage.pager.pages("list", "--json")
    takes = [asked("POST", link), asked("POST", link), asked("GET", link)]

    assert [200, 200, 405, 404] == looks
    assert 1 == still_open.returncode
    assert '"subject": "alert-1"' in still_open.stdout
    assert [200, 410, 410] == takes
    assert ("link/duty", ("page.taken", "link/duty")) in stage.trail()
    until(lambda: stage.told("page.taken", "alert_unrouted"), "the webhook hears that it is taken")
    until(lambda: any("taken alert_unrouted" in mail["Subject"] for mail in stage.mail.mails()), "so do who have mail")
    until(lambda: [d for d in stage.from_manager.documents() if d["status"] == "resolved"], "and Alertmanager")


def _taken_by_command(stage: Stage) -> None:
    stage.say(STATE_CONNECTORS, "cad", status("PERMANENT_ERROR"))
    page_id = until(lambda: stage.told("page.raised", "connector_failed"), "a connector's page")[0]["page_id"]
    taken = stage.pager.pages("take", page_id[:12], "--operator", "kim", "--reason", "mends the setting")
    again = stage.pager.pages("take", page_id, "--operator", "lee", "--reason", "me too")
    until(lambda: stage.told("page.taken", "connector_failed"), "that it is taken")

    assert 0 == taken.returncode, taken.stderr
    assert (1, True) == (again.returncode, "taken by kim" in again.stderr)
    assert ("kim", ("page.taken",)) in stage.trail()


def _over_by_itself(stage: Stage) -> None:
    stage.say(STATE_CONNECTORS, "cad", status("FATAL_ERROR"))
    until(lambda: len({d["page_id"] for d in stage.told("page.raised", "connector_failed")}) > 1, "the next trouble")
    time.sleep(6)  # a report is later than a page for certain when it is later by what clocks may differ
    stage.say(STATE_CONNECTORS, "cad", status("OK"))
    until(lambda: stage.told("page.over", "connector_failed"), "that it is over")
    until(lambda: stage.pager.metric('hub_open_pages{mode="SYSTEM"}') == 0, "no connector's page is open")

    left = [line.split()[4:] for line in stage.pager.pages("list", "--all").stdout.splitlines()]
    assert ["connector_failed", "cad", "over"] in left
