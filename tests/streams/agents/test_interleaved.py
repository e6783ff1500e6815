"""What one writer put in one partition stays in its order, under whatever keys, over a worker that ends among it."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from bondmate_kafka.partitions import partition_of
from bondmate_schemas import catalogue
from bondmate_schemas.catalogue import INCIDENTS, STATE_INCIDENTS, destination_topic
from bondmate_schemas.enums import IncidentAction
from bondmate_schemas.models import Delivery, IncidentState

from tests.streams.foreign import misplaced

TAK = destination_topic("tak")
NAMES, COUNT = [f"incident-x{number}" for number in range(3)], 60


@pytest.mark.parametrize("astray", [0, 1], ids=["in its own partition", "in another's"])
def test_correct_and_wrong_keys_that_interleave_keep_their_order_over_a_restart(  # noqa: PLR0917
    topics: Any, make: Any, configured: Any, running: Any, tmp_path: Path, astray: int
) -> None:
    names = [f"{name}-{astray}" for name in NAMES]
    keys = itertools.cycle([None, b"", b"a room's name", b"right"])

    def write(numbers: range) -> None:
        for number in numbers:
            for name in names:
                action = IncidentAction.UPDATED if number else IncidentAction.OPENED
                event = make.incident(incident_id=name, title=str(number), action=action)
                home = partition_of(name.encode(), catalogue.PARTITIONS)
                key = name.encode() if (key := next(keys)) == b"right" else key
                partition = (home + astray) % catalogue.PARTITIONS
                topics.put_bytes(INCIDENTS, key, topics.codec.encode(event), partition=partition)

    def told() -> list[Delivery]:
        found = (d for d in topics.records(TAK, Delivery) if d.header.incident_id in names)
        return list({d.id: d for d in found}.values())

    streams = running(configured(tmp_path))
    write(range(COUNT // 2))
    topics.wait(TAK, Delivery, lambda d: d.header.incident_id == names[0])
    streams.stop()
    before = len(told())
    write(range(COUNT // 2, COUNT))
    streams = running(configured(tmp_path))
    try:
        topics.wait(TAK, Delivery, lambda d: d.header.incident_id in names and d.incident.title == str(COUNT - 1), 3)
    finally:
        streams.stop()

    assert 0 < before < COUNT * len(names)
    assert {name: [str(number) for number in range(COUNT)] for name in names} == {
        name: [d.incident.title for d in told() if d.header.incident_id == name] for name in names
    }
    states = [one for one in topics.all(STATE_INCIDENTS) if (one.key or b"").decode() in names]
    assert [] == misplaced(states)
    last = {one.key: topics.codec.decode(one.value, IncidentState).event.title for one in states}
    assert {str(COUNT - 1)} == set(last.values())
