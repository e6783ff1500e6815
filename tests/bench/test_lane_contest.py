"""The contestants of `make bench-lane` do the same work: what the frameworks' application tells is what the lane tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from bondmate_schemas.codec import Codec, LocalSchemaIds
from bondmate_schemas.models import Delivery
from bondmate_streams.lane.columnar import ColumnEngine
from bondmate_streams.lane.rows import Rules
from bondmate_streams.logic.deliveries import Agreements

from bench.lane.plain import SECRET, Avro, Work
from bench.lane.world import World

START_MS = 1_790_000_000_000


class Record:
    """A record of Kafka, as far as the lane looks at it."""

    def __init__(self, key: bytes, value: bytes) -> None:
        self._key, self._value = key, value

    def value(self) -> bytes:
        return self._value

    def partition(self) -> int:
        return 0


@pytest.fixture
def codec() -> Codec:
    codec = Codec(LocalSchemaIds())
    codec.learn("Delivery")
    return codec


def seen(codec: Codec, destination: str, key: bytes, value: bytes) -> tuple[str, bytes, str]:
    delivery = codec.decode(value, Delivery)
    header = delivery.header.model_copy(update={"published_at": None})
    return destination, key, delivery.model_copy(update={"header": header}).model_dump_json()


def by_lane(world: World, codec: Codec, positions: list[tuple[bytes, bytes]]) -> Iterator[tuple[str, bytes, str]]:
    routes = world.routes()
    rules = Rules(routes, Agreements(routes, SECRET), world.districts_of())
    engine = ColumnEngine(rules, codec, lambda: datetime.fromtimestamp(START_MS / 1000, UTC))
    messages: Any = [Record(key, value) for key, value in positions]
    for told in engine.work(messages).deliveries:
        for key, value in told.records:
            yield seen(codec, told.destination, key, value)


def by_application(
    world: World, codec: Codec, positions: list[tuple[bytes, bytes]]
) -> Iterator[tuple[str, bytes, str]]:
    work, read, write, known = Work(world), Avro("DeviceLocation"), Avro("Delivery"), dict[bytes, Any]()
    for key, value in positions:
        told, known[key] = work.judge(read.read(value), known.get(key))
        for destination, name, delivery in work.deliveries(told) if told else ():
            yield seen(codec, destination, name.encode(), write.write(delivery))


def test_an_application_of_the_frameworks_tells_what_the_lane_tells(codec: Codec) -> None:
    world = World(devices=50, districts=20, destinations=3)
    positions = list(world.positions(150, codec, start_ms=START_MS))
    # A repeat, and one that comes late.
    positions = [*positions[:60], positions[10], *positions[100:], *positions[60:100]]
    expected = Counter(by_lane(world, codec, positions))
    assert expected == Counter(by_application(world, codec, positions))
    assert 3 * 150 == expected.total()
    assert any('"late"' in text for *_, text in expected)
