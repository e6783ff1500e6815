"""What the agents share: reading in order while a schema is unknown, and what is told to whom."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import Any

import pytest
from bondmate_kafka.records import Arrived
from bondmate_schemas.catalogue import destination_topic
from bondmate_schemas.codec import Codec, LocalSchemaIds, SchemaUnavailableError
from bondmate_schemas.enums import DeliveryReason, Mode
from bondmate_schemas.models import DeviceAlert
from bondmate_streams.agents.context import AgentContext
from bondmate_streams.agents.routing_service import RoutingService
from bondmate_streams.faust_adapter.guard import Guard, GuardedEvent
from bondmate_streams.logic.deliveries import Notification
from bondmate_streams.logic.routes_yaml import parse_routes
from prometheus_client import REGISTRY


class SlowRegistry(Codec):
    """A codec whose first look at each schema takes until it is let go, or fails as often as asked."""

    def __init__(self) -> None:
        super().__init__(LocalSchemaIds())
        self.let_go = threading.Event()
        self.failures = 0

    def decode(self, data: bytes | None, kind: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():
            self.let_go.wait(10)
            if self.failures:
                self.failures -= 1
                raise SchemaUnavailableError
        return super().decode(data, kind)


@pytest.fixture
def codec() -> SlowRegistry:
    return SlowRegistry()


@pytest.fixture
def read(codec: SlowRegistry, routes: Any, make: Any) -> Any:
    context = AgentContext(RoutingService(routes), b"a secret of tests", codec, None, None)  # type: ignore[arg-type]  # nothing is sent here
    ended: list[str] = []

    guard = Guard("alerts", None)  # type: ignore[arg-type]  # as above

    async def one(name: str, key: bytes) -> None:
        async def body(arrived: Arrived) -> str:
            await context.read(arrived, DeviceAlert)
            ended.append(name)
            return "read"

        # Written by another process: its schema is one that this codec must ask for.
        arrived = Arrived("topic", 0, 0, key, Codec(LocalSchemaIds()).encode(make.alert("device-1")))
        await guard.run(GuardedEvent(arrived, lambda: None), body)

    return one, ended


async def test_what_comes_while_a_schema_is_looked_up_does_not_overtake(codec: SlowRegistry, read: Any) -> None:
    one, ended = read
    async with asyncio.TaskGroup() as group:
        for name in ("first", "second", "third"):
            group.create_task(one(name, b"key"))
            await asyncio.sleep(0)
        codec.let_go.set()

    assert ["first", "second", "third"] == ended


async def test_order_holds_while_the_registry_fails_and_other_keys_go_on(codec: SlowRegistry, read: Any) -> None:
    one, ended = read
    codec.failures = 2
    codec.let_go.set()
    async with asyncio.TaskGroup() as group:
        group.create_task(one("first", b"key"))
        while codec.failures == 2:
            await asyncio.sleep(0.01)
        # Another key learns the schema first; the one that waits is still the first of its own.
        codec.failures = 0
        await one("other", b"other key")
        group.create_task(one("second", b"key"))

    assert ["other", "first", "second"] == ended


def test_what_no_connector_takes_is_counted(make: Any) -> None:
    routes = parse_routes("destinations: {feed: {}, room: {}}\nroutes: [{name: all, to: [feed, room]}]\n")
    context = AgentContext(
        RoutingService(routes),
        b"a secret of tests",
        Codec(LocalSchemaIds()),
        None,
        None,
        untaken={"feed": ["ALERT"], "room": []},
    )  # type: ignore[arg-type]  # nothing is sent here
    alert = make.alert("device-1", mode=Mode.ACTUAL)

    made = context.deliveries(
        [Notification(name, "all", DeliveryReason.NEW, f"to-{name}", alert) for name in ("feed", "room")]
    )

    counted = partial(REGISTRY.get_sample_value, "hub_untaken_deliveries_total")
    assert 2 == len(made)
    assert 1 == counted({"destination": "feed", "kind": "ALERT"})
    assert None is counted({"destination": "room", "kind": "ALERT"})


def test_a_room_that_the_routes_name_no_more_keeps_nothing_from_the_others(make: Any) -> None:
    routes = parse_routes("destinations: {room: {}}\nroutes: [{name: all, to: room}]\n")
    context = AgentContext(RoutingService(routes), b"a secret of tests", Codec(LocalSchemaIds()), None, None)  # type: ignore[arg-type]  # nothing is sent here
    alert = make.alert("device-1", mode=Mode.ACTUAL)
    notifications = [Notification(name, "all", DeliveryReason.UPDATE, f"to-{name}", alert) for name in ("gone", "room")]

    assert [destination_topic("room")] == [made.topic for made in context.deliveries(notifications)]
    assert ["room"] == [entry.recipient for entry in context.entries(notifications)]
    labels = {"connector": "gone", "reason": "unknown_destination"}
    assert 1 == REGISTRY.get_sample_value("connector_passed_over_events_total", labels)
