"""What ends an alert, and when it has ended: by when the hub had the word, and not by when its streams came to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from bondmate_schemas.enums import AlertAction, AlertKind, AlertStatus, DeliveryReason, Level, Validity
from bondmate_schemas.models import DeliveryReceipt
from bondmate_streams.logic import heard, states
from bondmate_streams.logic.life_cycle import CLOSED
from bondmate_streams.logic.rooms import Rooms
from bondmate_streams.logic.steps import Step

from tests.streams.logic.test_statements import ASSIGNED, CLOSES, EVENT, ROOMS, START, Played, told


def closed_late(closing: float, read: float) -> Played:
    """Return an alert whose room's closing the hub had at one time, and its streams read at another."""
    played = Played()
    header = played.header(closing, source="north", received_at=START + timedelta(seconds=closing))
    played.seconds = read
    receipt = DeliveryReceipt(header=header, destination="north", level=CLOSES)
    played.take(heard.receive(played.state, receipt, (), played.decisions, played.now, rooms=ROOMS))
    return played


@pytest.mark.parametrize(
    ("pressed", "outcome"), [(99, "late"), (101, "reopened")], ids=["before the closing", "after it"]
)
def test_a_press_that_waited_with_the_closing_is_judged_by_when_the_hub_had_both(pressed: float, outcome: str) -> None:
    played = closed_late(100, read=200)
    step = played.press(at=pressed, received_at=START + timedelta(seconds=pressed), press_count=2)

    assert outcome == step.outcome


def test_a_closing_of_a_clock_that_is_ahead_has_ended_nothing_before_it_was_read() -> None:
    played = closed_late(300, read=200)

    assert played.now == played.state.ended_at


def test_a_press_after_the_devices_own_cancel_is_none_of_before_though_both_waited() -> None:
    played = Played(kind=AlertKind.ASSISTANCE)
    played.seconds = 200
    played.press(AlertAction.CANCEL, at=100, received_at=START + timedelta(seconds=100))
    step = played.press(at=101, received_at=START + timedelta(seconds=101), press_count=2)

    assert "reopened" == step.outcome


@pytest.mark.parametrize(("pressed", "outcome"), [(89, "late"), (91, "reopened")])
def test_an_alert_has_expired_when_its_time_came_whenever_that_is_noticed(pressed: float, outcome: str) -> None:
    played = Played(kind=AlertKind.ASSISTANCE)
    header = played.state.header.model_copy(update={"expires_at": START + timedelta(seconds=90)})
    played.state = played.state.model_copy(update={"header": header})
    assert "expired" == played.wait(200).outcome
    step = played.press(at=pressed, received_at=START + timedelta(seconds=pressed), press_count=2)

    assert outcome == step.outcome


RETIRED = replace(ROOMS, retired=frozenset({"north"}))


def test_a_room_of_the_owner_that_is_none_any_more_keeps_no_alert_open() -> None:
    played = Played()
    played.says("county", **ASSIGNED)
    played.rooms = RETIRED

    assert "closed" == played.says("county", CLOSES).outcome


@pytest.mark.parametrize("level", [Level.DEAD_LETTERED, Level.EXPIRED])
def test_a_room_of_the_owner_that_never_got_it_keeps_no_alert_open_until_it_gets_it_after_all(level: Level) -> None:
    lost, replayed = Played(), Played()
    for played in (lost, replayed):
        played.says("north", level)
        played.says("county", **ASSIGNED)
    replayed.says("north", Level.DELIVERED)

    assert "closed" == lost.says("county", CLOSES).outcome
    assert "unanswered_again" == replayed.says("county", CLOSES).outcome


def test_the_owners_own_word_ends_it_though_its_room_is_to_be_none_any_more() -> None:
    played = Played(rooms=RETIRED)
    played.says("county", **ASSIGNED)

    assert "closed" == played.says("north", CLOSES).outcome


def test_help_that_a_room_promised_which_is_none_any_more_is_closed_by_nobody_else() -> None:
    played = Played()
    played.says("north", **ASSIGNED)
    played.says("county", **ASSIGNED)
    played.rooms = RETIRED

    assert "stated" == played.says("county", CLOSES).outcome


def test_where_the_room_that_alone_ends_it_is_none_any_more_the_owners_others_end_it() -> None:
    two = {"north": "pd-north", "desk": "pd-north", "county": "county"}
    played = Played(to=("north", "desk", "county"), rooms=Rooms(two, enders=frozenset({"north"})))
    played.says("desk", **ASSIGNED)
    played.rooms = replace(played.rooms, retired=frozenset({"north"}))
    played.says("county", CLOSES)

    assert played.state.status not in CLOSED
    assert "closed" == played.says("desk", CLOSES).outcome


def test_where_nobody_took_it_up_who_has_it_ends_it_whatever_never_got_it() -> None:
    played = Played()
    played.steps = []
    played.says("north", Level.DEAD_LETTERED)

    assert "closed" == played.says("county", CLOSES, note="false alarm").outcome


def closed_by_operations(played: Played, **given: Any) -> Step:
    return played.says("operations", CLOSES, code="close", note="officer safe", by_ref="kim", **given)


def test_operations_end_what_nobody_else_can_and_every_room_and_the_officer_hear_of_it() -> None:
    played = Played()
    played.says("county", **ASSIGNED)
    step = closed_by_operations(played, id="order", validity=Validity.FALSE)
    whole = step.notifications[0].event.whole  # type: ignore[union-attr]

    assert ("closed_by_operations", {"north": DeliveryReason.CANCEL, "county": DeliveryReason.CANCEL}) == (
        step.outcome,
        told(step),
    )
    assert ("operations", "false_alarm", "officer safe") == (whole.ended_by, whole.ended_why, whole.ended_words)
    assert (AlertStatus.RESOLVED, START) == (played.state.status, played.state.ended_at)
    assert step.message is not None
    assert 'closed by operations: false alarm. They say: "officer safe"' in step.message.text
    assert step.message.sender_ref is None, "nobody reads whose word it was"
    assert "reopened" == played.press(received_at=START + timedelta(seconds=1), at=1, press_count=2).outcome


@pytest.mark.parametrize("by", ["operations", "north"])
def test_an_end_that_comes_again_is_told_again_under_the_same_ids_and_one_that_comes_late_is_not(by: str) -> None:
    played = Played()
    played.press(AlertAction.UPDATE, text="knife")

    def end(name: str) -> Step:
        return played.says(by, CLOSES, id=name, note="he is safe", code="close" if by == "operations" else None)

    first, again, late = end("one"), end("one"), end("two")

    assert "repeated_end" == again.outcome
    assert (first.notifications, first.message, first.state) == (again.notifications, again.message, again.state)
    assert first.notifications
    assert () == late.notifications


def test_operations_close_nothing_that_is_no_alert() -> None:
    played = Played()
    header = played.header(source="operations")
    receipt = DeliveryReceipt(header=header, destination="operations", level=CLOSES, code="close")

    assert "not_an_alert" == heard.receive(None, receipt, (), [], played.now).outcome


def _late_closing(played: Played, closing: float, by: str) -> Step:
    """Let the hub have had a closing at `closing` that its streams come to only now; again under the same id."""
    id_, at = "the-closing", START + timedelta(seconds=closing)
    header = played.header(closing, message_id=id_, source=by, received_at=at)
    code = {"code": "close"} if by == "operations" else {}
    receipt = DeliveryReceipt(header=header, destination=by, level=CLOSES, **code)
    return played.take(heard.receive(played.state, receipt, (), played.decisions, played.now, rooms=ROOMS))


def _pressed(played: Played, at: float, **given: Any) -> Step:
    return played.press(AlertAction.UPDATE, at=at, received_at=START + timedelta(seconds=at), **given)


@pytest.mark.parametrize("by", ["north", "operations"])
def test_a_press_that_the_streams_came_to_before_a_closing_that_the_hub_had_first_goes_on(by: str) -> None:
    played = Played()
    played.seconds = 200
    _pressed(played, 101, press_count=2, text="he is back, knife")
    _pressed(played, 102)
    ended, again = _late_closing(played, 100, by), _late_closing(played, 100, by)

    assert {notification.reason for notification in ended.notifications} == {DeliveryReason.CANCEL}
    assert ended.reopened is not None
    assert ended.reopened == again.reopened
    assert ("he is back, knife", 2, EVENT) == (
        ended.reopened.text, ended.reopened.press_count, ended.reopened.whole and ended.reopened.whole.reopens,
    )  # fmt: skip
    assert START + timedelta(seconds=101) == ended.reopened.header.received_at
    anew = states.change(None, ended.reopened, played.decisions, played.now)
    assert ("raised", {"north", "county"}) == (anew.outcome, set(told(anew)))
    repeated = _pressed(played, 101, press_count=2, text="he is back, knife")
    assert ("closed_already", None) == (repeated.outcome, repeated.reopened)


def test_a_press_of_before_the_closing_ends_with_it_and_so_does_what_nobody_did() -> None:
    played = Played()
    played.seconds = 200
    _pressed(played, 99, press_count=2)
    _pressed(played, 101)
    # By a clock that can be trusted it was made before the closing, and rooms were told of it before they hear the end.
    played.press(AlertAction.UPDATE, at=98, received_at=START + timedelta(seconds=103), press_count=3)
    ended = _late_closing(played, 100, "north")

    assert ("closed", None) == (ended.outcome, ended.reopened)


def test_a_press_between_the_closing_and_what_the_streams_came_to_last_is_none_of_before() -> None:
    played = Played()
    played.seconds = 200
    _pressed(played, 150)
    _late_closing(played, 100, "north")

    assert ["late", "reopened", "reopened"] == [
        _pressed(played, at, press_count=number).outcome for number, at in enumerate((99, 101, 151), 2)
    ]


def test_two_presses_to_a_closed_alert_are_one_again_and_what_comes_to_that_when_closed_goes_on() -> None:
    played = Played()
    played.seconds = 200
    _late_closing(played, 100, "north")
    first, second, last = (_pressed(played, at, press_count=at).reopened for at in (201, 202, 299))
    assert first is not None
    assert second is not None
    assert last is not None
    assert first.header.event_id == second.header.event_id
    follower = states.change(None, first, played.decisions, played.now).state
    assert follower is not None
    assert "updated" == states.change(follower, second, played.decisions, played.now).outcome
    played.state = follower
    _late_closing(played, 250, "north")
    third = states.change(played.state, last, played.decisions, played.now).reopened

    assert third is not None
    assert 3 == len({EVENT, first.header.event_id, third.header.event_id})


def test_what_was_pressed_and_then_called_off_after_the_closing_goes_on_and_asks_to_cancel() -> None:
    played = Played()
    played.seconds = 200
    _pressed(played, 101, press_count=2)
    played.press(AlertAction.CANCEL, at=102, received_at=START + timedelta(seconds=102))
    reopened = _late_closing(played, 100, "north").reopened

    assert reopened is not None
    anew = states.change(None, reopened, played.decisions, played.now)
    assert ("raised_to_cancel", True) == (anew.outcome, anew.state and anew.state.cancel_requested)


def test_what_was_pressed_after_an_alert_had_expired_goes_on_though_its_expiry_is_noticed_later() -> None:
    played = Played(kind=AlertKind.ASSISTANCE)
    header = played.state.header.model_copy(update={"expires_at": START + timedelta(seconds=90)})
    played.state = played.state.model_copy(update={"header": header})
    played.seconds = 100
    _pressed(played, 91, press_count=2)
    ended = played.wait(100)

    assert ("expired", True) == (ended.outcome, ended.reopened is not None)


def test_a_cancel_that_was_made_before_a_newer_press_asks_for_nothing_and_one_made_after_it_does() -> None:
    played = Played()
    played.seconds = 200
    played.press(AlertAction.CANCEL, at=100, received_at=START + timedelta(seconds=100))
    _pressed(played, 110, press_count=2)
    older = played.press(AlertAction.CANCEL, at=105, received_at=START + timedelta(seconds=105))
    assert ("overtaken", (), False) == (older.outcome, older.notifications, played.state.cancel_requested)
    played.press(AlertAction.UPDATE, at=120, received_at=START + timedelta(seconds=130), press_count=3)
    newer = played.press(AlertAction.CANCEL, at=121, received_at=START + timedelta(seconds=122))

    assert ("cancel_requested", True) == (newer.outcome, played.state.cancel_requested)


RAISES: dict[str, dict[str, Any]] = {
    "it says of no request when it was sent": {"cancelled": 40, "flags": ("clock_skew",), "raised": 90, "asked": 90},
    "its raise took longer than its cancel": {"cancelled": 8, "flags": ("clock_skew",), "raised": 12, "asked": 9},
    "its cancel took longer": {"cancelled": 8, "flags": (), "raised": 1, "asked": 30, "asked_flags": ("clock_skew",)},
    "its clock is an hour slow": {"clock": -3600, "cancelled": 8, "flags": ("clock_skew",), "raised": 1, "asked": 9},
}


def _raised_and_called_off(kind: AlertKind, case: dict[str, Any], cancelled: float) -> tuple[Played, Step]:
    """Return an alert whose raise and cancel took their time; `cancelled` seconds after the press."""
    played, clock = Played(kind=kind), case.get("clock", 0)
    played.state, played.seconds = None, 200  # type: ignore[assignment]  # at once
    played.press(at=clock, received_at=START + timedelta(seconds=case["raised"]), flags=case["flags"])
    asked_at = START + timedelta(seconds=case["asked"])
    flags = case.get("asked_flags", ())
    return played, played.press(AlertAction.CANCEL, at=clock + cancelled, received_at=asked_at, flags=flags)


@pytest.mark.parametrize("case", RAISES.values(), ids=list(RAISES))
@pytest.mark.parametrize(
    ("kind", "outcome"),
    [(AlertKind.ASSISTANCE, {"cancelled", "cancel_requested"}), (AlertKind.SOS, {"cancel_requested"})],
)
def test_a_cancel_that_its_device_made_after_the_last_press_counts_whichever_of_both_has_a_trusted_time(
    kind: AlertKind, outcome: set[str], case: dict[str, Any]
) -> None:
    _, made_after = _raised_and_called_off(kind, case, case["cancelled"])
    _, made_before = _raised_and_called_off(kind, case, -1)

    assert made_after.outcome in outcome
    assert {"north", "county"} == set(told(made_after))
    assert "overtaken" == made_before.outcome


def test_a_cancel_is_not_measured_by_the_clock_of_another_device_nor_by_one_that_says_nothing() -> None:
    spare, silent, mute = (Played() for _ in range(3))
    for played in (spare, silent, mute):
        played.seconds = 200
    # Its clock is ten minutes ahead of the spare's.
    spare.press(AlertAction.UPDATE, at=600, received_at=START + timedelta(seconds=50), press_count=2)
    spare.press(AlertAction.UPDATE, at=60, received_at=START + timedelta(seconds=60), device_id="spare", press_count=3)
    silent.press(AlertAction.UPDATE, at=60, received_at=START + timedelta(seconds=60), press_count=2)
    mute.press(AlertAction.UPDATE, at=600, received_at=START + timedelta(seconds=60), press_count=2)

    def outcomes(played: Played, **given: Any) -> list[str]:
        found = []
        for had_at in (59, 61):
            at = START + timedelta(seconds=had_at)
            found.append(played.press(AlertAction.CANCEL, at=had_at, received_at=at, **given).outcome)
        return found

    assert ["overtaken", "cancel_requested"] == outcomes(spare)
    assert ["overtaken", "cancel_requested"] == outcomes(silent, device_id="spare")
    assert ["cancel_requested"] == outcomes(mute, flags=("occurred_at_missing",))[1:]


def test_a_cancel_of_an_alert_whose_press_nobody_noted_is_a_request_where_it_is_older_as_before() -> None:
    played = Played()
    played.seconds = 200
    _pressed(played, 110, press_count=2)
    played.state = played.state.model_copy(update={"pressed_at": None, "pressed_by_device_clock_at": None})
    cancel = played.press(AlertAction.CANCEL, at=105, received_at=START + timedelta(seconds=105))

    assert "cancel_requested" == cancel.outcome


def test_what_goes_on_after_an_end_keeps_the_clock_of_its_device_for_the_cancel_that_it_may_send() -> None:
    played = Played()
    # The device's clock is an hour slow.
    played.state = None  # type: ignore[assignment]  # at once
    played.press(at=-3600, flags=("clock_skew",))
    played.seconds = 200
    played.press(
        AlertAction.UPDATE, at=101 - 3600, received_at=START + timedelta(seconds=101), press_count=2,
        flags=("clock_skew",),
    )  # fmt: skip
    reopened = _late_closing(played, 100, "north").reopened
    assert reopened is not None
    anew = Played()
    anew.seconds, anew.state = 200, None  # type: ignore[assignment]  # at once
    anew.take(states.change(None, reopened, played.decisions, played.now))
    cancel = anew.press(
        AlertAction.CANCEL, at=150 - 3600, received_at=START + timedelta(seconds=150), flags=("clock_skew",)
    )

    assert (START + timedelta(seconds=101), "cancel_requested") == (anew.state.pressed_at, cancel.outcome)


def test_what_goes_on_after_an_expiry_expires_no_more() -> None:
    played = Played(kind=AlertKind.ASSISTANCE)
    header = played.state.header.model_copy(update={"expires_at": START + timedelta(seconds=90)})
    played.state = played.state.model_copy(update={"header": header})
    played.seconds = 100
    _pressed(played, 91, press_count=2, expires_at=START + timedelta(seconds=90))
    reopened = played.wait(100).reopened
    assert reopened is not None
    anew = Played(kind=AlertKind.ASSISTANCE)
    anew.seconds, anew.state = 200, None  # type: ignore[assignment]  # at once
    anew.take(states.change(None, reopened, played.decisions, played.now))

    assert None is anew.state.header.expires_at
    assert None is anew.wait(86400).reopened


@pytest.mark.parametrize("by", ["north", "operations"])
def test_a_closing_after_the_last_press_lets_nothing_go_on_though_the_clock_of_the_streams_is_slow(by: str) -> None:
    played = Played()
    played.seconds = 90
    _pressed(played, 100, press_count=2)
    ended = _late_closing(played, 101, by)

    assert (None, START + timedelta(seconds=100)) == (ended.reopened, played.state.ended_at)
    assert "reopened" == _pressed(played, 102, press_count=3).outcome


SLOW = 30
"""Seconds that the clock of a connector is behind."""


def _pressed_here(played: Played, at: float, **given: Any) -> Step:
    """Let somebody press, and the streams take it at once."""
    played.seconds = at
    return _pressed(played, at, published_at=played.now, press_count=int(at), **given)


def _by_slow_clock(played: Played, at: float, level: Level, **given: Any) -> Step:
    """Let north's connector, whose clock is slow, have something at a time, and the streams take it at once."""
    played.seconds = at
    header = played.header(at - SLOW, source="north", received_at=START + timedelta(seconds=at - SLOW))
    receipt = DeliveryReceipt(header=header, destination="north", level=level, **given)
    return played.take(heard.receive(played.state, receipt, (), played.decisions, played.now, rooms=ROOMS))


def _delivered(played: Played, at: float) -> None:
    first = played.state.destinations["north"].delivery_id
    _by_slow_clock(played, at, Level.DELIVERED, delivery_id=first)


def test_a_room_whose_connectors_clock_is_slow_ends_what_was_pressed_before_and_the_next_press_reopens_it() -> None:
    played = Played()
    _delivered(played, 0.02)
    _pressed_here(played, 100)
    ended = _by_slow_clock(played, 101, CLOSES)

    assert (None, START + timedelta(seconds=100)) == (ended.reopened, played.state.ended_at)
    assert "reopened" == _pressed_here(played, 102).outcome


def test_a_room_that_answers_what_told_of_the_press_has_closed_after_it_by_whatever_clock() -> None:
    played = Played()
    told_by = next(n.delivery_id for n in _pressed_here(played, 100).notifications if n.destination == "north")

    assert None is _by_slow_clock(played, 100.01, CLOSES, delivery_id=told_by).reopened


def test_a_room_closes_what_it_was_told_of_after_the_press_that_raised_it_by_whatever_clock() -> None:
    played = Played()
    header = played.state.alert.header.model_copy(update={"published_at": START})
    played.state = played.state.model_copy(update={"alert": played.state.alert.model_copy(update={"header": header})})

    assert None is _by_slow_clock(played, 1, CLOSES).reopened


def test_a_press_that_the_streams_took_after_a_closing_goes_on_though_clocks_of_gateway_and_connector_are_slow() -> (
    None
):
    played = Played()
    _delivered(played, 0.02)
    played.seconds = 101
    _pressed(played, 101 - SLOW, published_at=played.now, press_count=2)

    assert None is not _by_slow_clock(played, 100, CLOSES).reopened


def test_what_is_not_known_to_have_come_after_a_press_lets_it_go_on() -> None:
    played = Played()
    _pressed_here(played, 100)

    assert None is not _by_slow_clock(played, 101, CLOSES).reopened


def test_a_clock_that_is_right_or_ahead_is_known_to_be_behind_by_nothing() -> None:
    played = Played()
    played.seconds = 5
    played.says("north", Level.DELIVERED, delivery_id=played.state.destinations["north"].delivery_id)
    played.says("county", Level.DELIVERED, delivery_id="another")

    assert {0} == {at.clock_behind_ms for at in played.state.destinations.values()}


AHEAD = 600
"""Seconds that a device's clock is ahead until it is put right."""


def _by_clock(played: Played, action: AlertAction, at: float, *, ahead: float, sent: float = 0, **given: Any) -> Step:
    """Let a device act at a time, and send that at once or later; `ahead` is how wrong its clock is as it sends."""
    played.seconds = sent or at
    flags = ("clock_skew",) if ahead else ()
    return played.press(
        action, at=at + ahead, received_at=played.now, flags=flags, clock_ahead_ms=int(ahead * 1000), **given
    )


@pytest.mark.parametrize("kind", [AlertKind.SOS, AlertKind.ASSISTANCE])
def test_a_cancel_after_the_devices_clock_was_put_right_counts_and_one_of_before_that_waited_does_not(
    kind: AlertKind,
) -> None:
    right, waited, again = (Played(kind=kind) for _ in range(3))
    for played in (right, waited, again):
        _by_clock(played, AlertAction.UPDATE, 100, ahead=AHEAD, press_count=2)

    asked = "cancel_requested" if kind is AlertKind.SOS else "cancelled"
    assert "overtaken" == _by_clock(waited, AlertAction.CANCEL, 90, sent=130, ahead=AHEAD).outcome
    assert asked == _by_clock(right, AlertAction.CANCEL, 130, ahead=0).outcome
    _by_clock(again, AlertAction.UPDATE, 140, ahead=0, press_count=3)
    assert "overtaken" == _by_clock(again, AlertAction.CANCEL, 135, sent=150, ahead=0).outcome
    assert asked == _by_clock(again, AlertAction.CANCEL, 145, sent=151, ahead=0).outcome


@pytest.mark.parametrize(
    ("back", "unsaid"), [(60, "overtaken"), (7200, "cancel_requested"), (50 * 365 * 86_400, "cancel_requested")]
)
def test_a_cancel_counts_though_the_devices_clock_was_set_back_and_by_minutes_only_where_it_says_so(
    back: int, unsaid: str
) -> None:
    says, mute = Played(), Played()
    for played in (says, mute):
        _by_clock(played, AlertAction.UPDATE, 100, ahead=0, press_count=2)
    outcome = mute.press(AlertAction.CANCEL, at=130 - back, received_at=START + timedelta(seconds=130)).outcome

    assert unsaid == outcome
    assert "overtaken" == mute.press(AlertAction.CANCEL, at=99, received_at=START + timedelta(seconds=131)).outcome
    assert "cancel_requested" == _by_clock(says, AlertAction.CANCEL, 170, ahead=-back).outcome
