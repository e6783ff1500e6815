"""An open emergency follows its device: at each room's pace, as that room may see it, and never after its end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bondmate_schemas.enums import AlertAction, AlertKind, DeliveryReason, Level, PositionOrigin
from bondmate_schemas.models import AlertState, Delivery, DeviceLocation
from bondmate_streams.logic import heard, states
from bondmate_streams.logic.deliveries import Agreements
from bondmate_streams.logic.following import (
    UpdatePace,
    UpdateQueue,
    age_seconds,
    is_followed,
    is_news,
    newest,
    paces_of,
    update_of,
    with_fix,
)
from bondmate_streams.logic.routes_yaml import RoutesError, parse_routes
from bondmate_streams.logic.routing import Decision
from bondmate_streams.logic.steps import as_update, tell

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
DECISIONS = [Decision("north", "alerts"), Decision("map", "alerts")]


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def fix(make: Any, seconds: float, latitude: float = 52.0, *, held: float = 0.0, **given: Any) -> DeviceLocation:
    """Return a fix that the hub had `seconds` after noon, and its device `held` seconds before that."""
    position = make.position(latitude, at=after(seconds - held))
    found: DeviceLocation = make.location(position=position, received_at=after(seconds), **given)
    return found


def raised(make: Any, **given: Any) -> AlertState:
    alert = make.alert(received_at=NOW, occurred_at=NOW, **given)
    state = states.change(None, alert, DECISIONS, NOW).state
    assert state is not None
    return state


# UpdateQueue.


def told_in(turns: UpdateQueue, seconds: int, event_ids: list[str], share: float = 1.0) -> list[tuple[int, str]]:
    """Return what is told, and when, of alerts whose devices send a fix each second."""
    found = []
    for second in range(seconds):
        for event_id in event_ids:
            turns.want(event_id)
        for event_id in turns.due(second, share):
            turns.told(event_id, second)
            found.append((second, event_id))
    return found


def test_the_first_is_told_at_once_and_then_at_the_rooms_pace() -> None:
    assert [0, 15, 30, 45] == [second for second, _ in told_in(UpdateQueue(UpdatePace(15, 1)), 60, ["a"])]
    assert list(range(60)) == [second for second, _ in told_in(UpdateQueue(UpdatePace(1, 0)), 60, ["a"])]


@pytest.mark.parametrize("jitter", [0.0, 0.2, 0.4])
def test_a_device_that_tells_as_often_as_the_room_hears_is_told_of_at_once(jitter: float) -> None:
    turns, waits = UpdateQueue(UpdatePace(1, 0)), []
    fixes = [second + jitter * (second % 2) for second in range(60)]
    for look in range(1_240):
        now = look / 20
        if fixes and fixes[0] <= now:
            turns.want("a")
            came = fixes.pop(0)
        if list(turns.due(now)):
            turns.told("a", now)
            waits.append(now - came)

    assert 60 == len(waits)
    assert jitter + 0.1 >= max(waits)


def test_a_room_hears_of_many_alerts_in_turn_and_of_no_more_than_its_pace() -> None:
    event_ids = [f"{number:02}" for number in range(40)]
    found = told_in(UpdateQueue(UpdatePace(15, 1)), 120, event_ids)

    assert event_ids == [event_id for second, event_id in found if second == 0]
    # 40 alerts, one a second: each waits for 40 s, and none is passed over.
    later = [event_id for _, event_id in found[40:]]
    assert 105 == len(later)
    assert event_ids == later[:40] == later[40:80]


def test_a_worker_with_a_half_of_the_partitions_takes_a_half_of_the_rooms_pace() -> None:
    event_ids = [f"{number:02}" for number in range(40)]
    halves = [told_in(UpdateQueue(UpdatePace(15, 1)), 120, event_ids[half::2], share=0.5) for half in (0, 1)]

    assert 107 >= sum(len(found) - 20 for found in halves) >= 100


def test_what_another_worker_has_told_of_goes_on_at_the_rooms_pace_and_not_all_at_once() -> None:
    turns = UpdateQueue(UpdatePace(15, 1))
    for number in range(40):
        turns.want(f"{number:02}", is_first=False)

    assert [1] * 5 == [len(list(turns.due(second))) for second in range(5)]


def test_what_is_over_is_told_no_more_and_may_begin_anew() -> None:
    turns = UpdateQueue(UpdatePace(15, 1))
    told_in(turns, 1, ["a"])
    turns.forget("a")

    assert [(0, "a")] == told_in(turns, 1, ["a"])


# Paces.

ROUTES = """
destinations:
  usual: {fields: {alert: {position: plain}}}
  own: {fields: {alert: {position: plain}}, alert_position_seconds: 5, alert_positions_a_second: 2}
  never: {fields: {alert: {position: plain}}, alert_position_seconds: 0}
  blind: {fields: {alert: {text: plain}}}
  gone: {fields: {alert: {position: plain}}, retired: true}
routes: [{name: alerts, when: {record: alert}, to: [usual, own, never, blind, gone]}]
"""


def test_the_routes_say_a_pace_or_none_and_what_they_do_not_say_the_connector_does() -> None:
    routes = parse_routes(ROUTES)
    agreements = Agreements(routes, b"a secret")

    assert {"usual": UpdatePace(1, 0), "own": UpdatePace(5, 2)} == paces_of(
        routes.destinations, {"usual": UpdatePace(1, 0)}, agreements
    )
    assert UpdatePace(15, 1) == paces_of(routes.destinations, {}, agreements)["usual"]
    with pytest.raises(RoutesError, match="alert_position_seconds"):
        parse_routes(ROUTES.replace("alert_position_seconds: 5", "alert_position_seconds: 0.2"))


# What is told.


def test_emergencies_are_followed_while_they_are_open(make: Any) -> None:
    state = raised(make)
    over = heard.receive(state, make.receipt(state.header.event_id, "north", Level.RESOLVED), (), DECISIONS, after(9))
    both = heard.receive(
        over.state, make.receipt(state.header.event_id, "map", Level.RESOLVED), (), DECISIONS, after(9)
    )

    assert is_followed(state)
    assert both.state is not None
    assert not is_followed(both.state)
    assert not is_followed(raised(make, kind=AlertKind.LOW_BATTERY))


@pytest.mark.parametrize(
    ("known_at", "received", "held", "news"),
    [
        (None, -60, 0, True),
        (-60, -60, 0, False),
        (-60, -2, 0, True),
        (0, 5, 0, True),
        (3600, 5, 0, True),  # of a clock that is ahead, the hub's own counts
        (0, 5, 2e9, True),  # and of one that was never set
        (0, -2, 0, False),
        (0, 2, 3600, False),  # it waited at the device
        (-60, 2, 50, True),
    ],
)
def test_a_fix_is_news_when_its_device_had_it_later_than_what_is_known(
    make: Any, known_at: float | None, received: float, held: float, *, news: bool
) -> None:
    position = None if known_at is None else make.position(at=after(known_at))

    assert news is is_news(fix(make, received, held=held), raised(make, position=position).alert)


@pytest.mark.parametrize(("of_fix", "of_alert"), [("clock_skew", "late"), ("late", "clock_skew"), ("late", "late")])
def test_where_a_clock_is_not_trusted_a_fix_is_news_when_it_came_after_the_alert(
    make: Any, of_fix: str, of_alert: str
) -> None:
    alert = raised(make, position=make.position(at=NOW), flags=(of_alert,)).alert
    known = is_news(fix(make, 2, held=3600, flags=(of_fix,)), alert)

    assert ("clock_skew" in {of_fix, of_alert}) is known


def test_a_fix_is_as_old_as_the_hub_has_it_and_as_its_device_had_it_where_that_is_known(make: Any) -> None:
    assert 10 == age_seconds(fix(make, 0), after(10))
    assert 610 == age_seconds(fix(make, 0, held=600), after(10))
    assert 10 == age_seconds(fix(make, 0, held=86_400, flags=("clock_skew",)), after(10))
    assert 0 == age_seconds(fix(make, 0, held=-60), after(-1))


def test_a_position_update_says_all_of_the_alert_again_and_where_its_device_is_now(make: Any) -> None:
    state = raised(make, text="man with a knife")
    notification = update_of(state, "north", "alerts", fix(make, 30, 53.0), after(31))
    alert = notification.event

    assert notification.position_only
    assert DeliveryReason.UPDATE is notification.reason
    assert notification.first is not None
    assert state.destinations["north"].delivery_id == notification.first.delivery_id
    assert (53.0, PositionOrigin.JOINED, 1.0) == (
        alert.position.latitude, alert.position_origin, alert.position_age_seconds,
    )  # fmt: skip
    assert ("man with a knife", AlertAction.UPDATE) == (alert.text, alert.action)
    assert notification.delivery_id != update_of(state, "north", "alerts", fix(make, 31), after(32)).delivery_id


def test_whatever_else_is_told_of_an_emergency_has_the_newest_fix_but_for_its_end(make: Any) -> None:
    state = raised(make, position=make.position(50.0, at=NOW))
    last = fix(make, 60, 53.0)
    pressed = states.change(
        state, make.alert(event_id=state.header.event_id, received_at=after(61), text="quick"), DECISIONS, after(61)
    )
    over = heard.receive(state, make.receipt(state.header.event_id, "north", Level.RESOLVED), (), DECISIONS, after(62))
    end = [notification for notification in over.notifications if notification.reason is DeliveryReason.CANCEL]

    assert [53.0, 53.0] == [newest(each, last, after(63)).event.position.latitude for each in pressed.notifications]
    old = [newest(each, None, after(663)).event for each in pressed.notifications]
    assert [(50.0, 663.0)] * 2 == [(each.position.latitude, each.position_age_seconds) for each in old]
    assert end == [newest(each, last, after(63)) for each in end]
    assert newest(pressed.notifications[0], last, after(63)).delivery_id == pressed.notifications[0].delivery_id


def test_where_one_lapsed_is_as_old_as_its_fix_and_not_as_the_alert(make: Any) -> None:
    state = raised(make, position=make.position(50.0, at=NOW))
    lapsed = state.model_copy(update={"alert": with_fix(state.alert, fix(make, 60, 53.0), after(62))})
    told = tell(lapsed, as_update(lapsed, after(70), "not renewed"), DeliveryReason.UPDATE, DECISIONS)
    read = [newest(each, None, after(70)).event for each in told]

    assert [(53.0, 10.0)] * 2 == [(each.position.latitude, each.position_age_seconds) for each in read]


def test_of_a_clock_that_cannot_be_trusted_a_position_ages_by_the_hubs_own_time(make: Any) -> None:
    slow = make.alert(
        received_at=NOW, occurred_at=after(-86_400), position=make.position(at=after(-86_400)), flags=("clock_skew",),
        position_age_seconds=3.0,
    )  # fmt: skip
    state = states.change(None, slow, DECISIONS, NOW).state
    words = make.alert(event_id=slow.header.event_id, received_at=NOW, text="quick", flags=("clock_skew",))
    told = states.change(state, words, DECISIONS, NOW).notifications
    last = fix(make, -32_400, held=86_400, flags=("clock_skew",))
    joined = with_fix(slow.model_copy(update={"position": None}), last, NOW)

    assert {603.0} == {newest(each, None, after(600)).event.position_age_seconds for each in told}
    assert 32_400 == joined.position_age_seconds


def test_a_room_that_answers_each_position_update_has_seen_nothing_and_is_not_refused(make: Any) -> None:
    """Statements of machines are `delivered` at most; an answer to what a room was told is none to what it was not."""
    state = raised(make)
    update = update_of(state, "north", "alerts", fix(make, 40_000), after(40_000))
    answer = make.receipt(
        state.header.event_id, "north", Level.ACKNOWLEDGED, delivery_id=update.delivery_id, received_at=after(40_002)
    )
    step = heard.receive(state, answer, (), DECISIONS, after(40_002))
    foreign = heard.receive(state, answer.model_copy(update={"delivery_id": "another"}), (), DECISIONS, after(40_002))

    assert step.state is not None
    assert Level.DELIVERED is step.state.destinations["north"].level
    assert "not_its_own" == foreign.outcome


def test_a_position_is_told_as_the_room_may_see_it(make: Any, routes: Any) -> None:
    agreements = Agreements(routes, b"a secret of tests")
    decisions = [Decision("cap", "alerts")]
    state = states.change(None, make.alert(received_at=NOW), decisions, NOW).state
    assert state is not None
    seen = [
        agreements.delivery(update_of(state, "cap", "alerts", fix(make, 5, latitude), after(5)), after(5))
        for latitude in (52.0001, 52.0002, 52.1)
    ]
    places = [each.alert.position.latitude for each in seen if isinstance(each, Delivery)]

    assert places[0] == places[1] != places[2]
    assert 52.0001 not in places
    assert with_fix(state.alert, fix(make, 5), NOW).position is not None
