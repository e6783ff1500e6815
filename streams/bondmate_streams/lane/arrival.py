"""A record of the lane's consumer as it came, for the few that are not worked as positions."""

from __future__ import annotations

from bondmate_kafka.client import Message
from bondmate_kafka.records import Arrived, headers_of

__all__ = ["arrived"]


def arrived(message: Message) -> Arrived:
    """Return a record as it came from Kafka."""
    return Arrived(
        message.topic() or "",
        message.partition() or 0,
        message.offset() or 0,
        message.key(),
        message.value(),
        headers_of(message.headers()),
    )
