"""One event, one number, through the agents: each alert new and in full at every room (FINDINGS L15)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from bondmate_schemas.catalogue import DEVICE_ALERTS, RECEIPTS, STATE_ALERTS, destination_topic
from bondmate_schemas.enums import DeliveryReason, Level
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import AlertState, Delivery
from bondmate_streams.logic.grouping import OPERATIONS

CAP = destination_topic("cap")


def stands(topics: Any, event_id: str, group_id: str) -> AlertState:
    def fits(state: AlertState) -> bool:
        whole = state.alert.whole
        return state.header.event_id == event_id and whole is not None and whole.group_id == group_id

    return topics.wait(STATE_ALERTS, AlertState, fits)[-1]


def test_two_of_a_unit_in_the_same_moment_have_one_number_and_operations_take_one_out(
    topics: Any, make: Any, streams: Any
) -> None:
    first, second = (make.alert(f"device-of-unit-{number}", unit="unit-g") for number in (1, 2))
    # In the order of the hub's own time the second is later, whatever order they are read in.
    later = {"received_at": first.header.received_at + timedelta(milliseconds=5)}
    second = second.model_copy(update={"header": second.header.model_copy(update=later)})
    topics.put(DEVICE_ALERTS, second, first)
    number = derived_id("incident", first.header.event_id)
    linked = stands(topics, second.header.event_id, number)
    told = [d for d in topics.records(CAP, Delivery) if d.alert and d.alert.unit is None and d.alert.whole]
    receipt = make.receipt(second.header.event_id, OPERATIONS, Level.UNKNOWN, code="unlink", by_ref="kim")
    topics.put(RECEIPTS, receipt)
    apart = stands(topics, second.header.event_id, "")
    new = topics.wait(CAP, Delivery, lambda d: d.alert and d.reason is DeliveryReason.NEW, count=2)

    assert derived_id("incident", second.header.event_id) == linked.header.incident_id
    assert (first.header.event_id, "rule:unit") == (linked.alert.whole.linked_to, linked.alert.whole.linked_by)
    assert linked.alert.whole.group_id not in {d.alert.whole.group_id for d in told}, "outside ids are the room's own"
    assert OPERATIONS == apart.alert.whole.linked_by, "whose word it was no room is told"
    assert linked.destinations.keys() == apart.destinations.keys()
    assert len(new) >= 2
