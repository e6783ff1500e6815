"""What time does to an alert: escalation, pages, expiry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bondmate_schemas.enums import AlertAction, AlertKind, AlertStatus, DeliveryReason, Level, Mode
from bondmate_schemas.flags import UNANSWERED
from bondmate_schemas.models import AlertState
from bondmate_streams.logic import heard, states, timers
from bondmate_streams.logic.pages import PageReason
from bondmate_streams.logic.rooms import Rooms
from bondmate_streams.logic.routes_yaml import RoutesError, parse_routes
from bondmate_streams.logic.routing import Decision, Escalation, escalation
from bondmate_streams.logic.steps import Step

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
EVENT = "event-of-tests"
DECISIONS = [Decision("tak", "alerts")]
STEPS = [
    Escalation(60, (("cap", "alerts"),)),
    Escalation(120, (("tak", "alerts"), ("county", "alerts"))),
    Escalation(180, page=True),
]
ROUTES = """
destinations:
  tak: {modes: [ACTUAL]}
  cap: {modes: [ACTUAL, EXERCISE]}
  county: {modes: [ACTUAL]}
routes:
  - name: alerts
    when: {record: alert}
    to: tak
    escalate:
      - {after_seconds: 30, to: [cap, county]}
      - {after_seconds: 90, page: true}
  - name: also
    when: {record: alert, kind: SOS}
    to: cap
    escalate:
      - {after_seconds: 30, to: tak}
"""


def raised(make: Any, **given: Any) -> AlertState:
    alert = make.alert(event_id=EVENT, incident_id="incident", received_at=NOW, occurred_at=NOW, **given)
    state = states.change(None, alert, DECISIONS, NOW).state
    assert state is not None
    return state


def at(state: AlertState, seconds: float, steps: Any = STEPS) -> Step:
    """Look at an alert so long after the hub had it, after nobody had looked."""
    return timers.due(state, DECISIONS, steps, NOW, NOW + timedelta(seconds=seconds))


def told(step: Step) -> list[tuple[str, DeliveryReason]]:
    return [(notification.destination, notification.reason) for notification in step.notifications]


def next_due(state: AlertState) -> float | None:
    due = timers.next_due(state, DECISIONS, STEPS, NOW)
    return (due - NOW).total_seconds() if due else None


def answered(make: Any, state: AlertState, level: Level, by: str = "tak") -> AlertState:
    rooms = Rooms({by: state.header.agency_id})
    after = heard.receive(state, make.receipt(EVENT, by, level), (), DECISIONS, NOW, rooms=rooms).state
    assert after is not None
    return after


def test_an_alert_that_nobody_answers_goes_step_by_step_to_a_person_never_early_and_once(make: Any) -> None:
    state = raised(make)
    assert (60, [], []) == (next_due(state), told(at(state, 59.999)), list(at(state, 59.999).pages))

    first = at(state, 60)
    assert [("cap", DeliveryReason.NEW)] == told(first)
    assert (120, []) == (next_due(first.state), told(at(first.state, 119)))

    second = at(first.state, 120)
    assert [("tak", DeliveryReason.UPDATE), ("county", DeliveryReason.NEW)] == told(second)
    assert all(UNANSWERED in notification.event.header.flags for notification in second.notifications)

    last = at(second.state, 180)
    assert [PageReason.UNANSWERED] == [page.reason for page in last.pages]
    assert (None, [], []) == (next_due(last.state), told(at(last.state, 9_999)), list(at(last.state, 9_999).pages))


def test_what_was_missed_while_nobody_was_running_is_done_at_once_and_once(make: Any) -> None:
    step = at(raised(make), 500)

    assert {"cap", "tak", "county"} == {name for name, _ in told(step)}
    assert 1 == len(step.pages)
    assert 3 == len({notification.delivery_id for notification in step.notifications})


def test_a_step_taken_again_tells_the_same_under_the_same_ids(make: Any) -> None:
    state = raised(make)

    assert at(state, 130).notifications == at(state, 130).notifications
    assert [p.page_id for p in at(state, 200).pages] == [p.page_id for p in at(state, 300).pages]


@pytest.mark.parametrize("level", [Level.RESPONDING, Level.RESOLVED])
def test_a_persons_answer_ends_the_escalation(make: Any, level: Level) -> None:
    state = answered(make, at(raised(make), 60).state, level)  # type: ignore[arg-type]

    assert (None, [], []) == (next_due(state), told(at(state, 500)), list(at(state, 500).pages))


@pytest.mark.parametrize("level", [Level.DELIVERED, Level.ACCEPTED, Level.DECLINED, Level.EXPIRED, Level.DEAD_LETTERED])
def test_no_machine_and_no_refusal_ends_it(make: Any, level: Level) -> None:
    state = answered(make, raised(make), level)

    assert (AlertStatus.RAISED, 60) != (state.status, None)
    assert [("cap", DeliveryReason.NEW)] == told(at(state, 60))


def test_who_was_told_by_an_escalation_hears_the_updates_and_the_end_too(make: Any) -> None:
    state = at(raised(make, kind=AlertKind.ASSISTANCE), 60).state
    update = make.alert(event_id=EVENT, kind=AlertKind.ASSISTANCE, action=AlertAction.UPDATE)
    cancel = make.alert(event_id=EVENT, kind=AlertKind.ASSISTANCE, action=AlertAction.CANCEL)
    louder = states.change(state, update, DECISIONS, NOW)
    ended = states.change(state, cancel, DECISIONS, NOW)

    assert (
        ["tak", "cap"]
        == [notification.destination for notification in louder.notifications]
        == [n for n, _ in told(ended)]
    )
    assert all(UNANSWERED in notification.event.header.flags for notification in louder.notifications)
    assert not any(UNANSWERED in notification.event.header.flags for notification in ended.notifications)


def test_an_alert_that_expires_unanswered_ends_and_pages_a_person_but_an_emergency_never_expires(make: Any) -> None:
    expiry = NOW + timedelta(seconds=20)
    battery = raised(make, kind=AlertKind.LOW_BATTERY, expires_at=expiry)
    ended = at(battery, 20, [])

    assert (20, AlertStatus.EXPIRED) == (timers.next_due(battery, DECISIONS, [], NOW).timestamp() - NOW.timestamp(),  # type: ignore[union-attr]
                                         ended.state.status)  # type: ignore[union-attr]  # fmt: skip
    assert [("tak", DeliveryReason.CANCEL)] == told(ended)
    assert [PageReason.EXPIRED] == [page.reason for page in ended.pages]
    assert at(battery, 19.9, []).state is None
    assert at(answered(make, battery, Level.ACKNOWLEDGED), 500, []).state is None
    assert at(raised(make, kind=AlertKind.SOS, expires_at=expiry), 500, []).state is None


def test_an_alert_that_goes_nowhere_pages_at_once_and_one_of_unknown_mode_says_so(make: Any) -> None:
    alert = make.alert()
    nowhere = states.change(None, alert, [], NOW)
    again = states.change(nowhere.state, alert, [], NOW)
    unknown = states.change(None, make.alert(mode=Mode.UNKNOWN), [], NOW)

    assert [PageReason.UNROUTED] == [page.reason for page in nowhere.pages]
    # A worker may have died between the remembering and the page.
    assert ("repeat", nowhere.pages) == (again.outcome, again.pages)
    assert [PageReason.UNKNOWN_MODE] == [page.reason for page in unknown.pages]


def test_a_page_tells_nothing_of_the_officer(make: Any) -> None:
    state = raised(make, text="secret words", callsign="K-9", unit="unit-9")
    page = at(state, 200).pages[0].model_dump_json()

    assert not any(word in page for word in ("secret", "K-9", "unit-9", "device-1"))


def test_rules_that_match_together_escalate_together_and_only_to_who_takes_the_mode(make: Any) -> None:
    routes = parse_routes(ROUTES)
    actual = escalation(make.alert(mode=Mode.ACTUAL), routes)
    exercise = escalation(make.alert(mode=Mode.EXERCISE), routes)

    assert [
        Escalation(30, (("cap", "alerts"), ("county", "alerts"), ("tak", "also"))),
        Escalation(90, page=True),
    ] == actual
    assert Escalation(30, (("cap", "alerts"),)) == exercise[0]
    assert [] == escalation(make.location(), routes)


def test_there_is_always_a_person_at_the_end_of_an_emergency(make: Any) -> None:
    routes = parse_routes("page_after_seconds: 45\ndestinations: {tak: {}}\nroutes: [{name: all, to: tak}]")

    assert [Escalation(45, page=True)] == escalation(make.alert(), routes)
    assert [] == escalation(make.alert(kind=AlertKind.LOW_BATTERY), routes)


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        ("[{after_seconds: 60, to: tak}, {after_seconds: 60, page: true}]", "must rise"),
        ("[{after_seconds: 60}]", "`page: true`"),
        ("[{after_seconds: 60, to: nobody}]", "no destination `nobody`"),
        ("[{after_seconds: 0, page: true}]", "greater than or equal to 1"),
    ],
)
def test_an_escalation_that_means_nothing_is_refused_with_its_place(steps: str, problem: str) -> None:
    text = f"destinations: {{tak: {{}}}}\nroutes: [{{name: a, when: {{record: alert}}, to: tak, escalate: {steps}}}]"
    with pytest.raises(RoutesError) as caught:
        parse_routes(text)

    assert problem in caught.value.problems[0]
    assert "escalate" in caught.value.problems[0]


def test_only_alerts_escalate() -> None:
    text = "destinations: {tak: {}}\nroutes: [{name: a, to: tak, escalate: [{after_seconds: 5, page: true}]}]"
    with pytest.raises(RoutesError, match="for alerts only"):
        parse_routes(text)
