"""Where an audit chain stands, read from the end of its topic, so that it goes on after a restart."""

from __future__ import annotations

from typing import Final

from bondmate_kafka.client import Consumer, TopicPartition
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.consumer import bounds, open_consumer, partitions
from bondmate_schemas.catalogue import AUDIT
from bondmate_schemas.codec import Codec, CodecError
from bondmate_schemas.models import AuditRecord

from bondmate_streams.logic.audit import Chain

_STEP: Final = 500


def chain_so_far(kafka: KafkaConfig, codec: Codec, writer: str) -> Chain:
    """Find where the chain of `writer` stands, from the ends of the audit topic; blocks.

    Raises:
        KafkaException: the broker does not answer.
        SchemaUnavailableError: the registry does not answer.
    """
    consumer = open_consumer(kafka.consumer(f"bondmate-audit-{writer}", f"bondmate-audit-{writer}"))
    try:
        chain = Chain(writer)
        for _, partition in partitions(consumer, [AUDIT]):
            chain = _from_partition(consumer, codec, partition, chain)
        return chain
    finally:
        consumer.close()


def _from_partition(consumer: Consumer, codec: Codec, partition: int, chain: Chain) -> Chain:
    low, high = bounds(consumer, (AUDIT, partition))
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
