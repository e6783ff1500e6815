"""Read every dead-letter topic of a broker from the beginning, as a person looking for lost mail would."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import cast

from bondmate_kafka.client import Message
from bondmate_kafka.topic_reader import names, stored
from bondmate_schemas.catalogue import dead_letter_topic, is_dead_letters


@dataclass(slots=True)
class DeadLetters:
    """What lies in the dead-letter topics: ids by topic, SHA-256 of the original bytes, reasons."""

    ids: dict[str, set[str]] = field(default_factory=dict)
    digests: set[str] = field(default_factory=set)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    total: int = 0

    def events(self, stage: str) -> frozenset[str]:
        """Return the ids of the events dead-lettered at a stage or destination."""
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
    config = {"bootstrap.servers": bootstrap}
    found = DeadLetters()
    for message in stored(config, [name for name in names(config) if is_dead_letters(name)]):
        found.add(message)
    return found
