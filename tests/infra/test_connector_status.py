"""`hub connectors status`: what each connector said last, who fell silent, and what the broker holds for them."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.newest_values import NewestValues
from bondmate_kafka.registry import RegistrySchemaIds
from bondmate_schemas.catalogue import STATE_CONNECTORS, destination_topic
from bondmate_schemas.codec import Codec
from bondmate_schemas.models import ConnectorStatus
from command_line import hub
from confluent_kafka import Producer

ROOMS = ("well", "mute", "never", "failing")


@pytest.fixture
def config(tmp_path, new_broker, registry):
    room = {
        "connector": "cap_webhook",
        "settings": {
            "deliver": {
                "url": "http://127.0.0.1:9/alerts",
                "secrets": ["whsec_" + "QUJD" * 10],
            },  # pragma: allowlist secret
        },
    }
    path = tmp_path / "hub.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "kafka": {"bootstrap": new_broker.bootstrap, "registry_url": registry},
                "connectors": dict.fromkeys(ROOMS, room),
            }
        ),
        encoding="utf-8",
    )
    return path


@pytest.mark.parametrize("new_broker", ["embedded"], indirect=True)  # the topic must not be there yet
def test_who_is_well_who_fails_who_fell_silent_and_who_never_spoke(config, tmp_path, new_broker, registry):
    before = hub("connectors", "status", "--config", str(config), cwd=tmp_path)
    made = hub("topics", "apply", "--config", str(config), cwd=tmp_path)
    kafka = KafkaConfig(new_broker.bootstrap, registry)
    codec, producer = Codec(RegistrySchemaIds(registry)), Producer(kafka.producer("test"))

    def say(name, seconds_ago, status, **more):
        at = datetime.now(UTC) - timedelta(seconds=seconds_ago)
        said = ConnectorStatus(connector=name, reported_at=at, since=at, status=status, interval_seconds=10, **more)
        producer.produce(STATE_CONNECTORS, key=name, value=codec.encode(said))

    say("well", 300, "RECOVERABLE_ERROR", breaker="open")
    say("well", 1, "OK")
    say("mute", 60, "OK")
    say("failing", 2, "RECOVERABLE_ERROR", breaker="open", reason="failing: timeout", parked_keys=3)
    for number in range(7):
        waits_since = int((datetime.now(UTC) - timedelta(seconds=70)).timestamp() * 1000)
        producer.produce(destination_topic("mute"), key=str(number), value=b"x", timestamp=waits_since)
    assert 0 == producer.flush(10)
    done = hub("connectors", "status", "--config", str(config), "--json", cwd=tmp_path)
    shown = hub("connectors", "status", "--config", str(config), cwd=tmp_path)
    say("mute", 0, "OK")
    say("never", 0, "OK")
    say("failing", 0, "OK")
    assert 0 == producer.flush(10)
    recovered = hub("connectors", "status", "--config", str(config), cwd=tmp_path)

    rows = {row["connector"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert (1, True) == (before.returncode, "run `hub topics apply`" in before.stderr), before.stderr
    assert 0 == made.returncode, made.stderr
    assert (1, 1, 0) == (done.returncode, shown.returncode, recovered.returncode), recovered.stdout
    assert {"well": "OK", "mute": "SILENT", "never": "NEVER_REPORTED", "failing": "RECOVERABLE_ERROR"} == {
        name: row["status"] for name, row in rows.items()
    }
    assert {"well": 0, "mute": 7, "never": 0, "failing": 0} == {
        name: row["backlog_events"] for name, row in rows.items()
    }
    assert {"well": False, "mute": True, "never": False, "failing": False} == {
        name: 70 <= row["oldest_seconds"] < 600 for name, row in rows.items()
    }
    assert ("open", 3, "failing: timeout") == tuple(rows["failing"][k] for k in ("breaker", "parked_keys", "reason"))
    assert ["connector", *sorted(ROOMS)] == [line.split()[0] for line in shown.stdout.splitlines()]


@pytest.mark.parametrize("new_broker", ["embedded"], indirect=True)
def test_one_that_is_gone_for_good_is_forgotten_and_one_that_is_configured_is_not(
    config, tmp_path, new_broker, registry
):
    assert 0 == hub("topics", "apply", "--config", str(config), cwd=tmp_path).returncode
    kafka = KafkaConfig(new_broker.bootstrap, registry)
    codec, producer, now = Codec(RegistrySchemaIds(registry)), Producer(kafka.producer("test")), datetime.now(UTC)
    for name in ("gone", "well"):
        said = ConnectorStatus(connector=name, reported_at=now, since=now, status="OK", interval_seconds=10)
        producer.produce(STATE_CONNECTORS, key=name, value=codec.encode(said))
    assert 0 == producer.flush(10)
    refused = hub("connectors", "forget", "well", "--config", str(config), cwd=tmp_path)
    done = hub("connectors", "forget", "gone", "--config", str(config), cwd=tmp_path)

    assert (2, 0) == (refused.returncode, done.returncode), done.stderr
    assert "take it out there" in " ".join(refused.stderr.replace("│", "").split())
    with closing(NewestValues(kafka)) as values:
        assert not values.why_absent(10)
        assert values.read([STATE_CONNECTORS], 10)
        assert [b"well"] == list(values.of(STATE_CONNECTORS))


def test_a_broker_that_does_not_answer_is_told_with_the_mend(tmp_path):
    config = tmp_path / "hub.yaml"
    config.write_text("kafka: {bootstrap: '127.0.0.1:9'}\n", encoding="utf-8")
    done = hub("connectors", "status", "--config", str(config), cwd=tmp_path)

    assert 1 == done.returncode
    assert "kafka.bootstrap" in done.stderr
    assert "Traceback" not in done.stderr
