"""A worker that is stopped leaves its group: others take over at once, and a rolling restart holds nobody up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bondmate_hub.broker import Broker
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.provisioning import apply
from bondmate_schemas import catalogue
from bondmate_schemas.catalogue import DEVICE_ALERTS, destination_topic
from confluent_kafka import ConsumerGroupState
from confluent_kafka.admin import AdminClient

from bench.roll.lab import Worker, laboratory, measure, wrong

SESSION_SECONDS = 10
brokers = pytest.mark.parametrize(
    "new_broker", ["embedded", pytest.param("apache", marks=pytest.mark.kafka)], indirect=True
)


TAK = destination_topic("tak")


def wait_until_ready(child: Any) -> None:
    while line := child.stdout.readline():
        if line == "ready\n":
            return
    raise AssertionError("the worker ended")


def members(admin: AdminClient) -> dict[str, int]:
    """Return how many partitions each member of the streams' group has, by its fixed identity."""
    about: Any = admin.describe_consumer_groups([catalogue.STREAMS_APP])[catalogue.STREAMS_APP].result(10)
    assert about.state in {ConsumerGroupState.STABLE, ConsumerGroupState.EMPTY}
    return {member.group_instance_id: len(member.assignment.topic_partitions) for member in about.members}


@brokers
def test_a_stopped_worker_is_out_of_its_group_before_its_process_ends_and_comes_back_under_its_name(
    new_broker: Broker, registry: str, tmp_path: Path
) -> None:
    admin = AdminClient({"bootstrap.servers": new_broker.bootstrap, "log_level": 0})
    apply(admin, catalogue.topics(destinations=["near", "far"]), limits=new_broker.limits)
    worker = Worker(KafkaConfig(new_broker.bootstrap, registry), tmp_path, "one")
    try:
        worker.start()
        before = members(admin)
        worker.stop()
        gone = members(admin)
        worker.start()
        after = members(admin)
    finally:
        worker.kill()

    assert ["bondmate-streams-one"] == list(before)
    assert {} == gone
    assert before == after


@pytest.mark.kafka
@pytest.mark.parametrize("new_broker", ["apache"], indirect=True)
def test_workers_that_join_leave_and_are_restarted_in_turn_hold_no_alert_for_a_session(
    new_broker: Broker, tmp_path: Path
) -> None:
    with laboratory(new_broker.bootstrap, tmp_path, 50) as lab:
        held = list(measure(lab, runs=1))
        lost_or_confused = wrong(lab)

    assert ["join", "rolling restart", "leave"] == [each.change for each in held]
    assert [] == lost_or_confused
    # `make bench-roll` asks for 2 s on a quiet machine; a member that had to be missed would cost a session.
    assert max(each.longest_seconds for each in held) < SESSION_SECONDS / 2


def test_an_event_that_hangs_holds_no_other_up_when_the_group_is_shared_anew(  # noqa: PLR0917
    kafka: KafkaConfig, topics: Any, make: Any, routes_text: str, tmp_path: Path, worker: Any
) -> None:
    held, before = make.alert("device-held"), [make.alert(f"device-before{number}") for number in range(20)]
    after = [make.alert(f"device-after{number}") for number in range(20)]
    with worker(kafka, tmp_path / "a", routes_text, "holding", "a") as first:
        topics.put(DEVICE_ALERTS, held, *before)
        assert set() == topics.untold(TAK, {alert.header.event_id for alert in before})
        with worker(kafka, tmp_path / "b", routes_text, "", "b") as second:
            wait_until_ready(second)
            topics.put(DEVICE_ALERTS, *after)
            assert set() == topics.untold(TAK, {alert.header.event_id for alert in after})
            first.terminate()
            assert 0 == first.wait(SESSION_SECONDS)

            assert set() == topics.untold(TAK, {held.header.event_id})
