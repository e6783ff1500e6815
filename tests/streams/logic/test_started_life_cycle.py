"""An emergency that a room has started, whatever interleaves: what is told beyond its owner, followed and shown."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from bondmate_schemas.device_alert_ids import DEVICE_ALERT_SYSTEM, is_hidden
from bondmate_schemas.enums import AlertAction, AlertKind, EmergencyWord, Level, Mode, PositionOrigin
from bondmate_schemas.flags import CONFIRMED, NOT_RENEWED, STARTED_BY_ROOM, UNDER_DURESS
from bondmate_schemas.models import (
    AlertState,
    AlertWhole,
    DeliveryReceipt,
    DeviceAlert,
    EventHeader,
    ExternalRef,
    Position,
)
from bondmate_streams.logic import heard, starting, states, timers
from bondmate_streams.logic.following import is_followed
from bondmate_streams.logic.pages import PageReason
from bondmate_streams.logic.rooms import Rooms
from bondmate_streams.logic.routing import Decision
from bondmate_streams.logic.steps import Step
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

START = datetime(2026, 5, 1, 12, tzinfo=UTC)
AGENCIES = {"north": "pd-north", "county": "county"}
RENEW_SECONDS = 60
ROOMS = Rooms(AGENCIES, renew_seconds=RENEW_SECONDS)
DECISIONS = [Decision("north", "alerts"), Decision("county", "alerts"), Decision("tak", "alerts")]
FIX = Position(latitude=52.5, longitude=13.4, fixed_at=START)
PLACE = {"position": FIX, "position_origin": PositionOrigin.OWN}
WAITED = st.sampled_from([0, 0, 5, 40])
INTERLEAVINGS = 20_000


class Started(RuleBasedStateMachine):
    """Presses, words of rooms and time, in any order and again, against a model of a few facts."""

    @initialize(silent=st.booleans())
    def begin(self, *, silent: bool) -> None:
        self.numbers, self.seconds = itertools.count(1), 0
        self.silent = self.asked_for_silence = silent
        self.pressed = self.confirmed = self.lapsed = self.closed = False
        self.renew_by = START + timedelta(seconds=RENEW_SECONDS)
        self.said: list[DeliveryReceipt] = []
        self.pages = 0
        flags = (STARTED_BY_ROOM, UNDER_DURESS) if silent else (STARTED_BY_ROOM,)
        alert = DeviceAlert(
            header=self.header("streams", START, flags=flags), device_id="device-1", action=AlertAction.RAISE,
            kind=AlertKind.SOS, silent=silent, whole=AlertWhole(renew_by=self.renew_by), **PLACE,
        )  # fmt: skip
        self.state: AlertState = None  # type: ignore[assignment]  # at once
        self.take(states.change(None, alert, DECISIONS, self.now()))

    @rule(aloud=st.booleans(), waited=WAITED)
    def press(self, *, aloud: bool, waited: int) -> None:
        number = next(self.numbers) + 1
        ref = ExternalRef(system=DEVICE_ALERT_SYSTEM, id=f"own-{number}")
        press = DeviceAlert(
            header=self.header("device_http", self.had_at(waited), external_refs=(ref,)), device_id="device-1",
            action=AlertAction.UPDATE, kind=AlertKind.SOS, press_count=number, silent=not aloud, **PLACE,
        )  # fmt: skip
        if not self.closed:
            made_loud = self.asked_for_silence and not self.pressed and aloud
            self.silent = not made_loud and (self.silent or not aloud)
            self.asked_for_silence &= not made_loud
            self.pressed = self.confirmed = True
            self.lapsed = False
        self.take(states.change(self.state, press, DECISIONS, self.now()))

    @rule(room=st.sampled_from(["north", "county", "tak"]), waited=WAITED,
          word=st.sampled_from([EmergencyWord.RENEWED, EmergencyWord.RENEWED, EmergencyWord.CONFIRMED]))  # fmt: skip
    def says(self, room: str, word: EmergencyWord, waited: int) -> None:
        receipt = DeliveryReceipt(
            header=self.header(room, self.had_at(waited)), destination=room, level=Level.UNKNOWN, emergency=word
        )
        self.said.append(receipt)
        if room == "north" and not self.confirmed and not self.closed:
            self.lapsed = False
            self.confirmed = word is EmergencyWord.CONFIRMED
            self.renew_by = max(self.renew_by, receipt.header.received_at + timedelta(seconds=RENEW_SECONDS))
        self.hears(receipt)

    @rule(data=st.data())
    def says_again(self, data: st.DataObject) -> None:
        if self.said:
            before = self.state
            self.hears(data.draw(st.sampled_from(self.said)))
            assert before == self.state

    @rule(really=st.sampled_from([False, False, True]))
    def close(self, *, really: bool) -> None:
        if really:
            self.hears(
                DeliveryReceipt(header=self.header("north", self.now()), destination="north", level=Level.RESOLVED)
            )
            self.closed = True

    @rule(seconds=st.integers(1, 50))
    def wait(self, seconds: int) -> None:
        after, self.seconds = self.now(), self.seconds + seconds
        lapses = not (self.confirmed or self.lapsed or self.closed) and self.renew_by <= self.now()
        self.lapsed |= lapses
        self.pages += lapses
        for _ in range(3):
            self.take(timers.due(self.state, DECISIONS, (), after, self.now(), rooms=ROOMS))

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def had_at(self, waited: int) -> datetime:
        return max(START, self.now() - timedelta(seconds=waited))

    def header(self, source: str, at: datetime, **given: object) -> EventHeader:
        known: dict[str, object] = {
            "message_id": f"message-{next(self.numbers)}", "event_id": "event", "incident_id": "incident",
            "agency_id": "pd-north", "mode": Mode.ACTUAL, "source": source, "occurred_at": at, "received_at": at,
        }  # fmt: skip
        return EventHeader.model_validate({**known, **given})

    def hears(self, receipt: DeliveryReceipt) -> None:
        self.take(heard.receive(self.state, receipt, (), DECISIONS, self.now(), rooms=ROOMS))

    def take(self, step: Step) -> None:
        self.state = step.state or self.state
        for told in starting.without_places(step.notifications, self.state, AGENCIES):
            assert isinstance(told.event, DeviceAlert)
            is_placed = told.event.position is not None
            assert is_placed == (self.confirmed or told.destination == "north"), "no place beyond the owner before that"
        self.pages -= sum(page.reason == PageReason.NOT_RENEWED for page in step.pages)
        if step.message is not None and is_hidden(self.state.alert):
            assert self.silent, "what agents do not pass on"

    @invariant()
    def the_state_is_what_the_model_says(self) -> None:
        if self.state is None:
            return
        flags = self.state.alert.header.flags
        assert (self.confirmed, self.lapsed) == (CONFIRMED in flags, NOT_RENEWED in flags)
        assert (self.silent, self.asked_for_silence) == (self.state.alert.silent, UNDER_DURESS in flags)
        assert (self.silent and not self.pressed) == is_hidden(self.state.alert)
        assert 0 == self.pages, "a person is paged once for each time that nobody renews it"
        assert self.closed or is_followed(self.state) is not self.lapsed
        due = None if self.confirmed or self.lapsed or self.closed else self.renew_by
        assert due == starting.renew_by(self.state)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("interleavings", [125, pytest.param(INTERLEAVINGS, marks=pytest.mark.system)])
def test_whatever_interleaves_a_started_emergency_ends_as_a_simple_model_says(interleavings: int) -> None:
    settled = settings(
        max_examples=interleavings,
        stateful_step_count=12,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Started, settings=settled)
