"""Make the topics of a broker what the catalogue says: show the difference, then apply it, as often as one likes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, Literal

from bondmate_schemas.catalogue import Topic, dead_letter_topic
from confluent_kafka import KafkaError, KafkaException

# The package re-exports these without saying so to type checkers.
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
    TopicMetadata,
)

from bondmate_kafka.admin import unanswered
from bondmate_kafka.errors import ProvisioningError

_SECONDS: Final = 30
_HOUR_MS: Final = 3_600_000
_FOREVER: Final = -1
_LONGEST_SEGMENT_MS: Final = 7 * 24 * _HOUR_MS
_COMPACTED_SEGMENT_MS: Final = 24 * _HOUR_MS
_POSITION_RECORDS: Final = frozenset({"DeviceLocation", "DeviceStatus"})


@dataclass(frozen=True, slots=True)
class LogLimits:
    """How much of a topic a broker can bear to keep; provisioning keeps each topic within it.

    A broker deletes whole segments only, so what bounds memory and age is the segment as much as the retention. Dead
    letters are kept as the catalogue says.
    """

    retention_ms: int | None = None
    """Longest time a topic that is not compacted is kept, in milliseconds; None leaves the catalogue's figure."""
    positions_retention_ms: int | None = None
    """The same for positions and device status, which are many and soon old."""
    compacted_retention_ms: int | None = None
    """The same for compacted topics: what was not written for so long is forgotten, state that is still open too."""
    segment_ms: int | None = None
    """Longest time one segment is written to, in milliseconds; None derives it from the retention."""
    segment_bytes: int | None = None
    """Largest segment in bytes; None leaves the broker's own figure."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs between a broker and the catalogue."""

    topic: str
    action: Literal["create", "add_partitions", "set", "conflict"]
    what: str
    """The property; a topic to be made has `topic`."""
    now: str
    wanted: str
    hint: str = ""
    """What a person must do: instead of `apply` at a conflict, before it where keys move; else empty."""


def diff(
    admin: AdminClient, wanted: Sequence[Topic], *, limits: LogLimits | None = None, replication: int = 1
) -> list[Change]:
    """Return what `apply` would change, and what it could not; nothing when the broker is as the catalogue says.

    Args:
        admin: client of the broker.
        wanted: the topics as they must be; others on the broker are left alone.
        limits: what the broker can bear to keep, from `Broker.limits`.
        replication: copies of each partition.

    Raises:
        ProvisioningError: the broker does not answer or refuses.
    """
    found = _existing(admin, wanted)
    configs = _configs(admin, sorted(found))
    bounds = limits or LogLimits()
    return [
        change
        for topic in wanted
        for change in (
            _differences(topic, found[topic.name], configs[topic.name], bounds, replication)
            if topic.name in configs
            else [Change(topic.name, "create", "topic", "absent", f"{topic.partitions} partitions")]
        )
    ]


def apply(
    admin: AdminClient, wanted: Sequence[Topic], *, limits: LogLimits | None = None, replication: int = 1
) -> list[Change]:
    """Make every change `diff` shows that can be made; gives all of them, conflicts included.

    Done twice, the second call changes nothing and gives only conflicts. Two processes may do it at once.

    Raises:
        ProvisioningError: the broker does not answer or refuses; what was done stays, call again.
    """
    changes = diff(admin, wanted, limits=limits, replication=replication)
    topics = {topic.name: topic for topic in wanted}
    _create(admin, [topics[c.topic] for c in changes if c.action == "create"], limits or LogLimits(), replication)
    _add_partitions(admin, [topics[c.topic] for c in changes if c.action == "add_partitions"])
    _set(admin, [change for change in changes if change.action == "set"])
    if any(change.action != "conflict" for change in changes):
        _settle(lambda: diff(admin, wanted, limits=limits, replication=replication))
    return changes


def _settle(remaining: Callable[[], list[Change]]) -> None:
    """Wait until the broker shows what its controller has accepted: who reads at once would see the old state."""
    end = time.monotonic() + _SECONDS
    while left := [change for change in remaining() if change.action != "conflict"]:
        if time.monotonic() > end:
            raise ProvisioningError(f"topic {left[0].topic}: {left[0].what} not changed within {_SECONDS} s")
        time.sleep(0.05)


def topic_config(topic: Topic, limits: LogLimits) -> dict[str, str]:
    """Return the topic's configuration on a broker with these limits.

    Retention deletes whole segments, and not the one being written; so the segment is an eighth of the retention, that
    nothing is kept much longer than the catalogue promises. (Apache Kafka documentation, "Topic Configs".)
    """
    retention = _retention_ms(topic, limits)
    forgets = topic.cleanup == "compact" and retention != _FOREVER
    config = {
        "cleanup.policy": "compact,delete" if forgets else topic.cleanup,
        "retention.ms": str(retention),
        "segment.ms": str(limits.segment_ms or _segment_ms(topic, retention)),
    }
    if limits.segment_bytes is not None:
        config["segment.bytes"] = str(limits.segment_bytes)
    return config


def _retention_ms(topic: Topic, limits: LogLimits) -> int:
    cap = _cap_ms(topic, limits)
    finite = [ms for ms in (topic.retention_ms, cap) if ms is not None and ms != _FOREVER]
    return min(finite, default=_FOREVER)


def _cap_ms(topic: Topic, limits: LogLimits) -> int | None:
    if topic.name.startswith(dead_letter_topic("")):
        return None  # few, and a person must still find them
    if topic.record in _POSITION_RECORDS or topic.name.endswith(".locations"):
        return limits.positions_retention_ms
    return limits.retention_ms if topic.cleanup == "delete" else limits.compacted_retention_ms


def _segment_ms(topic: Topic, retention_ms: int) -> int:
    longest = _COMPACTED_SEGMENT_MS if "compact" in topic.cleanup else _LONGEST_SEGMENT_MS
    return longest if retention_ms == _FOREVER else min(longest, max(retention_ms // 8, 1))


# --- the difference --------------------------------------------------------------------------------------------------


def _differences(
    topic: Topic, found: TopicMetadata, config: Mapping[str, str], limits: LogLimits, replication: int
) -> Iterator[Change]:
    yield from _partitions(topic, found)
    copies = min(len(partition.replicas) for partition in found.partitions.values())
    if copies != replication:
        hint = "move the partitions with kafka-reassign-partitions, or set the replication to what there is"
        yield Change(topic.name, "conflict", "replication", str(copies), str(replication), hint)
    for name, value in topic_config(topic, limits).items():
        now = config.get(name, "")
        if _comparable(name, now) != _comparable(name, value):
            yield Change(topic.name, "set", name, now, value)


def _partitions(topic: Topic, found: TopicMetadata) -> Iterator[Change]:
    now, wanted = len(found.partitions), topic.partitions
    if now < wanted:
        hint = "keys move to other partitions: stop those who write, let consumers finish, then apply"
        yield Change(topic.name, "add_partitions", "partitions", str(now), str(wanted), hint)
    elif now > wanted:
        hint = f"Kafka cannot take partitions away: set kafka.partitions to {now}, or copy to a new topic"
        yield Change(topic.name, "conflict", "partitions", str(now), str(wanted), hint)


def _comparable(name: str, value: str) -> object:
    return frozenset(value.replace(" ", "").split(",")) if name == "cleanup.policy" else value


def _existing(admin: AdminClient, wanted: Sequence[Topic]) -> dict[str, TopicMetadata]:
    try:
        found = admin.list_topics(timeout=_SECONDS).topics
    except KafkaException as error:
        raise unanswered(admin, "the broker does not answer; check its address and that it runs") from error
    return {topic.name: found[topic.name] for topic in wanted if topic.name in found}


def _configs(admin: AdminClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    asked = admin.describe_configs([ConfigResource(ResourceType.TOPIC, name) for name in names])
    # Of several brokers one may not know yet what another has made: there it is as if it were absent.
    answers = {r.name: _done(r.name, answer, harmless=KafkaError.UNKNOWN_TOPIC_OR_PART) for r, answer in asked.items()}
    return {
        name: {key: str(entry.value) for key, entry in found.items()}
        for name, found in answers.items()
        if found is not None
    }


# --- the changes -----------------------------------------------------------------------------------------------------


def _create(admin: AdminClient, topics: Sequence[Topic], limits: LogLimits, replication: int) -> None:
    if not topics:
        return
    new = [NewTopic(t.name, t.partitions, replication, config=topic_config(t, limits)) for t in topics]
    for name, future in admin.create_topics(new, operation_timeout=_SECONDS).items():
        _done(name, future, harmless=KafkaError.TOPIC_ALREADY_EXISTS)


def _add_partitions(admin: AdminClient, topics: Sequence[Topic]) -> None:
    if not topics:
        return
    new = [NewPartitions(topic.name, topic.partitions) for topic in topics]
    for name, future in admin.create_partitions(new, operation_timeout=_SECONDS).items():
        # Invalid when another process has added them meanwhile.
        _done(name, future, harmless=KafkaError.INVALID_PARTITIONS)


def _set(admin: AdminClient, changes: Sequence[Change]) -> None:
    resources: dict[str, ConfigResource] = {}
    for change in changes:
        entry = ConfigEntry(change.what, change.wanted, incremental_operation=AlterConfigOpType.SET)
        resource = resources.setdefault(change.topic, ConfigResource(ResourceType.TOPIC, change.topic))
        resource.add_incremental_config(entry)
    if not resources:
        return
    for resource, future in admin.incremental_alter_configs(list(resources.values())).items():
        _done(resource.name, future)


def _done(topic: str, future: Future[Any], *, harmless: int | None = None) -> Any:
    try:
        return future.result(_SECONDS)
    except KafkaException as error:
        reason: KafkaError = error.args[0]
        if reason.code() == harmless:
            return None
        raise ProvisioningError(f"topic {topic}: the broker refused ({reason.name()})") from error
    except TimeoutError as error:
        raise ProvisioningError(f"topic {topic}: the broker did not answer within {_SECONDS} s") from error
