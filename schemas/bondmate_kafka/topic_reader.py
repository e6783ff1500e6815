"""What stands on topics now, read without a trace on the broker: no group is joined, nothing is committed."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from bondmate_kafka.client import Place, Refusals, is_end_of_partition
from bondmate_kafka.config import QUIET, KafkaConfig
from bondmate_kafka.consumer import bounds, open_consumer
from bondmate_kafka.errors import NO_ANSWER, BrokerError

_ASK_SECONDS: Final = 10.0
_SILENCE_SECONDS: Final = 60.0
_ALONE: Final = {
    "group.id": "bondmate-look",
    # The oldest records may end while they are asked for: then it goes on with the oldest that are left.
    "auto.offset.reset": "earliest",
    "enable.auto.commit": False,
    "enable.partition.eof": True,
    **QUIET,
    "queued.max.messages.kbytes": 16_384,
}


class TopicMissingError(LookupError):
    """A topic is not there; the message is its name. Let provisioning make it (`hub topics apply`)."""


@contextmanager
def _reading(config: Mapping[str, Any]) -> Iterator[Consumer]:
    refusals = Refusals()
    with closing(open_consumer({**config, **_ALONE, "error_cb": refusals.note})) as consumer:
        try:
            yield consumer
        except KafkaException as error:
            consumer.poll(0)  # has the errors told that came meanwhile
            if refusals.why:
                raise BrokerError(refusals.why) from error
            raise


def names(config: Mapping[str, Any]) -> list[str]:
    """Return the names of all topics; raises `KafkaException` where the broker does not answer."""
    with _reading(config) as consumer:
        return list(consumer.list_topics(timeout=_ASK_SECONDS).topics)


def stored(
    config: Mapping[str, Any], topics: Collection[str], only: Mapping[Place, int] | None = None
) -> Iterator[Message]:
    """Return every record that stands on `topics` when this begins, each partition in order.

    Args:
        config: `bootstrap.servers` and how to be let in; what makes a consumer a member of a group is overruled.
        topics: by name.
        only: no more than these partitions, each from an offset.

    Raises:
        TopicMissingError: a topic is not there.
        BrokerError: the broker refuses us; its message says why.
        KafkaException: the broker does not answer.
        TimeoutError: it fell silent for a minute; its message says so.
    """
    with _reading(config) as consumer:
        starts, ends = _bounds(consumer, topics)
        left = {place: end for place, end in ends.items() if only is None or place in only}
        begin = {**starts, **(only or {})}
        consumer.assign([TopicPartition(*place, begin[place]) for place in left])
        heard = time.monotonic()
        while left:
            # One at a time: asked for many, the client waits until it has so many or the time is over.
            message = consumer.poll(1.0)
            if message is not None and (message.error() is None or is_end_of_partition(message)):
                yield from _taken(message, left)
                # Only now: whoever took the message may have needed long.
                heard = time.monotonic()
            elif time.monotonic() - heard > _SILENCE_SECONDS:
                raise TimeoutError(f"the broker fell silent for {_SILENCE_SECONDS:.0f} s")


def kept(kafka: KafkaConfig, topic: str) -> Iterator[Message]:
    """Yield every record that stands on `topic`, each partition in order.

    Raises:
        BrokerError: the broker does not answer, or has no such topic: its message says what to do.
    """
    try:
        yield from stored(kafka.client(), [topic])
    except (KafkaException, TimeoutError) as error:
        raise BrokerError(NO_ANSWER) from error
    except TopicMissingError as error:
        raise BrokerError(f"topic {error} is not there: run `hub topics apply`") from error


def _taken(message: Message, left: dict[Place, int]) -> Iterator[Message]:
    """Return a record that is wanted, and strike off its partition when it was the last."""
    place, offset = (str(message.topic()), message.partition() or 0), message.offset() or 0
    if message.error() is None and offset < left.get(place, 0):
        yield message
    if is_end_of_partition(message) or offset + 1 >= left.get(place, 0):
        left.pop(place, None)


def _bounds(consumer: Consumer, topics: Collection[str]) -> tuple[dict[Place, int], dict[Place, int]]:
    """Return first and end offset of each partition that holds anything."""
    about = consumer.list_topics(timeout=_ASK_SECONDS).topics
    starts, ends = {}, {}
    for topic in topics:
        if topic not in about:
            raise TopicMissingError(topic)
        for partition in about[topic].partitions:
            low, high = bounds(consumer, (topic, partition), _ASK_SECONDS)
            if high > low:
                starts[topic, partition], ends[topic, partition] = low, high
    return starts, ends
