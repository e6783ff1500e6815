"""Which pages are open, and what is due at which step."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from bondmate_hub.pages.book import Happened, PageBook, PagingStep, began, over, sent_marks, taken
from bondmate_schemas.enums import Mode
from bondmate_schemas.models import OperationsPage, PageMark

AT = datetime(2026, 12, 1, 3, tzinfo=UTC)
FIRST, LATER = PagingStep("duty", 0, 300, 1), PagingStep("chief", 900, 300, 2)


def page(number: int = 1, seconds: float = 0) -> OperationsPage:
    return OperationsPage(page_id=f"page-{number}", reason="alert_unanswered", subject=f"alert-{number}",
                          mode=Mode.ACTUAL, raised_at=AT + timedelta(seconds=seconds))  # fmt: skip


def after(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


def book(*pages: OperationsPage) -> PageBook:
    found = PageBook()
    for each in pages:
        found.add(each)
    return found


def send(found: PageBook, step: PagingStep, seconds: float, *, soon: bool = False) -> list[tuple[str, str, int]]:
    """Send what is due; return which page, why, the how-manieth time."""
    due = found.due(step, after(seconds), soon=soon)
    for mark in sent_marks(due, step.name, after(seconds)):
        found.note(mark)
    return [(each.page.page_id, each.happened.value, each.number) for each in due]


def test_a_page_goes_to_the_first_step_at_once_and_again_and_to_the_next_when_nobody_has_taken_it():
    found = book(page())

    assert [("page-1", "raised", 1)] == send(found, FIRST, 0)
    assert [] == send(found, FIRST, 299)
    assert [("page-1", "raised", 2)] == send(found, FIRST, 300)
    assert [] == send(found, LATER, 899)
    assert [("page-1", "raised", 1)] == send(found, LATER, 900)


@pytest.mark.parametrize(
    ("end", "happened"), [(taken("page-1", after(10), "kim", "mends it"), "taken"), (over(page(), after(10)), "over")]
)
def test_who_was_told_of_a_page_is_told_once_of_its_end_and_nobody_else_is(end: PageMark, happened: str):
    found = book(page())
    send(found, FIRST, 0)
    found.note(end)

    assert [("page-1", happened, 2)] == send(found, FIRST, 11)
    assert [] == send(found, FIRST, 1000)
    assert [] == send(found, LATER, 1000)
    assert [] == list(found.open_pages())


def test_a_page_made_again_is_one_and_keeps_its_first_time():
    found = book(page(), page(seconds=50))

    assert [AT] == [each.raised_at for each in found.open_pages()]


def test_who_took_a_page_first_has_it():
    found = book(page())
    found.note(taken("page-1", after(1), "kim", "mine"))
    found.note(taken("page-1", after(2), "lee", "mine"))
    found.note(over(page(), after(3)))

    assert "kim" == found.end_of("page-1").operator


def test_at_the_first_start_ever_pages_of_before_wake_nobody_but_those_of_the_last_hour():
    found = book(page(1, -3601), page(2, -3599))
    found.note(began(AT))

    assert [("page-2", "raised", 1)] == send(found, FIRST, 0)


def test_a_mark_that_a_later_hub_made_changes_nothing():
    found = book(page())
    found.note(PageMark(mark_id="page-1", page_id="page-1", mark="snoozed", at=AT))

    assert [Happened.RAISED] == [each.happened for each in found.due(FIRST, AT)]


def test_pages_that_were_sent_together_are_sent_together_again():
    found = book(page(1), page(2, 100))
    send(found, FIRST, 0)
    send(found, FIRST, 100)

    assert [("page-1", "raised", 2)] == [
        (d.page.page_id, d.happened.value, d.number) for d in found.due(FIRST, after(300))
    ]
    assert [("page-1", "raised", 2), ("page-2", "raised", 2)] == send(found, FIRST, 300, soon=True)


def test_a_tombstone_forgets_a_mark():
    found = book(page())
    send(found, FIRST, 0)
    found.forget("page-1/duty")

    assert [("page-1", "raised", 1)] == send(found, FIRST, 1)
