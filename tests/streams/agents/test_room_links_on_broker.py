"""A control room links two alerts of one event by a message of its own, under the ids that it knows them by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from bondmate_schemas.catalogue import DEVICE_ALERTS, RECEIPTS, STATE_ALERTS, dead_letter_topic, destination_topic
from bondmate_schemas.enums import Level
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import AlertState, Delivery
from bondmate_schemas.outside_ids import OutsideIds
from bondmate_streams.logic.routes_yaml import parse_routes
from bondmate_streams.logic.routing import Routes

NORTH = destination_topic("north")
ROUTES = """
destinations:
  north: {modes: [EXERCISE], agency: agency-1}
routes:
  - {name: alerts, when: {record: alert}, to: north}
"""


@pytest.fixture(scope="session")
def routes() -> Routes:
    return parse_routes(ROUTES)


@pytest.fixture(scope="module", autouse=True)
def streams(configured: Any, running: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    found = running(configured(tmp_path_factory.mktemp("tables")))
    yield found
    found.stop()


def test_an_answer_links_one_alert_to_another_and_by_ids_of_nobody_nothing(topics: Any, make: Any) -> None:
    first, second = (make.alert(f"device-{number}") for number in (1, 2))
    topics.put(DEVICE_ALERTS, first, second)
    for each in (first, second):
        topics.wait(NORTH, Delivery, lambda d, e=each: d.header.event_id == e.header.event_id)
    shown = OutsideIds.of(b"a secret of tests").of_destination("north", "")
    one, other = (shown(each.header.event_id) for each in (second, first))
    forged = make.receipt(one, "north", Level.UNKNOWN, link_to=shown(derived_id("x")))
    topics.put(RECEIPTS, forged, make.receipt(one, "north", Level.UNKNOWN, link_to=other))

    def is_linked(state: AlertState) -> bool:
        whole = state.alert.whole
        return state.header.event_id == second.header.event_id and whole is not None and bool(whole.group_id)

    linked = topics.wait(STATE_ALERTS, AlertState, is_linked)[-1].alert.whole
    assert (derived_id("incident", first.header.event_id), first.header.event_id, "agency-1") == (
        linked.group_id, linked.linked_to, linked.linked_by,
    )  # fmt: skip
    letter = topics.wait_found(dead_letter_topic("receipts"), lambda f: f.value == topics.codec.encode(forged))
    assert b"not_its_own" == letter.headers["bondmate.error.code"]
