"""How a record leaves the runner's hands: with a receipt, as a dead letter, or passed over; and what is in hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from bondmate_kafka.records import SEALED_TRACE, Arrived, Headers, Outgoing, dead_letter
from bondmate_monitoring.step_log import LoggedStep
from bondmate_monitoring.tracing import TRACEPARENT
from bondmate_schemas.codec import CodecError
from bondmate_schemas.enums import DeliveryKind, DeliveryReason, Level
from bondmate_schemas.lateness import was_marked_late
from bondmate_schemas.models import Delivery

from bondmate_connectors.contract import Receipt
from bondmate_connectors.runtime.intake import ConsumedRecord
from bondmate_connectors.runtime.receipts import receipt_for
from bondmate_connectors.runtime.sink_tools import SinkTools

EXPIRED: Final = "expired"
"""Code of what is not sent because its time was over."""


class Settlement:
    """Writes what must be durable before a record may be committed, and settles it then."""

    def __init__(self, tools: SinkTools, dead_letters: str) -> None:
        self._tools = tools
        self._dead_letters = dead_letters
        self._writing: set[asyncio.Task[None]] = set()
        self._progress = asyncio.Event()
        self.busy = 0
        """Records in hand: being sent, or written of."""
        self._ended = False

    def open(self, group: asyncio.TaskGroup) -> None:
        """Begin; what takes time runs in `group`."""
        self._group = group

    def close(self) -> None:
        """Note that nothing can be written any more."""
        self._ended = True

    def cancel(self) -> None:
        """End what is still being written: its time is over."""
        for task in self._writing:
            task.cancel()

    def sent(self, record: ConsumedRecord, delivery: Delivery, receipt: Receipt, attempt: int) -> None:
        """Count what was sent, write its receipt, settle it."""
        now = self._tools.clock()
        # A refresh repeats an event that may be hours old: its age says nothing of the hub; and a drill is no event.
        fresh = delivery.reason is not DeliveryReason.REFRESH and not _is_beside(delivery) and not delivery.is_drill
        seconds = (now - delivery.header.received_at).total_seconds() if fresh else None
        self._tools.reports.sent(delivery.kind.value, delivery.reason.value, seconds)
        if was_marked_late(delivery):
            self._tools.reports.late(delivery.kind.value)
        self._confirm(record, delivery, receipt.level, attempt=attempt, platform_id=receipt.platform_id)

    def _confirm(
        self,
        record: ConsumedRecord,
        delivery: Delivery,
        level: Level,
        *,
        attempt: int,
        platform_id: str | None = None,
        code: str | None = None,
    ) -> None:
        """Write the receipt and settle when Kafka has it.

        Positions have no receipt, their metrics say enough; and nobody waits for the receipt of a receipt. That a room
        has news of the others does not say that it has the alert itself.
        """
        if _is_beside(delivery) or delivery.kind in {DeliveryKind.LOCATION, DeliveryKind.RECEIPT}:
            self._settle(record)
            return
        with LoggedStep("delivery settled", self._event_id(delivery), self._cause(record, delivery)) as logged:
            logged.destination, logged.level, logged.attempt = delivery.destination, level.value, attempt
            logged.outcome = code or delivery.reason.value
        confirmation = receipt_for(
            delivery, level, now=self._tools.clock(), attempt=attempt, platform_id=platform_id, code=code
        )
        message = self._tools.envelopes.pack(confirmation, logged.traceparent)
        self._begin(record)
        report = self._tools.outbox.send(message)
        report.add_done_callback(partial(self._confirmed, record, message))

    def _event_id(self, delivery: Delivery) -> str:
        return self._tools.envelopes.inside(delivery.destination, delivery.header.event_id)

    def _cause(self, record: ConsumedRecord, delivery: Delivery) -> Headers:
        """Return the trace that a Delivery is of: the streams have sealed it for its destination."""
        sealed = next((content for name, content in record.headers if name == SEALED_TRACE), None)
        if sealed is None:
            return record.headers
        opened = self._tools.envelopes.inside(delivery.destination, sealed.decode("ascii", "replace"))
        return ((TRACEPARENT, opened.encode()),)

    def _confirmed(self, record: ConsumedRecord, message: Outgoing, report: asyncio.Future[None]) -> None:
        failed = report.cancelled() or report.exception() is not None
        if failed and self._ended:
            return
        if failed:
            self._write(self._confirm_again(record, message))
            return
        self._settle(record)
        self._end(record)

    async def _confirm_again(self, record: ConsumedRecord, message: Outgoing) -> None:
        try:
            await self._tools.outbox.persist(message, partial(self._tools.reports.failed, "receipt"))
            self._settle(record)
        finally:
            self._end(record)

    def dead_letter(
        self, record: ConsumedRecord, stage: str, code: str, attempt: int, then: Callable[[], None]
    ) -> None:
        """Dead-letter a record, beside all else; `then` is called when that is durable."""
        self._tools.reports.failed(stage, code)
        self._write(self._write_dead_letter(record, stage, code, attempt, then))

    async def _write_dead_letter(
        self, record: ConsumedRecord, stage: str, code: str, attempt: int, then: Callable[[], None]
    ) -> None:  # fmt: skip
        with self.in_hand(record):
            arrived = Arrived(
                record.partition.topic, record.partition.number, record.offset, record.key, record.value, record.headers
            )
            letter = dead_letter(
                self._dead_letters, arrived, stage=stage, code=code, now=self._tools.clock(), connector=self._tools.name
            )
            await self._tools.outbox.persist(letter, partial(self._tools.reports.failed, "dead_letter"))
            self._dead_lettered(record, code, attempt)
            then()

    def _write(self, work: Coroutine[Any, Any, None]) -> None:
        """Write something that must become durable beside the workers; cancelled when the drain's time is over."""
        task = self._group.create_task(work)
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    def _dead_lettered(self, record: ConsumedRecord, code: str, attempt: int) -> None:
        if isinstance(record.content, CodecError):
            self._tools.reports.dead("UNREADABLE", code)
            self._settle(record)
        else:
            self._tools.reports.dead(record.content.kind.value, code)
            level = Level.EXPIRED if code == EXPIRED else Level.DEAD_LETTERED
            self._confirm(record, record.content, level, attempt=attempt, code=code)

    def pass_over(self, record: ConsumedRecord, reason: str) -> None:
        """Settle a record that is not sent, on purpose."""
        self._tools.reports.passed_over(reason)
        self._settle(record)

    def _settle(self, record: ConsumedRecord) -> None:
        partition = record.partition
        del partition.held[record.offset]
        partition.tracker.settle(record.offset)
        partition.released += 1

    def _begin(self, record: ConsumedRecord) -> None:
        record.partition.busy += 1
        record.partition.started = max(record.partition.started, record.offset)
        self.busy += 1

    def _end(self, record: ConsumedRecord) -> None:
        record.partition.busy -= 1
        self.busy -= 1
        self._progress.set()

    @contextmanager
    def in_hand(self, record: ConsumedRecord) -> Iterator[None]:
        """Count a record as in hand, so that its partition is not given up under it."""
        self._begin(record)
        try:
            yield
        finally:
            self._end(record)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds; it is asked whenever something comes out of hand."""
        while not condition():
            self._progress.clear()
            await self._progress.wait()


def _is_beside(delivery: Delivery) -> bool:
    """Return whether a Delivery of an alert tells what goes on beside it: where its device is, what others said."""
    return delivery.position_only or delivery.is_of_others_only
