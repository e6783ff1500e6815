"""A worker of today goes on with what a worker of an earlier commit left on topics and on disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bondmate_kafka.config import KafkaConfig
from bondmate_schemas.catalogue import AUDIT, RECEIPTS, STATE_ALERTS, destination_topic
from bondmate_schemas.codec import Codec, LocalSchemaIds
from bondmate_schemas.enums import AlertStatus, DeliveryReason, Level
from bondmate_schemas.models import AlertState, AuditRecord, Delivery
from bondmate_streams.logic.audit import breaks
from bondmate_streams.logic.routes_yaml import parse_routes as parse
from confluent_kafka import Consumer, TopicPartition
from earlier import EARLIER, has_earlier, unpack_earlier

pytestmark = pytest.mark.skipif(not has_earlier(), reason=f"the history does not reach back to {EARLIER}")
TAK = destination_topic("tak")
DEVICE = "device-of-earlier"
GROUP = "bondmate-streams"
ROUTES = """
destinations: {tak: {modes: [EXERCISE], fields: {alert: {text: plain}}}}
routes: [{name: alerts, when: {record: alert}, to: tak}]
"""

WORKER = """
import asyncio, json, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from bondmate_schemas.catalogue import DEVICE_ALERTS
from bondmate_schemas.codec import RECORDS, Codec, LocalSchemaIds, schema_text
from bondmate_schemas.enums import AlertAction, AlertKind, Mode
from bondmate_schemas.kafka import KafkaConfig
from bondmate_schemas.models import DeviceAlert, EventHeader
from bondmate_streams.agents.config import StreamsConfig
from bondmate_streams.agents.run import run_streams
from bondmate_streams.logic.routes_yaml import parse_routes
from confluent_kafka import Producer

bootstrap, folder, routes, device = sys.argv[1:]
kafka = KafkaConfig(bootstrap, "", {"log_level": 0})
config = StreamsConfig(
    kafka=kafka, data_dir=Path(folder), routes=parse_routes(routes), secret=b"a secret of tests",
    schema_ids=LocalSchemaIds(), commit_seconds=0.1,
)
now = datetime.now(UTC)
header = EventHeader(message_id="earlier-1", event_id="earlier-1", agency_id="agency-1", mode=Mode.EXERCISE,
                     occurred_at=now, received_at=now, source="device_http")
alert = DeviceAlert(header=header, device_id=device, action=AlertAction.RAISE, kind=AlertKind.SOS)
producer = Producer(kafka.producer("earlier"))
producer.produce(DEVICE_ALERTS, key=device.encode(), value=Codec(LocalSchemaIds()).encode(alert))
assert producer.flush(30) == 0
print(json.dumps([schema_text(name) for name in RECORDS]), flush=True)

async def run():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await run_streams(config, stop)

asyncio.run(run())
"""


class Registry(LocalSchemaIds):
    """Ids as a registry gives them: those of an earlier schema stay its own."""

    def __init__(self, earlier: list[str]) -> None:
        super().__init__()
        self._earlier = earlier

    def id_of(self, record: str) -> int:
        return 1_000 + super().id_of(record)

    def schema_of(self, schema_id: int) -> str:
        return super().schema_of(schema_id - 1_000) if schema_id > 1_000 else self._earlier[schema_id - 1]


@dataclass
class Left:
    """What the earlier worker left."""

    topics: Any
    schema_ids: Registry
    data_dir: Path
    names: set[str]
    """Of the folders and files on its disk."""
    committed: int


@pytest.fixture
def left(kafka: KafkaConfig, topics: Any, tmp_path: Path) -> Left:
    """Run the worker of the earlier commit until an alert was told and is committed."""
    code, data_dir = tmp_path / "earlier", tmp_path / "tables"
    unpack_earlier(code, "schemas", "monitoring", "streams")
    paths = os.pathsep.join(str(code / room) for room in ("schemas", "monitoring", "streams"))
    command = [sys.executable, "-W", "ignore", "-c", WORKER, kafka.bootstrap, str(data_dir), ROUTES, DEVICE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": paths}) as child:
        try:
            assert child.stdout is not None
            ids = Registry(json.loads(child.stdout.readline()))
            topics = type(topics)(kafka, Codec(ids))
            topics.wait(TAK, Delivery, lambda one: one.reason is DeliveryReason.NEW)
            child.terminate()
            assert 0 == child.wait(60)
        finally:
            child.kill()
    return Left(topics, ids, data_dir, names(data_dir), committed(kafka))


def names(data_dir: Path) -> set[str]:
    """Return the names of the tables on disk."""
    return {path.name for path in data_dir.rglob("*.db")}


def committed(kafka: KafkaConfig) -> int:
    """Return how many alerts of devices the group of the streams has behind it."""
    consumer = Consumer({**kafka.consumer(GROUP, "looks"), "group.instance.id": ""})
    try:
        parts = consumer.list_topics("bondmate.device.alerts", 10).topics["bondmate.device.alerts"].partitions
        found = consumer.committed([TopicPartition("bondmate.device.alerts", part) for part in parts], 10)
        return sum(max(0, each.offset) for each in found)
    finally:
        consumer.close()


def test_an_alert_that_an_earlier_worker_raised_is_closed_by_todays(
    left: Left, configured: Any, running: Any, make: Any
) -> None:
    topics = left.topics
    before = [delivery.id for delivery in topics.records(TAK, Delivery)]
    worker = running(configured(left.data_dir, routes=parse(ROUTES), schema_ids=left.schema_ids))
    try:
        alert = topics.records(STATE_ALERTS, AlertState)[-1]
        event_id = alert.header.event_id
        topics.put(RECEIPTS, make.receipt(event_id, "tak", Level.ACKNOWLEDGED))
        topics.put(RECEIPTS, make.receipt(event_id, "tak", Level.RESOLVED))
        closed = topics.wait(STATE_ALERTS, AlertState, lambda one: one.status is AlertStatus.RESOLVED)[0]
    finally:
        worker.stop()

    assert (event_id, DEVICE) == (closed.header.event_id, closed.device_id)
    assert 1 == left.committed, "it committed what it had worked"
    assert before == [one.id for one in topics.records(TAK, Delivery) if one.reason is DeliveryReason.NEW]
    assert left.names
    assert left.names <= names(left.data_dir), "the same tables, under the same names"
    assert [] == breaks(topics.records(AUDIT, AuditRecord)), "one chain, which two workers wrote"
