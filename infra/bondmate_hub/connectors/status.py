"""How the configured connectors are, one row for each process that runs one; of the same facts as `hub status`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from typing import Any

from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.errors import BrokerError
from bondmate_kafka.newest_values import NewestValues
from bondmate_kafka.producer import BlockingWriter, not_written
from bondmate_kafka.records import Outgoing
from bondmate_schemas.catalogue import STATE_CONNECTORS, destination_topic, locations_topic
from bondmate_schemas.codec import Codec, CodecError
from bondmate_schemas.models import ConnectorStatus

from bondmate_hub.status.facts import ConnectorFact, Facts, LagFact

__all__ = ["forget", "rows"]

_NEVER = "NEVER_REPORTED"
_SAID = ("since", "refused_since", "breaker", "parked_keys", "paused_until", "paused_alerts", "last_sent_at",
         "last_received_at", "reported_at", "reported_by")  # fmt: skip
"""What a row has as the connector said it last."""
_ANSWER_SECONDS = 15.0


def rows(names: list[str], facts: Facts) -> list[dict[str, Any]]:
    """Return the rows of the connectors `names`.

    `status` is what the connector said last, SILENT when its process says nothing any more, or NEVER_REPORTED.
    `backlog_events` is what the broker holds for it now, for all its processes. `ok` is true for OK without a pause.
    """
    return [row for name in names for row in _rows(name, facts.of_connector(name), _lags(facts, name))]


def _rows(name: str, found: list[ConnectorFact], lags: list[LagFact]) -> list[dict[str, Any]]:
    return [_row(name, fact, lags) for fact in found] or [_row(name, None, lags)]


def _lags(facts: Facts, name: str) -> list[LagFact]:
    topics = {destination_topic(name), locations_topic(name)}
    return [lag for lag in facts.lags if lag.consumer == "runner" and lag.topic in topics]


def _row(name: str, fact: ConnectorFact | None, lags: list[LagFact]) -> dict[str, Any]:
    said = fact.said if fact else None
    ages = [lag.oldest_seconds for lag in lags]
    found = {name: getattr(said, name, None) for name in _SAID}
    return {
        "connector": name,
        "status": fact.status if fact else _NEVER,
        "reason": said.reason if said else "",
        **{name: value.isoformat() if isinstance(value, datetime) else value for name, value in found.items()},
        "backlog_events": sum(lag.events for lag in lags) if lags else None,
        # Of what is there but could not be looked at, nobody knows.
        "oldest_seconds": None if None in ages else round(max([0.0, *filter(None, ages)]), 1),
        "ok": fact is not None and fact.ok,
    }


def forget(kafka: KafkaConfig, codec: Codec, name: str) -> None:
    """Take back what every process said of a connector; it is told anew when one says anything again.

    Raises:
        BrokerError: the broker does not answer or refuses, so nothing was changed.
    """
    tombstones = [Outgoing(STATE_CONNECTORS, key, None) for key in {name.encode(), *_keys(kafka, codec, name)}]
    for code in BlockingWriter(kafka, "hub-connectors", _ANSWER_SECONDS).write(tombstones):
        if code:
            raise not_written(STATE_CONNECTORS, code)


def _keys(kafka: KafkaConfig, codec: Codec, name: str) -> Iterator[bytes]:
    with closing(NewestValues(kafka)) as values:
        if why := values.why_absent(_ANSWER_SECONDS):
            raise BrokerError(why)
        values.read([STATE_CONNECTORS], _ANSWER_SECONDS)
        for key, value in values.of(STATE_CONNECTORS).items():
            try:
                if codec.decode(value, ConnectorStatus).connector == name:
                    yield key
            except CodecError:
                continue  # of another version of the hub: whose it is, is not known
