"""What becomes of a record by how its sending ended: settled, tried again later, or given up as a dead letter.

Each verb here ends one attempt. It says so to the circuit breaker, which learns from it whether the platform takes
anything, and to the suspects, which learn whether this one event is the trouble. Then the line of its key goes on:

| the sink | the platform | the event |
|---|---|---|
| returned a receipt | works | settled with its receipt |
| raised `NotConnected` | the link is down | again when it is up; alone, once it is suspected; a proven killer ends |
| raised `AuthFailed` | refuses us; one at a time asks | waits; when it alone is refused, tries some times and ends |
| raised `Rejected` | works | once more in its leanest form if it is an alert, then it ends |
| raised `Transient`, or took too long | is troubled | again after the back-off, for ever |
| raised `Throttled` | asks everybody to wait | again after that |
| raised anything else | unknown | the connector stops; a proven killer ends |

To end means a dead letter, or for a mere position to be passed over.
"""

from __future__ import annotations

from functools import partial

from bondmate_schemas.enums import DeliveryKind
from bondmate_schemas.models import Delivery

from bondmate_connectors.contract import LeanSink, Receipt
from bondmate_connectors.errors import AuthFailed, NotConnected, Rejected, Throttled, Transient
from bondmate_connectors.runtime.circuit_breaker import Attempt, CircuitBreaker
from bondmate_connectors.runtime.intake import ConsumedRecord
from bondmate_connectors.runtime.keyed_queue import KeyedQueue, KeyLine
from bondmate_connectors.runtime.reports import code_of
from bondmate_connectors.runtime.settlement import EXPIRED, Settlement
from bondmate_connectors.runtime.sink_tools import SinkTools
from bondmate_connectors.runtime.suspects import Suspect, SuspectVerdict

SUPERSEDED = "superseded"


class Outcomes:
    """Ends attempts, each by the verb that says how it went."""

    def __init__(
        self, tools: SinkTools, queue: KeyedQueue[ConsumedRecord], breaker: CircuitBreaker, settlement: Settlement
    ) -> None:
        self._tools = tools
        self._queue = queue
        self._breaker = breaker
        self._settlement = settlement

    def sent(self, line: KeyLine[ConsumedRecord], attempt: Attempt, delivery: Delivery, receipt: Receipt) -> None:
        """Settle the head, which the platform has taken."""
        self._took(line, attempt)
        self._tools.suspects.taken(_suspect(line))
        self._settlement.sent(line.head, delivery, receipt, line.attempts + 1)
        self._queue.finish(line)

    def _took(self, line: KeyLine[ConsumedRecord], attempt: Attempt) -> None:
        """Note that the platform has answered for good; what waited for that goes on."""
        self._tools.link.worked()
        if self._breaker.worked(line, attempt):
            for breaker in self._tools.breakers:
                breaker.relieved()
            self._queue.wake()

    def disconnected(
        self, line: KeyLine[ConsumedRecord], attempt: Attempt, error: NotConnected, generation: int, *, alone: bool
    ) -> None:  # fmt: skip
        """Go on when the link is back, at once; an event at which it breaks again and again steps aside."""
        self._tools.reports.failed("send", error)
        line.attempts += 1
        verdict = self._broke(line, alone=alone)
        # All that was under way fails with the link; that is one failure.
        if self._tools.link.lost(generation, error):
            self._breaker.failed(line, attempt, code_of(error))
        else:
            self._breaker.withdrawn(attempt)
        if verdict is SuspectVerdict.GUILTY:
            self._convict(line)
        elif line.attempts == 1:
            self._queue.again(line)
        else:
            self._set_aside(line, self._tools.settings.backoff.seconds(line.attempts - 1), may_wake=True)

    def crashed(self, line: KeyLine[ConsumedRecord], attempt: Attempt, *, alone: bool) -> bool:
        """Note that the connector crashes at the head; return whether that event ends here, and not the connector."""
        if self._broke(line, alone=alone) is not SuspectVerdict.GUILTY:
            return False
        self._breaker.withdrawn(attempt)
        self._convict(line)
        return True

    def refused(self, line: KeyLine[ConsumedRecord], attempt: Attempt, error: AuthFailed) -> None:
        """Wait until the platform takes us again; an event that alone is refused steps aside, and ends some time."""
        self._tools.reports.failed("send", error)
        if self._is_revoked(line, attempt):
            return
        line.attempts += 1
        suspects = self._tools.suspects
        verdict = suspects.refused(_suspect(line), error.code, may_lean=self._may_lean(line.head))
        if verdict is SuspectVerdict.OPEN:
            self._set_aside(line, self._breaker.refused(line, attempt, error), may_wake=True)
            return
        self._breaker.stands_alone(line, attempt, error.code)
        if verdict is SuspectVerdict.ALONE:
            seconds = self._tools.settings.refused.seconds(suspects.tries(line.head.event_id))
            self._set_aside(line, seconds, may_wake=False)
        else:
            self._try_lean_or_convict(line, verdict)

    def rejected(self, line: KeyLine[ConsumedRecord], attempt: Attempt, error: Rejected) -> None:
        """End the head, which the platform will never take as it is; an alert is tried in its leanest form first."""
        self._took(line, attempt)
        content = line.head.content
        if isinstance(content, Delivery) and content.position_only:
            # The alert itself has its dead letter; its positions would be one a second, each with a place.
            self._tools.reports.failed("send", error)
            self.pass_over_head(line, "rejected")
            return
        verdict = self._tools.suspects.rejected(_suspect(line), error.code, may_lean=self._may_lean(line.head))
        if verdict is SuspectVerdict.LEAN:
            line.attempts += 1
            self._tools.reports.failed("send", error)
        self._try_lean_or_convict(line, verdict)

    def not_now(self, line: KeyLine[ConsumedRecord], attempt: Attempt, error: Transient | TimeoutError) -> None:
        """Try the head again later, by the back-off or when the platform says; one that throttles holds all keys."""
        self._tools.reports.failed("send", error)
        if self._is_revoked(line, attempt):
            return
        line.attempts += 1
        asked = getattr(error, "retry_after", None)
        wait = self._tools.settings.backoff.seconds(line.attempts, asked)
        if isinstance(error, Throttled) and not self._breaker.is_own_trouble(line):
            for breaker in self._tools.breakers:
                breaker.throttled(wait, attempt if breaker is self._breaker else None, code_of(error))
            self._set_aside(line, min(wait, self._breaker.wait_seconds()), may_wake=True)
        else:
            self._breaker.failed(line, attempt, code_of(error))
            self._set_aside(line, wait, may_wake=asked is None)

    # What was not sent on purpose, and what ends.

    def unwanted(self, line: KeyLine[ConsumedRecord], record: ConsumedRecord, code: str, *, is_position: bool) -> None:
        """End a record that is not to be sent, by `code`; a position or a drill that is late leaves no dead letter."""
        content = record.content
        may_lapse = isinstance(content, Delivery) and (content.position_only or content.is_drill)
        if code == EXPIRED and (is_position or may_lapse):
            self.pass_over(record, code)
            self._queue.finish(line)
        else:
            self.dead_letter(line, record, "accept", code)

    def pass_over(self, record: ConsumedRecord, reason: str = SUPERSEDED) -> None:
        """Settle a record that is no longer in the queue and will not be sent."""
        self._tools.suspects.forget(record.event_id)
        self._settlement.pass_over(record, reason)

    def pass_over_head(self, line: KeyLine[ConsumedRecord], reason: str = SUPERSEDED) -> None:
        """Settle the head, which will not be sent, and go on with the next of its key."""
        self._settlement.pass_over(line.head, reason)
        self._given_up(line, line.head)

    def dead_letter(self, line: KeyLine[ConsumedRecord], record: ConsumedRecord, stage: str, code: str) -> None:
        """Dead-letter the head of `line`, which waits for that; other lines do not."""
        self._settlement.dead_letter(record, stage, code, line.attempts + 1, partial(self._given_up, line, record))

    def _given_up(self, line: KeyLine[ConsumedRecord], record: ConsumedRecord) -> None:
        self._tools.suspects.forget(record.event_id)
        self._breaker.given_up(line)
        self._queue.finish(line)

    def _convict(self, line: KeyLine[ConsumedRecord]) -> None:
        """Dead-letter the head with the code of what it is guilty of."""
        self.dead_letter(line, line.head, "send", self._tools.suspects.code_of(line.head.event_id))

    def _try_lean_or_convict(self, line: KeyLine[ConsumedRecord], verdict: SuspectVerdict) -> None:
        if verdict is SuspectVerdict.LEAN:
            self._queue.again(line)
        else:
            self._convict(line)

    def _set_aside(self, line: KeyLine[ConsumedRecord], seconds: float, *, may_wake: bool) -> None:
        """Let a line wait, unless its head was only a position update and the alert itself has come behind it."""
        if self._queue.is_outdated(line):
            self.pass_over_head(line)
        else:
            self._queue.park(line, seconds, may_wake=may_wake)

    def _is_revoked(self, line: KeyLine[ConsumedRecord], attempt: Attempt) -> bool:
        """Whether another process has the head's partition by now; the line ends here then."""
        if not line.head.partition.revoked:
            return False
        self._breaker.withdrawn(attempt)
        self._queue.finish(line)
        return True

    def _broke(self, line: KeyLine[ConsumedRecord], *, alone: bool) -> SuspectVerdict:
        """Note for the suspects that the link broke, or the connector, with the head on it."""
        return self._tools.suspects.broke(_suspect(line), alone=alone, may_lean=self._may_lean(line.head))

    def _may_lean(self, record: ConsumedRecord) -> bool:
        is_news = isinstance(record.content, Delivery) and not record.content.position_only
        return is_news and record.kind == DeliveryKind.ALERT.value and isinstance(self._tools.sink, LeanSink)


def _suspect(line: KeyLine[ConsumedRecord]) -> Suspect:
    return Suspect(line.head.event_id, line.key, line.head.kind)
