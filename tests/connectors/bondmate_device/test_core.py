"""What a device decides, against a model as simple as it gets: a list of what was said and what the gateway took."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from bondmate_device import bodies
from bondmate_device.answers import NO_ANSWER, AnswerVerdict, NextStep, verdict
from bondmate_device.client import Client
from bondmate_device.core import Core
from bondmate_device.inbox import REMEMBERED, DeviceInbox
from bondmate_device.model import Cancel, EventKind, Level, OperatorAnswer, Position
from bondmate_device.outbox import SendingPace, SendingQueue
from bondmate_device.store import _kept
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from properties import examples

NOW = datetime(2026, 11, 23, 6, 0, 0, tzinfo=UTC)
TAKEN = AnswerVerdict(NextStep.ACCEPTED, answer={"message_id": "hub", "event_id": "event", "accepted": 1})
REFUSED = AnswerVerdict(NextStep.REFUSED, "invalid_field")
PACE = SendingPace(alerts_at_once=2, fixes_in_a_request=3, fixes_kept=5, first_wait_seconds=1)


def problem(code: str, status: int) -> tuple[int, bytes]:
    return status, json.dumps({"type": f"urn:bondmate:problem:{code}", "status": status}).encode()


def alert(action: str = "raise", alert_id: str = "a", number: int = 0):
    return bodies.alert(action, message_id=f"{alert_id}-{action}-{number}", alert_id=alert_id, at=NOW, kind="SOS")


def fix(number: int):
    return bodies.fix(number, Position(1, 2), NOW + timedelta(seconds=number))


def report(number: int, of: str = "r"):
    return bodies.report(message_id=f"{of}-{number}", report_id=of, at=NOW)


class OutboxMachine(RuleBasedStateMachine):
    """Random interleavings of events, sends, answers, and the process's end at any moment."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox = SendingQueue(PACE, lambda: 1.0)
        self.now = 0.0
        self.count = 0
        self.disk: dict[str, object] = {}
        self.sent: dict[str, bytes] = {}
        self.done: list[str] = []
        self.given_up: set[str] = set()
        self.on_its_way: list = []

    def _add(self, item) -> None:
        self.disk[item.key] = item
        for old in self.outbox.add(item):
            self.given_up.add(old.key)
            del self.disk[old.key]

    @rule(alert_id=st.sampled_from("abc"), action=st.sampled_from(["raise", "update", "cancel"]))
    def alert(self, alert_id, action):
        self.count += 1
        self._add(alert(action, alert_id, self.count))

    @rule(of=st.sampled_from("rs"))
    def report(self, of):
        self.count += 1
        self._add(report(self.count, of))

    @rule(number=st.integers(1, 4))
    def fixes(self, number):
        for _ in range(number):
            self.count += 1
            self._add(fix(self.count))

    @rule()
    def send(self):
        sending = self.outbox.next(self.now)
        if sending is None:
            return
        busy = {item.key for other in self.on_its_way for item in other.items}
        if sending.kind is not EventKind.ALERT:
            assert not any(other.kind is EventKind.ALERT for other in self.on_its_way)
        for item in sending.items:
            assert item.key not in busy
            older = [one for one in self.disk.values() if one.kind is item.kind and one.line == item.line]
            assert older[: len(sending.items)] == list(sending.items)
            assert self.sent.setdefault(item.key, item.body) == item.body
        self.on_its_way.append(sending)

    @precondition(lambda self: self.on_its_way)
    @rule(which=st.integers(0, 9), told=st.sampled_from([TAKEN, TAKEN, NO_ANSWER, REFUSED,
          AnswerVerdict(NextStep.STRANGE, "http_403"), AnswerVerdict(NextStep.NOT_ENROLLED, "unauthorized"),
          AnswerVerdict(NextStep.LATER, "not_durable", 2)]))  # fmt: skip
    def answer(self, which, told):
        sending = self.on_its_way.pop(which % len(self.on_its_way))
        for item in self.outbox.answered(sending, told, self.now):
            assert told.meaning in {NextStep.ACCEPTED, NextStep.REFUSED}
            self.done.append(item.key)
            del self.disk[item.key]

    @rule(seconds=st.sampled_from([0.0, 0.5, 3.0, 100.0]))
    def time_passes(self, seconds):
        self.now += seconds

    @rule()
    def dies_and_starts_again(self):
        self.on_its_way.clear()
        self.outbox = SendingQueue(PACE, lambda: 1.0)
        for item in self.disk.values():
            self.outbox.add(item)

    @invariant()
    def nothing_is_lost_and_only_positions_are_given_up(self):
        assert len(self.disk) == len(self.outbox)
        assert len(self.disk) + len(self.done) + len(self.given_up) == self.count
        assert all(key.startswith("fix") for key in self.given_up)
        assert len(self.done) == len(set(self.done))

    @invariant()
    def what_waits_is_offered_at_its_time(self):
        if self.on_its_way or not self.disk:
            return
        wake_at = self.outbox.wake_at()
        assert wake_at is not None
        assert wake_at <= self.now + 60 + 2

    def teardown(self):
        """However it went: when every answer is a 202 at last, all of it arrives, each line in order."""
        for sending in self.on_its_way:
            self.outbox.answered(sending, NO_ANSWER, self.now)
        arrived = []
        while self.outbox:
            self.now = max(self.now, self.outbox.wake_at())
            sending = self.outbox.next(self.now)
            assert sending is not None
            arrived += self.outbox.answered(sending, TAKEN, self.now)
        assert {item.key for item in arrived} == set(self.disk)
        for line in {item.line for item in arrived}:
            assert [i.key for i in arrived if i.line == line] == [i.key for i in self.disk.values() if i.line == line]


TestOutbox = OutboxMachine.TestCase
TestOutbox.settings = settings(max_examples=examples(300), stateful_step_count=40, deadline=None)


def test_alerts_go_first_and_while_one_is_on_its_way_nothing_lesser_is_started():
    outbox = SendingQueue(PACE, lambda: 1.0)
    for item in (fix(1), report(1), alert(), alert("update")):
        outbox.add(item)

    first = outbox.next(0)
    blocked = outbox.next(0)
    outbox.answered(first, TAKEN, 0)
    order = [first.items[0].key]
    while sending := outbox.next(0):
        order.append(sending.items[0].key)
        outbox.answered(sending, TAKEN, 0)

    assert blocked is None
    assert ["a-raise-0", "a-update-0", "r-1", "fix 1"] == order


def test_what_fails_waits_with_full_jitter_and_for_retry_after_and_an_alert_is_not_silenced_for_long():
    outbox = SendingQueue(SendingPace(first_wait_seconds=1, longest_wait_seconds=60), lambda: 0.5)
    outbox.add(report(1))
    waits = []
    now = 0.0
    for _ in range(8):
        outbox.answered(outbox.next(now), NO_ANSWER, now)
        waits.append(outbox.wake_at() - now)
        now = outbox.wake_at()
    outbox.answered(outbox.next(now), AnswerVerdict(NextStep.LATER, "rate_limited", 120), now)
    asked = outbox.wake_at() - now
    outbox.add(alert())
    outbox.answered(outbox.next(now), AnswerVerdict(NextStep.LATER, "http_503", 86_400), now)

    assert [0.5, 1, 2, 4, 8, 16, 30, 30] == waits
    assert 120 + 30 == asked
    assert outbox.wake_at() - now <= 61


def test_a_new_alert_does_not_wait_for_the_one_that_failed_and_the_network_s_return_ends_every_wait():
    outbox = SendingQueue(PACE, lambda: 1.0)
    outbox.add(alert())
    outbox.answered(outbox.next(0), NO_ANSWER, 0)

    waiting = outbox.next(0)
    outbox.add(alert(alert_id="b"))

    assert waiting is None
    assert outbox.next(0) is not None
    outbox.hurry()
    assert outbox.next(0) is not None


def test_one_bad_position_costs_itself_alone():
    outbox = SendingQueue(SendingPace(fixes_in_a_request=8), lambda: 1.0)
    for number in range(8):
        outbox.add(fix(number))
    taken, refused = [], []
    while sending := outbox.next(0):
        bad = any(item.key == "fix 5" for item in sending.items)
        (refused if bad else taken).extend(outbox.answered(sending, REFUSED if bad else TAKEN, 0))

    assert ["fix 5"] == [item.key for item in refused]
    assert 7 == len(taken)


def test_what_something_in_between_answers_is_neither_taken_nor_refused():
    portal = b"<html>Welcome to the airport</html>"

    assert NextStep.LATER is verdict(EventKind.ALERT, 200, portal).meaning
    assert NextStep.LATER is verdict(EventKind.ALERT, 202, portal).meaning
    assert NextStep.LATER is verdict(EventKind.FIX, 302, b"").meaning
    assert NextStep.STRANGE is verdict(EventKind.ALERT, 403, portal).meaning
    assert NextStep.STRANGE is verdict(EventKind.ALERT, 401, portal).meaning
    assert NextStep.STRANGE is verdict(EventKind.ALERT, 400, b"[" * 100_000).meaning


@pytest.mark.parametrize(
    ("code", "status", "meaning"),
    [
        ("unauthorized", 401, NextStep.NOT_ENROLLED),
        ("invalid_field", 422, NextStep.REFUSED),
        ("forbidden", 403, NextStep.REFUSED),
        ("body_too_large", 413, NextStep.REFUSED),
        ("timeout", 408, NextStep.LATER),
        ("rate_limited", 429, NextStep.LATER),
        ("not_durable", 503, NextStep.LATER),
    ],
)
def test_the_gateway_s_own_problems_say_what_to_do(code, status, meaning):
    found = verdict(EventKind.REPORT, *problem(code, status))

    assert (meaning, code) == (found.meaning, found.code)


def core() -> Core:
    return Core(PACE, lambda: 1.0)


def answer(made: Core, told: AnswerVerdict):
    sending = made.outbox.next(0)
    return made.answered(sending, told, 0)


def news(status: str, changed: int, **more):
    changed_at = (NOW + timedelta(seconds=changed)).isoformat()
    return {"alerts": [{"alert_id": "a", "event_id": "event", "kind": "SOS", "status": status, "silent": False,
                        "changed_at": changed_at, **more}]}  # fmt: skip


def test_the_level_is_what_the_hub_says_and_never_higher():
    made = core()
    made.statuses.raised("a", "SOS", "t")
    made.outbox.add(alert())
    levels = [made.statuses.get("a").level]
    answer(made, NO_ANSWER)
    levels.append(made.statuses.get("a").level)
    made.outbox.hurry()
    answer(made, TAKEN)
    levels.append(made.statuses.get("a").level)
    words = [
        "RAISED",
        "ROUTED",
        "DELIVERED",
        "ACCEPTED",
        "SOMETHING_OF_TOMORROW",
        "ACKNOWLEDGED",
        "RESPONDING",
        "RESOLVED",
    ]
    for number, word in enumerate(words):
        made.heard(news(word, number), NOW)
        levels.append(made.statuses.get("a").level)

    assert [Level.QUEUED, Level.QUEUED, Level.RECEIVED, Level.RECEIVED, Level.RECEIVED, Level.DELIVERED, Level.ACCEPTED,
            Level.RECEIVED, Level.ACKNOWLEDGED, Level.RESPONDING, Level.RESOLVED] == levels  # fmt: skip


def test_an_older_word_than_the_one_known_changes_nothing_and_a_202_after_the_news_lowers_nothing():
    made = core()
    made.statuses.raised("a", "SOS", "t")
    made.outbox.add(alert())
    made.heard(news("ACKNOWLEDGED", 5), NOW)
    late = answer(made, TAKEN)

    assert (1, None) == (len(late.done), late.status)
    assert Level.ACKNOWLEDGED is made.statuses.get("a").level
    assert () == made.heard(news("DELIVERED", 4), NOW).statuses
    assert () == made.heard(news("RAISED", 7), NOW).statuses, "of a gateway that has not read of the answer yet"
    assert Level.DECLINED is made.heard(news("DECLINED", 6), NOW).statuses[0].level


def test_duress_is_silent_until_its_profile_says_otherwise_and_so_is_what_is_said_about_it():
    made = core()
    made.statuses.raised("a", "DURESS", "t")
    made.heard(news("ACKNOWLEDGED", 1, silent=True), NOW)
    told = {"message_id": "m", "text": "We are coming.", "alert_id": "event"}
    made.heard({"messages": [told]}, NOW)
    silent = made.statuses.get("a").silent, made.next_message(NOW).silent
    made.heard(news("ACKNOWLEDGED", 2, silent=False), NOW)

    assert (True, True) == silent
    assert (False, False) == (made.statuses.get("a").silent, made.next_message(NOW).silent)


def test_a_cancel_is_a_wish_and_the_alert_goes_on_until_the_hub_says_that_it_ended():
    made = core()
    made.statuses.raised("a", "SOS", "t")
    made.outbox.add(alert())
    answer(made, TAKEN)
    made.outbox.add(alert("cancel"))
    asked = made.statuses.cancelling("a")
    had = answer(made, TAKEN).status
    made.heard(news("ACKNOWLEDGED", 1, cancel_requested=True), NOW)
    wished = made.statuses.get("a")
    made.heard(news("CANCELLED", 2, cancel_requested=True), NOW)

    assert (Cancel.QUEUED, Level.RECEIVED) == (asked.cancel, asked.level)
    assert (Cancel.REQUESTED, Level.RECEIVED) == (had.cancel, had.level)
    assert (Cancel.REQUESTED, Level.ACKNOWLEDGED, False) == (wished.cancel, wished.level, wished.closed)
    assert made.statuses.get("a").closed


def test_a_cancel_that_a_press_took_back_is_shown_no_more_whether_this_device_pressed_or_the_hub_says_so():
    made = core()
    made.statuses.raised("a", "SOS", "t")
    for item in (alert(), alert("cancel")):
        made.outbox.add(item)
        made.statuses.cancelling("a")
        answer(made, TAKEN)
    had = made.statuses.get("a").cancel
    made.heard(news("ACKNOWLEDGED", 1), NOW)
    not_yet = made.statuses.get("a").cancel
    made.heard(news("ACKNOWLEDGED", 2, cancel_requested=True), NOW)
    made.heard(news("ACKNOWLEDGED", 3, cancel_requested=False), NOW)
    by_hub = made.statuses.get("a").cancel
    again = made.statuses.cancelling("a")
    taken_back = made.statuses.pressed("a")
    made.outbox.add(alert("cancel"))
    late = answer(made, TAKEN).status

    assert [Cancel.REQUESTED, Cancel.REQUESTED, Cancel.NONE] == [had, not_yet, by_hub]
    assert (Cancel.QUEUED, Cancel.NONE, None) == (again.cancel, taken_back.cancel, late)
    assert made.statuses.pressed("a") is None


def test_a_refused_raise_is_told_with_the_problem_s_code_and_a_refused_update_leaves_the_alert_standing():
    made = core()
    made.statuses.raised("a", "SOS", "t")
    made.outbox.add(alert())
    first = answer(made, verdict(EventKind.ALERT, *problem("body_too_large", 413)))
    other = core()
    other.statuses.raised("a", "SOS", "t")
    other.outbox.add(alert())
    answer(other, TAKEN)
    other.outbox.add(alert("update"))
    second = answer(other, REFUSED)

    assert ["body_too_large"] == [one.code for one in first.refusals]
    assert Level.REFUSED is first.status.level
    assert ["invalid_field"] == [one.code for one in second.refusals]
    assert Level.RECEIVED is other.statuses.get("a").level


def test_an_alert_goes_without_a_position_that_cannot_be_one_and_a_fix_is_refused_at_once():
    nan = Position(float("nan"), 4)

    body = json.loads(bodies.alert("raise", message_id="m", alert_id="a", at=NOW, position=nan).body)

    assert "position" not in body
    for wrong in (
        nan,
        Position(91, 0),
        Position(0, 0, accuracy_m=-1),
        Position(0, 0, fixed_at=NOW.replace(tzinfo=None)),
    ):
        with pytest.raises(ValueError, match="position"):
            bodies.fix(1, wrong, NOW)


def test_messages_are_shown_in_order_once_marked_when_expired_and_remembered_longer_than_a_gateway_keeps_them():
    inbox = DeviceInbox()
    told = [{"message_id": str(n), "text": "t", "expires_at": NOW.isoformat() if n == 1 else None} for n in range(3)]
    new = inbox.take([*told, None, {"text": "no id"}, told[0]])
    shown = []
    while message := inbox.first(NOW):
        shown.append((message.message_id, message.expired))
        inbox.shown(message.message_id)

    assert ["0", "1", "2"] == [message.message_id for message in new]
    assert [("0", False), ("1", True), ("2", False)] == shown
    assert [] == inbox.take(told)
    for number in range(REMEMBERED + 5):
        inbox.take([{"message_id": f"more {number}"}])
        gone = inbox.shown(f"more {number}")
    assert 1 == len(gone)
    assert not inbox.knows("0")


HUB_WORDS = ["RAISED", "ROUTED", "DELIVERED", "ACCEPTED", "DECLINED", "ACKNOWLEDGED", "RESPONDING", "RESOLVED", "CANCELLED",
             "EXPIRED", "UNHEARD_OF"]  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from(HUB_WORDS)), max_size=8), st.data())
def test_whatever_the_order_in_which_words_and_answers_come_no_level_is_shown_that_the_hub_did_not_say_last(said, data):
    """`said` is what the hub says, each word with its time; late and doubled ones come in between."""
    made = core()
    made.statuses.raised("a", "SOS", "t")
    made.outbox.add(alert())
    newest = -1, None
    for changed, word in data.draw(st.permutations([*said, *said[:3]])):
        if data.draw(st.booleans()) and made.outbox:
            made.outbox.hurry()
            answer(made, data.draw(st.sampled_from([TAKEN, NO_ANSWER])))
        made.heard(news(word, changed), NOW)
        just_raised = newest[1] in {None, "RAISED", "ROUTED", "UNHEARD_OF"}
        if just_raised or (changed >= newest[0] and word != "RAISED"):
            newest = changed, word
        expected = Level.__members__.get(newest[1], Level.RECEIVED)
        assert expected is made.statuses.get("a").level


@given(st.lists(st.lists(st.integers(0, 20), max_size=6), max_size=8), st.data())
def test_however_often_messages_come_and_the_device_restarts_each_is_shown_once_in_the_order_of_its_first_coming(
    batches, data
):
    inbox, seen, waiting, shown = DeviceInbox(), [], [], []
    for batch in batches:
        new = inbox.take([{"message_id": str(n)} for n in batch])
        waiting += new
        seen += [message.message_id for message in new]
        while waiting and data.draw(st.booleans()):
            first = inbox.first(NOW)
            shown.append(first.message_id)
            inbox.shown(first.message_id)
            waiting = [message for message in waiting if message.message_id != first.message_id]
        if data.draw(st.booleans()):
            inbox = DeviceInbox(seen, waiting)
    while first := inbox.first(NOW):
        shown.append(first.message_id)
        inbox.shown(first.message_id)

    assert list(dict.fromkeys(str(n) for batch in batches for n in batch)) == shown


@given(
    st.builds(
        Position, st.floats(-90, 90), st.floats(-180, 180), st.none() | st.floats(0, 1e6), st.none() | st.floats(-1e4, 1e5),
        st.none() | st.floats(0, 300), st.none() | st.floats(0, 360), st.none() | st.datetimes(timezones=st.just(UTC)),
        st.none() | st.text(max_size=9),
    ),
    st.none() | st.booleans(), st.none() | st.integers(0, 100),
)  # fmt: skip
def test_a_fix_written_by_hand_says_what_a_json_writer_would(position, on_duty, battery_percent):
    item = bodies.fix(7, position, NOW, on_duty=on_duty, battery_percent=battery_percent)

    fields = ("latitude", "longitude", "accuracy_m", "altitude_hae_m", "speed_mps", "course_deg", "method")
    place = {name: value for name in fields if (value := getattr(position, name)) is not None}
    place["fixed_at"] = bodies.time(position.fixed_at or NOW)
    more = {"on_duty": on_duty, "battery_percent": battery_percent}
    expected = {"sequence": 7, "position": place} | {name: value for name, value in more.items() if value is not None}
    assert expected == json.loads(item.body)
    assert place["fixed_at"] == item.at


@pytest.mark.parametrize("name", ["latitude", "longitude", "accuracy_m", "altitude_hae_m", "speed_mps", "course_deg"])
@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf"), -1e9])
def test_no_number_that_cannot_be_one_makes_a_position(name, number):
    position = Position(**{"latitude": 1, "longitude": 2, name: number})

    assert bodies.is_sound(position) is (name == "altitude_hae_m" and number == -1e9)


def test_who_said_what_and_that_help_is_not_coming_any_more_is_shown_and_not_kept_on_disk():
    made = core()
    made.statuses.raised("a", "SOS", "t")
    news = {"alert_id": "a", "event_id": "e", "status": "ACKNOWLEDGED", "changed_at": "1",
            "answers": {"county": {"says": "ASSIGNED", "unit": "7", "eta_at": "12:05"}}}  # fmt: skip
    coming = made.statuses.told(news)
    gone = made.statuses.told(
        {**news, "status": "ACCEPTED", "changed_at": "2",
         "answers": {"north": {"says": "SEEN"}, "county": {"says": "WITHDRAWN"}, "odd": 1}}
    )  # fmt: skip
    over = made.statuses.told(
        {**news, "status": "RESOLVED", "changed_at": "3", "ended_by": "pd-north", "ended_why": "false_alarm"}
    )

    assert coming.help_is_coming
    assert (OperatorAnswer("county", "assigned", "7", "12:05"),) == coming.answers
    assert not gone.help_is_coming
    assert (OperatorAnswer("north", "seen"), OperatorAnswer("county", "withdrawn")) == gone.answers
    assert ("pd-north", "false_alarm", True) == (over.ended_by, over.ended_why, over.closed)
    # An earlier version of this client reads the file too.
    assert not {"answers", "ended_by", "ended_why", "ended_words"} & _kept(over).keys()


def test_a_check_in_is_the_hubs_once_it_has_it_and_goes_as_urgently_as_an_alert():
    core = Core(PACE, lambda: 1.0)
    core.outbox.add(report(1))
    due = bodies.check_in("due", message_id="m", check_in_id="c", at=NOW, due_in_seconds=30, kind="OFFICER_DOWN")
    core.outbox.add(due)
    sending = core.outbox.next(0)
    core.answered(sending, NO_ANSWER, 0)
    before = set(core.check_ins)
    core.answered(core.outbox.next(60), TAKEN, 60)

    assert "/v1/check-ins" == sending.path
    assert (set(), {"c"}) == (before, core.check_ins)
    core.outbox.add(bodies.check_in("due", message_id="n", check_in_id="d", at=NOW, due_in_seconds=30))
    core.answered(core.outbox.next(61), REFUSED, 61)
    assert {"c"} == core.check_ins


class Kept:
    """The engine of a client, with nothing but the core and what was kept."""

    def __init__(self) -> None:
        self.core = Core(PACE, lambda: 1.0)
        self.items: list = []

    async def keep(self, item, standing=None) -> None:
        self.items.append(item)


async def test_under_duress_a_countdown_is_an_alert_at_once_and_whatever_is_raised_is_silent():
    device = Client.__new__(Client)
    device._engine, device._clock = Kept(), lambda: NOW
    calm = await device.owe_check_in(30)
    await device.raise_alert("DURESS")
    await device.owe_check_in(30, kind="OFFICER_DOWN", check_in_id="down")
    await device.raise_alert("SOS")
    down, sos = list(device._engine.core.statuses)[1:]
    Core.heard(device._engine.core, {"under_duress": False}, NOW)
    later = await device.owe_check_in(30)

    kinds = [(item.kind, item.line) for item in device._engine.items]
    assert [(EventKind.CHECK_IN, calm), (EventKind.ALERT, "down"), (EventKind.CHECK_IN, later)] == [
        kinds[0],
        kinds[2],
        kinds[4],
    ]
    assert [("OFFICER_DOWN", True), ("SOS", True)] == [(one.kind, one.silent) for one in (down, sos)]


def test_a_device_knows_what_the_hub_waits_for_also_when_news_of_a_later_hub_are_strange():
    core = Core(PACE, lambda: 1.0)
    core.heard({"check_ins": [{"check_in_id": "c", "due_at": "t", "kind": "SOS"}, {"check_in_id": 1}, "?"]}, NOW)
    core.heard({"check_ins": "?"}, NOW)
    known = dict(core.owed)
    core.heard({"check_ins": []}, NOW)

    assert ({"c": "t"}, {}) == (known, core.owed)
