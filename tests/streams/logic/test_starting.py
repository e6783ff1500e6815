"""An emergency that a control room starts: who may, what stays with the owner until somebody confirms it, renewal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bondmate_schemas.device_alert_ids import DEVICE_ALERT_SYSTEM, is_hidden
from bondmate_schemas.enums import AlertAction, AlertKind, AlertStatus, EmergencyWord, Level, Mode, PositionOrigin
from bondmate_schemas.flags import (
    CONFIRMED,
    NOT_RENEWED,
    POSITION_UNTIL_CONFIRMED,
    SILENCE_OVER,
    STARTED_BY_ROOM,
    UNDER_DURESS,
)
from bondmate_schemas.models import AlertState, DeviceAlert, DeviceMemory, EmergencyStart, ExternalRef
from bondmate_streams.logic import heard, starting, states, timers
from bondmate_streams.logic.addressing import Officer
from bondmate_streams.logic.alerts import is_any_hidden, take
from bondmate_streams.logic.following import is_followed
from bondmate_streams.logic.rooms import Rooms
from bondmate_streams.logic.routing import Decision, Destination

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
HALF_AN_HOUR = timedelta(minutes=30)
AGENCIES = {"north": "pd-north", "county": "county"}
ROOMS = Rooms(AGENCIES)
ROOM = Destination(modes=("ACTUAL",))
DECISIONS = [Decision("north", "alerts"), Decision("county", "alerts")]
OFFICER = Officer("d-1", "pd-north", Mode.ACTUAL, "unit-7", "K-12", seen_at=NOW, officer_ref="o-1")
SOS = EmergencyStart(names=("K-12",), kind=AlertKind.SOS)
SILENT = SOS.model_copy(update={"silent": True})


def order(make: Any, **given: Any) -> Any:
    known = {"mode": Mode.ACTUAL, "source": "north", "received_at": NOW, "text": "no answer on the radio"}
    return make.message("", **{**known, "sender_ref": "jane", **given})


def begun(make: Any, start: EmergencyStart = SOS) -> AlertState:
    alert = starting.alert_of(order(make), start, OFFICER, NOW, ROOMS)
    placed = alert.model_copy(update={"position": make.position(at=NOW), "position_origin": PositionOrigin.JOINED})
    taken = take(placed, None, None, NOW)
    assert taken.change is not None
    state = states.change(None, taken.change, DECISIONS, NOW).state
    assert state is not None
    return state


def said(make: Any, state: AlertState, word: EmergencyWord, room: str = "north", **given: Any) -> Any:
    at = NOW + timedelta(minutes=20)
    known = {"mode": Mode.ACTUAL, "occurred_at": at, "received_at": at, "agency_id": "pd-north", "emergency": word}
    receipt = make.receipt(state.header.event_id, room, Level.UNKNOWN, **{**known, **given})
    return heard.receive(state, receipt, (), DECISIONS, at, rooms=ROOMS)


@pytest.mark.parametrize(
    ("code", "given"),
    [
        ("", {}),
        ("emergency_not_owner", {"agency": "county"}),
        ("emergency_not_owner", {"agency": None}),
        ("emergency_mode", {"mode": Mode.EXERCISE}),
        ("emergency_mode", {"officer": Officer("d-1", "pd-north", Mode.EXERCISE, seen_at=NOW)}),
        ("emergency_mode", {"room": Destination(modes=("EXERCISE",))}),
        ("emergency_mode", {"room": Destination(modes=("ACTUAL",), retired=True)}),
        ("emergency_off_shift", {"officer": Officer("d-1", "pd-north", Mode.ACTUAL)}),
        ("emergency_kind", {"kind": AlertKind.DURESS}),
        ("emergency_kind", {"kind": AlertKind.OTHER}),
        ("emergency_reason", {"text": " "}),
        ("emergency_reason", {"sender_ref": None}),
    ],
)
def test_a_room_of_the_owner_may_start_it_in_its_mode_on_shift_by_name_and_with_a_reason(
    make: Any, code: str, given: dict[str, Any]
) -> None:
    start = SOS.model_copy(update={"kind": given.pop("kind", AlertKind.SOS)})
    room, agency = given.pop("room", ROOM), given.pop("agency", "pd-north")
    officer = given.pop("officer", OFFICER)

    assert code == starting.problem_of(order(make, **given), start, room, agency, officer)


def test_of_a_silent_one_a_second_person_must_say_the_same_in_time_and_each_word_counts_once(make: Any) -> None:
    first, second = order(make), order(make, sender_ref="joe")
    mark = starting.asked(first, OFFICER, NOW)
    later = NOW + timedelta(minutes=10, seconds=1)

    assert not starting.needs_second(first, SOS, None, NOW)
    assert starting.needs_second(first, SILENT, None, NOW)
    assert starting.needs_second(order(make, sender_ref="JANE"), SILENT, mark, NOW)
    assert not starting.needs_second(second, SILENT, mark, NOW)
    assert starting.needs_second(second, SILENT, mark, later)
    done = starting.used(second, OFFICER, NOW)
    assert starting.needs_second(first, SILENT, done, NOW)
    assert not starting.needs_second(second, SILENT, done, NOW)


def test_it_is_an_alert_of_its_officer_paged_and_told_to_the_officer_unless_it_is_silent(make: Any) -> None:
    message = order(make)
    alert = starting.alert_of(message, SOS, OFFICER, NOW, ROOMS)
    loud, silent = (
        states.change(None, starting.alert_of(message, start, OFFICER, NOW, ROOMS), DECISIONS, NOW)
        for start in (SOS, SILENT)
    )

    assert ("pd-north", "unit-7", "K-12", "o-1", "no answer on the radio", (STARTED_BY_ROOM,)) == (
        alert.header.agency_id, alert.unit, alert.callsign, alert.officer_ref, alert.text, alert.header.flags,
    )  # fmt: skip
    assert alert == starting.alert_of(message, SOS, OFFICER, NOW, ROOMS)
    assert loud.message is not None
    assert "pd-north has started an emergency for you: no answer on the radio" in loud.message.text
    assert ["alert_started_by_room"] == [page.reason for page in loud.pages] == [page.reason for page in silent.pages]
    assert silent.message is None
    assert silent.state is not None
    assert (True, True) == (silent.state.alert.silent, UNDER_DURESS in silent.state.alert.header.flags)
    assert is_hidden(silent.state.alert)


def test_one_that_is_open_is_not_started_again_and_a_press_is_not_taken_for_one(make: Any) -> None:
    pressed = take(make.alert("d-1", mode=Mode.ACTUAL, kind=AlertKind.OFFICER_DOWN), None, None, NOW)
    alert = starting.alert_of(order(make), SOS, OFFICER, NOW, ROOMS)
    exercise = DeviceMemory(device_id="d-1").model_copy(
        update={"open_alerts": tuple(k.model_copy(update={"mode": Mode.EXERCISE}) for k in pressed.memory.open_alerts)}
    )

    again = take(alert, pressed.memory, None, NOW)
    assert ("open_already", None, pressed.memory) == (again.outcome, again.change, again.memory)
    assert "raised" == take(alert, exercise, None, NOW).outcome


def test_no_rule_links_an_officers_own_press_to_one_that_was_started_silently(make: Any) -> None:
    known = [
        take(starting.alert_of(order(make), start, OFFICER, NOW, ROOMS), None, None, NOW) for start in (SOS, SILENT)
    ]
    loud, hidden = (
        take(make.alert("d-1", mode=Mode.ACTUAL, kind=AlertKind.OFFICER_DOWN), each.memory, None, NOW).change
        for each in known
    )
    same = take(make.alert("d-1", mode=Mode.ACTUAL), known[1].memory, None, NOW).change

    assert loud is not None
    assert loud.whole is not None
    assert hidden is not None
    assert hidden.whole is None
    assert same is not None
    assert known[1].change is not None
    begun = known[1].change.header
    assert (begun.event_id, begun.incident_id) == (same.header.event_id, same.header.incident_id)


def test_rooms_beyond_the_owner_get_no_position_before_somebody_confirms(make: Any) -> None:
    state = begun(make)
    told = states.change(None, state.alert, DECISIONS, NOW).notifications
    north, county = starting.without_places(told, state, AGENCIES)
    assert north.event.position is not None  # type: ignore[union-attr]
    assert (None, True) == (county.event.position, POSITION_UNTIL_CONFIRMED in county.event.header.flags)  # type: ignore[union-attr]

    handed_over = state.model_copy(update={"owner_agency_id": "county"})
    assert [True, False] == [starting.is_held_back(handed_over, name, AGENCIES) for name in ("north", "county")]
    by_person = said(make, state, EmergencyWord.CONFIRMED)
    assert by_person.outcome == "confirmed"
    assert by_person.state is not None
    assert by_person.state.alert.whole.renew_by is None
    for after in (by_person.state, _pressed(make, state)):
        assert CONFIRMED in after.alert.header.flags
        assert told == starting.without_places(told, after, AGENCIES)


def _pressed(make: Any, state: AlertState, **given: Any) -> AlertState:
    press = make.alert("d-1", event_id=state.header.event_id, mode=Mode.ACTUAL, received_at=NOW + HALF_AN_HOUR, **given)
    after = states.change(state, press, DECISIONS, NOW + HALF_AN_HOUR).state
    assert after is not None
    return after


def test_neither_a_cancel_nor_a_fix_nor_what_the_hub_says_confirms(make: Any) -> None:
    state = begun(make)
    for given in (
        {"action": AlertAction.CANCEL},
        {"action": AlertAction.UPDATE, "text": "I am fine"},
        {"source": "streams"},
    ):
        assert CONFIRMED not in _pressed(make, state, **given).alert.header.flags
    assert AlertStatus.ROUTED is _pressed(make, state, action=AlertAction.CANCEL).status


@pytest.mark.parametrize("older", [False, True])
def test_what_the_device_says_by_itself_does_not_show_a_silent_one_there_and_a_press_does(
    make: Any, *, older: bool
) -> None:
    state = begun(make, SILENT)
    ref = ExternalRef(system=DEVICE_ALERT_SYSTEM, id="low")
    at = NOW - timedelta(seconds=5) if older else NOW + timedelta(seconds=5)
    low = make.alert("d-1", event_id=state.header.event_id, mode=Mode.ACTUAL, received_at=at, source="streams")
    low = low.model_copy(update={"header": low.header.model_copy(update={"external_refs": (ref,)})})
    after = states.change(state, low, DECISIONS, NOW + timedelta(seconds=6)).state
    assert after is not None
    assert is_hidden(after.alert)

    press = make.alert("d-1", event_id=state.header.event_id, mode=Mode.ACTUAL, received_at=NOW + HALF_AN_HOUR)
    press = press.model_copy(update={"header": press.header.model_copy(update={"external_refs": (ref,)})})
    shown = states.change(after, press, DECISIONS, NOW + HALF_AN_HOUR).state
    assert shown is not None
    assert not is_hidden(shown.alert)


def test_who_is_not_of_the_owner_renews_and_confirms_nothing_nor_does_a_repeat(make: Any) -> None:
    state = begun(make)
    foreign = said(make, state, EmergencyWord.CONFIRMED, "county", agency_id="county")
    exercise = said(make, state, EmergencyWord.CONFIRMED, mode=Mode.EXERCISE)
    once = said(make, state, EmergencyWord.RENEWED, message_id="m-1")
    assert once.state is not None
    again = said(make, once.state, EmergencyWord.RENEWED, message_id="m-1", received_at=NOW + HALF_AN_HOUR)

    assert ("not_started", "mode_differs") == (foreign.outcome, exercise.outcome)
    assert exercise.state == state
    assert (foreign.state and foreign.state.alert, ()) == (state.alert, foreign.notifications)
    assert again.state == once.state


def test_what_nobody_renews_is_followed_no_more_stays_open_and_goes_on_once_somebody_does(make: Any) -> None:
    state = begun(make)
    at = starting.renew_by(state)
    assert at == NOW + HALF_AN_HOUR
    assert timers.next_due(state, DECISIONS, (), NOW, rooms=ROOMS) == at
    before = timers.due(state, DECISIONS, (), NOW, at - timedelta(seconds=1), rooms=ROOMS)
    step = timers.due(state, DECISIONS, (), NOW, at, rooms=ROOMS)

    assert "not_renewed" != before.outcome
    assert ("not_renewed", ["alert_not_renewed"]) == (step.outcome, [page.reason for page in step.pages])
    assert {"north", "county"} == {one.destination for one in step.notifications}
    assert step.state is not None
    assert (True, False) == (is_followed(state), is_followed(step.state))
    assert AlertStatus.ROUTED is step.state.status
    assert timers.next_due(step.state, DECISIONS, (), at, rooms=ROOMS) is None

    renewed = said(make, step.state, EmergencyWord.RENEWED)
    assert renewed.state is not None
    assert ("renewed", True) == (renewed.outcome, is_followed(renewed.state))
    assert starting.renew_by(renewed.state) == NOW + timedelta(minutes=50)
    assert NOT_RENEWED not in renewed.state.alert.header.flags
    assert starting.renew_by(_pressed(make, state)) is None


def _of_device(alert: Any, own_id: str) -> Any:
    ref = ExternalRef(system=DEVICE_ALERT_SYSTEM, id=own_id)
    return alert.model_copy(update={"header": alert.header.model_copy(update={"external_refs": (ref,)})})


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize("confirmed", [False, True])
def test_an_officers_loud_press_makes_a_silent_one_loud_and_is_told_to_whom_it_was_kept_from(
    make: Any, *, confirmed: bool, older: bool
) -> None:
    state = begun(make, SILENT)
    if confirmed:
        after = said(make, state, EmergencyWord.CONFIRMED).state
        assert after is not None
        state = after
    at = NOW - timedelta(seconds=5) if older else NOW + HALF_AN_HOUR
    press = _of_device(make.alert("d-1", event_id=state.header.event_id, mode=Mode.ACTUAL, received_at=at), "own-1")
    assert states.asks_routes_again(state, press)
    tak = Decision("tak", "open rooms")
    step = states.change(state, press, DECISIONS, NOW + HALF_AN_HOUR, further=[*DECISIONS, tak])

    assert step.state is not None
    for alert in (step.state.alert, *(notification.event for notification in step.notifications)):
        assert isinstance(alert, DeviceAlert)
        assert (False, True) == (alert.silent, UNDER_DURESS not in alert.header.flags)
        assert SILENCE_OVER in alert.header.flags
    assert (False, {"north", "county", "tak"}) == (
        is_hidden(step.state.alert),
        {t.destination for t in step.notifications},
    )


def test_that_the_silence_is_over_is_said_with_all_that_is_told_later_and_not_of_what_goes_on_after_the_end(
    make: Any,
) -> None:
    state = begun(make, SILENT)
    assert SILENCE_OVER not in state.alert.header.flags
    press = make.alert("d-1", event_id=state.header.event_id, mode=Mode.ACTUAL, received_at=NOW)
    state = states.change(state, _of_device(press, "own-1"), DECISIONS, NOW).state  # type: ignore[assignment]
    loud = _pressed(make, state, action=AlertAction.UPDATE, source="streams")
    assert SILENCE_OVER in loud.alert.header.flags

    said_so = make.receipt(loud.header.event_id, "north", Level.RESOLVED, mode=Mode.ACTUAL, agency_id="pd-north")
    ended = heard.receive(loud, said_so, (), DECISIONS, NOW + HALF_AN_HOUR, rooms=ROOMS).state
    assert ended is not None
    assert AlertStatus.RESOLVED is ended.status
    at = NOW + 2 * HALF_AN_HOUR
    again = make.alert("d-1", event_id=loud.header.event_id, mode=Mode.ACTUAL, received_at=at, press_count=9)
    reopened = states.change(ended, _of_device(again, "own-2"), DECISIONS, at).reopened
    assert reopened is not None
    assert SILENCE_OVER not in reopened.header.flags


@pytest.mark.parametrize("given", [{"silent": True}, {"flags": (UNDER_DURESS,)}, {"source": "streams"}])
def test_a_press_that_is_silent_itself_or_said_under_duress_or_nobodys_leaves_it_silent(
    make: Any, given: dict[str, Any]
) -> None:
    state = begun(make, SILENT)
    press = make.alert("d-1", event_id=state.header.event_id, mode=Mode.ACTUAL, received_at=NOW, **given)
    after = states.change(state, _of_device(press, "own-1"), DECISIONS, NOW).state

    assert after is not None
    assert (True, True) == (after.alert.silent, UNDER_DURESS in after.alert.header.flags)
    # What the officer has pressed silently stays so, whatever is pressed then.
    pressed = make.alert("d-1", event_id=state.header.event_id, mode=Mode.ACTUAL, received_at=NOW)
    again = states.change(after, _of_device(pressed, "own-2"), DECISIONS, NOW).state
    assert again is not None
    assert is_hidden(after.alert) is not again.alert.silent


def test_what_is_remembered_of_a_device_says_that_one_is_hidden_until_its_officer_presses_loudly(make: Any) -> None:
    hidden = take(starting.alert_of(order(make), SILENT, OFFICER, NOW, ROOMS), None, None, NOW).memory
    pressed = take(make.alert("d-1", mode=Mode.ACTUAL), hidden, None, NOW).memory
    silently = take(make.alert("d-1", mode=Mode.ACTUAL, silent=True), hidden, None, NOW).memory
    loud = take(starting.alert_of(order(make), SOS, OFFICER, NOW, ROOMS), None, None, NOW).memory

    assert [False, True, False, True, False] == [
        is_any_hidden(each) for each in (None, hidden, pressed, silently, loud)
    ]
