"""A version of the routes is applied while an alert is open, through the agents: scenario 25."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from bondmate_hub.routes import versions
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.topic_view import Seen, TopicView
from bondmate_schemas.catalogue import DEVICE_ALERTS, RECEIPTS, STATE_ROUTES, destination_topic
from bondmate_schemas.codec import Codec, LocalSchemaIds
from bondmate_schemas.enums import DeliveryReason, Level
from bondmate_schemas.flags import TOLD_LATE
from bondmate_schemas.models import Delivery, RoutesVersion
from bondmate_streams.agents.run import run_streams
from bondmate_streams.applied_routes import Applied, RoutesWatch
from bondmate_streams.logic.routes_yaml import parse_routes
from bondmate_streams.logic.routing import Routes
from confluent_kafka.admin import AdminClient, NewTopic

NORTH, SOUTH, COUNTY = map(destination_topic, ("north", "south", "county"))
BEFORE = """
destinations:
  north: &any {modes: EXERCISE, agency: agency-1, fields: {alert: {text: plain}}}
  county: {<<: *any, agency: county}
routes: [{name: alerts, when: {record: alert}, to: [north, county]}]
"""
AFTER = BEFORE.replace("county", "south")
CODEC = Codec(LocalSchemaIds())


class Watched:
    """The streams as a role runs them: by the newest version, anew by each."""

    def __init__(self, kafka: KafkaConfig, build: Callable[[Applied], Any], file: Routes) -> None:
        self.watch = RoutesWatch(kafka, "watch-of-tests", CODEC, file)
        self.ready: list[int] = []
        self._build = build
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._loop.run_until_complete(self.watch.run(self._work, self._stop))

    async def _work(self, applied: Applied, end: asyncio.Event) -> None:
        await run_streams(self._build(applied), end, on_ready=lambda: self.ready.append(applied.number))

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(60)


@pytest.fixture(scope="module")
def routes() -> Routes:
    both = parse_routes(BEFORE), parse_routes(AFTER)
    return both[0].model_copy(update={"destinations": {**both[0].destinations, **both[1].destinations}})


@pytest.fixture(scope="module")
def watched(kafka: KafkaConfig, configured: Callable[..., Any], tmp_path_factory: Any) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("tables")

    def build(applied: Applied) -> Any:
        return configured(
            folder, routes=applied.routes, routes_version=applied.number, routes_applied_at=applied.applied_at
        )  # fmt: skip

    running = Watched(kafka, build, parse_routes(BEFORE))
    yield running
    running.stop()


def of(event_id: str, *reasons: DeliveryReason) -> Any:
    return lambda delivery: delivery.header.event_id == event_id and (not reasons or delivery.reason in reasons)


def test_a_room_added_is_told_of_what_is_open_and_a_removed_one_hears_the_end(
    topics: Any, make: Any, watched: Watched, kafka: KafkaConfig
) -> None:
    alert = make.alert("device-late-room")
    event_id = alert.header.event_id
    topics.put(DEVICE_ALERTS, alert)
    for room in (NORTH, COUNTY):
        topics.wait(room, Delivery, of(event_id))
    topics.put(RECEIPTS, make.receipt(event_id, "county", Level.ACKNOWLEDGED))
    plan = versions.plan(kafka, CODEC, Applied(parse_routes(BEFORE)), parse_routes(AFTER), None)

    assert ({"south": 1}, {"county": 1}, ()) == (plan.late, plan.ending, plan.missing)
    broken = RoutesVersion(name="routes", number=1, applied_at=alert.header.received_at, text="routes: [")
    topics.put_bytes(STATE_ROUTES, b"routes", CODEC.encode(broken))
    version = versions.write(kafka, CODEC, 2, AFTER, plan.retired)
    late = topics.wait(SOUTH, Delivery, of(event_id))[0]
    topics.put(RECEIPTS, make.receipt(event_id, "north", Level.ACKNOWLEDGED))
    topics.put(RECEIPTS, make.receipt(event_id, "north", Level.RESOLVED))
    ends = [topics.wait(room, Delivery, of(event_id, DeliveryReason.CANCEL))[0] for room in (SOUTH, COUNTY)]

    assert (version.number, [0, 2]) == (versions.newest(kafka, CODEC).number, watched.ready)
    assert (DeliveryReason.NEW, True) == (late.reason, TOLD_LATE in late.header.flags)
    assert 2 == len(ends)
    reasons = [d.reason for d in topics.records(COUNTY, Delivery) if of(event_id)(d)]
    assert [DeliveryReason.NEW, DeliveryReason.CANCEL] == list(dict.fromkeys(reasons))
    assert DeliveryReason.UPDATE not in reasons, "nothing but the end once it is named no more"


def test_of_two_versions_of_one_number_the_first_stands_also_for_who_begins_anew(
    kafka: KafkaConfig, topics: Any
) -> None:
    number = 70
    first = versions.write(kafka, CODEC, number, AFTER, "")
    with pytest.raises(versions.VersionTakenError, match="call again"):
        versions.write(kafka, CODEC, number, BEFORE, "")
    last = topics.records(STATE_ROUTES, RoutesVersion)[-1]

    assert (number + 1, AFTER) == (last.number, last.text)
    assert (number, AFTER) == (first.number, first.text)


def test_a_topic_that_is_made_after_a_role_began_is_followed_from_then_on(kafka: KafkaConfig, topics: Any) -> None:
    seen: list[Seen] = []
    view = TopicView(kafka, "view-of-tests", ("bondmate.comes-later",), seen.append, may_come=True)
    view.start()
    try:
        assert view.wait_caught_up(30), "where nothing is, nothing is waited for"
        AdminClient({"bootstrap.servers": kafka.bootstrap}).create_topics([NewTopic("bondmate.comes-later", 1)])
        deadline = time.monotonic() + 30
        while not seen:
            assert time.monotonic() < deadline
            topics.put_bytes("bondmate.comes-later", b"key", b"value")
            time.sleep(0.2)
    finally:
        view.stop()

    assert ("key", b"value") == (seen[0].key, seen[0].value)
