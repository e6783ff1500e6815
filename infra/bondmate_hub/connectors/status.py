"""How the configured connectors are, from what their runners last said and from the broker; the runners may be dead."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from bondmate_connectors.runtime.heartbeat import newest
from bondmate_connectors.runtime.instance import Instance
from bondmate_connectors.runtime.run import groups_of
from bondmate_kafka.config import QUIET, KafkaConfig
from bondmate_kafka.consumer_lag import ConsumerLag, LagWatch
from bondmate_kafka.producer import BlockingWriter, not_written
from bondmate_kafka.records import Outgoing
from bondmate_kafka.topic_reader import kept
from bondmate_schemas.catalogue import STATE_CONNECTORS
from bondmate_schemas.codec import Codec, CodecError
from bondmate_schemas.models import ConnectorStatus

__all__ = ["forget", "last_said", "rows"]

_NEVER = "NEVER_REPORTED"
_SILENT = "SILENT"
_SAID = ("since", "refused_since", "breaker", "parked_keys", "paused_until", "paused_alerts", "last_sent_at",
         "last_received_at", "reported_at", "reported_by")  # fmt: skip
"""What a row has as the connector said it last."""
_ANSWER_SECONDS = 15.0
_LOOKS = 8
"""After so many an age that is not known yet stays unknown."""


def rows(
    instances: Sequence[Instance], kafka: KafkaConfig, codec: Codec, now: datetime | None = None
) -> list[dict[str, Any]]:
    """Return a row for each configured connector.

    `status` is what the connector said last, SILENT when it has said nothing for three of its intervals, or
    NEVER_REPORTED. `backlog_events` is what the broker holds for it now. `ok` is true for OK without a pause.

    Raises:
        BrokerError: the broker does not answer, or has no such topic: its message says what to do.
        SchemaUnavailableError: the registry does not answer.
    """
    said = last_said(kafka, codec)
    lags = _consumer_lag(instances, kafka)
    at = now or datetime.now(UTC)
    return [_row(instance, said.get(instance.name), lags, at) for instance in instances]


def last_said(kafka: KafkaConfig, codec: Codec) -> dict[str, ConnectorStatus]:
    """Return the last status of every connector that ever reported one, by its name. Raises as `rows`."""
    found: list[ConnectorStatus] = []
    for message in kept(kafka, STATE_CONNECTORS):
        try:
            found.append(codec.decode(message.value(), ConnectorStatus))
        except CodecError:
            if message.value() is None:
                found = [said for said in found if said.connector.encode() != message.key()]
            # Else of another version of the hub, or none of ours: what it says is not known.
    return dict(newest(found))


def forget(kafka: KafkaConfig, name: str) -> None:
    """Take back what a connector said; it is told anew when it says anything again.

    Raises:
        BrokerError: the broker does not answer or refuses, so nothing was changed.
    """
    tombstone = Outgoing(STATE_CONNECTORS, name.encode(), None)
    if code := BlockingWriter(kafka, "hub-connectors", _ANSWER_SECONDS).write([tombstone])[0]:
        raise not_written(STATE_CONNECTORS, code)


def _consumer_lag(instances: Sequence[Instance], kafka: KafkaConfig) -> dict[str, ConsumerLag]:
    groups = {group: topic for instance in instances for group, topic in groups_of(instance).items()}
    watch = LagWatch({**kafka.client(), **QUIET}, groups)
    found: dict[str, ConsumerLag] = {}
    try:
        for _ in range(_LOOKS):
            # An age is read off what stood still between two looks, and told by the next.
            watch.learn_ages()
            found = watch.look()
            if not any(lag.events and lag.oldest_at is None for lag in found.values()):
                break
        return found
    finally:
        watch.close()


def _row(
    instance: Instance, said: ConnectorStatus | None, lags: dict[str, ConsumerLag], now: datetime
) -> dict[str, Any]:
    mine = [lags[group] for group in groups_of(instance) if group in lags]
    ages = [now.timestamp() - each.oldest_at if each.oldest_at is not None else None for each in mine if each.events]
    status = _NEVER if said is None else _SILENT if said.is_silent(now) else said.status
    found = {name: getattr(said, name, None) for name in _SAID}
    return {
        "connector": instance.name,
        "status": status,
        "reason": said.reason if said else "",
        **{name: value.isoformat() if isinstance(value, datetime) else value for name, value in found.items()},
        "backlog_events": sum(each.events for each in mine) if mine else None,
        # Of what is there but could not be looked at, nobody knows.
        "oldest_seconds": None if None in ages else round(max([0.0, *filter(None, ages)]), 1),
        "ok": status == "OK" and said is not None and said.breaker == "closed",
    }
