"""Messages of a control room to several officers, on a broker: one a device, receipts back, nobody left in silence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from bondmate_monitoring import metrics
from bondmate_schemas.catalogue import LAST_LOCATION, MESSAGES, RECEIPTS, dead_letter_topic, destination_topic
from bondmate_schemas.enums import DeliveryKind, Level, MessageDirection, Mode
from bondmate_schemas.ids import derived_id, pseudonym
from bondmate_schemas.models import Address, Area, Delivery, DeviceMessage, ExternalRef
from bondmate_streams.agents.starting import Starting
from bondmate_streams.logic.addressing import Officer
from bondmate_streams.logic.routes_yaml import parse_routes
from bondmate_streams.logic.routing import Routes

SECRET = b"a secret of tests"
CAP, TAK = destination_topic("cap"), destination_topic("tak")
ROUTES = """
destinations:
  tak:
    modes: [ACTUAL, EXERCISE]
  cap:
    modes: [ACTUAL, EXERCISE]
    may_message: {agencies: [agency-1], areas: true, most_devices: 3}
routes:
  - name: chat
    when: {record: message, direction: FROM_DEVICE}
    to: [tak, cap]
"""
SQUARE = Area(polygons=("52,4 52,5 53,5 53,4 52,4",))


@pytest.fixture(scope="session")
def routes() -> Routes:
    return parse_routes(ROUTES)


@pytest.fixture(scope="module", autouse=True)
def streams(
    configured: Callable[..., Any], running: Any, topics: Any, make: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """Run the streams; they read where everybody is before they say that nobody is there."""
    places = {"in-1": (52.5, 4.5), "in-2": (52.6, 4.6), "real": (52.7, 4.7), "out": (1, 1), "away": (2, 2)}
    for device, (latitude, longitude) in places.items():
        topics.put(LAST_LOCATION, make.location(device, position=make.position(latitude, longitude)))
    enrolled = [Officer("real", "agency-1", Mode.ACTUAL, "unit-1"), Officer("quiet", "agency-1", Mode.EXERCISE, "u-2")]
    config = configured(tmp_path_factory.mktemp("tables"), officers=lambda: enrolled, receipt_takers=["cap"])
    found = running(config)
    yield found
    found.stop()


def order(make: Any, source: str = "cap", device: str = "", **given: Any) -> DeviceMessage:
    return make.message(
        device, direction=MessageDirection.TO_DEVICE, source=source, sender=source, text="come to the square", **given
    )


def addressed(topics: Any, message: DeviceMessage, count: int) -> list[DeviceMessage]:
    ours = ExternalRef(system="streams", id=message.header.message_id)
    return topics.wait(MESSAGES, DeviceMessage, lambda m: ours in m.header.external_refs, count=count)


def told(topics: Any, topic: str, message_id: str, count: int = 1) -> list[Delivery]:
    return topics.wait(
        topic, Delivery, lambda d: d.receipt is not None and d.receipt.sender_message_id == message_id, count=count
    )


def test_what_is_asked_of_every_device_holds_up_nothing_else_of_the_worker(
    topics: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, bool] = {}

    def is_any_hidden(_: Starting, device_id: str) -> bool:
        # Only the thread of the worker's loop has one that runs.
        asked[device_id] = asyncio._get_running_loop() is not None
        return False

    monkeypatch.setattr(Starting, "is_any_hidden", is_any_hidden)
    message = order(make, to=Address(areas=(SQUARE,)))
    topics.put(MESSAGES, message)
    addressed(topics, message, count=2)

    assert {"in-1": False, "in-2": False} == asked


def test_an_area_becomes_one_message_a_device_with_the_same_ids_when_it_comes_again(topics: Any, make: Any) -> None:
    message = order(make, to=Address(areas=(SQUARE,)), requires_acknowledgement=True)
    topics.put(MESSAGES, message, message)
    found = addressed(topics, message, count=4)

    assert {"in-1", "in-2"} == {one.device_id for one in found}
    assert {derived_id("message", message.header.message_id, "addressed", device) for device in ("in-1", "in-2")} == {
        one.header.message_id for one in found
    }
    assert {(None, True, "come to the square", ("streams",))} == {
        (one.to, one.requires_acknowledgement, one.text, one.header.hops) for one in found
    }


def test_an_exercise_reaches_no_device_in_real_use_and_its_sender_is_told(topics: Any, make: Any) -> None:
    message = order(make, to=Address(names=("unit-1", "u-2")))
    topics.put(MESSAGES, message)
    (receipt,) = told(topics, CAP, message.header.message_id)

    assert ["quiet"] == [one.device_id for one in addressed(topics, message, 1)]
    assert (Level.DEAD_LETTERED, "address_mode", "unit-1") == (
        receipt.receipt.level, receipt.receipt.code, receipt.receipt.platform_id,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("to", "code"),
    [
        (Address(names=("nobody",)), "address_unknown"),
        (Address(agencies=("agency-2",)), "address_not_allowed"),
        (Address(agencies=("agency-1",)), "address_too_many"),
        (Address(areas=(Area(circles=("80,80 1",)),)), "address_nobody"),
    ],
)
def test_what_reaches_nobody_is_dead_lettered_told_and_the_next_one_goes_through(
    topics: Any, make: Any, to: Address, code: str
) -> None:
    before = metrics.MESSAGES_TO_DEVICES.labels("cap", code)._value.get()
    message, sound = order(make, to=to), order(make, to=Address(areas=(SQUARE,)))
    topics.put(MESSAGES, message, sound)
    (receipt,) = told(topics, CAP, message.header.message_id)
    letter = topics.wait_found(dead_letter_topic("messages"), lambda f: f.value == topics.codec.encode(message))

    assert (DeliveryKind.RECEIPT, Level.DEAD_LETTERED, code) == (
        receipt.kind, receipt.receipt.level, receipt.receipt.code,
    )  # fmt: skip
    assert code.encode() == letter.headers["bondmate.error.code"]
    assert before + 1 == metrics.MESSAGES_TO_DEVICES.labels("cap", code)._value.get()
    assert {"in-1", "in-2"} == {one.device_id for one in addressed(topics, sound, 2)}


def test_a_control_room_without_leave_reaches_only_devices_whose_name_it_was_given(topics: Any, make: Any) -> None:
    allowed = order(make, "tak", pseudonym(SECRET, "tak", "in-1"))
    others = [order(make, "tak", name) for name in ("in-1", pseudonym(SECRET, "cap", "in-1"))]
    topics.put(MESSAGES, allowed, *others)
    letters = [
        topics.wait_found(dead_letter_topic("messages"), lambda f, m=m: f.value == topics.codec.encode(m))
        for m in others
    ]

    assert ["in-1"] == [one.device_id for one in addressed(topics, allowed, 1)]
    assert [b"address_unknown"] * 2 == [letter.headers["bondmate.error.code"] for letter in letters]


def test_a_devices_receipts_go_to_the_sender_as_they_are_under_its_own_name_for_the_device(
    topics: Any, make: Any
) -> None:
    theirs = (ExternalRef(system="cap:reference", id="their own"),)
    given = {
        "device_id": "in-1", "sender": "cap", "sender_message_id": "order-1", "by_ref": "officer-1", "note": "words",
        "external_refs": theirs,
    }  # fmt: skip
    receipts = [
        make.receipt("mail-1", "device", level, source="devices", delivery_id="mail-1", **given)
        for level in (Level.DELIVERED, Level.ACKNOWLEDGED)
    ]
    topics.put(RECEIPTS, receipts[0], receipts[0], receipts[1])
    found = told(topics, CAP, "order-1", count=3)

    assert [Level.DELIVERED, Level.DELIVERED, Level.ACKNOWLEDGED] == [one.receipt.level for one in found]
    assert 2 == len({one.id for one in found})
    assert {(pseudonym(SECRET, "cap", "in-1"), None, None, theirs)} == {
        (r.device_id, r.by_ref, r.note, r.header.external_refs) for r in (one.receipt for one in found)
    }


def test_a_sender_whose_connector_takes_no_receipts_is_sent_none_and_that_is_counted(topics: Any, make: Any) -> None:
    counted = metrics.MESSAGE_RECEIPTS.labels("tak", "DELIVERED", "not_taken")
    before = counted._value.get()
    known = {"source": "devices", "device_id": "in-1", "sender_message_id": "order-2"}
    topics.put(RECEIPTS, make.receipt("mail-2", "device", Level.DELIVERED, sender="tak", **known))
    topics.put(RECEIPTS, make.receipt("mail-2", "device", Level.DELIVERED, sender="cap", **known))
    told(topics, CAP, "order-2")

    assert before + 1 == counted._value.get()
    assert [] == [d for d in topics.records(TAK, Delivery) if d.receipt is not None]
