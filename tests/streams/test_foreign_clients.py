"""Control rooms that write with librdkafka's and Java's clients, while two workers restart and share anew: on Apache Kafka.

Every receipt counts once, no alert has two states, nothing is lost, and what one wrote for one key stays in its order.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from bondmate_hub.broker.apache import ApacheBroker
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.provisioning import apply
from bondmate_schemas import catalogue
from bondmate_schemas.catalogue import (
    DEVICE_ALERTS,
    INCIDENTS,
    MESSAGES,
    RECEIPTS,
    STATE_ALERTS,
    STATE_INCIDENTS,
    dead_letter_topic,
    destination_topic,
)
from bondmate_schemas.enums import AlertStatus, IncidentAction, Level, MessageDirection
from bondmate_schemas.models import AlertState, Delivery, DeviceMessage, IncidentState
from confluent_kafka.admin import AdminClient

from tests.streams.foreign import JavaStranger, Stranger, Writes, by_key, misplaced

TAK = destination_topic("tak")
ALERTS, ROUNDS = 12, 6
"""Of each stranger; a round is a receipt of each alert, an incident's update and a message of each device."""
LEVELS: Final = (Level.DELIVERED, Level.ACCEPTED, Level.ACKNOWLEDGED, Level.RESPONDING)
SECONDS = 90


@dataclass
class Room:
    """One stranger with alerts, an incident and devices of his own, so that only he decides their order."""

    name: str
    writer: Writes
    topics: Any
    make: Any
    alerts: list[Any] = field(default_factory=list)
    error: BaseException | None = None

    def __post_init__(self) -> None:
        self.alerts = [self.make.alert(f"device-{self.name}-{number}") for number in range(ALERTS)]
        self.incidents = [f"incident-{self.name}-{number}" for number in range(4)]
        self.messages: list[DeviceMessage] = []

    @property
    def ids(self) -> list[str]:
        return [alert.header.event_id for alert in self.alerts]

    def write(self, topic: str, *records: Any) -> None:
        self.writer.write(topic, [(catalogue.key_of(topic, each), self.topics.codec.encode(each)) for each in records])

    def round(self, number: int) -> None:
        """Say of each alert how far it is, go on with each incident, and write to each device's incident."""
        level = LEVELS[min(number, len(LEVELS) - 1)]
        note = f"{self.name} {number}" if level is Level.ACKNOWLEDGED else None
        self.write(RECEIPTS, *(self.make.receipt(event_id, "tak", level, note=note) for event_id in self.ids))
        action = IncidentAction.UPDATED if number else IncidentAction.OPENED
        self.write(INCIDENTS, *(self.make.incident(incident_id=name, title=str(number), action=action)
                                for name in self.incidents))  # fmt: skip
        said = [self.make.message(alert.device_id, incident_id=f"talk-{alert.device_id}") for alert in self.alerts[:4]]
        self.messages += said
        self.write(MESSAGES, *said)


def strangers(kafka: KafkaConfig) -> dict[str, Writes]:
    return {
        "librdkafka": Stranger(kafka, "librdkafka"),
        "librdkafka-null": Stranger(kafka, "null_key"),
        "java": JavaStranger(kafka, "murmur2"),
        "java-random": JavaStranger(kafka, "random_partition"),
        "java-null": JavaStranger(kafka, "null_key"),
    }


@contextmanager
def writing(rooms: list[Room], rounds: int) -> Iterator[Callable[[], int]]:
    """Have rooms write beside what is done; the value tells which round they are in."""
    done = [0]

    def run() -> None:
        try:
            for number in range(rounds):
                for room in rooms:
                    room.round(number)
                done[0] = number + 1
                time.sleep(2)  # a load, not a wait: the fault is to fall among it
        except BaseException as error:  # noqa: BLE001  # raised again by the test
            rooms[0].error = error

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield lambda: done[0]
    finally:
        thread.join(SECONDS)
    assert not thread.is_alive()
    if rooms[0].error is not None:
        raise rooms[0].error


def wait_until_ready(child: Any) -> None:
    while line := child.stdout.readline():
        if line == "ready\n":
            return
    raise AssertionError("the worker ended")


def wait_until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


@pytest.mark.kafka
@pytest.mark.parametrize("new_broker", ["apache"], indirect=True)  # what lies on its topics is counted
@pytest.mark.timeout(400)
def test_whatever_their_client_each_receipt_counts_once_and_no_alert_has_two_states(  # noqa: PLR0917
    new_broker: ApacheBroker, topics: Any, make: Any, routes_text: str, routes: Any, tmp_path: Path, worker: Any
) -> None:
    kafka = KafkaConfig(new_broker.bootstrap, "http://127.0.0.1:9", {"log_level": 0})
    admin = AdminClient({"bootstrap.servers": new_broker.bootstrap})
    apply(admin, catalogue.topics(routes.destinations), limits=new_broker.limits)
    topics = type(topics)(kafka)
    writers = strangers(kafka)
    rooms = [Room(name, writer, topics, make) for name, writer in writers.items()]
    with ExitStack() as stack:
        for each in writers.values():
            if isinstance(each, JavaStranger):
                stack.enter_context(closing(each))
        first = stack.enter_context(worker(kafka, tmp_path / "a", routes_text, instance="a"))
        second = stack.enter_context(worker(kafka, tmp_path / "b", routes_text, instance="b"))
        wait_until_ready(first)
        wait_until_ready(second)
        topics.put(DEVICE_ALERTS, *(alert for room in rooms for alert in room.alerts))
        ids = {event_id for room in rooms for event_id in room.ids}
        wait_until(lambda: ids == set(states(topics)), "alerts are not taken")
        with writing(rooms, ROUNDS) as at:
            wait_until(lambda: at() >= 1, "nobody writes")
            second.terminate()  # a restart, and two rebalances
            second.wait(SECONDS)
            wait_until(lambda: at() >= 2, "nobody writes")
            second = stack.enter_context(worker(kafka, tmp_path / "b", routes_text, instance="b"))
            wait_until_ready(second)
            wait_until(lambda: at() >= 4, "nobody writes")
            first.kill()  # and one that dies
            first.wait(SECONDS)
            first = stack.enter_context(worker(kafka, tmp_path / "a", routes_text, instance="a"))
            wait_until_ready(first)
        for room in rooms:
            assert_taken(room, topics)

    assert [] == misplaced(topics.all(STATE_ALERTS))
    assert [] == misplaced(topics.all(STATE_INCIDENTS))
    for stage in ("receipts", "incidents", "messages", "alerts", "alert-changes"):
        assert [] == topics.all(dead_letter_topic(stage))
    again = [one for one in topics.all(RECEIPTS) if "bondmate.moved.times" in one.headers]
    assert {b"1"} == {one.headers["bondmate.moved.times"] for one in again}


def states(topics: Any) -> dict[str, list[AlertState]]:
    """Return the states of each alert, in the order of its partition."""
    found = by_key(topics.all(STATE_ALERTS), lambda one: topics.codec.decode(one.value, AlertState))
    return {(key or b"").decode(): kept for key, kept in found.items()}


def assert_taken(room: Room, topics: Any) -> None:
    """Hold what came of all that a room wrote against what it wrote."""
    wait_until(
        lambda: all(states(topics)[one][-1].destinations["tak"].level is LEVELS[-1] for one in room.ids), room.name
    )
    of_mine = {name: kept for name, kept in states(topics).items() if name in room.ids}
    for kept in of_mine.values():
        levels = [state.destinations["tak"].level for state in kept]
        risen = [level for before, level in zip([None, *levels], levels, strict=False) if level is not before]
        assert list(LEVELS) == [level for level in risen if level is not Level.UNKNOWN], room.name
        assert AlertStatus.RESPONDING is kept[-1].status
    notes = {d.text: d for d in topics.records(MESSAGES, DeviceMessage) if d.direction is MessageDirection.TO_DEVICE}
    assert f"{room.name} {LEVELS.index(Level.ACKNOWLEDGED)}" in notes
    answers = Counter(d.in_reply_to for d in unique(
        m for m in topics.records(MESSAGES, DeviceMessage)
        if m.direction is MessageDirection.TO_DEVICE and m.text.startswith(f"{room.name} ")))  # fmt: skip
    assert dict.fromkeys(room.ids, 1) == answers
    wait_until(lambda: {"5"} == {last_title(topics, name) for name in room.incidents}, room.name)
    told = unique(topics.records(TAK, Delivery))
    for name in room.incidents:
        titles = [d.incident.title for d in told if d.header.incident_id == name]
        assert [str(number) for number in range(ROUNDS)] == titles, room.name
    for alert in room.alerts[:4]:
        said = [m.header.event_id for m in room.messages if m.device_id == alert.device_id]
        assert said == [d.header.event_id for d in told if d.header.event_id in set(said)], room.name


def last_title(topics: Any, name: str) -> str:
    kept = [s for s in topics.records(STATE_INCIDENTS, IncidentState) if s.header.incident_id == name]
    return str(kept[-1].event.title) if kept else ""


def unique(records: Iterable[Any]) -> list[Any]:
    """Return each record once, the first time it came: a repeat has the id it had."""
    ids = ((record.id if isinstance(record, Delivery) else record.header.message_id, record) for record in records)
    found: dict[str, Any] = {}
    for name, record in ids:
        found.setdefault(name, record)
    return list(found.values())
