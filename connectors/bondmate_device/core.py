"""All that a device has to decide, put together: what to send, what an answer and a piece of news change. Pure.

The client keeps on disk what these methods return; a simulated device, which has no disk, drives the same core.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, NamedTuple

from bondmate_device import bodies
from bondmate_device.answers import AnswerVerdict, NextStep
from bondmate_device.inbox import DeviceInbox
from bondmate_device.model import EventKind, Item, Message, RaisedAlert, RefusedEvent
from bondmate_device.outbox import Sending, SendingPace, SendingQueue
from bondmate_device.raised_alerts import RaisedAlerts

_NOTHING_DUE: Final = "nothing_due"


class AnswerOutcome(NamedTuple):
    """What an answer changed: events done with, refusals to be told, and the status of the alert."""

    done: tuple[Item, ...] = ()
    refusals: tuple[RefusedEvent, ...] = ()
    status: RaisedAlert | None = None
    event_id: str = ""
    """The hub's id of the event that was taken; nothing for fixes."""


class NewsOutcome(NamedTuple):
    """What a piece of news changed: new messages, the receipts to be sent for them, statuses of alerts."""

    messages: tuple[Message, ...] = ()
    receipts: tuple[Item, ...] = ()
    statuses: tuple[RaisedAlert, ...] = ()


class Core:
    """One device's outbox, alerts and messages."""

    __slots__ = ("check_ins", "enrolled", "inbox", "nothing_due", "outbox", "owed", "statuses", "under_duress")

    def __init__(
        self,
        pace: SendingPace,
        jitter: Callable[[], float],
        *,
        items: Iterable[Item] = (),
        statuses: Iterable[RaisedAlert] = (),
        inbox: DeviceInbox | None = None,
    ) -> None:
        """Begin with what was kept; see `SendingQueue` for `jitter`."""
        self.outbox = SendingQueue(pace, jitter)
        self.statuses = RaisedAlerts(statuses)
        self.inbox = inbox or DeviceInbox()
        self.check_ins: set[str] = set()
        """Those of which the hub has all that was said; known anew after a restart by what is said then."""
        self.nothing_due: set[str] = set()
        """Those that were done, and the hub waited for none."""
        self.owed: dict[str, str] = {}
        """When the hub waits for a check-in, as it says: also for those of a device whose place this one took."""
        self.enrolled = True
        self.under_duress = self.statuses.has_duress()
        """Whether nothing may sound, light or ask: as the hub says, and until it does, while such an alert is open."""
        for item in items:
            self.outbox.add(item)

    def answered(self, sending: Sending, verdict: AnswerVerdict, now: float) -> AnswerOutcome:
        """Take what came of a request."""
        done = self.outbox.answered(sending, verdict, now)
        if verdict.meaning is NextStep.NOT_ENROLLED:
            self.enrolled = False
        if not done:
            return AnswerOutcome()
        self.enrolled = True
        accepted = verdict.meaning is NextStep.ACCEPTED
        if done[0].kind is EventKind.CHECK_IN and accepted:
            self.check_ins.add(done[0].line)
            if _NOTHING_DUE in verdict.answer.get("flags", ()):
                self.nothing_due.add(done[0].line)
        refusals = () if accepted else tuple(RefusedEvent(item.key, item.kind, verdict.code, item.at) for item in done)
        status = self._status(done[0], verdict, accepted=accepted)
        return AnswerOutcome(done, refusals, status, str(verdict.answer.get("event_id", "")))

    def heard(self, news: Mapping[str, Any], at: datetime) -> NewsOutcome:
        """Take what the hub tells; the receipts are not in the outbox yet: add them once the messages are on disk."""
        alerts, messages, under_duress = news.get("alerts"), news.get("messages"), news.get("under_duress")
        self.under_duress = under_duress if isinstance(under_duress, bool) else self.under_duress
        if isinstance(owed := news.get("check_ins"), list):
            self.owed = {one["check_in_id"]: one["due_at"] for one in owed if _is_owed(one)}
        told = [self.statuses.told(one) for one in alerts if isinstance(one, dict)] if isinstance(alerts, list) else []
        new = self.inbox.take(messages) if isinstance(messages, list) else []
        return NewsOutcome(
            tuple(new),
            tuple(bodies.receipt(message.message_id, "delivered", at) for message in new),
            tuple(status for status in told if status),
        )

    def next_message(self, now: datetime) -> Message | None:
        """Return the first message that was not shown, marked when it has expired or is about a silent alert."""
        message = self.inbox.first(now)
        if message and (self.statuses.is_silent(message.alert_id) or self.statuses.is_silent(message.event_id)):
            return replace(message, silent=True)
        return message

    def raised(self, alert_id: str, kind: str, at: str, *, silent: bool | None = None) -> RaisedAlert:
        """Take an alert that was raised here: under duress it is silent whatever its kind."""
        status = self.statuses.raised(alert_id, kind, at, silent=silent is True or self.under_duress)
        self.under_duress = self.under_duress or self.statuses.has_duress()
        return status

    def _status(self, item: Item, verdict: AnswerVerdict, *, accepted: bool) -> RaisedAlert | None:
        if item.kind is not EventKind.ALERT:
            return None
        if accepted:
            return self.statuses.accepted(item.line, verdict.answer, is_cancel=item.is_cancel)
        return self.statuses.refused(item.line)


def _is_owed(one: Any) -> bool:
    return isinstance(one, dict) and isinstance(one.get("check_in_id"), str) and isinstance(one.get("due_at"), str)
