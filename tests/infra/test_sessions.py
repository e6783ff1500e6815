"""A session that the broker refuses is found before a worker cannot start for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from bondmate_hub.roles.sessions import too_short
from bondmate_hub.settings import KafkaSection, Settings, StreamsSection
from bondmate_kafka.errors import ProvisioningError

if TYPE_CHECKING:
    from bondmate_hub.broker.apache import ApacheBroker


def settings(bootstrap: str, seconds: float, **client: Any) -> Settings:
    streams = StreamsSection(pseudonym_secret="a secret of these tests", session_seconds=seconds)  # type: ignore[arg-type]
    return Settings(kafka=KafkaSection(bootstrap=bootstrap, client=client), streams=streams)


def test_of_what_every_broker_takes_none_is_asked_and_one_that_does_not_answer_is_a_fault() -> None:
    assert not too_short(settings("127.0.0.1:9", 6))
    with pytest.raises(ProvisioningError, match=r"group\.min\.session"):
        too_short(settings("127.0.0.1:9", 3.5, log_level=0))


@pytest.mark.kafka
def test_what_the_broker_takes_is_told(apache_broker: ApacheBroker) -> None:
    found = [too_short(settings(apache_broker.bootstrap, seconds)) for seconds in (2, 3.5)]

    assert ["streams.session_seconds: the broker takes 3 at least (its group.min.session.timeout.ms)", ""] == found
