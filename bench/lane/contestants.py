"""The contestants: `python -m bench.lane.contestants NAME TASK`, which prints `ready` when it begins."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bondmate_schemas.codec import Codec, LocalSchemaIds
from bondmate_schemas.kafka import KafkaConfig
from bondmate_streams.lane.config import LaneConfig
from bondmate_streams.lane.run import GROUP as LANE_GROUP
from bondmate_streams.lane.run import run_lane

from bench.lane import floor
from bench.lane.world import World


def _ready() -> None:
    print("ready", flush=True)


def lane(kafka: KafkaConfig, asked: Mapping[str, Any], *, by_columns: bool = True) -> None:
    """Run the hub's own lane."""
    world = World(asked["devices"], asked["districts"], asked["destinations"])
    run_lane(
        LaneConfig(
            kafka=kafka, data_dir=Path(asked["folder"]) / "lane", routes=world.routes(), secret=b"of the bench only",
            districts=world.districts_of(), schema_ids=LocalSchemaIds(), by_columns=by_columns,
        ),
        threading.Event(),
        _ready,
    )  # fmt: skip


def rows(kafka: KafkaConfig, asked: Mapping[str, Any]) -> None:
    """Run the lane fix by fix."""
    lane(kafka, asked, by_columns=False)


def bare(kafka: KafkaConfig, asked: Mapping[str, Any]) -> None:
    """Run the floor."""
    _ready()
    floor.run(kafka, Codec(LocalSchemaIds()), asked["destinations"], asked["count"])
    threading.Event().wait()


CONTESTANTS: Mapping[str, tuple[str, Callable[[KafkaConfig, Mapping[str, Any]], None]]] = {
    "lane": (LANE_GROUP, lane),
    "rows": (LANE_GROUP, rows),
    "floor": (floor.GROUP, bare),
}
"""Group and work of each."""


def main() -> None:
    """Run one."""
    name, task = sys.argv[1:]
    asked = json.loads(task)
    CONTESTANTS[name][1](KafkaConfig(asked["bootstrap"], "", {"log_level": 2}), asked)


if __name__ == "__main__":
    main()
