"""ChangelogCopies of others' partitions follow their changelogs, and leave alone what is ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from bondmate_kafka.config import KafkaConfig
from bondmate_schemas.catalogue import changelog_topic
from bondmate_streams.errors import StoreUnavailableError
from bondmate_streams.faust_adapter.changelog_copies import ChangelogCopies
from bondmate_streams.faust_adapter.owned_partitions import partition_of

SECONDS = 20
PARTITIONS = 4
DEVICES, INCIDENTS = changelog_topic("devices"), changelog_topic("incidents")


class Table:
    """A table in memory."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.held: dict[bytes, bytes] = {}
        self.until: dict[int, int] = {}
        self.refusals = 0

    def copied_until(self, partition: int) -> int | None:
        return self.until.get(partition)

    def copy(self, partition: int, records: Sequence[tuple[bytes, bytes | None]], until: int) -> None:
        if self.refusals:
            self.refusals -= 1
            raise StoreUnavailableError("refused")
        assert self.until.get(partition, -1) < until, "written again"
        self.until[partition] = until
        for key, value in records:
            if value is None:
                self.held.pop(key, None)
            else:
                self.held[key] = value


@asynccontextmanager
async def following(kafka: KafkaConfig, *tables: Table) -> AsyncIterator[ChangelogCopies]:
    copies = ChangelogCopies(kafka, "test-copies", tables, PARTITIONS)
    task = asyncio.create_task(copies.run())
    try:
        async with asyncio.timeout(SECONDS):
            yield copies
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(table: Table, key: bytes, value: bytes | None) -> None:
    while table.held.get(key) != value:  # the deadline is the caller's
        await asyncio.sleep(0.02)


@pytest.fixture
def key() -> bytes:
    return b"one"


async def test_what_was_there_is_copied_first_and_what_comes_afterwards(
    kafka: KafkaConfig, topics: Any, key: bytes
) -> None:
    devices, incidents = Table(DEVICES), Table(INCIDENTS)
    topics.put_bytes(DEVICES, key, b"first")
    topics.put_bytes(DEVICES, key, b"second")
    topics.put_bytes(INCIDENTS, b"gone", b"something")
    topics.put_bytes(INCIDENTS, b"gone", None)
    async with following(kafka, devices, incidents) as copies:
        await copies.wait_caught_up()
        assert ({key: b"second"}, {}) == (devices.held, incidents.held)
        topics.put_bytes(DEVICES, key, b"third")
        await until(devices, key, b"third")


async def test_what_became_ours_is_left_alone_at_once_and_followed_from_where_we_left_it(
    kafka: KafkaConfig, topics: Any
) -> None:
    devices = Table(DEVICES)
    ours, others = b"ours", next(n for n in (b"a", b"b", b"c", b"d") if partition_of(n, 4) != partition_of(b"ours", 4))
    place = partition_of(ours, PARTITIONS)
    topics.put_bytes(DEVICES, ours, b"before")
    async with following(kafka, devices) as copies:
        await copies.wait_caught_up()
        copies.leave_to_us({(DEVICES, place)})
        topics.put_bytes(DEVICES, ours, b"written by us")
        topics.put_bytes(DEVICES, others, b"by another")
        await until(devices, others, b"by another")
        assert b"before" == devices.held[ours]

        devices.held[ours] = b"written by us"
        devices.until[place] += 1
        copies.leave_to_us(())
        topics.put_bytes(DEVICES, ours, b"by another")
        await until(devices, ours, b"by another")


async def test_a_store_that_takes_nothing_now_gets_it_later(kafka: KafkaConfig, topics: Any, key: bytes) -> None:
    devices = Table(DEVICES)
    topics.put_bytes(DEVICES, key, b"now")
    devices.refusals = 2
    async with following(kafka, devices) as copies:
        await copies.wait_caught_up()

    assert (b"now", 0) == (devices.held[key], devices.refusals)


async def test_with_everything_ours_nothing_is_read_until_something_is_anothers_again(
    kafka: KafkaConfig, topics: Any, key: bytes
) -> None:
    devices = Table(DEVICES)
    everything = {(DEVICES, number) for number in range(PARTITIONS)}
    async with following(kafka, devices) as copies:
        await copies.wait_caught_up()
        copies.leave_to_us(everything)
        while copies._consumer is not None:  # the deadline is that of the block
            await asyncio.sleep(0.02)
        topics.put_bytes(DEVICES, key, b"later")
        copies.leave_to_us(())
        await until(devices, key, b"later")
