"""Where the agents' records become durable: librdkafka's producer, many times cheaper than faust's a record.

A producer beside faust's is safe here because no event is acknowledged before `send` has returned, and `send` returns
on the delivery reports.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from types import TracebackType
from typing import Protocol, Self

from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.producer import NotWritten, Outbox, Place
from bondmate_kafka.records import Outgoing

from bondmate_streams.errors import BrokerUnavailableError


class RecordWriter(Protocol):
    """Where records go that must be durable."""

    def send(self, *outgoing: Outgoing) -> Awaitable[None]:
        """Begin to write records; to be awaited: it ends when the broker has acknowledged every one.

        Raises:
            BrokerUnavailableError: not now.
        """
        ...


class KafkaWriter:
    """Writes records in the order given; an async context manager."""

    def __init__(self, kafka: KafkaConfig, client_id: str) -> None:
        self._outbox = Outbox(kafka.producer(client_id))

    async def __aenter__(self) -> Self:
        await self._outbox.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._outbox.__aexit__(kind, error, trace)

    def begin(self, record: Outgoing, partition: int) -> asyncio.Future[Place]:
        """Begin to write one record to a partition; the future tells its place, or raises `NotWritten`."""
        return self._outbox.send(record, partition)

    def send(self, *outgoing: Outgoing) -> Awaitable[None]:
        """Begin to write records; what is returned ends when the broker has acknowledged every one.

        Raises:
            BrokerUnavailableError: when awaited: not now; some may have been written.
        """
        return _written(self._outbox.send_all(outgoing))


async def _written(report: asyncio.Future[None]) -> None:
    try:
        await report
    except NotWritten as error:
        raise BrokerUnavailableError(error.code) from error


async def gather_both(first: Awaitable[None], second: Awaitable[None]) -> None:
    """Wait for two writes that have begun, without a task each; of two errors the first write's is raised.

    Both are waited for before an error is raised. Cancelled, it waits for neither: where no broker answers, a report
    may stay out for minutes.
    """
    try:
        await first
    except asyncio.CancelledError:
        rest = asyncio.ensure_future(second)
        rest.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        await asyncio.sleep(0)  # one that has not run a step cannot pass its end on to what it waits for
        rest.cancel()
        raise
    except Exception:
        with contextlib.suppress(Exception):  # the first error tells what to do with the event
            await second
        raise
    await second
