"""The audit trail of this worker: its chain goes on where it stood, and no record of it is ever left out."""

from __future__ import annotations

import asyncio
from typing import Final

from bondmate_schemas.catalogue import AUDIT
from bondmate_schemas.codec import Codec, CodecError
from bondmate_schemas.kafka import KafkaConfig
from bondmate_schemas.models import AuditRecord
from confluent_kafka import Consumer, TopicPartition

from bondmate_streams.envelopes import Envelopes, Outgoing, utc_now
from bondmate_streams.guard import BrokerUnavailableError, Outbox, Waits
from bondmate_streams.logic.audit import Chain, Entry

_ASK_SECONDS: Final = 10.0
_STEP: Final = 500


class AuditWriter:
    """Writes entries in the order of their chain; many at a time, so that nobody waits for others' round trips."""

    def __init__(self, chain: Chain, outbox: Outbox, envelopes: Envelopes) -> None:
        """Go on with `chain`."""
        self._chain = chain
        self._outbox = outbox
        self._envelopes = envelopes
        self._waiting: list[tuple[tuple[Entry, ...], asyncio.Future[None]]] = []
        self._wake = asyncio.Event()

    async def write(self, *entries: Entry) -> None:
        """Return when the broker has the records of `entries`."""
        if not entries:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((entries, done))
        self._wake.set()
        await done

    async def run(self) -> None:
        """Write what is waiting, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            taken, self._waiting = self._waiting, []
            await self._send([self._next(entry) for entries, _ in taken for entry in entries])
            for _, done in taken:
                if not done.done():
                    done.set_result(None)

    def _next(self, entry: Entry) -> Outgoing:
        self._chain, record = self._chain.append(entry, utc_now())
        return self._envelopes.pack(AUDIT, record.writer, record)

    async def _send(self, records: list[Outgoing]) -> None:
        # The same records again, never new ones: a missing number in a chain would look like a record removed.
        waits = Waits("audit")
        while True:
            try:
                await self._outbox.send(*records)
            except BrokerUnavailableError as error:
                await waits.wait("audit waits", str(error))
            else:
                return


def chain_so_far(kafka: KafkaConfig, codec: Codec, writer: str) -> Chain:
    """Find where the chain of `writer` stands, from the ends of the audit topic; blocks.

    Raises:
        KafkaException: the broker does not answer.
        SchemaUnavailableError: the registry does not answer.
    """
    consumer = Consumer(kafka.consumer(f"bondmate-audit-{writer}", f"bondmate-audit-{writer}"))
    try:
        chain = Chain(writer)
        for partition in consumer.list_topics(AUDIT, _ASK_SECONDS).topics[AUDIT].partitions:
            chain = _from_partition(consumer, codec, partition, chain)
        return chain
    finally:
        consumer.close()


def _from_partition(consumer: Consumer, codec: Codec, partition: int, chain: Chain) -> Chain:
    low, high = consumer.get_watermark_offsets(TopicPartition(AUDIT, partition), _ASK_SECONDS)
    end, start = high, high
    while start > low:
        end, start = start, max(low, start - _STEP)
        found = _newest(consumer, codec, TopicPartition(AUDIT, partition, start), end, chain)
        if found is not chain:
            return found
    return chain


def _newest(consumer: Consumer, codec: Codec, start: TopicPartition, end: int, chain: Chain) -> Chain:
    consumer.assign([start])
    while True:
        messages = consumer.consume(_STEP, 1.0)
        for message in messages:
            if message.error() is None and (message.offset() or 0) < end:
                chain = _after(chain, codec, message.value())
        if consumer.position([start])[0].offset >= end or not messages:
            return chain


def _after(chain: Chain, codec: Codec, value: bytes | None) -> Chain:
    try:
        return chain.after(codec.decode(value, AuditRecord))
    except CodecError:
        return chain
