"""What 3c40877 remembered of one alert in two partitions becomes one truth, and is not counted until it has."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.partitions import partition_of
from bondmate_kafka.provisioning import apply
from bondmate_schemas import catalogue
from bondmate_schemas.catalogue import RECEIPTS, STATE_ALERTS, changelog_topic, destination_topic
from bondmate_schemas.enums import AlertStatus, Level, Response
from bondmate_schemas.models import AlertState, Delivery, DestinationState, DeviceMemory
from bondmate_streams.logic import timers
from bondmate_streams.logic.healing import is_worth_keeping, one_alert
from confluent_kafka.admin import AdminClient
from hypothesis import given
from hypothesis import strategies as st

from tests.streams.foreign import misplaced
from tests.streams.logic.test_statements import ASSIGNED, STEPS, Played

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
TAK = destination_topic("tak")


@pytest.fixture(scope="module")
def state(make: Any) -> Callable[..., AlertState]:
    def build(
        levels: dict[str, Level], status: AlertStatus = AlertStatus.ROUTED, at: datetime = NOW, name: str = "event-1"
    ) -> AlertState:
        alert = make.alert(f"device-{name}", event_id=name)
        destinations = {room: DestinationState(level=level, changed_at=at) for room, level in levels.items()}
        return AlertState(header=alert.header, device_id=alert.device_id, status=status, alert=alert,
                          destinations=destinations, changed_at=at)  # fmt: skip

    return build


levels = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.sampled_from(Level), max_size=3)
statuses = st.sampled_from([AlertStatus.ROUTED, AlertStatus.ACKNOWLEDGED, AlertStatus.RESOLVED, AlertStatus.CANCELLED])


@given(st.tuples(levels, statuses), st.tuples(levels, statuses), st.integers(-9, 9))
def test_one_alert_of_two_says_all_that_both_said_and_merging_ends(state, one, another, later) -> None:
    (ours, status), (theirs, other) = one, another
    kept, stray = state(ours, status), state(theirs, other, NOW + timedelta(seconds=later))
    merged = one_alert(kept, stray)
    closed = {AlertStatus.RESOLVED, AlertStatus.CANCELLED}

    assert merged == one_alert(merged, stray)
    assert merged.status in closed or not {status, other} & closed
    if status in closed:
        assert kept == merged
    elif other not in closed:
        assert set(ours) | set(theirs) == set(merged.destinations)


def test_an_acknowledgement_taken_astray_is_not_lost(state: Callable[..., AlertState]) -> None:
    kept = state({"tak": Level.DELIVERED, "cap": Level.ACCEPTED})
    stray = state({"tak": Level.ACKNOWLEDGED, "cap": Level.DELIVERED}, AlertStatus.ACKNOWLEDGED)
    merged = one_alert(kept, stray)

    assert AlertStatus.ACKNOWLEDGED is merged.status
    assert {"tak": Level.ACKNOWLEDGED, "cap": Level.ACCEPTED} == {n: at.level for n, at in merged.destinations.items()}


@pytest.mark.parametrize("turned", [True, False])
def test_help_taken_back_stays_taken_back_whichever_of_two_is_kept(*, turned: bool) -> None:
    played = Played()
    played.seconds = 5
    played.says("county", **ASSIGNED)
    before = played.state
    played.seconds = 60
    played.says("county", response=Response.WITHDRAWN)
    after = played.state
    merged = one_alert(after, before) if turned else one_alert(before, after)

    assert (after.status, after.round, after.round_began_at, after.answered_rounds) == (
        merged.status, merged.round, merged.round_began_at, merged.answered_rounds,
    )  # fmt: skip
    assert after.destinations["county"] == merged.destinations["county"]
    assert timers.next_due(merged, [], STEPS, after.changed_at) is not None


def test_what_is_so_old_that_it_was_forgotten_at_home_stays_forgotten(state: Callable[..., AlertState]) -> None:
    week = timedelta(days=7)

    assert is_worth_keeping(state({}), NOW + timedelta(days=6), week)
    assert not is_worth_keeping(state({}), NOW + timedelta(days=8), week)


def home_of(key: str) -> int:
    return partition_of(key.encode(), catalogue.PARTITIONS)


def put(topics: Any, topic: str, key: str, record: Any, places_on: int) -> None:
    partition = (home_of(key) + places_on) % catalogue.PARTITIONS
    topics.put_bytes(topic, key.encode(), topics.codec.encode(record), partition=partition)


def test_two_states_of_an_alert_become_one_at_the_next_start(  # noqa: PLR0917
    topics: Any, make: Any, configured: Any, running: Any, tmp_path: Path, state: Callable[..., AlertState]
) -> None:
    now = datetime.now(UTC)
    told = {"tak": Level.DELIVERED, "cap": Level.ACCEPTED}
    acknowledged = {"tak": Level.ACKNOWLEDGED}
    two = [f"two-{number}" for number in range(8)]
    for name in two:  # both in one partition's life: a receipt was taken astray
        put(topics, STATE_ALERTS, name, state(told, at=now, name=name), 0)
        put(topics, STATE_ALERTS, name, state(acknowledged, AlertStatus.ACKNOWLEDGED, now, name), 1)
    put(topics, STATE_ALERTS, "closed", state(told, AlertStatus.RESOLVED, now, "closed"), 0)
    put(topics, STATE_ALERTS, "closed", state(told, at=now, name="closed"), 2)
    put(topics, STATE_ALERTS, "alone", state(told, at=now, name="alone"), 3)
    put(topics, STATE_ALERTS, "old", state(told, at=now - timedelta(days=30), name="old"), 1)
    put(topics, changelog_topic("devices"), "device-m", DeviceMemory(device_id="device-m"), 1)
    streams = running(configured(tmp_path))
    try:
        wait_until(lambda: {"old"} == {(one.key or b"").decode() for one in misplaced(latest(topics, STATE_ALERTS))})
        wait_until(lambda: not misplaced(latest(topics, changelog_topic("devices"))))
        for name in (*two, "alone"):
            topics.put(RECEIPTS, make.receipt(name, "cap", Level.ACKNOWLEDGED))
        ends = {*two, "alone"}
        wait_until(lambda: ends == {name for name, at in standing(topics).items()
                                    if at.destinations["cap"].level is Level.ACKNOWLEDGED})  # fmt: skip
    finally:
        streams.stop()

    found = standing(topics)
    assert {Level.ACKNOWLEDGED} == {found[name].destinations["tak"].level for name in two}
    assert AlertStatus.RESOLVED is found["closed"].status
    assert Level.DELIVERED is found["alone"].destinations["tak"].level
    assert home_of("device-m") == next(one.partition for one in latest(topics, changelog_topic("devices")))
    assert [] == [d for d in topics.records(TAK, Delivery) if d.header.event_id == "old"]


def latest(topics: Any, topic: str) -> list[Any]:
    """Return what stands on a compacted topic: the last record of each key of each partition, but for tombstones."""
    last = {(one.partition, one.key): one for one in topics.all(topic)}
    return [one for one in last.values() if one.value is not None]


def standing(topics: Any) -> dict[str, AlertState]:
    found = latest(topics, STATE_ALERTS)
    return {(one.key or b"").decode(): topics.codec.decode(one.value, AlertState) for one in found}


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.kafka
@pytest.mark.parametrize("new_broker", ["apache"], indirect=True)  # what lies on its topics is counted
def test_two_workers_heal_what_lies_with_the_other(  # noqa: PLR0917
    new_broker: Any, topics: Any, routes: Any, routes_text: str, tmp_path: Path, worker: Any,
    state: Callable[..., AlertState],
) -> None:  # fmt: skip
    kafka = KafkaConfig(new_broker.bootstrap, "http://127.0.0.1:9", {"log_level": 0})
    admin = AdminClient({"bootstrap.servers": new_broker.bootstrap})
    apply(admin, catalogue.topics(routes.destinations), limits=new_broker.limits)
    topics = type(topics)(kafka)

    @contextmanager
    def both() -> Iterator[None]:
        with (
            worker(kafka, tmp_path / "a", routes_text, instance="a") as first,
            worker(kafka, tmp_path / "b", routes_text, instance="b") as second,
        ):
            wait_until_ready(first, second)
            yield
            assert None is first.poll() is second.poll()

    with both():
        wait_until(lambda: 2 == sum(map(bool, members(admin).values())))
    # Killed and back within their session, each has the partitions that it had.
    now, names = datetime.now(UTC), [f"both-{number}" for number in range(24)]
    for number, name in enumerate(names):
        if number % 3:  # else it lies astray alone
            put(topics, STATE_ALERTS, name, state({"tak": Level.DELIVERED}, at=now, name=name), 0)
        stray = state({"tak": Level.ACKNOWLEDGED}, AlertStatus.ACKNOWLEDGED, now, name)
        put(topics, STATE_ALERTS, name, stray, 1 + number % 3)
    with both():
        wait_until(lambda: not misplaced(latest(topics, STATE_ALERTS)))
        shares = members(admin)

    assert 2 == sum(map(bool, shares.values()))
    assert {Level.ACKNOWLEDGED} == {at.destinations["tak"].level for at in standing(topics).values()}
    assert set(names) == set(standing(topics))


def wait_until_ready(*children: Any) -> None:
    for child in children:
        assert "ready\n" in iter(child.stdout.readline, ""), "the worker ended"


def members(admin: AdminClient) -> dict[str, int]:
    """Return how many partitions each worker has; none while they are shared anew."""
    about: Any = admin.describe_consumer_groups([catalogue.STREAMS_APP])[catalogue.STREAMS_APP].result(20)
    return {member.group_instance_id: len(member.assignment.topic_partitions) for member in about.members}
