"""Fixtures that give a test a running broker or registry; load with `pytest_plugins = ["bondmate_hub.testing"]`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bondmate_hub.broker import Broker, BrokerMissing
from bondmate_hub.broker.apache import ApacheBroker, ApacheConfig
from bondmate_hub.broker.embedded import EmbeddedBroker, EmbeddedConfig
from bondmate_hub.registry.server import RegistryConfig, serving_in_thread


@pytest.fixture(scope="session")
def embedded_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    """Run one embedded broker for all tests of this worker; a test that stops or kills it makes its own."""
    with EmbeddedBroker(EmbeddedConfig(tmp_path_factory.mktemp("embedded-broker"))) as broker:
        yield broker


@pytest.fixture(scope="session")
def apache_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheBroker]:
    """Run one Apache Kafka for all tests of this worker; skips, with the mend, where Java or the jars are missing."""
    broker = ApacheBroker(ApacheConfig(tmp_path_factory.mktemp("apache-broker")))
    try:
        broker.start()
    except BrokerMissing as error:
        pytest.skip(str(error))
    try:
        yield broker
    finally:
        broker.stop()


@pytest.fixture(scope="session", params=["embedded", pytest.param("apache", marks=pytest.mark.kafka)])
def broker(request: pytest.FixtureRequest) -> Broker:
    """Yield each broker in turn, so that what differs is known; Apache Kafka under its mark."""
    found: Broker = request.getfixturevalue(f"{request.param}_broker")
    return found


@pytest.fixture
def new_broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    """Yield one started broker to this test alone, to be stopped and killed; parametrise with its name, indirect."""
    makers: dict[str, Callable[[], Broker]] = {
        "embedded": lambda: EmbeddedBroker(EmbeddedConfig(tmp_path / "broker")),
        "apache": lambda: ApacheBroker(ApacheConfig(tmp_path / "broker")),
    }
    broker = makers[request.param]()
    try:
        broker.start()
    except BrokerMissing as error:
        pytest.skip(str(error))
    try:
        yield broker
    finally:
        broker.kill()


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve one schema registry for all tests of this worker; gives its URL."""
    with serving_in_thread(RegistryConfig(tmp_path_factory.mktemp("registry"))) as url:
        yield url
