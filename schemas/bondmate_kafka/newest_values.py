"""The newest value of each key on some topics, read within a bound; and what is written from then on."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from typing import Final

from confluent_kafka import KafkaException, Message

from bondmate_kafka.client import Place, Refusals, is_end_of_partition
from bondmate_kafka.config import QUIET, KafkaConfig
from bondmate_kafka.consumer import from_the_beginning, open_consumer, partitions

__all__ = ["NewestValues"]

_BATCH: Final = 2_000
_POLL_SECONDS: Final = 0.1
_SETTINGS: Final = {
    "group.id": "bondmate-look",
    "auto.offset.reset": "earliest",
    "enable.auto.commit": False,
    "enable.partition.eof": True,
    "fetch.wait.max.ms": 50,
    **QUIET,
}


class NewestValues:
    """Reads without a trace on the broker; blocking, for one thread. Close it."""

    def __init__(self, kafka: KafkaConfig) -> None:
        self._bootstrap = kafka.bootstrap
        self._refusals = Refusals()
        self._consumer = open_consumer({**kafka.client(), **_SETTINGS, "error_cb": self._refusals.note})
        self._values: dict[tuple[str, bytes], bytes] = {}
        self.heard: set[tuple[str, bytes]] = set()
        """Topic and key of what was written after `read` had come to the end."""

    def why_absent(self, seconds: float) -> str:
        """Return why no broker answers within `seconds`, with the address that was asked; empty where one does."""
        try:
            self._topics = set(self._consumer.list_topics(timeout=seconds).topics)
        except KafkaException:
            self._consumer.poll(0)
            return self._refusals.why or f"the broker does not answer at {self._bootstrap}"
        return ""

    def missing(self, topics: Iterable[str]) -> list[str]:
        """Return which of `topics` are not there; after `why_absent`."""
        return sorted(set(topics) - self._topics)

    def read(self, topics: Collection[str], seconds: float) -> bool:
        """Read what stands on those of `topics` that are there; return whether all of it was read within `seconds`.

        Raises:
            KafkaException: the broker does not answer.
        """
        left: set[Place] = set(partitions(self._consumer, self._topics.intersection(topics), seconds))
        self._consumer.assign(from_the_beginning(left))
        end = time.monotonic() + seconds
        while left and time.monotonic() < end:
            left -= {_place(each) for each in self._take() if is_end_of_partition(each)}
        return not left

    def hear(self, seconds: float) -> None:
        """Take what is written within `seconds`."""
        for message in self._take(seconds):
            if message.error() is None:
                self.heard.add((str(message.topic()), message.key() or b""))

    def of(self, topic: str) -> dict[bytes, bytes]:
        """Return the newest value of each key of a topic."""
        return {key: value for (name, key), value in self._values.items() if name == topic}

    def close(self) -> None:
        """Close the client."""
        self._consumer.close()

    def _take(self, seconds: float = _POLL_SECONDS) -> list[Message]:
        first = self._consumer.poll(seconds)
        messages = [] if first is None else [first, *self._consumer.consume(_BATCH, 0)]
        for message in messages:
            if message.error() is None:
                self._keep(message)
        return messages

    def _keep(self, message: Message) -> None:
        place, value = (str(message.topic()), message.key() or b""), message.value()
        if value is None:
            self._values.pop(place, None)
        else:
            self._values[place] = value


def _place(message: Message) -> Place:
    return str(message.topic()), message.partition() or 0
