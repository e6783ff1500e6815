"""What rooms say, and what becomes of the whole: scenarios 4, 5, 7, 9 to 13 and 24, on the pure logic.

The rooms: north is the owner's, county and south are other agencies'.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
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
    Priority,
    Response,
    Validity,
)
from bondmate_schemas.flags import UNANSWERED, UNASSIGNED
from bondmate_schemas.kafka import KafkaConfig
from bondmate_schemas.models import AlertState, DeliveryReceipt, DeviceAlert, EventHeader
from bondmate_streams.agents.config import StreamsConfig
from bondmate_streams.logic import alerts, heard, states, timers
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
ROOMS = Rooms(AGENCIES)
ASSIGNING = Rooms(AGENCIES, can_assign=frozenset({"north"}))
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
            header=self.header(at, **inside), device_id="device-1", action=action,
            **{"kind": self.kind, **given},
        )  # fmt: skip
        return self.take(states.change(self.state, alert, self.decisions, self.now))

    def says(self, room: str, level: Level = Level.UNKNOWN, *, at: float | None = None, **given: Any) -> Step:
        header = self.header(at, source=room, **({"message_id": given.pop("id")} if "id" in given else {}))
        receipt = DeliveryReceipt(header=header, destination=room, level=level, **given)
        return self.take(heard.receive(self.state, receipt, (), self.decisions, self.now, rooms=self.rooms))

    def wait(self, seconds: float) -> Step:
        after, self.seconds = self.now, self.seconds + seconds
        return self.take(timers.due(self.state, self.decisions, STEPS, after, self.now, rooms=self.rooms))

    def take(self, step: Step) -> Step:
        for telling in step.tellings:
            meant = telling.destination, telling.reason
            assert self.ids.setdefault(telling.delivery_id, meant) == meant
        self.page_ids += [page.page_id for page in step.pages]
        self.state = step.state or self.state
        return step

    def due(self) -> float | None:
        found = timers.next_due(self.state, self.decisions, STEPS, self.now, rooms=self.rooms)
        return found and (found - START).total_seconds()

    def response(self, room: str) -> Response:
        return self.state.destinations[room].response


def told(step: Step) -> dict[str, DeliveryReason]:
    return {telling.destination: telling.reason for telling in step.tellings}


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
    assert UNANSWERED in back.tellings[0].event.header.flags
    assert back.message is not None
    assert (Priority.URGENT, "Help is NOT coming from county. crashed") == (back.message.priority, back.message.text)
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

    assert "unanswered_again" == back.outcome


def test_statements_of_one_second_count_in_the_order_they_come() -> None:
    played = Played()
    played.says("county", at=0, **ASSIGNED)
    played.says("county", at=0, response=Response.WITHDRAWN)

    assert Response.WITHDRAWN is played.response("county")


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
    ended = whole.tellings[0].event

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
    played.says("county", **ASSIGNED)
    flaps = played.says("county", response=Response.WITHDRAWN)
    assert ("stated", 1) == (flaps.outcome, played.state.round)
    played.seconds = 20
    pressed = played.press(press_count=2)

    assert ("pressed_anew", 2, 80) == (pressed.outcome, played.state.round, played.due())
    assert all(UNANSWERED in telling.event.header.flags for telling in pressed.tellings)
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


def test_a_graver_kind_reaches_those_its_routes_name() -> None:
    played = Played(kind=AlertKind.ASSISTANCE)
    sos = DeviceAlert(header=played.header(), device_id="device-1", action=AlertAction.UPDATE, kind=AlertKind.SOS)
    further = [Decision("county", "sos"), Decision("south", "sos")]
    step = states.change(played.state, sos, played.decisions, played.now, further=further)

    assert {"north": DeliveryReason.UPDATE, "county": DeliveryReason.UPDATE, "south": DeliveryReason.NEW} == told(step)
    assert step.state is not None
    assert "south" in step.state.destinations


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
    assert all(UNASSIGNED in telling.event.header.flags for telling in step.tellings)
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

    assert ("cancel_requested", True) == (asked.outcome, asked.standing)
    assert all(telling.reason is DeliveryReason.UPDATE for telling in asked.tellings)
    assert played.state.status not in CLOSED


def test_the_cancel_of_assistance_is_a_request_once_a_person_took_it_up() -> None:
    alone, taken = Played(kind=AlertKind.ASSISTANCE), Played(kind=AlertKind.ASSISTANCE)
    taken.says("north", SEEN)

    assert "cancelled" == alone.press(AlertAction.CANCEL, text="by accident").outcome
    assert alone.state.alert.whole is not None
    assert ("device", "by accident") == (alone.state.alert.whole.ended_by, alone.state.alert.text)
    assert "cancel_requested" == taken.press(AlertAction.CANCEL).outcome


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


@pytest.mark.parametrize("flag", ["clock_skew", "occurred_at_missing"])
def test_a_clock_that_cannot_be_trusted_counts_as_after(flag: str) -> None:
    assert "reopened" == ended().press(at=90, press_count=2, flags=(flag,)).outcome


# Hand-over.


def test_an_alert_is_handed_over_when_it_is_taken_and_until_then_the_giver_owns_it() -> None:
    played = Played(to=("north", "county", "south"))
    offer = played.says("north", ownership=Ownership.OFFERED, offered_to="pd-south")
    assert {"north", "county", "south"} == set(told(offer))
    assert offer.tellings[0].event.whole.offered_to == "pd-south"  # type: ignore[union-attr]
    assert "no_offer" == played.says("county", ownership=Ownership.TAKEN).outcome
    taken = played.says("south", ownership=Ownership.TAKEN)

    assert ("handed_over", "pd-south") == (taken.outcome, played.state.owner_agency_id)
    assert "pd-north" == played.state.header.agency_id
    played.says("north", CLOSES)
    assert played.state.status not in CLOSED
    assert "closed" == played.says("south", CLOSES).outcome


def test_who_takes_it_after_closing_its_part_ends_it_by_saying_so_again() -> None:
    played = Played(to=("north", "county", "south"))
    played.says("south", CLOSES)
    played.says("north", ownership=Ownership.OFFERED, offered_to="pd-south")
    played.says("south", ownership=Ownership.TAKEN)
    played.says("county", CLOSES)
    assert played.state.status not in CLOSED
    assert "closed" == played.says("south", CLOSES).outcome


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


# Upgrade.


def test_200_alerts_answered_before_the_upgrade_keep_what_was_shown_and_start_nothing() -> None:
    for level, status in ((SEEN, AlertStatus.ACKNOWLEDGED), (Level.RESPONDING, AlertStatus.RESPONDING)) * 100:
        played = Played(rooms=ASSIGNING)
        at = played.state.destinations["north"].model_copy(update={"level": level})
        old = {"rules": 0, "status": status, "destinations": {**played.state.destinations, "north": at}}
        played.state = played.state.model_copy(update=old)
        assert played.due() is None
        step = played.wait(3_600)
        assert ((), (), None, None) == (step.tellings, step.pages, step.message, step.state)
        played.says("county", Level.DELIVERED)
        assert (status, None) == (played.state.status, played.due())
        played.press(AlertAction.UPDATE, kind=AlertKind.OTHER, battery_percent=4)
        assert (status, 0, None) == (played.state.status, played.state.rules, played.due())


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
        {"north": "pd-north", "desk": "pd-north"}, frozenset({"desk"}), frozenset({"north"}), 45, 60
    ) == config.rooms  # fmt: skip
