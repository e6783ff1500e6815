"""What rooms say, and what becomes of the whole: scenarios 4, 5, 7, 9 to 13 and 24, on the pure logic.

The rooms: north is the owner's, county and south are other agencies'.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bondmate_kafka.config import KafkaConfig
from bondmate_schemas.enums import (
    AlertAction,
    AlertKind,
    AlertStatus,
    DeliveryReason,
    Level,
    Mode,
    Ownership,
    Priority,
    Response,
    Validity,
)
from bondmate_schemas.flags import NEEDS_HELP_AGAIN, UNANSWERED, UNASSIGNED
from bondmate_schemas.models import AlertState, DeliveryReceipt, DeviceAlert, EventHeader
from bondmate_streams.agents.config import StreamsConfig
from bondmate_streams.logic import alerts, heard, states, timers
from bondmate_streams.logic.deliveries import refresh_id
from bondmate_streams.logic.levels import is_answered
from bondmate_streams.logic.life_cycle import CLOSED
from bondmate_streams.logic.pages import PageReason
from bondmate_streams.logic.rooms import Rooms
from bondmate_streams.logic.routes_yaml import parse_routes
from bondmate_streams.logic.routing import Decision, Escalation
from bondmate_streams.logic.steps import Step

START = datetime(2026, 5, 1, 12, tzinfo=UTC)
EVENT = "event-of-tests"
AGENCIES = {"north": "pd-north", "county": "county", "south": "pd-south"}
APART: dict[str, frozenset[str]] = dict.fromkeys(AGENCIES, frozenset())
"""No room hears of the others: what they hear is in `test_others.py`."""
ROOMS = Rooms(AGENCIES, see=APART)
ASSIGNING = Rooms(AGENCIES, can_assign=frozenset({"north"}), see=APART)
STEPS = [Escalation(60, (("south", "alerts"),)), Escalation(180, page=True)]


class Played:
    """One alert of an officer of pd-north, and what was told of it, step by step."""

    def __init__(
        self, to: tuple[str, ...] = ("north", "county"), kind: AlertKind = AlertKind.SOS, rooms: Rooms = ROOMS
    ) -> None:
        self.numbers: Iterator[int] = itertools.count(1)
        self.decisions = [Decision(name, "alerts") for name in to]
        self.rooms = rooms
        self.seconds = 0.0
        self.state: AlertState = None  # type: ignore[assignment]  # at once
        self.ids: dict[str, tuple[str, DeliveryReason]] = {}
        self.page_ids: list[str] = []
        self.kind = kind
        self.steps = STEPS
        self.press()

    @property
    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def header(self, at: float | None = None, **given: Any) -> EventHeader:
        known: dict[str, Any] = {
            "message_id": f"message-{next(self.numbers)}", "event_id": EVENT, "incident_id": "incident",
            "agency_id": "pd-north", "mode": Mode.ACTUAL, "source": "device_http", "received_at": self.now,
            "occurred_at": self.now if at is None else START + timedelta(seconds=at),
        }  # fmt: skip
        return EventHeader(**{**known, **given})

    def press(self, action: AlertAction = AlertAction.RAISE, *, at: float | None = None, **given: Any) -> Step:
        inside = {name: given.pop(name) for name in list(given) if name in EventHeader.model_fields}
        alert = DeviceAlert(
            header=self.header(at, **inside), action=action,
            **{"device_id": "device-1", "kind": self.kind, **given},
        )  # fmt: skip
        return self.take(states.change(self.state, alert, self.decisions, self.now, escalation=self.steps))

    def says(self, room: str, level: Level = Level.UNKNOWN, *, at: float | None = None, **given: Any) -> Step:
        header = self.header(at, source=room, **({"message_id": given.pop("id")} if "id" in given else {}))
        receipt = DeliveryReceipt(header=header, destination=room, level=level, **given)
        step = heard.receive(self.state, receipt, (), self.decisions, self.now, rooms=self.rooms, escalation=self.steps)
        return self.take(step)

    def wait(self, seconds: float) -> Step:
        after, self.seconds = self.now, self.seconds + seconds
        return self.take(timers.due(self.state, self.decisions, self.steps, after, self.now, rooms=self.rooms))

    def take(self, step: Step) -> Step:
        for notification in step.notifications:
            meant = notification.destination, notification.reason
            assert self.ids.setdefault(notification.delivery_id, meant) == meant
        self.page_ids += [page.page_id for page in step.pages]
        self.state = step.state or self.state
        return step

    def due(self) -> float | None:
        found = timers.next_due(self.state, self.decisions, self.steps, self.now, rooms=self.rooms)
        return found and (found - START).total_seconds()

    def response(self, room: str) -> Response:
        return self.state.destinations[room].response


def told(step: Step) -> dict[str, DeliveryReason]:
    return {notification.destination: notification.reason for notification in step.notifications}


SEEN, CLOSES = Level.ACKNOWLEDGED, Level.RESOLVED
ASSIGNED = {"response": Response.ASSIGNED, "unit": "7"}


def test_seen_is_not_help_and_help_is_coming_from_assigned_on() -> None:
    played = Played()
    played.says("north", SEEN)
    seen = played.state.status
    played.says("county", **ASSIGNED, eta_at=START + timedelta(minutes=5))
    at = played.state.destinations["county"]

    assert (AlertStatus.ACCEPTED, AlertStatus.ACKNOWLEDGED) == (seen, played.state.status)
    assert (SEEN, Response.ASSIGNED, "7", START + timedelta(minutes=5)) == (at.level, at.response, at.unit, at.eta_at)
    played.says("county", response=Response.ON_SCENE, unit="7")
    assert (AlertStatus.RESPONDING, Level.RESPONDING) == (
        played.state.status,
        played.state.destinations["county"].level,
    )


def test_help_taken_back_is_told_urgently_and_begins_a_round_that_late_repeats_do_not_touch() -> None:
    played = Played()
    played.seconds = 10
    played.says("north", SEEN)
    played.says("county", id="c-1", **ASSIGNED)
    played.seconds = 300
    assert played.due() is None
    back = played.says("county", id="c-2", response=Response.WITHDRAWN, note="crashed")

    assert "unanswered_again" == back.outcome
    assert {"north": DeliveryReason.UPDATE} == told(back)
    assert UNANSWERED in back.notifications[0].event.header.flags
    assert back.message is not None
    text = 'Help is NOT coming from county. The hub asks again. They say: "crashed"'
    assert (Priority.URGENT, text) == (back.message.priority, back.message.text)
    assert (1, 360, AlertStatus.ACCEPTED) == (played.state.round, played.due(), played.state.status)

    before = played.state
    for _ in range(3):
        repeat = played.says("county", id="c-1", at=10, **ASSIGNED)
        assert ("said_before", before, None) == (repeat.outcome, repeat.state, repeat.message)
    older = played.says("county", id="c-0", at=5, **ASSIGNED)
    assert ("overtaken", before, None) == (older.outcome, older.state, older.message)
    assert Response.WITHDRAWN is played.response("county")


def test_the_ids_of_a_second_round_are_others_and_those_of_the_first_are_as_before_there_were_rounds() -> None:
    played = Played(to=("north",))
    played.wait(60)
    first = played.wait(120)
    played.says("south", **ASSIGNED)
    played.seconds += 60
    played.says("south", response=Response.WITHDRAWN)
    again = played.wait(60)
    second = played.wait(120)

    assert (1, 1) == (len(first.pages), len(second.pages))
    assert {"south": DeliveryReason.UPDATE} == told(again)
    assert len(set(played.page_ids)) == len(played.page_ids) == 2
    zero = timers.due(Played(to=("north",)).state, [], STEPS, START, START + timedelta(seconds=180)).pages[0]
    assert zero.page_id == played.page_ids[0]


def test_who_has_seen_it_before_the_round_must_say_so_again() -> None:
    played = Played()
    played.says("north", SEEN)
    played.says("county", **ASSIGNED)
    played.seconds = 100
    played.says("county", response=Response.WITHDRAWN)

    assert not is_answered(played.state)
    played.says("north", SEEN)
    assert is_answered(played.state)


def test_an_acknowledgement_of_a_refresh_is_delivered_at_most_and_its_words_are_passed_on() -> None:
    played = Played()
    played.seconds = 100
    refresh = refresh_id(EVENT, "county", 3)
    played.says("county", SEEN, delivery_id=refresh)
    assert Level.DELIVERED is played.state.destinations["county"].level
    words = played.says("county", SEEN, delivery_id=refresh, note="hold on")
    assert words.message is not None
    assert not is_answered(played.state)
    played.says("county", **ASSIGNED, delivery_id=refresh)

    assert is_answered(played.state), "a machine assigns nothing"


def test_that_a_refresh_is_taken_proves_no_more_than_that_it_was_delivered() -> None:
    played = Played()
    played.says("county", Level.DEAD_LETTERED)
    played.says("county", Level.ACCEPTED, delivery_id=refresh_id(EVENT, "county", 3))
    assert Level.DELIVERED is played.state.destinations["county"].level

    played.says("county", Level.ACCEPTED)
    assert Level.ACCEPTED is played.state.destinations["county"].level


@pytest.mark.parametrize("last", [{"level": Level.DECLINED}, {"response": Response.WITHDRAWN}, {"level": CLOSES}])
def test_who_is_out_takes_nothing_up_by_courtesy_and_takes_it_up_by_an_answer_to_a_new_round(
    last: dict[str, Any],
) -> None:
    played = Played()
    played.says("county", SEEN)
    played.seconds = 50
    played.says("county", **last)
    played.seconds = 60
    pressed = played.press(AlertAction.UPDATE, kind=AlertKind.OTHER, battery_percent=5)
    ids = {notification.destination: notification.delivery_id for notification in pressed.notifications}
    played.says("county", SEEN, delivery_id=ids["county"])
    assert not is_answered(played.state)
    played.steps = [Escalation(60, (("county", "alerts"),))]
    step = played.wait(60)
    played.says("county", SEEN, delivery_id=step.notifications[0].delivery_id)

    assert is_answered(played.state)


@pytest.mark.parametrize("last", [{"level": CLOSES}, {"response": Response.WITHDRAWN}, {"level": Level.DECLINED}])
@pytest.mark.parametrize("first", [{"level": SEEN}, ASSIGNED])
def test_an_answer_of_an_earlier_round_does_not_hide_that_the_one_of_this_round_falls_away(
    first: dict[str, Any], last: dict[str, Any]
) -> None:
    played = Played()
    played.says("north", SEEN)
    played.says("county", **ASSIGNED)
    played.says("county", response=Response.WITHDRAWN)
    played.wait(60)
    played.wait(120)
    played.says("south", **first)
    played.seconds += 100
    assert played.says("south", **last).outcome == "unanswered_again"
    assert played.seconds + 60 == played.due()


def test_help_of_an_earlier_round_that_is_taken_back_asks_again() -> None:
    played = Played(kind=AlertKind.ASSISTANCE)
    played.says("county", **ASSIGNED)
    played.seconds = 100
    played.press(AlertAction.UPDATE, kind=AlertKind.SOS)
    played.wait(60)
    played.wait(120)
    assert played.due() is None

    assert "unanswered_again" == played.says("county", response=Response.WITHDRAWN).outcome


def test_that_an_update_was_seen_takes_no_help_back() -> None:
    played = Played()
    played.says("county", **ASSIGNED)
    played.press(AlertAction.UPDATE)
    played.says("county", SEEN)

    assert (Response.ASSIGNED, "7") == (played.response("county"), played.state.destinations["county"].unit)


def test_a_room_that_flaps_is_told_on_and_begins_one_round_in_30_seconds() -> None:
    played = Played()
    messages = 0
    for second in range(1, 29):
        played.seconds = second
        step = played.says("county", **(ASSIGNED if second % 2 else {"response": Response.WITHDRAWN}))
        messages += step.message is not None

    assert (1, 14) == (played.state.round, messages)
    # The round's own steps come when they are due.
    assert 62 == played.due()


def test_a_room_that_closes_its_part_again_and_again_is_told_on_each_time() -> None:
    played = Played()
    found = []
    for second in range(10, 25, 5):
        played.seconds = second
        played.says("county", SEEN)
        found.append(played.says("county", CLOSES).message)

    assert all(found)
    assert ["asks again" in message.text for message in found if message] == [True, False, False]
    assert 1 == played.state.round


def test_the_officer_hears_that_the_only_one_who_helped_has_closed_its_part() -> None:
    played = Played()
    played.says("north", SEEN)
    played.says("county", **ASSIGNED)
    closed = played.says("county", CLOSES)
    again = played.says("county", CLOSES)

    assert closed.message is not None
    assert Priority.URGENT is closed.message.priority
    assert again.message is None


def test_which_unit_and_when_stays_until_another_is_said_or_help_is_taken_back() -> None:
    played, eta = Played(), START + timedelta(minutes=5)
    played.says("county", **ASSIGNED, eta_at=eta)
    played.says("county", response=Response.EN_ROUTE)
    at = played.state.destinations["county"]
    assert ("7", eta) == (at.unit, at.eta_at)
    played.says("county", response=Response.EN_ROUTE, unit="8")
    assert "8" == played.state.destinations["county"].unit
    played.says("county", response=Response.WITHDRAWN)
    assert played.state.destinations["county"].unit is None


def test_what_was_answered_once_does_not_expire() -> None:
    played = Played(kind=AlertKind.ASSISTANCE)
    header = played.state.header.model_copy(update={"expires_at": START + timedelta(seconds=600)})
    played.state = played.state.model_copy(update={"header": header})
    played.says("county", **ASSIGNED)
    played.seconds = 700
    played.says("county", response=Response.WITHDRAWN)

    assert 760 == played.due()
    assert "escalated" == played.wait(60).outcome


def test_an_error_after_a_yes_takes_it_back_and_before_it_is_a_no() -> None:
    played = Played()
    played.says("north", Level.DECLINED, note="nobody free")
    played.says("county", SEEN)
    back = played.says("county", Level.DECLINED, note="nobody free after all")

    assert Response.UNSTATED is played.response("north")
    assert ("unanswered_again", Response.WITHDRAWN) == (back.outcome, played.response("county"))


def test_the_only_room_declines_and_the_next_is_told_at_once() -> None:
    played = Played(to=("north",))
    played.seconds = 5
    played.says("north", Level.DECLINED)
    assert (5, AlertStatus.DECLINED) == (played.due(), played.state.status)
    step = played.wait(0.5)

    assert {"south": DeliveryReason.NEW} == told(step)
    assert 180 == played.due()


def test_a_clock_that_is_ahead_hides_nothing_that_is_said_later() -> None:
    played = Played()
    played.says("county", at=3_600, **ASSIGNED)
    played.seconds = 60
    back = played.says("county", response=Response.WITHDRAWN)
    played.seconds = 70

    assert "unanswered_again" == back.outcome
    assert "stated" == played.says("county", **ASSIGNED).outcome


@pytest.mark.parametrize("first", [True, False])
def test_of_one_second_a_withdrawal_comes_after_help(*, first: bool) -> None:
    played, said = Played(), [ASSIGNED, {"response": Response.WITHDRAWN}]
    played.seconds = 5
    for given in said if first else reversed(said):
        played.says("county", at=4, **given)

    assert Level.DECLINED is played.state.destinations["county"].level


@pytest.mark.parametrize("between", [{"level": SEEN}, {"ownership": Ownership.OFFERED, "offered_to": "county"}])
def test_what_takes_nothing_back_does_not_overtake_what_does(between: dict[str, Any]) -> None:
    for last in ({"response": Response.WITHDRAWN}, {"level": CLOSES}):
        played = Played()
        played.seconds = 5
        played.says("north", **ASSIGNED)
        played.seconds = 12
        played.says("north", at=11, **between)

        assert played.says("north", at=10, **last).outcome in {"unanswered_again", "closed"}


def test_seen_that_comes_first_does_not_hide_the_closing_made_before_it() -> None:
    played = Played()
    played.seconds = 12
    played.says("north", SEEN, at=11)

    assert "closed" == played.says("north", CLOSES, at=10).outcome


def test_an_older_offer_that_comes_late_replaces_no_newer_one() -> None:
    played = Played(to=("north", "county", "south"))
    played.seconds = 12
    played.says("north", at=11, ownership=Ownership.OFFERED, offered_to="county")
    played.says("north", at=10, ownership=Ownership.OFFERED, offered_to="pd-south")

    assert played.state.handoff is not None
    assert "county" == played.state.handoff.agency_id


def test_rooms_are_ordered_by_their_own_clock_though_it_is_ahead() -> None:
    played = Played()
    played.seconds = 20
    played.says("county", at=3_615, response=Response.WITHDRAWN)
    played.seconds = 22

    assert "overtaken" == played.says("county", at=3_605, **ASSIGNED).outcome


@pytest.mark.parametrize("last", [{"response": Response.WITHDRAWN}, {"level": Level.DECLINED}, {"level": CLOSES}])
def test_a_clock_that_was_set_back_hides_no_withdrawal_no_and_closing(last: dict[str, Any]) -> None:
    played = Played()
    played.seconds = 4_000
    played.says("county", **ASSIGNED)
    played.seconds = 4_100
    assert "overtaken" == played.says("county", at=3_950, **last).outcome
    assert "overtaken" == played.says("county", at=500, response=Response.EN_ROUTE).outcome

    assert "unanswered_again" == played.says("county", at=500, **last).outcome


def test_only_so_many_ids_of_a_rooms_statements_are_kept() -> None:
    played = Played()
    for second in range(60):
        played.seconds = second
        played.says("county", SEEN)

    assert 16 == len(played.state.destinations["county"].statement_ids)


# Part and whole.


def test_a_room_closes_its_part_and_the_owners_closes_the_whole_saying_why() -> None:
    played = Played()
    played.says("north", SEEN)
    played.says("county", **ASSIGNED)
    part = played.says("county", CLOSES, note="closing our copy, north handles it")
    assert ("stated", {}, False) == (part.outcome, told(part), played.state.status in CLOSED)
    assert is_answered(played.state)

    whole = played.says("north", CLOSES, note="false alarm", validity=Validity.FALSE)
    ended = whole.notifications[0].event

    assert ("closed", {"county": DeliveryReason.CANCEL}) == (whole.outcome, told(whole))
    assert isinstance(ended, DeviceAlert)
    assert ended.whole is not None
    assert ("pd-north", "false_alarm", "false alarm", None) == (
        ended.whole.ended_by,
        ended.whole.ended_why,
        ended.whole.ended_words,
        ended.text,
    )
    assert AlertStatus.RESOLVED is played.state.status


def test_when_the_last_that_took_it_up_closes_its_part_it_is_unanswered_again_and_people_hear_of_it() -> None:
    played = Played()
    played.says("county", **ASSIGNED)
    played.seconds = 100
    part = played.says("county", CLOSES)

    assert {"north": DeliveryReason.UPDATE} == told(part)
    assert [PageReason.UNANSWERED_AGAIN] == [page.reason for page in part.pages]
    assert part.message is not None
    assert Priority.URGENT is part.message.priority
    assert (160, AlertStatus.ROUTED) == (played.due(), AlertStatus.ROUTED)
    assert played.state.status not in CLOSED


def test_where_the_owner_has_no_room_all_who_took_it_up_close_the_whole() -> None:
    played = Played(to=("county", "south", "other"), rooms=Rooms({"county": "county", "south": "pd-south"}))
    played.says("county", SEEN)
    played.says("south", SEEN)
    assert "stated" == played.says("south", CLOSES).outcome
    assert "closed" == played.says("county", Level.CANCELLED).outcome
    assert AlertStatus.CANCELLED is played.state.status


@pytest.mark.parametrize("rooms", [Rooms({"county": "county", "south": "pd-south"}), Rooms()])
def test_where_the_owner_has_no_room_who_never_took_it_up_ends_nothing(rooms: Rooms) -> None:
    untaken, taken_back = (Played(to=("county", "south"), rooms=rooms) for _ in range(2))
    untaken.says("south", Level.DELIVERED)
    untaken.says("south", Level.CANCELLED, note="closing our copy")
    taken_back.says("county", **ASSIGNED)
    taken_back.says("county", response=Response.WITHDRAWN)
    taken_back.says("south", Level.CANCELLED)

    assert not {untaken.state.status, taken_back.state.status} & CLOSED
    untaken.says("county", SEEN)
    assert "closed" == untaken.says("county", CLOSES).outcome


def test_a_change_that_comes_again_after_a_later_one_is_told_as_it_was_under_the_same_ids() -> None:
    played = Played()
    header = played.header()
    one = {"message_id": header.message_id, "received_at": header.received_at}
    first = played.press(AlertAction.UPDATE, text="one", **one)
    played.seconds = 5
    played.press(AlertAction.UPDATE, text="two")
    again = played.press(AlertAction.UPDATE, text="one", **one)

    assert [(each.delivery_id, each.event.text) for each in first.notifications] == [
        (each.delivery_id, each.event.text) for each in again.notifications
    ]
    assert "two" == played.state.alert.text


def test_who_is_told_of_a_graver_kind_is_found_by_the_alerts_own_mode_and_agency() -> None:
    played = Played(kind=AlertKind.ASSISTANCE)
    header = played.header(mode=Mode.TEST, agency_id="another")
    graver = DeviceAlert(header=header, device_id="device-1", action=AlertAction.UPDATE, kind=AlertKind.SOS)
    routed_by = states.merged_with(played.state, graver)

    assert (Mode.ACTUAL, "pd-north", AlertKind.SOS) == (
        routed_by.header.mode,
        routed_by.header.agency_id,
        routed_by.kind,
    )


def test_where_nobody_took_it_up_all_who_were_told_end_it_and_only_once_nobody_is_left_to_be_told() -> None:
    told_all, left = (Played(to=("county", "other"), rooms=Rooms()) for _ in range(2))
    told_all.steps = ()

    assert "stated" == told_all.says("county", CLOSES, note="false alarm").outcome
    assert "closed" == told_all.says("other", CLOSES).outcome
    left.says("county", CLOSES)
    left.says("other", CLOSES)
    assert left.state.status not in CLOSED


def test_where_the_owners_room_is_still_to_be_told_nobody_else_ends_the_whole() -> None:
    played = Played(to=("county",), rooms=Rooms({"county": "county", "south": "pd-north"}))
    played.says("county", SEEN)

    assert "unanswered_again" == played.says("county", CLOSES).outcome
    assert {"south": DeliveryReason.NEW} == told(played.wait(1))
    assert "closed" == played.says("south", CLOSES).outcome


def test_who_takes_back_what_it_said_ends_nothing_though_the_others_have_closed_their_part() -> None:
    played = Played(to=("county", "south"), rooms=Rooms())
    played.says("county", SEEN)
    played.says("south", CLOSES)

    assert "unanswered_again" == played.says("county", Level.DECLINED).outcome


def test_of_several_rooms_of_the_owner_any_ends_it_unless_one_is_marked() -> None:
    two = {"north": "pd-north", "desk": "pd-north"}
    any_of = Played(to=("north", "desk"), rooms=Rooms(two))
    marked = Played(to=("north", "desk"), rooms=Rooms(two, enders=frozenset({"desk"})))

    assert "closed" == any_of.says("north", CLOSES).outcome
    marked.says("north", CLOSES)
    assert marked.state.status not in CLOSED
    assert "closed" == marked.says("desk", CLOSES).outcome


def test_who_has_closed_its_part_is_not_refreshed_and_hears_of_presses_and_the_end() -> None:
    played = Played()
    decisions = [Decision(name, "alerts", refresh_seconds=20) for name in ("north", "county")]
    for room in ("north", "county"):
        played.says(room, SEEN)
    played.says("county", CLOSES)
    refreshed = timers.due(played.state, decisions, [], played.now, START + timedelta(seconds=21))

    assert {"north": DeliveryReason.REFRESH} == told(refreshed)
    assert {"north", "county"} == told(played.press(AlertAction.UPDATE)).keys()
    assert {"county": DeliveryReason.CANCEL} == told(played.says("north", CLOSES))


# Arming.


def test_a_press_while_nobody_has_answered_moves_nothing_that_is_due() -> None:
    played = Played()
    for second in range(1, 50, 3):
        played.seconds = second
        played.press(AlertAction.RAISE, press_count=second)

    assert (60, 0) == (played.due(), played.state.round)


def test_a_press_begins_a_round_where_it_was_answered_and_is_not_any_more() -> None:
    played = Played()
    played.says("county", **ASSIGNED)
    played.says("county", response=Response.WITHDRAWN)
    played.seconds = 1
    played.says("county", **ASSIGNED)
    flaps = played.says("county", response=Response.WITHDRAWN)
    assert ("stated", 1) == (flaps.outcome, played.state.round)
    played.seconds = 20
    pressed = played.press(press_count=2)

    assert ("pressed_anew", 2, 80) == (pressed.outcome, played.state.round, played.due())
    assert all(UNANSWERED in notification.event.header.flags for notification in pressed.notifications)
    assert "updated" == played.press(press_count=3).outcome


def test_a_graver_kind_asks_again_and_an_update_without_one_leaves_it() -> None:
    played = Played(kind=AlertKind.ASSISTANCE)
    played.says("county", **ASSIGNED)
    played.seconds = 100
    mild = played.press(AlertAction.UPDATE, kind=AlertKind.OTHER, text="two of them")
    assert ("updated", AlertKind.ASSISTANCE, None) == (mild.outcome, played.state.alert.kind, played.due())
    graver = played.press(AlertAction.UPDATE, kind=AlertKind.SOS)

    assert ("graver", AlertKind.SOS, 160) == (graver.outcome, played.state.alert.kind, played.due())
    assert Response.ASSIGNED is played.response("county"), "what was promised stands"


def flags_of(step: Step) -> set[str]:
    (flags,) = {notification.event.header.flags for notification in step.notifications}
    return set(flags) & {"cancel_requested", NEEDS_HELP_AGAIN}


@pytest.mark.parametrize(
    "given",
    [{"press_count": 2}, {"action": AlertAction.RAISE}, {"text": "he is back"}, {"kind": AlertKind.OFFICER_DOWN}],
    ids=["press", "raise", "words", "fall"],
)
def test_what_a_person_does_after_asking_to_cancel_takes_the_request_back(given: dict[str, Any]) -> None:
    played = Played()
    played.seconds = 5
    assert {"cancel_requested"} == flags_of(played.press(AlertAction.CANCEL))
    played.seconds = 65
    header = {"message_id": "again", "received_at": played.now}
    pressed = played.press(**{"action": AlertAction.UPDATE, **header, **given})
    assert ({NEEDS_HELP_AGAIN}, False) == (flags_of(pressed), played.state.cancel_requested)
    assert {NEEDS_HELP_AGAIN} == flags_of(played.press(**{"action": AlertAction.UPDATE, **header, **given}))

    assert set() == flags_of(played.press(AlertAction.UPDATE, kind=AlertKind.OTHER, battery_percent=9)), "said once"
    assert {"cancel_requested"} == flags_of(played.press(AlertAction.CANCEL)), "and may be asked again"


def test_a_battery_or_a_press_of_before_takes_no_request_to_cancel_back() -> None:
    played = Played()
    played.seconds = 5
    played.press(AlertAction.CANCEL)
    before = START + timedelta(seconds=4)
    old = played.press(AlertAction.UPDATE, received_at=before, at=4, press_count=2)
    played.seconds = 9
    battery = played.press(AlertAction.UPDATE, kind=AlertKind.OTHER, battery_percent=4)

    assert {"cancel_requested"} == flags_of(old) == flags_of(battery)
    assert played.state.cancel_requested


def graver_twice() -> Played:
    """Return an SOS that north has seen, and that is a fall 12 s later."""
    played = Played(kind=AlertKind.ASSISTANCE)
    played.seconds = 1
    assert "graver" == played.press(AlertAction.UPDATE, kind=AlertKind.SOS).outcome
    played.seconds = 5
    played.says("north", SEEN)
    played.seconds = 12
    assert "updated" == played.press(AlertAction.UPDATE, kind=AlertKind.OFFICER_DOWN).outcome
    return played


def test_a_kind_that_is_graver_within_30_s_of_the_one_before_asks_again_when_it_may() -> None:
    played = graver_twice()
    assert 31 == played.due(), "who has seen an SOS has not seen the fall"
    again = played.wait(19)

    assert ("asked_again", 2, 91) == (again.outcome, played.state.round, played.due())
    assert {"north": DeliveryReason.UPDATE, "county": DeliveryReason.UPDATE} == told(again)
    assert {AlertKind.OFFICER_DOWN} == {notification.event.kind for notification in again.notifications}  # type: ignore[union-attr]
    played.says("north", **ASSIGNED)
    assert played.due() is None, "once"


def test_a_graver_kind_that_was_answered_meanwhile_or_is_over_does_not_ask_again() -> None:
    answered, over, withdrawn = (graver_twice() for _ in range(3))
    for played in (answered, over, withdrawn):
        played.seconds = 20
    answered.says("county", **ASSIGNED)
    over.says("north", CLOSES)
    assert "unanswered_again" == withdrawn.says("north", Level.DECLINED).outcome

    assert [None, None, 80] == [played.due() for played in (answered, over, withdrawn)]
    assert [0, 0] == [len(played.wait(60).notifications) for played in (answered, over)]


@pytest.mark.parametrize("last", [{"response": Response.WITHDRAWN}, {"level": CLOSES}])
def test_a_round_that_may_not_begin_yet_begins_when_it_may_where_no_step_is_left(last: dict[str, Any]) -> None:
    played = Played()
    played.steps = [Escalation(10, (("south", "alerts"),)), Escalation(20, page=True)]
    played.says("county", **ASSIGNED)
    played.seconds = 100
    played.says("county", **last)
    played.wait(10)
    played.wait(10)
    played.seconds = 122
    played.says("county", **ASSIGNED)
    played.seconds = 127
    assert ("stated", 130) == (played.says("county", **last).outcome, played.due())
    again = played.wait(3)

    assert ("asked_again", 2, 140) == (again.outcome, played.state.round, played.due())
    assert {"north", "south"} <= told(again).keys()


@pytest.mark.parametrize("declined", [True, False])
def test_a_press_begins_a_round_where_nobody_ever_answered_and_no_step_is_left(*, declined: bool) -> None:
    played = Played(to=("north",))
    if declined:
        played.says("north", Level.DECLINED)
        played.wait(1)
        played.says("south", Level.DECLINED)
    played.wait(60)
    played.wait(120)
    assert played.due() is None
    battery = played.press(AlertAction.UPDATE, kind=AlertKind.OTHER, battery_percent=4)
    assert ("updated", None) == (battery.outcome, played.due())
    pressed = played.press(press_count=2)

    assert ("pressed_anew", 1) == (pressed.outcome, played.state.round)
    assert played.due() is not None
    assert "updated" == played.press(press_count=3).outcome
    for _ in range(3):
        played.wait(60)
    assert 2 == len(set(played.page_ids)), "of round 0 and of round 1"


def test_a_graver_kind_asks_anew_though_nobody_has_answered_and_puts_nothing_off() -> None:
    for seconds, due in ((50, 60), (100, 60), (400, 460)):
        played = Played(kind=AlertKind.ASSISTANCE)
        for at in range(0, seconds, 10):
            played.wait(at + 10 - played.seconds)
        graver = played.press(AlertAction.UPDATE, kind=AlertKind.SOS)

        assert ("graver", 1, due) == (graver.outcome, played.state.round, played.due())


def test_a_graver_kind_reaches_those_its_routes_name() -> None:
    played = Played(kind=AlertKind.ASSISTANCE)
    played.seconds = 0.5
    sos = DeviceAlert(header=played.header(), device_id="device-1", action=AlertAction.UPDATE, kind=AlertKind.SOS)
    further = [Decision("county", "sos"), Decision("south", "sos")]
    step = states.change(played.state, sos, played.decisions, played.now, further=further)

    assert {"north": DeliveryReason.UPDATE, "county": DeliveryReason.UPDATE, "south": DeliveryReason.NEW} == told(step)
    assert step.state is not None
    assert "south" in step.state.destinations
    played.seconds = 1
    again = states.change(step.state, sos, played.decisions, played.now)
    assert {each.delivery_id for each in step.notifications} == {each.delivery_id for each in again.notifications}
    assert told(step) == told(again), "a worker may have died before it told them"


def test_seen_and_nobody_assigned_pages_once_and_where_it_can_be_said_tells_the_next_in_each_round() -> None:
    plain = Played()
    plain.says("north", SEEN)
    plain.says("north", SEEN)
    assert 180 == plain.due()
    once = plain.wait(180)
    assert ([PageReason.UNASSIGNED], {}, None) == ([page.reason for page in once.pages], told(once), plain.due())

    asked = Played(rooms=ASSIGNING)
    asked.says("north", SEEN)
    step = asked.wait(180)
    assert {"north": DeliveryReason.UPDATE, "county": DeliveryReason.UPDATE, "south": DeliveryReason.NEW} == told(step)
    assert all(UNASSIGNED in notification.event.header.flags for notification in step.notifications)
    assert ([PageReason.UNASSIGNED], None) == ([page.reason for page in step.pages], asked.due())


def test_assigned_in_time_needs_no_page() -> None:
    played = Played(rooms=ASSIGNING)
    played.says("north", SEEN)
    played.says("county", **ASSIGNED)

    assert played.due() is None


# The device.


@pytest.mark.parametrize("kind", [AlertKind.SOS, AlertKind.DURESS, AlertKind.OFFICER_DOWN])
def test_down_and_its_cancel_pressed_offline_are_both_told_and_it_stays_open(kind: AlertKind) -> None:
    played = Played(kind=kind)
    asked = played.press(AlertAction.CANCEL)

    assert ("cancel_requested", True) == (asked.outcome, asked.tells_device)
    assert all(notification.reason is DeliveryReason.UPDATE for notification in asked.notifications)
    assert played.state.status not in CLOSED


def test_the_cancel_of_assistance_is_a_request_once_a_person_took_it_up() -> None:
    alone, taken = Played(kind=AlertKind.ASSISTANCE), Played(kind=AlertKind.ASSISTANCE)
    taken.says("north", SEEN)

    assert "cancelled" == alone.press(AlertAction.CANCEL, text="by accident").outcome
    assert alone.state.alert.whole is not None
    assert ("device", "by accident") == (alone.state.alert.whole.ended_by, alone.state.alert.text)
    assert "cancel_requested" == taken.press(AlertAction.CANCEL).outcome


def test_what_came_before_the_last_change_and_is_taken_after_it_adds_what_it_says_and_replaces_nothing() -> None:
    played = Played(kind=AlertKind.ASSISTANCE)
    played.seconds = 11
    played.press(AlertAction.UPDATE, kind=AlertKind.OTHER, text="newer", battery_percent=4)
    given: dict[str, Any] = {
        "kind": AlertKind.DURESS, "text": "older", "press_count": 3, "silent": True, "battery_percent": 50,
    }  # fmt: skip
    header = played.header(received_at=START + timedelta(seconds=10))
    older = DeviceAlert(header=header, device_id="device-1", action=AlertAction.UPDATE, **given)
    further = [Decision("south", "duress")]
    step = played.take(states.change(played.state, older, played.decisions, played.now, further=further))
    known = played.state.alert

    assert ("graver", AlertKind.DURESS, "newer", 3, True, 4) == (
        step.outcome, known.kind, known.text, known.press_count, known.silent, known.battery_percent,
    )  # fmt: skip
    assert START + timedelta(seconds=11) == known.header.received_at
    assert DeliveryReason.NEW is told(step)["south"]
    again = played.take(states.change(played.state, older, played.decisions, played.now))
    assert ("updated", 1) == (again.outcome, played.state.round)
    assert {each.delivery_id for each in again.notifications} > {each.delivery_id for each in step.notifications[:2]}


def test_a_cancel_that_was_made_before_the_last_press_ends_nothing() -> None:
    played = Played(kind=AlertKind.ASSISTANCE)
    played.seconds = 20
    played.press(press_count=2, text="come now")
    cancel = played.press(AlertAction.CANCEL, received_at=START + timedelta(seconds=10), at=10)

    assert ("overtaken", "come now") == (cancel.outcome, played.state.alert.text)


def ended() -> Played:
    played = Played()
    played.seconds = 100
    played.says("north", CLOSES)
    played.seconds = 110
    return played


def test_words_after_the_end_begin_it_anew_linked_and_what_follows_them_belongs_there() -> None:
    played = ended()
    step = played.press(AlertAction.UPDATE, kind=AlertKind.OTHER, text="he is back, knife")
    anew = step.reopened

    assert "reopened" == step.outcome
    assert anew is not None
    assert anew.whole is not None
    assert (AlertKind.SOS, EVENT, "incident", "he is back, knife") == (
        anew.kind, anew.whole.reopens, anew.header.incident_id, anew.text,
    )  # fmt: skip
    state = states.change(None, anew, played.decisions, played.now).state
    assert state is not None
    memory = alerts.stand(None, state)
    follows = DeviceAlert(header=played.header(), device_id="device-1", action=AlertAction.UPDATE, text="kitchen")
    change = alerts.take(follows, memory, None, played.now).change
    assert change is not None
    assert state.header.event_id == change.header.event_id != EVENT


@pytest.mark.parametrize("given", [{}, {"battery_percent": 4}, {"press_count": 1}], ids=["fix", "battery", "same"])
def test_nothing_but_a_person_begins_it_anew(given: dict[str, Any]) -> None:
    step = ended().press(AlertAction.UPDATE, kind=AlertKind.OTHER, **given)

    assert ("closed_already", None, ()) == (step.outcome, step.reopened, step.pages)


def test_a_press_made_before_the_end_that_comes_after_it_is_shown_as_late_to_the_officer_and_paged() -> None:
    step = ended().press(at=90, press_count=2)

    assert ("late", None, {}) == (step.outcome, step.reopened, told(step))
    assert [PageReason.LATE] == [page.reason for page in step.pages]
    assert step.message is not None
    assert (Priority.URGENT, "streams") == (step.message.priority, step.message.sender)


def test_words_that_were_lost_and_come_after_the_end_are_shown_as_late() -> None:
    played = Played()
    played.seconds = 99
    played.press(AlertAction.UPDATE, kind=AlertKind.OTHER, battery_percent=4)
    played.seconds = 100
    played.says("north", CLOSES)
    played.seconds, before = 101, START + timedelta(seconds=98)
    lost = played.press(received_at=before, at=98, press_count=2, text="he is back")
    again = played.press(received_at=before, at=98)

    assert ("late", [PageReason.LATE]) == (lost.outcome, [page.reason for page in lost.pages])
    assert "closed_already" == again.outcome, "it was taken before"


def test_a_battery_with_words_that_were_said_before_begins_nothing_anew() -> None:
    played = Played()
    played.press(AlertAction.UPDATE, text="knife")
    end = played.says("north", CLOSES)
    played.seconds = 110
    again = played.press(AlertAction.UPDATE, kind=AlertKind.OTHER, text="knife", battery_percent=4)

    assert "closed_already" == again.outcome
    assert all(notification.event.text is None for notification in end.notifications)  # type: ignore[union-attr]


def test_a_battery_after_the_second_end_begins_nothing_anew_by_the_presses_of_the_first() -> None:
    played = ended()
    anew = played.press(AlertAction.UPDATE, kind=AlertKind.OTHER, text="back", press_count=5).reopened
    assert anew is not None
    played.state = states.change(None, anew, played.decisions, played.now).state  # type: ignore[assignment]
    played.seconds = 120
    header = anew.header.model_copy(update={"source": "north", "message_id": "end"})
    receipt = DeliveryReceipt(header=header, destination="north", level=CLOSES)
    played.take(heard.receive(played.state, receipt, (), played.decisions, played.now, rooms=ROOMS))
    played.seconds = 130

    assert played.state.status in CLOSED
    battery = played.press(AlertAction.UPDATE, kind=AlertKind.OTHER, press_count=5, battery_percent=3)
    assert "closed_already" == battery.outcome


def test_of_an_alert_that_is_over_nobody_is_told_that_help_is_not_coming() -> None:
    played = Played()
    played.says("county", **ASSIGNED)
    played.says("north", CLOSES)
    silent = played.says("county", response=Response.WITHDRAWN)
    worded = played.says("county", Level.DECLINED, note="we were too late")

    assert silent.message is None
    assert worded.message is not None
    assert (Priority.ROUTINE, "we were too late") == (worded.message.priority, worded.message.text)


@pytest.mark.parametrize("flag", ["clock_skew", "occurred_at_missing"])
def test_a_clock_that_cannot_be_trusted_counts_as_after(flag: str) -> None:
    assert "reopened" == ended().press(at=90, press_count=2, flags=(flag,)).outcome


# Hand-over.


def test_an_alert_is_handed_over_when_it_is_taken_and_until_then_the_giver_owns_it() -> None:
    played = Played(to=("north", "county", "south"))
    offer = played.says("north", ownership=Ownership.OFFERED, offered_to="pd-south")
    assert {"north", "county", "south"} == set(told(offer))
    assert offer.notifications[0].event.whole.offered_to == "pd-south"  # type: ignore[union-attr]
    assert "no_offer" == played.says("county", ownership=Ownership.TAKEN).outcome
    taken = played.says("south", ownership=Ownership.TAKEN)

    assert ("handed_over", "pd-south") == (taken.outcome, played.state.owner_agency_id)
    assert "pd-north" == played.state.header.agency_id
    assert not played.says("south", ownership=Ownership.TAKEN).refused, "it owns it already"
    played.says("north", CLOSES)
    assert played.state.status not in CLOSED
    assert "closed" == played.says("south", CLOSES).outcome


def test_what_is_written_with_an_offer_is_not_for_the_officer_and_of_an_unlisted_room_for_nobody() -> None:
    to, offer = ("north", "county", "south"), {"ownership": Ownership.OFFERED, "offered_to": "pd-south"}
    played, unlisted = Played(to=to), Played(to=to, rooms=replace(ROOMS, unlisted=frozenset({"north"})))
    offered = played.says("north", **offer, note="he is in your town")
    helps = Played(to=to).says("north", **offer, **ASSIGNED, note="unit 7 goes, he is in your town")
    unlisted.says("north", **offer, note="he is in your town")

    assert offered.message is None
    assert helps.message is not None, "what is said of help is for the officer too"
    for state, words in ((played.state, "he is in your town"), (unlisted.state, "")):
        assert state.handoff is not None
        assert words == state.handoff.words


def test_an_unlisted_room_is_offered_nothing_and_takes_nothing() -> None:
    rooms = replace(ROOMS, unlisted=frozenset({"south"}))
    played = Played(to=("north", "county", "south"), rooms=rooms)
    offer = played.says("north", ownership=Ownership.OFFERED, offered_to="pd-south")

    assert ("no_offer", ()) == (offer.outcome, offer.notifications)
    played.rooms = ROOMS
    played.says("north", ownership=Ownership.OFFERED, offered_to="pd-south")
    played.rooms = rooms
    assert "no_offer" == played.says("south", ownership=Ownership.TAKEN).outcome, "unlisted since"


def test_who_takes_it_after_closing_its_part_ends_it_by_saying_so_again() -> None:
    played = Played(to=("north", "county", "south"))
    played.says("south", CLOSES)
    played.says("north", ownership=Ownership.OFFERED, offered_to="pd-south")
    played.says("south", ownership=Ownership.TAKEN)
    played.says("county", CLOSES)
    assert played.state.status not in CLOSED
    assert "closed" == played.says("south", CLOSES).outcome


def test_a_no_to_owning_it_takes_no_help_back() -> None:
    played = Played(to=("north", "south"))
    played.says("south", **ASSIGNED)
    played.says("north", ownership=Ownership.OFFERED, offered_to="pd-south")
    refused = played.says("south", Level.DECLINED, ownership=Ownership.REFUSED, note="it is yours")

    assert ("offer_refused", None) == (refused.outcome, played.state.handoff)
    assert refused.message is not None
    assert ("it is yours", Response.ASSIGNED) == (refused.message.text, played.response("south"))


@pytest.mark.parametrize("gone", [{"modes": {"south": frozenset({"EXERCISE"})}}, {"retired": frozenset({"south"})}])
def test_nothing_is_handed_over_to_a_room_that_takes_no_alerts_of_its_mode_any_more(gone: Any) -> None:
    played = Played(to=("north", "county", "south"))
    before = Rooms(AGENCIES, see=APART, modes={"south": frozenset({"ACTUAL", "EXERCISE"})})
    for offers in (before, replace(before, **gone)):
        played.rooms = offers
        outcome = played.says("north", ownership=Ownership.OFFERED, offered_to="pd-south").outcome

    assert "no_offer" == outcome
    assert played.state.handoff is not None, "the one of before stands"
    assert "no_offer" == played.says("south", ownership=Ownership.TAKEN).outcome
    played.rooms = before
    assert "handed_over" == played.says("south", ownership=Ownership.TAKEN).outcome


def test_an_offer_is_refused_is_over_after_its_time_or_is_replaced() -> None:
    played = Played(to=("north", "county", "south"))
    played.says("north", ownership=Ownership.OFFERED, offered_to="pd-south")
    assert "offer_refused" == played.says("south", ownership=Ownership.REFUSED).outcome
    assert "no_offer" == played.says("south", ownership=Ownership.TAKEN).outcome
    played.says("north", ownership=Ownership.OFFERED, offered_to="pd-south")
    played.says("north", ownership=Ownership.OFFERED, offered_to="county")
    assert "no_offer" == played.says("south", ownership=Ownership.TAKEN).outcome
    played.says("north", **ASSIGNED)
    assert 120 == played.due()
    assert ("offer_over", None) == (played.wait(120).outcome, played.state.handoff)
    assert "no_offer" == played.says("county", ownership=Ownership.TAKEN).outcome


@pytest.mark.parametrize(("by", "to"), [("county", "pd-south"), ("north", "nobody"), ("north", "pd-north")])
def test_only_the_owner_offers_it_and_only_to_who_was_told(by: str, to: str) -> None:
    played = Played(to=("north", "county", "south"))

    assert "no_offer" == played.says(by, ownership=Ownership.OFFERED, offered_to=to).outcome
    assert played.state.handoff is None
    beside = played.says(by, ownership=Ownership.OFFERED, offered_to=to, **ASSIGNED)
    assert ("stated", "no_offer") == (beside.outcome, beside.refused)


# Upgrade.


def test_200_alerts_answered_before_the_upgrade_keep_what_was_shown_and_start_nothing() -> None:
    for level, status in ((SEEN, AlertStatus.ACKNOWLEDGED), (Level.RESPONDING, AlertStatus.RESPONDING)) * 100:
        played = Played(rooms=ASSIGNING)
        at = played.state.destinations["north"].model_copy(update={"level": level})
        old = {"rules": 0, "status": status, "destinations": {**played.state.destinations, "north": at}}
        played.state = played.state.model_copy(update=old)
        assert played.due() is None
        step = played.wait(3_600)
        assert ((), (), None, None) == (step.notifications, step.pages, step.message, step.state)
        played.says("county", Level.DELIVERED)
        assert (status, None) == (played.state.status, played.due())
        played.press(AlertAction.UPDATE, kind=AlertKind.OTHER, battery_percent=4)
        assert (status, 0, None) == (played.state.status, played.state.rules, played.due())


def test_a_press_of_an_alert_seen_before_the_upgrade_begins_the_time_for_a_unit() -> None:
    played = Played(rooms=ASSIGNING)
    at = played.state.destinations["north"].model_copy(update={"level": SEEN})
    old = {"rules": 0, "status": AlertStatus.ACKNOWLEDGED, "destinations": {**played.state.destinations, "north": at}}
    played.state = played.state.model_copy(update=old)
    played.seconds = 10
    played.press(press_count=2)

    assert (AlertStatus.ACCEPTED, 190) == (played.state.status, played.due())


def test_what_is_new_of_an_alert_of_before_the_upgrade_counts_by_the_rules_of_now() -> None:
    played = Played()
    at = played.state.destinations["north"].model_copy(update={"level": SEEN})
    old = {"rules": 0, "status": AlertStatus.ACKNOWLEDGED, "destinations": {**played.state.destinations, "north": at}}
    played.state = played.state.model_copy(update=old)
    back = played.says("north", Level.DECLINED)

    assert ("unanswered_again", 1, 1) == (back.outcome, played.state.round, played.state.rules)


def test_the_settings_say_whose_room_it_is_and_the_routes_say_more() -> None:
    routes = parse_routes(
        "assign_after_seconds: 45\noffer_seconds: 60\n"
        "destinations:\n"
        "  north: {says_assigned: true}\n"
        "  desk: {agency: pd-north, ends_alerts: true}\n"
        "  map: {}\n"
        "routes: [{name: all, when: {record: alert}, to: [north, desk, map]}]"
    )
    kafka = KafkaConfig("127.0.0.1:9092", "http://127.0.0.1:8081")
    agencies = {"north": "pd-north", "desk": "another", "gone": "county", "map": ""}
    config = StreamsConfig(
        kafka=kafka, data_dir=Path("data"), routes=routes, agencies=agencies, secret=b"a secret of these tests"
    )  # fmt: skip

    assert Rooms(
        {"north": "pd-north", "desk": "pd-north"}, frozenset({"desk"}), frozenset({"north"}), 45, 60,
        modes=dict.fromkeys(("north", "desk", "map"), frozenset({"ACTUAL"})),
    ) == config.rooms  # fmt: skip


def test_one_message_that_refers_to_two_of_ours_about_an_alert_is_read_once() -> None:
    played = Played()
    no = {"level": Level.DECLINED, "note": "no unit free", "said_in": "their error"}
    messages = [played.says("county", **no).message for _ in range(2)]
    later = played.says("county", Level.DECLINED, note="no unit free", said_in="another").message
    at_north = played.says("north", **no).message

    first, again, third, fourth = [each.header.message_id for each in (*messages, later, at_north) if each]
    assert first == again, "a device shows one of an id"
    assert 3 == len({first, third, fourth})
