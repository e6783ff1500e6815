"""A step at work: refusals are tried again with growing pauses, one page that is refused holds no other up."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from bondmate_connectors.errors import AuthFailed, Rejected, Throttled, Transient
from bondmate_hub.pages import steps
from bondmate_hub.pages.book import PageBook, PagingStep, sent_marks, taken
from bondmate_hub.pages.notices import Notice
from bondmate_hub.pages.steps import StepRunner
from bondmate_monitoring.metrics import PAGE_NOTICES, PAGE_STEP_FAILING_SECONDS
from bondmate_schemas.enums import Mode
from bondmate_schemas.models import OperationsPage

AT = datetime(2026, 12, 1, 3, tzinfo=UTC)


class Channel:
    """A far end in memory that refuses what it is told to."""

    def __init__(self, most: int = 1) -> None:
        self.most, self.got, self.asked, self.refuses = most, [], 0, {}

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def send(self, notices) -> None:
        self.asked += 1
        for notice in notices:
            if error := self.refuses.get(notice.page.page_id) or self.refuses.get(""):
                raise error
        self.got.append([notice.id for notice in notices])


class Clock:
    """Loop time and wall time that move together, by hand."""

    def __init__(self, monkeypatch) -> None:
        self.seconds = 0.0
        monkeypatch.setattr(steps, "_loop_seconds", lambda: self.seconds)

    def now(self) -> datetime:
        return AT + timedelta(seconds=self.seconds)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def runner(clock: Clock, channel: Channel, *numbers: int) -> StepRunner:
    book = PageBook()
    for number in numbers:
        book.add(OperationsPage(page_id=f"p{number}", reason="alert_unrouted", subject=f"a{number}", mode=Mode.ACTUAL,
                                raised_at=AT))  # fmt: skip

    def sent(step, due):
        for mark in sent_marks(due, step.name, clock.now()):
            book.note(mark)

    return StepRunner(
        PagingStep("duty", 0, 300, 1), channel, book, clock.now,
        lambda step, due: Notice(due.page, due.happened, due.number, step.level, clock.now(), "hub-1"), sent,
    )  # fmt: skip


def counted(outcome: str) -> float:
    return PAGE_NOTICES.labels("duty", outcome)._value.get()


def failing() -> float:
    return PAGE_STEP_FAILING_SECONDS.labels("duty")._value.get()


async def test_what_is_refused_is_asked_again_with_growing_pauses_for_ever_and_then_goes_out_once(clock):
    channel = Channel()
    channel.refuses[""] = AuthFailed("http_401")
    step = runner(clock, channel, 1)
    before = counted("failed"), counted("sent")
    times = []
    while clock.seconds < 600:
        asked = channel.asked
        await step.look()
        if channel.asked > asked:
            times.append(clock.seconds)
        clock.seconds += 0.5
    assert 500 < failing()
    assert "http_401" == step.trouble
    channel.refuses.clear()
    for _ in range(240):
        await step.look()
        clock.seconds += 0.5

    assert [0, 1, 3, 7, 15, 31, 63] == times[:7]
    assert {60.0} == {later - one for one, later in pairwise(times[6:])}
    assert [["p1.raised.1"]] == channel.got
    assert (len(times), 1) == (counted("failed") - before[0], counted("sent") - before[1])
    assert (0, "") == (failing(), step.trouble)


async def test_a_page_that_is_refused_alone_holds_no_other_up(clock):
    channel = Channel()
    channel.refuses["p1"] = Rejected("http_422")
    step = runner(clock, channel, 1, 2, 3)
    await step.look()
    got = list(channel.got)
    channel.refuses.clear()
    clock.seconds = 2
    await step.look()

    assert [["p2.raised.1"], ["p3.raised.1"]] == got
    assert ["p1.raised.1"] == channel.got[-1]


async def test_a_far_end_that_is_away_is_not_asked_for_each_page(clock):
    channel = Channel()
    channel.refuses[""] = Transient("unreachable")
    await runner(clock, channel, 1, 2, 3).look()

    assert 1 == channel.asked


@pytest.mark.parametrize(("asked_for", "waited"), [(30, 30), (86_400, 300)])
async def test_the_pause_that_a_far_end_asks_for_is_kept_but_not_for_ever(clock, asked_for, waited):
    channel = Channel()
    channel.refuses[""] = Throttled("http_429", asked_for)
    step = runner(clock, channel, 1)
    await step.look()
    channel.refuses.clear()
    clock.seconds = waited - 0.5
    await step.look()
    assert [] == channel.got
    clock.seconds = waited
    await step.look()

    assert [["p1.raised.1"]] == channel.got


async def test_a_mistake_of_ours_is_tried_again_like_a_refusal_and_ends_nothing(clock):
    channel = Channel()
    channel.refuses[""] = KeyError("ours")
    step = runner(clock, channel, 1)
    await step.look()
    channel.refuses.clear()
    clock.seconds = 5
    await step.look()

    assert [["p1.raised.1"]] == channel.got


async def test_pages_go_together_where_the_way_takes_several(clock):
    channel = Channel(most=2)
    await runner(clock, channel, 1, 2, 3).look()

    assert [["p1.raised.1", "p2.raised.1"], ["p3.raised.1"]] == channel.got


async def test_a_page_that_is_taken_before_it_could_be_sent_is_no_trouble_of_the_step_any_more(clock):
    channel = Channel()
    channel.refuses[""] = Transient("timeout")
    step = runner(clock, channel, 1)
    await step.look()
    clock.seconds = 100
    await step.look()
    assert 100 == failing()
    step.book.note(taken("p1", clock.now(), "kim", "mends it"))
    await step.look()

    assert (0, []) == (failing(), channel.got)


async def test_it_runs_until_it_is_cancelled(clock, monkeypatch):
    channel = Channel()
    running = asyncio.create_task(runner(clock, channel, 1).run())
    while not channel.got:
        await asyncio.sleep(0.01)
    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running


async def test_it_ends_although_a_client_library_makes_a_failure_of_its_cancellation(clock):
    class Deaf(Channel):
        async def send(self, notices) -> None:
            self.asked += 1
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise Transient("unreachable") from None

    channel = Deaf()
    running = asyncio.create_task(runner(clock, channel, 1).run())
    while not channel.asked:
        await asyncio.sleep(0.01)
    running.cancel()

    assert {running} == (await asyncio.wait({running}, timeout=5))[0]
