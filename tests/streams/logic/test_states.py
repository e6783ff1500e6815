"""The life of an alert: told, answered, closed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bondmate_schemas.device_alert_ids import DEVICE_ALERT_SYSTEM, alert_event_id, own_ids
from bondmate_schemas.enums import AlertAction, AlertKind, AlertStatus, DeliveryReason, Level, Mode
from bondmate_schemas.flags import DEVICE_REVOKED, FROM_EXERCISE, UNDER_DURESS
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import AlertState, Attachment, DestinationState, ExternalRef
from bondmate_streams.logic import heard, states
from bondmate_streams.logic.deliveries import refresh_id
from bondmate_streams.logic.levels import rises, status_of
from bondmate_streams.logic.life_cycle import CLOSED, HUMAN
from bondmate_streams.logic.rooms import Rooms
from bondmate_streams.logic.routing import Decision
from bondmate_streams.logic.timers import Refresh
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
DECISIONS = [Decision("tak", "alerts", 20.0), Decision("cap", "alerts")]
EVENT = "event-of-tests"
OWNERS = Rooms({"tak": "agency-1", "cap": "agency-1"})


def change(state: AlertState | None, alert: Any) -> Any:
    return states.change(state, alert, DECISIONS, NOW)


def raised(make: Any, **given: Any) -> AlertState:
    return change(None, make.alert(event_id=EVENT, incident_id="incident", **given)).state


def receive(make: Any, state: AlertState, destination: str, level: Level, **given: Any) -> Any:
    receipt = make.receipt(EVENT, destination, level, **given)
    return heard.receive(state, receipt, {"tak"}, DECISIONS, NOW, rooms=OWNERS)


def told(step: Any) -> list[tuple[str, DeliveryReason]]:
    return [(notification.destination, notification.reason) for notification in step.notifications]


def test_a_new_alert_is_told_to_every_destination_under_its_derived_id(make: Any) -> None:
    step = change(None, make.alert(event_id=EVENT))

    assert [("tak", DeliveryReason.NEW), ("cap", DeliveryReason.NEW)] == told(step)
    assert derived_id("delivery", EVENT, "tak") == step.notifications[0].delivery_id
    assert AlertStatus.ROUTED == step.state.status
    assert {"tak": Level.UNKNOWN, "cap": Level.UNKNOWN} == {n: d.level for n, d in step.state.destinations.items()}


def spoken(alert: Any, language: str | None, text: str | None) -> Any:
    header = alert.header.model_copy(update={"language": language})
    return alert.model_copy(update={"header": header, "text": text})


@pytest.mark.parametrize(
    ("language", "text", "stated"),
    [("en", None, "el"), (None, None, "el"), ("de", "Messer", "de"), (None, "knife", None)],
)
def test_the_language_of_an_alert_is_that_of_its_words(
    make: Any, language: str | None, text: str | None, stated: str | None
) -> None:
    """What the hub says of its device has no words: by it, an officer's Greek must not read as English."""
    state = change(None, spoken(make.alert(event_id=EVENT), "el", "μαχαίρι")).state
    update = spoken(make.alert(event_id=EVENT, action=AlertAction.UPDATE), language, text)

    assert stated == change(state, update).state.alert.header.language


def test_a_later_press_without_words_says_the_language_where_nobody_has(make: Any) -> None:
    state = change(None, spoken(make.alert(event_id=EVENT), None, None)).state
    update = spoken(make.alert(event_id=EVENT, action=AlertAction.UPDATE), "pl", None)

    assert "pl" == change(state, update).state.alert.header.language


def test_an_alert_that_nobody_is_told_of_is_kept_as_raised(make: Any) -> None:
    step = states.change(None, make.alert(), [], NOW)

    assert ("unrouted", AlertStatus.RAISED) == (step.outcome, step.state.status)


def test_every_step_made_again_tells_the_same_under_the_same_ids(make: Any) -> None:
    alert = make.alert(event_id=EVENT)
    first = change(None, alert)
    press = make.alert(event_id=EVENT, press_count=2)
    second = change(first.state, press)

    assert first.notifications == change(first.state, alert).notifications
    assert second.notifications == change(second.state, press).notifications
    assert second.state == change(second.state, press).state


def test_a_cancel_that_was_remembered_but_not_told_is_told_when_it_comes_again(make: Any) -> None:
    state = raised(make, kind=AlertKind.ASSISTANCE)
    cancel = make.alert(event_id=EVENT, kind=AlertKind.ASSISTANCE, action=AlertAction.CANCEL)
    once = change(state, cancel)
    again = change(once.state, cancel)

    assert AlertStatus.CANCELLED == once.state.status
    assert [("tak", DeliveryReason.CANCEL), ("cap", DeliveryReason.CANCEL)] == told(once) == told(again)
    assert [t.delivery_id for t in once.notifications] == [t.delivery_id for t in again.notifications]


@pytest.mark.parametrize("kind", [AlertKind.SOS, AlertKind.DURESS, AlertKind.OFFICER_DOWN])
def test_the_devices_cancel_of_an_emergency_is_a_request_until_a_person_closes(make: Any, kind: AlertKind) -> None:
    state = raised(make, kind=kind)
    asked = change(state, make.alert(event_id=EVENT, kind=kind, action=AlertAction.CANCEL))

    assert (True, AlertStatus.ROUTED) == (asked.state.cancel_requested, asked.state.status)
    assert [("tak", DeliveryReason.UPDATE), ("cap", DeliveryReason.UPDATE)] == told(asked)
    assert AlertAction.UPDATE == asked.notifications[0].event.action
    assert "cancel_requested" in asked.notifications[0].event.header.flags

    closed = receive(make, asked.state, "cap", Level.RESOLVED)

    assert AlertStatus.RESOLVED == closed.state.status


def test_an_emergency_cannot_be_made_less_by_calling_it_another_kind(make: Any) -> None:
    state = raised(make)
    update = change(state, make.alert(event_id=EVENT, kind=AlertKind.TAMPER, action=AlertAction.UPDATE)).state
    cancel = change(update, make.alert(event_id=EVENT, kind=AlertKind.TAMPER, action=AlertAction.CANCEL)).state

    assert (AlertKind.SOS, AlertStatus.ROUTED) == (cancel.alert.kind, cancel.status)


def test_a_cancel_of_an_emergency_nobody_heard_of_is_told_as_new(make: Any) -> None:
    step = change(None, make.alert(event_id=EVENT, action=AlertAction.CANCEL))
    other = change(None, make.alert(event_id=EVENT, action=AlertAction.CANCEL, kind=AlertKind.GEOFENCE))

    assert [("tak", DeliveryReason.NEW), ("cap", DeliveryReason.NEW)] == told(step)
    assert step.state.cancel_requested
    assert ("cancel_of_unknown", None) == (other.outcome, other.state)


def test_updates_reach_exactly_who_was_told_whatever_the_routes_say_now(make: Any) -> None:
    state = states.change(None, make.alert(event_id=EVENT), DECISIONS[:1], NOW).state
    update = make.alert(event_id=EVENT, action=AlertAction.UPDATE)
    step = states.change(state, update, [Decision("cap", "alerts"), Decision("new", "alerts")], NOW)

    assert [("tak", DeliveryReason.UPDATE)] == told(step)
    assert derived_id("delivery", EVENT, "tak", update.header.message_id) == step.notifications[0].delivery_id


def test_what_an_update_does_not_say_stays_and_the_mode_never_changes(make: Any) -> None:
    state = raised(make, text="first words", position=make.position(52, 4), mode=Mode.ACTUAL)
    after = change(state, make.alert(event_id=EVENT, action=AlertAction.UPDATE, mode=Mode.TEST)).state.alert

    assert ("first words", 52, Mode.ACTUAL) == (after.text, after.position.latitude, after.header.mode)


@pytest.mark.parametrize("flag", [DEVICE_REVOKED, UNDER_DURESS])
def test_what_stays_of_an_alert_stays_though_it_comes_behind_something_newer(make: Any, flag: str) -> None:
    state = raised(make, received_at=NOW)
    at = {"event_id": EVENT, "action": AlertAction.UPDATE}
    state = change(state, make.alert(received_at=NOW + timedelta(seconds=9), text="newer", **at)).state
    older = make.alert(received_at=NOW + timedelta(seconds=8), flags=(flag,), **at)
    state = change(state, older).state

    assert ("newer", True) == (state.alert.text, flag in state.alert.header.flags)
    battery = change(state, make.alert(received_at=NOW + timedelta(seconds=10), **at))
    assert all(flag in notification.event.header.flags for notification in battery.notifications)


@pytest.mark.parametrize("received", [1, -1], ids=["newer", "older"])
def test_the_attachments_of_an_alert_are_bounded_and_the_newest_are_kept(make: Any, received: int) -> None:
    def picture(number: int) -> Attachment:
        return Attachment(sha256=f"{number}", size_bytes=1, media_type="image/jpeg", url=f"https://pictures/{number}")

    state = raised(make, received_at=NOW, attachments=(picture(0),))
    for number in range(1, 100):
        at = NOW + timedelta(seconds=received * number)
        update = make.alert(
            event_id=EVENT, action=AlertAction.UPDATE, received_at=at, attachments=(picture(number),)
        )  # fmt: skip
        state = change(state, update).state

    assert 32 == len(state.alert.attachments)
    assert picture(99 if received > 0 else 0) in state.alert.attachments


def test_what_the_transport_proves_rises_per_destination_and_counts_no_more_once_a_person_has_spoken(make: Any) -> None:
    state = raised(make)
    for level in (Level.DELIVERED, Level.ACKNOWLEDGED, Level.ACCEPTED, Level.DELIVERED, Level.EXPIRED):
        state = receive(make, state, "tak", level).state

    assert (Level.ACKNOWLEDGED, Level.UNKNOWN) == (state.destinations["tak"].level, state.destinations["cap"].level)
    # Seen: a device of before shows help coming from ACKNOWLEDGED on.
    assert AlertStatus.ACCEPTED == state.status


@given(levels=st.lists(st.tuples(st.sampled_from(["tak", "cap"]), st.sampled_from(Level)), max_size=12))
def test_whatever_comes_in_whatever_order_proofs_only_rise_and_the_newest_word_counts(make: Any, levels: Any) -> None:
    state = raised(make)
    said: dict[str, Level] = {}
    closed: AlertStatus | None = None
    for destination, level in levels:
        after = receive(make, state, destination, level).state
        before = state.destinations[destination].level
        # That something was seen takes nothing back of help that was promised.
        kept = level is Level.ACKNOWLEDGED and said.get(destination) is Level.RESPONDING
        said |= {destination: level} if level in HUMAN and not kept else {}
        now = after.destinations[destination].level
        assert now is said.get(destination, now)
        assert destination in said or before == now or rises(before, now)
        assert all(after.destinations[n].level is d.level for n, d in state.destinations.items() if n != destination)
        assert closed in {None, after.status}
        state, closed = after, after.status if after.status in CLOSED else None

    assert (
        (closed is not None)
        or Level.DECLINED in said.values()
        or not {Level.RESOLVED, Level.CANCELLED} >= {*said.values()}
        or not said
    )


def test_what_was_written_and_not_proven_raises_nothing_and_what_proves_it_later_does(make: Any) -> None:
    state = raised(make)
    unproven = receive(make, state, "tak", Level.UNKNOWN)
    later = receive(make, unproven.state, "tak", Level.ACKNOWLEDGED)

    assert (state, ()) == (unproven.state, unproven.notifications)
    assert AlertStatus.ACCEPTED is later.state.status


def test_an_alert_that_a_destination_never_takes_pages_once_for_each_of_them(make: Any) -> None:
    state = raised(make)
    first, again = (receive(make, state, "tak", Level.DEAD_LETTERED) for _ in range(2))
    other = receive(make, first.state, "cap", Level.DEAD_LETTERED)
    late = receive(make, receive(make, state, "tak", Level.ACKNOWLEDGED).state, "tak", Level.DEAD_LETTERED)
    pages = [step.pages[0] for step in (first, again, other, late)]

    assert {("alert_dead_lettered", state.header.event_id)} == {(page.reason, page.subject) for page in pages}
    assert pages[0].page_id == pages[1].page_id == pages[3].page_id != pages[2].page_id
    assert () == receive(make, state, "tak", Level.DELIVERED).pages


def test_an_alert_is_declined_only_when_everybody_declined() -> None:
    declined, accepted = (DestinationState(level=each, changed_at=NOW) for each in (Level.DECLINED, Level.ACCEPTED))
    one, every = status_of([declined, accepted]), status_of([declined, declined])

    assert (AlertStatus.ACCEPTED, AlertStatus.DECLINED) == (one, every)


def test_who_was_not_told_cannot_close_an_alert(make: Any) -> None:
    step = receive(make, raised(make), "stranger", Level.RESOLVED)

    assert ("not_its_own", AlertStatus.ROUTED, ()) == (step.outcome, step.state.status, step.notifications)


def test_a_person_closing_it_cancels_it_elsewhere_and_on_a_shared_map_also_there(make: Any) -> None:
    by_cap = receive(make, raised(make), "cap", Level.RESOLVED)
    by_tak = receive(make, raised(make), "tak", Level.RESOLVED)

    assert [("tak", DeliveryReason.CANCEL)] == told(by_cap)
    assert [("tak", DeliveryReason.CANCEL), ("cap", DeliveryReason.CANCEL)] == told(by_tak)
    assert AlertAction.CANCEL == by_cap.notifications[0].event.action
    assert by_cap.tells_device


def test_a_press_after_the_closing_is_an_alert_of_its_own(make: Any) -> None:
    closed = receive(make, raised(make), "cap", Level.RESOLVED).state
    later = datetime.now(UTC) + timedelta(seconds=1)
    press = make.alert(event_id=EVENT, press_count=2, occurred_at=later, received_at=later)
    step = change(closed, press)
    anew = change(None, step.reopened)

    assert "reopened" == step.outcome
    assert EVENT != step.reopened.header.event_id
    assert (2, True) == (step.reopened.press_count, anew.tells_device)
    assert [("tak", DeliveryReason.NEW), ("cap", DeliveryReason.NEW)] == told(anew)
    assert step.reopened == change(closed, press).reopened


def own_name(alert_id: str) -> tuple[ExternalRef, ...]:
    return (ExternalRef(system=DEVICE_ALERT_SYSTEM, id=alert_id),)


def test_a_press_taken_for_one_of_an_alert_that_had_closed_goes_by_the_id_its_device_was_told(make: Any) -> None:
    first = raised(make, external_refs=own_name("a-1"))
    closed = receive(make, first, "cap", Level.RESOLVED).state
    later = datetime.now(UTC) + timedelta(seconds=1)
    press = make.alert(
        event_id=EVENT, incident_id="incident", external_refs=own_name("a-2"), occurred_at=later, received_at=later
    )
    anew = change(closed, press).reopened

    assert alert_event_id("device-1", "a-2") == anew.header.event_id
    assert (EVENT, "incident") == (anew.whole.reopens, anew.header.incident_id)
    assert ("a-2",) == own_ids(anew)
    assert "repeat" == change(change(None, anew).state, anew).outcome


def test_a_press_of_the_closed_alert_itself_gets_an_id_of_its_own(make: Any) -> None:
    own = alert_event_id("device-1", "a-1")
    closed = receive(make, raised(make), "cap", Level.RESOLVED).state
    closed = closed.model_copy(update={"header": closed.header.model_copy(update={"event_id": own})})
    later = datetime.now(UTC) + timedelta(seconds=1)
    press = make.alert(event_id=own, external_refs=own_name("a-1"), occurred_at=later, received_at=later)

    assert own != change(closed, press).reopened.header.event_id


def test_an_alert_goes_by_the_ids_of_all_the_presses_that_became_part_of_it(make: Any) -> None:
    state = raised(make, external_refs=own_name("a-1"))
    for alert_id in ("a-2", "a-1", *(f"b-{number}" for number in range(12))):
        state = change(state, make.alert(event_id=EVENT, external_refs=own_name(alert_id))).state
    whole = own_ids(state.alert)
    for number in range(40):
        state = change(state, make.alert(event_id=EVENT, external_refs=own_name(f"c-{number}"))).state

    assert ("a-2", "a-1", "b-0") == whole[:3]
    assert ("c-39", 16) == (own_ids(state.alert)[-1], len(own_ids(state.alert)))


@pytest.mark.parametrize("action", [AlertAction.UPDATE, AlertAction.CANCEL])
def test_after_the_end_a_fix_a_battery_or_a_cancel_tells_nobody(make: Any, action: AlertAction) -> None:
    closed = receive(make, raised(make), "cap", Level.RESOLVED).state
    step = change(closed, make.alert(event_id=EVENT, action=action, received_at=datetime.now(UTC) + timedelta(hours=1)))

    assert ("closed_already", (), None) == (step.outcome, step.notifications, step.reopened)


@pytest.mark.parametrize("level", [Level.ACKNOWLEDGED, Level.DECLINED, Level.RESPONDING, Level.RESOLVED])
def test_a_persons_words_become_a_message_to_the_officer(make: Any, level: Level) -> None:
    state = raised(make)
    receipt = make.receipt(EVENT, "cap", level, note="car 4 is coming", by_ref="person")
    step = heard.receive(state, receipt, (), DECISIONS, NOW)

    message = step.message
    assert ("device-1", "car 4 is coming", "cap", EVENT) == (
        message.device_id,
        message.text,
        message.sender,
        message.alert_id,
    )
    assert derived_id("message", EVENT, receipt.header.message_id) == message.header.message_id


def test_a_second_answer_at_the_same_level_is_passed_on_too(make: Any) -> None:
    state = receive(make, raised(make), "cap", Level.ACKNOWLEDGED, note="one").state
    step = receive(make, state, "cap", Level.ACKNOWLEDGED, note="two")

    assert ("stated", "two") == (step.outcome, step.message.text)


def test_a_machine_says_no_words_and_a_silent_alert_stays_silent(make: Any) -> None:
    machine = receive(make, raised(make), "cap", Level.ACCEPTED, note="queued")
    silent = receive(make, raised(make, kind=AlertKind.DURESS, silent=True), "cap", Level.ACKNOWLEDGED, note="seen")

    assert None is machine.message
    assert ("silent",) == silent.message.header.flags


class TestRefresh:
    def due(self, state: AlertState, after: float, now: float) -> list[str]:
        since = state.header.received_at
        notifications = Refresh.of(DECISIONS).notifications(
            state, since + timedelta(seconds=after), since + timedelta(seconds=now)
        )
        return [notification.delivery_id for notification in notifications]

    def test_an_open_alert_is_told_again_when_it_is_time_and_once(self, make: Any) -> None:
        state = receive(make, raised(make), "tak", Level.DELIVERED).state

        assert [] == self.due(state, 0, 19)
        assert [refresh_id(EVENT, "tak", 1)] == self.due(state, 19, 21)
        assert [] == self.due(state, 21, 39)
        assert [refresh_id(EVENT, "tak", 3)] == self.due(state, 21, 65)

    def test_who_has_not_got_it_yet_is_not_told_again(self, make: Any) -> None:
        assert [] == self.due(raised(make), 0, 100)

    def test_a_closed_or_expired_alert_is_not_told_again(self, make: Any) -> None:
        got = receive(make, raised(make), "tak", Level.DELIVERED).state
        closed = receive(make, got, "cap", Level.RESOLVED).state
        header = got.header.model_copy(update={"expires_at": got.header.received_at + timedelta(seconds=30)})
        expiring = got.model_copy(update={"header": header})

        assert [] == self.due(closed, 0, 100)
        assert 1 == len(self.due(expiring, 0, 25))
        assert [] == self.due(expiring, 25, 100)


def test_what_is_reopened_out_of_an_exercise_never_goes_into_the_exercise_of_the_same_id(make: Any) -> None:
    exercise = alert_event_id("device-1", "a")
    real = make.alert(event_id=EVENT, flags=(FROM_EXERCISE,), external_refs=own_name("a"))
    closed = receive(make, change(None, real).state, "tak", Level.RESOLVED).state
    later = datetime.now(UTC) + timedelta(seconds=1)
    press = make.alert(event_id=EVENT, external_refs=own_name("a"), occurred_at=later, received_at=later)
    again = change(closed, press).reopened

    assert again is not None
    assert again.header.event_id not in {EVENT, exercise}
