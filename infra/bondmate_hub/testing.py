"""Fixtures that give a test a running broker or registry; load with `pytest_plugins = ["bondmate_hub.testing"]`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bondmate_hub.broker import Broker
from bondmate_hub.broker.embedded import EmbeddedBroker, EmbeddedConfig


@pytest.fixture(scope="session")
def embedded_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    """Run one embedded broker for all tests of this worker; a test that stops or kills it makes its own."""
    with EmbeddedBroker(EmbeddedConfig(tmp_path_factory.mktemp("embedded-broker"))) as broker:
        yield broker


@pytest.fixture(scope="session", params=["embedded"])
def broker(request: pytest.FixtureRequest) -> Broker:
    """Give each broker in turn, so that what differs is known: the embedded one, and Apache Kafka under its mark."""
    found: Broker = request.getfixturevalue(f"{request.param}_broker")
    return found
