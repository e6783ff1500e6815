"""Copies of other workers' partitions of the tables: whoever takes one over has only its last moments to read.

A worker reads every changelog to its end before it joins the group, and goes on with those of partitions that are not
its own: others stand still for a rebalance, not for the building of its tables. Why not faust's standbys: ADR 14.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import structlog
from bondmate_kafka.client import OFFSET_BEGINNING, Consumer, Message, Place, TopicPartition, is_end_of_partition
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.consumer import open_consumer

from bondmate_streams.errors import StoreUnavailableError
from bondmate_streams.faust_adapter.back_off import BackOff
from bondmate_streams.faust_adapter.tables import RecordTable

_log = structlog.get_logger(__name__)
_BATCH: Final = 500
_POLL_SECONDS: Final = 0.1
_GATHER_MS: Final = 100
_QUEUED_KBYTES: Final = 4_096


class ChangelogCopies:
    """Follows the changelogs of partitions that this worker does not have."""

    def __init__(self, kafka: KafkaConfig, name: str, tables: Sequence[RecordTable[Any]], partitions: int) -> None:
        """Copy `tables`, each of so many partitions; `name` is the client's."""
        settings = {"enable.partition.eof": True, "queued.max.messages.kbytes": _QUEUED_KBYTES}
        self._settings = kafka.consumer(name, name, gather_ms=_GATHER_MS) | settings
        self._tables = {table.topic: table for table in tables}
        self._all = frozenset((topic, number) for topic in self._tables for number in range(partitions))
        self._followed = self._all
        self._behind = set(self._all)
        # What was read for an earlier share must not be written over what its new owner, this worker too, wrote since.
        self._share = 0
        self._read_share = -1
        self._consumer: Consumer | None = None
        self._shared = asyncio.Event()
        self._caught_up = asyncio.Event()
        # The client blocks, so it has a thread; stores are written on the loop, where what is ours is known.
        self._reader = ThreadPoolExecutor(1, "copies")

    def leave_to_us(self, ours: Collection[Place]) -> None:
        """Follow all but what is `ours` from here on; takes effect at once."""
        self._followed = self._all.difference(ours)
        self._share += 1
        self._shared.set()

    async def wait_caught_up(self) -> None:
        """Wait until everything that was there has been copied once."""
        await self._caught_up.wait()

    async def run(self) -> None:
        """Follow, until cancelled."""
        back_off = BackOff("copies")
        try:
            while True:
                if not self._followed:
                    await self._rest()
                try:
                    await self._follow()
                    back_off = BackOff("copies")
                except StoreUnavailableError as error:
                    self._read_share = -1
                    await back_off.wait("copy waits", type(error).__name__)
        finally:
            await self._in_thread(self._close)
            self._reader.shutdown(wait=False)

    async def _rest(self) -> None:
        """Hold no client while everything is ours."""
        await self._in_thread(self._close)
        while not self._followed:
            self._shared.clear()
            await self._shared.wait()

    async def _follow(self) -> None:
        share, starts = self._share, None
        if self._read_share != share:
            starts = [self._start(place) for place in self._followed]
        messages = await self._in_thread(self._read, starts)
        if self._share == share:
            self._read_share = share
            self._take(messages)

    async def _in_thread(self, work: Any, *given: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._reader, work, *given)

    def _start(self, place: Place) -> TopicPartition:
        topic, partition = place
        last = self._tables[topic].copied_until(partition)
        return TopicPartition(topic, partition, OFFSET_BEGINNING if last is None else last + 1)

    def _read(self, starts: list[TopicPartition] | None) -> list[Message]:
        if self._consumer is None:
            self._consumer = open_consumer(self._settings)
        if starts is not None:
            self._consumer.assign(starts)
        return self._consumer.consume(_BATCH, _POLL_SECONDS)

    def _close(self) -> None:
        consumer, self._consumer = self._consumer, None
        self._read_share = -1
        if consumer is not None:
            consumer.close()

    def _take(self, messages: Sequence[Message]) -> None:
        found: dict[Place, list[tuple[bytes, bytes | None]]] = defaultdict(list)
        last: dict[Place, int] = {}
        ended = []
        for message in messages:
            place = message.topic() or "", message.partition() or 0
            if message.error() is not None:
                if is_end_of_partition(message):
                    ended.append(place)
            elif (key := message.key()) is not None:
                found[place].append((key, message.value()))
                last[place] = message.offset() or 0
        for (topic, partition), records in found.items():
            self._tables[topic].copy(partition, records, last[topic, partition])
        self._behind.difference_update(ended)
        if not self._behind:
            self._caught_up.set()
