"""How many partitions there are: one number for all topics that are spread, asked of the broker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bondmate_hub.broker.embedded import EmbeddedBroker, EmbeddedConfig
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.provisioning import apply
from bondmate_schemas import catalogue
from bondmate_streams.agents.run import UnreadyTopicsError, _partitions
from confluent_kafka.admin import AdminClient, NewPartitions


def test_what_is_spread_is_spread_alike_and_what_is_few_is_not() -> None:
    counts = {topic.name: topic.partitions for topic in catalogue.topics(["tak"], partitions=7)}

    assert {1, 7} == set(counts.values())
    few = {
        "bondmate-streams-__assignor-__leader",
        "bondmate.dlq.decisions",
        "bondmate.pages",
        "bondmate.role.status",
        "bondmate.state.connectors",
        "bondmate.state.pages",
        "bondmate.state.routes",
    }
    assert few == {name for name, count in counts.items() if count == 1}


def test_the_streams_take_the_number_from_the_broker_and_wait_where_topics_differ(
    routes: Any, configured: Callable[..., Any], tmp_path: Path
) -> None:
    with EmbeddedBroker(EmbeddedConfig(tmp_path / "broker")) as broker:
        config = configured(tmp_path, kafka=KafkaConfig(broker.bootstrap, "", {"log_level": 0}))
        admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        with pytest.raises(UnreadyTopicsError, match="missing"):
            _partitions(config)
        apply(admin, catalogue.topics(routes.destinations, partitions=1), limits=broker.limits)
        assert 1 == _partitions(config)
        admin.create_partitions([NewPartitions(catalogue.RECEIPTS, 2)])[catalogue.RECEIPTS].result(10)

        with pytest.raises(UnreadyTopicsError, match="differ"):
            _partitions(config)
