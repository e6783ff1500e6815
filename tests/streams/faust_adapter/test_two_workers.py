"""Workers that join and leave under load, on Apache Kafka: every alert is told, and a worker under load stops in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bondmate_hub.broker.apache import ApacheBroker
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.provisioning import apply
from bondmate_schemas import catalogue
from bondmate_schemas.catalogue import CHECK_INS, DEVICE_ALERTS, destination_topic
from bondmate_schemas.flags import CHECK_IN_MISSED
from bondmate_schemas.models import CheckIn, Delivery
from confluent_kafka.admin import AdminClient

TAK = destination_topic("tak")
STOP_SECONDS = 10
"""FAULTS, R17."""
SESSION_SECONDS = 3.5
"""Less than a broker takes by default."""


class Load:
    """Alerts, 100 a second, until told to stop; it knows what it wrote."""

    def __init__(self, topics: Any, make: Any) -> None:
        self._topics, self._make = topics, make
        self.wanted: set[str] = set()
        self._stop = threading.Event()

    @contextmanager
    def flowing(self) -> Iterator[None]:
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            self.put(10)

    def put(self, count: int) -> None:
        alerts = [self._make.alert(f"device-t{len(self.wanted) + number}") for number in range(count)]
        self.wanted |= {alert.header.event_id for alert in alerts}
        self._topics.put(DEVICE_ALERTS, *alerts)


def wait_until_ready(child: Any) -> None:
    while line := child.stdout.readline():
        if line == "ready\n":
            return
    raise AssertionError("the worker ended")


@pytest.mark.kafka
def test_every_alert_is_told_while_workers_join_stop_and_die(  # noqa: PLR0917
    apache_broker: ApacheBroker, topics: Any, make: Any, routes_text: str, routes: Any, tmp_path: Path, worker: Any
) -> None:
    kafka = KafkaConfig(apache_broker.bootstrap, "http://127.0.0.1:9", {"log_level": 0})
    admin = AdminClient({"bootstrap.servers": apache_broker.bootstrap})
    apply(admin, catalogue.topics(routes.destinations), limits=apache_broker.limits)
    load = Load(type(topics)(kafka), make)
    with worker(kafka, tmp_path / "a", routes_text, instance="a") as first:
        wait_until_ready(first)
        with load.flowing():
            for _ in range(2):
                with worker(kafka, tmp_path / "b", routes_text, instance="b") as second:
                    wait_until_ready(second)
                    time.sleep(2)
                    second.terminate()
                    assert second.wait(STOP_SECONDS) == 0
                with worker(kafka, tmp_path / "b", routes_text, instance="b") as second:
                    wait_until_ready(second)
                    time.sleep(2)
        # The last one died: its partitions come over when the broker has missed it for as long as a session may last.
        lost = type(topics)(kafka).untold(TAK, load.wanted)

    assert set() == lost
    assert len(load.wanted) > 500


@pytest.mark.kafka
def test_a_check_in_is_missed_in_time_though_its_worker_is_killed_as_it_falls_due(  # noqa: PLR0917
    apache_broker: ApacheBroker, topics: Any, make: Any, routes_text: str, routes: Any, tmp_path: Path, worker: Any
) -> None:
    kafka = KafkaConfig(apache_broker.bootstrap, "http://127.0.0.1:9", {"log_level": 0})
    admin = AdminClient({"bootstrap.servers": apache_broker.bootstrap})
    apply(admin, catalogue.topics(routes.destinations), limits=apache_broker.limits)
    here = type(topics)(kafka)
    with (
        worker(kafka, tmp_path / "a", routes_text, instance="a", session=SESSION_SECONDS) as first,
        worker(kafka, tmp_path / "b", routes_text, instance="b", session=SESSION_SECONDS) as second,
    ):
        wait_until_ready(first)
        wait_until_ready(second)
        # By then both have shares.
        due_at = datetime.now(UTC) + timedelta(seconds=10)
        alerts = [make.alert(f"device-due{number}", flags=(CHECK_IN_MISSED,)) for number in range(24)]
        owed = [CheckIn(header=a.header, device_id=a.device_id, due_at=due_at, alert=a) for a in alerts]
        here.put(CHECK_INS, *owed)
        time.sleep(max(0.0, (due_at - datetime.now(UTC)).total_seconds()))
        second.kill()
        wanted = {alert.header.event_id for alert in alerts}
        assert set() == here.untold(TAK, wanted)
        told: dict[str, float] = {}
        for delivery in here.records(TAK, Delivery):
            if delivery.header.event_id in wanted:
                sent_at = delivery.sent_at or delivery.header.published_at
                assert sent_at is not None
                told.setdefault(delivery.header.event_id, (sent_at - due_at).total_seconds())

    # On a quiet machine a second more than the session; a busy one takes its time to share anew.
    assert max(told.values()) < SESSION_SECONDS + 3
