"""Show a view all that is kept of some topics, from the start, and go on; commits nothing."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, cast

from bondmate_kafka.client import (
    Consumer,
    KafkaException,
    Message,
    is_end_of_partition,
    is_fatal,
)
from bondmate_kafka.config import QUIET, KafkaConfig
from bondmate_kafka.consumer import from_the_beginning, open_consumer, partitions
from bondmate_kafka.partitions import partition_of
from bondmate_kafka.records import headers_of
from bondmate_kafka.threads import in_thread
from bondmate_monitoring.tracing import TRACEPARENT, carrying
from bondmate_schemas import catalogue
from bondmate_schemas.codec import RECORDS, Codec, CodecError, SchemaUnavailableError
from bondmate_schemas.models import Record

from bondmate_connectors.replay import Replay
from bondmate_connectors.runtime.reports import Reports
from bondmate_connectors.runtime.settings import RunnerSettings
from bondmate_connectors.runtime.view_lag import ViewLag

_SCHEMA_AGAIN_SECONDS = 2.0
_BATCH = 500
_GATHER_MS = 50
"""What a view shows is this old at most."""
_Seen = tuple[str, str, Record | None]


class ReplayRunner:
    """Feed one view; `caught_up` is set when it has seen all that stood on the topics at the start."""

    def __init__(
        self,
        view: Replay,
        topics: Sequence[str],
        *,
        config: dict[str, Any],
        codec: Codec,
        reports: Reports,
        settings: RunnerSettings,
    ) -> None:
        self._view = view
        self._kinds = {topic: RECORDS[_record_of(topic)] for topic in topics}
        self._config = config
        self._codec = codec
        self._reports = reports
        self._settings = settings
        self._stopping = threading.Event()
        self.caught_up = asyncio.Event()
        self._lag = ViewLag(topics)

    async def run(self, stop: asyncio.Event) -> None:
        """Show records until `stop`.

        Raises:
            KafkaException: the consumer cannot go on.
        """
        self._loop = asyncio.get_running_loop()
        reading = in_thread("replay", self._run)
        stopping: asyncio.Future[Any] = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait((reading, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._stopping.set()
            stopping.cancel()
            await asyncio.wait({reading}, timeout=self._settings.close_seconds)
        if reading.done():
            reading.result()

    async def _show(self, batch: Sequence[tuple[_Seen, bytes | None]]) -> None:
        for (topic, key, record), traceparent in batch:
            with carrying(traceparent):
                await self._view.see(topic, key, record)

    # All below runs in the thread.

    def _run(self) -> None:
        consumer = open_consumer(self._config)
        try:
            places = set(partitions(consumer, self._kinds))
            consumer.assign(from_the_beginning(places))
            self._counts = Counter(topic for topic, _ in places)
            self._read(consumer, places)
        finally:
            consumer.close()

    def _read(self, consumer: Consumer, behind: set[tuple[str, int]]) -> None:
        """Read on and on; `behind` are the partitions whose end was not reached yet."""
        places = frozenset(behind)
        while not self._stopping.is_set():
            if not behind and not self.caught_up.is_set():
                self._loop.call_soon_threadsafe(self.caught_up.set)
                self._lag.caught_up()
            messages = self._poll(consumer)
            records = [message for message in messages if not message.error()]
            self._lag.taken(records)
            self._see(records)
            self._lag.shown(consumer, places, messages)
            behind -= {(message.topic(), message.partition()) for message in messages if is_end_of_partition(message)}

    def _poll(self, consumer: Consumer) -> list[Message]:
        first = consumer.poll(self._settings.poll_seconds)
        messages = [] if first is None else [first, *consumer.consume(_BATCH - 1, 0)]
        for message in messages:
            if (error := message.error()) and is_fatal(error):
                raise KafkaException(error)
        return messages

    def _see(self, messages: Sequence[Message]) -> None:
        batch = [(seen, _traceparent(message)) for message in messages for seen in self._decode(message)]
        if batch:
            # Waiting here is the backpressure; a stop must not wait for a view that hangs.
            shown = asyncio.run_coroutine_threadsafe(self._show(batch), self._loop)
            while not self._stopping.is_set() and not _is_done(shown, self._settings.poll_seconds):
                pass
            shown.cancel()

    def _is_home(self, message: Message) -> bool:
        """Whether a tombstone is of the key's own partition: in another, it clears away what should not be there."""
        key = message.key() or b""
        return partition_of(key, self._counts[str(message.topic())]) == message.partition()

    def _decode(self, message: Message) -> list[_Seen]:
        """Return the record; one that cannot be read is counted and left out, since a view has no dead letters."""
        topic, key = str(message.topic()), (message.key() or b"").decode(errors="replace")
        value = message.value()
        if value is None:
            return [(topic, key, None)] if self._is_home(message) else []
        if not self._view.concerns(topic, value):
            return []
        while not self._stopping.is_set():
            try:
                return [(topic, key, self._codec.decode(value, self._kinds[topic]))]
            except CodecError as error:
                self._loop.call_soon_threadsafe(self._reports.failed, "replay", error.code)
                break
            except SchemaUnavailableError:
                self._stopping.wait(_SCHEMA_AGAIN_SECONDS)
        return []


def _traceparent(message: Message) -> bytes | None:
    pairs = cast("list[tuple[str, str | bytes | None]]", message.headers() or [])
    return next((value for name, value in headers_of(pairs) if name == TRACEPARENT), None)


def replay_consumer(kafka: KafkaConfig, name: str, role_id: str) -> dict[str, Any]:
    """Return the settings of a consumer that joins no group."""
    config = kafka.consumer(f"bondmate-{name}-replay", f"{role_id}-{name}-replay", gather_ms=_GATHER_MS)
    del config["group.instance.id"]
    return {**config, **QUIET, "enable.partition.eof": True}


def _record_of(topic: str) -> str:
    found = next(t.record for t in catalogue.topics() if t.name == topic)
    if found is None:
        raise ValueError(f"{topic} carries no record of the hub")
    return found


def _is_done(work: Future[None], seconds: float) -> bool:
    """Wait so long for `work`; raises what it raised."""
    try:
        work.result(seconds)
    except TimeoutError:
        return False
    return True
