"""The owner of the table of alerts, on a table in memory."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from bondmate_kafka.records import Outgoing
from bondmate_schemas.codec import Codec, LocalSchemaIds
from bondmate_schemas.enums import AlertAction, AlertKind, AlertStatus, DeliveryReason, Level, Ownership
from bondmate_schemas.flags import NOT_RENEWED, STARTED_BY_ROOM
from bondmate_schemas.models import AlertState, AlertWhole, DeviceAlert
from bondmate_streams.agents.alert_life import AlertLife
from bondmate_streams.agents.alert_steps import AlertSteps
from bondmate_streams.agents.context import AgentContext
from bondmate_streams.agents.open_alerts import OpenAlertIndex
from bondmate_streams.agents.receipts import AlertReceipts
from bondmate_streams.agents.routing_service import RoutingService
from bondmate_streams.errors import BrokerUnavailableError, StoreUnavailableError
from bondmate_streams.logic.districts import parse_districts
from bondmate_streams.logic.ground import MapGround
from bondmate_streams.logic.life_cycle import CLOSED
from bondmate_streams.logic.rooms import Rooms
from bondmate_streams.logic.routes_yaml import parse_routes

from tests.streams.agents.test_following import Audit, Broker
from tests.streams.logic.test_ground import MAP, district_map


class Table(dict[str, AlertState]):
    """The alerts of a worker, which outlive it."""

    takes_no_end = False
    """Whether its changelog refuses alerts that have ended, and keeps what it has."""

    async def put(self, key: str, state: AlertState, cause: Any = ()) -> None:
        if self.takes_no_end and state.status in CLOSED:
            raise StoreUnavailableError("the changelog is away")
        self[key] = state


class ToRooms(Broker):
    """What rooms are told."""

    async def send(self, *outgoing: Outgoing) -> None:
        await super().send(*(record for record in outgoing if record.topic.startswith("bondmate.to.")))

    def newest(self) -> dict[str, DeviceAlert]:
        """Return what each room was told last of an alert."""
        return {each.destination: each.alert for each in self.told if each.alert}


class Worker:
    """What works on alerts, over the table."""

    def __init__(
        self, table: Table, routes: Any, *unlisted: str, ground: MapGround | None = None, rooms: Rooms | None = None
    ) -> None:
        self.to_rooms = ToRooms()
        given: dict[str, Any] = {}
        nothing: Any = None
        routing = RoutingService(routes, ground=ground)
        context = AgentContext(routing, b"a secret of tests", Codec(LocalSchemaIds()), self.to_rooms, Audit())
        given["silent_devices"] = SimpleNamespace(known=lambda state: None)
        given["following"] = SimpleNamespace(note=lambda state: None, newest=lambda step: step.notifications)
        steps = AlertSteps(
            context=context, alerts=table, open_alerts=OpenAlertIndex([]),
            rooms=rooms or Rooms(unlisted=frozenset(unlisted)), **given,
        )  # type: ignore[arg-type]  # fmt: skip
        owned: Any = SimpleNamespace(in_partition_of=lambda _: nullcontext(True))
        self.following, self.life = steps.following, AlertLife(context, steps, owned)
        self.begin = self.life.begin
        self.receive = AlertReceipts(context, steps, nothing, nothing).take


async def test_one_that_nobody_renews_stays_where_its_device_was_last(make: Any, routes: Any) -> None:
    alert = make.alert("device-1", flags=(STARTED_BY_ROOM,), position=make.position(50.0))
    table = Table()
    worker = Worker(table, routes, rooms=Rooms(agencies={"tak": alert.header.agency_id}))
    alert = alert.model_copy(update={"whole": AlertWhole(renew_by=alert.header.received_at)})
    last = make.position(53.0)
    worker.following.here = lambda state: state.alert.model_copy(update={"position": last})  # type: ignore[method-assign]
    await worker.begin(alert, ())

    assert 1 == await worker.life.look()
    assert NOT_RENEWED in table[alert.header.event_id].alert.header.flags
    assert last == table[alert.header.event_id].alert.position
    assert last == worker.to_rooms.newest()["tak"].position


async def test_a_room_that_a_later_version_unlists_is_hidden_from_the_next_change_on(make: Any, routes: Any) -> None:
    table, alert = Table(), make.alert("device-1")
    event_id = alert.header.event_id
    await Worker(table, routes).begin(alert, ())
    keys = {name: at.id_key for name, at in table[event_id].destinations.items()}
    update = make.alert("device-1", event_id=event_id, action=AlertAction.UPDATE, text="second floor")
    await Worker(table, routes, "cap").begin(update, ())

    assert "cap" in keys
    assert ("cap",) == table[event_id].others.unlisted
    assert keys == {name: at.id_key for name, at in table[event_id].destinations.items()}
    await Worker(table, routes).begin(update.model_copy(update={"text": "third floor"}), ())
    assert () == table[event_id].others.unlisted


async def test_a_state_is_later_than_the_one_before_it_though_the_clock_of_the_worker_is_not(
    make: Any, routes: Any
) -> None:
    table, alert = Table(), make.alert("device-1")
    event_id = alert.header.event_id
    await Worker(table, routes).begin(alert, ())
    ahead = table[event_id].changed_at + timedelta(hours=1)
    table[event_id] = table[event_id].model_copy(update={"changed_at": ahead})
    await Worker(table, routes).begin(alert, ())
    repeated = table[event_id].changed_at
    update = make.alert("device-1", event_id=event_id, action=AlertAction.UPDATE, text="second floor")
    await Worker(table, routes).begin(update, ())

    assert (ahead, ahead + timedelta(milliseconds=1)) == (repeated, table[event_id].changed_at)


@pytest.mark.parametrize("by", ["cap", "operations"])
async def test_an_end_is_remembered_before_it_is_told_and_told_after_a_crash(make: Any, routes: Any, by: str) -> None:
    table, alert = Table(), make.alert("device-1")
    event_id = alert.header.event_id
    await Worker(table, routes).begin(alert, ())
    await Worker(table, routes).receive(make.receipt(event_id, "cap", Level.ACKNOWLEDGED), ())
    end = make.receipt(event_id, by, Level.RESOLVED, code="close" if by == "operations" else None)
    dying = Worker(table, routes)
    dying.to_rooms.is_down = True
    with pytest.raises(BrokerUnavailableError):
        await dying.receive(end, ())
    assert AlertStatus.RESOLVED is table[event_id].status

    next_one = Worker(table, routes)
    await next_one.receive(end, ())
    told = next_one.to_rooms.told
    assert {"tak"} <= {each.destination for each in told if each.reason is DeliveryReason.CANCEL}


@pytest.mark.parametrize("by", ["device", "cap", "operations"])
async def test_no_room_is_told_of_an_end_that_is_not_remembered_yet(make: Any, routes: Any, by: str) -> None:
    kind = AlertKind.LOW_BATTERY if by == "device" else AlertKind.SOS
    table, alert = Table(), make.alert("device-1", kind=kind)
    event_id = alert.header.event_id
    await Worker(table, routes).begin(alert, ())
    await Worker(table, routes).receive(make.receipt(event_id, "cap", Level.ACKNOWLEDGED), ())

    async def end(worker: Worker) -> set[str]:
        if by == "device":
            cancel = {"event_id": event_id, "kind": kind, "action": AlertAction.CANCEL}
            await worker.begin(make.alert("device-1", **cancel), ())
        else:
            code = "close" if by == "operations" else None
            await worker.receive(make.receipt(event_id, by, Level.RESOLVED, code=code), ())
        return {each.destination for each in worker.to_rooms.told if each.reason is DeliveryReason.CANCEL}

    dying = Worker(table, routes)
    table.takes_no_end = True
    with pytest.raises(StoreUnavailableError):
        await end(dying)
    assert [] == dying.to_rooms.told
    table.takes_no_end = False
    assert "tak" in await end(Worker(table, routes))


BY_PLACE = parse_routes("""
destinations: {north: {modes: EXERCISE, fields: {alert: {position: plain}}}}
routes: [{name: in-north, when: {record: alert, district: north}, to: north, escalate: [{after_seconds: 60, page: true}]}]
""")


@pytest.mark.parametrize("kind", [AlertKind.SOS, AlertKind.ASSISTANCE])
async def test_an_alert_that_nobody_was_told_of_is_told_once_a_press_says_where_it_is(make: Any, kind: Any) -> None:
    table, alert = Table(), make.alert("device-1", kind=kind)
    event_id = alert.header.event_id
    ground = MapGround.of(parse_districts(district_map(MAP)), BY_PLACE)

    async def take(one: Any) -> list[Any]:
        anew = Worker(table, BY_PLACE, ground=ground)
        await anew.begin(one, ())
        return [(each.destination, each.reason) for each in anew.to_rooms.told]

    assert [] == await take(alert)
    assert [] == await take(make.alert("device-1", event_id=event_id, kind=kind, press_count=2))
    here = make.alert("device-1", event_id=event_id, kind=kind, press_count=3, position=make.position(52.5, 4.5))
    assert [("north", DeliveryReason.NEW)] == await take(here)
    assert [("north", DeliveryReason.NEW)] == await take(here), "a worker may have died before it told"
    assert (AlertStatus.ROUTED, ("in-north",)) == (table[event_id].status, table[event_id].others.held)
    elsewhere = make.alert("device-1", event_id=event_id, kind=kind, press_count=4, position=make.position(10, 10))
    assert [("north", DeliveryReason.UPDATE)] == await take(elsewhere)


async def test_assistance_that_nobody_was_told_of_and_that_is_over_is_told_to_nobody(make: Any) -> None:
    table, alert = Table(), make.alert("device-1", kind=AlertKind.ASSISTANCE)
    anew = Worker(table, BY_PLACE, ground=MapGround.of(parse_districts(district_map(MAP)), BY_PLACE))
    await anew.begin(alert, ())
    over = {"event_id": alert.header.event_id, "kind": AlertKind.ASSISTANCE, "position": make.position(52.5, 4.5)}
    await anew.begin(make.alert("device-1", action=AlertAction.CANCEL, **over), ())

    assert ([], AlertStatus.CANCELLED) == (anew.to_rooms.told, table[alert.header.event_id].status)


OFFERS = """
destinations:
  north: {modes: [EXERCISE], agency: agency-1, others: []}
  south: {modes: [EXERCISE], agency: south, others: []}
  county: {modes: [EXERCISE], agency: county}
routes:
  - {name: alerts, when: {record: alert}, to: [north, south, county]}
"""


async def test_what_is_written_with_an_offer_is_read_by_who_it_is_offered_to_and_by_nobody_else(make: Any) -> None:
    table, alert, routes = Table(), make.alert("device-1"), parse_routes(OFFERS)
    event_id = alert.header.event_id
    worker = Worker(table, routes, rooms=Rooms({"north": "agency-1", "south": "south", "county": "county"}))
    await worker.begin(alert, ())
    offer = make.receipt(
        event_id, "north", Level.UNKNOWN, ownership=Ownership.OFFERED, offered_to="south", note="he is in your town"
    )
    assert "offered" == await worker.receive(offer, ())
    words = {name: alert.whole.offered_words for name, alert in worker.to_rooms.newest().items() if alert.whole}
    assert {"north": "", "south": "he is in your town", "county": ""} == words

    press = make.alert("device-1", event_id=event_id, action=AlertAction.UPDATE, text="second floor")
    await worker.begin(press, ())
    assert "he is in your town" == worker.to_rooms.newest()["south"].whole.offered_words, "while it is offered"
    await worker.receive(make.receipt(event_id, "south", Level.UNKNOWN, ownership=Ownership.TAKEN, note="ours"), ())
    assert {""} == {alert.whole.offered_words for alert in worker.to_rooms.newest().values() if alert.whole}
