"""Names of the client library that other rooms may know: its errors, messages and places; none builds a client."""

from __future__ import annotations

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

__all__ = [
    "OFFSET_BEGINNING",
    "Consumer",
    "KafkaError",
    "KafkaException",
    "Message",
    "Place",
    "TopicPartition",
    "error_name",
    "is_end_of_partition",
    "is_fatal",
    "is_no_broker",
]

Place = tuple[str, int]
"""A topic and a partition of it."""


def is_fatal(error: KafkaError) -> bool:
    """Whether a client has given up for good: make another. `fatal()` says so of some only, the code of others."""
    return bool(error.fatal()) or error.code() == KafkaError._FATAL  # noqa: SLF001  # the client's public name for it


def is_no_broker(error: KafkaError) -> bool:
    """Whether a client reaches no broker at all."""
    return bool(error.code() == KafkaError._ALL_BROKERS_DOWN)  # noqa: SLF001  # as above


def is_end_of_partition(message: Message) -> bool:
    """Whether a message says only that its partition was read to the end (`enable.partition.eof`)."""
    error = message.error()
    return error is not None and error.code() == KafkaError._PARTITION_EOF  # noqa: SLF001  # as above


def error_name(error: KafkaError) -> str:
    """Return the constant name of an error, in small letters."""
    return str(error.name()).lower()
