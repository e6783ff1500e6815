"""Rooms and each other, through the agents: who is told for the place of an alert."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from bondmate_schemas.catalogue import (
    DEVICE_ALERTS,
    INCIDENTS,
    LAST_LOCATION,
    RECEIPTS,
    STATE_ALERTS,
    destination_topic,
)
from bondmate_schemas.enums import DeliveryReason, IncidentAction, Level, Response
from bondmate_schemas.flags import CAME_HERE
from bondmate_schemas.models import AlertState, Delivery
from bondmate_streams.logic.districts import parse_districts
from bondmate_streams.logic.ground import MapGround
from bondmate_streams.logic.routes_yaml import parse_routes
from bondmate_streams.logic.routing import Routes

NORTH, SOUTH, COUNTY = map(destination_topic, ("north", "south", "county"))
ROUTES = """
destinations:
  north: &any {modes: EXERCISE, fields: {alert: {position: plain, text: plain}, incident: {title: plain, position: plain}}}
  south: {<<: *any, agency: pd-south}
  county: {<<: *any, agency: pd-county, others: level}
routes:
  - {name: in-north, when: {record: [alert, incident], district: north}, to: north}
  - {name: in-south, when: {record: [alert, incident], district: south}, to: south}
  - {name: near-north, when: {record: alert, district: north, within_metres: 2000}, to: county}
  - {name: rest, when: {record: alert}, to: county}
"""
MAP = """{"features": [
  {"properties": {"district": "north", "agency": "pd-north"}, "geometry": {"type": "Polygon",
   "coordinates": [[[4, 52], [5, 52], [5, 53], [4, 53], [4, 52]]]}},
  {"properties": {"district": "south", "agency": "pd-south"}, "geometry": {"type": "Polygon",
   "coordinates": [[[4, 51], [5, 51], [5, 52], [4, 52], [4, 51]]]}}]}"""


@pytest.fixture(scope="module")
def routes() -> Routes:
    return parse_routes(ROUTES)


@pytest.fixture(scope="module")
def streams(
    configured: Callable[..., Any], routes: Routes, running: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    ground = MapGround.of(parse_districts(MAP), routes)
    worker = running(configured(tmp_path_factory.mktemp("tables"), ground=ground))
    yield worker
    worker.stop()


def of(event_id: str, *reasons: DeliveryReason) -> Any:
    return lambda delivery: delivery.header.event_id == event_id and (not reasons or delivery.reason in reasons)


def told(topics: Any, event_id: str) -> list[str]:
    rooms = {"north": NORTH, "south": SOUTH, "county": COUNTY}
    return [name for name, topic in rooms.items() if any(map(of(event_id), topics.records(topic, Delivery)))]


def test_an_alert_goes_where_it_is_to_neighbours_and_without_a_place_to_the_rest(
    topics: Any, make: Any, streams: Any
) -> None:
    beside = make.alert("device-beside", position=make.position(51.99, 4.5))
    away = make.alert("device-away", position=make.position(51.5, 4.5))
    nowhere = make.alert("device-nowhere")
    topics.put(DEVICE_ALERTS, beside, away, nowhere)
    for alert in (beside, away):
        topics.wait(SOUTH, Delivery, of(alert.header.event_id, DeliveryReason.NEW))
    routes_taken = [
        topics.wait(COUNTY, Delivery, of(alert.header.event_id))[0].route for alert in (beside, away, nowhere)
    ]

    assert ["near-north", "rest", "rest"] == routes_taken
    assert [["south", "county"], ["south", "county"], ["county"]] == [
        told(topics, alert.header.event_id) for alert in (beside, away, nowhere)
    ]


def test_an_incident_that_moves_is_told_where_it_comes_to_and_who_had_it_is_told_on(
    topics: Any, make: Any, streams: Any
) -> None:
    ids = {"event_id": "cad-moves", "incident_id": "cad-moves", "source": "cad"}
    topics.put(INCIDENTS, make.incident(position=make.position(52.5, 4.5), **ids))
    topics.wait(NORTH, Delivery, of("cad-moves", DeliveryReason.NEW))
    moved = make.incident(position=make.position(51.5, 4.5), action=IncidentAction.UPDATED, **ids)
    topics.put(INCIDENTS, moved)

    assert "in-south" == topics.wait(SOUTH, Delivery, of("cad-moves", DeliveryReason.NEW))[0].route
    update = topics.wait(NORTH, Delivery, of("cad-moves", DeliveryReason.UPDATE))[0]
    assert 51.5 == update.incident.position.latitude


def test_what_one_room_says_the_others_hear_as_their_agreements_let_them(topics: Any, make: Any, streams: Any) -> None:
    alert = make.alert("device-heard", position=make.position(51.99, 4.5), agency_id="pd-south")
    event_id = alert.header.event_id
    topics.put(DEVICE_ALERTS, alert)
    for room in (SOUTH, COUNTY):
        topics.wait(room, Delivery, of(event_id, DeliveryReason.NEW))
    topics.put(
        RECEIPTS, make.receipt(event_id, "county", Level.UNKNOWN, response=Response.ASSIGNED, unit="7", note="w")
    )
    news = topics.wait(SOUTH, Delivery, lambda d: of(event_id)(d) and d.others is not None)[0]
    (room,) = news.others.rooms
    topics.put(RECEIPTS, make.receipt(event_id, "south", Level.ACKNOWLEDGED, delivery_id=news.id))
    topics.put(RECEIPTS, make.receipt(event_id, "south", Level.DECLINED, note="nobody free"))
    back = topics.wait(COUNTY, Delivery, lambda d: of(event_id)(d) and d.others is not None)[0]

    assert ("pd-county", Response.ASSIGNED, "7", "w") == (room.agency, room.response, room.unit, room.words)
    assert news.others.only_news
    assert [("pd-south", Level.DECLINED, "")] == [(r.agency, r.level, r.words) for r in back.others.rooms]
    last = topics.records(STATE_ALERTS, AlertState)
    assert Level.ACKNOWLEDGED not in {s.destinations["south"].level for s in last if s.header.event_id == event_id}


def test_a_room_that_an_open_emergency_comes_to_joins_it_and_the_old_one_stays(
    topics: Any, make: Any, streams: Any
) -> None:
    device = "device-crosses"
    alert = make.alert(device, position=make.position(52.5, 4.5))
    event_id, since = alert.header.event_id, alert.header.received_at
    topics.put(DEVICE_ALERTS, alert)
    topics.wait(NORTH, Delivery, of(event_id, DeliveryReason.NEW))

    def comes_to(latitude: float, seconds: float) -> None:
        at = since + timedelta(seconds=seconds)
        position = make.position(latitude, 4.5, at).model_copy(update={"accuracy_m": 8.0})
        topics.put(LAST_LOCATION, make.location(device, position=position, occurred_at=at, received_at=at))

    # A fix is looked at every 4 s at most; the times in them are their device's.
    comes_to(51.5, 1)
    time.sleep(2)
    comes_to(51.5, 30)
    joined = topics.wait(SOUTH, Delivery, of(event_id, DeliveryReason.NEW))[0]
    topics.put(RECEIPTS, make.receipt(event_id, "north", Level.RESOLVED))
    topics.put(RECEIPTS, make.receipt(event_id, "county", Level.RESOLVED))

    assert CAME_HERE in joined.header.flags
    assert 51.5 == joined.alert.position.latitude
    last = [s for s in topics.records(STATE_ALERTS, AlertState) if s.header.event_id == event_id][-1]
    assert {"north", "county", "south"} == set(last.destinations)
