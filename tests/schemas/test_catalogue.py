"""What must hold of every topic, whatever the hub's settings."""

from __future__ import annotations

import itertools
import re

import pytest
from bondmate_schemas import catalogue
from bondmate_schemas.catalogue import personal_fields, topics
from bondmate_schemas.codec import RECORDS

DAY_MS = 86_400_000
FOUND = topics(destinations=("tak", "cap-north"), sources=("devices", "cap-north"))


def test_names_are_unique_sorted_and_ones_kafka_takes() -> None:
    names = [topic.name for topic in FOUND]

    assert sorted(set(names)) == names
    assert all(re.fullmatch(r"[a-zA-Z0-9._-]{1,200}", name) for name in names)


def test_no_two_names_collide_in_metrics_of_the_broker() -> None:
    # Kafka warns of names that differ in "." and "_" only.
    for one, other in itertools.combinations((topic.name.replace(".", "_") for topic in FOUND), 2):
        assert one != other


def test_every_record_stands_on_a_topic() -> None:
    assert set(RECORDS) == {topic.record for topic in FOUND} - {None}


def test_every_source_and_destination_and_stage_has_a_dead_letter_topic() -> None:
    names = {topic.name for topic in FOUND}

    assert {f"bondmate.dlq.{place}" for place in ("tak", "cap-north", "devices", *catalogue.stages())} <= names


def test_positions_are_kept_a_day_wherever_a_copy_lies() -> None:
    copies = [
        topic
        for topic in FOUND
        if topic.record == "DeviceLocation"
        or topic.name.endswith(".locations")
        or topic.name == catalogue.LAST_LOCATION
    ]

    assert len(copies) >= 7
    assert {DAY_MS} == {topic.retention_ms for topic in copies}


def test_what_is_kept_by_key_is_compacted() -> None:
    for topic in FOUND:
        if topic.retention_ms < 0:
            assert topic.cleanup == "compact" or topic.name == catalogue.AUDIT


@pytest.mark.parametrize("name", RECORDS)
def test_a_topic_with_personal_fields_is_marked(name: str) -> None:
    for topic in FOUND:
        if topic.record == name and personal_fields(name):
            assert topic.personal


def test_personal_fields_are_found_at_every_use_of_a_shared_type() -> None:
    paths = dict(personal_fields("Delivery"))

    for event in ("alert", "incident", "location"):
        assert paths[f"{event}.position.latitude"] == ("PERSONAL", "LOCATION")
    for event in ("alert", "incident", "message"):
        assert f"{event}.attachments.url" in paths


def test_a_check_in_is_kept_until_it_is_due_and_not_for_ever():
    (topic,) = (topic for topic in topics() if topic.name == catalogue.CHECK_INS)

    assert "compact,delete" == topic.cleanup
    assert DAY_MS < topic.retention_ms <= 2 * DAY_MS  # due within a day
