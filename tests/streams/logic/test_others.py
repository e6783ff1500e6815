"""What the rooms of an alert see of each other: scenarios 9, 10 and 30, on the pure logic."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from bondmate_schemas.enums import AlertKind, DeliveryReason, Level, Ownership, Priority, Response
from bondmate_schemas.models import OthersTold
from bondmate_schemas.outside_ids import OutsideIds
from bondmate_streams.logic import others
from bondmate_streams.logic.deliveries import Agreements, Notification
from bondmate_streams.logic.rooms import UNLISTED, Rooms
from bondmate_streams.logic.routes_yaml import parse_routes
from bondmate_streams.logic.steps import Step

from tests.streams.logic.test_statements import AGENCIES, ASSIGNED, CLOSES, SEEN, START, Played

SEES = {"south": frozenset({"level"}), "county": frozenset({"level", "unit"})}
ROOMS = Rooms(AGENCIES, see=SEES)
EVERYBODY = frozenset({"level", "unit", "words", "person"})
FOUR = {name: f"pd-{name}" for name in ("north", "county", "south", "east")}


def played(*to: str, rooms: Rooms = ROOMS, kind: AlertKind = AlertKind.SOS, **given: Any) -> Played:
    found = Played(to=to or ("north", "county", "south"), rooms=rooms, kind=kind)
    found.steps = []
    return found


def heard(step: Step) -> dict[str, list[tuple[str, str]]]:
    """Return who hears of whom, and what."""
    return {
        notification.destination: [(room.agency, room.response.value) for room in notification.others.rooms]
        for notification in step.notifications
        if notification.others
    }


def test_who_sees_what_follows_the_agreement_and_the_owner_sees_all() -> None:
    alert = played()
    alert.seconds = 5
    alert.says("county", **ASSIGNED, note="from the river", by_ref="op-3", eta_at=START + timedelta(minutes=5))
    step = alert.wait(0)

    assert {"north", "south"} == set(heard(step))
    owner, south = (notification.others.rooms[0] for notification in step.notifications)
    assert ("county", Response.ASSIGNED, "7", "from the river", "op-3") == (
        owner.agency, owner.response, owner.unit, owner.words, owner.by_ref,
    )  # fmt: skip
    assert START + timedelta(minutes=5) == owner.eta_at
    assert ("county", Response.ASSIGNED, None, None, "", None) == (
        south.agency, south.response, south.unit, south.eta_at, south.words, south.by_ref,
    )  # fmt: skip
    assert {True} == {notification.others.only_news for notification in step.notifications}
    assert (DeliveryReason.UPDATE, 0) == (step.notifications[0].reason, step.notifications[0].others.hops)


def test_where_nobody_may_hear_nothing_is_told_and_the_state_does_not_grow() -> None:
    alert = played("county", "south", rooms=Rooms(AGENCIES))
    alert.says("county", **ASSIGNED, note="words")

    assert alert.state.others is None
    assert alert.due() is None


def test_what_was_said_within_five_seconds_is_told_at_once_and_never_to_who_alone_said_it() -> None:
    alert = played()
    alert.says("county", SEEN)
    first = alert.wait(0)
    alert.seconds = 1
    alert.says("south", SEEN)
    alert.says("county", **ASSIGNED)
    due = alert.due()
    early = alert.wait(1)
    second = alert.wait(3)

    assert {"north", "south"} == set(heard(first))
    assert ((), 5.0) == (early.notifications, due)
    assert [("county", "ASSIGNED"), ("pd-south", "UNSTATED")] == heard(second)["north"]
    assert {"north", "county", "south"} == set(heard(second)), "each said something that another may hear"
    assert [("pd-south", "UNSTATED")] == heard(second)["county"]
    assert alert.due() is None


def test_a_repeat_or_what_changes_nothing_is_no_news_and_transport_never_is() -> None:
    alert = played()
    alert.says("county", id="c-1", **ASSIGNED)
    alert.wait(0)
    for _ in range(3):
        alert.seconds += 10
        alert.says("county", id="c-1", **ASSIGNED)
        alert.says("county", **ASSIGNED)
        alert.says("south", Level.DELIVERED)
        alert.says("south", Level.ACCEPTED)
        assert alert.due() is None

    alert.says("county", response=Response.ASSIGNED, unit="8")
    assert [("county", "ASSIGNED")] == heard(alert.wait(0))["north"]


def test_what_a_round_tells_anyway_is_not_told_twice_and_carries_what_stands() -> None:
    alert = played()
    alert.says("county", **ASSIGNED)
    alert.wait(0)
    alert.seconds = 60
    back = alert.says("county", response=Response.WITHDRAWN)
    carried = others.beside(back.notifications, alert.state, alert.rooms)

    assert "unanswered_again" == back.outcome
    assert [("county", Response.WITHDRAWN)] == [(r.agency, r.response) for r in carried[0].others.rooms]
    assert not carried[0].others.only_news
    assert alert.state.others is not None
    assert alert.state.others.due_at is None


def test_who_has_closed_its_part_hears_nothing_more_and_nothing_is_told_after_the_end() -> None:
    alert = played()
    alert.says("south", CLOSES)
    alert.wait(0)
    alert.seconds = 10
    alert.says("county", **ASSIGNED)
    assert {"north"} == set(heard(alert.wait(0)))
    alert.says("county", response=Response.ON_SCENE)
    alert.seconds = 20
    alert.says("north", CLOSES)

    assert alert.due() is None
    assert () == alert.wait(10).notifications


def test_of_an_unlisted_room_neither_rooms_nor_device_learn() -> None:
    rooms = Rooms(AGENCIES, see=dict.fromkeys(AGENCIES, EVERYBODY), unlisted=frozenset({"county"}))
    alert = played(rooms=rooms)
    said = alert.says("county", **ASSIGNED, note="we are near", by_ref="op-3")
    assert (None, None) == (said.message, alert.due())
    alert.seconds = 60
    back = alert.says("county", response=Response.WITHDRAWN, note="crashed")
    alert.says("south", SEEN)
    news = alert.wait(0)

    assert back.message is not None
    assert "Help that you were promised is NOT coming." == back.message.text
    assert ("streams", None, ()) == (back.message.sender, back.message.sender_ref, back.message.header.hops)
    assert Priority.URGENT is back.message.priority
    assert ["pd-south"] == [room.agency for room in news.notifications[0].others.rooms]
    assert "county" not in {room.agency for notification in news.notifications for room in notification.others.rooms}
    assert "county" in {notification.destination for notification in news.notifications}, "it sees the others as it may"
    assert ("county",) == others.with_unlisted(alert.state, rooms).others.unlisted
    alone = Rooms({"county": "pd-north"}, unlisted=frozenset({"county"}))
    ended = played("county", "south", rooms=alone)
    whole = ended.says("county", CLOSES, note="words of theirs").notifications[0].event.whole
    assert (UNLISTED, "") == (whole.ended_by, whole.ended_words)


@pytest.mark.parametrize("kind", [AlertKind.DURESS, AlertKind.SOS])
def test_under_duress_nothing_goes_to_a_map_that_many_look_at(kind: AlertKind) -> None:
    rooms = replace(ROOMS, see={**SEES, "south": EVERYBODY}, shared=frozenset({"south"}))
    alert = played(rooms=rooms, kind=kind)
    alert.says("county", **ASSIGNED)
    hears = set(heard(alert.wait(0)))

    assert hears == ({"north"} if kind is AlertKind.DURESS else {"north", "south"})


def rooms_that_answer_everything(gap_seconds: float, level: dict[str, Any]) -> int:
    """Return how many Deliveries there are until nobody answers any more."""
    alert = played(*FOUR, rooms=Rooms(FOUR, see=dict.fromkeys(FOUR, EVERYBODY)))
    alert.decisions = alert.decisions[:]
    waiting = deque((name, alert.state.destinations[name].delivery_id) for name in FOUR)
    deliveries = len(FOUR)
    for _ in range(1000):
        if not waiting:
            if alert.due() is None:
                return deliveries
            alert.seconds = max(alert.seconds, alert.due() or 0)
        else:
            name, delivery_id = waiting.popleft()
            alert.says(name, delivery_id=delivery_id, **level)
            alert.seconds += gap_seconds
        step = alert.wait(0)
        waiting += [(notification.destination, notification.delivery_id) for notification in step.notifications]
        deliveries += len(step.notifications)
    raise AssertionError("no rest")


@pytest.mark.parametrize("level", [{"level": SEEN}, ASSIGNED, {"level": SEEN, "note": "auto"}])
@pytest.mark.parametrize(("gap_seconds", "most"), [(0.0, 4 + 3 + 4), (30.0, 4 + 4 * 3)])
def test_four_rooms_that_acknowledge_everything_come_to_rest(
    gap_seconds: float, most: int, level: dict[str, Any]
) -> None:
    assert rooms_that_answer_everything(gap_seconds, level) <= most


def test_rooms_whose_every_answer_has_other_words_come_to_rest_by_hops() -> None:
    numbers = iter(range(10_000))

    class Counting(dict[str, Any]):
        def keys(self) -> Any:
            self["note"] = f"auto {next(numbers)}"
            return super().keys()

    assert rooms_that_answer_everything(30.0, Counting(ASSIGNED)) <= 4 * (1 + 3) * 3**others.MOST_HOPS


def test_an_answer_to_news_that_says_no_more_than_seen_is_a_machines() -> None:
    alert = played()
    alert.says("county", **ASSIGNED)
    news = {notification.destination: notification.delivery_id for notification in alert.wait(0).notifications}
    alert.says("north", SEEN, delivery_id=news["north"])
    machine = alert.state.destinations["north"]
    alert.says("north", response=Response.ASSIGNED, delivery_id=news["north"])

    assert (Level.DELIVERED, ()) == (machine.level, machine.statement_ids)
    assert Response.ASSIGNED is alert.response("north")
    assert ("1", 1) == (alert.state.others.hops[-1], len(alert.state.others.pending))
    assert not alert.state.destinations["north"].later_delivery_ids, "an answer to news is never an answer to the alert"


def test_news_that_is_told_again_after_a_crash_has_its_id_and_what_came_between_another() -> None:
    alert = played()
    alert.says("county", **ASSIGNED)
    before = alert.state
    once = alert.wait(0)
    alert.state = before
    again = alert.wait(0)
    alert.state = before
    alert.says("county", response=Response.EN_ROUTE)
    other = alert.wait(0)

    ids = [{notification.delivery_id for notification in step.notifications} for step in (once, again, other)]
    assert ids[0] == ids[1]
    assert not ids[0] & ids[2]


def test_the_delivery_carries_it_with_its_cause_as_known_outside_and_the_audit_says_which_fields() -> None:
    table = parse_routes("destinations: {north: {}}\nroutes: [{name: a, to: north}]")
    alert = played()
    alert.says("county", id="c-1", **ASSIGNED)
    notification: Notification = alert.wait(0).notifications[0]
    agreements = Agreements(table, b"a secret of tests", OutsideIds.of(b"a secret of tests"))
    delivery = agreements.delivery(notification, alert.now)

    assert delivery is not None
    assert delivery.others is not None
    assert [("county", "7")] == [(room.agency, room.unit) for room in delivery.others.rooms]
    assert delivery.others.cause not in {None, "c-1"}
    assert {"others.agency", "others.unit"} <= set(agreements.disclosed(notification))


def test_words_go_with_the_statement_that_they_belong_to() -> None:
    alert = played()
    alert.says("county", **ASSIGNED, note="from the river")
    alert.seconds = 10
    alert.says("county", response=Response.EN_ROUTE)

    told: OthersTold = alert.state.others  # type: ignore[assignment]  # somebody may hear
    assert {} == told.words


def test_the_words_of_an_offer_do_not_stand_beside_what_was_said_of_help_before() -> None:
    alert = played()
    alert.says("north", **ASSIGNED, note="from the river", by_ref="op-3")
    alert.wait(5)
    alert.says("north", ownership=Ownership.OFFERED, offered_to="county", note="please take it", by_ref="op-4")

    assert alert.state.others is not None
    assert ({"north": "from the river"}, {"north": "op-3"}) == (alert.state.others.words, alert.state.others.by_refs)
