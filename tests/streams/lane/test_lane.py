"""The location lane on a broker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from bondmate_kafka.config import KafkaConfig
from bondmate_schemas.catalogue import AUDIT, DEVICE_LOCATIONS, LAST_LOCATION, dead_letter_topic, locations_topic
from bondmate_schemas.codec import LocalSchemaIds
from bondmate_schemas.ids import pseudonym
from bondmate_schemas.models import AuditRecord, Delivery
from bondmate_streams.lane.config import LaneConfig
from bondmate_streams.lane.run import run_lane
from bondmate_streams.logic.audit import breaks
from bondmate_streams.logic.routing import Routes
from prometheus_client import REGISTRY

SECRET = b"a secret of tests"
TAK = locations_topic("tak")
CAP = locations_topic("cap")
LETTERS = dead_letter_topic("locations")


class RunningLane:
    """The lane in a thread."""

    def __init__(self, config: LaneConfig) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=run_lane, args=(config, self._stop))
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()


@pytest.fixture(scope="module")
def lane(kafka: KafkaConfig, routes: Routes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLane]:
    config = LaneConfig(
        kafka=kafka,
        data_dir=tmp_path_factory.mktemp("lane"),
        routes=routes,
        secret=SECRET,
        schema_ids=LocalSchemaIds(),
        audit_seconds=0.5,
        untaken=["cap"],
    )
    running = RunningLane(config)
    yield running
    running.stop()


def of(device: str) -> Callable[[Delivery], bool]:
    return lambda delivery: delivery.location is not None and delivery.location.device_id in (device, told(device))


def told(device: str, destination: str = "tak") -> str:
    return pseudonym(SECRET, destination, device)


@pytest.mark.usefixtures("lane")
class TestLane:
    def test_a_fix_reaches_each_destination_as_its_agreement_says(self, topics: Any, make: Any) -> None:
        fix = make.location("device-p", callsign="canary-callsign", unit="canary-unit", battery_percent=77)
        topics.put(DEVICE_LOCATIONS, fix)

        plain = topics.wait(TAK, Delivery, of("device-p"))[0]
        coarse = topics.wait(CAP, Delivery, lambda d: d.location.device_id == told("device-p", "cap"))[0]

        assert "canary-callsign" == plain.location.callsign
        assert None is plain.location.unit
        assert fix.position.latitude == plain.location.position.latitude
        assert fix.position.latitude != coarse.location.position.latitude
        assert None is coarse.location.callsign

    def test_positions_for_who_takes_none_are_counted(self, topics: Any, make: Any) -> None:
        counted = partial(REGISTRY.get_sample_value, "hub_untaken_deliveries_total")
        before = counted({"destination": "cap", "kind": "LOCATION"}) or 0
        topics.put(DEVICE_LOCATIONS, make.location("device-u"))
        topics.wait(CAP, Delivery, lambda d: d.location.device_id == told("device-u", "cap"))
        topics.wait(TAK, Delivery, of("device-u"))

        assert before + 1 == counted({"destination": "cap", "kind": "LOCATION"})
        assert None is counted({"destination": "tak", "kind": "LOCATION"})

    def test_a_late_fix_is_kept_and_marked_and_the_last_location_stays(self, topics: Any, make: Any) -> None:
        now = datetime.now(UTC)
        newest = make.location("device-l", position=make.position(51.0, 4.0, now))
        older = make.location("device-l", position=make.position(50.0, 4.0, now - timedelta(minutes=1)))
        topics.put(DEVICE_LOCATIONS, newest)
        topics.wait(TAK, Delivery, of("device-l"))
        topics.put(DEVICE_LOCATIONS, older)

        both = topics.wait(TAK, Delivery, of("device-l"), count=2)
        last = [found for found in topics.all(LAST_LOCATION) if found.key == b"device-l"][-1]

        assert [(), ("late",)] == [delivery.header.flags for delivery in both]
        assert 51.0 == topics.codec.decode(last.value, type(newest)).position.latitude

    def test_the_same_fix_twice_is_told_once(self, topics: Any, make: Any) -> None:
        fix = make.location("device-r")
        topics.put(DEVICE_LOCATIONS, fix, fix, make.location("device-r"))

        topics.wait(TAK, Delivery, of("device-r"), count=2)

        assert 2 == len([d for d in topics.records(TAK, Delivery) if of("device-r")(d)])

    def test_end_of_shift_takes_the_last_location_away(self, topics: Any, make: Any) -> None:
        topics.put(DEVICE_LOCATIONS, make.location("device-s"))
        topics.wait_found(LAST_LOCATION, lambda found: found.key == b"device-s")
        topics.put(DEVICE_LOCATIONS, make.location("device-s", on_duty=False))

        tombstone = topics.wait_found(LAST_LOCATION, lambda found: found.key == b"device-s" and found.value is None)

        assert None is tombstone.value
        assert 1 == len([d for d in topics.records(TAK, Delivery) if of("device-s")(d)])

    def test_what_is_no_fix_or_no_record_is_dead_lettered_with_its_bytes_and_the_lane_goes_on(
        self, topics: Any, make: Any
    ) -> None:
        nowhere = make.location("device-n", position=make.position(0.0, 0.0))
        topics.put(DEVICE_LOCATIONS, nowhere)
        topics.put_bytes(DEVICE_LOCATIONS, b"device-n", b"no avro at all", [("trace", b"kept")])
        topics.put(DEVICE_LOCATIONS, make.location("device-n"))

        poison = topics.wait_found(LETTERS, lambda found: found.value == b"no avro at all")
        zero = topics.wait_found(LETTERS, lambda found: found.value == topics.codec.encode(nowhere))
        topics.wait(TAK, Delivery, of("device-n"))

        assert b"device-n" == poison.key
        assert b"kept" == poison.headers["trace"]
        assert b"no_frame" == poison.headers["bondmate.error.code"]
        assert b"no_fix" == zero.headers["bondmate.error.code"]

    def test_disclosures_are_logged_together_in_an_unbroken_chain(self, topics: Any, make: Any) -> None:
        subject = pseudonym(SECRET, "audit", "device-audited")
        topics.put(DEVICE_LOCATIONS, *(make.location("device-audited") for _ in range(5)))
        deadline = time.monotonic() + 30
        while (logged := disclosed(topics, subject)) != {
            name: len(topics.all(locations_topic(name))) for name in logged
        }:
            assert time.monotonic() < deadline, logged
            time.sleep(0.05)

        assert {"tak", "cap"} == set(logged)
        assert [] == breaks(topics.records(AUDIT, AuditRecord))


def disclosed(topics: Any, subject: str) -> dict[str, int]:
    """Count what was logged by destination, once the subject is among it."""
    found: Counter[str] = Counter()
    subjects: set[str] = set()
    for record in topics.records(AUDIT, AuditRecord):
        found[record.recipient] += record.event_count
        subjects.update(record.subjects)
    return dict(found) if subject in subjects else {"tak": -1}


CHILD = """
import sys, threading
from pathlib import Path
from bondmate_schemas.codec import LocalSchemaIds
from bondmate_kafka.config import KafkaConfig
from bondmate_streams.lane.config import LaneConfig
from bondmate_streams.lane.run import run_lane
from bondmate_streams.logic.routes_yaml import parse_routes

bootstrap, folder, routes = sys.argv[1:]
run_lane(
    LaneConfig(
        kafka=KafkaConfig(bootstrap, "", {"log_level": 0}), data_dir=Path(folder), routes=parse_routes(routes),
        secret=b"a secret of tests", schema_ids=LocalSchemaIds(), instance="killed", batch=20,
    ),
    threading.Event(),
)
"""


def test_a_killed_lane_loses_no_fix_and_repeats_only_ids_it_had(
    kafka: KafkaConfig, topics: Any, make: Any, routes_text: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", CHILD, kafka.bootstrap, str(tmp_path), routes_text]
    fixes = [make.location(f"device-k{number % 7}") for number in range(300)]
    wanted = {fix.header.event_id for fix in fixes}
    for start in range(0, 300, 100):
        part = fixes[start : start + 100]
        child = subprocess.Popen(command)
        topics.put(DEVICE_LOCATIONS, *part)
        ids = {fix.header.event_id for fix in part}
        topics.wait(TAK, Delivery, lambda d, ids=ids: d.header.event_id in ids)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    last = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + 60
        while wanted - {d.header.event_id for d in topics.records(TAK, Delivery)}:
            assert time.monotonic() < deadline
    finally:
        last.kill()
        last.wait()

    found = Counter((d.header.event_id, d.id) for d in topics.records(TAK, Delivery) if d.header.event_id in wanted)
    assert len(wanted) == len(found)
