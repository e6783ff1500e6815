"""A new alert is told by the worker that took it where that has its partition, else by way of the topic."""

from __future__ import annotations

import asyncio
from typing import Any

import faust
import pytest
from bondmate_kafka.partitions import partition_of
from bondmate_kafka.producer import Outbox
from bondmate_kafka.records import Outgoing
from bondmate_schemas.catalogue import ALERT_CHANGES, DEVICE_STATUS, PARTITIONS
from bondmate_schemas.models import DeviceAlert
from bondmate_streams.faust_adapter.local_handoff import LocalHandoff
from bondmate_streams.faust_adapter.owned_partitions import OwnedPartitions
from faust.streams import current_event
from faust.types import TP

_PARTITIONS = 4


@pytest.mark.usefixtures("topics")
async def test_a_keys_partition_is_the_one_that_our_producers_choose(kafka: Any) -> None:
    keys = [f"key-{number}".encode() for number in range(100)]
    async with Outbox({**kafka.producer("test-partition"), "log_level": 0}) as outbox:
        places = [await outbox.send(Outgoing(DEVICE_STATUS, key, None)) for key in keys]

    assert PARTITIONS == len({partition for partition, _ in places})
    assert [partition_of(key, PARTITIONS) for key in keys] == [partition for partition, _ in places]


class _Life:
    """Notes the partition in which each alert was begun, as faust's tables would take it."""

    def __init__(self) -> None:
        self.begun: list[int] = []

    async def begin(self, _: DeviceAlert, cause: Any) -> str:
        event = current_event()
        assert event is not None
        assert cause == ()
        self.begun.append(event.message.partition)
        return "raised"


async def test_only_alerts_of_partitions_that_are_ours_are_handed_over_locally_and_none_after_they_went(
    make: Any,
) -> None:
    app = faust.App("test-local-handoff", broker="kafka://127.0.0.1:1", topic_partitions=_PARTITIONS)
    life = _Life()
    handoff = LocalHandoff(OwnedPartitions(app, ALERT_CHANGES), "alert-changes", life.begin)
    alerts = [make.alert() for _ in range(40)]
    found = [partition_of(alert.header.event_id.encode(), _PARTITIONS) for alert in alerts]

    assert not any([await handoff.hand_over(alert, ()) for alert in alerts])
    await app.on_partitions_assigned.send({TP(ALERT_CHANGES, 1), TP(ALERT_CHANGES, 3), TP("another", 0)})
    assert not any([await handoff.hand_over(alert, ()) for alert in alerts]), "the tables are not rebuilt yet"
    await app.on_rebalance_complete.send()
    taken = [await handoff.hand_over(alert, ()) for alert in alerts]
    assert [place in {1, 3} for place in found] == taken
    assert [place for place in found if place in {1, 3}] == life.begun
    assert current_event() is None

    await app.on_partitions_revoked.send({TP(ALERT_CHANGES, 1)})
    assert not any([await handoff.hand_over(alert, ()) for alert in alerts])


async def test_what_is_begun_is_ended_before_another_worker_has_the_partition(make: Any) -> None:
    app = faust.App("test-local-handoff", broker="kafka://127.0.0.1:1", topic_partitions=1)
    owned, ended = OwnedPartitions(app, ALERT_CHANGES), asyncio.Event()
    await app.on_partitions_assigned.send({TP(ALERT_CHANGES, 0)})
    await app.on_rebalance_complete.send()

    async def work() -> None:
        with owned.in_partition_of("one") as ours:
            assert ours
            await ended.wait()

    working = asyncio.create_task(work())
    await asyncio.sleep(0)
    going = asyncio.create_task(app.on_partitions_revoked.send({TP(ALERT_CHANGES, 0)}))
    await asyncio.sleep(0.05)
    assert not going.done()
    with owned.in_partition_of("one") as ours:
        assert not ours

    ended.set()
    await asyncio.wait_for(going, 1)
    await working
