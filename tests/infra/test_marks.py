"""`hub devices duress-end`: a named person ends it, for a reason that is logged first; nobody else's mark is touched."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime

import command_line
import pytest
from bondmate_hub.connectors.instances import instances
from bondmate_hub.routes.findings import open_rooms
from bondmate_hub.settings import load
from bondmate_schemas.catalogue import AUDIT, DEVICE_MARKS
from bondmate_schemas.codec import Codec
from bondmate_schemas.duress import BEGUN, ENDED, is_under, mark_id
from bondmate_schemas.models import AuditRecord, DeviceMark
from bondmate_streams.logic.audit import breaks
from bondmate_streams.logic.routes_yaml import parse_routes
from confluent_kafka import Producer

SETTINGS = """
connectors:
  tak: {connector: tak, settings: {host: 127.0.0.1, mode: ACTUAL}}
  safe: {connector: tak, settings: {host: 127.0.0.1, mode: ACTUAL, duress_contacts: {desk-1: DESK}}}
"""


def ending(hub, *arguments: str) -> subprocess.CompletedProcess[str]:
    given = ("--config", str(hub.folder / "hub.yaml"), "--json")
    return command_line.hub("devices", "duress-end", *arguments, *given, cwd=hub.folder)


@pytest.mark.parametrize("new_broker", ["embedded"], indirect=True)
def test_a_named_person_ends_it_once_and_for_a_reason_that_is_logged(dlq_hub):
    hub = dlq_hub()
    begun = DeviceMark(
        mark_id=mark_id(BEGUN, "bm-1"),
        device_id="bm-1",
        mark=BEGUN,
        since=datetime(2026, 5, 1, tzinfo=UTC),
        event_id="e",
    )
    producer = Producer(hub.kafka.producer("test"))
    producer.produce(DEVICE_MARKS, Codec(hub.ids).encode(begun), begun.mark_id)
    assert producer.flush(30) == 0
    who = ("--operator", "inspector 4711", "--reason", "seen safe by unit 7")
    nameless, other = ending(hub, "bm-1", "--reason", "safe"), ending(hub, "bm-2", *who)
    done, again = ending(hub, "bm-1", *who), ending(hub, "bm-1", *who)
    marks = {mark.mark_id: mark for mark in hub.records(DEVICE_MARKS, DeviceMark)}
    logged = hub.records(AUDIT, AuditRecord)

    assert (2, 1, 0, 1) == (nameless.returncode, other.returncode, done.returncode, again.returncode), done.stderr
    assert "no officer is under duress at this device\n" == again.stderr
    assert "inspector 4711" == json.loads(done.stdout)["operator"]
    assert begun == marks[begun.mark_id]
    assert not is_under(begun, marks[mark_id(ENDED, "bm-1")])
    assert [("inspector 4711", "seen safe by unit 7", ("duress_end",), "e")] == [
        (one.recipient, one.purpose, one.fields, one.event_id) for one in logged
    ]
    assert [] == breaks(logged)


def test_lint_names_the_open_rooms_that_duress_would_be_led_to(tmp_path):
    (tmp_path / "hub.yaml").write_text(f"instance: test\n{SETTINGS}")
    configured = instances(load(tmp_path / "hub.yaml"))
    rule = (
        "destinations: {{tak: {{}}, safe: {{}}, cap: {{}}}}\nroutes: [{{name: a, when: {{record: alert{}}}, to: {}}}]"
    )

    def told(kinds: str, to: str) -> list[str]:
        return [one.split(":")[0] for one in open_rooms(parse_routes(rule.format(kinds, to)), configured)]

    assert ["connectors.tak.settings.duress_contacts"] == told("", "[tak, safe, cap]")
    assert ["connectors.tak.settings.duress_contacts"] == told(", kind: [DURESS]", "[tak]")
    assert [] == told(", kind: [SOS]", "[tak]") == told("", "[safe, cap]")
