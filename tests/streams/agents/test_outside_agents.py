"""Ids at the edge, on a broker: what a room is told under, what it answers under, and what an older hub told it under."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import fastavro
import pytest
from bondmate_kafka.partitions import partition_of
from bondmate_schemas import compatibility_check
from bondmate_schemas.catalogue import DEVICE_ALERTS, RECEIPTS, STATE_ALERTS, dead_letter_topic, destination_topic
from bondmate_schemas.codec import Codec, LocalSchemaIds
from bondmate_schemas.enums import AlertAction, AlertKind, AlertStatus, DeliveryReason, Level
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import AlertState, Delivery, DeliveryReceipt, DestinationState, Record
from bondmate_schemas.outside_ids import OutsideIds

SECRET = b"a secret of tests"
OUTSIDE = OutsideIds.of(SECRET)
TAK, CAP = destination_topic("tak"), destination_topic("cap")
OLD = 9_001
"""Schema id of what an older hub wrote."""


class Ids(LocalSchemaIds):
    """A registry that also has the schema of an alert's state as it was before ids had keys."""

    def schema_of(self, schema_id: int) -> str:
        return compatibility_check.released("AlertState")[1] if schema_id == OLD else super().schema_of(schema_id)


def as_an_older_hub_wrote(state: Record) -> bytes:
    body = io.BytesIO()
    schema = fastavro.parse_schema(json.loads(compatibility_check.released("AlertState")[1]))
    fastavro.schemaless_writer(body, schema, state.model_dump())
    return b"\0" + OLD.to_bytes(4, "big") + body.getvalue()


@pytest.fixture(scope="module")
def legacy(make: Any, topics: Any) -> dict[AlertKind, AlertState]:
    """An SOS and a call for assistance that an older hub raised and told to both rooms, under the ids inside."""
    topics.codec = Codec(Ids())
    return {kind: _raised_before(make, topics, kind) for kind in (AlertKind.SOS, AlertKind.ASSISTANCE)}


def _raised_before(make: Any, topics: Any, kind: AlertKind) -> AlertState:
    device = f"device-old-{kind.value}"
    event_id, now = derived_id("alert", device), datetime.now(UTC)
    alert = make.alert(device, event_id=event_id, incident_id=f"incident-old-{kind.value}", kind=kind)
    told = {
        name: DestinationState(
            level=Level.DELIVERED, changed_at=now, delivery_id=derived_id("delivery", event_id, name)
        )
        for name in ("tak", "cap")
    }
    state = AlertState(
        header=alert.header, device_id=device, status=AlertStatus.DELIVERED, alert=alert, destinations=told,
        changed_at=now,
    )  # fmt: skip
    topics.put_bytes(STATE_ALERTS, event_id.encode(), as_an_older_hub_wrote(state))
    return state


class Worker:
    """The streams, which can be started anew with other keys."""

    def __init__(self, start: Callable[..., Any]) -> None:
        self._start = start
        self._running = start()

    def again(self, **given: Any) -> None:
        self.stop()
        self._running = self._start(**given)

    def stop(self) -> None:
        self._running.stop()


@pytest.fixture(scope="module", autouse=True)
def worker(
    legacy: dict[AlertKind, AlertState],
    running: Callable[..., Any],
    configured: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Worker]:
    assert legacy
    folder = tmp_path_factory.mktemp("tables")
    found = Worker(lambda **given: running(configured(folder, schema_ids=Ids(), **given)))
    yield found
    found.stop()


def outside(topics: Any, topic: str, inside: str, reason: DeliveryReason = DeliveryReason.NEW) -> Delivery:
    """Give a Delivery as its destination reads it."""
    name = topic.rpartition(".")[2]
    wanted = {inside, OUTSIDE.of_destination(name)(inside)}

    def is_it(found: Any) -> bool:
        delivery = topics.codec.decode(found.value, Delivery)
        return delivery.header.event_id in wanted and delivery.reason is reason

    read: Delivery = topics.codec.decode(topics.wait_found(topic, is_it).value, Delivery)
    return read


def answer(make: Any, delivery: Delivery, destination: str, level: Level) -> DeliveryReceipt:
    """Give what a room says that knows nothing but what it was told."""
    header = delivery.header
    receipt: DeliveryReceipt = make.receipt(
        header.event_id, destination, level, delivery_id=delivery.id, incident_id=header.incident_id
    )
    return receipt


def stands(topics: Any, event_id: str, status: AlertStatus) -> AlertState:
    state: AlertState = topics.wait(
        STATE_ALERTS, AlertState, lambda s: (s.header.event_id, s.status) == (event_id, status)
    )[-1]
    return state


def test_two_rooms_know_an_alert_by_ids_that_nobody_can_compare_or_go_back_from(topics: Any, make: Any) -> None:
    alert = make.alert("device-a", event_id=derived_id("alert", "device-a"), text="help")
    topics.put(DEVICE_ALERTS, alert)
    event_id = alert.header.event_id
    tak, cap = outside(topics, TAK, event_id), outside(topics, CAP, event_id)

    for name in ("message_id", "event_id", "incident_id"):
        assert len({getattr(tak.header, name), getattr(cap.header, name)}) == 2
    inside = {event_id, derived_id("incident", event_id), alert.header.message_id}
    for name, delivery in (("tak", tak), ("cap", cap)):
        said = delivery.model_dump_json() + delivery.key
        assert not [each for each in (*inside, derived_id("delivery", event_id, name)) if each in said]
    assert OUTSIDE.newest == stands(topics, event_id, AlertStatus.ROUTED).destinations["tak"].id_key


@pytest.mark.parametrize("partition", [0, 1, 2, 3])
def test_a_room_answers_under_the_ids_it_was_told_wherever_its_client_puts_them(
    topics: Any, make: Any, partition: int
) -> None:
    alert = make.alert(f"device-b{partition}")
    topics.put(DEVICE_ALERTS, alert)
    told = outside(topics, TAK, alert.header.event_id)
    receipt = answer(make, told, "tak", Level.ACKNOWLEDGED)
    topics.put_bytes(RECEIPTS, told.header.event_id.encode(), topics.codec.encode(receipt), partition=partition)

    state = stands(topics, alert.header.event_id, AlertStatus.ACCEPTED)
    assert Level.ACKNOWLEDGED is state.destinations["tak"].level
    home = partition_of(alert.header.event_id.encode(), 4)
    again = [found for found in topics.all(RECEIPTS) if found.key == alert.header.event_id.encode()]
    assert ([home] if partition != home else []) == [found.partition for found in again]


def test_an_answer_under_the_ids_of_another_room_counts_for_nothing_and_its_own_still_does(
    topics: Any, make: Any
) -> None:
    alert = make.alert("device-c")
    topics.put(DEVICE_ALERTS, alert)
    tak, cap = outside(topics, TAK, alert.header.event_id), outside(topics, CAP, alert.header.event_id)
    foreign, invented = answer(make, tak, "cap", Level.RESOLVED), answer(make, cap, "cap", Level.RESOLVED)
    invented = invented.model_copy(update={"delivery_id": f"0-{'a' * 52}"})
    topics.put(RECEIPTS, foreign, invented)

    for receipt in (foreign, invented):
        letter = topics.wait_found(
            dead_letter_topic("receipts"),
            lambda f, wanted=receipt.header.message_id: (
                wanted == topics.codec.decode(f.value, DeliveryReceipt).header.message_id
            ),
        )
        assert b"not_its_own" == letter.headers["bondmate.error.code"]
    topics.put(RECEIPTS, answer(make, cap, "cap", Level.ACKNOWLEDGED))
    state = stands(topics, alert.header.event_id, AlertStatus.ACCEPTED)
    assert (Level.UNKNOWN, Level.ACKNOWLEDGED) == tuple(state.destinations[name].level for name in ("tak", "cap"))


def test_an_update_goes_out_under_the_ids_of_the_first(topics: Any, make: Any) -> None:
    alert = make.alert("device-d", kind=AlertKind.ASSISTANCE)
    topics.put(DEVICE_ALERTS, alert)
    first = outside(topics, CAP, alert.header.event_id)
    end = make.alert("device-d", event_id=alert.header.event_id, kind=AlertKind.ASSISTANCE, action=AlertAction.CANCEL)
    topics.put(DEVICE_ALERTS, end)
    last = outside(topics, CAP, alert.header.event_id, DeliveryReason.CANCEL)

    assert (first.header.event_id, first.key, first.id) == (last.header.event_id, last.key, last.first_id)


def test_an_alert_that_an_older_hub_raised_is_closed_at_the_room_under_the_ids_it_was_told_under(
    topics: Any, make: Any, legacy: dict[AlertKind, AlertState]
) -> None:
    event_id, incident_id = legacy[AlertKind.SOS].header.event_id, "incident-old-SOS"
    # Its device asks to call it off: an update, under the old id.
    topics.put(DEVICE_ALERTS, make.alert("device-old-SOS", event_id=event_id, action=AlertAction.CANCEL))
    update = outside(topics, CAP, event_id, DeliveryReason.UPDATE)
    assert (event_id, incident_id) == (update.header.event_id, update.key)
    assert derived_id("delivery", event_id, "cap") == update.first_id

    # The room closes it under the old id, and the other room hears so under its own old one.
    topics.put(RECEIPTS, *(answer(make, update, "cap", level) for level in (Level.ACKNOWLEDGED, Level.RESOLVED)))
    closed = outside(topics, TAK, event_id, DeliveryReason.CANCEL)
    assert (event_id, incident_id) == (closed.header.event_id, closed.key)
    assert stands(topics, event_id, AlertStatus.RESOLVED).destinations["cap"].level is Level.RESOLVED


def test_an_alert_that_an_older_hub_raised_is_cancelled_by_its_device_under_the_ids_it_was_told_under(
    topics: Any, make: Any, legacy: dict[AlertKind, AlertState]
) -> None:
    event_id = legacy[AlertKind.ASSISTANCE].header.event_id
    end = {"kind": AlertKind.ASSISTANCE, "action": AlertAction.CANCEL, "event_id": event_id}
    topics.put(DEVICE_ALERTS, make.alert("device-old-ASSISTANCE", **end))

    for topic in (TAK, CAP):
        ended = outside(topics, topic, event_id, DeliveryReason.CANCEL)
        assert (event_id, "incident-old-ASSISTANCE") == (ended.header.event_id, ended.key)
        assert derived_id("delivery", event_id, ended.destination) == ended.first_id
    stands(topics, event_id, AlertStatus.CANCELLED)


def test_after_a_new_key_an_open_alert_keeps_its_ids_and_a_new_one_has_others(
    topics: Any, make: Any, worker: Worker
) -> None:
    opened = make.alert("device-e", kind=AlertKind.ASSISTANCE)
    topics.put(DEVICE_ALERTS, opened)
    first = outside(topics, TAK, opened.header.event_id)
    worker.again(outside=OutsideIds({"b": b"another secret here", **OUTSIDE.secrets}))

    # The room answers what it was told before, and hears the end of it under the same ids.
    topics.put(RECEIPTS, answer(make, first, "tak", Level.ACCEPTED))
    stands(topics, opened.header.event_id, AlertStatus.ACCEPTED)
    end = {"kind": AlertKind.ASSISTANCE, "action": AlertAction.CANCEL, "event_id": opened.header.event_id}
    topics.put(DEVICE_ALERTS, make.alert("device-e", **end))
    last = outside(topics, TAK, opened.header.event_id, DeliveryReason.CANCEL)
    assert (first.header.event_id, first.key) == (last.header.event_id, last.key)

    topics.put(DEVICE_ALERTS, later := make.alert("device-f", text="under the new key"))
    found = topics.wait_found(TAK, lambda f: b"under the new key" in f.value)
    assert topics.codec.decode(found.value, Delivery).header.event_id.startswith("b-")
    assert "b" == stands(topics, later.header.event_id, AlertStatus.ROUTED).destinations["tak"].id_key
