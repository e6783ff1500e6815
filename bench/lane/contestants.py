"""The contestants: `python -m bench.lane.contestants NAME TASK` works until it is killed; it prints `ready` first."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bondmate_kafka.config import KafkaConfig
from bondmate_schemas.codec import Codec, LocalSchemaIds

from bench.lane.plain import SECRET
from bench.lane.world import World

Asked = Mapping[str, Any]


def _ready() -> None:
    print("ready", flush=True)


def _stopped() -> threading.Event:
    """Give what is set by SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    return stop


def _world(asked: Asked) -> World:
    return World(asked["devices"], asked["districts"], asked["destinations"])


def lane(kafka: KafkaConfig, asked: Asked, *, by_columns: bool = True) -> None:
    """Run the hub's own lane, as `hub run lane` does."""
    from bondmate_hub.roles.fast_loop import tune  # noqa: PLC0415  # another environment lacks its packages
    from bondmate_streams.lane.config import LaneConfig  # noqa: PLC0415
    from bondmate_streams.lane.run import run_lane  # noqa: PLC0415

    tune(batches=True)
    world = _world(asked)
    run_lane(
        LaneConfig(
            kafka=kafka, data_dir=Path(asked["folder"]) / f"lane-{asked['number']}", routes=world.routes(),
            secret=SECRET, districts=world.districts_of(), schema_ids=LocalSchemaIds(), by_columns=by_columns,
            instance=str(asked["number"]), cooperative=asked.get("cooperative", False),
        ),
        _stopped(),
        _ready,
    )  # fmt: skip


def rows(kafka: KafkaConfig, asked: Asked) -> None:
    """Run the lane fix by fix."""
    lane(kafka, asked, by_columns=False)


def floor(kafka: KafkaConfig, asked: Asked) -> None:
    """Run the floor."""
    from bondmate_hub.roles.fast_loop import tune  # noqa: PLC0415

    from bench.lane.floor import run  # noqa: PLC0415

    tune(batches=True)
    _ready()
    run(kafka, Codec(LocalSchemaIds()), asked["destinations"])


def faust(kafka: KafkaConfig, asked: Asked) -> None:
    """Run the faust application."""
    from bench.lane.with_faust import run  # noqa: PLC0415

    run(kafka, _world(asked), Path(asked["folder"]), asked["partitions"], _ready)


def quix(kafka: KafkaConfig, asked: Asked) -> None:
    """Run the Quix Streams application."""
    from bench.lane.with_quix import run  # noqa: PLC0415

    run(kafka, _world(asked), Path(asked["folder"]), _ready)


CONTESTANTS: Mapping[str, Callable[[KafkaConfig, Asked], None]] = {
    "lane": lane, "rows": rows, "floor": floor, "faust": faust, "quix": quix,
}  # fmt: skip


def main() -> None:
    """Run one."""
    name, task = sys.argv[1:]
    asked = json.loads(task)
    del sys.argv[1:]  # frameworks read them too
    CONTESTANTS[name](KafkaConfig(asked["bootstrap"], "", {"log_level": 2}), asked)


if __name__ == "__main__":
    main()
