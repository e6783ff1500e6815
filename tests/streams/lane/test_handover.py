"""Partitions that a lane was about to hand over when it was killed, on Apache Kafka."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from bondmate_hub.broker.apache import ApacheBroker
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.provisioning import apply
from bondmate_schemas import catalogue
from bondmate_schemas.catalogue import DEVICE_LOCATIONS, locations_topic
from bondmate_schemas.catalogue import LANE_GROUP as GROUP
from bondmate_schemas.codec import LocalSchemaIds
from bondmate_streams.lane.config import LaneConfig
from bondmate_streams.lane.run import run_lane
from bondmate_streams.logic.routing import Routes
from confluent_kafka.admin import AdminClient

SECONDS = 60
KILLED_AS_IT_HANDS_OVER = """
import json, os, sys
from confluent_kafka import Consumer

def assigned(consumer, partitions):
    consumer.incremental_assign(partitions)
    print("ready", flush=True)

consumer = Consumer(json.loads(sys.argv[1]))
consumer.subscribe([sys.argv[2]], on_assign=assigned, on_revoke=lambda *_: os._exit(0))
while True:
    consumer.poll(0.1)
"""


@contextmanager
def lane(config: LaneConfig) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=run_lane, args=(config, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()


@pytest.mark.kafka
def test_partitions_that_a_killed_lane_was_handing_over_find_a_lane(
    apache_broker: ApacheBroker, topics: Any, make: Any, routes: Routes, tmp_path: Path
) -> None:
    kafka = KafkaConfig(apache_broker.bootstrap, "", {"log_level": 0})
    admin = AdminClient({"bootstrap.servers": apache_broker.bootstrap})
    apply(admin, catalogue.topics(routes.destinations), limits=apache_broker.limits)
    there = type(topics)(kafka)

    def config(instance: str) -> LaneConfig:
        return LaneConfig(
            kafka=kafka, data_dir=tmp_path / instance, routes=routes, secret=b"a secret of tests", schema_ids=LocalSchemaIds(),
            instance=instance, cooperative=True,
        )  # fmt: skip

    with handing_over(kafka, "1") as child, lane(config("2")):
        child.wait(SECONDS)
        with lane(config("1")):
            fixes = [make.location(f"device-h{number}") for number in range(50)]
            there.put(DEVICE_LOCATIONS, *fixes)
            missing = there.untold(locations_topic("tak"), {fix.header.event_id for fix in fixes})
    assert not missing


@contextmanager
def handing_over(kafka: KafkaConfig, instance: str) -> Iterator[subprocess.Popen[str]]:
    """Give a member that has all partitions, and ends when it is to give some of them to another."""
    settings = kafka.consumer(GROUP, f"{GROUP}-{instance}") | {"partition.assignment.strategy": "cooperative-sticky"}
    settings.pop("logger")  # the child logs for itself: a logger does not cross a command line
    command = [sys.executable, "-c", KILLED_AS_IT_HANDS_OVER, json.dumps(settings), DEVICE_LOCATIONS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            assert "ready\n" == child.stdout.readline()
            yield child
        finally:
            child.kill()
