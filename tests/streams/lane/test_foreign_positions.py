"""Positions that strangers write with librdkafka's and Java's clients, while two lanes join and die: on Apache Kafka.

Each is told, those of one device in their order, and what is remembered of a device stands in one place.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bondmate_hub.broker.apache import ApacheBroker
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.provisioning import apply
from bondmate_schemas import catalogue
from bondmate_schemas.catalogue import DEVICE_LOCATIONS, LAST_LOCATION, dead_letter_topic, locations_topic
from bondmate_schemas.models import Delivery, DeviceLocation
from confluent_kafka.admin import AdminClient

from tests.streams.foreign import JavaStranger, Stranger, misplaced

TAK = locations_topic("tak")
DEVICES, ROUNDS, FIXES = 10, 20, 5
SECONDS = 90
LANE = """
import sys, threading
from pathlib import Path
from bondmate_schemas.codec import LocalSchemaIds
from bondmate_kafka.config import KafkaConfig
from bondmate_streams.lane.config import LaneConfig
from bondmate_streams.lane.run import run_lane
from bondmate_streams.logic.routes_yaml import parse_routes

bootstrap, folder, routes, instance, columns = sys.argv[1:]
config = LaneConfig(
    kafka=KafkaConfig(bootstrap, "", {"log_level": 0}), data_dir=Path(folder), routes=parse_routes(routes),
    secret=b"a secret of tests", schema_ids=LocalSchemaIds(), instance=instance, by_columns=columns == "columns",
)
run_lane(config, threading.Event(), lambda: print("ready", flush=True))
"""


@contextmanager
def lane(kafka: KafkaConfig, folder: Path, routes: str, instance: str, way: str) -> Iterator[subprocess.Popen[str]]:
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-c", LANE, kafka.bootstrap, str(folder), routes, instance, way]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        assert child.stdout is not None
        child.stdout.close()


def wait_until_ready(child: subprocess.Popen[str]) -> None:
    """Wait until a lane was given partitions."""
    assert child.stdout is not None
    while line := child.stdout.readline():
        if line == "ready\n":
            return
    raise AssertionError("the lane ended")


def wait_until(holds: Any, what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


@pytest.mark.kafka
@pytest.mark.parametrize("new_broker", ["apache"], indirect=True)  # what lies on its topics is counted
@pytest.mark.timeout(400)
@pytest.mark.parametrize("way", ["columns"])  # rows do the same, to the byte: test_lane_misplaced.py
def test_positions_of_strangers_are_told_in_order_while_lanes_come_and_die(  # noqa: PLR0917
    new_broker: ApacheBroker, topics: Any, make: Any, routes_text: str, routes: Any, tmp_path: Path, way: str
) -> None:
    kafka = KafkaConfig(new_broker.bootstrap, "http://127.0.0.1:9", {"log_level": 0})
    admin = AdminClient({"bootstrap.servers": new_broker.bootstrap, "log_level": 0})
    apply(admin, catalogue.topics(routes.destinations), limits=new_broker.limits)
    topics = type(topics)(kafka)
    fixes: dict[str, list[DeviceLocation]] = {}
    with ExitStack() as stack:
        strangers: dict[str, Any] = {
            "librdkafka": Stranger(kafka, "librdkafka"),
            "java": stack.enter_context(closing(JavaStranger(kafka, "murmur2"))),
            "java-random": stack.enter_context(closing(JavaStranger(kafka, "random_partition"))),
            "java-null": stack.enter_context(closing(JavaStranger(kafka, "null_key"))),
        }

        def write() -> None:
            for _ in range(ROUNDS):
                for name, stranger in strangers.items():
                    made = [make.location(f"device-{way}-{name}-{number}", callsign=f"{way}-{name}-{number}",
                                          position=make.position(at=datetime.now(UTC)))
                            for _ in range(FIXES) for number in range(DEVICES)]  # fmt: skip
                    for fix in made:
                        fixes.setdefault(str(fix.callsign), []).append(fix)
                    stranger.write(DEVICE_LOCATIONS, [(fix.device_id, topics.codec.encode(fix)) for fix in made])
                time.sleep(0.5)  # a load, not a wait: lanes are to come and die among it

        wait_until_ready(stack.enter_context(lane(kafka, tmp_path / "a", routes_text, "a", way)))
        writing = threading.Thread(target=write)
        writing.start()
        for number in range(1):
            with lane(kafka, tmp_path / "b", routes_text, "b", way) as second:
                wait_until_ready(second)
                wait_until(lambda n=number: len(fixes.get(f"{way}-java-0", ())) > (n + 1) * FIXES * 8, "nobody writes")
        stack.enter_context(lane(kafka, tmp_path / "b", routes_text, "b", way))
        writing.join(SECONDS)
        assert not writing.is_alive()
        ids = {fix.header.event_id for written in fixes.values() for fix in written}
        assert set() == topics.untold(TAK, ids)
        newest = {written[0].device_id: written[-1].sequence for written in fixes.values()}
        wait_until(lambda: newest == {d: s for d, s in remembered(topics).items() if d in newest}, "not remembered")

    told: dict[str, list[int]] = {}
    for delivery in topics.records(TAK, Delivery):
        assert delivery.location is not None
        if delivery.header.event_id in ids:
            told.setdefault(delivery.location.callsign, []).append(delivery.location.sequence)
    first = {name: list(dict.fromkeys(numbers)) for name, numbers in told.items()}
    assert {name: [fix.sequence for fix in written] for name, written in fixes.items()} == first
    assert [] == misplaced(topics.all(LAST_LOCATION))
    assert [] == topics.all(dead_letter_topic("locations"))
    again = [one for one in topics.all(DEVICE_LOCATIONS) if "bondmate.moved.times" in one.headers]
    assert {b"1"} == {one.headers["bondmate.moved.times"] for one in again}


def remembered(topics: Any) -> dict[str, int]:
    """Return the last fix of each device, by its number."""
    found = [one for one in topics.all(LAST_LOCATION) if one.value is not None]
    return {(one.key or b"").decode(): topics.codec.decode(one.value, DeviceLocation).sequence for one in found}
