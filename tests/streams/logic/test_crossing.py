"""An open alert whose device comes to other rooms: scenario 16, on the pure logic."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from bondmate_schemas.enums import AlertAction, AlertStatus, DeliveryReason
from bondmate_schemas.flags import CAME_HERE
from bondmate_streams.logic import crossing
from bondmate_streams.logic.crossing import MOST_ROOMS, seen
from bondmate_streams.logic.districts import parse_districts
from bondmate_streams.logic.ground import MapGround
from bondmate_streams.logic.late_rooms import with_held
from bondmate_streams.logic.pages import PageReason
from bondmate_streams.logic.routes_yaml import parse_routes
from bondmate_streams.logic.routing import Decision, Escalation, escalation, explain, held, route
from bondmate_streams.logic.steps import Step

from tests.streams.logic.test_ground import MAP, ROUTES, district_map
from tests.streams.logic.test_statements import START, Played, told


def fixes(*of: tuple[float, Sequence[str], Sequence[str]]) -> list[str]:
    """Return which rooms join by fixes: seconds, where they surely are, and where they may be too."""
    since: dict[str, Any] = {}
    joined: list[str] = []
    for seconds, surely, perhaps in of:
        since, joins = seen(since, surely, {*surely, *perhaps}, START + timedelta(seconds=seconds))
        joined += joins
    return joined


def test_a_room_joins_by_two_fixes_ten_seconds_apart_that_are_surely_there() -> None:
    assert [] == fixes((0, ["north"], []))
    assert [] == fixes((0, ["north"], []), (9, ["north"], []))
    assert ["north"] == fixes((0, ["north"], []), (5, ["north"], []), (10, ["north"], []))
    assert ["north"] == fixes((0, ["north"], []), (5, [], ["north"]), (10, ["north"], [])), (
        "a doubtful one says nothing"
    )
    assert [] == fixes((0, [], ["north"]), (30, [], ["north"])), "doubtful ones never suffice"


def test_who_goes_back_and_forth_at_the_border_calls_nobody() -> None:
    there_and_back = [((n * 5), ["north"] if n % 2 else [], []) for n in range(40)]

    assert [] == fixes(*there_and_back)


def rooms(alert: Any, accuracy_m: float) -> list[list[str]]:
    """Return who is surely and who is perhaps told for where an alert is."""
    table, districts = parse_routes(ROUTES), parse_districts(district_map(MAP))
    ground = MapGround.of(districts, table)
    assert ground is not None
    return [
        [one.destination for one in route(alert, table, around) if one.destination != "all"]
        for around in (ground.surely(accuracy_m), ground.perhaps(accuracy_m))
    ]


def test_the_accuracy_of_a_fix_must_fit_between_it_and_the_border(make: Any) -> None:
    inside = make.alert(position=make.position(52.001, 4.5))  # 111 m north of the border
    beside = make.alert(position=make.position(51.985, 4.5))  # 1.7 km south of it

    assert [["north", "county"], ["north", "county"]] == rooms(inside, 50)
    assert [["county"], ["north", "south", "county"]] == rooms(inside, 200), "the neighbour within 2 km is sure"
    assert [["south"], ["south", "county"]] == rooms(beside, 500)


def test_a_room_that_the_device_comes_to_is_told_as_of_one_open_since_before_and_the_old_stay() -> None:
    played = Played(to=("north",))
    played.seconds = 40
    step = crossing.crossed(played.state, [Decision("south", "in-south")], ("in-south", "elsewhere"), played.now)
    played.take(step)
    (notification,) = step.notifications

    assert ("crossed", {"south": DeliveryReason.NEW}, ()) == (step.outcome, told(step), step.pages)
    assert CAME_HERE in notification.event.header.flags
    assert (("south",), ("in-south",)) == (played.state.others.crossed, played.state.others.held)
    assert {"north", "south"} == set(told(played.press(AlertAction.UPDATE, press_count=2)))


def test_three_rooms_join_and_then_a_person_is_paged_once() -> None:
    played = Played(to=("north",))
    pages: list[str] = []
    for number in range(MOST_ROOMS + 2):
        step = crossing.crossed(played.state, [Decision(f"room-{number}", "by-place")], (), played.now)
        played.take(step)
        pages += [page.reason for page in step.pages]

    assert {"north", "room-0", "room-1", "room-2"} == set(played.state.destinations)
    assert [PageReason.CROSSING] == pages


def test_where_an_alert_was_raised_counts_for_its_steps_and_not_where_a_press_was_since(make: Any) -> None:
    table = parse_routes(
        "destinations: {a: &any {modes: EXERCISE}, b: *any}\n"
        "routes: [{name: in-north, when: {record: alert, district: north}, to: a, escalate: [{after_seconds: 9, to: b}]}]"
    )
    ground = MapGround.of(parse_districts(district_map(MAP)), table)
    raised = make.alert(position=make.position(52.5, 4.5))
    pressed = raised.model_copy(update={"position": make.position(10, 10)})
    rules = held(raised, table, ground)

    assert ("in-north",) == rules
    assert ([], ["a"]) == (names(pressed, table, ground), names(pressed, table, rules))
    assert [9.0] == [step.after_seconds for step in escalation(pressed, table, rules) if step.to]
    assert [Escalation(300, page=True)] == escalation(pressed, table, ())
    assert ["no_place"] == [verdict.why for verdict in explain(pressed, table, ())]
    state = Played().state
    assert with_held(Step("raised", state), ()).state == state, "a plain alert holds nothing"
    assert ("x",) == with_held(with_held(Step("raised", state), ("x",)), ("x",)).state.others.held


def names(event: Any, table: Any, ground: Any) -> list[str]:
    return [one.destination for one in route(event, table, ground)]


def test_of_an_alert_that_nobody_knows_of_all_are_told_that_its_first_place_asks_for() -> None:
    played = Played(to=())
    rooms = [Decision(f"room-{number}", "by-place") for number in range(5)]
    step = crossing.crossed(played.state, rooms, ("by-place",), played.now)
    assert step.state is not None
    assert step.state.others is not None

    assert (5, (), ("by-place",)) == (len(step.notifications), step.pages, step.state.others.held)
    assert ((), AlertStatus.ROUTED) == (step.state.others.crossed, step.state.status)
