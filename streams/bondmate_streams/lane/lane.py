"""What is done with a batch of positions, from its records to the broker's word for all that came of it."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import InitVar, dataclass
from datetime import datetime

import structlog
from bondmate_kafka.client import Message
from bondmate_kafka.records import Envelopes, Outgoing
from bondmate_monitoring.metrics import CONNECTOR_PASSED_OVER, DEAD_LETTERS, LANE_FIXES, ROUTED, UNROUTED, UNTAKEN
from bondmate_schemas.catalogue import AUDIT, LAST_LOCATION, locations_topic
from bondmate_schemas.codec import Codec

from bondmate_streams.lane.batch import BatchEngine, BatchResult, Keyed
from bondmate_streams.lane.disclosures import Disclosures
from bondmate_streams.lane.rows import STAGE, SUPERSEDED
from bondmate_streams.lane.sender import BatchProducer
from bondmate_streams.logic.audit import Chain
from bondmate_streams.logic.policy import WITHHELD

_log = structlog.get_logger(__name__)


@dataclass(eq=False)
class LocationLane:
    """Works batches and writes what comes of them; knows no consumer.

    The last fixes of a batch are written after its deliveries have arrived, never before: so nobody ever remembers of
    a device what no destination was told.
    """

    engine: BatchEngine
    codec: InitVar[Codec]
    chain: Chain
    """Where the audit trail of this lane stands."""
    sender: BatchProducer
    disclosures: Disclosures
    audit_seconds: float
    untaken: Collection[str] = ()
    """As in `LaneConfig`."""

    def __post_init__(self, codec: Codec) -> None:
        self._envelopes = Envelopes(codec)
        for destination in self.untaken:
            UNTAKEN.labels(destination, "LOCATION")
        self._log_at = time.monotonic() + self.audit_seconds
        self._last: list[Keyed] = []
        self._ended: list[tuple[bytes, int]] = []

    def recall(self, messages: Sequence[Message]) -> None:
        """Judge what another lane delivered: its devices are remembered, and their last fixes go with the next batch.

        Raises:
            SchemaUnavailableError: the registry does not answer; nothing was done.
        """
        worked = self.engine.work(messages)
        worked.remember()
        self._last += worked.last
        self._ended += worked.ended_shifts

    def work(self, messages: Sequence[Message]) -> BatchResult:
        """Work a batch; nothing of it is remembered or written before it is given to `write`.

        Raises:
            SchemaUnavailableError: the registry does not answer; nothing was done.
        """
        return self.engine.work(messages)

    def write(self, worked: BatchResult) -> None:
        """Begin to write what came of a batch, and the last fixes of those before it."""
        worked.remember()
        self._write_down()
        for delivered in worked.deliveries:
            self.sender.begin_all(locations_topic(delivered.destination), delivered.records)
        for again in (*worked.moved, *worked.dead_letters):
            self.sender.begin(again)
        self.disclosures.add(*worked.disclosed)
        self._last, self._ended = worked.last, worked.ended_shifts
        _count(worked, self.untaken)

    def forget_last(self) -> None:
        """Write no last fixes of the batches before: their partitions are another's, who has newer ones."""
        self._last, self._ended = [], []

    def _write_down(self) -> None:
        self.sender.begin_all(LAST_LOCATION, self._last)
        for key, at_ms in self._ended:
            self.sender.end_shift(LAST_LOCATION, key, at_ms)
        self._last, self._ended = [], []

    def settle(self, *, everything: bool = False) -> bool:
        """Wait until the broker has what was begun, so that it may be committed; False when not now: call again.

        The last fixes of the batch go with the next one, unless `everything` is asked for.
        """
        if not self.sender.finish() or not self._kept():
            return False
        if everything and (self._last or self._ended):
            self._write_down()
            return self.sender.finish()
        return True

    def _kept(self) -> bool:
        try:
            self.disclosures.keep()
        except OSError as error:
            _log.warning("lane waits for its disk", error=error.strerror)
            return False
        return True

    def audit(self, now: datetime, *, last: bool = False) -> bool:
        """Log what was disclosed, when it is time; False when not now: call again."""
        if not last and time.monotonic() < self._log_at:
            return True
        self._log_at = time.monotonic() + self.audit_seconds
        for entry in self.disclosures.entries():
            self.chain, record = self.chain.append(entry, now)
            self.sender.begin(self._envelopes.pack(AUDIT, record.writer, record))
        if not self.sender.finish():
            return False
        self.disclosures.logged()
        return True

    def close(self) -> None:
        """Release what it holds."""
        self.sender.close()
        self.disclosures.close()


def _count(worked: BatchResult, untaken: Collection[str]) -> None:
    for letter in worked.dead_letters:
        DEAD_LETTERS.labels(STAGE, _code(letter)).inc()
    for outcome, count in worked.outcomes.items():
        LANE_FIXES.labels(outcome).inc(count)
    for delivered in worked.deliveries:
        ROUTED.labels(delivered.destination, "LOCATION", "NEW").inc(len(delivered.records))
        if delivered.destination in untaken:
            UNTAKEN.labels(delivered.destination, "LOCATION").inc(len(delivered.records))
    for destination, count in worked.passed_over.items():
        CONNECTOR_PASSED_OVER.labels(destination, SUPERSEDED).inc(count)
    for destination, count in worked.withheld.items():
        CONNECTOR_PASSED_OVER.labels(destination, WITHHELD).inc(count)
    if worked.unrouted:
        UNROUTED.labels("DeviceLocation", "no_route").inc(worked.unrouted)


def _code(letter: Outgoing) -> str:
    return next((value or b"").decode() for name, value in letter.headers if name == "bondmate.error.code")
