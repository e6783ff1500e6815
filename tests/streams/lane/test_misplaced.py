"""Positions in the partitions of other devices: written again where their device is remembered, and told once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.partitions import partition_of
from bondmate_schemas.catalogue import DEVICE_LOCATIONS, LAST_LOCATION, dead_letter_topic, locations_topic
from bondmate_schemas.codec import Codec, LocalSchemaIds
from bondmate_schemas.models import Delivery
from bondmate_streams.lane.batch import BatchEngine, BatchResult, Last
from bondmate_streams.lane.columnar import ColumnEngine
from bondmate_streams.lane.config import LaneConfig
from bondmate_streams.lane.homes import Homes
from bondmate_streams.lane.rows import Rows
from bondmate_streams.lane.run import run_lane
from bondmate_streams.logic.routing import Routes

from tests.streams.foreign import WAYS, Stranger, misplaced

TAK = locations_topic("tak")
CODEC = Codec(LocalSchemaIds())
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


class Lying:
    """A record of the topic in some partition, perhaps with marks."""

    def __init__(self, value: bytes, partition: int, offset: int, marks: tuple[tuple[str, bytes], ...] = ()) -> None:
        self._value, self._partition, self._offset, self._marks = value, partition, offset, marks

    def topic(self) -> str:
        return DEVICE_LOCATIONS

    def partition(self) -> int:
        return self._partition

    def offset(self) -> int:
        return self._offset

    def key(self) -> bytes:
        return b"a key"

    def value(self) -> bytes:
        return self._value

    def headers(self) -> list[tuple[str, bytes]]:
        return [("ce_id", b"id"), *self._marks]


@pytest.fixture(params=["rows", "columns", "few"])
def engine(request: pytest.FixtureRequest, routes: Routes, tmp_path: Path) -> BatchEngine:
    config = LaneConfig(kafka=KafkaConfig("", ""), data_dir=tmp_path, routes=routes, secret=b"a secret of tests")
    rules = replace(config.rules(), homes=Homes(4))
    if request.param == "rows":
        return Rows(rules, CODEC, lambda: NOW)
    return ColumnEngine(rules, CODEC, lambda: NOW, few=0 if request.param == "columns" else 10_000)


def home_of(device: str) -> int:
    return partition_of(device.encode(), 4)


def worked(engine: BatchEngine, *lying: Lying) -> BatchResult:
    found = engine.work(lying)  # type: ignore[arg-type]  # what is asked of a message
    found.remember()
    return found


def told(found: BatchResult) -> list[bytes]:
    return [key for each in found.deliveries if each.destination == "tak" for key, _ in each.records]


class TestEngine:
    def test_what_lies_astray_is_written_again_at_home_in_its_order_and_not_judged(
        self, engine: BatchEngine, make: Any
    ) -> None:
        devices = [f"device-{number}" for number in range(9)]
        fixes = [make.location(device, position=make.position(at=NOW)) for _ in range(6) for device in devices]
        lying = [
            Lying(CODEC.encode(fix), (home_of(fix.device_id) + number % 2) % 4, number)
            for number, fix in enumerate(fixes)
        ]
        found = worked(engine, *lying)
        again = worked(engine, *(Lying(one.value or b"", one.partition, 99) for one in found.moved))

        assert 27 == len(found.moved) == len(told(found)) == found.outcomes["moved"]
        assert [one.value() for one in lying[1::2]] == [one.value for one in found.moved]
        for number, one in enumerate(found.moved):
            fix = fixes[2 * number + 1]
            assert (fix.device_id.encode(), home_of(fix.device_id)) == (one.key, one.partition)
            assert (
                ("ce_id", b"id"),
                ("bondmate.moved.times", b"1"),
                ("bondmate.moved.from", f"{DEVICE_LOCATIONS}/{lying[2 * number + 1].partition()}/{2 * number + 1}".encode()),
            ) == tuple(one.headers)  # fmt: skip
        assert 27 == len(told(again))
        assert [] == again.moved

    def test_a_device_seen_astray_first_is_taken_at_home_in_the_same_batch(
        self, engine: BatchEngine, make: Any
    ) -> None:
        fix = CODEC.encode(make.location("device-new", position=make.position(at=NOW)))
        home = home_of("device-new")
        found = worked(engine, Lying(fix, (home + 1) % 4, 0), Lying(fix, home, 1))
        engine.forget((home + 1) % 4)
        again = worked(engine, Lying(fix, home, 2))

        assert (1, 1) == (len(found.moved), len(told(found)))
        assert {"repeat": 1} == +again.outcomes

    def test_one_in_circles_is_a_dead_letter(self, engine: BatchEngine, make: Any) -> None:
        fix = CODEC.encode(make.location("device-c", position=make.position(at=NOW)))
        marks = (("bondmate.moved.times", b"16"),)
        found = worked(engine, Lying(fix, (home_of("device-c") + 1) % 4, 0, marks))

        assert {"dead_lettered": 1} == +found.outcomes
        assert b"misplaced" == dict(found.dead_letters[0].headers)["bondmate.error.code"]
        assert ([], []) == (found.moved, told(found))

    def test_what_was_remembered_in_the_partition_of_another_number_of_them_is_not(
        self, engine: BatchEngine, make: Any
    ) -> None:
        fix = CODEC.encode(make.location("device-r", position=make.position(at=NOW)))
        home = home_of("device-r")
        engine.restore((home + 1) % 4, [Last("device-r", fix)])
        found = worked(engine, Lying(fix, home, 0))

        assert {"accepted": 1} == +found.outcomes
        assert 1 == len(told(found))


@pytest.fixture(scope="module", params=[True, False], ids=["columns", "rows"])
def lane(
    request: pytest.FixtureRequest, kafka: KafkaConfig, routes: Routes, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    stop = threading.Event()
    config = LaneConfig(
        kafka=kafka, data_dir=tmp_path_factory.mktemp("lane"), routes=routes, secret=b"a secret of tests",
        schema_ids=LocalSchemaIds(), by_columns=request.param,
    )  # fmt: skip
    thread = threading.Thread(target=run_lane, args=(config, stop))
    thread.start()
    yield str(request.param)
    stop.set()
    thread.join(30)
    assert not thread.is_alive()


@pytest.mark.parametrize("way", WAYS)
def test_positions_of_strangers_are_told_once_in_order_and_remembered_in_one_place(
    topics: Any, make: Any, kafka: KafkaConfig, lane: str, way: str
) -> None:
    names = [f"device-{lane}-{way}-{number}" for number in range(9)]
    start = datetime.now(UTC) - timedelta(seconds=30)
    fixes = [
        make.location(name, callsign=name, position=make.position(at=start + timedelta(seconds=number)))
        for number in range(20)
        for name in names
    ]
    Stranger(kafka, way).write(DEVICE_LOCATIONS, ((fix.device_id, topics.codec.encode(fix)) for fix in fixes))
    ids = {fix.header.event_id for fix in fixes}
    topics.wait(TAK, Delivery, lambda d: d.header.event_id in ids, len(fixes))
    for name in names:
        topics.wait_found(LAST_LOCATION, lambda one, name=name: one.key == name.encode())

    found = [d for d in topics.records(TAK, Delivery) if d.header.event_id in ids]
    of = {name: [d for d in found if d.location.callsign == name] for name in names}
    assert dict.fromkeys(names, 20) == {name: len(told) for name, told in of.items()}
    assert {()} == {d.header.flags for d in found}
    for told in of.values():
        assert [d.location.sequence for d in told] == sorted(d.location.sequence for d in told)
    lasts = [one for one in topics.all(LAST_LOCATION) if (one.key or b"").decode() in names]
    assert [] == misplaced(lasts)
    assert [] == [one for one in topics.all(dead_letter_topic("locations")) if (one.key or b"").decode() in names]
    # Nine devices need not lie in every partition; that they lie in several is what is asked.
    assert 1 < len({one.partition for one in topics.all(DEVICE_LOCATIONS)})
