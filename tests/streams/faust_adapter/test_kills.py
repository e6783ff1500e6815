"""Workers killed at the worst moments, brokers that come late: nothing is lost."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bondmate_hub.broker.embedded import EmbeddedBroker, EmbeddedConfig
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.provisioning import apply
from bondmate_schemas import catalogue
from bondmate_schemas.catalogue import AUDIT, DEVICE_ALERTS, dead_letter_topic, destination_topic
from bondmate_schemas.models import AuditRecord, Delivery
from bondmate_streams.logic.audit import breaks
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

SECONDS = 60
STOP_SECONDS = 20
"""FAULTS, R17."""
TAK, CAP = destination_topic("tak"), destination_topic("cap")


def test_a_worker_killed_before_its_dead_letter_is_written_gets_the_event_again(  # noqa: PLR0917
    kafka: KafkaConfig, topics: Any, make: Any, routes_text: str, tmp_path: Path, worker: Any
) -> None:
    lost = make.alert("device-lost")
    letters = dead_letter_topic("alerts")
    topics.put(DEVICE_ALERTS, lost)
    with worker(kafka, tmp_path, routes_text, "failing refusing") as child:
        assert child.stdout is not None
        # By the fifth refusal faust has committed, several times, what it believes is done.
        refusals = 0
        while refusals < 5:
            line = child.stdout.readline()
            assert line, "the worker ended"
            refusals += line == "refused\n"
    assert [] == topics.all(letters)
    with worker(kafka, tmp_path, routes_text, "failing"):
        letter = topics.wait_found(letters, lambda found: found.key == b"device-lost")

    assert (topics.codec.encode(lost), b"agent_failed") == (letter.value, letter.headers["bondmate.error.code"])


@pytest.mark.system
def test_a_worker_killed_again_and_again_loses_no_alert_and_repeats_only_ids_it_had(  # noqa: PLR0917
    kafka: KafkaConfig, topics: Any, make: Any, routes_text: str, tmp_path: Path, worker: Any
) -> None:
    alerts = [make.alert(f"device-k{number}") for number in range(300)]
    wanted = {alert.header.event_id for alert in alerts}
    for start in range(0, 300, 100):
        part = alerts[start : start + 100]
        ids = {alert.header.event_id for alert in part}
        with worker(kafka, tmp_path, routes_text):
            topics.put(DEVICE_ALERTS, *part)
            topics.wait(TAK, Delivery, lambda d, ids=ids: d.header.event_id in ids, count=1 + start // 20)
    with worker(kafka, tmp_path, routes_text):
        for topic in (TAK, CAP):
            deadline = time.monotonic() + SECONDS
            while wanted - {d.header.event_id for d in topics.records(topic, Delivery)}:
                assert time.monotonic() < deadline, topic
                time.sleep(0.1)

    for topic in (TAK, CAP):
        found = Counter(
            (d.header.event_id, d.id) for d in topics.records(topic, Delivery) if d.header.event_id in wanted
        )
        assert len(wanted) == len(found)
    assert [] == breaks(topics.records(AUDIT, AuditRecord))


def test_what_waited_while_nobody_ran_is_told_by_a_worker_that_first_rebuilds_its_tables(  # noqa: PLR0917
    kafka: KafkaConfig, topics: Any, make: Any, routes_text: str, tmp_path: Path, worker: Any
) -> None:
    first, backlog = make.alert("device-w"), [make.alert(f"device-w{number}") for number in range(600)]
    topics.put(DEVICE_ALERTS, first)
    with worker(kafka, tmp_path, routes_text):
        topics.wait(TAK, Delivery, lambda d: d.header.event_id == first.header.event_id)
    topics.put(DEVICE_ALERTS, *backlog)
    wanted = {alert.header.event_id for alert in backlog}
    with worker(kafka, tmp_path, routes_text):
        topics.wait(TAK, Delivery, lambda d: d.header.event_id in wanted, count=len(wanted))

    assert wanted <= {d.header.event_id for d in topics.records(TAK, Delivery)}


def test_an_event_in_hand_comes_again_though_later_ones_of_its_partition_were_done(  # noqa: PLR0917
    kafka: KafkaConfig, topics: Any, make: Any, routes_text: str, tmp_path: Path, worker: Any
) -> None:
    held, others = make.alert("device-held"), [make.alert(f"device-h{number}") for number in range(40)]
    topics.put(DEVICE_ALERTS, held, *others)
    ids = {alert.header.event_id for alert in others}
    with worker(kafka, tmp_path, routes_text, "holding"):
        topics.wait(TAK, Delivery, lambda d: d.header.event_id in ids, count=len(ids))
        place = next(found for found in topics.all(DEVICE_ALERTS) if found.key == b"device-held")
        deadline = time.monotonic() + SECONDS
        while sum(end != committed(kafka, DEVICE_ALERTS).get(p) for p, end in ends(kafka, DEVICE_ALERTS).items()) > 1:
            assert time.monotonic() < deadline, "nothing is committed"
            time.sleep(0.1)
    assert committed(kafka, DEVICE_ALERTS).get(place.partition, 0) <= place.offset
    with worker(kafka, tmp_path, routes_text):
        topics.wait(TAK, Delivery, lambda d: d.header.event_id == held.header.event_id)


def test_a_worker_that_is_stopped_has_committed_what_it_did(  # noqa: PLR0917
    kafka: KafkaConfig, topics: Any, make: Any, configured: Callable[..., Any], running: Any, tmp_path: Path
) -> None:
    streams = running(configured(tmp_path))
    alerts = [make.alert(f"device-s{number}") for number in range(20)]
    topics.put(DEVICE_ALERTS, *alerts)
    ids = {alert.header.event_id for alert in alerts}
    topics.wait(CAP, Delivery, lambda d: d.header.event_id in ids, count=20)
    streams.stop()

    assert ends(kafka, DEVICE_ALERTS) == committed(kafka, DEVICE_ALERTS)


def ends(kafka: KafkaConfig, topic: str) -> dict[int, int]:
    consumer = Consumer(kafka.consumer("ends", "ends"))
    try:
        found = {
            p: consumer.get_watermark_offsets(TopicPartition(topic, p), 10)[1] for p in range(catalogue.PARTITIONS)
        }
    finally:
        consumer.close()
    return {partition: end for partition, end in found.items() if end}


def committed(kafka: KafkaConfig, topic: str) -> dict[int, int]:
    consumer = Consumer(kafka.consumer(catalogue.STREAMS_APP, "asks"))
    try:
        found = consumer.committed([TopicPartition(topic, p) for p in range(catalogue.PARTITIONS)], 10)
    finally:
        consumer.close()
    return {place.partition: place.offset for place in found if place.offset > 0}


def test_streams_that_start_before_their_broker_wait_for_it_and_go_on(  # noqa: PLR0917
    make: Any, routes: Any, configured: Callable[..., Any], running: Any, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    broker = EmbeddedBroker(EmbeddedConfig(tmp_path / "broker"))
    kafka = KafkaConfig(broker.bootstrap, "", {"log_level": 0})
    streams = running(configured(tmp_path / "tables", kafka=kafka))
    topics = type(request.getfixturevalue("topics"))(kafka)
    alert = make.alert("device-early")
    with broker:
        apply(
            AdminClient({"bootstrap.servers": broker.bootstrap}),
            catalogue.topics(routes.destinations),
            limits=broker.limits,
        )
        topics.put(DEVICE_ALERTS, alert)
        topics.wait(TAK, Delivery, lambda d: d.header.event_id == alert.header.event_id)
        streams.stop()


def test_streams_are_stopped_while_they_wait_for_their_broker(
    configured: Callable[..., Any], running: Any, tmp_path: Path
) -> None:
    broker = EmbeddedBroker(EmbeddedConfig(tmp_path / "broker"))
    streams = running(configured(tmp_path / "tables", kafka=KafkaConfig(broker.bootstrap, "", {"log_level": 0})))

    streams.stop()


def test_streams_whose_broker_is_gone_are_stopped_in_time_and_the_next_go_on(  # noqa: PLR0917
    make: Any, routes: Any, configured: Callable[..., Any], running: Any, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    broker = EmbeddedBroker(EmbeddedConfig(tmp_path / "broker"))
    kafka = KafkaConfig(broker.bootstrap, "", {"log_level": 0})
    before, after = make.alert("device-before"), make.alert("device-after")
    with broker:
        apply(
            AdminClient({"bootstrap.servers": broker.bootstrap}),
            catalogue.topics(routes.destinations),
            limits=broker.limits,
        )
        topics = type(request.getfixturevalue("topics"))(kafka)
        streams = running(configured(tmp_path / "tables", kafka=kafka))
        topics.put(DEVICE_ALERTS, before)
        topics.wait(TAK, Delivery, lambda d: d.header.event_id == before.header.event_id)
        broker.stop()
        begun = time.monotonic()
        streams.stop()
        assert time.monotonic() - begun < STOP_SECONDS

        broker.start()
        topics.put(DEVICE_ALERTS, after)
        streams = running(configured(tmp_path / "tables", kafka=kafka))
        topics.wait(TAK, Delivery, lambda d: d.header.event_id == after.header.event_id)
        streams.stop()
