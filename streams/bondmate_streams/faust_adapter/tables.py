"""faust tables of our records, whose writes are durable when they are said to be."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from typing import Any, Final, Generic, TypeVar

import faust
from bondmate_kafka.partitions import partition_of
from bondmate_kafka.producer import NotWritten, Place
from bondmate_kafka.records import Headers, Outgoing
from bondmate_monitoring.tracing import TRACEPARENT
from bondmate_schemas.catalogue import changelog_topic
from bondmate_schemas.codec import Codec
from bondmate_schemas.models import Record
from faust.types import TP

from bondmate_streams.errors import StoreUnavailableError
from bondmate_streams.faust_adapter.back_off import BackOff
from bondmate_streams.faust_adapter.record_writer import KafkaWriter
from bondmate_streams.faust_adapter.table_store import TableStore

R = TypeVar("R", bound=Record)

_RECENT_KEPT: Final = 1_000

STORE_OPTIONS = {
    # faust's defaults are made for one large table: 64 MiB of buffers and 2 GiB of cache for each partition.
    "driver": "rocksdict",
    "write_buffer_size": 1 << 20,
    "max_write_buffer_number": 2,
    "target_file_size_base": 4 << 20,
    "block_cache_size": 1 << 20,
    "max_open_files": 64,
}


class DurableTable(faust.Table[bytes, bytes]):
    """A faust table whose changelog our outbox writes, so that a writer can wait for it, and at a third of the cost.

    faust would send it in the background, tell nobody, and take it as done.
    """

    outbox: KafkaWriter
    last_sent: asyncio.Future[Place]
    trace: Headers = ()
    """The trace of what is written next, as its header; empty where none is known."""

    def _new_store_by_url(self, url: Any) -> Any:
        # As faust makes its own.
        return TableStore(
            url, self.app, self,
            table_name=self.name, key_type=self.key_type, key_serializer=self.key_serializer,
            value_serializer=self.value_serializer, value_type=self.value_type, loop=self.loop, options=self.options,
        )  # fmt: skip

    def _changelog_topic_name(self) -> str:
        return changelog_topic(self.name)

    def on_key_set(self, key: Any, value: Any) -> None:
        """Send the changelog record; faust calls this before it writes the store."""
        self._send(key, value)
        self._sensor_on_set(self, key, value)

    def on_key_del(self, key: Any) -> None:
        """Send the tombstone of a key; faust calls this before it takes the key out of the store."""
        self._send(key, None)
        self._sensor_on_del(self, key)

    def _send(self, key: Any, value: Any) -> None:
        partition = self.partition_for_key(key)
        assert partition is not None, "a table is written in the context of an event"
        self.last_sent = self.outbox.begin(Outgoing(self._changelog_topic_name(), key, value, self.trace), partition)

    def persist(self, partition: int, offset: int) -> None:
        """Note how far the store agrees with the changelog: from there a restart reads on."""
        self.data.set_persisted_offset(TP(self._changelog_topic_name(), partition), offset)


class _StoreErrors:
    """Raises our error for what RocksDB cannot do now: its binding raises `Exception` itself, no class of its own."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if kind is Exception:
            raise StoreUnavailableError("the store of a table takes or gives nothing now: is its disk full?") from error


_store: Final = _StoreErrors()


class RecordTable(Generic[R]):
    """One table, by text key, of records of one kind. Reads and writes only in the context of an event."""

    def __init__(self, app: faust.App, name: str, kind: type[R], codec: Codec, outbox: KafkaWriter) -> None:
        # The store takes its serializers from these types: with a schema alone it would fall back to JSON.
        self.table: Any = app.Table(
            name, key_type=bytes, value_type=bytes, partitions=app.conf.topic_partitions, options=dict(STORE_OPTIONS)
        )
        self.partitions: int = app.conf.topic_partitions
        self.table.outbox = outbox  # type: ignore[attr-defined]  # faust types what it makes as its own table
        self._name = name
        self._kind = kind
        self._codec = codec
        # Nobody else writes the partitions we have: what was read or written lately is what the store holds.
        self._recent: OrderedDict[str, R] = OrderedDict()
        self._agrees: dict[int, int] = {}
        app.on_partitions_revoked.connect(self._forget)
        app.on_partitions_assigned.connect(self._forget)

    def on_built(self, call: Callable[[], Awaitable[None]]) -> None:
        """Have `call` called whenever the table was built from its changelog."""
        self.table.on_recover(call)

    def _forget(self, *_: object, **__: object) -> None:
        """Partitions come and go, and with them what other workers wrote."""
        self._recent.clear()
        # What is not written down now is read again: that costs time, nothing else.
        with contextlib.suppress(StoreUnavailableError):
            self.persist()
        self._agrees.clear()

    def get(self, key: str) -> R | None:
        """Return the record at `key`; raises StoreUnavailableError."""
        if (lately := self._recent.get(key)) is not None:
            return lately
        with _store:
            value = self.table.get(key.encode())
        return None if value is None else self._keep(key, self._codec.decode(value, self._kind))

    def _keep(self, key: str, record: R) -> R:
        self._recent[key] = record
        self._recent.move_to_end(key)
        if len(self._recent) > _RECENT_KEPT:
            self._recent.popitem(last=False)
        return record

    def put(self, key: str, record: R, cause: Headers = ()) -> Coroutine[Any, Any, None]:
        """Write the record at `key`: now in the store; what is returned ends when the changelog has it.

        The trace that the headers `cause` name goes into the changelog with it.

        Raises:
            StoreUnavailableError: the changelog may have it, the store has not; write it again.
        """
        value = self._codec.encode(record)
        self.table.trace = tuple(pair for pair in cause if pair[0] == TRACEPARENT)
        try:
            written = self._write(key, value)
        finally:
            self.table.trace = ()
        self._keep(key, record)
        return self._durable(key, value, written)

    def forget(self, key: str) -> Coroutine[Any, Any, None]:
        """Take the record at `key` out: now of the store; what is returned ends when the changelog has its tombstone.

        Raises:
            StoreUnavailableError: the changelog may have it, the store has not; forget it again.
        """
        self._recent.pop(key, None)
        return self._durable(key, None, self._write(key, None))

    def _write(self, key: str, value: bytes | None) -> asyncio.Future[Place]:
        with _store:
            if value is None:
                del self.table[key.encode()]
            else:
                self.table[key.encode()] = value
        written: asyncio.Future[Place] = self.table.last_sent
        return written

    async def _durable(self, key: str, value: bytes | None, written: asyncio.Future[Place]) -> None:
        back_off = BackOff(self._name)
        while True:
            try:
                partition, offset = await written
            except NotWritten as error:
                await back_off.wait("changelog refused", error.code)
                written = self._write(key, value)
            else:
                self._agrees[partition] = max(offset, self._agrees.get(partition, offset))
                return

    def persist(self) -> None:
        """Write down how far store and changelog agree; what a killed worker had not written down, it reads again.

        Raises:
            StoreUnavailableError: not now; call again later.
        """
        for partition, offset in list(self._agrees.items()):
            with _store:
                self.table.persist(partition, offset)
            if self._agrees.get(partition) == offset:
                del self._agrees[partition]

    @property
    def topic(self) -> str:
        """The changelog of the table."""
        return changelog_topic(self._name)

    def copied_until(self, partition: int) -> int | None:
        """Return the last offset of the changelog that a partition's store has; raises StoreUnavailableError."""
        with _store:
            found: int | None = self.table.data.copied_until(partition)
        return found

    def copy(self, partition: int, records: Sequence[tuple[bytes, bytes | None]], until: int) -> None:
        """Write what another worker wrote to a partition that is not ours; raises StoreUnavailableError."""
        with _store:
            self.table.data.take(partition, records, until)

    def close(self) -> None:
        """Close the store, of a worker that ends before it has begun."""
        self.table.data.close()

    def records(self) -> Iterator[R]:
        """Yield every record of the partitions this worker has, as it is now; each is decoded when its turn comes.

        What lies in the partition of another key counts for nothing; see `healing`.
        """
        store = self.table.data
        ours = {partition for partition in range(self.partitions) if store.is_ours(partition)}
        lying = ((partition, key, value) for partition, key, value in store.lying() if partition in ours)
        values = [value for partition, key, value in lying if partition_of(key, self.partitions) == partition]
        return (self._codec.decode(value, self._kind) for value in values)

    def strays(self) -> Iterator[tuple[int, str]]:
        """Yield partition and key of what lies in that of another key; raises StoreUnavailableError."""
        with _store:
            for partition, key, _ in self.table.data.lying():
                if partition_of(key, self.partitions) != partition:
                    yield partition, key.decode()

    def at(self, partition: int, key: str) -> R | None:
        """Return what a partition has under a key, our copy where it is another's; raises StoreUnavailableError."""
        with _store:
            value = self.table.data.at(partition, key.encode())
        return None if value is None else self._codec.decode(value, self._kind)
