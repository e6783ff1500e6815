"""A real emergency out of an exercise: at its owner alone, paged and logged, until a person there takes it as real."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from bondmate_schemas.catalogue import AUDIT, DEVICE_ALERTS, PAGES, RECEIPTS, destination_topic
from bondmate_schemas.enums import AlertAction, AlertKind, DeliveryReason, Level, Mode, Response
from bondmate_schemas.flags import FROM_EXERCISE, TOLD_LATE
from bondmate_schemas.models import AuditRecord, Delivery, OperationsPage
from bondmate_streams.logic.real import of_owner
from bondmate_streams.logic.routes_yaml import parse_routes
from bondmate_streams.logic.routing import Decision, Escalation, Routes

NORTH, COUNTY, EXERCISE = (destination_topic(name) for name in ("north", "county", "exercise"))
ROUTES = """
destinations:
  north: {modes: [ACTUAL], agency: agency-1}
  county: {modes: [ACTUAL], agency: county}
  exercise: {modes: [EXERCISE], agency: agency-1}
routes:
  - name: alerts
    when: {record: alert}
    to: [north, county, exercise]
    escalate: [{after_seconds: 2, to: [county]}, {after_seconds: 600, page: true}]
"""


@pytest.fixture(scope="session")
def routes() -> Routes:
    return parse_routes(ROUTES)


@pytest.fixture(scope="module", autouse=True)
def streams(configured: Any, running: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    found = running(configured(tmp_path_factory.mktemp("tables")))
    yield found
    found.stop()


def test_of_the_routes_what_is_the_owners_stays_and_where_that_is_nothing_its_rooms_for_what_is_real(
    routes: Routes,
) -> None:
    agencies = {name: at.agency for name, at in routes.destinations.items()}
    found = [Decision("north", "alerts"), Decision("county", "alerts")], [Escalation(2, (("county", "alerts"),))]
    elsewhere = [Decision("county", "alerts")], [Escalation(2, page=True)]

    def kept(found: Any, owner: str) -> list[str]:
        return [one.destination for one in of_owner(found, owner, routes.destinations, agencies)[0]]

    assert (["north"], ["north"], ["county"], []) == (
        kept(found, "agency-1"), kept(elsewhere, "agency-1"), kept(found, "county"), kept(found, ""),
    )  # fmt: skip
    assert [Escalation(2)] == of_owner(found, "agency-1", routes.destinations, agencies)[1]


def test_it_is_told_to_the_owner_paged_and_logged_and_to_the_others_once_a_person_sends_help(
    topics: Any, make: Any
) -> None:
    real = make.alert("device-x", mode=Mode.ACTUAL, flags=(FROM_EXERCISE,))
    event_id = real.header.event_id
    topics.put(DEVICE_ALERTS, real)

    def told(topic: str) -> list[Delivery]:
        return [d for d in topics.records(topic, Delivery) if d.header.event_id == event_id]

    (first,) = topics.wait(NORTH, Delivery, lambda d: d.header.event_id == event_id)
    topics.wait(PAGES, OperationsPage, lambda p: (p.reason, p.subject) == ("alert_real_from_exercise", event_id))
    topics.wait(AUDIT, AuditRecord, lambda r: r.event_id == event_id and "real_emergency" in "".join(r.fields))
    # Not by escalation either: the step has passed when the room is told louder.
    topics.wait(PAGES, OperationsPage, lambda p: p.subject == event_id)
    topics.put(
        DEVICE_ALERTS, make.alert("device-x", event_id=event_id, action=AlertAction.UPDATE, kind=AlertKind.OTHER)
    )
    (update,) = topics.wait(
        NORTH, Delivery, lambda d: (d.header.event_id, d.reason) == (event_id, DeliveryReason.UPDATE)
    )
    topics.put(RECEIPTS, make.receipt(event_id, "north", Level.ACKNOWLEDGED, mode=Mode.ACTUAL))
    assert (Mode.ACTUAL, Mode.ACTUAL) == (first.header.mode, update.header.mode)
    assert FROM_EXERCISE in update.header.flags
    assert [] == told(COUNTY) == told(EXERCISE)

    topics.put(
        RECEIPTS, make.receipt(event_id, "north", response=Response.ASSIGNED, level=Level.UNKNOWN, mode=Mode.ACTUAL)
    )
    (late,) = topics.wait(COUNTY, Delivery, lambda d: d.header.event_id == event_id)
    assert (DeliveryReason.NEW, True) == (late.reason, TOLD_LATE in late.header.flags)
    assert [] == told(EXERCISE)


def test_without_the_gesture_it_stays_an_exercise(topics: Any, make: Any) -> None:
    plain = make.alert("device-y", mode=Mode.EXERCISE)
    topics.put(DEVICE_ALERTS, plain)
    topics.wait(EXERCISE, Delivery, lambda d: d.header.event_id == plain.header.event_id)

    assert [] == [d for t in (NORTH, COUNTY) for d in topics.records(t, Delivery) if d.alert.device_id == "device-y"]
