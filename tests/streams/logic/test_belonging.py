"""Where records belong: by their content, whatever key and partition a foreign client chose."""

from __future__ import annotations

from typing import Any

import pytest
from bondmate_kafka.records import Arrived
from bondmate_schemas.catalogue import DEVICE_ALERTS, MESSAGES, RECEIPTS
from bondmate_streams.errors import BadEventError
from bondmate_streams.logic.belonging import MOVES, Home, Stay, moved, pause_seconds, stay, times_moved
from bondmate_streams.misplaced import Misplaced
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

HEADERS = (("ce_id", b"id"), ("traceparent", b"trace"), ("bondmate.moved.times", b"1"))


def lying(partition: int, key: bytes | None, topic: str = RECEIPTS, times: bytes | None = None) -> Arrived:
    marks = () if times is None else (("bondmate.moved.times", times),)
    return Arrived(topic, partition, 7, key, b"value", (("ce_id", b"id"), *marks))


def test_home_is_where_javas_client_puts_the_key() -> None:
    """The values are those of `org.apache.kafka.common.utils.Utils.murmur2`, of Kafka's own tests."""
    positive = {"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536, "": 275646681}

    assert {text: (number & 0x7FFFFFFF) % 7 for text, number in positive.items()} == {
        text: Home.of(text, 7).partition for text in positive
    }


@pytest.mark.parametrize("key", [b"event", None, b"", b"another"])
def test_in_its_own_partition_a_record_stays_whatever_its_key(key: bytes | None) -> None:
    home = Home.of("event", 4)

    assert (Stay.AT_HOME if key == b"event" else Stay.WRONG_KEY) == stay(lying(home.partition, key), home)
    assert Stay.MOVED == stay(lying((home.partition + 1) % 4, key), home)


def test_a_topic_whose_agent_keeps_nothing_is_taken_from_any_partition() -> None:
    home = Home.of("device", 4)

    assert {Stay.AT_HOME} == {stay(lying(partition, b"device", MESSAGES), home) for partition in range(4)}


@given(key=st.text(max_size=30), count=st.integers(1, 50), partition=st.integers(0, 49), wrong=st.binary(max_size=9))
def test_written_again_a_record_is_at_home_with_its_bytes_and_headers(
    key: str, count: int, partition: int, wrong: bytes
) -> None:
    arrived = Arrived(RECEIPTS, partition % count, 7, wrong, b"value", HEADERS)
    home = Home.of(key, count)
    again = moved(arrived, home)
    found = Arrived(again.topic, again.partition, 0, again.key, again.value, tuple(again.headers))

    assert Stay.AT_HOME == stay(found, home)
    assert (key.encode(), b"value") == (again.key, again.value)
    assert HEADERS[:2] == found.headers[:2]
    assert {"bondmate.moved.times": b"2", "bondmate.moved.from": f"{RECEIPTS}/{arrived.partition}/7".encode()} == dict(
        found.headers[2:]
    )


def test_a_circle_ends_and_is_slow_before_it_does() -> None:
    home = Home.of("event", 4)
    arrived = lying((home.partition + 1) % 4, b"event")
    pauses = []
    while stay(arrived, home) is Stay.MOVED:
        pauses.append(pause_seconds(times_moved(arrived.headers)))
        again = moved(arrived, home)
        # Whoever moved it here counts the partitions otherwise.
        arrived = Arrived(RECEIPTS, arrived.partition, 8, again.key, again.value, tuple(again.headers))

    assert Stay.ASTRAY == stay(arrived, home)
    assert MOVES == len(pauses)
    assert [0, 0, 0] == pauses[:3]
    assert 30 < sum(pauses) < 90


@pytest.mark.parametrize("times", [b"", b"-1", b"x", b"1e9", b"9" * 5_000, b"\xff", None])
def test_a_forged_mark_is_no_mark(times: bytes | None) -> None:
    assert 0 == times_moved((("bondmate.moved.times", times),))


def test_what_is_found_is_counted_and_said_once_a_topic_until_it_is_news_again(capsys: Any) -> None:
    def count(found: str) -> float:
        labels = {"topic": DEVICE_ALERTS, "found": found}
        return REGISTRY.get_sample_value("hub_misplaced_records_total", labels) or 0.0

    now = 0.0
    misplaced = Misplaced(lambda: now)
    home = Home.of("canary-device", 4)
    before = count("moved"), count("wrong_key"), count("astray")
    astray = lying((home.partition + 1) % 4, None, DEVICE_ALERTS)
    stays = [misplaced.may_stay(astray, home) for _ in range(3)]
    stays.append(misplaced.may_stay(lying(home.partition, None, DEVICE_ALERTS), home))
    with pytest.raises(BadEventError, match="misplaced"):
        misplaced.may_stay(lying((home.partition + 1) % 4, None, DEVICE_ALERTS, b"16"), home)
    said = capsys.readouterr().out
    now = 7_200.0
    misplaced.may_stay(astray, home)

    assert [False, False, False, True] == stays
    assert (before[0] + 4, before[1] + 1, before[2] + 1) == (count("moved"), count("wrong_key"), count("astray"))
    assert 1 == said.count("somebody writes with a foreign partitioner")
    assert 1 == said.count("somebody writes under foreign keys")
    assert DEVICE_ALERTS in said
    assert "canary" not in said
    assert 1 == capsys.readouterr().out.count("somebody writes with a foreign partitioner")
