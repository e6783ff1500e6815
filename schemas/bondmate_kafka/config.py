"""What every client of the broker sets, in one place."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from bondmate_schemas.partitions import PARTITIONER

from bondmate_kafka.security import RegistryAccess, Security

_AT_ONCE: Mapping[str, Any] = {"fetch.wait.max.ms": 100}
_MANY_BYTES = 1 << 20
LOGGED: Final[Mapping[str, Any]] = {"logger": logging.getLogger("librdkafka"), "log_level": 4}
"""librdkafka's own lines, from warnings on, go the way of all others, which lets few of a kind through."""
QUIET: Final[Mapping[str, Any]] = {"log_level": 2}
"""For clients whose errors come through callbacks and are said in the hub's own words."""


@dataclass(frozen=True, slots=True)
class KafkaConfig:
    """Where broker and registry are, and how to be let in. `extra` goes to librdkafka as it is."""

    bootstrap: str
    registry_url: str
    extra: Mapping[str, Any] = field(default_factory=dict)
    security: Security = field(default_factory=Security)
    registry_access: RegistryAccess = field(default_factory=RegistryAccess)
    destination_compression: str = "none"
    """The codec of what is written at once.

    Destinations read some of it, and so it is one that every client has; one record alone gains little by another.
    """

    def client(self) -> dict[str, Any]:
        """Return what every client is told: where the brokers are, and how to be let in."""
        known = {"bootstrap.servers": self.bootstrap, **LOGGED, **self.security.librdkafka()}
        return {**known, **self.extra}

    def producer(self, client_id: str) -> dict[str, Any]:
        """Return the settings of a producer: acks=all, idempotent, keys to partitions as the Java client does."""
        return {
            "client.id": client_id,
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": 0,
            "compression.type": self.destination_compression,
            # Accepted means accepted: the client tries as long as anybody waits.
            "message.timeout.ms": 120_000,
            **self.client(),
            # Not for settings to choose: tables and the lane's memory go by partition.
            "partitioner": PARTITIONER,
        }

    def consumer(self, group: str, instance: str, *, gather_ms: int = 0) -> dict[str, Any]:
        """Return the settings of a consumer that commits by hand, static in its group under `instance`.

        With `gather_ms` the broker answers that often and not at each record: for what is plentiful and can wait.
        """
        wait = {"fetch.wait.max.ms": gather_ms, "fetch.min.bytes": _MANY_BYTES} if gather_ms else _AT_ONCE
        return {
            "client.id": instance,
            "group.id": group,
            "group.instance.id": instance,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "partition.assignment.strategy": "range",
            "session.timeout.ms": 10_000,
            "max.poll.interval.ms": 300_000,
            **wait,
            **self.client(),
        }
