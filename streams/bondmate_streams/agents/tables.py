"""faust tables of our records, whose writes are durable when they are said to be."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Any, Final, Generic, TypeVar

import faust
from bondmate_schemas.catalogue import PARTITIONS, changelog_topic
from bondmate_schemas.codec import Codec
from bondmate_schemas.models import Record
from bondmate_schemas.outbox import NotWritten, Outgoing, Place
from faust.types import TP

from bondmate_streams.agents.outbox import KafkaOutbox
from bondmate_streams.guard import Waits

R = TypeVar("R", bound=Record)

_KEPT_LATELY: Final = 2_000

STORE_OPTIONS = {
    # faust's defaults are made for one large table: 64 MiB of buffers and 2 GiB of cache for each partition.
    "driver": "rocksdict",
    "write_buffer_size": 1 << 20,
    "max_write_buffer_number": 2,
    "target_file_size_base": 4 << 20,
    "block_cache_size": 1 << 20,
    "max_open_files": 64,
}


class AwaitableTable(faust.Table[bytes, bytes]):
    """A faust table whose changelog our outbox writes, so that a writer can wait for it, and at a third of the cost.

    faust would send it in the background, tell nobody, and take it as done.
    """

    outbox: KafkaOutbox
    last_sent: asyncio.Future[Place]

    def _changelog_topic_name(self) -> str:
        return changelog_topic(self.name)

    def on_key_set(self, key: Any, value: Any) -> None:
        """Send the changelog record; faust calls this before it writes the store."""
        partition = self.partition_for_key(key)
        assert partition is not None, "a table is written in the context of an event"
        self.last_sent = self.outbox.begin(Outgoing(self._changelog_topic_name(), key, value), partition)
        self._sensor_on_set(self, key, value)

    def remember(self, place: Place) -> None:
        """Note how far the store agrees with the changelog: from there a restart reads on."""
        self.data.set_persisted_offset(TP(self._changelog_topic_name(), place[0]), place[1])


class Ledger(Generic[R]):
    """One table, by text key, of records of one kind. Reads and writes only in the context of an event."""

    def __init__(self, app: faust.App, name: str, kind: type[R], codec: Codec, outbox: KafkaOutbox) -> None:
        # The store takes its serializers from these types: with a schema alone it would fall back to JSON.
        self.table: Any = app.Table(
            name, key_type=bytes, value_type=bytes, partitions=PARTITIONS, options=dict(STORE_OPTIONS)
        )
        self.table.outbox = outbox  # type: ignore[attr-defined]  # faust types what it makes as its own table
        self._name = name
        self._kind = kind
        self._codec = codec
        # The last records written or read with their bytes: decoding is most of what a look costs.
        self._lately: OrderedDict[str, tuple[bytes, R]] = OrderedDict()

    def get(self, key: str) -> R | None:
        """Give the record at `key`."""
        value = self.table.get(key.encode())
        if value is None:
            return None
        lately = self._lately.get(key)
        # The table alone is the truth: what it holds may come from another worker's changelog.
        if lately is not None and lately[0] == value:
            return lately[1]
        return self._keep(key, value, self._codec.decode(value, self._kind))

    def _keep(self, key: str, value: bytes, record: R) -> R:
        self._lately[key] = (value, record)
        self._lately.move_to_end(key)
        if len(self._lately) > _KEPT_LATELY:
            self._lately.popitem(last=False)
        return record

    async def put(self, key: str, record: R) -> None:
        """Write the record at `key`: at once in the store, and return when the changelog has it."""
        value = self._codec.encode(record)
        waits = Waits(self._name)
        while True:
            self.table[key.encode()] = value
            try:
                place = await self.table.last_sent
            except NotWritten as error:
                await waits.wait("changelog refused", error.code)
            else:
                self.table.remember(place)
                self._keep(key, value, record)
                return

    def records(self) -> list[R]:
        """Give every record of the partitions this worker has."""
        return [self._codec.decode(value, self._kind) for value in self.table.values()]
