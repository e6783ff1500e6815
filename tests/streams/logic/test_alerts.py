"""Alerts as they come from devices: nothing but a repeat is ever dropped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bondmate_schemas.device_alert_ids import DEVICE_ALERT_SYSTEM, alert_event_id
from bondmate_schemas.enums import AlertAction, AlertKind, AlertStatus, Mode, PositionOrigin
from bondmate_schemas.flags import FROM_EXERCISE
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import AlertState, DeviceMemory, ExternalRef
from bondmate_streams.logic import states
from bondmate_streams.logic.alerts import stand, take
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def taken(alert: Any, memory: DeviceMemory | None = None, last: Any = None) -> Any:
    return take(alert, memory, last, NOW)


def test_a_raised_alert_gets_an_incident_and_the_same_one_every_time(make: Any) -> None:
    alert = make.alert()
    change = taken(alert).change

    assert derived_id("incident", alert.header.event_id) == change.header.incident_id
    assert change == taken(alert).change
    assert "shared" == taken(make.alert(incident_id="shared")).change.header.incident_id


def test_the_same_message_again_is_a_repeat(make: Any) -> None:
    alert = make.alert()
    again = taken(alert, taken(alert).memory)

    assert ("repeat", None) == (again.outcome, again.change)


def test_the_devices_id_with_other_content_is_a_new_event_and_flagged(make: Any) -> None:
    first = taken(make.alert(origin_message_id="7", content_digest="a"))
    other = taken(make.alert(origin_message_id="7", content_digest="b", kind=AlertKind.TAMPER), first.memory)
    same = taken(make.alert(origin_message_id="8", content_digest="b", kind=AlertKind.TAMPER), first.memory)

    assert ("message_id_reused",) == other.change.header.flags
    assert () == same.change.header.flags


def test_pressing_again_merges_into_the_open_alert(make: Any) -> None:
    first, second, third = make.alert(), make.alert(), make.alert()
    one = taken(first)
    two = taken(second, one.memory)
    three = taken(third, two.memory)

    assert ("merged", 2) == (two.outcome, two.change.press_count)
    assert 3 == three.change.press_count
    assert {first.header.event_id} == {c.change.header.event_id for c in (one, two, three)}
    assert {one.change.header.incident_id} == {two.change.header.incident_id, three.change.header.incident_id}
    assert 1 == len(three.memory.open_alerts)


def test_a_cancel_under_the_merged_press_reaches_the_one_alert(make: Any) -> None:
    first, second = make.alert(), make.alert()
    memory = taken(second, taken(first).memory).memory
    cancel = taken(make.alert(event_id=second.header.event_id, action=AlertAction.CANCEL), memory)

    assert ("cancel_requested", first.header.event_id) == (cancel.outcome, cancel.change.header.event_id)


def test_presses_of_assistance_whose_cancel_became_a_request_are_known_again(make: Any) -> None:
    first, second = (
        make.alert(
            kind=AlertKind.ASSISTANCE,
            event_id=alert_event_id("device-1", name),
            external_refs=(ExternalRef(system=DEVICE_ALERT_SYSTEM, id=name),),
        )
        for name in ("a-1", "a-2")
    )
    one = taken(first)
    two = taken(second, one.memory)
    state = states.change(None, one.change, [], NOW).state
    state = states.change(state, two.change, [], NOW).state
    cancel = make.alert(kind=AlertKind.ASSISTANCE, event_id=first.header.event_id, action=AlertAction.CANCEL)
    forgotten = taken(cancel, two.memory).memory
    assert () == forgotten.open_alerts
    update = make.alert(kind=AlertKind.ASSISTANCE, event_id=second.header.event_id, action=AlertAction.UPDATE)
    after = taken(update, stand(forgotten, state))

    assert ("updated", first.header.event_id) == (after.outcome, after.change.header.event_id)


@pytest.mark.parametrize("other", [{"kind": AlertKind.DURESS}, {"mode": Mode.ACTUAL}])
def test_another_kind_or_mode_is_an_alert_of_its_own(make: Any, other: dict[str, Any]) -> None:
    first = taken(make.alert(mode=Mode.EXERCISE))
    second = taken(make.alert(**{"mode": Mode.EXERCISE, **other}), first.memory)

    assert "raised" == second.outcome
    assert first.change.header.event_id != second.change.header.event_id


@given(kind=st.sampled_from(AlertKind))
def test_only_emergencies_stay_open_after_the_devices_cancel(make: Any, kind: AlertKind) -> None:
    raised = make.alert(kind=kind)
    cancel = make.alert(kind=kind, event_id=raised.header.event_id, action=AlertAction.CANCEL)
    after = taken(cancel, taken(raised).memory)
    stays = kind in (AlertKind.SOS, AlertKind.DURESS, AlertKind.OFFICER_DOWN)

    assert ("cancel_requested" if stays else "cancelled") == after.outcome
    assert stays == bool(after.memory.open_alerts)


def test_the_alerts_own_fix_wins_over_a_newer_known_one(make: Any) -> None:
    at = NOW - timedelta(minutes=5)
    alert = make.alert(position=make.position(52, 4, at), occurred_at=NOW)
    change = taken(alert, last=make.location(position=make.position(50, 3, NOW))).change

    assert (52, PositionOrigin.OWN, 300) == (
        change.position.latitude,
        change.position_origin,
        change.position_age_seconds,
    )


@pytest.mark.parametrize("own", [None, (0.0, 0.0)])
def test_without_a_fix_of_its_own_the_last_known_one_is_joined_with_its_age(make: Any, own: Any) -> None:
    position = make.position(*own) if own else None
    last = make.location(position=make.position(50, 3, NOW - timedelta(seconds=90)))
    change = taken(make.alert(position=position, occurred_at=NOW), last=last).change

    assert (50, PositionOrigin.JOINED, 90) == (
        change.position.latitude,
        change.position_origin,
        change.position_age_seconds,
    )


def test_the_fix_of_an_open_alert_is_known_to_a_further_one_of_the_device(make: Any) -> None:
    """EMERGENCY.md, "One event, one incident": a fall after an SOS has its place, though it says none itself."""
    at, later = NOW - timedelta(seconds=30), NOW
    first = taken(make.alert(position=make.position(52, 4, at), occurred_at=at, received_at=at)).memory
    fall = make.alert(kind=AlertKind.OFFICER_DOWN, position=None, occurred_at=later, received_at=later)
    newer = make.location(position=make.position(53, 5, later), received_at=later)
    older = make.location(position=make.position(51, 3, at), received_at=at - timedelta(minutes=1))

    found = [taken(fall, first, last=last).change for last in (None, older, newer)]

    assert [52, 52, 53] == [change.position.latitude for change in found]
    assert [30, 30, 0] == [change.position_age_seconds for change in found]
    assert {PositionOrigin.JOINED} == {change.position_origin for change in found}


def test_without_any_position_the_alert_goes_on(make: Any) -> None:
    change = taken(make.alert(position=make.position(0, 0))).change

    assert (None, PositionOrigin.NONE, ("no_fix",)) == (change.position, change.position_origin, change.header.flags)


def test_a_joined_fix_is_never_younger_than_the_hub_has_had_it_for(make: Any) -> None:
    """FINDINGS L7: a device whose clock is a day slow presses nine hours after its last fix."""
    fix = make.location(position=make.position(1, 2, NOW - timedelta(hours=9)), received_at=NOW - timedelta(hours=9))
    slow = make.alert(position=None, occurred_at=NOW - timedelta(days=1), received_at=NOW)
    wrong = make.alert(position=None, occurred_at=NOW + timedelta(days=1), received_at=NOW, flags=("clock_skew",))

    ages = [taken(alert, last=fix).change.position_age_seconds for alert in (slow, wrong)]

    assert [9 * 3600, 9 * 3600] == ages


@given(
    kind=st.sampled_from(AlertKind), mode=st.sampled_from(Mode), fix=st.sampled_from([None, (0.0, 0.0), (52.0, 4.0)]),
    age_days=st.integers(-400, 40_000), known=st.booleans(), reused=st.booleans(),
)  # fmt: skip
def test_no_raised_alert_is_ever_dropped(  # noqa: PLR0917
    make: Any, kind: AlertKind, mode: Mode, fix: Any, age_days: int, known: bool, reused: bool
) -> None:
    at = NOW - timedelta(days=age_days) if age_days < 19_000 else datetime(1970, 1, 1, tzinfo=UTC)
    memory = taken(make.alert(origin_message_id="1", content_digest="a")).memory if reused else None
    alert = make.alert(
        kind=kind, mode=mode, position=make.position(*fix, at) if fix else None, origin_message_id="1",
        content_digest="b",
    )  # fmt: skip
    last = make.location(position=make.position(1, 1, at)) if known else None

    assert taken(alert, memory, last).change is not None


def test_what_is_said_of_an_exercise_that_went_on_as_real_is_said_of_the_real_one(make: Any) -> None:
    own = {"external_refs": (ExternalRef(system=DEVICE_ALERT_SYSTEM, id="a"),), "mode": Mode.EXERCISE}
    by_id = alert_event_id("device-1", "a")
    exercise = taken(make.alert(event_id=by_id, **own))
    gesture = make.alert(event_id="real", **{**own, "mode": Mode.ACTUAL, "flags": (FROM_EXERCISE,)})
    real = taken(gesture, exercise.memory)
    plain = taken(make.alert(mode=Mode.EXERCISE), real.memory)
    words = taken(make.alert(event_id=by_id, action=AlertAction.UPDATE, text="here", **own), plain.memory)

    assert [("raised", "real"), ("merged", by_id), ("updated", "real")] == [
        (one.outcome, one.change.header.event_id) for one in (real, plain, words)
    ]


def test_a_closed_alert_takes_no_further_presses_and_one_opened_anew_does(make: Any) -> None:
    first = taken(make.alert())
    state = AlertState(
        header=first.change.header,
        device_id="device-1",
        status=AlertStatus.RESOLVED,
        alert=first.change,
        changed_at=NOW,
    )
    closed = stand(first.memory, state)
    anew = stand(closed, state.model_copy(update={"status": AlertStatus.ROUTED}))

    assert () == closed.open_alerts
    assert "raised" == taken(make.alert(), closed).outcome
    assert "merged" == taken(make.alert(), anew).outcome


def test_what_is_remembered_of_a_device_is_bounded(make: Any) -> None:
    memory = None
    for number in range(200):
        memory = taken(make.alert(kind=list(AlertKind)[number % 8], mode=list(Mode)[number % 5]), memory).memory

    assert 64 == len(memory.seen)
    assert 16 >= len(memory.open_alerts)
