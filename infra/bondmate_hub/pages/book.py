"""What is known of pages, as pure state: which are open, where each was sent, and where it is due."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from bondmate_schemas.models import OperationsPage, PageMark

__all__ = ["BEFORE_THE_FIRST_START", "Due", "Happened", "Mark", "PageBook", "PagingStep"]

BEFORE_THE_FIRST_START: Final = timedelta(hours=1)
"""How old a page may be when a pager starts for the first time: older ones wake nobody."""


class Mark(StrEnum):
    """What a `PageMark` says."""

    SENT = "sent"
    END_SENT = "end_sent"
    TAKEN = "taken"
    OVER = "over"
    BEGAN = "began"


class Happened(StrEnum):
    """What a notice says of its page."""

    RAISED = "raised"
    TAKEN = "taken"
    OVER = "over"


_ENDS: Final = {Mark.TAKEN: Happened.TAKEN, Mark.OVER: Happened.OVER}


@dataclass(frozen=True, slots=True)
class PagingStep:
    """A step as far as it matters to when it is due; seconds."""

    name: str
    after_seconds: float
    repeat_seconds: float
    level: int


@dataclass(frozen=True, slots=True)
class Due:
    """A page that is to be sent to a step now; `number` is how often it then was, this time included."""

    page: OperationsPage
    happened: Happened
    number: int


@dataclass(slots=True)
class PageBook:
    """Pages by id and their marks; a page that comes twice is one, and the newest mark of an id holds."""

    pages: dict[str, OperationsPage] = field(default_factory=dict)
    marks: dict[str, PageMark] = field(default_factory=dict)

    def add(self, page: OperationsPage) -> None:
        """Take a page; made again it keeps the time at which it was raised first."""
        self.pages.setdefault(page.page_id, page)

    def note(self, mark: PageMark) -> None:
        """Take a mark; who took a page first has it."""
        known = self.marks.get(mark.mark_id)
        if known is None or known.mark != Mark.TAKEN:
            self.marks[mark.mark_id] = mark

    def forget(self, mark_id: str) -> None:
        """Take a tombstone."""
        self.marks.pop(mark_id, None)

    def end_of(self, page_id: str) -> PageMark | None:
        """Return what ended a page; None while it is open."""
        mark = self.marks.get(page_id)
        return mark if mark and mark.mark in _ENDS else None

    def sent(self, page_id: str, step: str) -> PageMark | None:
        """Return the mark of a page at a step; None where it was not sent there."""
        return self.marks.get(sent_id(page_id, step))

    def open_pages(self) -> Iterator[OperationsPage]:
        """Yield the pages that nobody has taken, the oldest first, but for those of before the first start."""
        began = self.marks.get(Mark.BEGAN)
        for page in sorted(self.pages.values(), key=lambda page: page.raised_at):
            if self.end_of(page.page_id) is None and not (began and page.raised_at < began.at):
                yield page

    def due(self, step: PagingStep, now: datetime, *, soon: bool = False) -> list[Due]:
        """Return what is due at a step, the oldest first.

        With `soon`, what would be due before half the time to the next repeat is over goes too, so that what is sent
        together once is sent together again.
        """
        repeat = step.repeat_seconds / 2 if soon else step.repeat_seconds
        found = (self._due_open(page, step, now, repeat) for page in self.open_pages())
        return [*self._due_ends(step), *(each for each in found if each)]

    def _due_open(self, page: OperationsPage, step: PagingStep, now: datetime, repeat: float) -> Due | None:
        if (now - page.raised_at).total_seconds() < step.after_seconds:
            return None
        mark = self.sent(page.page_id, step.name)
        if mark is not None and (now - mark.at).total_seconds() < repeat:
            return None
        return Due(page, Happened.RAISED, mark.count + 1 if mark else 1)

    def _due_ends(self, step: PagingStep) -> Iterator[Due]:
        """Yield the pages that ended, where this step has told of them and not of their end."""
        for mark in self.marks.values():
            if mark.mark == Mark.SENT and mark.step == step.name and mark.page_id in self.pages:
                end = self.end_of(mark.page_id)
                if end is not None:
                    yield Due(self.pages[mark.page_id], _ENDS[Mark(end.mark)], mark.count + 1)


def sent_id(page_id: str, step: str) -> str:
    """Return the id of the mark of a page at a step."""
    return f"{page_id}/{step}"


def sent_marks(sent: Iterable[Due], step: str, now: datetime) -> list[PageMark]:
    """Return the marks of what was sent to a step."""
    return [
        PageMark(
            mark_id=sent_id(due.page.page_id, step),
            page_id=due.page.page_id,
            mark=Mark.SENT if due.happened is Happened.RAISED else Mark.END_SENT,
            at=now,
            step=step,
            count=due.number,
        )
        for due in sent
    ]


def over(page: OperationsPage, now: datetime) -> PageMark:
    """Return the mark of a page whose cause is over."""
    return PageMark(mark_id=page.page_id, page_id=page.page_id, mark=Mark.OVER, at=now)


def taken(page_id: str, now: datetime, operator: str, reason: str, step: str = "") -> PageMark:
    """Return the mark of a page that somebody took."""
    return PageMark(
        mark_id=page_id, page_id=page_id, mark=Mark.TAKEN, at=now, step=step, operator=operator, justification=reason
    )


def began(now: datetime) -> PageMark:
    """Return the mark of the first start of a pager."""
    return PageMark(mark_id=Mark.BEGAN, mark=Mark.BEGAN, at=now - BEFORE_THE_FIRST_START)
