"""Where the agents' records become durable: librdkafka's producer, many times cheaper than faust's a record.

A producer beside faust's is safe here because no event is acknowledged before `send` has returned, and `send` returns
on the delivery reports.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from types import TracebackType
from typing import Self

from bondmate_schemas import outbox
from bondmate_schemas.kafka import KafkaConfig
from bondmate_schemas.outbox import NotWritten, Outgoing, Place

from bondmate_streams.guard import BrokerUnavailableError


class KafkaOutbox:
    """Writes records in the order given; an async context manager."""

    def __init__(self, kafka: KafkaConfig, client_id: str) -> None:
        self._outbox = outbox.Outbox({**kafka.producer(client_id), "log_level": 0})

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
        """Begin to write records; what is given ends when the broker has acknowledged every one.

        Raises:
            BrokerUnavailableError: when awaited: not now; some may have been written.
        """
        return _written(self._outbox.send_all(outgoing))


async def _written(report: asyncio.Future[None]) -> None:
    try:
        await report
    except NotWritten as error:
        raise BrokerUnavailableError(error.code) from error
