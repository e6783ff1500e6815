"""An emergency that a control room starts, on a broker: told, paged, logged, and without its place beyond the owner's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from bondmate_schemas.catalogue import (
    AUDIT,
    DEVICE_MARKS,
    LAST_LOCATION,
    MESSAGES,
    PAGES,
    RECEIPTS,
    dead_letter_topic,
    destination_topic,
)
from bondmate_schemas.enums import AlertKind, DeliveryReason, EmergencyWord, Level, MessageDirection
from bondmate_schemas.flags import CONFIRMED, POSITION_UNTIL_CONFIRMED, STARTED_BY_ROOM
from bondmate_schemas.models import (
    Address,
    AuditRecord,
    Delivery,
    DeviceMark,
    DeviceMessage,
    EmergencyStart,
    OperationsPage,
)
from bondmate_streams.logic.routes_yaml import parse_routes
from bondmate_streams.logic.routing import Routes

NORTH, COUNTY = destination_topic("north"), destination_topic("county")
ROUTES = """
destinations:
  north: {modes: [EXERCISE], agency: agency-1, fields: {alert: {text: plain, position: plain, device_id: plain}}}
  county: {modes: [EXERCISE], agency: county, fields: {alert: {text: plain, position: plain}}}
routes:
  - {name: alerts, when: {record: alert}, to: [north, county]}
"""


@pytest.fixture(scope="session")
def routes() -> Routes:
    return parse_routes(ROUTES)


@pytest.fixture(scope="module", autouse=True)
def streams(
    configured: Callable[..., Any], running: Any, topics: Any, make: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    for device in ("walker", "quiet", "other"):
        agency = "county" if device == "other" else "agency-1"
        topics.put(LAST_LOCATION, make.location(device, unit=f"unit-{device}", agency_id=agency))
    found = running(configured(tmp_path_factory.mktemp("tables"), receipt_takers=["north", "county"]))
    yield found
    found.stop()


def order(make: Any, device: str, room: str = "north", who: str = "jane", *, silent: bool = False) -> DeviceMessage:
    start = EmergencyStart(names=(device,), kind=AlertKind.OFFICER_DOWN, silent=silent)
    found: DeviceMessage = make.message(
        "", direction=MessageDirection.TO_DEVICE, source=room, sender=room, sender_ref=who, text="no answer",
        to=Address(), emergency=start, received_at=datetime.now(UTC),
    )  # fmt: skip
    return found


def told(topics: Any, topic: str, where: Callable[[Delivery], bool]) -> Delivery:
    (found,) = topics.wait(topic, Delivery, where)
    assert isinstance(found, Delivery)
    return found


def alerts_of(topics: Any, topic: str, device: str) -> list[Delivery]:
    return [d for d in topics.records(topic, Delivery) if d.alert and d.alert.device_id == device]


def test_rooms_officer_and_operations_hear_of_it_and_only_the_owner_where_until_it_is_confirmed(
    topics: Any, make: Any
) -> None:
    message = order(make, "unit-walker")
    topics.put(MESSAGES, message, message)
    first = told(topics, NORTH, lambda d: d.alert is not None and d.alert.device_id == "walker")
    event_id = first.header.event_id
    assert first.alert is not None
    assert first.alert.position is not None
    assert STARTED_BY_ROOM in first.header.flags
    county = told(topics, COUNTY, lambda d: d.header.event_id == event_id)
    assert county.alert is not None
    assert (None, "no answer") == (county.alert.position, county.alert.text)
    assert POSITION_UNTIL_CONFIRMED in county.header.flags
    topics.wait(PAGES, OperationsPage, lambda p: (p.reason, p.subject) == ("alert_started_by_room", event_id))
    entry, *_ = topics.wait(AUDIT, AuditRecord, lambda r: r.event_id == event_id and "emergency_started" in r.fields)
    assert ("jane", "no answer") == (entry.recipient, entry.purpose)
    topics.wait(MESSAGES, DeviceMessage, lambda m: m.device_id == "walker" and "started an emergency" in m.text)

    topics.put(LAST_LOCATION, make.location("walker", unit="unit-walker", position=make.position(52.2, 4.4)))
    followed = told(topics, NORTH, lambda d: d.header.event_id == event_id and d.position_only)
    assert followed.alert is not None
    assert [] == [d for d in topics.records(COUNTY, Delivery) if d.header.event_id == event_id and d.position_only]

    topics.put(RECEIPTS, make.receipt(event_id, "north", Level.UNKNOWN, emergency=EmergencyWord.CONFIRMED))
    update = told(
        topics, COUNTY,
        lambda d: d.header.event_id == event_id and d.reason is DeliveryReason.UPDATE and not d.position_only,
    )  # fmt: skip
    assert update.alert is not None
    assert update.alert.position is not None
    assert CONFIRMED in update.header.flags
    topics.put(MESSAGES, message)
    topics.wait(AUDIT, AuditRecord, lambda r: r.event_id == event_id and "emergency_started" in r.fields, count=3)
    assert 1 == len({d.header.event_id for d in alerts_of(topics, NORTH, "walker")})
    assert [] == [d for d in topics.records(NORTH, Delivery) if d.receipt]


def test_a_silent_one_waits_for_a_second_person_and_its_device_hears_nothing(topics: Any, make: Any) -> None:
    first, second = order(make, "unit-quiet", silent=True), order(make, "unit-quiet", who="joe", silent=True)
    topics.put(MESSAGES, first)
    waits = told(topics, NORTH, lambda d: d.receipt is not None and d.receipt.code == "emergency_second_person")
    topics.wait(DEVICE_MARKS, DeviceMark, lambda m: (m.mark, m.operator) == ("start_asked", "jane"))
    assert waits.receipt is not None
    assert first.header.message_id == waits.receipt.sender_message_id
    assert [] == alerts_of(topics, NORTH, "quiet")

    topics.put(MESSAGES, second)
    begun = told(topics, NORTH, lambda d: d.alert is not None and d.alert.device_id == "quiet")
    assert begun.alert is not None
    assert begun.alert.silent
    topics.put(RECEIPTS, make.receipt(begun.header.event_id, "north", Level.ACKNOWLEDGED, note="we look"))
    topics.wait(COUNTY, Delivery, lambda d: d.header.event_id == begun.header.event_id)
    assert [] == [m for m in topics.records(MESSAGES, DeviceMessage) if m.device_id == "quiet"]

    # A room's text is shown without a sound, and its sender is told; what it wants to be heard sounds.
    known = {"direction": MessageDirection.TO_DEVICE, "source": "north", "sender": "north", "text": "call in"}
    texts = [make.message("", to=Address(names=("quiet",)), aloud=aloud, **known) for aloud in (False, True)]
    topics.put(MESSAGES, *texts)
    flags = {
        m.aloud: m.header.flags
        for m in topics.wait(MESSAGES, DeviceMessage, lambda m: m.device_id == "quiet" and m.text == "call in", count=2)
    }
    assert {False: ("silent",), True: ()} == flags
    silently = told(topics, NORTH, lambda d: d.receipt is not None and d.receipt.code == "shown_silently")
    assert silently.receipt is not None
    assert texts[0].header.message_id == silently.receipt.sender_message_id


@pytest.mark.parametrize(
    ("device", "room", "code"),
    [
        ("unit-other", "north", "address_unknown"),
        ("unit-quiet", "county", "address_unknown"),
        ("nobody", "north", "address_unknown"),
        ("unit-walker", "north", "emergency_open"),
    ],
)
def test_what_a_room_may_not_start_is_told_to_it_and_dead_lettered(
    topics: Any, make: Any, device: str, room: str, code: str
) -> None:
    message = order(make, device, room)
    topics.put(MESSAGES, message)
    refused = told(
        topics, destination_topic(room),
        lambda d: d.receipt is not None and d.receipt.sender_message_id == message.header.message_id,
    )  # fmt: skip
    letter = topics.wait_found(dead_letter_topic("messages"), lambda f: f.value == topics.codec.encode(message))

    assert refused.receipt is not None
    assert (Level.DEAD_LETTERED, code) == (refused.receipt.level, refused.receipt.code)
    assert code.encode() == letter.headers["bondmate.error.code"]
