"""Where an audit chain stands, read from the end of its topic, so that it goes on after a restart."""

from __future__ import annotations

from time import monotonic
from typing import Final

from bondmate_kafka.client import Consumer, KafkaError, KafkaException, TopicPartition
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.consumer import bounds, open_consumer, partitions
from bondmate_kafka.partitions import partition_of
from bondmate_schemas.catalogue import AUDIT
from bondmate_schemas.codec import Codec, CodecError
from bondmate_schemas.models import AuditRecord

from bondmate_streams.logic.audit import Chain

_STEP: Final = 500
_BATCH: Final = 5_000
_POLL_SECONDS: Final = 0.05
_SILENCE_SECONDS: Final = 10.0


def chain_so_far(kafka: KafkaConfig, codec: Codec, writer: str) -> Chain:
    """Find where the chain of `writer` stands, from the ends of the audit topic; blocks.

    Raises:
        KafkaException: the broker does not answer.
        SchemaUnavailableError: the registry does not answer.
    """
    consumer = open_consumer(kafka.consumer(f"bondmate-audit-{writer}", f"bondmate-audit-{writer}"))
    try:
        chain = Chain(writer)
        for partition in _home_first([number for _, number in partitions(consumer, [AUDIT])], writer):
            chain = _from_partition(consumer, codec, partition, chain)
            if chain.sequence:
                break
        return chain
    finally:
        consumer.close()


def _home_first(numbers: list[int], writer: str) -> list[int]:
    """Return the partition of the writer first; the others count where there were fewer partitions before."""
    home = partition_of(writer.encode(), len(numbers)) if numbers else 0
    return sorted(numbers, key=lambda number: number != home)


def _from_partition(consumer: Consumer, codec: Codec, partition: int, chain: Chain) -> Chain:
    low, high = bounds(consumer, (AUDIT, partition))
    end, start, step = high, high, _STEP
    while start > low:
        # Who has never written is looked for to the very beginning, in few steps.
        end, start, step = start, max(low, start - step), step * 4
        found = _newest(consumer, codec, TopicPartition(AUDIT, partition, start), end, chain)
        if found is not chain:
            return found
    return chain


def _newest(consumer: Consumer, codec: Codec, start: TopicPartition, end: int, chain: Chain) -> Chain:
    consumer.assign([start])
    heard = monotonic()
    while True:
        messages = consumer.consume(_BATCH, _POLL_SECONDS)
        heard = monotonic() if messages else heard
        for message in messages:
            of_writer = message.key() in {None, chain.writer.encode()}
            if of_writer and message.error() is None and (message.offset() or 0) < end:
                chain = _after(chain, codec, message.value())
        if consumer.position([start])[0].offset >= end:
            return chain
        if monotonic() - heard > _SILENCE_SECONDS:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001  # the client's public name for it


def _after(chain: Chain, codec: Codec, value: bytes | None) -> Chain:
    try:
        return chain.after(codec.decode(value, AuditRecord))
    except CodecError:
        return chain
