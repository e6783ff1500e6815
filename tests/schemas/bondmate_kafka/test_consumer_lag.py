"""The backlog is counted on through the end of a broker: asking it must not end the process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bondmate_hub.broker.apache import ApacheBroker, ApacheConfig
from bondmate_kafka.consumer_lag import ConsumerLag, LagWatch
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

GROUPS = {f"bondmate-room-{number}": ("bondmate.to.room",) for number in range(8)}
QUIET: dict[str, Any] = {"log_level": 0}


def create(bootstrap: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap, **QUIET})
    admin.create_topics([NewTopic("bondmate.to.room", 1, 1)])["bondmate.to.room"].result(30)


def put(bootstrap: str, count: int) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, **QUIET})
    for number in range(count):
        producer.produce("bondmate.to.room", str(number).encode())
    assert producer.flush(30) == 0


def read(bootstrap: str, group: str, count: int) -> None:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, **QUIET})
    consumer.commit(offsets=[TopicPartition("bondmate.to.room", 0, count)], asynchronous=False)
    consumer.close()


def look_during(act: Callable[[], None], watch: LagWatch) -> None:
    acting = threading.Thread(target=act)
    acting.start()
    while acting.is_alive():
        watch.look()
    acting.join()


def until(watch: LagWatch, wanted: dict[str, int], seconds: float = 60) -> dict[str, ConsumerLag]:
    end = time.monotonic() + seconds
    while True:
        found = {group: unread for (group, _), unread in watch.look().items()}
        watch.learn_ages()
        if {group: found[group].events for group in wanted if group in found} == wanted or time.monotonic() > end:
            return found
        time.sleep(0.1)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[ApacheBroker]:
    with ApacheBroker(ApacheConfig(tmp_path)) as broker:
        create(broker.bootstrap)
        put(broker.bootstrap, 10)
        yield broker


@pytest.fixture
def watch(broker: ApacheBroker) -> Iterator[LagWatch]:
    watch = LagWatch({"bootstrap.servers": broker.bootstrap, **QUIET}, GROUPS)
    before = until(watch, dict.fromkeys(GROUPS, 10))
    assert dict.fromkeys(GROUPS, 10) == {group: unread.events for group, unread in before.items()}
    yield watch
    watch.close()


@pytest.mark.kafka
def test_the_backlog_is_counted_on_when_its_broker_was_away(broker: ApacheBroker, watch: LagWatch) -> None:
    away = []
    for _ in range(3):
        look_during(broker.stop, watch)
        away.append(not watch.look())
        look_during(broker.start, watch)
    read(broker.bootstrap, "bondmate-room-3", 7)
    after = until(watch, {"bondmate-room-1": 10, "bondmate-room-3": 3})

    assert all(away)
    assert (10, 3) == (after["bondmate-room-1"].events, after["bondmate-room-3"].events)
    assert time.time() - 60 < (after["bondmate-room-3"].oldest_at or time.time()) <= time.time()


@pytest.mark.kafka
def test_a_client_that_will_never_answer_again_is_replaced(watch: LagWatch) -> None:
    # As one that lost all brokers it knew: it asks where nobody is.
    watch._of_topics = AdminClient({"bootstrap.servers": "127.0.0.1:1", **QUIET})
    lost = watch.look()
    found = until(watch, dict.fromkeys(GROUPS, 10), 20)

    assert not lost
    assert dict.fromkeys(GROUPS, 10) == {group: unread.events for group, unread in found.items()}
