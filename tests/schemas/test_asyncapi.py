"""The interface specification is valid, contradicts itself nowhere, and says what the catalogue says."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import fastavro
import pytest
from bondmate_schemas import catalogue
from bondmate_schemas.asyncapi import document, faults
from bondmate_schemas.codec import RECORDS, schema_text
from jsonschema import Draft7Validator

FOUND = document("1.2.3")


def test_it_is_valid_against_the_specification_s_own_schema(corpus: Path) -> None:
    path = corpus / "asyncapi/schema/3.1.0.json"
    if not path.is_file():
        pytest.skip("the corpus has no AsyncAPI 3.1.0 schema")
    validator = Draft7Validator(json.loads(path.read_text()))

    assert [] == [error.message for error in validator.iter_errors(FOUND)]
    broken = FOUND | {"channels": {"x": {"place": "no such word"}}}
    assert list(validator.iter_errors(broken))


def test_it_contradicts_itself_nowhere() -> None:
    assert [] == faults(FOUND)


def spoil(*path: str, value: Any = None) -> dict[str, Any]:
    spoilt = copy.deepcopy(FOUND)
    node = spoilt
    for part in path[:-1]:
        node = node[part]
    if value is None:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return spoilt


@pytest.mark.parametrize(
    ("spoilt", "expected"),
    [
        (spoil("components", "messages", "Delivery"), "#/components/messages/Delivery: leads nowhere"),
        (spoil("channels", "toDestination", "parameters"), "channels.toDestination: parameters are not those"),
        (spoil("components", "messages", "Extra", value={}), "components.messages.Extra: in no channel"),
        (spoil("operations", "sendAudit"), "channels.audit: no operation"),
    ],
)
def test_a_contradiction_is_found_without_the_specification_s_schema(spoilt: dict[str, Any], expected: str) -> None:
    assert any(fault.startswith(expected) for fault in faults(spoilt))


def test_every_topic_of_a_hub_is_described_with_its_key_and_retention() -> None:
    channels = {channel["address"]: channel for channel in FOUND["channels"].values()}
    for topic in catalogue.topics(destinations=("{destination}",), sources=("{destination}",)):
        if catalogue.is_dead_letters(topic.name):
            assert "bondmate.dlq.{place}" in channels
            continue
        channel = channels[topic.name]
        settings = channel["bindings"]["kafka"]["topicConfiguration"]
        assert topic.key == channel["x-key"]
        assert topic.retention_ms == settings["retention.ms"]
        assert topic.cleanup == ",".join(settings["cleanup.policy"])
        assert topic.personal == channel["x-personal-data"]
        assert [topic.record] * bool(topic.record) == list(channel.get("messages", {}))


@pytest.mark.parametrize("name", RECORDS)
def test_a_payload_is_the_schema_that_is_registered(name: str) -> None:
    message = FOUND["components"]["messages"][name]

    described = fastavro.schema.fingerprint(canonical(message["payload"]["schema"]), "SHA-256")
    assert fastavro.schema.fingerprint(canonical(json.loads(schema_text(name))), "SHA-256") == described
    assert {path: list(tags) for path, tags in catalogue.personal_fields(name)} == message["x-personal-fields"]


def test_a_delivery_is_answered_on_the_receipts() -> None:
    reply = FOUND["operations"]["sendToDestination"]["reply"]

    assert {"channel": {"$ref": "#/channels/receipts"}} == reply


def canonical(schema: Any) -> str:
    return fastavro.schema.to_parsing_canonical_form(schema)


def test_who_writes_a_topic_is_told_how_its_partition_is_chosen() -> None:
    found = document("1.2.3")
    named = {name: channel.get("x-partitioner") for name, channel in found["channels"].items()}
    wanted = {"hash": "murmur2", "librdkafka": "murmur2_random"}

    assert {"receipts", "incidents", "messages", "deviceAlerts", "deviceLocations"} <= {
        name for name, partitioner in named.items() if partitioner == wanted
    }
    assert "partitioner=murmur2_random" in found["info"]["description"]
    assert {"bondmate.moved.times", "bondmate.moved.from"} <= set(
        found["components"]["schemas"]["CloudEvent"]["properties"]
    )
