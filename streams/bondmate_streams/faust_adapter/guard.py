"""The guard around every agent body: an event is acknowledged when it is settled, and only then.

faust acknowledges an event whose agent raised, also with `noack()` (faust-streaming issue 606), and a crashed agent
takes the stream with it. So nothing may escape an agent's body: what fails goes to the dead-letter topic with its
original bytes, and the event is acknowledged only when that topic has it. What may succeed later is tried again, and
what follows it under its key waits, or it would be overtaken.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from bondmate_kafka.records import Arrived, dead_letter, utc_now
from bondmate_monitoring.metrics import AGENT_EVENTS, AGENT_SECONDS, DEAD_LETTERS
from bondmate_schemas.codec import CodecError, SchemaUnavailableError

from bondmate_streams.errors import BadEventError, NotNowError, log_fault
from bondmate_streams.faust_adapter.back_off import BackOff
from bondmate_streams.faust_adapter.key_locks import KeyLocks
from bondmate_streams.faust_adapter.record_writer import RecordWriter

T = TypeVar("T")
_CAME: Final = "came"
_OWN: Final = "own"
"""Which locks a key is one of."""


@dataclass(frozen=True, slots=True)
class GuardedEvent:
    """An event in an agent's hands: what arrived, and how to acknowledge it."""

    arrived: Arrived
    acknowledge: Callable[[], object]


@dataclass(frozen=True, slots=True)
class InTurn:
    """What is left to do of an event once it was read: `work`, in the order of its own key, whatever it came under."""

    key: bytes = field(repr=False)
    work: Callable[[], Awaitable[str]]


Body = Callable[[Arrived], Awaitable[str | InTurn]]


class Guard:
    """Runs the bodies of one agent."""

    def __init__(self, stage: str, writer: RecordWriter) -> None:
        """Guard the agent of `stage`, whose dead letters go to `bondmate.dlq.<stage>`."""
        self.stage = stage
        self._writer = writer
        self._keys = KeyLocks()

    async def run(self, event: GuardedEvent, body: Body) -> None:
        """Settle one event: run `body`, which returns the outcome for the metrics, then acknowledge.

        Events of one key are settled in the order of the calls: of the key they came under, and of their own where
        `body` returns an `InTurn`. Nothing but cancellation leaves this; a cancelled event is not acknowledged and
        comes again.
        """
        started = time.monotonic()
        async with self._keys.holding(_CAME, event.arrived.key):
            outcome = await self._outcome(event.arrived, lambda: body(event.arrived))
            # Its place among those of its own key is taken while none that came after it can have been read.
            turn = self._keys.holding(_OWN, outcome.key) if isinstance(outcome, InTurn) else None
        if turn is not None and isinstance(outcome, InTurn):
            async with turn:
                outcome = await self._outcome(event.arrived, outcome.work)
        event.acknowledge()
        AGENT_EVENTS.labels(self.stage, outcome).inc()
        AGENT_SECONDS.labels(self.stage).observe(time.monotonic() - started)

    async def _outcome(self, arrived: Arrived, attempt: Callable[[], Awaitable[T]]) -> T | str:
        """Try until it is done; what can never be done is a dead letter, and that its outcome."""
        try:
            return await self._tried(attempt)
        except (CodecError, BadEventError) as error:
            return await self._dead_lettered(arrived, error.code)
        except Exception as error:  # noqa: BLE001  # the faust guard: see the module
            log_fault(self.stage, arrived, error)
            return await self._dead_lettered(arrived, "agent_failed")

    async def _tried(self, attempt: Callable[[], Awaitable[T]]) -> T:
        back_off = BackOff(self.stage)
        while True:
            try:
                return await attempt()
            except (SchemaUnavailableError, NotNowError) as error:
                await back_off.wait("agent waits", type(error).__name__)

    async def _dead_lettered(self, arrived: Arrived, code: str) -> str:
        letter = dead_letter(self.stage, arrived, stage=self.stage, code=code, now=utc_now())
        back_off = BackOff(self.stage)
        while True:
            try:
                await self._writer.send(letter)
            except Exception as error:  # noqa: BLE001  # without its dead letter the event is not settled
                await back_off.wait("dead letter refused", type(error).__name__)
            else:
                DEAD_LETTERS.labels(self.stage, code).inc()
                return "dead_lettered"
