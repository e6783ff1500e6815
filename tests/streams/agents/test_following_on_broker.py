"""From the lane through the agents: an open emergency follows its device, in the order of all else that is told of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from bondmate_kafka.config import KafkaConfig
from bondmate_schemas.catalogue import (
    DEVICE_ALERTS,
    DEVICE_LOCATIONS,
    LAST_LOCATION,
    RECEIPTS,
    STATE_ALERTS,
    destination_topic,
)
from bondmate_schemas.codec import LocalSchemaIds
from bondmate_schemas.enums import AlertKind, AlertStatus, DeliveryReason, Level, PositionOrigin
from bondmate_schemas.models import AlertState, Delivery, DeviceLocation
from bondmate_streams.agents.config import StreamsConfig
from bondmate_streams.lane.config import LaneConfig
from bondmate_streams.lane.run import run_lane
from bondmate_streams.logic.following import UpdatePace
from bondmate_streams.logic.routing import Routes

TAK, CAP, PATROL = (destination_topic(name) for name in ("tak", "cap", "patrol"))
PACES = {"tak": UpdatePace(1, 0), "cap": UpdatePace(2, 1)}


@pytest.fixture(scope="module")
def following(
    kafka: KafkaConfig,
    configured: Callable[..., StreamsConfig],
    running: Any,
    routes: Routes,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., None]]:
    """Run lane and streams for this module; gives what starts the streams anew, and does something meanwhile."""
    stop = threading.Event()
    lane = LaneConfig(
        kafka=kafka, data_dir=tmp_path_factory.mktemp("lane"), routes=routes, secret=b"a secret of tests",
        schema_ids=LocalSchemaIds(),
    )  # fmt: skip
    thread = threading.Thread(target=run_lane, args=(lane, stop))
    thread.start()
    build = lambda: running(configured(tmp_path_factory.mktemp("tables"), paces=PACES))  # noqa: E731
    found = [build()]

    def anew(meanwhile: Callable[[], object] = lambda: None) -> None:
        found.pop().stop()
        meanwhile()
        found.append(build())

    yield anew
    found.pop().stop()
    stop.set()
    thread.join(30)


def position(event_id: str, latitude: float | None = None) -> Callable[[Delivery], bool]:
    """Return what says whether a Delivery is a position update of an alert, at this place."""

    def is_it(delivery: Delivery) -> bool:
        alert = delivery.alert
        if not delivery.position_only or alert is None or alert.position is None:
            return False
        return delivery.header.event_id == event_id and latitude in {None, alert.position.latitude}

    return is_it


def told(topics: Any, topic: str, event_id: str) -> list[Delivery]:
    return [each for each in topics.records(topic, Delivery) if each.header.event_id == event_id]


def test_a_press_without_a_place_gets_one_by_the_first_fix_and_then_by_the_rooms_pace(
    topics: Any, make: Any, following: Any
) -> None:
    press = make.alert("device-moving")
    event_id = press.header.event_id
    topics.put(DEVICE_ALERTS, press)
    (first,) = topics.wait(TAK, Delivery, lambda d: d.header.event_id == event_id)
    began = time.monotonic()
    for step in range(30):
        topics.put(DEVICE_LOCATIONS, make.location("device-moving", position=make.position(50 + step / 100)))
        time.sleep(0.1)
    topics.wait(TAK, Delivery, position(event_id, 50.29))
    seconds = time.monotonic() - began
    on_tak, on_cap, unseen = (told(topics, topic, event_id) for topic in (TAK, CAP, PATROL))

    assert PositionOrigin.NONE is first.alert.position_origin
    positions = [each.alert.position.latitude for each in on_tak if each.position_only]
    assert positions == sorted(positions)
    assert 3 <= len(positions) <= seconds + 1
    assert 50.1 > positions[0]
    assert 1 <= len([each for each in on_cap if each.position_only]) <= seconds / 2 + 1
    # Of the square that a room may see, and so none twice.
    assert all(each.alert.position.accuracy_m >= 353 for each in on_cap if each.position_only)
    # Under its own ids, as an update of the first.
    assert len(on_tak) == len({each.id for each in on_tak})
    assert {first.id} == {each.first_id for each in on_tak}
    assert [] == unseen
    assert all(each.alert.position_age_seconds < 3 for each in on_tak if each.position_only)
    # Nothing of it stands in the state.
    states = [s for s in topics.records(STATE_ALERTS, AlertState) if s.header.event_id == event_id]
    assert all(state.alert.position is None for state in states)


def test_nothing_of_an_alert_is_told_after_its_end_and_an_update_has_the_newest_fix(
    topics: Any, make: Any, following: Any
) -> None:
    press = make.alert("device-ended", kind=AlertKind.SOS)
    event_id = press.header.event_id
    stop = threading.Event()

    def move() -> None:
        while not stop.wait(0.05):
            topics.put(DEVICE_LOCATIONS, make.location("device-ended", position=make.position(60)))

    mover = threading.Thread(target=move)
    mover.start()
    try:
        topics.put(DEVICE_ALERTS, press)
        topics.wait(TAK, Delivery, position(event_id, 60))
        topics.put(DEVICE_ALERTS, make.alert("device-ended", event_id=event_id, text="quick"))
        (words,) = topics.wait(
            TAK,
            Delivery,
            lambda d: d.header.event_id == event_id and d.alert and d.alert.text == "quick" and not d.position_only,
        )
        topics.put(RECEIPTS, make.receipt(event_id, "tak", Level.ACKNOWLEDGED))
        topics.put(RECEIPTS, make.receipt(event_id, "tak", Level.RESOLVED))
        topics.wait(
            STATE_ALERTS, AlertState, lambda s: (s.header.event_id, s.status) == (event_id, AlertStatus.RESOLVED)
        )
        time.sleep(2.5)  # two paces: nothing is to come
    finally:
        stop.set()
        mover.join()
    order = [each.reason for each in told(topics, TAK, event_id)]

    assert 60 == words.alert.position.latitude
    assert DeliveryReason.CANCEL is order[-1]
    assert 1 == order.count(DeliveryReason.CANCEL)


def test_an_officer_down_just_after_a_fix_has_it_and_a_press_just_before_one_gets_it(
    topics: Any, make: Any, following: Any
) -> None:
    topics.put(DEVICE_LOCATIONS, make.location("device-down", position=make.position(41)))
    time.sleep(1.5)
    down = make.alert("device-down", kind=AlertKind.OFFICER_DOWN)
    topics.put(DEVICE_ALERTS, down)
    (first,) = topics.wait(CAP, Delivery, lambda d: d.header.event_id == down.header.event_id)
    # The lane writes of the fix what it wrote of the press: whichever the agents have first.
    beside = make.alert("device-beside")
    topics.put(DEVICE_LOCATIONS, make.location("device-beside", position=make.position(42)))
    topics.put(DEVICE_ALERTS, beside)
    is_there = lambda d: d.alert and d.alert.position and d.alert.position.latitude == 42  # noqa: E731
    topics.wait(TAK, Delivery, lambda d: d.header.event_id == beside.header.event_id and is_there(d))

    assert first.alert.position is not None
    assert 0.01 > abs(41 - first.alert.position.latitude)


def test_after_a_restart_the_rooms_go_on_hearing_where_it_is(topics: Any, make: Any, following: Any) -> None:
    press = make.alert("device-again")
    event_id = press.header.event_id
    topics.put(DEVICE_ALERTS, press)
    topics.wait(TAK, Delivery, lambda d: d.header.event_id == event_id)
    following()
    topics.put(DEVICE_LOCATIONS, make.location("device-again", position=make.position(33, at=datetime.now(UTC))))

    topics.wait(TAK, Delivery, position(event_id, 33))


def test_where_it_was_last_while_no_streams_ran_is_told_after_the_restart(
    topics: Any, make: Any, following: Any
) -> None:
    press = make.alert("device-meanwhile", position=make.position(33, at=datetime.now(UTC)))
    event_id = press.header.event_id
    topics.put(DEVICE_ALERTS, press)
    topics.wait(TAK, Delivery, lambda d: d.header.event_id == event_id)

    def moves() -> None:
        place = make.position(34, at=datetime.now(UTC))
        topics.put(DEVICE_LOCATIONS, make.location("device-meanwhile", position=place, received_at=datetime.now(UTC)))
        topics.wait(LAST_LOCATION, DeviceLocation, lambda fix: fix.position.latitude == 34)

    following(moves)

    topics.wait(TAK, Delivery, position(event_id, 34))
