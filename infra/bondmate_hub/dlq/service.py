"""What people do with dead letters: replay, quarantine, discard, look inside; each leaves its decision or audit record.

Order of writing, so that a kill between any two lines repeats and never loses: a replayed record before its decision,
an audit record before what it is about (docs/adr/0011).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import InitVar, dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Final, Protocol

from bondmate_kafka.records import Envelopes, Outgoing
from bondmate_schemas.catalogue import AUDIT, DEAD_LETTER_DECISIONS
from bondmate_schemas.codec import Codec
from bondmate_schemas.enums import AuditAction
from bondmate_schemas.models import DeadLetterDecision
from bondmate_streams.logic.audit import AuditEntry, Chain

from bondmate_hub.dlq.kafka_io import DeadLetterError
from bondmate_hub.dlq.model import DeadLetter, LetterState
from bondmate_hub.dlq.plan import InOrder, ReplayPlan, ordering_key_of, waves

BATCH: Final = 200
"""How many letters at most are replayed a second time after a kill."""
_Item = tuple[DeadLetter, Outgoing]


@dataclass(slots=True)
class ReplayOutcome:
    """What became of a replay: how many letters went, which did not, by code, and how many waited behind those."""

    replayed: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    held_back: int = 0


@dataclass(frozen=True, slots=True)
class Operator:
    """Who acts, and why."""

    name: str
    reason: str = ""


class Writes(Protocol):
    """Where records go that must be durable."""

    def write(self, messages: Sequence[Outgoing]) -> list[str | None]:
        """Write all and return, for each in its order, None when it is durable, else an error code."""
        ...


@dataclass(eq=False)
class DeadLetterService:
    """Acts on dead letters for one operator."""

    writer: Writes
    codec: InitVar[Codec]
    operator: Operator
    clock: Callable[[], datetime]
    chain: Callable[[], Chain]
    """Called once, to read where the operator's audit chain ends."""
    _chain: Chain | None = field(default=None, init=False)

    def __post_init__(self, codec: Codec) -> None:
        self._envelopes = Envelopes(codec)

    def replay(
        self,
        plan: ReplayPlan,
        records: Iterable[tuple[DeadLetter, Outgoing]],
        progress: Callable[[int], None] = lambda _: None,
    ) -> ReplayOutcome:
        """Send the plan's letters back where they came from, then write down what was quarantined.

        Args:
            plan: what to do.
            records: every letter that lies there, with its record.
            progress: called with how many letters more have been dealt with.

        Raises:
            DeadLetterError: the broker took records and not the decisions on them: call again.
        """
        outcome = ReplayOutcome()
        stuck: set[object] = set()
        going = _in_order(plan, records)
        for batch in iter(lambda: list(islice(going, BATCH)), []):
            gone = self._send(batch, stuck, outcome)
            self.decide(gone, LetterState.REPLAYED)
            outcome.replayed += len(gone)
            progress(len(batch))
        self.decide(plan.quarantine, LetterState.QUARANTINED)
        return outcome

    def _send(self, batch: Sequence[_Item], stuck: set[object], outcome: ReplayOutcome) -> list[DeadLetter]:
        """Send a batch key by key in order; a key whose record the broker refuses is `stuck`, and waits whole."""
        gone: list[DeadLetter] = []
        for wave in waves(batch):
            free = [item for item in wave if ordering_key_of(item[0]) not in stuck]
            outcome.held_back += len(wave) - len(free)
            for (letter, _), code in zip(free, self.writer.write([record for _, record in free]), strict=True):
                if code is None:
                    gone.append(letter)
                else:
                    stuck.add(ordering_key_of(letter))
                    outcome.failed[code] += 1
        return gone

    def discard(self, letters: Sequence[DeadLetter], progress: Callable[[int], None] = lambda _: None) -> None:
        """Put letters aside for good; each is audited first.

        Raises:
            DeadLetterError: the broker does not take it: call again.
        """
        for start in range(0, len(letters), BATCH):
            batch = letters[start : start + BATCH]
            self._audit([self._entry(letter, AuditAction.OTHER, "dead_letter.discarded") for letter in batch])
            self.decide(batch, LetterState.DISCARDED)
            progress(len(batch))

    def disclosed(self, letter: DeadLetter, event_id: str | None = None, subjects: tuple[str, ...] = ()) -> None:
        """Write down that the operator sees the content of `letter`; only then may it be shown.

        Args:
            letter: whose content it is.
            event_id: the event inside, where it can be read; else the letter's own id stands for it.
            subjects: the people concerned, as keyed pseudonyms.

        Raises:
            DeadLetterError: the broker does not take it: show nothing.
        """
        entry = self._entry(letter, AuditAction.CONSULTATION, "dead_letter.value")
        self._audit([replace(entry, event_id=event_id or letter.id, subjects=subjects)])

    def decide(self, letters: Sequence[DeadLetter], standing: LetterState) -> None:
        """Write the decision on each letter.

        Raises:
            DeadLetterError: the broker does not take it: call again.
        """
        count = int(standing is LetterState.REPLAYED)
        self._write([
            self._envelopes.pack(
                DEAD_LETTER_DECISIONS,
                letter.id,
                DeadLetterDecision(
                    letter_id=letter.id, decision=standing.value, at=self.clock(), count=letter.replays + count,
                    justification=self.operator.reason, operator=self.operator.name,
                ),
            )
            for letter in letters
        ])  # fmt: skip

    def _entry(self, letter: DeadLetter, action: AuditAction, what: str) -> AuditEntry:
        return AuditEntry(action, self.operator.name, letter.id, fields=(what,), purpose=self.operator.reason)

    def _audit(self, entries: Iterable[AuditEntry]) -> None:
        chain = self._chain or self.chain()
        records = []
        for entry in entries:
            chain, record = chain.append(entry, self.clock())
            records.append(self._envelopes.pack(AUDIT, record.writer, record))
        self._write(records)
        self._chain = chain

    def _write(self, records: Sequence[Outgoing]) -> None:
        if code := next(filter(None, self.writer.write(records)), None):
            raise DeadLetterError(f"the broker does not take it: {code}; call again when it does, nothing is lost")


def _in_order(plan: ReplayPlan, records: Iterable[_Item]) -> Iterator[_Item]:
    order: InOrder[Outgoing] = InOrder(plan.replay)
    for letter, record in records:
        yield from order.take(letter.id, record)
    yield from order.rest()
