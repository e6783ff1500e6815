"""The life cycle as data: its table is whole, and the code does what a simple model of it says."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bondmate_schemas.enums import AlertAction, AlertKind, AlertStatus, DeliveryReason, Level, Mode
from bondmate_schemas.models import AlertState, DeliveryReceipt, DeviceAlert, EventHeader
from bondmate_streams.logic import states, timers
from bondmate_streams.logic.life_cycle import CLOSED, RULES, STAGES, STATUSES, Event, Fact, Standing, rule_for
from bondmate_streams.logic.routing import Decision, Escalation
from bondmate_streams.logic.states import Step
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

START = datetime(2026, 5, 1, 12, tzinfo=UTC)
EVENT = "event-of-tests"
DECISIONS = [Decision("tak", "alerts", 20.0), Decision("cap", "alerts")]
STEPS = [Escalation(60, (("county", "alerts"),)), Escalation(120, page=True)]
LEVELS = [stage.level for stage in STAGES]
INTERLEAVINGS = 10_000


def test_the_table_says_what_to_do_with_every_event_wherever_an_alert_stands() -> None:
    for standing, event in itertools.product(Standing, Event):
        for size in range(len(Fact) + 1):
            for facts in itertools.combinations(Fact, size):
                rule_for(standing, event, facts)


def test_every_rule_is_reached_and_every_level_and_status_has_its_place() -> None:
    reached = set()
    for standing, event in itertools.product(Standing, Event):
        for size in range(len(Fact) + 1):
            reached |= {rule_for(standing, event, facts) for facts in itertools.combinations(Fact, size)}

    assert set(RULES) == reached
    assert set(Level) == set(LEVELS)
    assert set(AlertStatus) == set(STATUSES)


def _header(**given: Any) -> EventHeader:
    known: dict[str, Any] = {
        "agency_id": "agency-1", "event_id": EVENT, "incident_id": "incident", "mode": Mode.EXERCISE,
        "occurred_at": START, "source": "device_http",
    }  # fmt: skip
    return EventHeader(**{**known, **given})


class Interleavings(RuleBasedStateMachine):
    """Presses, cancels, receipts and time in any order, against a model of dicts and numbers."""

    @initialize(kind=st.sampled_from([AlertKind.SOS, AlertKind.ASSISTANCE]), expiry=st.sampled_from([None, 90]))
    def begin(self, kind: AlertKind, expiry: int | None) -> None:
        self.kind, self.expiry, self.number = kind, expiry, itertools.count(1)
        self.seconds = 0
        self.state: AlertState | None = None
        self.closed = self.answered = self.paged = False
        self.levels: dict[str, int] = {}
        self.told: dict[str, DeliveryReason] = {}
        self.ids: dict[str, tuple[str, DeliveryReason]] = {}

    # What happens.

    @rule(repeat=st.booleans())
    def press(self, repeat: bool) -> None:  # hypothesis fills it in
        message_id = "message-1" if repeat or self.state is None else f"message-{next(self.number) + 1}"
        self.change(message_id, AlertAction.RAISE if self.state is None else AlertAction.UPDATE)
        if not self.levels:
            self.levels = {"tak": 0, "cap": 0}

    @rule()
    def cancel(self) -> None:
        if self.state is None:
            return
        open_before = not self.closed
        step = self.change(f"message-{next(self.number) + 1}", AlertAction.CANCEL)
        emergency = self.kind is AlertKind.SOS
        assert step.outcome == ("closed_already" if not open_before else
                                "cancel_requested" if emergency else "cancelled")  # fmt: skip
        self.closed |= not emergency

    @rule(destination=st.sampled_from(["tak", "cap", "county", "stranger"]), level=st.sampled_from(LEVELS))
    def receipt(self, destination: str, level: Level) -> None:
        header = _header(message_id=f"receipt-{next(self.number)}", received_at=self.now(), source=destination)
        receipt = DeliveryReceipt(header=header, destination=destination, level=level)
        step = states.receive(self.state, receipt, (), DECISIONS, self.now())
        if destination in self.levels and LEVELS.index(level) > self.levels[destination]:
            self.levels[destination] = LEVELS.index(level)
            # Above a refusal stands only what a person did.
            self.answered |= LEVELS.index(level) > LEVELS.index(Level.DECLINED)
            self.closed |= level is Level.RESOLVED
            assert step.state is not None
        else:
            assert step.state == self.state
        self.take(step)

    @rule(seconds=st.integers(min_value=1, max_value=50))
    def wait(self, seconds: int) -> None:
        after, self.seconds = self.now(), self.seconds + seconds
        if self.state is None:
            return
        step = timers.due(self.state, DECISIONS, STEPS, after, self.now())
        waits = not self.answered and not self.closed
        expires = self.expiry is not None and self.seconds >= self.expiry and self.kind is not AlertKind.SOS
        if waits and expires:
            self.closed = True
            assert step.pages
        elif waits:
            if self.seconds >= 60:  # the first step above
                self.levels.setdefault("county", 0)
            assert bool(step.pages) == (self.seconds >= 120 and not self.paged)  # the second
            self.paged |= bool(step.pages)
        else:
            assert not step.pages
        self.take(step)

    @rule()
    def crash_and_do_the_last_time_again(self) -> None:
        """What time brought is told again under the same ids, when the worker died before it remembered."""
        if self.state is not None:
            once, again = (timers.due(self.state, DECISIONS, STEPS, START, self.now()) for _ in range(2))
            assert once == again

    # How it is taken.

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def change(self, message_id: str, action: AlertAction) -> Step:
        expires = START + timedelta(seconds=self.expiry) if self.expiry else None
        # The first press is what it was, however late it comes again.
        received = START if message_id == "message-1" else self.now()
        header = _header(message_id=message_id, received_at=received, expires_at=expires)
        alert = DeviceAlert(header=header, device_id="device-1", action=action, kind=self.kind)
        step = states.change(self.state, alert, DECISIONS, self.now())
        self.take(step)
        return step

    def take(self, step: Step) -> None:
        for telling in step.tellings:
            known = self.ids.setdefault(telling.delivery_id, (telling.destination, telling.reason))
            assert known == (telling.destination, telling.reason), "an id means one thing for ever"
            if telling.reason is not DeliveryReason.NEW:
                assert telling.destination in self.told, "an update or cancel of what it was never told"
            self.told.setdefault(telling.destination, telling.reason)
        if step.state is not None:
            self.state = step.state

    # What always holds.

    @invariant()
    def the_state_is_what_the_model_says(self) -> None:
        if self.state is None:
            return
        assert self.levels == {name: LEVELS.index(at.level) for name, at in self.state.destinations.items()}
        assert self.closed == (self.state.status in CLOSED)
        assert set(self.told) == set(self.levels), "exactly those that are remembered were told"

    @invariant()
    def no_timer_is_left_for_who_was_answered_and_none_is_missing_for_who_was_not(self) -> None:
        if self.state is None:
            return
        due = timers.next_due(self.state, DECISIONS[1:], STEPS, self.now())
        assert (due is None) == (self.closed or self.answered or (self.paged and not self._will_expire()))

    def _will_expire(self) -> bool:
        return self.expiry is not None and self.kind is not AlertKind.SOS


@pytest.mark.timeout(170)
@pytest.mark.parametrize("interleavings", [1_000, pytest.param(INTERLEAVINGS, marks=pytest.mark.system)])
def test_whatever_interleaves_ends_as_a_simple_model_says(interleavings: int) -> None:
    counted: list[int] = []

    class Counted(Interleavings):
        def teardown(self) -> None:
            counted.append(1)

    settled = settings(
        max_examples=interleavings,
        stateful_step_count=12,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Counted, settings=settled)

    assert len(counted) >= interleavings
