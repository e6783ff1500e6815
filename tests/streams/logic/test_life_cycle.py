"""The life cycle as data: its table is whole, and the code does what a simple model of it says."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bondmate_schemas.enums import AlertAction, AlertKind, AlertStatus, DeliveryReason, Level, Mode, Response
from bondmate_schemas.models import AlertState, DeliveryReceipt, DeviceAlert, EventHeader
from bondmate_streams.logic import heard, others, states, timers
from bondmate_streams.logic.life_cycle import (
    CLOSED,
    LEVELS,
    RULES,
    STATUSES,
    AlertPhase,
    Fact,
    LifeCycleEvent,
    Rule,
    rule_for,
)
from bondmate_streams.logic.pages import PageReason
from bondmate_streams.logic.rooms import Rooms
from bondmate_streams.logic.routing import Decision, Escalation
from bondmate_streams.logic.steps import Step
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

START = datetime(2026, 5, 1, 12, tzinfo=UTC)
EVENT = "event-of-tests"
DECISIONS = [Decision("tak", "alerts", 20.0), Decision("cap", "alerts")]
STEPS = [Escalation(60, (("county", "alerts"),)), Escalation(120, page=True)]
EVERYBODY = {"tak", "cap", "county"}
LAST = 120
UNASSIGNED_SECONDS = 45
AGENCIES = {"cap": "agency-1", "tak": "other", "county": "county"}
INTERLEAVINGS = 20_000
WAITED = st.sampled_from([0, 0, 0, 5, 40])
"""Seconds for which something lay in its topic before the streams came to it."""


def _rules(phase: AlertPhase, event: LifeCycleEvent) -> Iterator[Rule]:
    """Give the rules that are found of all the facts that any rule of an event asks for."""
    asked = sorted({fact for each in RULES if each.event is event for fact in each.only})
    for size in range(len(asked) + 1):
        for facts in itertools.combinations(asked, size):
            yield rule_for(phase, event, facts)


def test_the_table_says_what_to_do_with_every_event_wherever_an_alert_stands_and_no_rule_is_vain() -> None:
    reached = {
        found for phase, event in itertools.product(AlertPhase, LifeCycleEvent) for found in _rules(phase, event)
    }

    assert set(RULES) == reached
    assert set(Fact) == {fact for each in RULES for fact in each.only}


def test_every_level_and_status_has_its_place() -> None:
    assert set(Level) == set(LEVELS)
    assert set(AlertStatus) == set(STATUSES)


def _header(**given: Any) -> EventHeader:
    known: dict[str, Any] = {
        "agency_id": "agency-1", "event_id": EVENT, "incident_id": "incident", "mode": Mode.EXERCISE,
        "occurred_at": START, "source": "device_http",
    }  # fmt: skip
    return EventHeader(**{**known, **given})


WORDS: dict[str, dict[str, Any]] = {
    "no": {"level": Level.DECLINED},
    "withdrawn": {"response": Response.WITHDRAWN},
    "seen": {"level": Level.ACKNOWLEDGED},
    "assigned": {"level": Level.ACKNOWLEDGED, "response": Response.ASSIGNED},
    "coming": {"level": Level.RESPONDING},
    "on scene": {"response": Response.ON_SCENE},
    "called off": {"level": Level.CANCELLED},
    "resolved": {"level": Level.RESOLVED},
}
PROVEN = [Level.UNKNOWN, Level.DEAD_LETTERED, Level.EXPIRED, Level.DELIVERED, Level.ACCEPTED]
HELPS, CLOSES = {"assigned", "coming", "on scene"}, {"called off", "resolved"}
KINDS = [AlertKind.ASSISTANCE, AlertKind.SOS, AlertKind.OFFICER_DOWN]
UP = {"seen", *HELPS}
ENDINGS = {"closed", "closed_by_operations", "expired", "cancelled"}
GONE = {"no", "withdrawn", *CLOSES}


@dataclass
class Room:
    """What a simple model knows of a room."""

    proven: int = 0
    said: str = ""
    place: int = -1_000
    round: int = 0
    spoke: int = 0
    had_taken_up: bool = False


class Interleavings(RuleBasedStateMachine):
    """Presses, cancels, statements, receipts and time in any order and again, against a model of words and numbers."""

    @initialize(
        kind=st.sampled_from([AlertKind.SOS, AlertKind.ASSISTANCE]), expiry=st.sampled_from([None, 90]),
        owned=st.booleans(),
    )  # fmt: skip
    def begin(self, kind: AlertKind, expiry: int | None, *, owned: bool) -> None:
        self.kind, self.expiry, self.number = kind, expiry, itertools.count(1)
        self.owned, self.rooms = owned, Rooms(AGENCIES if owned else {}, assign_after_seconds=UNASSIGNED_SECONDS)
        self.seconds, self.first_kind = 0, kind
        self.state: AlertState | None = None
        self.closed = self.unassigned = self.goes_on = False
        self.ended_at = self.last_at = self.pressed_at = START
        self.round = self.since = self.taken = 0
        self.was_answered = -1
        self.graver_waits: int | None = None
        self.asks_to_cancel = False
        self.began: dict[str, int] = {}
        self.seen_at: int | None = None
        self.known: dict[str, Room] = {}
        self.said: dict[str, tuple[DeliveryReceipt, str, int]] = {}
        self.told: dict[str, DeliveryReason] = {}
        self.ids: dict[str, tuple[str, DeliveryReason]] = {}
        self.pages: list[str] = []
        self.paged: int | None = 0

    # What happens.

    @rule(repeat=st.booleans(), graver=st.booleans(), waited=WAITED)
    def press(self, *, repeat: bool, graver: bool, waited: int) -> None:  # hypothesis fills it in
        if self.state is None or repeat:
            self.change("message-1", AlertAction.RAISE)
            self.known = self.known or {"tak": Room(), "cap": Room()}
            return
        graver = graver and not self.closed and self.kind is not KINDS[-1]
        self.kind = KINDS[KINDS.index(self.kind) + 1] if graver else self.kind
        used_up, round_before = self.taken >= LAST, self.round
        if graver and self.may_begin("graver"):
            self.begins("graver", self.seconds if self.answered or used_up else self.since)
        elif not self.closed and (self.lapsed or (not self.answered and used_up)):
            self.begins("press")
        had_at = self.had_at(waited)
        self.asks_to_cancel &= self.closed or had_at < self.last_at
        if graver and self.round == round_before and (self.answered or used_up):
            self.graver_waits = self.seconds
        came_after = had_at > self.ended_at
        self.pressed_at = self.pressed_at if self.closed else max(self.pressed_at, had_at)
        step = self.change(
            f"message-{next(self.number) + 1}", AlertAction.UPDATE, at=had_at, press_count=next(self.number)
        )
        assert (step.reopened is not None) == (self.closed and came_after), "after the end a press is one of its own"
        assert (step.outcome == "late") == (self.closed and not came_after)

    @rule(waited=WAITED)
    def cancel(self, waited: int) -> None:
        if self.state is None:
            return
        had_at = self.had_at(waited)
        asks = self.kind is not AlertKind.ASSISTANCE or any(room.said in UP for room in self.known.values())
        asks = asks or had_at < self.last_at
        is_open, is_taken_back = not self.closed, had_at < self.pressed_at
        step = self.change(f"message-{next(self.number) + 1}", AlertAction.CANCEL, at=had_at)
        found = "overtaken" if is_taken_back else "cancel_requested" if asks else "cancelled"
        assert step.outcome == (found if is_open else "closed_already"), "a press takes an older request back"
        self.asks_to_cancel |= asks and is_open and not is_taken_back
        if not asks and not is_taken_back:
            self.ends(had_at, by_device=True)

    @rule(name=st.sampled_from(["tak", "cap", "county", "stranger"]), level=st.sampled_from(PROVEN))
    def proves(self, name: str, level: Level) -> None:
        before = self.state
        step = self.hears(DeliveryReceipt(header=self.of_room(name), destination=name, level=level))
        room, rank = self.known.get(name), LEVELS.index(level)
        if room is None or room.said or rank <= room.proven:
            assert step.state == before
        else:
            room.proven = rank

    @rule(name=st.sampled_from(["tak", "cap", "county", "stranger"]), word=st.sampled_from(sorted(WORDS)),
          ago=st.sampled_from([0, 0, 1, 40]), waited=WAITED)  # fmt: skip
    def says(self, name: str, word: str, ago: int, waited: int) -> None:
        header = self.of_room(name, ago, waited)
        receipt = DeliveryReceipt(header=header, destination=name, **WORDS[word])
        place = self.seconds - waited - ago
        self.hears_word(receipt, word, place)
        if name in self.known:
            self.said[header.message_id] = receipt, word, place

    @rule(data=st.data())
    def says_again(self, data: st.DataObject) -> None:
        """A retry, or another partition, brings what was said before."""
        if self.said:
            receipt, _, _ = self.said[data.draw(st.sampled_from(sorted(self.said)))]
            before = self.state
            assert self.hears(receipt).state == before

    @rule(name=st.sampled_from(["tak", "cap", "county"]))
    def drop(self, name: str) -> None:
        """A new version of the routes names a room no more."""
        self.rooms = replace(self.rooms, retired=self.rooms.retired | {name})

    @rule(really=st.sampled_from([False, False, False, True]), waited=WAITED)
    def close_by_operations(self, *, really: bool, waited: int) -> None:
        if self.state is None or not really:
            return
        header = self.of_room("operations", waited=waited)
        receipt = DeliveryReceipt(header=header, destination="operations", level=Level.RESOLVED, code="close")
        first, again = self.hears(receipt), self.hears(receipt)
        told = {(notification.destination, notification.reason) for notification in first.notifications}
        assert told == (set() if self.closed else {(name, DeliveryReason.CANCEL) for name in self.known})
        assert first.notifications == again.notifications
        self.ends(header.received_at)

    @rule(seconds=st.integers(min_value=1, max_value=50))
    def wait(self, seconds: int) -> None:
        after, self.seconds = self.now(), self.seconds + seconds
        if self.state is None:
            return
        pages = 0
        for _ in range(8):
            step = timers.due(self.state, DECISIONS, STEPS, after, self.now(), rooms=self.rooms)
            self.take(step)
            pages += len(step.pages)
            if step.state is None:
                break
        assert pages == self.passes(), "paged when it is due, never early and once"

    @rule()
    def crash_and_do_the_last_time_again(self) -> None:
        """What time brought is told again under the same ids, when the worker died before it remembered."""
        if self.state is not None:
            once, again = (
                timers.due(self.state, DECISIONS, STEPS, START, self.now(), rooms=self.rooms) for _ in range(2)
            )
            assert once == again

    # The model.

    @property
    def answered(self) -> bool:
        return any(room.said in UP and room.round == self.round for room in self.known.values())

    @property
    def lapsed(self) -> bool:
        return self.was_answered == self.round and not self.answered

    @property
    def helped(self) -> bool:
        return any(room.said in HELPS and room.round == self.round for room in self.known.values())

    def may_begin(self, cause: str) -> bool:
        return self.seconds - self.began.get(cause, -30) >= 30

    def begins(self, cause: str, since: int | None = None) -> None:
        if not self.may_begin(cause):
            return
        self.graver_waits = None
        since = self.seconds if since is None else since
        self.round, self.since, self.taken, self.seen_at = self.round + 1, since, 0, None
        self.began[cause] = self.seconds

    def hears_word(self, receipt: DeliveryReceipt, word: str, place: int) -> None:
        room = self.known.get(receipt.destination)
        before = self.state
        step = self.hears(receipt)
        says_no = word in {"no", "withdrawn", *CLOSES}
        by_its_clock = receipt.header.occurred_at != receipt.header.received_at
        is_older = (
            place < room.place or (place == room.place and by_its_clock and room.said in GONE and not says_no)
            if room
            else True
        )
        if room is None or is_older:
            assert step.state == before
            return
        was, answered, helped = room.said, self.answered, self.helped
        shown, taken_up = self.any_is(HELPS), self.any_is(UP)
        room.round, room.spoke = self.round, self.seconds
        room.place = room.place if word == "seen" else place
        if not (word == "seen" and was in HELPS):
            room.had_taken_up = word in CLOSES and (room.had_taken_up or was in UP)
            says_no = word in {"no", "withdrawn"}
            room.said = ("withdrawn" if was in {*UP, "withdrawn"} else "no") if says_no else word
        if self.closed:
            return
        self.seen_at = self.seen_at if self.seen_at is not None else self.seconds if self.only_seen() else None
        self.was_answered = self.round if self.answered else self.was_answered
        if word in CLOSES:
            if self.is_ended_by(receipt.destination):
                self.ends(receipt.header.received_at)
            if not self.closed and ((answered and not self.answered) or (taken_up and not self.any_is(UP))):
                self.begins("part closed")
            return
        falls_away = (answered and not self.answered) or (helped and not self.helped)
        if falls_away or (shown and not self.any_is(HELPS)):
            self.begins("withdrawn")

    def is_ended_by(self, name: str) -> bool:
        """Return whether the whole ends by that this room has closed its part; `cap` is the owner's, if any is."""
        if self.owned and (name == "cap" or self.can_close("cap")):
            return name == "cap"
        if any(room.had_taken_up for room in self.known.values()):
            return not self.any_is(UP)
        have_it = [room for other, room in self.known.items() if self.can_close(other)]
        return all(room.said in CLOSES for room in have_it) and self.known.keys() >= EVERYBODY

    def can_close(self, name: str) -> bool:
        room = self.known[name]
        has_it = room.said or room.proven == 0 or room.proven >= LEVELS.index(Level.DELIVERED)
        return bool(has_it) and name not in self.rooms.retired

    def only_seen(self) -> bool:
        return self.answered and not self.helped

    @property
    def expires(self) -> bool:
        return self.expiry is not None and self.kind is AlertKind.ASSISTANCE and self.was_answered < 0

    def any_is(self, words: set[str]) -> bool:
        return any(room.said in words for room in self.known.values())

    def passes(self) -> int:
        """Let time pass in the model, and give how often a person is paged for it."""
        if self.closed:
            return 0
        if not self.answered and self.expires and self.seconds >= (self.expiry or 0):
            self.ends(START + timedelta(seconds=self.expiry or 0))
            return 1
        found = 0 if self.answered else self.steps()
        if (put_off := self.put_off()) and put_off[0] <= self.seconds:
            self.begins(put_off[1])
            found += (put_off[1] == "part closed") + self.steps()
        late = self.seen_at is not None and self.seconds - self.seen_at >= UNASSIGNED_SECONDS and not self.helped
        page = self.answered and late and not self.unassigned
        self.unassigned |= page
        return found + int(page)

    def put_off(self) -> tuple[int, str] | None:
        """Return when and for which cause a round begins that could not begin within 30 s."""
        if self.is_graver_than_answered and (self.answered or self.taken >= LAST):
            return self.began["graver"] + 30, "graver"
        began = [(at + 30, cause) for cause, at in self.began.items() if cause in {"withdrawn", "part closed"}]
        return max(began) if self.lapsed and self.taken >= LAST and began else None

    @property
    def is_graver_than_answered(self) -> bool:
        answers = [room.spoke for room in self.known.values() if room.said in UP and room.round == self.round]
        return self.graver_waits is not None and not any(spoke > self.graver_waits for spoke in answers)

    def steps(self) -> int:
        found = 0
        for second, page in ((60, False), (120, True)):
            hopeless = all(room.said in GONE for room in self.known.values())
            if self.taken < second and (self.seconds - self.since >= second or hopeless):
                self.taken = second
                found += page
                self.known.setdefault("county", Room())
        return found

    # How it is taken.

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def had_at(self, waited: int = 0) -> datetime:
        """Return when the hub had what its streams come to only now."""
        return max(START, self.now() - timedelta(seconds=waited)) + timedelta(milliseconds=next(self.number))

    def ends(self, at: datetime, *, by_device: bool = False) -> None:
        if self.closed:
            return
        self.closed, self.ended_at = True, min(self.now(), at)
        is_pressed_since = not by_device and self.pressed_at > self.ended_at
        assert self.goes_on == is_pressed_since, "what was pressed after the end goes on"

    def of_room(self, name: str, ago: int = 0, waited: int = 0) -> EventHeader:
        had_at = self.now() - timedelta(seconds=waited)
        at = had_at - timedelta(seconds=ago)
        return _header(message_id=f"receipt-{next(self.number)}", received_at=had_at, occurred_at=at, source=name)

    def hears(self, receipt: DeliveryReceipt) -> Step:
        now = self.now()
        step = heard.receive(self.state, receipt, (), DECISIONS, now, rooms=self.rooms, escalation=STEPS)
        self.take(step)
        return step

    def change(self, message_id: str, action: AlertAction, at: datetime = START, **given: Any) -> Step:
        expires = START + timedelta(seconds=self.expiry) if self.expiry else None
        # The first press is what it was, however late it comes again.
        first = message_id == "message-1"
        header = _header(message_id=message_id, received_at=at, occurred_at=at, expires_at=expires)
        kind = self.first_kind if first else self.kind
        alert = DeviceAlert(header=header, device_id="device-1", action=action, kind=kind, **given)
        step = states.change(self.state, alert, DECISIONS, self.now(), escalation=STEPS)
        self.last_at = self.last_at if self.closed or step.outcome == "overtaken" else max(self.last_at, at)
        self.take(step)
        return step

    def take(self, step: Step) -> None:
        for notification in step.notifications:
            known = self.ids.setdefault(notification.delivery_id, (notification.destination, notification.reason))
            assert known == (notification.destination, notification.reason), "an id means one thing for ever"
            if notification.reason is not DeliveryReason.NEW:
                assert notification.destination in self.told, "an update or cancel of what it was never told"
            self.told.setdefault(notification.destination, notification.reason)
        paged = [page.page_id for page in step.pages if page.reason != PageReason.DEAD_LETTERED]
        assert not set(paged) & set(self.pages), "a person is paged once for one thing"
        self.pages += paged
        if step.outcome in ENDINGS:
            self.goes_on = step.reopened is not None
        if step.state is not None:
            self.state = step.state

    def next_due(self, state: AlertState) -> datetime | None:
        """Return what is due next, but for what the rooms hear of each other."""
        alone = state.model_copy(update={"others": None})
        return timers.next_due(alone, DECISIONS[1:], STEPS, self.now(), rooms=self.rooms)

    # What always holds.

    @invariant()
    def what_a_room_said_waits_five_seconds_at_most_and_after_the_end_for_ever(self) -> None:
        if self.state is None or self.state.others is None:
            return
        assert self.owned, "where nobody may hear of the others, nothing is kept"
        at, pending = others.due_at(self.state), self.state.others.pending
        assert (at is not None) == (bool(pending) and not self.closed)
        assert at is None or at <= self.now() + others.EVERY
        assert set(pending) <= self.known.keys()

    @invariant()
    def the_state_is_what_the_model_says(self) -> None:
        if self.state is None:
            return
        for name, room in self.known.items():
            at, word = self.state.destinations[name], WORDS.get(room.said, {})
            level = {"withdrawn": Level.DECLINED, "on scene": Level.RESPONDING}.get(room.said) or word.get("level")
            assert (level or LEVELS[room.proven], word.get("response", Response.UNSTATED)) == (
                at.level_said,
                at.response,
            )
        assert self.closed == (self.state.status in CLOSED)
        assert self.asks_to_cancel == self.state.cancel_requested
        assert self.round == self.state.round
        assert set(self.told) == set(self.known) == set(self.state.destinations), "exactly those remembered were told"

    @invariant()
    def what_is_shown_is_never_more_than_what_stands(self) -> None:
        if self.state is None or self.closed:
            return
        helps = any(room.said in HELPS for room in self.known.values())
        assert helps == (self.state.status in {AlertStatus.ACKNOWLEDGED, AlertStatus.RESPONDING})

    @invariant()
    def no_timer_is_left_for_who_was_answered_and_none_is_missing_for_who_was_not(self) -> None:
        if self.state is None:
            return
        due = self.next_due(self.state)
        waits_for_help = self.only_seen() and self.seen_at is not None and not self.unassigned
        waits = waits_for_help if self.answered else self.taken < LAST or self.expires
        waits = waits or self.put_off() is not None
        assert (due is not None) == (waits and not self.closed)

    @invariant()
    def who_is_unanswered_has_a_time_or_a_person_was_paged_since(self) -> None:
        if self.state is None or self.closed or self.answered:
            self.paged = None
            return
        self.paged = len(self.pages) if self.paged is None else self.paged
        due = self.next_due(self.state)
        assert due is not None or len(self.pages) > self.paged


@pytest.mark.timeout(600)
@pytest.mark.parametrize("interleavings", [250, pytest.param(INTERLEAVINGS, marks=pytest.mark.system)])
def test_whatever_interleaves_ends_as_a_simple_model_says(interleavings: int) -> None:
    counted: list[int] = []

    class Counted(Interleavings):
        def teardown(self) -> None:
            counted.append(1)

    settled = settings(
        max_examples=interleavings,
        stateful_step_count=16,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Counted, settings=settled)

    assert len(counted) >= interleavings
