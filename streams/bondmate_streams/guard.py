"""The guard around every agent body: an event is acknowledged when it is settled, and only then.

faust acknowledges an event whose agent raised, also with `noack()` (faust-streaming issue 606), and a crashed agent
takes the stream with it. So nothing may escape an agent's body: what fails goes to the dead-letter topic with its
original bytes, and the event is acknowledged only when that topic has it. What may succeed later is tried again, and
what follows it under its key waits, or it would be overtaken.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

import structlog
from bondmate_monitoring.metrics import AGENT_EVENTS, AGENT_SECONDS, DEAD_LETTERS
from bondmate_schemas.codec import CodecError, SchemaUnavailableError
from bondmate_schemas.outbox import Outgoing

from bondmate_streams.envelopes import Arrived, dead_letter, utc_now
from bondmate_streams.lanes import KeyLocks

T = TypeVar("T")
_log = structlog.get_logger(__name__)
_FIRST_WAIT_SECONDS: Final = 0.05
_LONGEST_WAIT_SECONDS: Final = 5.0
_CAME: Final = "came"
_OWN: Final = "own"
"""Which locks a key is one of."""


class NotNowError(RuntimeError):
    """What the event needs does not work now: wait and try the event again."""


class BrokerUnavailableError(NotNowError):
    """The broker does not take records now."""


class StoreUnavailableError(NotNowError):
    """The store of a table takes or gives nothing now: its disk may be full."""


class BadEventError(ValueError):
    """The event decodes and can still never be handled: dead-letter it under `code`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Outbox(Protocol):
    """Where records go that must be durable."""

    def send(self, *outgoing: Outgoing) -> Awaitable[None]:
        """Begin to write records; to be awaited: it ends when the broker has acknowledged every one.

        Raises:
            BrokerUnavailableError: not now.
        """
        ...


async def both(first: Awaitable[None], second: Awaitable[None]) -> None:
    """Wait for both, which have begun, without a task each; raises what the first raised, else the second.

    Cancelled, it waits for neither: where no broker answers, a report may stay out for minutes.
    """
    try:
        await first
    except asyncio.CancelledError:
        rest = asyncio.ensure_future(second)
        rest.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        await asyncio.sleep(0)  # one that has not run a step cannot pass its end on to what it waits for
        rest.cancel()
        raise
    except BaseException:
        await second
        raise
    await second


@dataclass(frozen=True, slots=True)
class Event:
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

    def __init__(self, stage: str, outbox: Outbox) -> None:
        """Guard the agent of `stage`, whose dead letters go to `bondmate.dlq.<stage>`."""
        self.stage = stage
        self._outbox = outbox
        self._keys = KeyLocks()

    async def run(self, event: Event, body: Body) -> None:
        """Settle one event: run `body`, which gives the outcome for the metrics, then acknowledge.

        Events of one key are settled in the order of the calls: of the key they came under, and of their own where
        `body` gives an `InTurn`. Nothing but cancellation leaves this; a cancelled event is not acknowledged and comes
        again.
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
            return await self._buried(arrived, error.code)
        except Exception as error:  # noqa: BLE001  # the faust guard: see the module
            self._log_bug(arrived, error)
            return await self._buried(arrived, "agent_failed")

    def judged(self, record: T, body: Callable[[T], str], form: Callable[[T], Arrived]) -> tuple[str, Outgoing | None]:
        """Run `body` on one record of a batch: its outcome, and the dead letter where it failed.

        For the location lane, which settles a batch at once: the caller writes the dead letter before it commits.
        `form` gives the record as it arrived; only a dead letter asks for it.

        Raises:
            SchemaUnavailableError: a schema is not known now; wait and call again.
        """
        try:
            return body(record), None
        except SchemaUnavailableError:
            raise
        except (CodecError, BadEventError) as error:
            code = error.code
        except Exception as error:  # noqa: BLE001  # the guard of the lane
            self._log_bug(form(record), error)
            code = "lane_failed"
        return "dead_lettered", dead_letter(self.stage, form(record), stage=self.stage, code=code, now=utc_now())

    async def _tried(self, attempt: Callable[[], Awaitable[T]]) -> T:
        waits = Waits(self.stage)
        while True:
            try:
                return await attempt()
            except (SchemaUnavailableError, NotNowError) as error:
                await waits.wait("agent waits", type(error).__name__)

    async def _buried(self, arrived: Arrived, code: str) -> str:
        letter = dead_letter(self.stage, arrived, stage=self.stage, code=code, now=utc_now())
        waits = Waits(self.stage)
        while True:
            try:
                await self._outbox.send(letter)
            except Exception as error:  # noqa: BLE001  # without its dead letter the event is not settled
                await waits.wait("dead letter refused", type(error).__name__)
            else:
                DEAD_LETTERS.labels(self.stage, code).inc()
                return "dead_lettered"

    def _log_bug(self, arrived: Arrived, error: Exception) -> None:
        _log.error(
            "agent failed",
            stage=self.stage,
            topic=arrived.topic,
            partition=arrived.partition,
            offset=arrived.offset,
            error=type(error).__name__,
            at=place_of(error),
        )


def place_of(error: BaseException) -> str:
    """Give the file and the line where an error was raised; its text may quote what it must not."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    return f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else ""


class Waits:
    """Waits that grow, and tell the first of them in the log."""

    def __init__(self, stage: str) -> None:
        """Wait on behalf of `stage`."""
        self._stage = stage
        self._seconds = _FIRST_WAIT_SECONDS

    async def wait(self, event: str, error: str) -> None:
        """Wait before the next attempt."""
        if self._seconds == _FIRST_WAIT_SECONDS:
            _log.warning(event, stage=self._stage, error=error)
        await asyncio.sleep(self._seconds)
        self._seconds = min(self._seconds * 2, _LONGEST_WAIT_SECONDS)
