"""Read every dead-letter topic of a broker from the beginning, as a person looking for lost mail would."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import cast

from bondmate_schemas.catalogue import dead_letter_topic
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

_SECONDS = 10


@dataclass(slots=True)
class DeadLetters:
    """What lies in the dead-letter topics: ids by topic, SHA-256 of the original bytes, reasons."""

    ids: dict[str, set[str]] = field(default_factory=dict)
    digests: set[str] = field(default_factory=set)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    total: int = 0

    def events(self, stage: str) -> frozenset[str]:
        """Give the ids of the events dead-lettered at a stage or destination."""
        return frozenset(self.ids.get(dead_letter_topic(stage), ()))

    def add(self, message: Message) -> None:
        """Take in one dead letter."""
        pairs = cast("list[tuple[str, bytes]]", message.headers() or [])
        headers = {name: value.decode() for name, value in pairs}
        topic = str(message.topic())
        self.ids.setdefault(topic, set()).add(headers.get("bondmate.error.id", ""))
        self.digests.add(hashlib.sha256(message.value() or b"").hexdigest())
        self.reasons[topic, headers.get("bondmate.error.code", "")] += 1
        self.total += 1


def read_dead_letters(bootstrap: str) -> DeadLetters:
    """Read all that lies in `bondmate.dlq.*` now; commits nothing."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "demo-dead-letters", "enable.auto.commit": False})
    found = DeadLetters()
    try:
        ends = _ends(consumer)
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for topic, partition in ends])
        left = dict(ends)
        while left:
            message = consumer.poll(_SECONDS)
            if message is None:
                break
            if message.error():
                continue
            found.add(message)
            place = (str(message.topic()), message.partition() or 0)
            if (message.offset() or 0) + 1 >= left.get(place, 0):
                left.pop(place, None)
    finally:
        consumer.close()
    return found


def _ends(consumer: Consumer) -> dict[tuple[str, int], int]:
    """Give the end offset of every partition that holds anything."""
    ends = {}
    for topic, about in consumer.list_topics(timeout=_SECONDS).topics.items():
        if not topic.startswith(dead_letter_topic("")):
            continue
        for partition in about.partitions:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_SECONDS)
            if high > low:
                ends[topic, partition] = high
    return ends
