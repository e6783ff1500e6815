"""What every consumer of a hub has not read, as the broker counts it now."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import datetime
from typing import Final

from bondmate_kafka.config import QUIET, KafkaConfig
from bondmate_kafka.consumer_lag import ConsumerLag, LagWatch, Reads
from bondmate_schemas.catalogue import (
    AGENT_TOPICS,
    DEVICE_LOCATIONS,
    LANE_GROUP,
    STREAMS_APP,
    destination_group,
    destination_topic,
    locations_topic,
)

from bondmate_hub.connectors import GATEWAY
from bondmate_hub.settings import Settings
from bondmate_hub.status.facts import LagFact

__all__ = ["lag_facts", "look_at_lags"]

_AGES_SECONDS: Final = 0.6


def _reads(settings: Settings) -> dict[Reads, str]:
    """Return the groups and topics of all consumers, and which consumer each is."""
    found = {(STREAMS_APP, topic): "streams" for topic in AGENT_TOPICS.values()} if settings.streams else {}
    if settings.streams:
        found[LANE_GROUP, DEVICE_LOCATIONS] = "lane"
    for name, entry in settings.connectors.items():
        if entry.connector != GATEWAY:
            topics = (destination_topic(name), locations_topic(name))
            found |= {(destination_group(topic), topic): "runner" for topic in topics}
    return found


def look_at_lags(settings: Settings, kafka: KafkaConfig) -> dict[Reads, ConsumerLag]:
    """Ask the broker; blocks, and returns nothing of what it does not answer."""
    groups: dict[str, list[str]] = {}
    for group, topic in _reads(settings):
        groups.setdefault(group, []).append(topic)
    end = time.monotonic() + _AGES_SECONDS
    with closing(LagWatch({**kafka.client(), **QUIET}, groups)) as watch:
        found = watch.look()
        # An age is read off what stood still between two looks, and told by the next.
        while any(lag.events and lag.oldest_at is None for lag in found.values()) and time.monotonic() < end:
            watch.learn_ages()
            found = watch.look() or found
        return found


def lag_facts(settings: Settings, lags: Mapping[Reads, ConsumerLag], now: datetime) -> Iterator[LagFact]:
    """Yield what was found, as facts at the time `now`."""
    reads = _reads(settings)
    for read, lag in lags.items():
        age = None if lag.oldest_at is None else max(0.0, now.timestamp() - lag.oldest_at)
        yield LagFact(reads[read], read[1], lag.events, (0.0 if not lag.events else age))
