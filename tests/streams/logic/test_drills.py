"""A drill goes to the one room it is of, waits for nobody, and is ended by the hub."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bondmate_schemas.enums import (
    AlertAction,
    AlertKind,
    AlertStatus,
    DeliveryReason,
    Level,
    Mode,
    Ownership,
    Response,
)
from bondmate_schemas.lateness import is_dropped_when_late
from bondmate_schemas.models import AlertState, DeviceAlert, DeviceMemory
from bondmate_streams.agents.open_alerts import OpenAlertIndex
from bondmate_streams.agents.routing_service import RoutingService
from bondmate_streams.logic import grouping, heard, states, timers
from bondmate_streams.logic.alerts import take
from bondmate_streams.logic.deliveries import Agreements
from bondmate_streams.logic.rooms import Rooms
from bondmate_streams.logic.routes_yaml import parse_routes
from bondmate_streams.logic.routing import Decision, Escalation, escalation, explain, route, why_nowhere
from bondmate_streams.logic.steps import Step
from prometheus_client import REGISTRY

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
LASTS = timedelta(seconds=60)
AGENCIES = {"north": "agency-1", "south": "agency-2"}
ROUTES = """
destinations:
  north: {drill: true, others: [level], fields: {alert: {text: plain}}}
  south: {modes: [ACTUAL, TEST]}
  gone: {drill: true, retired: true, fields: {alert: {text: plain}}}
routes:
  - name: all
    to: [south, north]
    escalate: [{after_seconds: 1, to: south, page: true}]
page_after_seconds: 5
""".replace("  - name: all\n    to", "  - name: all\n    when: {record: alert}\n    to")
DECISIONS = [Decision("north", "drill")]


def drilled(make: Any, name: str = "north", **given: Any) -> DeviceAlert:
    known = {"mode": Mode.TEST, "received_at": NOW, "occurred_at": NOW, "expires_at": NOW + LASTS}
    return make.alert(**{"kind": AlertKind.OTHER, **known, **given}).model_copy(update={"drill": name})


def begun(make: Any, **given: Any) -> AlertState:
    taken = take(drilled(make, **given), None, None, NOW)
    assert taken.change is not None
    state = states.change(None, taken.change, DECISIONS, NOW).state
    assert state is not None
    return state


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def said(make: Any, state: AlertState, seconds: float, level: Level = Level.UNKNOWN, **more: Any) -> Step:
    known = {"mode": Mode.TEST, "agency_id": "agency-1", "occurred_at": at(seconds), "received_at": at(seconds)}
    receipt = make.receipt(state.header.event_id, "north", level, **{**known, **more})
    # Whatever an alert like this would escalate to: of a drill nothing of it counts.
    steps = [Escalation(1, (("south", "all"),), page=True)]
    return heard.receive(state, receipt, (), DECISIONS, at(seconds), rooms=Rooms(AGENCIES), escalation=steps)


def due(state: AlertState, seconds: float, steps: Sequence[Escalation] = ()) -> Step:
    return timers.due(state, DECISIONS, steps, NOW, at(seconds), rooms=Rooms(AGENCIES))


# Where it goes


@pytest.mark.parametrize(
    ("name", "given", "why"),
    [
        ("north", {}, "taken"),
        ("north", {"mode": Mode.ACTUAL}, "mode_not_taken"),
        ("north", {"mode": Mode.UNKNOWN}, "mode_not_taken"),
        ("south", {}, "no_drills"),
        ("gone", {}, "retired"),
        ("nowhere", {}, "unknown_destination"),
    ],
)
def test_it_goes_to_the_one_destination_it_is_of_whatever_routes_and_modes_say(
    make: Any, name: str, given: dict[str, Any], why: str
) -> None:
    table, alert = parse_routes(ROUTES), drilled(make, name, **given)

    assert [(name, "drill", why)] == [(v.destination, v.route, v.why) for v in explain(alert, table)]
    assert [name] * (why == "taken") == [each.destination for each in route(alert, table)]
    assert [] == escalation(alert, table)


def test_that_drills_are_taken_lets_nothing_else_of_mode_test_in(make: Any) -> None:
    table = parse_routes(ROUTES)

    assert ["south"] == [each.destination for each in route(make.alert(mode=Mode.TEST), table)]


def test_a_worker_answers_for_a_drill_apart_from_alerts_that_look_alike_and_counts_none_that_goes_nowhere(
    make: Any,
) -> None:
    service = RoutingService(parse_routes(ROUTES))
    alike = make.alert(kind=AlertKind.OTHER, mode=Mode.TEST)
    unrouted = ("hub_unrouted_events_total", {"record": "DeviceAlert", "why": "no_drills"})
    before = REGISTRY.get_sample_value(*unrouted)

    assert ["south"] == [each.destination for each in service.route(alike)]
    assert ["north"] == [each.destination for each in service.route(drilled(make))]
    assert [] == service.route(drilled(make, "south"))
    assert before == REGISTRY.get_sample_value(*unrouted)
    assert "no_drills" == why_nowhere(explain(drilled(make, "south"), service.routes))


def test_who_was_away_gets_no_drill_that_is_over_but_its_end(make: Any) -> None:
    agreements, state = Agreements(parse_routes(ROUTES), b"secret-of-the-tests"), begun(make)
    (new,) = states.change(None, state.alert, DECISIONS, NOW).notifications
    (end,) = due(state, 60).notifications

    first, last = (agreements.delivery(each, NOW) for each in (new, end))

    assert first is not None
    assert last is not None
    assert (True, at(60)) == (is_dropped_when_late(first), first.header.expires_at)
    assert (False, None) == (is_dropped_when_late(last), last.header.expires_at)
    assert (True, True) == (first.is_drill, last.is_drill)


# What becomes of it


def test_the_hub_ends_it_after_its_time_and_tells_its_room(make: Any) -> None:
    state = said(make, begun(make), 1, Level.DELIVERED).state
    assert state is not None

    early, over = due(state, 59), due(state, 60)

    assert (None, ()) == (early.state, early.notifications)
    assert at(60) == timers.next_due(state, DECISIONS, [], NOW)
    assert "drill_over" == over.outcome
    assert over.state is not None
    assert (AlertStatus.CANCELLED, True) == (over.state.status, over.tells_device)
    assert [("north", DeliveryReason.CANCEL, AlertAction.CANCEL)] == [
        (each.destination, each.reason, each.event.action) for each in over.notifications
    ]
    assert () == over.pages
    assert None is timers.next_due(over.state, DECISIONS, [], at(60))
    assert ("hub", "drill_over") == (over.state.alert.whole.ended_by, over.state.alert.whole.ended_why)


@pytest.mark.parametrize("level", [None, Level.DEAD_LETTERED, Level.EXPIRED])
def test_one_that_has_not_arrived_by_its_end_pages_as_a_failed_drill_and_as_nothing_else(
    make: Any, level: Level | None
) -> None:
    step = said(make, begun(make), 1, level) if level else Step("", begun(make))
    assert step.state is not None
    over = due(step.state, 61)

    assert () == step.pages
    assert "drill_failed" == over.outcome
    assert [("drill_failed", "north")] == [(page.reason, page.subject) for page in over.pages]
    assert over.state is not None
    assert AlertStatus.EXPIRED is over.state.status


def test_nothing_escalates_whoever_says_nothing_takes_back_or_closes_their_part(make: Any) -> None:
    steps = [Escalation(1, (("south", "all"),), page=True)]
    state = said(make, begun(make), 1, Level.ACKNOWLEDGED).state
    assert state is not None
    assert AlertStatus.ACCEPTED is state.status

    back = said(make, state, 40, response=Response.WITHDRAWN)
    waited = due(begun(make), 50, steps)

    assert back.state is not None
    assert ("stated", 0, ()) == (back.outcome, back.state.round, back.notifications)
    assert ((), ()) == (back.pages, waited.pages)
    assert () == waited.notifications
    assert at(60) == timers.next_due(back.state, DECISIONS, steps, at(40))


def test_its_room_may_close_it_and_may_give_it_to_nobody(make: Any) -> None:
    state = begun(make)

    closed = said(make, state, 5, Level.RESOLVED)
    offered = said(make, state, 5, ownership=Ownership.OFFERED, offered_to="agency-2")
    linked = said(make, state, 5, link_to="another")

    assert closed.state is not None
    assert ("closed", AlertStatus.RESOLVED) == (closed.outcome, closed.state.status)
    assert "no_offer" == offered.refused
    assert "" != linked.refused or linked.outcome == "not_its_own"


def test_operations_link_it_to_nothing(make: Any) -> None:
    state = begun(make)
    link = make.receipt(state.header.event_id, grouping.OPERATIONS, Level.UNKNOWN, mode=Mode.TEST).model_copy(
        update={"code": grouping.LINK, "platform_id": "incident-9", "sender_message_id": "alert-9"}
    )

    step = heard.receive(state, link, (), DECISIONS, NOW, rooms=Rooms(AGENCIES))

    assert ("drill_stands_alone", state, ()) == (step.outcome, step.state, step.notifications)


def test_a_further_press_of_its_device_begins_nothing_open_or_ended(make: Any) -> None:
    state = begun(make)
    press = drilled(make, event_id=state.header.event_id, received_at=at(5), occurred_at=at(5), message_id="again")

    open_ = states.change(state, press, DECISIONS, at(5))
    ended = due(state, 60).state
    assert ended is not None
    late = states.change(ended, press.model_copy(update={"text": "more"}), DECISIONS, at(61))

    assert ("drill_goes_on", state, ()) == (open_.outcome, open_.state, open_.notifications)
    assert ("closed_already", None, ()) == (late.outcome, late.reopened, late.pages)


def test_where_it_may_not_go_it_is_over_at_once_and_its_device_hears_why(make: Any) -> None:
    step = states.change(None, drilled(make, "south"), [], NOW)

    assert ("drill_refused", (), ()) == (step.outcome, step.notifications, step.pages)
    assert step.state is not None
    assert (AlertStatus.CANCELLED, True) == (step.state.status, step.tells_device)
    assert step.state.alert.whole is not None
    assert "drill_refused" == step.state.alert.whole.ended_why


def test_each_drill_is_an_alert_of_its_own_linked_to_no_other(make: Any) -> None:
    first = take(drilled(make, event_id="one", message_id="m-1"), None, None, NOW)
    second = take(drilled(make, event_id="two", message_id="m-2"), first.memory, None, at(1))

    assert ("raised", "raised") == (first.outcome, second.outcome)
    assert second.change is not None
    assert ("two", None) == (second.change.header.event_id, second.change.whole)
    assert isinstance(second.memory, DeviceMemory)


def test_people_who_watch_open_alerts_are_shown_none_of_it(make: Any) -> None:
    index, state = OpenAlertIndex(["north"]), begun(make)
    index.note(state, DECISIONS, [])
    index.measure(at(30))

    assert 0 == REGISTRY.get_sample_value("hub_open_alerts", {"status": "ROUTED"})
    assert 0 == REGISTRY.get_sample_value("hub_oldest_undelivered_alert_seconds", {"destination": "north"})
    assert [state.header.event_id] == index.due(at(60))[1]
